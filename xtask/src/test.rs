//! `cargo xtask test`: everything that CI does.

use crate::{demo, dependencies};
use anyhow::Result;
use xtask::packages::{COMPONENT, GUEST, GUEST_PROFILE, PACKAGES, Package, selected};
use xtask::run::{cargo, step};
use xtask::{build, workspace};

/// Packages whose tests are built in `dev`, with overflow checks. They do not need
/// wasmtime. The tests of policies use another implementation, which needs other features
/// of wasmtime's dependencies.
const PURE: [&str; 4] = ["flb-audit-core", "flb-audit-policy", "flb-audit-doctor", "flb-audit-output"];

/// The package whose tests are built alone. They need features that the shipped programs
/// do not, and cargo builds a dependency again if its features differ.
const PROOF: &str = "host-tests";

pub(crate) fn test() -> Result<()> {
    step("format", || cargo(&["fmt", "--all", "--check"]))?;
    step("dependencies", dependencies::check)?;
    build::dist()?;
    // Runs in the profile of the build, which has the macros and build scripts already.
    step("lint", || cargo(&["clippy", "--release", "--all-targets", "--quiet", "--", "-D", "warnings"]))?;
    step("lint guests", lint_guests)?;
    tests("dev", &PURE)?;
    let members = workspace::tested()?;
    let is_left = |name: &&str| *name != PROOF && !PURE.contains(name);
    tests("release", &members.iter().map(String::as_str).filter(is_left).collect::<Vec<_>>())?;
    tests("release", &[PROOF])?;
    step("demo", demo::demo)
}

/// Runs the tests of packages that are built together.
fn tests(profile: &str, packages: &[&str]) -> Result<()> {
    let mut arguments = vec!["test", "--profile", profile, "--quiet"];
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
