//! The built-in schemas: the records that they accept, and those that they do not.
//!
//! The corpora are not part of the checkout. They are in `FLB_AUDIT_CORPORA`, or else
//! beside the checkout.

use fixtures::schemas::{Checked, checked};
use flb_audit_core::Tape;
use flb_audit_core::record::tape::Dialect;
use flb_audit_core::schema::{Program, Validator};
use flb_audit_policy::catalogue::{self, Mode};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

const MODES: [Mode; 2] = [Mode::Required, Mode::Strict];

fn program(name: &str, mode: Mode) -> Vec<u8> {
    let program = catalogue::compile(name, mode).unwrap_or_else(|| panic!("there is no {name}"));
    let compiled = program.unwrap_or_else(|error| panic!("{name}, {mode:?}: {error}"));
    assert_eq!(compiled.unknown, [], "{name}, {mode:?}");
    compiled.program
}

fn check(program: &[u8], record: &str) -> Checked {
    let mut tape = Tape::new();
    tape.read(record.as_bytes(), Dialect::FluentBit).expect("a record");
    let program = Program::read(program).expect("a program");
    let mut validator = Validator::new();
    checked(&program, &tape, record, validator.check(&program, &tape, record.as_bytes()))
}

/// Returns the records of a recorded stream.
fn stream(name: &str) -> Vec<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/streams").join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let record = |line: &str| {
        let call: Value = serde_json::from_str(line).expect("JSON");
        call["record"].as_str().expect("a record").to_owned()
    };
    text.lines().map(record).collect()
}

/// Returns the lines of a corpus, if it exists.
fn corpus(name: &str) -> Vec<String> {
    let corpora = match std::env::var_os("FLB_AUDIT_CORPORA") {
        Some(path) => path.into(),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora"),
    };
    let path = corpora.join(name);
    if !path.exists() {
        eprintln!("skipped: {} is not there", path.display());
        return vec![];
    }
    fs::read_to_string(path).expect("a corpus").lines().map(String::from).collect()
}

/// Returns the number of invalid records, and the report on the first one.
fn invalid(schema: &str, mode: Mode, records: &[String]) -> (usize, String) {
    let program = program(schema, mode);
    let wrong = records.iter().map(|record| (record, check(&program, record)));
    let mut wrong = wrong.filter(|(_, found)| *found != Checked::Valid);
    let first = wrong.next();
    let what = first.as_ref().map_or(String::new(), |(record, checked)| format!("{checked:?}: {record}"));
    (first.iter().count() + wrong.count(), what)
}

#[test]
fn every_schema_compiles_and_says_where_it_is_from() {
    for name in catalogue::names() {
        for mode in MODES {
            program(name, mode);
            let text = catalogue::text(name, mode).expect("a schema");
            let schema: Value = serde_json::from_str(text).expect("JSON");
            let source = schema["$comment"].as_str().expect("a source");
            assert!(source.len() > 40, "{name}: {source}");
            assert!(schema["title"].is_string(), "{name}");
        }
    }
}

#[test]
fn the_streams_are_valid() {
    for (name, file) in [
        ("cloudtrail", "cloudtrail.ndjson"),
        ("kubernetes-audit", "kubernetes-audit.ndjson"),
        ("linux-audit", "linux-audit.ndjson"),
        ("mariadb-audit", "mariadb-audit.ndjson"),
        ("postgresql-audit", "postgresql-audit.ndjson"),
        ("sshd", "sshd.ndjson"),
        ("sudo", "sudo.ndjson"),
    ] {
        let records = stream(file);
        assert!(records.len() >= 200, "{file}: {} records", records.len());
        for mode in MODES {
            let (count, what) = invalid(name, mode, &records);
            assert_eq!(count, 0, "{name}, {mode:?}: {what}");
        }
    }
}

#[test]
fn the_corpora_are_valid_in_what_is_required() {
    for (name, file, expected) in
        [("cloudtrail", "cloudtrail.jsonl", 2900), ("kubernetes-audit", "k8s-audit.jsonl", 51)]
    {
        let records = corpus(file);
        assert!(records.is_empty() || records.len() == expected, "{file}: {} records", records.len());
        let (count, what) = invalid(name, Mode::Required, &records);
        assert_eq!(count, 0, "{name}: {what}");
        let (count, what) = invalid(name, Mode::Strict, &records);
        println!("{name}, strict: {count} of {} invalid; {what:.300}", records.len());
    }
}

/// Tests entries of kinds that are easily forgotten.
#[test]
fn what_sources_send_has_what_is_required() {
    for line in include_str!("sent.ndjson").lines() {
        let case: Value = serde_json::from_str(line).expect("JSON");
        let name = case["schema"].as_str().expect("a name");
        let found = check(&program(name, Mode::Required), &case["record"].to_string());
        assert_eq!(found, Checked::Valid, "{name}: {}", case["record"]);
    }
}

/// Tests records of sources that have no stream.
#[test]
fn records_are_as_written() {
    let records = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/schema/records.json");
    let records = fs::read_to_string(records).expect("records");
    let records: Vec<Value> = serde_json::from_str(&records).expect("JSON");
    let mut wrong = Vec::new();
    for case in &records {
        let name = case["schema"].as_str().expect("a name");
        for (mode, key) in [(Mode::Required, "required"), (Mode::Strict, "strict")] {
            // If only one mode has expected violations, the other mode has more.
            let has_more = case[key].is_null() && !case["required"].is_null();
            let expected: Vec<[String; 3]> = match &case[key] {
                Value::Null => vec![],
                violations => serde_json::from_value(violations.clone()).expect("triples"),
            };
            match check(&program(name, mode), &case["record"].to_string()) {
                Checked::Valid if expected.is_empty() && !has_more => {}
                Checked::Invalid(found) if has_more || found == expected => {}
                other => wrong.push(format!("{name}, {mode:?}: {other:?}: {}", case["record"])),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
