//! `cargo xtask aot`: compiles the filter ahead of time for the WAMR of each generation
//! of Fluent Bit.
//!
//! `WAMRC` names the compilers, separated by colons. Without it, the one on `PATH` is
//! used. A compiler makes modules only for its own version of WAMR.

use anyhow::{Context, Result};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use xtask::root;
use xtask::run::{output, run};

/// Processors, as WAMR calls them.
const ARCHS: [&str; 2] = ["x86_64", "aarch64"];

/// Compiles the filter in `dist/`.
pub(crate) fn aot() -> Result<()> {
    let folder = root().join("dist/aot");
    fs::create_dir_all(&folder)?;
    compile(&root().join("dist/filter_audit.wasm"), &folder)
}

/// Compiles a module with every compiler that exists, for every architecture.
pub(crate) fn compile(module: &Path, folder: &Path) -> Result<()> {
    let compilers = compilers();
    if compilers.is_empty() {
        eprintln!("xtask: nothing is compiled ahead of time: no wamrc; name some with WAMRC=path[:path…]");
    }
    for compiler in compilers {
        let version = version(&compiler)?;
        for arch in ARCHS {
            let name = format!("filter_audit.wamr-{version}.{arch}.aot");
            // wamrc 1.3.3 writes parts of addresses into padding: each run would have other bytes.
            let mut wamrc = Command::new("setarch");
            wamrc.arg("--addr-no-randomize").arg(&compiler);
            // The modules have no SIMD, and wamrc 1.3.3 refuses a target without it.
            wamrc
                .arg(format!("--target={arch}"))
                .arg("--disable-simd")
                .arg("-o")
                .arg(folder.join(&name))
                .arg(module);
            wamrc.stdout(std::process::Stdio::null());
            run(wamrc)?;
            eprintln!("xtask: {name}");
        }
    }
    Ok(())
}

fn compilers() -> Vec<PathBuf> {
    if let Some(named) = env::var_os("WAMRC").filter(|named| !named.is_empty()) {
        return env::split_paths(&named).collect();
    }
    let on_path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&on_path)
        .map(|folder| folder.join("wamrc"))
        .find(|path| path.is_file())
        .into_iter()
        .collect()
}

/// Returns a compiler's version: `wamrc 2.4.1`.
fn version(compiler: &Path) -> Result<String> {
    let mut command = Command::new(compiler);
    command.arg("--version");
    let said = String::from_utf8(output(command)?)?;
    let version = said.trim().strip_prefix("wamrc ").map(String::from);
    version.with_context(|| format!("{} --version says {said:?}", compiler.display()))
}
