//! All that CI does.

use crate::run::{cargo, run};
use crate::{build, demo, root};
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::Command;

/// The version of cargo-deny that `deny.toml` is written for.
const CARGO_DENY: &str = "0.20.2";

pub(crate) fn test() -> Result<()> {
    cargo(["fmt", "--all", "--check"])?;
    build::dist()?;
    cargo(["clippy", "--all-targets", "--quiet", "--", "-D", "warnings"])?;
    let guests = ["filter_audit", "filter_record", "in_checkpoint"].map(|name| (build::GUEST_TARGET, name));
    let components = ["out_audit", "out_hello", "out_faulty", "out_chunks"];
    let components = components.map(|name| (build::COMPONENT_TARGET, name));
    for (target, package) in guests.into_iter().chain(components) {
        cargo(["clippy", "--quiet", "--target", target, "--package", package, "--", "-D", "warnings"])?;
    }
    deny()?;
    cargo(["test", "--quiet"])?;
    demo::demo()
}

/// Licences, bans and sources of all dependencies.
fn deny() -> Result<()> {
    let tools = root().join("target/tools").join(format!("cargo-deny-{CARGO_DENY}"));
    let deny: PathBuf = tools.join("bin").join(format!("cargo-deny{}", std::env::consts::EXE_SUFFIX));
    if !deny.is_file() {
        eprintln!("installing cargo-deny {CARGO_DENY} into {}", tools.display());
        cargo([
            "install",
            "--quiet",
            "--locked",
            "--version",
            CARGO_DENY,
            "--root",
            &tools.to_string_lossy(),
            "cargo-deny",
        ])
        .context("cargo-deny could not be installed; is crates.io within reach?")?;
    }
    // All targets' crates, so that the check itself needs no network.
    cargo(["fetch", "--quiet", "--locked"])?;
    run(Command::new(deny)
        .args(["--offline", "--log-level", "error", "check", "licenses", "bans", "sources"])
        .current_dir(root()))
}
