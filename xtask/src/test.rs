//! All that CI does.

use crate::packages::{COMPONENT, GUEST, PACKAGES, Package, selected};
use crate::run::{cargo, run};
use crate::{build, demo, root};
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::Command;

/// The version of cargo-deny that `deny.toml` is written for.
const CARGO_DENY: &str = "0.20.2";

pub(crate) fn test() -> Result<()> {
    cargo(&["fmt", "--all", "--check"])?;
    build::dist()?;
    cargo(&["clippy", "--all-targets", "--quiet", "--", "-D", "warnings"])?;
    let packages: Vec<&Package> = PACKAGES.iter().collect();
    for target in [GUEST, COMPONENT] {
        let mut arguments = vec!["clippy", "--quiet", "--target", target];
        arguments.extend(selected(&packages, Some(target)));
        arguments.extend(["--", "-D", "warnings"]);
        cargo(&arguments)?;
    }
    deny()?;
    cargo(&["test", "--quiet"])?;
    demo::demo()
}

/// Licences, bans and sources of all dependencies.
fn deny() -> Result<()> {
    let tools = root().join("target/tools").join(format!("cargo-deny-{CARGO_DENY}"));
    let deny: PathBuf = tools.join("bin").join(format!("cargo-deny{}", std::env::consts::EXE_SUFFIX));
    if !deny.is_file() {
        eprintln!("installing cargo-deny {CARGO_DENY} into {}", tools.display());
        cargo(&[
            "install",
            "--quiet",
            // It reads a few files: optimised, it takes minutes longer to build.
            "--debug",
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
    cargo(&["fetch", "--quiet", "--locked"])?;
    run(Command::new(deny)
        .args(["--offline", "--log-level", "error", "check", "licenses", "bans", "sources"])
        .current_dir(root()))
}
