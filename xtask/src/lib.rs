//! The parts of `cargo xtask` that packing also needs: the workspace, its packages, and
//! running other programs.
#![forbid(unsafe_code)]

pub mod book;
pub mod build;
pub mod packages;
pub mod pages;
pub mod run;
pub mod workspace;

use std::path::{Path, PathBuf};

/// The top of the checkout.
pub fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}
