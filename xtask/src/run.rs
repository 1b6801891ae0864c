//! Running other programs, in steps that are timed.

use crate::root;
use anyhow::{Context, Result, bail};
use std::process::Command;
use std::time::Instant;

/// Runs a step. Prints its name before, and the seconds that it took after.
pub fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("xtask: {name}");
    let start = Instant::now();
    let done = work().with_context(|| name.to_owned())?;
    eprintln!("xtask: {name}: {:.1} s", start.elapsed().as_secs_f64());
    Ok(done)
}

/// Runs cargo at the top of the checkout.
pub fn cargo(arguments: &[&str]) -> Result<()> {
    run(cargo_command(arguments))
}

/// Runs cargo, and returns its output.
pub fn cargo_output(arguments: &[&str]) -> Result<Vec<u8>> {
    output(cargo_command(arguments))
}

/// Returns the output of a program. Fails if the program cannot be started or fails.
pub fn output(mut command: Command) -> Result<Vec<u8>> {
    let output = command.output().with_context(|| format!("{command:?}: cannot be started"))?;
    if !output.status.success() {
        bail!("{command:?}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(output.stdout)
}

fn cargo_command(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// Runs a program. Fails if the program cannot be started or fails.
pub fn run(mut command: Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{command:?}: cannot be started"))?;
    if !status.success() {
        bail!("{command:?}: {status}");
    }
    Ok(())
}
