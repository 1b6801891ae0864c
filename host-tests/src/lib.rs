//! What the tests, the end-to-end suite and the measurements share.
#![forbid(unsafe_code)]

pub mod config;
pub mod fluent_bit;
pub mod page;
pub mod policy;
pub mod secrets;
pub mod streams;

use std::path::{Path, PathBuf};

/// The top of the checkout.
pub fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}
