//! Builds the shipped files, and copies them to the names that an operator sees.

use crate::packages::{COMPONENT, GUEST, GUEST_PROFILE, PACKAGES, Package, Ships, selected, target};
use crate::root;
use crate::run::{cargo, run, step};
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// The policy in the shipped filter.
pub const DEFAULT_POLICY: &str = "plugin/policy/default.yaml";

/// Puts everything that ships into `dist/`, optimised.
pub fn dist() -> Result<()> {
    build(&PACKAGES.iter().collect::<Vec<_>>())
}

/// Puts the program and the filter into `dist/`.
pub fn dist_for_demo() -> Result<()> {
    let packages: Vec<&Package> =
        PACKAGES.iter().filter(|package| ["flb-audit", "filter_audit"].contains(&package.name)).collect();
    build(&packages)
}

/// Builds the filter with the names of its functions, in `target/named`. Otherwise it is the
/// same module.
pub fn named_filter() -> Result<()> {
    ensure_target(GUEST)?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--profile", GUEST_PROFILE, "--target", GUEST, "--package", "filter_audit"]);
    cargo.arg("--target-dir").arg(target().join("named")).env("CARGO_PROFILE_GUEST_STRIP", "debuginfo");
    cargo.current_dir(root());
    step("build the filter with names", || run(cargo))
}

fn build(packages: &[&Package]) -> Result<()> {
    step("build guests", || guests(packages))?;
    step("build programs", || {
        let mut arguments = vec!["build", "--release"];
        arguments.extend(selected(packages, None));
        cargo(&arguments)?;
        lay_out(packages)
    })
}

/// Builds the packages that are WebAssembly.
fn guests(packages: &[&Package]) -> Result<()> {
    for target in [GUEST, COMPONENT] {
        let selected = selected(packages, Some(target));
        if selected.is_empty() {
            continue;
        }
        ensure_target(target)?;
        let mut arguments = vec!["build", "--profile", GUEST_PROFILE, "--target", target];
        arguments.extend(selected);
        cargo(&arguments)?;
    }
    Ok(())
}

/// Copies the built files into `dist/`.
fn lay_out(packages: &[&Package]) -> Result<()> {
    let dist = root().join("dist");
    fs::create_dir_all(&dist)?;
    for package in packages {
        let from = package.built();
        match package.ships {
            Ships::As(name) => replace(&from, &dist.join(name))?,
            Ships::WithPolicy(name) => with_policy(&from, &dist.join(name))?,
            Ships::Never => {}
        }
    }
    Ok(())
}

fn replace(from: &Path, to: &Path) -> Result<()> {
    // A running program cannot be overwritten, but it can be removed.
    if to.exists() {
        fs::remove_file(to)?;
    }
    fs::copy(from, to).with_context(|| format!("{} to {}", from.display(), to.display()))?;
    Ok(())
}

/// Puts the default policy into a filter.
fn with_policy(from: &Path, to: &Path) -> Result<()> {
    let mut build = Command::new(root().join("dist/flb-audit"));
    build.arg("build").args(["--policy", DEFAULT_POLICY, "--filter"]).arg(from).arg("--output").arg(to);
    build.current_dir(root()).stdout(Stdio::null());
    run(build)
}

/// Adds a target for guests, if it is missing and rustup is installed.
pub fn ensure_target(target: &str) -> Result<()> {
    let remedy = format!("the Rust target {target} is missing; `rustup target add {target}` adds it");
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).current_dir(root()).output()?;
    let sysroot = String::from_utf8_lossy(&sysroot.stdout).trim().to_owned();
    if Path::new(&sysroot).join("lib/rustlib").join(target).is_dir() {
        return Ok(());
    }
    eprintln!("adding the Rust target {target}");
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", target]).current_dir(root()).stdout(Stdio::null());
    run(rustup).context(remedy)
}
