//! The builds from which packages are made. They do not contain the paths of the machine
//! that builds.

use super::arch::Arch;
use super::{glibc, target};
use anyhow::{Context, Result};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use xtask::build::{DEFAULT_POLICY, ensure_target};
use xtask::packages::{COMPONENT, GUEST, GUEST_PROFILE};
use xtask::root;
use xtask::run::{cargo, run};

/// The modules that are released, by target.
const MODULES: [(&str, &[&str]); 2] =
    [(GUEST, &["filter_audit", "in_checkpoint", "in_health"]), (COMPONENT, &["out_audit"])];

/// The command that writes manual pages and completions.
const MANUAL: [&str; 5] = ["run", "--release", "--quiet", "--package", "manual"];

/// The programs of one architecture.
pub(super) struct Built {
    pub(super) arch: Arch,
    pub(super) program: PathBuf,
    /// The program that needs no library.
    pub(super) static_program: PathBuf,
    pub(super) loader: PathBuf,
}

/// Builds the modules. Returns their folder, in which the filter has no policy yet.
pub(super) fn modules() -> Result<PathBuf> {
    let folder = target().join("modules");
    fs::create_dir_all(&folder)?;
    for (triple, names) in MODULES {
        ensure_target(triple)?;
        let mut arguments = vec!["build", "--profile", GUEST_PROFILE];
        arguments.extend(names.iter().flat_map(|name| ["--package", name]));
        build(triple, &arguments, &[], &[])?;
        for name in names {
            let built = target().join(triple).join(GUEST_PROFILE).join(format!("{name}.wasm"));
            let to = folder.join(format!("{name}.wasm"));
            fs::copy(&built, &to).with_context(|| built.display().to_string())?;
        }
    }
    Ok(folder)
}

/// Builds the programs of one architecture.
pub(super) fn programs(arch: Arch) -> Result<Built> {
    let triple = arch.triple();
    ensure_target(triple)?;
    let linker = linker(arch);
    let release = target().join(triple).join("release");
    let static_program = release.join("flb-audit-static");
    // The same libraries are linked again into a program without dependencies.
    let arguments = ["rustc", "--release", "--package", "flb-audit", "--bin", "flb-audit"];
    build(triple, &arguments, &linker, &["-C", "target-feature=+crt-static"])?;
    fs::rename(release.join("flb-audit"), &static_program)?;
    let arguments = ["build", "--release", "--package", "flb-audit", "--package", "out_wasm"];
    build(triple, &arguments, &linker, &[])?;
    let (program, loader) = (release.join("flb-audit"), release.join("libout_wasm.so"));
    for file in [&program, &loader] {
        glibc::check(&fs::read(file)?).with_context(|| file.display().to_string())?;
    }
    Ok(Built { arch, program, static_program, loader })
}

/// Writes manual pages and completions. Returns their folder.
pub(super) fn manual() -> Result<PathBuf> {
    // With the settings of the programs, their libraries are not built again.
    let (host, folder) = (host()?, manual_folder()?);
    build(host.triple(), &MANUAL, &linker(host), &[&folder.display().to_string()])?;
    Ok(folder)
}

/// Does so with the libraries of the programs in `dist/`.
pub(super) fn manual_from_dist() -> Result<PathBuf> {
    let folder = manual_folder()?;
    cargo(&[&MANUAL[..], &["--", &folder.display().to_string()]].concat())?;
    Ok(folder)
}

fn manual_folder() -> Result<PathBuf> {
    let folder = target().join("manual");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    Ok(folder)
}

/// Returns the architecture of this machine.
fn host() -> Result<Arch> {
    Arch::ALL.into_iter().find(|arch| arch.is_host()).context("no package is for this machine")
}

/// Returns cargo's setting of the linker, for another architecture. For this machine's
/// there is none: it would also count for build scripts and macros, and cargo would build
/// them once for each architecture.
fn linker(arch: Arch) -> Vec<String> {
    if arch.is_host() {
        return Vec::new();
    }
    vec![format!("target.{}.linker=\"{}\"", arch.triple(), arch.linker())]
}

/// Puts the default policy into the filter with a program for this machine, and copies
/// the modules compiled ahead of time beside it. Returns the folder.
pub(super) fn with_policy(modules: &Path) -> Result<PathBuf> {
    let folder = shipped(modules)?;
    let mut command = Command::new(target().join(host()?.triple()).join("release/flb-audit"));
    command
        .arg("build")
        .args(["--policy", DEFAULT_POLICY, "--filter"])
        .arg(modules.join("filter_audit.wasm"));
    command.arg("--output").arg(folder.join("filter_audit.wasm"));
    command.current_dir(root()).stdout(Stdio::null());
    run(command)?;
    crate::aot::compile(&folder.join("filter_audit.wasm"), &folder.join("aot"))?;
    Ok(folder)
}

/// Returns a new folder with copies of another folder's modules.
fn shipped(modules: &Path) -> Result<PathBuf> {
    let folder = target().join("shipped");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(folder.join("aot"))?;
    for name in MODULES.iter().flat_map(|(_, names)| names.iter()) {
        let file = format!("{name}.wasm");
        let what = || format!("{file}: cannot be copied; `cargo xtask build` makes it");
        fs::copy(modules.join(&file), folder.join(&file)).with_context(what)?;
    }
    Ok(folder)
}

/// Returns a folder with the modules in `dist/`, and their versions compiled ahead of
/// time.
pub(super) fn modules_from_dist() -> Result<PathBuf> {
    let folder = shipped(&root().join("dist"))?;
    crate::aot::compile(&folder.join("filter_audit.wasm"), &folder.join("aot"))?;
    Ok(folder)
}

/// Returns the programs in `dist/`, and links the program without libraries.
pub(super) fn from_dist() -> Result<Built> {
    let arch = host()?;
    let linked = xtask::packages::target().join("release/flb-audit");
    let arguments = ["rustc", "--release", "--package", "flb-audit", "--bin", "flb-audit", "--"];
    cargo(&[&arguments[..], &["-C", "target-feature=+crt-static"]].concat())?;
    fs::create_dir_all(target())?;
    let static_program = target().join("flb-audit-static");
    fs::copy(&linked, &static_program)?;
    let dist = root().join("dist");
    Ok(Built { arch, program: dist.join("flb-audit"), static_program, loader: dist.join("out_wasm.so") })
}

/// Runs cargo for a target in such a way that its result has no path of this machine.
/// The `last` arguments come after `--`.
fn build(triple: &str, arguments: &[&str], settings: &[String], last: &[&str]) -> Result<()> {
    let home = env::home_dir().unwrap_or_default();
    let cargo_home = env::var_os("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from);
    let renamed = [(root(), "/usr/src/flb-audit"), (cargo_home, "/usr/src/cargo")];
    let flags: Vec<String> =
        renamed.map(|(from, to)| format!("\"--remap-path-prefix={}={to}\"", from.display())).into();
    let flags = format!("target.{triple}.rustflags=[{}]", flags.join(","));
    let folder = target().display().to_string();
    let mut all = arguments.to_vec();
    all.extend(["--locked", "--target", triple, "--target-dir", &folder, "--config", &flags]);
    settings.iter().for_each(|setting| all.extend(["--config", setting]));
    if !last.is_empty() {
        all.push("--");
        all.extend(last);
    }
    cargo(&all)
}
