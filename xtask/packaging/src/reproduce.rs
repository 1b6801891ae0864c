//! `cargo xtask package --reproduce`: builds the commit in two other folders, and checks
//! that every file is the same.

use super::checksums::FILE_NAME;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;
use std::process::Command;
use xtask::root;
use xtask::run::{run, step};

/// Builds all packages twice from scratch, in folders with different names.
pub(crate) fn reproduce() -> Result<()> {
    let work = root().join("target/reproduce");
    if work.exists() {
        fs::remove_dir_all(&work)?;
    }
    let first = step("first build", || built(&work.join("a")))?;
    let second = step("second build", || built(&work.join("another/folder")))?;
    let differing: Vec<&str> =
        first.lines().filter(|line| !second.lines().any(|other| other == *line)).collect();
    ensure!(differing.is_empty() && first == second, "these are different:\n{}", differing.join("\n"));
    println!("{} files, bit by bit the same:\n{first}", first.lines().count());
    Ok(())
}

/// Builds the last commit in a clone. Returns the checksums of its packages.
fn built(clone: &Path) -> Result<String> {
    let mut git = Command::new("git");
    git.args(["clone", "--quiet"]).arg(root()).arg(clone);
    run(git)?;
    let mut package = Command::new("cargo");
    package.args(["xtask", "package"]).current_dir(clone).env_remove("CARGO_TARGET_DIR");
    run(package)?;
    let sums = clone.join("dist/packages").join(FILE_NAME);
    fs::read_to_string(&sums).with_context(|| sums.display().to_string())
}
