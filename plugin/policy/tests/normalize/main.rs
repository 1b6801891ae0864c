//! Records into events of OCSF, on the records that stand in the folders of the formats.

use flb_audit_core::chain::{Chain, ChainId, GENESIS, Place, Run};
use flb_audit_core::hash::Algorithm;
use flb_audit_core::policy::Policy;
use flb_audit_core::record::notes::Notes;
use flb_audit_core::redact::Redactor;
use flb_audit_core::{Event, Sealer};
use flb_audit_policy::DEFAULT_POLICY;
use flb_audit_policy::formats::formats;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

static TABLE: LazyLock<Vec<u8>> = LazyLock::new(|| table(&format!("{DEFAULT_POLICY}\nnormalize: ocsf\n")));
static PLAIN: LazyLock<Vec<u8>> = LazyLock::new(|| table(DEFAULT_POLICY));

fn table(policy: &str) -> Vec<u8> {
    let policy = flb_audit_policy::Policy::read(policy).unwrap_or_else(|problem| panic!("{problem}"));
    flb_audit_policy::compile(&policy).unwrap_or_else(|problem| panic!("{problem}"))
}

/// A record as a filter with this policy hands it on.
fn sealed(table: &[u8], record: &str) -> String {
    let policy = Policy::check(table).expect("a sound table");
    let next = Place { segment: 1, run: Run::from_text(b"run-01").expect("a run"), sequence: 0 };
    let id = ChainId::from_text(b"chain-000001").expect("a chain");
    let chain = Chain { id, algorithm: Algorithm::default(), next, head: GENESIS, link: None };
    let mut sealer = Sealer::new(chain, Notes::NONE, Some(Redactor::new(policy, None))).expect("memory");
    let (seconds, nanoseconds) = (1_795_161_600, 123_456_789);
    let event =
        Event { tag: b"t", seconds, nanoseconds, record: Some(record.as_bytes()), record_len: record.len() };
    let sealed = sealer.seal(&event);
    String::from_utf8(sealed.strip_suffix(b"\0").expect("a NUL").to_vec()).expect("UTF-8")
}

/// The same, without the seal; and the seal.
fn taken_apart(table: &[u8], record: &str) -> (Value, Value) {
    let mut record: Value = serde_json::from_str(&sealed(table, record)).expect("JSON");
    let seal = record.as_object_mut().and_then(|record| record.shift_remove("audit")).expect("a seal");
    (record, seal)
}

/// All records of formats with a mapping, each with its format.
fn records() -> Vec<(&'static str, String)> {
    let mut records = Vec::new();
    for format in formats().iter().filter(|format| format.mapping.is_some()) {
        for file in ["samples.ndjson", "ocsf.ndjson"] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("formats").join(format.name).join(file);
            let text =
                fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            for line in text.lines() {
                let sample: Value = serde_json::from_str(line).expect("a sample");
                if sample["format"].is_null() {
                    records.push((format.name, sample["record"].to_string()));
                }
            }
        }
    }
    records
}

/// The leaves of a value, each with its path.
fn leaves(value: &Value, path: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            members.iter().for_each(|(key, value)| leaves(value, &format!("{path}.{key}"), found));
        }
        Value::Array(elements) if !elements.is_empty() => {
            elements.iter().for_each(|value| leaves(value, path, found));
        }
        Value::String(text) => found.push((path.into(), text.clone())),
        other => found.push((path.into(), other.to_string())),
    }
}

fn leaves_of(value: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    leaves(value, "", &mut found);
    found
}

/// A number that is written in hexadecimal, in decimal.
fn decimal(text: &str) -> Option<String> {
    text.strip_prefix("0x")
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .map(|number| number.to_string())
}

#[test]
fn nothing_of_a_record_is_lost() {
    let mut lost = Vec::new();
    for (name, record) in records() {
        let (redacted, _) = taken_apart(&PLAIN, &record);
        let (event, seal) = taken_apart(&TABLE, &record);
        let Some(mapping) =
            formats().iter().find(|format| format.name == name).and_then(|format| format.mapping)
        else {
            continue;
        };
        if seal["normalized"].is_null() {
            assert_eq!(seal["notes"].to_string(), "[\"not-normalized\"]", "{record}");
            assert_eq!(event, redacted, "unchanged but for its seal");
            continue;
        }
        assert_eq!(seal["normalized"], name, "{record}");
        let dropped = flb_audit_policy::normalize::Mapping::read(mapping).expect("a mapping").dropped();
        let written = leaves_of(&event);
        for (path, text) in leaves_of(&redacted) {
            let is_there = |wanted: &str| written.iter().any(|(_, text)| text == wanted);
            let is_part = || written.iter().any(|(_, whole)| whole.contains(&text));
            let is_dropped = dropped
                .iter()
                .any(|dropped| path == format!(".{dropped}") || path.starts_with(&format!(".{dropped}.")));
            // Arrays of texts may be one text.
            let is_joined = || record.contains("argv") && is_part();
            if !is_there(&text)
                && !is_dropped
                && !decimal(&text).is_some_and(|text| is_there(&text))
                && !is_joined()
            {
                lost.push(format!("{name}: {path} {text}\n  {record}\n  {event}"));
            }
        }
    }
    assert!(lost.is_empty(), "{}", lost.join("\n"));
}

