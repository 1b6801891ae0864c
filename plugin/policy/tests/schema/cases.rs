//! Schemas, values, and the reports on them. A file in `cases` has a list of schemas;
//! each one is refused or has tests.

use fixtures::schemas::{Checked, check_value, compile};
use serde_json::Value;
use std::fs;
use std::path::Path;

#[test]
fn every_case_is_as_written() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schema/cases");
    let (mut count, mut wrong) = (0, Vec::new());
    for entry in fs::read_dir(cases).expect("a folder") {
        let path = entry.expect("an entry").path();
        let text = fs::read_to_string(&path).expect("a file");
        let cases: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        for case in cases.as_array().expect("cases") {
            count += 1 + case["tests"].as_array().map_or(0, Vec::len);
            check_case(case, &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 200, "{count} tests");
}

fn check_case(case: &Value, wrong: &mut Vec<String>) {
    let schema = match &case["text"] {
        Value::String(text) => text.clone(),
        _ => case["schema"].to_string(),
    };
    let refused = case["refused"].as_str();
    let program = match compile(&schema, case["format"] == true) {
        Ok(program) if refused.is_none() => program,
        Ok(_) => return wrong.push(format!("{schema} is not refused")),
        Err(error) if refused == Some(&error.to_string()) => return,
        Err(error) => return wrong.push(format!("{schema}: {error}")),
    };
    for test in case["tests"].as_array().expect("tests") {
        let expected: Vec<[String; 3]> = match &test["violations"] {
            Value::Null => vec![],
            violations => serde_json::from_value(violations.clone()).expect("triples"),
        };
        let value = test["value"].to_string();
        match check_value(&program, &value) {
            Checked::Valid if expected.is_empty() => {}
            Checked::Invalid(found) if found == expected => {}
            other => wrong.push(format!("{schema} on {value}: {other:?}")),
        }
    }
}

#[test]
fn names_that_are_no_keywords_are_told() {
    let schema =
        "{\"owner\": 1,\n \"x-team\": 1, \"properties\": {\"owner\": {\"title\": \"t\",\n  \"colour\": {}}}}";
    let compiled = flb_audit_policy::schema::compile(schema, flb_audit_policy::schema::Options::default());
    let unknown = compiled.unwrap_or_else(|error| panic!("{error}")).unknown;
    let said: Vec<String> = unknown.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "line 1, column 2, at /owner: `owner` is no keyword, and is not checked",
            "line 3, column 3, at /properties/owner/colour: `colour` is no keyword, and is not checked",
        ]
    );
}
