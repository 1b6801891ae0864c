//! The whole line in one go, for somebody who sees it for the first time.

use crate::{build, root};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;
use std::process::Command;

const STREAM: &str = "examples/streams/kubernetes-audit.ndjson";
/// The exit code of `flb-audit verify` that says: altered.
const TAMPERED: i32 = 20;

pub(crate) fn demo() -> Result<()> {
    build::dist()?;
    let dir = root().join("target/demo");
    if dir.exists() {
        fs::remove_dir_all(&dir)?;
    }
    fs::create_dir_all(&dir)?;
    let state = dir.join("state");
    let (log, altered) = (dir.join("log.ndjson"), dir.join("altered.ndjson"));

    say("A state directory, where the filter keeps the head of its chain");
    flb_audit("init", &[&state], 0)?;

    say("The recorded stream through the filter, as Fluent Bit would pass it");
    let sealed = output("replay", &[&root().join(STREAM), Path::new("--state"), &state])?;
    fs::write(&log, &sealed)?;
    let stream = fs::read_to_string(root().join(STREAM))?;
    let first = |text: &str| text.lines().next().unwrap_or_default().to_owned();
    println!("$ flb-audit replay {STREAM} --state target/demo/state > target/demo/log.ndjson");
    let call: serde_json::Value = serde_json::from_str(&first(&stream))?;
    println!("\nbefore: {}", call["record"].as_str().unwrap_or_default());
    println!("\nafter:  {}", first(&sealed));

    say("Verified");
    flb_audit("verify", &[&log], 0)?;

    say("One byte of a copy altered, and verified again");
    let at = sealed.len() / 2;
    let digit = sealed[at..].find(|byte: char| byte.is_ascii_digit()).context("the log holds no digit")? + at;
    let mut bytes = sealed.into_bytes();
    bytes[digit] = if bytes[digit] == b'9' { b'8' } else { bytes[digit] + 1 };
    fs::write(&altered, bytes)?;
    flb_audit("verify", &[&altered], TAMPERED)?;
    println!("\nThat is what it is for: the altered record was found. All of it is in target/demo.");
    Ok(())
}

fn say(what: &str) {
    println!("\n== {what}\n");
}

fn command(command: &str, arguments: &[&Path]) -> Command {
    let mut flb_audit = Command::new(root().join("dist/flb-audit"));
    flb_audit.arg(command).args(arguments).current_dir(root());
    flb_audit
}

/// Runs a command before the reader's eyes; an error if it ends otherwise.
fn flb_audit(name: &str, arguments: &[&Path], code: i32) -> Result<()> {
    let shown: Vec<String> = arguments.iter().map(|path| shown(path)).collect();
    println!("$ flb-audit {name} {}", shown.join(" "));
    let status = command(name, arguments).status()?;
    println!("exit code {}", status.code().unwrap_or(-1));
    ensure!(status.code() == Some(code), "flb-audit {name} was to end with {code}: {status}");
    Ok(())
}

fn output(name: &str, arguments: &[&Path]) -> Result<String> {
    let output = command(name, arguments).output()?;
    ensure!(output.status.success(), "flb-audit {name}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}
