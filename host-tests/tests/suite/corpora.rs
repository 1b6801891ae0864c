//! Third-party records through the module that ships. They come out sealed and intact,
//! also for the second implementation.
//!
//! The corpora are not part of the checkout: they are beside it, or at
//! `FLB_AUDIT_CORPORA`.

use flb_audit_host::filter::{Generation, Host, Limits};
use host_tests::changes::{Change, changes};
use host_tests::follower::Follower;
use host_tests::guest::{FILTER, returned};
use host_tests::{root, specification};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

/// Returns a part of the corpora, if it is there.
fn corpus(name: &str) -> Option<PathBuf> {
    let corpora = match std::env::var_os("FLB_AUDIT_CORPORA") {
        Some(path) => path.into(),
        None => root().join("../shared/corpora"),
    };
    let path = corpora.join(name);
    if !path.exists() {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

/// A pipeline, and the chain that it makes.
struct Pipeline {
    host: Host<'static>,
    follower: Follower,
    count: usize,
    /// The redactions so far.
    changes: Vec<Change>,
}

impl Pipeline {
    fn new() -> Self {
        let host = FILTER.host(Generation::Lasting, Limits::default());
        Pipeline { host, follower: Follower::default(), count: 0, changes: Vec::new() }
    }

    fn pass(&mut self, record: &str) {
        let outcome = self.host.call_bytes(b"corpora", 0, 0, record.as_bytes());
        let text = returned(outcome.expect("a call"));
        let sealed = self.follower.follow(&text);
        assert!(!sealed.is_raw, "{record}");
        let text = String::from_utf8(text).expect("UTF-8");
        assert_eq!(specification::seal(&text).head, sealed.head, "{text}");
        self.count += 1;
        // Only the seal was added, nothing was removed, and only what the seal names was
        // redacted. A corpus may have numbers that Fluent Bit does not keep exactly.
        let mut out: Value = serde_json::from_str(&text).expect("JSON");
        let audit = out.as_object_mut().and_then(|fields| fields.remove("audit")).expect("a seal");
        let notes = audit["notes"].as_array().map_or(0, Vec::len);
        if notes == 0 && audit.get("renamed").is_none() {
            let came: Value = serde_json::from_str(record).expect("JSON");
            let settled =
                |value: &Value| serde_json::from_str(&specification::canonical(value)).expect("JSON");
            self.changes.extend(changes(&settled(&came), &settled(&out), &audit));
        }
    }

    fn pass_lines(&mut self, name: &str) {
        if let Some(path) = corpus(name) {
            for line in fs::read_to_string(path).expect("a corpus").lines() {
                self.pass(line);
            }
        }
    }
}

/// Returns the UUIDs in a text.
fn uuids(text: &str) -> impl Iterator<Item = &str> {
    let is_in_place = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    let parts = (0..text.len()).filter_map(|at| text.get(at..at + 36));
    parts.filter(move |part| part.bytes().enumerate().all(is_in_place))
}

#[test]
fn cloudtrail() {
    let mut pipeline = Pipeline::new();
    pipeline.pass_lines("cloudtrail.jsonl");
    assert!(matches!(pipeline.count, 0 | 2900), "{} records", pipeline.count);
    if pipeline.count == 0 {
        return;
    }
    let is_token = |change: &&Change| change.path.ends_with(".sessionToken");
    assert_eq!(pipeline.changes.iter().filter(is_token).count(), 36);
    let kept = [".accessKeyId", ".requestID", ".requestId", ".eventID", ".sharedEventID", ".principalId"];
    for change in &pipeline.changes {
        // Whatever else is masked, AWS has hidden already.
        let is_hidden = change.before.contains("HIDDEN_DUE_TO_SECURITY_REASONS");
        assert!(is_token(&change) || is_hidden, "{change:?}");
        assert!(!kept.iter().any(|key| change.path.ends_with(key)), "{change:?}");
        for id in uuids(&change.before) {
            assert!(change.after.contains(id), "{change:?}");
        }
    }
}

#[test]
fn kubernetes() {
    let mut pipeline = Pipeline::new();
    pipeline.pass_lines("k8s-audit.jsonl");
    assert!(matches!(pipeline.count, 0 | 51), "{} records", pipeline.count);
    for change in &pipeline.changes {
        assert!(change.before.contains("aws_secret_access_key = "), "{change:?}");
    }
}

#[test]
fn sentences() {
    let mut pipeline = Pipeline::new();
    pipeline.pass_lines("pii-spans.jsonl");
    assert!(matches!(pipeline.count, 0 | 1500), "{} records", pipeline.count);
}

/// Passes every file as a record, and every schema and instance in it.
#[test]
fn json_schema_suite() {
    let Some(path) = corpus("json-schema-2020-12") else {
        return;
    };
    let mut pipeline = Pipeline::new();
    let mut folders = vec![path];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let text = fs::read_to_string(&path).expect("a file");
            pipeline.pass(&format!("{{\"document\":{text}}}"));
            let cases: Value = serde_json::from_str(&text).expect("JSON");
            for case in cases.as_array().expect("cases") {
                let tests = case["tests"].as_array().expect("tests");
                let values = tests.iter().map(|test| &test["data"]).chain([&case["schema"]]);
                for value in values {
                    pipeline.pass(&format!("{{\"value\":{value}}}"));
                    if value.is_object() {
                        pipeline.pass(&value.to_string());
                    }
                }
            }
        }
    }
    assert!(pipeline.count > 1760, "{} documents", pipeline.count);
}
