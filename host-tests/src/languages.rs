//! The examples in Python and JavaScript, built as their pages say. `.ci/run` installs the
//! tools in `target`; tools on `PATH` do as well.

use crate::root;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds `examples/python` in a directory. Returns `None` if `componentize-py` is not
/// installed.
pub fn python(dir: &Path) -> Result<Option<PathBuf>> {
    let Some(program) = installed("componentize-py/bin/componentize-py") else {
        return Ok(None);
    };
    let arguments = ["-d", "wit", "-w", "component", "componentize", "app", "-o", "count.wasm"];
    build(dir, "python/app.py", &program, &arguments).map(Some)
}

/// Builds `examples/javascript` in a directory. Returns `None` if `jco` is not installed.
pub fn javascript(dir: &Path) -> Result<Option<PathBuf>> {
    let Some(program) = installed("jco/node_modules/.bin/jco") else {
        return Ok(None);
    };
    let arguments = [
        "componentize",
        "count.js",
        "--wit",
        "wit",
        "--world-name",
        "component",
        "--backend",
        "qjs",
        "--backend-qjs-disable-async",
        "--backend-qjs-stub-wasi",
        "-o",
        "count.wasm",
    ];
    build(dir, "javascript/count.js", &program, &arguments).map(Some)
}

/// Finds a program in `target`, or on `PATH` by its name.
fn installed(path: &str) -> Option<PathBuf> {
    let local = root().join("target").join(path);
    if local.exists() {
        return Some(local);
    }
    let name = local.file_name()?;
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// Copies the source and the interface, and runs the program there.
fn build(dir: &Path, source: &str, program: &Path, arguments: &[&str]) -> Result<PathBuf> {
    let source = root().join("examples").join(source);
    fs::copy(&source, dir.join(source.file_name().unwrap_or_default()))?;
    fs::create_dir(dir.join("wit"))?;
    for entry in fs::read_dir(root().join("wit"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wit") {
            fs::copy(&path, dir.join("wit").join(path.file_name().unwrap_or_default()))?;
        }
    }
    let output = Command::new(program).args(arguments).current_dir(dir).output();
    let output = output.with_context(|| program.display().to_string())?;
    let text = [output.stdout, output.stderr].concat();
    ensure!(output.status.success(), "{}: {}", program.display(), String::from_utf8_lossy(&text));
    Ok(dir.join("count.wasm"))
}
