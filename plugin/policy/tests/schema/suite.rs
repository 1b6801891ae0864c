//! The JSON Schema Test Suite of draft 2020-12: supported tests pass, and unsupported
//! ones are refused. `cargo xtask schema-suite` prints the counts of each file.
//!
//! The suite is not part of the checkout. It is in `FLB_AUDIT_CORPORA`, or else beside
//! the checkout.

use fixtures::schemas::{Checked, check_value, compile};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

/// Files about keywords that are not supported, or about other documents.
const REFUSED_FILES: [&str; 7] = [
    "content.json",
    // Its only schema refers to that of the draft itself.
    "defs.json",
    "dynamicRef.json",
    "refRemote.json",
    "unevaluatedItems.json",
    "unevaluatedProperties.json",
    "vocabulary.json",
];

/// Cases in other files that use such keywords or documents.
const REFUSED_CASES: [(&str, &str); 3] = [
    ("not.json", "collect annotations inside a 'not', even if collection is disabled"),
    ("ref.json", "remote ref, containing refs itself"),
    ("ref.json", "ref creates new scope when adjacent to keywords"),
];

/// The number of tests in a file, by result.
#[derive(Default)]
struct Count {
    passed: usize,
    failed: usize,
    refused: usize,
}

#[test]
fn the_suite_passes_or_is_refused() {
    let corpora = match std::env::var_os("FLB_AUDIT_CORPORA") {
        Some(path) => path.into(),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora"),
    };
    let suite = corpora.join("json-schema-2020-12");
    if !suite.exists() {
        eprintln!("skipped: {} is not there", suite.display());
        return;
    }
    let mut total = Count::default();
    println!("{:32}{:>8}{:>8}{:>8}", "file", "passed", "failed", "refused");
    for (folder, assert_format) in [("", false), ("format", true)] {
        let entries = fs::read_dir(suite.join(folder)).expect("a folder");
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
        files.sort();
        for path in files.into_iter().filter(|path| path.extension().is_some_and(|end| end == "json")) {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).expect("a file");
            let count = file(&name, &text, assert_format);
            let name = if assert_format { format!("format/{name}") } else { name };
            println!("{name:32}{:8}{:8}{:8}", count.passed, count.failed, count.refused);
            total.passed += count.passed;
            total.failed += count.failed;
            total.refused += count.refused;
        }
    }
    println!("{:32}{:8}{:8}{:8}", "all", total.passed, total.failed, total.refused);
    assert_eq!((total.passed, total.failed, total.refused), (1455, 0, 305));
}

fn file(name: &str, text: &str, assert_format: bool) -> Count {
    let mut count = Count::default();
    let cases: Value = serde_json::from_str(text).expect("JSON");
    for case in cases.as_array().expect("cases") {
        let description = case["description"].as_str().expect("a description");
        let tests = case["tests"].as_array().expect("tests");
        let is_refused = REFUSED_FILES.contains(&name) || REFUSED_CASES.contains(&(name, description));
        match compile(&case["schema"].to_string(), assert_format) {
            Err(error) => {
                assert!(is_refused, "{name}: {description}: {error}");
                // The refusal names the keyword and the place.
                let keyword = error.pointer.rsplit('/').next().unwrap_or_default();
                assert!(error.message.contains(keyword), "{name}: {description}: {error}");
                count.refused += tests.len();
            }
            Ok(program) => {
                assert!(!is_refused, "{name}: {description} is not refused");
                for test in tests {
                    let expected = test["valid"].as_bool().expect("a verdict");
                    let is_right = match check_value(&program, &test["data"].to_string()) {
                        Checked::Valid => expected,
                        Checked::Invalid(_) => !expected,
                        Checked::Not(_) => false,
                    };
                    if is_right {
                        count.passed += 1;
                    } else {
                        eprintln!("{name}: {description}: {}", test["description"]);
                        count.failed += 1;
                    }
                }
            }
        }
    }
    count
}