#[test]
fn no_value_that_was_redacted_is_in_an_event() {
    for (name, record) in records() {
        let (redacted, _) = taken_apart(&PLAIN, &record);
        let event = taken_apart(&TABLE, &record).0;
        let whole: Value = serde_json::from_str(&record).expect("JSON");
        let stays = leaves_of(&redacted);
        let written = leaves_of(&event);
        for (_, text) in leaves_of(&whole) {
            if text.len() > 3 && !stays.iter().any(|(_, stays)| stays.contains(&text)) {
                assert!(
                    !written.iter().any(|(_, written)| written.contains(&text)),
                    "{name}: {text}: {event}"
                );
            }
        }
    }
}

#[test]
fn events_are_sealed_as_they_leave() {
    for (name, record) in records() {
        let sealed = sealed(&TABLE, &record);
        let found = std::panic::catch_unwind(|| fixtures::records::intact(sealed.as_bytes()));
        assert!(found.is_ok(), "{name}: {sealed}");
    }
}

/// The end of `docs/ocsf.md`: one record of each format, and its event. With `BLESS=1`, it is
/// written there.
#[test]
fn the_page_shows_each_source_before_and_after() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ocsf.md");
    let page = fs::read_to_string(&path).expect("the page");
    let policy = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a policy");
    let table = table(policy);
    let end = page.find("## Each source").and_then(|start| page[start..].find("\n### ").map(|at| start + at));
    let mut written = page[..end.unwrap_or(page.len())].trim_end().to_owned();
    written.push('\n');
    let records = records();
    for format in formats().iter().filter(|format| format.mapping.is_some()) {
        let of_it = records.iter().filter(|(name, _)| *name == format.name);
        let mut shown = of_it.map(|(_, record)| (record, taken_apart(&table, record)));
        let (record, (event, _)) =
            shown.find(|(_, (_, seal))| !seal["normalized"].is_null()).expect("an event");
        written.push_str(&format!("\n### {}\n\n```json\n{record}\n{event}\n```\n", format.title));
    }
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &written).expect("the page");
    }
    assert!(written == page, "docs/ocsf.md is not what comes out; with BLESS=1 it is written");
}

/// The mapping of the page of policies.
const DOOR: &str = "\
fields:
  metadata.product.vendor_name: {value: Example}
  time: {from: at, as: time}
cases:
  - when: {is: {kind: badge}}
    class: 3002
    fields:
      activity_id: {value: 1}
      user.name: who
      status_id: {from: ok, lookup: {\"true\": 1, \"false\": 2}}
";

fn with_mapping(mapping: &str) -> Result<Vec<u8>, flb_audit_policy::Problem> {
    let policy = "version: 1\nnormalize:\n  - {tag: \"*\", mapping: door.yaml, name: door}\n";
    let mut files = |_: &str| Ok(mapping.to_owned());
    flb_audit_policy::Policy::read_with(policy, &mut files)
        .and_then(|policy| flb_audit_policy::compile(&policy))
}

#[test]
fn a_mapping_from_a_file_is_used() {
    let table = with_mapping(DOOR).unwrap_or_else(|problem| panic!("{problem}"));
    let record = r#"{"kind":"badge","who":"ann","ok":true,"at":"2026-11-20T08:00:00Z","door":7}"#;
    let (event, seal) = taken_apart(&table, record);
    let expected = r#"{"activity_id":1,"category_uid":3,"class_uid":3002,"metadata":{"product":{"vendor_name":"Example"},"version":"1.9.0"},"severity_id":1,"status_id":1,"time":1795161600000,"type_uid":300201,"user":{"name":"ann"},"unmapped":{"kind":"badge","ok":true,"at":"2026-11-20T08:00:00Z","door":7}}"#;
    assert_eq!((event.to_string(), &seal["normalized"]), (expected.into(), &Value::from("door")));
    let other = r#"{"kind":"bell","audit":1}"#;
    let (record, seal) = taken_apart(&table, other);
    assert_eq!(record.to_string(), r#"{"kind":"bell","audit_":1}"#);
    assert_eq!(seal["notes"].to_string(), r#"["not-normalized"]"#);
}

#[test]
fn of_several_members_with_one_key_the_last_one_counts() {
    let table = with_mapping(DOOR).unwrap_or_else(|problem| panic!("{problem}"));
    let record = r#"{"kind":"badge","who":"ann","who":"bob","x":1,"x":2}"#;
    let (event, seal) = taken_apart(&table, record);
    assert_eq!((&event["user"]["name"], &event["unmapped"]["x"]), (&"bob".into(), &2.into()));
    assert_eq!(seal["notes"].to_string(), r#"["duplicate-keys"]"#);
    fixtures::records::intact(sealed(&table, record).as_bytes());
}

#[test]
fn what_is_wrong_in_a_mapping_is_said_with_its_place() {
    for (from, to, said) in [
        ("as: time", "as: tme", "3:25: door.yaml:3:24"),
        ("class: 3002", "clas: 3002", "did you mean `class`?"),
        ("user.name: who", "user.name: who..x", "no path"),
        ("user.name: who", "user: who\n      user.name: who", "within another"),
        ("user.name: who", "class_uid: who", "without being asked"),
        ("user.name: who", "user.name: {from: who, default: 1}", "goes with `lookup`"),
        ("user.name: who", "user.name: {from: who, cut: {part: [\":\", x]}}", "from 0 on"),
    ] {
        let Err(problem) = with_mapping(&DOOR.replace(from, to)) else { panic!("{to}") };
        let problem = problem.to_string();
        assert!(problem.contains(said), "{to}: {problem}");
        assert!(problem.contains("door.yaml:"), "{to}: {problem}");
    }
}
