//! Finds a real Fluent Bit.

use anyhow::{Context, Result};
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The message if there is none.
pub const REMEDY: &str = "no fluent-bit found; name one, or several, with FLUENT_BIT=path[:path…]";

/// Returns the programs that `FLUENT_BIT` names. Without that variable, returns the first
/// one on `PATH` or in `/opt/fluent-bit/bin`.
pub fn paths() -> Vec<PathBuf> {
    if let Some(named) = env::var_os("FLUENT_BIT").filter(|named| !named.is_empty()) {
        return env::split_paths(&named).collect();
    }
    let on_path = env::var_os("PATH").unwrap_or_default();
    let places = env::split_paths(&on_path).chain([PathBuf::from("/opt/fluent-bit/bin")]);
    places.map(|place| place.join("fluent-bit")).find(|path| path.is_file()).into_iter().collect()
}

/// Returns a Fluent Bit's version: major, minor, patch.
pub fn version(fluent_bit: &Path) -> Result<(u32, u32, u32)> {
    let shown = fluent_bit.display();
    let output = Command::new(fluent_bit)
        .arg("--version")
        .output()
        .with_context(|| format!("{shown}: cannot be started"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers = text.lines().next().and_then(|line| line.strip_prefix("Fluent Bit v"));
    let mut numbers = numbers.unwrap_or_default().split(['.', '-']).map(str::parse);
    match (numbers.next(), numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor)), Some(Ok(patch))) => Ok((major, minor, patch)),
        _ => anyhow::bail!("{shown} --version says {text:?}, which is not a version of Fluent Bit"),
    }
}
