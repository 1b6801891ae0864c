//! `cargo xtask package --reproduce`: builds the commit in two other folders, and checks
//! that every file is the same.

use super::checksums::FILE_NAME;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use xtask::root;
use xtask::run::{run, step};

/// Builds all packages twice from scratch, in folders with different names, and keeps the
/// packages of both.
pub(crate) fn reproduce() -> Result<()> {
    let work = root().join("target/reproduce");
    if work.exists() {
        fs::remove_dir_all(&work)?;
    }
    let (first, second) = (work.join("first"), work.join("second"));
    step("first build", || build(&work.join("a"), &first))?;
    step("second build", || build(&work.join("another/folder"), &second))?;
    let differing = differing(&first, &second)?;
    ensure!(differing.is_empty(), "these are different in {}: {}", work.display(), differing.join(", "));
    let sums = fs::read_to_string(first.join(FILE_NAME))?;
    println!("{} files, bit by bit the same:\n{sums}", sums.lines().count());
    Ok(())
}

/// Builds the last commit in a clone, and moves its packages out of the clone. The clone
/// goes again: it has some gigabytes.
fn build(clone: &Path, packages: &Path) -> Result<()> {
    let mut git = Command::new("git");
    git.args(["clone", "--quiet"]).arg(root()).arg(clone);
    run(git)?;
    let mut package = Command::new("cargo");
    package.args(["xtask", "package"]).current_dir(clone).env_remove("CARGO_TARGET_DIR");
    run(package)?;
    fs::rename(clone.join("dist/packages"), packages)?;
    Ok(fs::remove_dir_all(clone)?)
}

/// Returns the names of the files that one folder has, and the other does not have with the
/// same bytes.
fn differing(first: &Path, second: &Path) -> Result<Vec<String>> {
    let sums = |folder: &Path| -> Result<BTreeSet<String>> {
        let path = folder.join(FILE_NAME);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Ok(text.lines().map(String::from).collect())
    };
    let (first, second) = (sums(first)?, sums(second)?);
    let lines = first.symmetric_difference(&second);
    let names: BTreeSet<&str> = lines.filter_map(|line| line.split("  ").nth(1)).collect();
    Ok(names.into_iter().map(String::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_differs_and_one_that_is_missing_are_named() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let sums = |name: &str, text: &str| -> Result<std::path::PathBuf> {
            let packages = folder.path().join(name);
            fs::create_dir_all(&packages)?;
            fs::write(packages.join(FILE_NAME), text)?;
            Ok(packages)
        };
        let first = sums("first", "00  same\n01  other\n02  only-first\n")?;
        let second = sums("second", "00  same\n03  other\n04  only-second\n")?;
        assert_eq!(differing(&first, &first)?, Vec::<String>::new());
        assert_eq!(differing(&first, &second)?, ["only-first", "only-second", "other"]);
        Ok(())
    }
}
