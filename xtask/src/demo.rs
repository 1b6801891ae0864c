//! The demo: the whole pipeline in one run, for somebody who sees it for the first time.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::process::Command;
use xtask::root;

const POLICY: &str = "examples/demo/policy.yaml";
const STREAM: &str = "examples/demo/stream.ndjson";
/// The stream after a restart.
const RESTART: &str = "examples/demo/restart.ndjson";
const MODULE: &str = "target/demo/filter_audit.wasm";
const STATE: &str = "target/demo/state";
const ROSTER: &str = "target/demo/roster.json";
const LOG: &str = "target/demo/log.ndjson";
const ANCHORS: &str = "target/demo/anchors.ndjson";
const ALTERED: &str = "target/demo/altered.ndjson";
/// The records of the stream that are shown, by index, with a caption.
const SHOWN: [(usize, &str); 3] = [
    (1, "A password and somebody else's address go, and who did it stays."),
    (2, "Of a URL only the password goes."),
    (3, "This one has no `action`, which the schema requires: it is marked."),
];
/// The exit code of `flb-audit verify` for altered records.
const TAMPERED: i32 = 20;
const COLUMNS: usize = 80;

/// Runs the demo with the files in `dist/`.
pub(crate) fn demo() -> Result<()> {
    let dir = root().join("target/demo");
    if dir.exists() {
        fs::remove_dir_all(&dir)?;
    }
    fs::create_dir_all(&dir)?;

    say("1. A policy is built into the filter, and the node gets a chain");
    quietly(&["build", "--policy", POLICY, "--output", MODULE])?;
    quietly(&["init", STATE, "--node", "demo", "--roster", ROSTER])?;

    say("2. Records go through the filter, as Fluent Bit would pass them");
    let replay = |stream| quietly(&["replay", stream, "--filter", MODULE, "--state", STATE]);
    let mut sealed = replay(STREAM)?;
    let stream = fs::read_to_string(root().join(STREAM))?;
    for (at, what) in SHOWN {
        show(&stream, &sealed, at, what)?;
    }

    say("3. After a restart the chain goes on, and opens with a signed checkpoint");
    sealed += &replay(RESTART)?;
    fs::write(root().join(LOG), &sealed)?;

    say("4. The log is verified, with the checkpoints, which were kept elsewhere");
    fs::write(root().join(ANCHORS), quietly(&["checkpoints", LOG])?)?;
    loudly(&["verify", "--roster", ROSTER, "--anchors", ANCHORS, LOG], 0)?;

    say("5. In a copy, the amount of the refund is another one");
    let altered = sealed.replacen("\"amount\":41.5", "\"amount\":11.5", 1);
    ensure!(altered != sealed, "no refund in {LOG}");
    fs::write(root().join(ALTERED), altered)?;
    loudly(&["verify", "--roster", ROSTER, "--anchors", ANCHORS, ALTERED], TAMPERED)?;

    println!("\nThe altered record was found. All of it is in target/demo.");
    Ok(())
}

/// Shows a record before and after, and its seal's statement on redactions.
fn show(stream: &str, sealed: &str, at: usize, what: &str) -> Result<()> {
    let call: Value = serde_json::from_str(stream.lines().nth(at).context("a short stream")?)?;
    let before = call["record"].as_str().context("no record in the call")?;
    let after = sealed.lines().nth(at).context("a short log")?;
    let (record, _) = after.split_once(",\"audit\":").context("no seal")?;
    let seal: Value = serde_json::from_str(after)?;
    println!("\n{what}\n");
    print_wrapped("before", before);
    print_wrapped("after", &format!("{record}}}"));
    for member in ["redacted", "invalid"] {
        let entries = seal["audit"][member].as_array().into_iter().flatten();
        entries
            .filter_map(Value::as_str)
            .for_each(|entry| print_wrapped("seal", &format!("{member}: {entry}")));
    }
    Ok(())
}

/// Prints a text beside a label, in as many lines as it needs.
fn print_wrapped(label: &str, text: &str) {
    let characters: Vec<char> = text.chars().collect();
    for (at, line) in characters.chunks(COLUMNS - 9).enumerate() {
        let label = if at == 0 { label } else { "" };
        println!("  {label:6} {}", line.iter().collect::<String>());
    }
}

fn say(what: &str) {
    println!("\n== {what}");
}

/// Shows a command, wrapped if it is too long for a line.
fn show_command(arguments: &[&str]) {
    let mut line = "$ flb-audit".to_owned();
    for argument in arguments {
        if line.len() + argument.len() + 3 > COLUMNS {
            println!("{line} \\");
            line = "   ".to_owned();
        }
        line = line + " " + argument;
    }
    println!("{line}");
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(root().join("dist/flb-audit"));
    command.args(arguments).current_dir(root());
    command
}

/// Runs a command and shows its output. Fails if it ends with another exit code.
fn loudly(arguments: &[&str], code: i32) -> Result<()> {
    show_command(arguments);
    let status = command(arguments).status()?;
    println!("exit code {}", status.code().unwrap_or(-1));
    ensure!(status.code() == Some(code), "{arguments:?} was to end with {code}: {status}");
    Ok(())
}

/// Runs a command, and returns its output.
fn quietly(arguments: &[&str]) -> Result<String> {
    show_command(arguments);
    let output = command(arguments).output()?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}
