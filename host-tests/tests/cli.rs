//! The program that ships, as an operator runs it: policies and keys.

use flb_audit_core::redact::{HmacKey, KEY_FILE_NAME};
use flb_audit_policy::DEFAULT_POLICY;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

fn dist(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist").join(name);
    assert!(path.is_file(), "{}: no such file; run `cargo xtask build` first", path.display());
    path.canonicalize().expect("a path")
}

/// A directory to work in, and the program run there.
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
        let mut command = Command::new(dist("flb-audit"));
        command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("a program")
    }

    /// What it prints, if it goes well.
    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// What it says is wrong.
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

#[test]
fn what_is_built_is_explained() {
    let place = Place::new();
    place.write("policy.yaml", POLICY);
    let said = place.ok(&["build", "--policy", "policy.yaml"]);
    let digest = said.split("policy ").nth(1).and_then(|rest| rest.get(..8)).expect("a digest");
    let explained = place.ok(&["explain", "filter_audit.wasm"]);
    assert!(explained.starts_with(&format!("policy {digest}, ")), "{explained}");
    assert!(explained.contains(CHECKED) && explained.ends_with(POLICY), "{explained}");
    assert!(explained.contains("  who                      hmac      by key\n"), "{explained}");

    // The table alone is the same.
    assert!(place.ok(&["build", "--policy", "policy.yaml", "-o", "x.policy"]).contains("audit.policy"));
    assert_eq!(place.ok(&["explain", "x.policy"]), explained);
    let mut altered = place.read("x.policy");
    *altered.last_mut().expect("a byte") ^= 1;
    fs::write(place.path("x.policy"), altered).expect("a file");
    assert!(place.fails(&["explain", "x.policy"]).contains("its digest is not that of its contents"));
    assert!(place.fails(&["explain", "policy.yaml"]).contains("not a WebAssembly module"));
    assert!(place.fails(&["explain", "nothing"]).contains("nothing: cannot be read"));
}

/// What ships has the default policy in it.
#[test]
fn the_module_that_ships_is_explained() {
    let explained = Place::new().ok(&["explain", &dist("filter_audit.wasm").to_string_lossy()]);
    assert!(explained.contains(CHECKED) && explained.ends_with(DEFAULT_POLICY), "{explained}");
}

/// A module that has a policy gets another one in its place.
#[test]
fn a_policy_takes_the_place_of_the_one_before() {
    let place = Place::new();
    place.write("small.yaml", "version: 1\n");
    place.write("own.yaml", POLICY);
    place.write("default.yaml", DEFAULT_POLICY);
    place.ok(&["build", "--policy", "own.yaml", "-o", "first.wasm"]);
    place.ok(&["build", "--policy", "default.yaml", "-o", "other.wasm", "--filter", "first.wasm"]);
    assert_eq!(place.read("other.wasm"), fs::read(dist("filter_audit.wasm")).expect("the module"));
    // Over itself, too, again and again.
    for policy in ["small.yaml", "default.yaml", "small.yaml", "own.yaml"] {
        place.ok(&["build", "--policy", policy, "-o", "other.wasm", "--filter", "other.wasm"]);
    }
    assert_eq!(place.read("other.wasm"), place.read("first.wasm"));
    // Files have the name that was asked for, and no others are left.
    assert_eq!(place.names(), ["default.yaml", "first.wasm", "other.wasm", "own.yaml", "small.yaml"]);
}

#[test]
fn of_what_is_wrong_nothing_is_written() {
    let place = Place::new();
    place.write("wrong.yaml", "version: 1\nredact:\n  detectors: {emial: on}\n");
    place.write(
        "large.yaml",
        "version: 1\nredact:\n  patterns: [{name: a, pattern: '[ab]*a[ab]{15}', action: mask}]\n",
    );
    place.write("right.yaml", POLICY);
    place.write("empty.wasm", "\0asm\u{1}\0\0\0");
    place.write("there.wasm", "as it was");
    let before = place.names();
    for (policy, rest, part) in [
        (
            "wrong.yaml",
            &["-o", "new.wasm"][..],
            "wrong.yaml:3:15: `emial` is no detector; did you mean `email`?",
        ),
        ("wrong.yaml", &["-o", "there.wasm"], "wrong.yaml:3:15"),
        ("wrong.yaml", &["-o", "new.policy"], "wrong.yaml:3:15"),
        ("large.yaml", &["-o", "new.wasm"], "large.yaml:3:33: the pattern of `a`"),
        ("nothing.yaml", &["-o", "new.wasm"], "nothing.yaml: cannot be read"),
        (
            "right.yaml",
            &["-o", "new.wasm", "--filter", "empty.wasm"],
            "not a filter_audit.wasm of this version",
        ),
        ("right.yaml", &["-o", "new.wasm", "--filter", "right.yaml"], "not a WebAssembly module"),
        ("right.yaml", &["-o", "new.wasm", "--filter", "nothing"], "nothing: no such file"),
        ("right.yaml", &["-o", "nowhere/new.wasm"], "nowhere/new.wasm: cannot be written"),
    ] {
        let said = place.fails(&[&["build", "--policy", policy], rest].concat());
        assert!(said.contains(part), "{said}");
        assert_eq!(place.names(), before, "{said}");
    }
    assert_eq!(place.read("there.wasm"), b"as it was");
}

