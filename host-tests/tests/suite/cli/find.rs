//! Keys, and searching for values by their tokens.

use super::{Place, sealed};
use flb_audit_core::redact::{HmacKey, KEY_FILE_NAME};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

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
    // The value is found in all classes: as an address and as a person.
    assert_eq!(lines[0], "log.ndjson:1: a, who (intact)");
    assert!(lines[1].starts_with("log.ndjson:3: [email:k1:") && lines[1].ends_with("j (intact)"), "{said}");
    assert!(lines[1].contains(".who[1], "), "{said}");
    assert_eq!(lines[2..], ["found in 2 records"]);

    let output = find("nobody@example.com");
    assert_eq!(output.status.code(), Some(40));
    assert_eq!(output.stdout, b"found in 0 records\n");
    assert_eq!(find("192.0.2.7").status.code(), Some(0));
    assert_eq!(find("").status.code(), Some(1));

    // With standard input, the value is one line of it.
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

    // With another key nothing is found. An altered record is found.
    fs::create_dir(place.path("other")).expect("a directory");
    place.ok(&["hmac-key", "other", "--id", "k1"]);
    let output = place.run(&["find", "--value", "bob@example.com", "--key", "other/hmac.key", "log.ndjson"]);
    assert_eq!(output.status.code(), Some(40));
    place.write("altered.ndjson", &log.replace("\"a\":\"mail", "\"a\":\"male"));
    let said = place.ok(&["find", "--value", "bob@example.com", "--key", key, "altered.ndjson"]);
    assert!(said.starts_with("altered.ndjson:1: a, who (NOT as it was sealed"), "{said}");
}

/// Many places that look like tokens are searched in linear time. A search for the
/// beginning of each would take minutes for this line.
#[test]
fn a_line_of_key_names_is_searched() {
    let place = Place::new();
    let log = sealed(&place, &[r#"{"who":"bob@example.com"}"#]);
    place.write("log.ndjson", &format!("{{\"a\":\"{}\"}}\n{log}", ":k1:".repeat(400_000)));
    let said = place.ok(&["find", "--value", "bob@example.com", "--key", "state/hmac.key", "log.ndjson"]);
    assert_eq!(said, "log.ndjson:2: who (intact)\nfound in 1 records\n");
}

/// Text from a log cannot begin a line of the output.
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

/// The key's file is for its owner only. The key is in nothing that is printed or sealed.
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
    // An existing key is not replaced.
    assert_eq!(fs::read_to_string(&file).expect("a file"), text);
    assert!(place.fails(&["hmac-key", "state", "--id", "k2"]).contains("exists already"));
    for id in ["", "a b", "seventeen-letters", "é"] {
        assert!(place.fails(&["hmac-key", ".", "--id", id]).contains("up to 16 letters"), "{id}");
    }
    assert!(!place.path(KEY_FILE_NAME).exists());
}
