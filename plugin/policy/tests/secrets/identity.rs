//! The choices for who did it.
//!
//! A line of `identity.ndjson` has a choice, a record, and what comes of it.

use super::{seal, sealer, table};
use flb_audit_policy::DEFAULT_POLICY;
use serde_json::Value;

#[test]
fn every_choice_does_what_it_says() {
    for line in include_str!("identity.ndjson").lines() {
        let case: Value = serde_json::from_str(line).expect("JSON");
        let choice = case["identity"].as_str().expect("a choice");
        let policy = DEFAULT_POLICY.replacen("redact:\n", &format!("redact:\n  identity: {choice}\n"), 1);
        let table = table(&policy);
        let (out, _) = seal(&mut sealer(&table), &case["record"].to_string());
        assert_eq!(out, case["expected"].to_string(), "{choice}");
    }
}

#[test]
fn other_choices_are_refused() {
    for choice in ["remove", "[keep]", "off"] {
        let policy = format!("version: 1\nredact: {{identity: {choice}}}\n");
        assert!(flb_audit_policy::Policy::read(&policy).is_err(), "{choice}");
    }
}
