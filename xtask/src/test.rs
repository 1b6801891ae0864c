//! All that CI does.

use crate::packages::{COMPONENT, GUEST, GUEST_PROFILE, PACKAGES, Package, selected};
use crate::run::{cargo, step};
use crate::{build, demo, dependencies, workspace};
use anyhow::Result;

/// Packages whose tests are built without the others'. Cargo builds a dependency
/// with all features that any package of a build asks for, and again for the next
/// build where they differ. So the program stands alone: its tests are built with
/// what ships. And so do policies, which are held against other implementations.
const ALONE: [&str; 2] = ["flb-audit", "flb-audit-policy"];

pub(crate) fn test() -> Result<()> {
    step("format", || cargo(&["fmt", "--all", "--check"]))?;
    step("dependencies", dependencies::check)?;
    build::dist()?;
    // In the profile of the build, whose macros and build scripts are there.
    step("lint", || cargo(&["clippy", "--release", "--all-targets", "--quiet", "--", "-D", "warnings"]))?;
    step("lint guests", lint_guests)?;
    for package in ALONE {
        tests(&[package])?;
    }
    let members = workspace::default_members()?;
    tests(&members.iter().map(String::as_str).filter(|name| !ALONE.contains(name)).collect::<Vec<_>>())?;
    step("demo", demo::demo)
}

/// Runs the tests of packages that are built together.
fn tests(packages: &[&str]) -> Result<()> {
    let mut arguments = vec!["test", "--release", "--quiet"];
    arguments.extend(packages.iter().flat_map(|package| ["--package", package]));
    step(&format!("test {}", packages.join(", ")), || cargo(&arguments))
}

fn lint_guests() -> Result<()> {
    let packages: Vec<&Package> = PACKAGES.iter().collect();
    for target in [GUEST, COMPONENT] {
        let mut arguments = vec!["clippy", "--quiet", "--profile", GUEST_PROFILE, "--target", target];
        arguments.extend(selected(&packages, Some(target)));
        arguments.extend(["--", "-D", "warnings"]);
        cargo(&arguments)?;
    }
    Ok(())
}
