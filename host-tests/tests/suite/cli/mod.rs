//! The program that ships, used as by an operator.

mod build;
mod cases;
mod find;
mod fleet;
mod inputs;
mod install;
mod outputs;
mod samples;
mod schemas;
mod stdout;
mod terminal;

use host_tests::program::flb_audit;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A directory in which the program runs.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Place(tempfile::tempdir().expect("a directory"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a file");
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).expect("a file")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = flb_audit();
        command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("a program")
    }

    /// Runs the program, which must succeed, and returns its output.
    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Runs the program, which must fail, and returns its error message.
    #[track_caller]
    fn fails(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
        assert_eq!(output.stdout, b"");
        String::from_utf8(output.stderr).expect("UTF-8")
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).expect("a directory");
        let name = |entry: fs::DirEntry| entry.file_name().into_string().expect("UTF-8");
        let mut names: Vec<String> = entries.map(|entry| name(entry.expect("an entry"))).collect();
        names.sort();
        names
    }
}

const POLICY: &str = "version: 1
redact:
  detectors: {email: hmac, ipv4: hmac}
  keys: [{name: who, pattern: '^who$', action: hmac, class: person}]
";
const CHECKED: &str = "compiled from the text below: checked";

/// Creates a chain, a key and a module in the directory, and returns the sealed records.
fn sealed(place: &Place, records: &[&str]) -> String {
    place.write("policy.yaml", POLICY);
    place.ok(&["build", "--policy", "policy.yaml"]);
    fs::create_dir(place.path("state")).expect("a directory");
    place.ok(&["init", "state"]);
    let said = place.ok(&["hmac-key", "state", "--id", "k1"]);
    assert!(said.starts_with("key k1 in state"), "{said}");
    let calls: String = records
        .iter()
        .map(|record| format!("{}\n", serde_json::json!({"tag": "t", "sec": 1, "nsec": 2, "record": record})))
        .collect();
    place.write("calls.ndjson", &calls);
    place.ok(&["replay", "--filter", "filter_audit.wasm", "--state", "state", "calls.ndjson"])
}

/// An error in the roster is reported before a chain is created.
#[test]
fn a_chain_is_made_with_its_roster_or_not_at_all() {
    let place = Place::new();
    place.write("roster.json", "no roster");
    let said = place.fails(&["init", "state", "--node", "n", "--roster", "roster.json"]);
    assert!(said.contains("roster.json: not a roster"), "{said}");
    assert_eq!(place.names(), ["roster.json"]);
    for name in ["", " ", "a\nb"] {
        let output = place.run(&["init", "state", "--node", name]);
        assert_eq!(output.status.code(), Some(2), "{name:?}");
    }
    assert_eq!(place.names(), ["roster.json"]);
    place.write("roster.json", "[]");
    place.ok(&["init", "state", "--node", "n", "--roster", "roster.json"]);
    place.ok(&["init", "other", "--node", "m", "--roster", "roster.json"]);
    let roster: Value = serde_json::from_slice(&place.read("roster.json")).expect("JSON");
    assert_eq!([&roster[0]["node"], &roster[1]["node"]], ["n", "m"]);
}

#[test]
fn a_range_of_time_is_one() {
    let place = Place::new();
    place.write("roster.json", "[]");
    place.write("log.ndjson", "{}");
    let verify = |since: &str, until: &str| {
        let range = ["--since", since, "--until", until, "log.ndjson"];
        let output = place.run(&[&["verify", "--roster", "roster.json"], &range[..]].concat());
        (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
    };
    for (since, until) in [("2026-11-21", "2026-11-20"), ("2026-11-20", "2026-11-20")] {
        let (code, said) = verify(since, until);
        assert_eq!(code, Some(1));
        assert!(said.contains("--until must be later than --since"), "{said}");
    }
    assert_eq!(verify("2026-11-20", "2026-11-20T00:00:01Z").0, Some(40));
    assert_eq!(verify("2026-11-20T00:00:00+01:00", "2026-11-21").0, Some(2));
}

/// The name of one chain in 64 begins with a hyphen.
#[test]
fn names_and_values_may_begin_with_a_hyphen() {
    let place = Place::new();
    let log = sealed(&place, &[r#"{"who":"-bob"}"#]);
    place.write("log.ndjson", &log);
    fs::create_dir(place.path("ledger")).expect("a directory");
    place.write("ledger/manifests.ndjson", "");
    let find = ["find", "--value", "-bob", "--key", "state/hmac.key", "log.ndjson"];
    assert_eq!(place.ok(&find), "log.ndjson:1: who (intact)\nfound in 1 records\n");
    let prove = ["prove", "--chain", "-aaaaaaaaaaa", "--seg", "1", "--seq", "0", "log.ndjson"];
    assert!(place.fails(&prove).contains("not in these logs"));
    let export = ["export", "ledger", "--chain", "-aaaaaaaaaaa", "--output", "export"];
    assert_eq!(place.ok(&export), "0 records in export\n");
}

/// A list that is cut off after an element looks complete except for its bracket.
#[test]
fn an_array_has_an_end() {
    let place = Place::new();
    let sealed = sealed(&place, &[r#"{"a":1}"#, r#"{"a":2}"#]);
    let records: Vec<&str> = sealed.lines().collect();
    let [first, second] = records[..] else { panic!("{sealed}") };
    for (text, code) in [
        (format!("[{first},{second}]"), 4),
        (format!("[{first}]\n[{second}\n]\n"), 4),
        (format!("[{first},{second}"), 30),
        (format!("[{first}],[{second},\n"), 30),
        (format!("[{first}]["), 30),
    ] {
        place.write("log.json", &text);
        let output = place.run(&["verify", "log.json"]);
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{text:.9}: {said}");
    }
}

const SCHEMA_POLICY: &str = "version: 1
redact:
  detectors: {email: mask}
schema:
  - {tag: a.*, file: login.json, name: login, format: assert, invalid: quarantine}
  - {tag: b, file: login.json, name: login, invalid: drop}
  - {tag: c, built-in: actor-action-object, mode: strict}
";
const SCHEMA: &str = r#"{"required":["user"],"properties":{"ip":{"format":"ipv4"},"n":{"type":"integer"}}}"#;

/// Seals records, each with its tag, by a module with the checking policy. Returns the
/// log.
fn checked(place: &Place, records: &[(&str, &str)]) -> String {
    fs::create_dir(place.path("etc")).expect("a directory");
    place.write("etc/policy.yaml", SCHEMA_POLICY);
    place.write("etc/login.json", SCHEMA);
    place.ok(&["build", "--policy", "etc/policy.yaml"]);
    let call = |(tag, record)| serde_json::json!({"tag": tag, "sec": 1, "nsec": 2, "record": record});
    let calls: String = records.iter().map(|call_of| format!("{}\n", call(*call_of))).collect();
    place.write("calls.ndjson", &calls);
    place.ok(&["replay", "--filter", "filter_audit.wasm", "calls.ndjson"])
}
