//! `examples/policies`: each policy redacts its stream as `cases/policies` says, and its
//! schemas find the whole stream valid.

use host_tests::policy::{self, Redacted};
use host_tests::{cases, guest, root, streams};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

/// If this variable is set, the test writes the expectations again.
const BLESS: &str = "BLESS";

#[test]
fn each_redacts_its_stream() {
    let names = streams::names().expect("streams");
    assert_eq!(names.len(), 7);
    for name in names {
        let source = root().join("examples/policies").join(&name).with_extension("yaml");
        let text = fs::read_to_string(&source).unwrap_or_else(|error| panic!("{name}: {error}"));
        let directory = policy::directory().expect("a directory");
        policy::write_policy(directory.path(), &text).unwrap_or_else(|error| panic!("{name}:{error}"));
        policy::write_key(directory.path()).expect("a key");
        let mut life = policy::life(&guest::FILTER, &directory);
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for call in streams::calls(&name).expect("a stream") {
            let redacted = Redacted::pass_under(&call.tag, &mut life, &call.record).expect("a record");
            assert_eq!(redacted.audit["notes"], Value::Null, "{name}: {}", call.record);
            assert_eq!(redacted.audit["schema"], *name, "{name}: {}", call.record);
            for wrong in ["invalid", "unchecked"] {
                assert_eq!(redacted.audit[wrong], Value::Null, "{name}: {}", call.record);
            }
            let before: Value = serde_json::from_str(&call.record).expect("JSON");
            assert_eq!(
                redacted.evidence().count() == 0,
                before == redacted.record,
                "{name}: {}",
                call.record
            );
            for entry in redacted.evidence() {
                let (what, count) = counted(entry);
                *counts.entry(what).or_default() += count;
            }
        }
        let mut found = String::new();
        for (what, count) in &counts {
            writeln!(found, "{count} {what}").expect("a String takes all");
        }
        let expectation = cases("policies").join(&name).with_extension("txt");
        if std::env::var_os(BLESS).is_some() {
            fs::write(&expectation, &found).expect("a file");
        }
        let expected = fs::read_to_string(&expectation).unwrap_or_default();
        assert_eq!(found, expected, "{name}; {BLESS}=1 writes it anew");
    }
}

/// Splits an entry into its text without the count, and the count.
fn counted(entry: &str) -> (String, u64) {
    let mut parts = entry.splitn(3, ' ');
    let (rule, action, path) = (parts.next(), parts.next().unwrap_or_default(), parts.next());
    let (action, count) = action.split_once('*').unwrap_or((action, "1"));
    let what = [rule.unwrap_or_default(), action, path.unwrap_or_default()].join(" ");
    (what, count.parse().expect("a count"))
}
