//! Standard output, with any reader.

use super::{Place, checked};
use host_tests::program::dist;
use serde_json::Value;
use std::fs;
use std::process::{Output, Stdio};

/// Every command that prints, with its exit code. NEW stands for an empty directory.
pub(super) const PRINTING: [(&[&str], i32); 40] = [
    (&["--help"], 0),
    (&["--version"], 0),
    (&["build", "--help"], 0),
    (&["verify", "--help"], 0),
    (&["build", "--policy", "policy.yaml", "-o", "NEW/x.policy"], 0),
    (&["check", "--policy", "etc/policy.yaml", "log.ndjson"], 50),
    (&["check", "--json", "--policy", "etc/policy.yaml", "log.ndjson"], 50),
    (&["checkpoints", "log.ndjson"], 0),
    (&["component", "check", "COMPONENT"], 0),
    (&["doctor", "--config-only", "lossy.yaml"], 61),
    (&["doctor", "--config-only", "--json", "lossy.yaml"], 61),
    (&["explain", "filter_audit.wasm"], 0),
    (&["explain", "filter_audit.wasm", "--record", "record.json"], 0),
    (&["export", "ledger", "--output", "NEW/export"], 0),
    (&["find", "--value", "x", "--key", "state/hmac.key", "log.ndjson"], 40),
    (&["fleet", "init", "NEW/fleet"], 0),
    (&["fleet", "lend", "fleet", "NEW/enroll.key"], 0),
    (&["formats"], 0),
    (&["formats", "--json"], 0),
    (&["formats", "record.json"], 0),
    (&["formats", "--json", "record.json"], 0),
    (&["hmac-key", "NEW", "--id", "k1"], 0),
    (&["init", "NEW"], 0),
    (&["init", "NEW", "--node", "n", "--roster", "NEW/roster.json"], 0),
    (&["init", "NEW", "--node", "n", "--enroll", "fleet/fleet.key"], 0),
    (&["install", "NEW"], 0),
    (&["merge", "log.part"], 4),
    (&["merge", "--json", "log.part"], 4),
    (&["new-output", "--dir", "NEW", "output"], 0),
    (&["prove", "--chain", "CHAIN", "--seg", "1", "--seq", "0", "log.ndjson"], 0),
    (&["replay", "--filter", "filter_audit.wasm", "calls.ndjson"], 0),
    (&["restore", "--unsigned", "log.ndjson"], 4),
    (&["test", "--policy", "policy.yaml", "cases.yaml"], 70),
    (&["test", "--json", "--policy", "policy.yaml", "cases.yaml"], 70),
    (&["verify", "log.ndjson"], 4),
    (&["verify", "--export", "export"], 4),
    (&["verify", "--json", "--export", "export"], 4),
    (&["verify", "--json", "log.ndjson"], 4),
    (&["verify", "--proof", "proof.json"], 4),
    (&["verify", "--json", "--proof", "proof.json"], 4),
];

/// A record of a format in the catalogue.
const RECORD: &str = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"a","stage":"ResponseComplete","requestURI":"/api","verb":"get","user":{"username":"jane"},"sourceIPs":["192.0.2.1"]}"#;

/// A configuration that loses records.
const LOSSY: &str = "pipeline:
  inputs: [{name: tail, path: /var/log/audit.log, tag: audit}]
  outputs: [{name: http, match: '*', retry_limit: 1}]
";

/// Creates a place with everything that they read.
pub(super) fn place_of_everything() -> (Place, String) {
    let place = Place::new();
    checked(&place, &[("a.x", r#"{"ip":"192.0.2.1"}"#), ("d", "{}")]);
    place.write("policy.yaml", "version: 1\n");
    place.write("cases.yaml", "- {name: stays, record: {a: b, note: a text of some words}, gone: [b]}\n");
    place.write("record.json", RECORD);
    place.write("lossy.yaml", LOSSY);
    place.ok(&["fleet", "init", "fleet"]);
    place.ok(&["init", "state", "--node", "n"]);
    place.ok(&["hmac-key", "state", "--id", "k1"]);
    let log = place.ok(&["replay", "--filter", "filter_audit.wasm", "--state", "state", "calls.ndjson"]);
    place.write("log.ndjson", &log);
    place.ok(&["verify", "--part", "log.part", "log.ndjson"]);
    fs::create_dir(place.path("ledger")).expect("a directory");
    place.write("ledger/manifests.ndjson", "");
    place.write("ledger/00000001.ndjson", &log);
    let first: Value = serde_json::from_str(log.lines().next().expect("a record")).expect("JSON");
    let chain = first["audit"]["chain"].as_str().expect("a name").to_owned();
    let proof = place.ok(&["prove", "--chain", &chain, "--seg", "1", "--seq", "0", "log.ndjson"]);
    place.write("proof.json", &proof);
    place.ok(&["export", "ledger", "--output", "export"]);
    (place, chain)
}

/// Returns arguments with the names that stand for others.
pub(super) fn filled_in(arguments: &[&str], new: &str, chain: &str) -> Vec<String> {
    let component = dist("out_audit.wasm").display().to_string();
    let filled_in =
        |part: &&str| part.replace("NEW", new).replace("CHAIN", chain).replace("COMPONENT", &component);
    arguments.iter().map(filled_in).collect()
}

/// Runs every command with `stdout` as its output, and passes each result to `check`.
fn printed_to(stdout: impl Fn() -> Stdio, check: impl Fn(&str, i32, &Output)) {
    let (place, chain) = place_of_everything();
    for (at, (arguments, code)) in PRINTING.into_iter().enumerate() {
        let new = format!("new-{at}");
        fs::create_dir(place.path(&new)).expect("a directory");
        let arguments = filled_in(arguments, &new, &chain);
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
