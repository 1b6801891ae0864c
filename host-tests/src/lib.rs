//! Code that the tests, the end-to-end suite and the measurements share, and that needs
//! the files that ship.
#![forbid(unsafe_code)]

pub mod changes;
pub mod config;
pub mod fluent_bit;
pub mod follower;
pub mod guest;
pub mod languages;
pub mod msgpack;
pub mod page;
pub mod policy;
pub mod program;
pub mod s3;
pub mod secrets;
pub mod specification;
pub mod streams;

use std::path::{Path, PathBuf};

/// Returns the root of the checkout.
pub fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// Returns the path of a file or folder in `cases`.
pub fn cases(name: &str) -> PathBuf {
    root().join("host-tests/cases").join(name)
}
