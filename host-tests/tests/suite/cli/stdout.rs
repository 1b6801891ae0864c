//! Standard output, with any reader.

use super::{Place, checked};
use serde_json::Value;
use std::fs;
use std::process::{Output, Stdio};

/// Every command that prints, with its exit code. NEW stands for an empty directory.
const PRINTING: [(&[&str], i32); 20] = [
    (&["--help"], 0),
    (&["--version"], 0),
    (&["build", "--help"], 0),
    (&["build", "--policy", "policy.yaml", "-o", "NEW/x.policy"], 0),
    (&["check", "--policy", "etc/policy.yaml", "log.ndjson"], 50),
    (&["check", "--json", "--policy", "etc/policy.yaml", "log.ndjson"], 50),
    (&["checkpoints", "log.ndjson"], 0),
    (&["explain", "filter_audit.wasm"], 0),
    (&["export", "ledger", "--output", "NEW/export"], 0),
    (&["find", "--value", "x", "--key", "state/hmac.key", "log.ndjson"], 40),
    (&["hmac-key", "NEW", "--id", "k1"], 0),
    (&["init", "NEW"], 0),
    (&["init", "NEW", "--node", "n", "--roster", "NEW/roster.json"], 0),
    (&["prove", "--chain", "CHAIN", "--seg", "1", "--seq", "0", "log.ndjson"], 0),
    (&["replay", "--filter", "filter_audit.wasm", "calls.ndjson"], 0),
    (&["restore", "--unsigned", "log.ndjson"], 4),
    (&["verify", "log.ndjson"], 4),
    (&["verify", "--json", "log.ndjson"], 4),
    (&["verify", "--proof", "proof.json"], 4),
    (&["verify", "--json", "--proof", "proof.json"], 4),
];

/// Creates a place with everything that they read.
fn place_of_everything() -> (Place, String) {
    let place = Place::new();
    checked(&place, &[("a.x", r#"{"ip":"192.0.2.1"}"#), ("d", "{}")]);
    place.write("policy.yaml", "version: 1\n");
    place.ok(&["init", "state", "--node", "n"]);
    place.ok(&["hmac-key", "state", "--id", "k1"]);
    let log = place.ok(&["replay", "--filter", "filter_audit.wasm", "--state", "state", "calls.ndjson"]);
    place.write("log.ndjson", &log);
    fs::create_dir(place.path("ledger")).expect("a directory");
    place.write("ledger/manifests.ndjson", "");
    place.write("ledger/00000001.ndjson", &log);
    let first: Value = serde_json::from_str(log.lines().next().expect("a record")).expect("JSON");
    let chain = first["audit"]["chain"].as_str().expect("a name").to_owned();
    let proof = place.ok(&["prove", "--chain", &chain, "--seg", "1", "--seq", "0", "log.ndjson"]);
    place.write("proof.json", &proof);
    (place, chain)
}

/// Runs every command with `stdout` as its output, and passes each result to `check`.
fn printed_to(stdout: impl Fn() -> Stdio, check: impl Fn(&str, i32, &Output)) {
    let (place, chain) = place_of_everything();
    for (at, (arguments, code)) in PRINTING.into_iter().enumerate() {
        let new = format!("new-{at}");
        fs::create_dir(place.path(&new)).expect("a directory");
        let arguments: Vec<String> =
            arguments.iter().map(|part| part.replace("NEW", &new).replace("CHAIN", &chain)).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let child = place.command(&arguments).stdout(stdout()).stderr(Stdio::piped()).spawn();
        let output = child.and_then(|child| child.wait_with_output()).expect("a program");
        check(&arguments.join(" "), code, &output);
    }
}

/// With `flb-audit … | head -0`, there is no message, and the exit code is the usual one.
#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let nobody = || Stdio::from(std::io::pipe().expect("a pipe").1);
    printed_to(nobody, |command, code, output| {
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{command}");
        assert_eq!(output.status.code(), Some(code), "{command}");
    });
}

/// Output that does not fit on the disk is an error.
#[cfg(target_os = "linux")]
#[test]
fn what_could_not_be_printed_is_a_failure() {
    let full = || Stdio::from(fs::OpenOptions::new().write(true).open("/dev/full").expect("a device"));
    printed_to(full, |command, _, output| {
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.starts_with("flb-audit: "), "{command}: {said}");
        assert!(said.contains("standard output: cannot be written: No space left"), "{command}: {said}");
        assert_eq!(output.status.code(), Some(1), "{command}");
    });
}