/// Every command that prints, with the code that it exits with. NEW is an empty
/// directory.
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
    (&["restore", "log.ndjson"], 0),
    (&["verify", "log.ndjson"], 4),
    (&["verify", "--json", "log.ndjson"], 4),
    (&["verify", "--proof", "proof.json"], 4),
    (&["verify", "--json", "--proof", "proof.json"], 4),
];

/// A place with all that they read.
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

/// What becomes of each command where its output is `stdout`.
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

/// `flb-audit … | head -0`: nothing is said of it, and the exit code tells what
/// it always does.
#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let nobody = || Stdio::from(std::io::pipe().expect("a pipe").1);
    printed_to(nobody, |command, code, output| {
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{command}");
        assert_eq!(output.status.code(), Some(code), "{command}");
    });
}

/// What does not fit on a disk is an error.
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

/// A directory with a chain, a key and a module, and what that makes of records.
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

#[test]
fn values_are_found_where_they_were() {
    let place = Place::new();
    let log = sealed(
        &place,
        &[
            r#"{"a":"mail bob@example.com and 192.0.2.7","who":"bob@example.com"}"#,
            r#"{"b":[{"c":"eve@example.com"}]}"#,
            r#"{"bob@example.com":{"who":["x","bob@example.com"]},"j":"{\"d\":\"bob@example.com\"}"}"#,
        ],
    );
    place.write("log.ndjson", &log);
    let key = "state/hmac.key";
    let find = |value: &str| place.run(&["find", "--value", value, "--key", key, "log.ndjson"]);

    let output = find("bob@example.com");
    assert_eq!(output.status.code(), Some(0));
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    let lines: Vec<&str> = said.lines().collect();
    // As an address and as who it was: in all classes.
    assert_eq!(lines[0], "log.ndjson:1: a, who (intact)");
    assert!(lines[1].starts_with("log.ndjson:3: [email:k1:") && lines[1].ends_with("j (intact)"), "{said}");
    assert!(lines[1].contains(".who[1], "), "{said}");
    assert_eq!(lines[2..], ["found in 2 records"]);

    let output = find("nobody@example.com");
    assert_eq!(output.status.code(), Some(40));
    assert_eq!(output.stdout, b"found in 0 records\n");
    assert_eq!(find("192.0.2.7").status.code(), Some(0));
    assert_eq!(find("").status.code(), Some(1));

    // From standard input, a line of it.
    let mut child = place
        .command(&["find", "--value", "-", "--key", key, "log.ndjson"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a program");
    child.stdin.take().expect("a pipe").write_all(b"eve@example.com\nmore\n").expect("a pipe");
    let mut said = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut said).expect("a pipe");
    assert_eq!(said, "log.ndjson:2: b[0].c (intact)\n");
    assert!(child.wait().expect("a program").success());

    // Under another key nothing is found; what was altered is.
    fs::create_dir(place.path("other")).expect("a directory");
    place.ok(&["hmac-key", "other", "--id", "k1"]);
    let output = place.run(&["find", "--value", "bob@example.com", "--key", "other/hmac.key", "log.ndjson"]);
    assert_eq!(output.status.code(), Some(40));
    place.write("altered.ndjson", &log.replace("\"a\":\"mail", "\"a\":\"male"));
    let said = place.ok(&["find", "--value", "bob@example.com", "--key", key, "altered.ndjson"]);
    assert!(said.starts_with("altered.ndjson:1: a, who (NOT as it was sealed"), "{said}");
}

/// Nothing in a log starts a line of its own.
#[test]
fn control_characters_in_paths_are_escaped() {
    let place = Place::new();
    let log = sealed(&place, &[r#"{"a\nx.ndjson:9: b (intact)\u001b[2J":{"who":"bob@example.com"}}"#]);
    place.write("log.ndjson", &log);
    let said = place.ok(&["find", "--value", "bob@example.com", "--key", "state/hmac.key", "log.ndjson"]);
    let expected = r"log.ndjson:1: a\nx.ndjson:9: b (intact)\u{1b}[2J.who (intact)";
    assert_eq!(said.lines().collect::<Vec<_>>(), [expected, "found in 1 records"]);
    place.write("a\nb.ndjson", "{");
    let output = place.run(&["verify", "a\nb.ndjson"]);
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(said.contains("a\\nb.ndjson:1: "), "{said}");
}

/// Many places that look like a token's are looked at in linear time: one that
/// looked for each one's beginning would take minutes for this.
#[test]
fn a_line_of_key_names_is_searched() {
    let place = Place::new();
    let log = sealed(&place, &[r#"{"who":"bob@example.com"}"#]);
    place.write("log.ndjson", &format!("{{\"a\":\"{}\"}}\n{log}", ":k1:".repeat(400_000)));
    let said = place.ok(&["find", "--value", "bob@example.com", "--key", "state/hmac.key", "log.ndjson"]);
    assert_eq!(said, "log.ndjson:2: who (intact)\nfound in 1 records\n");
}

/// A slip of the hand costs no file that is no module.
#[test]
fn a_build_writes_over_modules_alone() {
    let place = Place::new();
    place.write("policy.yaml", POLICY);
    let build = |output: &str| place.fails(&["build", "--policy", "policy.yaml", "--output", output]);
    assert!(build("policy.yaml").contains("policy.yaml: is there, and neither a module nor"));
    assert_eq!(place.read("policy.yaml"), POLICY.as_bytes());
    fs::create_dir(place.path("x.policy")).expect("a directory");
    assert!(build("x.policy").contains("x.policy: is there, and no regular file"));
    #[cfg(unix)]
    {
        assert!(build("/dev/null").contains("/dev/null: is there, and no regular file"));
        // A link stays one.
        place.ok(&["build", "--policy", "policy.yaml", "-o", "a.wasm"]);
        std::os::unix::fs::symlink("a.wasm", place.path("b.wasm")).expect("a link");
        place.write("small.yaml", "version: 1\n");
        place.ok(&["build", "--policy", "small.yaml", "-o", "b.wasm"]);
        assert!(place.path("b.wasm").is_symlink());
        assert_eq!(place.read("a.wasm"), place.read("b.wasm"));
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(place.path("a.wasm")).expect("a file").permissions().mode();
        assert_eq!(mode & 0o600, 0o600);
    }
}

/// What is wrong with a roster is said before there is a chain.
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
        assert!(said.contains("no time between --since and --until"), "{said}");
    }
    assert_eq!(verify("2026-11-20", "2026-11-20T00:00:01Z").0, Some(40));
    assert_eq!(verify("2026-11-20T00:00:00+01:00", "2026-11-21").0, Some(2));
}

/// What an output adds is named once, for every command that reads logs.
#[test]
fn keys_that_an_output_adds_are_ignored() {
    let place = Place::new();
    let log = checked(&place, &[("a.x", r#"{"user":"eve","ip":"192.0.2.1"}"#)]);
    let added = log.replacen('{', "{\"host\":7,", 1);
    place.write("log.ndjson", &added);
    let check = ["check", "--policy", "etc/policy.yaml", "log.ndjson", "--ignore-key", "host"];
    assert_eq!(place.ok(&check), "login: 1 valid, 0 invalid\n0 of 1 records are invalid\n");
    place.ok(&["checkpoints", "log.ndjson", "--ignore-key", "host"]);
}

/// What is cut off at the end of an element looks whole but for its bracket.
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

/// The key's file is for its owner alone, and nothing that is printed or
/// sealed has the key in it.
#[test]
fn a_key_is_for_its_owner_alone() {
    let place = Place::new();
    let log = sealed(&place, &[r#"{"who":"bob@example.com"}"#]);
    let file = place.path("state").join(KEY_FILE_NAME);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(&file).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let text = fs::read_to_string(&file).expect("a file");
    assert!(HmacKey::from_file(text.as_bytes()).is_some());
    let secret = text.lines().nth(2).and_then(|line| line.strip_prefix("key ")).expect("a key");
    assert_eq!(secret.len(), 43);

    place.write("log.ndjson", &log);
    let key = file.to_string_lossy().into_owned();
    let arguments: [&[&str]; 6] = [
        &["find", "--value", "bob@example.com", "--key", &key, "log.ndjson"],
        &["find", "--value", "x", "--key", "policy.yaml", "log.ndjson"],
        &["explain", "filter_audit.wasm"],
        &["explain", &key],
        &["verify", "log.ndjson"],
        &["hmac-key", "state", "--id", "k2"],
    ];
    for arguments in arguments {
        let output = place.run(arguments);
        for text in [output.stdout, output.stderr] {
            assert!(!String::from_utf8_lossy(&text).contains(secret), "{arguments:?}");
        }
    }
    assert!(!log.contains(secret));
    let token =
        serde_json::from_str::<Value>(log.lines().next().expect("a record")).expect("JSON")["who"].clone();
    assert!(token.as_str().is_some_and(|token| token.starts_with("[person:k1:")), "{token}");
    // A key that is there stays.
    assert_eq!(fs::read_to_string(&file).expect("a file"), text);
    assert!(place.fails(&["hmac-key", "state", "--id", "k2"]).contains("is there already"));
    for id in ["", "a b", "seventeen-letters", "é"] {
        assert!(place.fails(&["hmac-key", ".", "--id", id]).contains("up to 16 letters"), "{id}");
    }
    assert!(!place.path(KEY_FILE_NAME).exists());
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

/// Records under tags, through a module with that policy.
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

#[test]
fn schemas_are_explained() {
    let place = Place::new();
    checked(&place, &[]);
    let explained = place.ok(&["explain", "filter_audit.wasm"]);
    assert!(explained.contains(CHECKED), "{explained}");
    for line in [
        "  login                    quarantine a.*\n",
        "  login                    drop       b\n",
        "  actor-action-object-strict mark       c\n",
    ] {
        assert!(explained.contains(line), "{explained}");
    }
    assert!(explained.contains(&format!("schema login\n\n{SCHEMA}\n")), "{explained}");
}

#[test]
fn what_is_in_quarantine_is_restored() {
    let place = Place::new();
    let log = checked(
        &place,
        &[
            ("a.x", r#"{"user":"eve","ip":"192.0.2.1"}"#),
            ("a.x", r#"{"mail":"bob@example.com","n":18446744073709551615,"d":0.1,"s":"\u00e9\"\\"}"#),
            ("a.x", r#"{"user":"eve","ip":"192.0.2.256"}"#),
            ("b", r#"{"ip":"192.0.2.256"}"#),
            ("b", r#"{"user":"eve","ip":"192.0.2.256"}"#),
            ("c", r#"{"actor":"eve"}"#),
            ("a.x", r#"{"user":"#),
            ("d", "{}"),
        ],
    );
    place.write("log.ndjson", &log);
    let restored = place.ok(&["restore", "log.ndjson"]);
    let restored: Vec<Value> =
        restored.lines().map(|line| serde_json::from_str(line).expect("a record")).collect();
    let expected: [Value; 2] = [
        r#"{"mail":"[email]","n":18446744073709551615,"d":0.1,"s":"é\"\\"}"#,
        r#"{"user":"eve","ip":"192.0.2.256"}"#,
    ]
    .map(|text| serde_json::from_str(text).expect("JSON"));
    assert_eq!(restored, expected);

    let report = place.run(&["verify", "--json", "log.ndjson"]);
    let report: Value = serde_json::from_slice(&report.stdout).expect("JSON");
    let counts =
        serde_json::json!({"valid": 2, "invalid": 4, "quarantined": 2, "dropped": 1, "unchecked": 1});
    assert_eq!(report["chains"][0]["schema"], counts);
    let report = String::from_utf8(place.run(&["verify", "log.ndjson"]).stdout).expect("UTF-8");
    assert!(report.contains("\n  4 invalid by their schema\n"), "{report}");

    // Only what was sealed is restored.
    let altered = log.replace("192.0.2.256", "192.0.2.255");
    place.write("altered.ndjson", &altered);
    let output = place.run(&["restore", "altered.ndjson"]);
    assert_eq!(output.status.code(), Some(20));
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 1);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("altered.ndjson:3: a record in quarantine, and not as it was sealed"), "{said}");
    // What cannot be read was not altered, as far as anybody can tell.
    place.write("cut.ndjson", &log[..log.len() / 2]);
    place.write("none.ndjson", "{}\n");
    for (files, code) in [
        (&["none.ndjson"][..], 40),
        (&["nothing.ndjson"], 30),
        (&["cut.ndjson"], 30),
        (&["nothing.ndjson", "altered.ndjson"], 20),
    ] {
        let output = place.run(&[&["restore"], files].concat());
        assert_eq!(output.status.code(), Some(code), "{files:?}");
        assert_eq!(output.stderr.is_empty(), code == 40, "{files:?}");
    }

    // A log that is sealed is checked as it is: by its tags, in quarantine too.
    let output = place.run(&["check", "--json", "--policy", "etc/policy.yaml", "log.ndjson"]);
    assert_eq!(output.status.code(), Some(50));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["exit_code"], 50);
    let counts = ["records", "valid", "invalid", "without_schema", "not_checked"].map(|name| &report[name]);
    assert_eq!(serde_json::json!(counts), serde_json::json!([8, 2, 3, 1, 2]));
    let first = &report["schemas"]["login"]["rules"]["format #/properties/ip/format"];
    assert_eq!(
        *first,
        serde_json::json!({"records": 1, "first": [
            {"source": "log.ndjson", "number": 3, "what": "#/ip"}
        ]})
    );
}

#[test]
fn logs_at_rest_are_checked() {
    let place = Place::new();
    checked(&place, &[]);
    let right = r#"{"user":"eve","ip":"192.0.2.1","audit":"of its own"}"#;
    let wrong = r#"{"ip":"bob@example.com","n":"1","n":1}"#;
    place.write("right.ndjson", &format!("{right}\n{right}\n"));
    place.write("wrong.json", &format!("[{right},\n{wrong},{wrong}]"));
    place.write("broken.ndjson", &format!("{right}\n{{\n"));
    let check = |rest: &[&str]| {
        let output = place.run(&[&["check", "--policy", "etc/policy.yaml"], rest].concat());
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).expect("UTF-8"))
    };
    assert_eq!(
        check(&["--tag", "a.x", "right.ndjson"]),
        (Some(0), "login: 2 valid, 0 invalid\n0 of 2 records are invalid\n".into())
    );
    let expected = "login: 1 valid, 2 invalid
  2 records: format #/properties/ip/format
    wrong.json:2: #/ip
    wrong.json:3: #/ip
  2 records: required #/required/0
    wrong.json:2: #
    wrong.json:3: #
2 of 3 records are invalid
";
    assert_eq!(check(&["--tag", "a.x", "wrong.json"]), (Some(50), expected.into()));
    let (code, said) = check(&["--tag", "a.x", "broken.ndjson"]);
    assert_eq!(code, Some(51));
    assert!(
        said.contains("1 records could not be checked\n  broken.ndjson:2: not JSON at byte 1\n"),
        "{said}"
    );
    let (code, said) = check(&["right.ndjson"]);
    assert_eq!(code, Some(51));
    assert!(
        said.contains("right.ndjson:1: a record without a seal: --tag says under which tag it went"),
        "{said}"
    );
    let (code, said) = check(&["--tag", "z", "right.ndjson"]);
    assert_eq!((code, &*said), (Some(40), "2 records have no schema\n0 of 2 records are invalid\n"));

    place.write("policy.yaml", POLICY);
    let said = place.fails(&["check", "--policy", "policy.yaml", "right.ndjson"]);
    assert!(said.contains("policy.yaml: has no schema"), "{said}");
    place.write("etc/login.json", "{\n  \"owner\": \"x\",\n  \"x-y\": 1, \"title\": \"z\"}");
    let note = "note: etc/policy.yaml:5:22: `login.json`, line 2, column 3, at /owner: `owner` is no keyword";
    let (code, said) = check(&["--tag", "a.x", "right.ndjson"]);
    assert_eq!(code, Some(0));
    assert!(said.contains(note), "{said}");
    let output = place.run(&["build", "--policy", "etc/policy.yaml", "-o", "x.policy"]);
    assert!(output.status.success());
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(said.contains(note) && !said.contains("x-y") && !said.contains("title"), "{said}");
    place.write("etc/login.json", "{\n  \"requird\": []}");
    let said = place.fails(&["build", "--policy", "etc/policy.yaml", "-o", "x.policy"]);
    assert!(said.contains("`login.json`, line 2, column 3, at /requird: `requird` is no keyword"), "{said}");
    place.write("etc/login.json", "{\n  \"required\": [],\n  \"unevaluatedItems\": true}");
    let said = place.fails(&["check", "--policy", "etc/policy.yaml", "right.ndjson"]);
    assert!(
        said.contains("etc/policy.yaml:5:22: `login.json`, line 3, column 3, at /unevaluatedItems"),
        "{said}"
    );
    fs::remove_file(place.path("etc/login.json")).expect("a file");
    let said = place.fails(&["build", "--policy", "etc/policy.yaml"]);
    assert!(said.contains("etc/policy.yaml:5:22: `login.json`: etc/login.json cannot be read"), "{said}");
}
