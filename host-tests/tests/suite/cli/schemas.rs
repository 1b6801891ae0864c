//! Explaining schemas, restoring records, and checking stored logs.

use super::{CHECKED, POLICY, Place, SCHEMA, checked};
use serde_json::Value;
use std::fs;

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
    // Nothing vouches for a chain without keys.
    let output = place.run(&["restore", "--unsigned", "log.ndjson"]);
    assert_eq!(output.status.code(), Some(4));
    let restored = String::from_utf8(output.stdout).expect("UTF-8");
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

    // Only records as they were sealed are restored.
    let altered = log.replace("192.0.2.256", "192.0.2.255");
    place.write("altered.ndjson", &altered);
    let output = place.run(&["restore", "--unsigned", "altered.ndjson"]);
    assert_eq!(output.status.code(), Some(20));
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 1);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("altered.ndjson:3: a record in quarantine that is not as it was sealed"), "{said}");
    // An unreadable record does not count as altered.
    place.write("cut.ndjson", &log[..log.len() / 2]);
    place.write("none.ndjson", "{}\n");
    for (files, code) in [
        (&["none.ndjson"][..], 40),
        (&["nothing.ndjson"], 30),
        (&["cut.ndjson"], 30),
        (&["nothing.ndjson", "altered.ndjson"], 20),
    ] {
        let output = place.run(&[&["restore", "--unsigned"], files].concat());
        assert_eq!(output.status.code(), Some(code), "{files:?}");
        assert_eq!(output.stderr.is_empty(), code == 40, "{files:?}");
    }

    // A sealed log is checked by the tags in its seals, including records in quarantine.
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
  2 records: required #/required/0 user
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

/// Every command that reads logs ignores keys that an output adds, if the option names
/// them.
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
