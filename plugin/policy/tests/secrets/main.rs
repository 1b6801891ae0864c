//! Secrets as they occur in real logs, through the core with the default policy.
//!
//! A line of `cases.ndjson` has a record, the texts that must be gone from it, and those
//! that must stay. The same format is read from files beside the checkout.

mod honest;
mod identity;

use flb_audit_core::chain::{Chain, ChainId, GENESIS, Place, Run};
use flb_audit_core::hash::Algorithm;
use flb_audit_core::policy::Policy;
use flb_audit_core::record::notes::Notes;
use flb_audit_core::redact::{HmacKey, Redactor};
use flb_audit_core::{Event, Sealer};
use flb_audit_policy::DEFAULT_POLICY;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::LazyLock;

static TABLE: LazyLock<Vec<u8>> = LazyLock::new(|| table(DEFAULT_POLICY));

fn table(policy: &str) -> Vec<u8> {
    let policy = flb_audit_policy::Policy::read(policy).expect("a policy");
    flb_audit_policy::compile(&policy).expect("a table")
}

/// Returns a sealer that redacts by a policy.
fn sealer(table: &[u8]) -> Sealer<'_> {
    sealer_with(table, None)
}

fn sealer_with(table: &[u8], key: Option<HmacKey>) -> Sealer<'_> {
    let policy = Policy::check(table).expect("a sound table");
    let next = Place { segment: 1, run: Run::from_text(b"run-01").expect("a run"), sequence: 0 };
    let id = ChainId::from_text(b"chain-000001").expect("a chain");
    let chain = Chain { id, algorithm: Algorithm::default(), next, head: GENESIS, link: None };
    Sealer::new(chain, Notes::NONE, Some(Redactor::new(policy, key))).expect("memory")
}

/// Returns a record without its seal, and the redactions that the seal lists.
fn seal(sealer: &mut Sealer<'_>, record: &str) -> (String, String) {
    let event = Event {
        tag: b"t",
        seconds: 1_795_161_600,
        nanoseconds: 0,
        record: Some(record.as_bytes()),
        record_len: record.len(),
    };
    let sealed = sealer.seal(&event);
    let sealed = str::from_utf8(sealed.strip_suffix(b"\0").expect("a NUL")).expect("UTF-8");
    let mut sealed: Value = serde_json::from_str(sealed).expect("JSON");
    let seal = sealed.as_object_mut().and_then(|record| record.shift_remove("audit")).expect("a seal");
    (sealed.to_string(), seal["redacted"].to_string())
}

/// Returns a report on every case of a file that does not hold.
fn failures(cases: &str) -> Vec<String> {
    let mut sealer = sealer(&TABLE);
    let mut failures = Vec::new();
    for line in cases.lines().filter(|line| !line.is_empty()) {
        let case: Value = serde_json::from_str(line).expect("JSON");
        let (out, redacted) = seal(&mut sealer, &case["record"].to_string());
        let texts = |name: &str| -> Vec<String> {
            let texts = case[name].as_array().into_iter().flatten();
            texts.map(|text| text.as_str().expect("a text").to_owned()).collect()
        };
        let quoted = |text: &str| Value::from(text).to_string().trim_matches('"').to_owned();
        let has = |text: &String| out.contains(text) || out.contains(&quoted(text));
        let leaks: Vec<_> = texts("gone").into_iter().filter(|text| has(text)).collect();
        let lacks: Vec<_> = texts("stay").into_iter().filter(|text| !has(text)).collect();
        if !leaks.is_empty() || !lacks.is_empty() {
            let id = case["id"].as_str().unwrap_or_default();
            failures.push(format!(
                "{id} {}: leaks {leaks:?}, lacks {lacks:?}\n  {out}\n  {redacted}",
                case["kind"]
            ));
        }
    }
    failures
}

/// The keys of an object that a rule masks are a part of its value.
#[test]
fn the_seal_names_no_part_of_a_value() {
    let mut sealer = sealer(&TABLE);
    for (record, expected) in [
        (r#"{"password":{"tulip-77":"x"}}"#, r#"["secret-key mask password.*"]"#),
        (
            r#"{"passwords":[{"tulip-77":["x",{"y":"z"}]}]}"#,
            r#"["secret-key mask passwords[].*[]","secret-key mask passwords[].*[].*"]"#,
        ),
        (r#"{"log":"{\"password\":{\"tulip-77\":\"x\"}}"}"#, r#"["secret-key mask log|password.*"]"#),
        (r#"{"user":{"password":"x7"}}"#, r#"["secret-key mask user.password"]"#),
    ] {
        assert_eq!(seal(&mut sealer, record).1, expected, "{record}");
    }
}

#[test]
fn cases_hold() {
    let failures = failures(include_str!("cases.ndjson"));
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Tests foreign cases, in the file that `FLB_AUDIT_SECRET_CASES` names.
#[test]
fn cases_of_others_are_reported() {
    let Some(file) = std::env::var_os("FLB_AUDIT_SECRET_CASES").map(PathBuf::from) else {
        println!("skipped: FLB_AUDIT_SECRET_CASES names no file");
        return;
    };
    let failures = failures(&std::fs::read_to_string(file).expect("a file"));
    println!("{}", failures.join("\n"));
    assert!(failures.is_empty(), "{} cases do not hold", failures.len());
}
