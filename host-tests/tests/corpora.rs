//! Other people's records through the module that ships: sealed, intact, and
//! the same to the second implementation.
//!
//! The corpora are no part of the checkout: they are beside it, or where
//! `FLB_AUDIT_CORPORA` says.

// The other tests take the rest of both.
#[allow(dead_code)]
mod pipeline;
#[allow(dead_code)]
mod second;

use flb_audit_host::filter::{Generation, Host, Limits};
use pipeline::{FILTER, Follower, returned, root};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

/// A part of the corpora, if it is there.
fn corpus(name: &str) -> Option<PathBuf> {
    let corpora = match std::env::var_os("FLB_AUDIT_CORPORA") {
        Some(path) => path.into(),
        None => root("../shared/corpora"),
    };
    let path = corpora.join(name);
    if !path.exists() {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

/// A pipeline, and the chain that comes out of it.
struct Pipeline {
    host: Host<'static>,
    follower: Follower,
    count: usize,
}

impl Pipeline {
    fn new() -> Self {
        let host = FILTER.host(Generation::Lasting, Limits::default());
        Pipeline { host, follower: Follower::default(), count: 0 }
    }

    fn pass(&mut self, record: &str) {
        let outcome = self.host.call_bytes(b"corpora", 0, 0, record.as_bytes());
        let text = returned(outcome.expect("a call"));
        let sealed = self.follower.follow(&text);
        assert!(!sealed.is_raw, "{record}");
        let text = String::from_utf8(text).expect("UTF-8");
        assert_eq!(second::seal(&text).head, sealed.head, "{text}");
        self.count += 1;
        // Nothing but the seal was added, and nothing taken; the numbers of a
        // corpus may be past what Fluent Bit keeps.
        let mut out: Value = serde_json::from_str(&text).expect("JSON");
        let audit = out.as_object_mut().and_then(|fields| fields.remove("audit")).expect("a seal");
        let notes = audit["notes"].as_array().map_or(0, Vec::len);
        if notes == 0 && audit.get("renamed").is_none() {
            let came: Value = serde_json::from_str(record).expect("JSON");
            assert_eq!(second::canonical(&out), second::canonical(&came));
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

#[test]
fn cloudtrail() {
    let mut pipeline = Pipeline::new();
    pipeline.pass_lines("cloudtrail.jsonl");
    assert!(matches!(pipeline.count, 0 | 2900), "{} records", pipeline.count);
}

#[test]
fn kubernetes() {
    let mut pipeline = Pipeline::new();
    pipeline.pass_lines("k8s-audit.jsonl");
    assert!(matches!(pipeline.count, 0 | 51), "{} records", pipeline.count);
}

#[test]
fn sentences() {
    let mut pipeline = Pipeline::new();
    pipeline.pass_lines("pii-spans.jsonl");
    assert!(matches!(pipeline.count, 0 | 1500), "{} records", pipeline.count);
}

/// Every file as it stands, and every schema and instance in it.
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
