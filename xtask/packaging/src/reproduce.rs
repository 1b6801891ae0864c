//! `cargo xtask package --reproduce`: builds the commit in another folder as well, and checks
//! that every file is the same.

use super::checksums::FILE_NAME;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use xtask::root;
use xtask::run::{output, run, step};

/// Builds all packages here, and from scratch in a clone in a folder of another name and depth.
/// Keeps the clone's packages in `target/reproduce`.
pub(crate) fn reproduce() -> Result<()> {
    let mut git = Command::new("git");
    git.args(["status", "--porcelain"]).current_dir(root());
    let changed = String::from_utf8_lossy(&output(git)?).into_owned();
    ensure!(changed.is_empty(), "commit first, since a clone has only what is committed:\n{changed}");
    step("build here", super::package)?;
    let second = root().join("target/reproduce");
    step("build in another folder", || build_clone(&second))?;
    let differing = differing(&root().join("dist/packages"), &second)?;
    ensure!(differing.is_empty(), "these are different in {}: {}", second.display(), differing.join(", "));
    let sums = fs::read_to_string(second.join(FILE_NAME))?;
    println!("{} files, bit by bit the same:\n{sums}", sums.lines().count());
    Ok(())
}

/// Builds the last commit in a clone, and moves its packages out of the clone. The clone
/// goes again: it has some gigabytes.
fn build_clone(packages: &Path) -> Result<()> {
    let another = root().join("target/another");
    let clone = another.join("folder");
    for old in [packages, &another] {
        if old.exists() {
            fs::remove_dir_all(old)?;
        }
    }
    let mut git = Command::new("git");
    git.args(["clone", "--quiet"]).arg(root()).arg(&clone);
    run(git)?;
    let mut package = Command::new("cargo");
    package.args(["xtask", "package"]).current_dir(&clone).env_remove("CARGO_TARGET_DIR");
    run(package)?;
    fs::rename(clone.join("dist/packages"), packages)?;
    Ok(fs::remove_dir_all(another)?)
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
