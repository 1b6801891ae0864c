//! `flb-audit` and the modules in `dist/`, as `cargo xtask build` makes them.

use crate::root;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Returns the path of a file that ships.
pub fn dist(name: &str) -> PathBuf {
    let path = root().join("dist").join(name);
    assert!(path.is_file(), "{}: no such file; run `cargo xtask build` first", path.display());
    path
}

/// Returns a command that runs the program without arguments.
pub fn flb_audit() -> Command {
    Command::new(dist("flb-audit"))
}

/// Runs the program in a directory.
pub fn run_in(arguments: &[&str], directory: &Path) -> Output {
    flb_audit().args(arguments).current_dir(directory).output().expect("flb-audit runs")
}
