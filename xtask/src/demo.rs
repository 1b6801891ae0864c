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
    (1, "The actor's address stays. A password and another person's address go."),
    (2, "Of a URL, only the password goes."),
    (3, "This record has no `action`, which the schema requires. The seal says so."),
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

    say("1. Build a policy into the filter, and make a chain with a key");
    quietly(&["build", "--policy", POLICY, "--output", MODULE])?;
    quietly(&["init", STATE, "--node", "demo", "--roster", ROSTER])?;

    say("2. Pass records through the filter, as Fluent Bit does");
    let replay = |stream| quietly(&["replay", stream, "--filter", MODULE, "--state", STATE]);
    let mut sealed = replay(STREAM)?;
    let stream = fs::read_to_string(root().join(STREAM))?;
    for (at, what) in SHOWN {
        show(&stream, &sealed, at, what)?;
    }

    say("3. Restart: the chain continues with a signed checkpoint");
    sealed += &replay(RESTART)?;
    fs::write(root().join(LOG), &sealed)?;

    say("4. Verify the log, with checkpoints that were kept elsewhere");
    fs::write(root().join(ANCHORS), quietly(&["checkpoints", LOG])?)?;
    loudly(&["verify", "--roster", ROSTER, "--anchors", ANCHORS, LOG], 0)?;

    say("5. Alter one byte in a copy, and verify the copy");
    println!("The refund of 41.5 becomes 11.5.");
    let altered = sealed.replacen("\"amount\":41.5", "\"amount\":11.5", 1);
    ensure!(altered != sealed, "no refund in {LOG}");
    fs::write(root().join(ALTERED), altered)?;
    loudly(&["verify", "--roster", ROSTER, "--anchors", ANCHORS, ALTERED], TAMPERED)?;

    println!(
        "\nThe altered record was found. The records before it are unchanged, but signatures\n\
         reach them only through the altered record. All files are in target/demo."
    );
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
    for (at, line) in wrapped(text, COLUMNS - 9).enumerate() {
        let label = if at == 0 { label } else { "" };
        println!("  {label:6} {line}");
    }
}

/// Cuts a text into lines, behind commas and spaces where that is possible.
fn wrapped(text: &str, columns: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = rest.char_indices().nth(columns).map_or(rest.len(), |(at, _)| at);
        let is_whole = end == rest.len();
        let cut = rest[..end].rfind([',', ' ']).filter(|_| !is_whole).map_or(end, |at| at + 1);
        let (line, behind) = rest.split_at(cut);
        rest = behind;
        (!line.is_empty()).then(|| line.trim_end())
    })
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
    let output = command(arguments).output()?;
    let status = output.status;
    ensure!(
        status.code() == Some(code),
        "{arguments:?} ended with {status} in place of {code}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    for line in String::from_utf8(output.stdout)?.lines() {
        for (at, part) in wrapped(line, COLUMNS - 4).enumerate() {
            println!("{}{part}", if at == 0 { "" } else { "    " });
        }
    }
    println!("exit code {code}");
    Ok(())
}

/// Runs a command, and returns its output.
fn quietly(arguments: &[&str]) -> Result<String> {
    show_command(arguments);
    let output = command(arguments).output()?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn lines_are_cut_behind_commas_and_spaces() {
        for (text, lines) in [
            ("", &[][..]),
            ("1,2", &["1,2"]),
            ("one, two,three", &["one,", "two,", "three"]),
            ("über,zwölfte", &["über,", "zwölft", "e"]),
        ] {
            assert_eq!(wrapped(text, 6).collect::<Vec<_>>(), lines, "{text}");
        }
    }
}
