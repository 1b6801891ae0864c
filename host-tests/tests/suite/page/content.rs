//! The text of a page, for a faulty log and for an intact one.

use super::made_up::MadeUp;
use super::markup::Page;
use super::page;
use crate::attacks::Log;
use host_tests::program::run_in;
use serde_json::json;
use std::fs;

/// Returns a log without its tenth record, and with another record altered.
fn damaged(log: &Log) -> String {
    let mut lines: Vec<String> = log.text().lines().map(str::to_owned).collect();
    lines[20] = lines[20].replacen("\"tag\":\"", "\"tag\":\"x", 1);
    lines.remove(10);
    lines.join("\n") + "\n"
}

#[test]
fn a_page_says_what_is_wrong_and_what_it_was_computed_from() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = Log::of("sshd");
    let text = damaged(&log);
    fs::write(dir.path().join("log.ndjson"), &text).expect("written");
    fs::write(dir.path().join("roster.json"), log.roster()).expect("written");
    let page = Page::read(&page(dir.path(), &[]));
    page.check_references();
    let said = page.text();
    let hash = |bytes: &[u8]| -> String {
        let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
        digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    };
    for expected in [
        "Faults found",
        "The log was changed after it was sealed: at one place a record is not what was sealed.",
        "tampered : 1 finding, of the chain",
        "gap : 3 findings, of the chain; 1 record is missing",
        "exit code 20",
        "verify log.ndjson --html report.html --roster roster.json",
        "Compare with another copy of the log",
        "lacks record",
        "log.ndjson:20",
        "What this does not say",
        "the chain",
        "seal format 1",
        // The other node in the roster has no records here.
        "Nothing is here of 1 system.",
        "no finding: nobody asked which systems have to be here",
        &hash(text.as_bytes()),
        &hash(log.roster().as_bytes()),
    ] {
        assert!(said.contains(expected), "{expected:?} is not in: {said}");
    }
    let is_lane = |class: &Option<&String>| class.is_some_and(|class| class == "lane");
    let lanes = page.elements.iter().filter(|(_, attributes)| is_lane(&attributes.get("class"))).count();
    assert_eq!(lanes, 1);
    for mark in ["missing", "flag", "checkpoint", "key", "records"] {
        let of_mark = |attributes: &std::collections::BTreeMap<String, String>| {
            attributes.get("class").is_some_and(|class| class == mark)
        };
        // One more is in the legend.
        assert!(page.elements.iter().filter(|(_, attributes)| of_mark(attributes)).count() > 1, "{mark}");
    }
}

/// The list of expected nodes names some that nobody knows, and lacks one that is here.
#[test]
fn a_page_lists_the_nodes_that_are_absent_or_not_expected() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = Log::of("sshd");
    fs::write(dir.path().join("log.ndjson"), log.text()).expect("written");
    let mut roster: serde_json::Value = serde_json::from_str(&log.roster()).expect("JSON");
    let mut absent = roster[0].clone();
    absent["node"] = json!("absent");
    absent["chain"] = json!("AAAAAAAAAAAA");
    roster.as_array_mut().expect("a roster").push(absent);
    fs::write(dir.path().join("roster.json"), roster.to_string()).expect("written");
    fs::write(dir.path().join("nodes"), "absent\nnever seen\n").expect("written");
    let page = Page::read(&page(dir.path(), &["--expect", "nodes"]));
    page.check_references();
    let said = page.text();
    for expected in [
        "absent AAAAAAAAAAAA ✕ silent",
        "never seen none is known ✕ silent",
        "not on the list of expected systems",
        "1 system not on the list of expected systems sealed records.",
        "List of expected systems nodes, 18 bytes",
        "Expected systems 2",
    ] {
        assert!(said.contains(expected), "{expected:?} is not in: {said}");
    }
}

#[test]
fn a_page_of_a_whole_log_says_so() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = Log::of("sshd");
    fs::write(dir.path().join("log.ndjson"), log.text()).expect("written");
    fs::write(dir.path().join("roster.json"), log.roster()).expect("written");
    let said = Page::read(&page(dir.path(), &[])).text();
    assert!(said.contains("No forgery found, but not everything is proven"), "{said}");
    assert!(
        said.contains("records here are exactly as they were when they were sealed, and none is missing"),
        "{said}"
    );
    assert!(!said.contains("Faults found"), "{said}");
}

#[test]
fn redactions_schemas_and_days_are_counted_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut chain = MadeUp::new(1);
    let more = json!({
        "redacted": ["email mask*2 user.mail", "home-made partial log|card"], "schema": "people",
        "invalid": ["#/user type #/properties/user/type"],
    });
    let mut log = chain.record(json!({"m": 1}), more);
    log += &chain.record(json!({"m": 2}), json!({"redacted": ["email mask user.mail"], "schema": "people"}));
    // The same records again, which adds no redaction.
    log += &log.clone();
    fs::write(dir.path().join("log.ndjson"), &log).expect("written");
    let said = Page::read(&page(dir.path(), &["--metrics", "metrics.prom"])).text();
    for expected in [
        "Something was redacted in 2 records",
        "email 3 1",
        "email mask user.mail 3 1",
        "home-made partial log|card 1 1",
        "people 1 1 0",
        "people type #/properties/user/type 1 1",
        "2026-11-20 2",
        "no signature proves who sealed them",
    ] {
        assert!(said.contains(expected), "{expected:?} is not in: {said}");
    }
    let metrics = fs::read_to_string(dir.path().join("metrics.prom")).expect("metrics");
    for sample in [
        "flb_audit_chain_redacted_records{node=\"\",chain=\"\"} 2\n",
        "flb_audit_chain_redactions{node=\"\",chain=\"\",rule=\"email\"} 3\n",
        "flb_audit_chain_redactions{node=\"\",chain=\"\",rule=\"home-made\"} 1\n",
        "flb_audit_chain_schema_invalid_records{node=\"\",chain=\"\",schema=\"people\"} 1\n",
    ] {
        assert!(metrics.contains(sample), "{sample:?} is not in: {metrics}");
    }
    // Parts have what the seals state, too.
    let run = |arguments: &[&str]| run_in(arguments, dir.path());
    run(&["verify", "--part", "log.part", "log.ndjson"]);
    run(&["merge", "log.part", "--metrics", "merged.prom", "--html", "merged.html"]);
    let merged = fs::read_to_string(dir.path().join("merged.prom")).expect("metrics");
    let lasting = |metrics: &str| -> Vec<String> {
        let lines = metrics.lines().filter(|line| !line.starts_with("flb_audit_verify_"));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(lasting(&merged), lasting(&metrics));
    let merged = Page::read(&fs::read_to_string(dir.path().join("merged.html")).expect("a page")).text();
    let from_findings = |page: &str| {
        let from = page.rfind("Findings There").or_else(|| page.find("Findings Findings by kind"));
        let to = page.rfind("Made by").expect("an end");
        page[from.expect("findings")..to].to_owned()
    };
    assert_eq!(from_findings(&merged), from_findings(&said));
    assert!(merged.contains("files with what was read (parts) were judged"), "{merged}");
    assert!(merged.contains("Inputs 1 file, "), "{merged}");
}
