//! Pages of large fleets, and of logs that try to make a page huge.

use super::made_up::MadeUp;
use super::markup::Page;
use super::page;
use serde_json::json;
use std::fs;
use std::path::Path;

/// Writes a log of `chains` chains, each with `gaps` gaps.
pub(super) fn write(directory: &Path, chains: usize, gaps: usize) {
    let mut log = String::new();
    for number in 0..chains {
        let mut chain = MadeUp::new(number);
        log += &chain.record(json!({"m": 0}), json!({}));
        for _ in 0..gaps {
            chain.record(json!({}), json!({}));
            log += &chain.record(json!({"m": 1}), json!({}));
        }
    }
    fs::write(directory.join("log.ndjson"), log).expect("written");
}

#[test]
fn a_page_has_an_end_and_says_what_is_left_out() {
    let dir = tempfile::tempdir().expect("a directory");
    write(dir.path(), 1200, 10);
    let text = page(dir.path(), &[]);
    assert!(text.len() < 16 << 20, "{} bytes", text.len());
    let page = Page::read(&text);
    page.check_references();
    let said = page.text();
    assert!(page.count("details") < 1100, "{}", page.count("details"));
    assert!(said.contains("12,000 findings"), "all are counted");
    assert!(said.contains("Findings: gap (the first 10,000; 2,000 more are not listed here)"));
    assert!(said.contains("None of these 1,200 is listed here"), "of those that are not so bad");
    assert!(said.contains("200 chains with lesser findings or none have no timeline here."));
}

#[test]
fn names_that_a_log_makes_up_are_bounded() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut chain = MadeUp::new(0);
    let mut log = String::new();
    for at in 0..300 {
        let many = |what: &str| -> Vec<String> {
            (0..10).map(|i| format!("{what}{at}-{i} x {}", "p".repeat(900))).collect()
        };
        let more =
            json!({"redacted": many("rule"), "invalid": many("place"), "schema": format!("schema{at}")});
        log += &chain.record(json!({}), more);
    }
    fs::write(dir.path().join("log.ndjson"), log).expect("written");
    let text = page(dir.path(), &["--metrics", "metrics.prom"]);
    assert!(text.len() < 2 << 20, "{} bytes", text.len());
    let said = Page::read(&text).text();
    assert!(said.contains("And 2,900 of more kinds than are told apart."), "of the rules");
    assert!(said.contains("And 2,000 of more kinds than are told apart."), "of the paths");
    let metrics = fs::read_to_string(dir.path().join("metrics.prom")).expect("metrics");
    assert!(metrics.lines().count() < 350, "{}", metrics.lines().count());
    assert!(metrics.contains("rule=\"(others)\"} 2900\n"), "{metrics}");
}
