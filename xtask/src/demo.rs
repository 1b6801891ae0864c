//! The whole line in one go, for somebody who sees it for the first time.

use crate::root;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::process::Command;

const STREAM: &str = "examples/streams/postgresql-audit.ndjson";
/// The exit code of `flb-audit verify` that says: altered.
const TAMPERED: i32 = 20;
/// The one that says: intact, with nothing to prove what was behind the end.
const TAIL_UNANCHORED: i32 = 3;

/// Runs it, with what is in `dist/`.
pub(crate) fn demo() -> Result<()> {
    let (state, log, altered) = ("target/demo/state", "target/demo/log.ndjson", "target/demo/altered.ndjson");
    let dir = root().join("target/demo");
    if dir.exists() {
        fs::remove_dir_all(&dir)?;
    }
    fs::create_dir_all(&dir)?;

    say("A state directory, where the filter keeps the head of its chain");
    let roster = "target/demo/roster.json";
    flb_audit(&["init", state, "--node", "demo", "--roster", roster], 0)?;

    say("A recorded stream through the filter, as Fluent Bit would pass it");
    println!("$ flb-audit replay {STREAM} --state {state} > {log}");
    let sealed = output(&["replay", STREAM, "--state", state])?;
    fs::write(root().join(log), &sealed)?;
    let first = fs::read_to_string(root().join(STREAM))?.lines().next().unwrap_or_default().to_owned();
    let call: serde_json::Value = serde_json::from_str(&first)?;
    println!("\nbefore: {}", call["record"].as_str().unwrap_or_default());
    println!("\nafter:  {}", sealed.lines().next().unwrap_or_default());

    say("Verified");
    flb_audit(&["verify", "--roster", roster, log], TAIL_UNANCHORED)?;

    say("One byte of a copy altered, and verified again");
    fs::write(root().join(altered), with_a_digit_altered(&sealed)?)?;
    flb_audit(&["verify", "--roster", roster, altered], TAMPERED)?;
    println!("\nThe altered record was found. All of it is in target/demo.");
    Ok(())
}

/// The log with the first digit of its middle line changed.
fn with_a_digit_altered(log: &str) -> Result<Vec<u8>> {
    let middle = log.len() / 2;
    let line = middle + log[middle..].find('\n').context("the log has one line")?;
    let digit = line + log[line..].find(|byte: char| byte.is_ascii_digit()).context("no digit in the log")?;
    let mut bytes = log.as_bytes().to_vec();
    bytes[digit] = if bytes[digit] == b'9' { b'8' } else { bytes[digit] + 1 };
    Ok(bytes)
}

fn say(what: &str) {
    println!("\n== {what}\n");
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(root().join("dist/flb-audit"));
    command.args(arguments).current_dir(root());
    command
}

/// Runs a command before the reader's eyes; an error if it ends otherwise.
fn flb_audit(arguments: &[&str], code: i32) -> Result<()> {
    println!("$ flb-audit {}", arguments.join(" "));
    let status = command(arguments).status()?;
    println!("exit code {}", status.code().unwrap_or(-1));
    ensure!(status.code() == Some(code), "{arguments:?} was to end with {code}: {status}");
    Ok(())
}

fn output(arguments: &[&str]) -> Result<String> {
    let output = command(arguments).output()?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}
