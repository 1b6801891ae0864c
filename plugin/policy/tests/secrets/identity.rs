//! The choices for the identities of actors.
//!
//! A line of `identity.ndjson` has a choice, a record, and the expected output.

use super::{seal, sealer, sealer_with, table};
use flb_audit_core::redact::HmacKey;
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

/// With a key, an actor has the same token in records of any form, and shares it with
/// nobody.
#[test]
fn an_actor_has_one_token_everywhere() {
    let key = HmacKey::to_file("k1", &[7; 32]).and_then(|file| HmacKey::from_file(&file));
    let policy = DEFAULT_POLICY.replacen("redact:\n", "redact:\n  identity: hmac\n", 1);
    let table = table(&policy);
    let mut sealer = sealer_with(&table, key);
    let token = |out: &str| {
        let start = out.find("[identity:k1:").unwrap_or_else(|| panic!("no token: {out}"));
        out[start..].split(']').next().expect("an end").to_owned()
    };
    let mut of = |record: &str| {
        let (out, redacted) = seal(&mut sealer, record);
        assert!(redacted.contains("identity hmac"), "{redacted}");
        assert!(!out.contains("ada"), "{out}");
        token(&out)
    };
    let one = of(r#"{"actor":{"type":"User","email":"ada@example.org"}}"#);
    for same in [
        r#"{"user":"ada@example.org"}"#,
        r#"{"protoPayload":{"authenticationInfo":{"principalEmail":"ada@example.org"}}}"#,
        r#"{"initiatedBy":{"user":{"userPrincipalName":"ada@example.org"}}}"#,
        r#"{"performed_by":["ada@example.org"]}"#,
    ] {
        assert_eq!(of(same), one, "{same}");
    }
    assert_ne!(of(r#"{"user":"ada@example.com"}"#), one);
    assert_eq!(one.len(), "[identity:k1:".len() + 22);
}

#[test]
fn other_choices_are_refused() {
    for choice in ["remove", "[keep]", "off"] {
        let policy = format!("version: 1\nredact: {{identity: {choice}}}\n");
        assert!(flb_audit_policy::Policy::read(&policy).is_err(), "{choice}");
    }
}
