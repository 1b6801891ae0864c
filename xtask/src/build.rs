//! What ships, built and laid out under the names that an operator sees.

use crate::root;
use crate::run::{cargo, run};
use anyhow::{Context, Result};
use std::fs;
use std::process::{Command, Stdio};

const DEFAULT_POLICY: &str = "plugin/policy/default.yaml";
/// What filters and inputs are built for.
pub(crate) const GUEST_TARGET: &str = "wasm32-unknown-unknown";
/// What outputs are built for.
pub(crate) const COMPONENT_TARGET: &str = "wasm32-wasip2";

/// Leaves everything that ships in `dist/`.
pub(crate) fn dist() -> Result<()> {
    ensure_target(GUEST_TARGET)?;
    ensure_target(COMPONENT_TARGET)?;
    cargo([
        "build",
        "--profile",
        "guest",
        "--target",
        GUEST_TARGET,
        "--package",
        "filter_audit",
        "--package",
        "filter_record",
        "--package",
        "in_checkpoint",
    ])?;
    cargo([
        "build",
        "--profile",
        "guest",
        "--target",
        COMPONENT_TARGET,
        "--package",
        "out_audit",
        "--package",
        "out_hello",
        // For the tests and the measurements.
        "--package",
        "out_faulty",
        "--package",
        "out_chunks",
    ])?;
    cargo(["build", "--release", "--package", "flb-audit", "--package", "out_wasm"])?;
    let dist = root().join("dist");
    fs::create_dir_all(&dist)?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    let guests = target.join(GUEST_TARGET).join("guest");
    let components = target.join(COMPONENT_TARGET).join("guest");
    let object = format!("{}out_wasm{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    for (from, name) in [
        (components.join("out_audit.wasm"), "out_audit.wasm"),
        (components.join("out_hello.wasm"), "out_hello.wasm"),
        (target.join("release").join(object), "out_wasm.so"),
        (guests.join("filter_record.wasm"), "filter_record.wasm"),
        (guests.join("in_checkpoint.wasm"), "in_checkpoint.wasm"),
        (target.join("release").join(format!("flb-audit{}", std::env::consts::EXE_SUFFIX)), "flb-audit"),
    ] {
        let to = dist.join(name);
        // A program that runs cannot be written over, but taken away.
        if to.exists() {
            fs::remove_file(&to)?;
        }
        fs::copy(&from, &to).with_context(|| format!("{} to {}", from.display(), to.display()))?;
    }
    // The filter ships with a policy in it.
    run(Command::new(dist.join("flb-audit"))
        .arg("build")
        .args(["--policy", DEFAULT_POLICY, "--filter"])
        .arg(guests.join("filter_audit.wasm"))
        .args(["--output", "dist/filter_audit.wasm"])
        .current_dir(root())
        .stdout(Stdio::null()))
}

/// Adds a target that guests are built for, if rustup is there to do it and it
/// is missing.
fn ensure_target(target: &str) -> Result<()> {
    let remedy = format!("the Rust target {target} is missing; `rustup target add {target}` adds it");
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).current_dir(root()).output()?;
    let sysroot = String::from_utf8_lossy(&sysroot.stdout).trim().to_owned();
    if std::path::Path::new(&sysroot).join("lib/rustlib").join(target).is_dir() {
        return Ok(());
    }
    eprintln!("adding the Rust target {target}");
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", target]).current_dir(root()).stdout(Stdio::null());
    run(&mut rustup).context(remedy)
}
