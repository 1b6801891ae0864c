//! Random schemas and records, for which the module that ships must say the same as the
//! sealer itself.

use super::outcome;
use fixtures::policies::{self, checked};
use fixtures::random::{self, Choices};
use fixtures::records;
use flb_audit_core::policy::FILE_NAME;
use flb_audit_host::filter::Generation;
use flb_audit_policy::{Policy, compile};
use host_tests::guest;
use serde_json::Value;
use std::fs;

const POLICIES: usize = 150;
const RECORDS: usize = 8;

/// Returns the table of a policy with one schema for all records.
fn table(schema: &Value, disposition: &str) -> Option<Vec<u8>> {
    let entry = format!("{{tag: '*', file: a.json, name: random, invalid: {disposition}}}");
    let source = format!("version: 1\nschema:\n  - {entry}\n");
    let policy = Policy::read_with(&source, &mut |_| Ok(schema.to_string())).ok()?;
    Some(compile(&policy).expect("a table"))
}

#[test]
fn the_module_and_the_sealer_agree() {
    let mut state = 1_u64;
    let mut byte = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    let (mut valid, mut invalid) = (0, 0);
    for at in 0..POLICIES {
        let input: Vec<u8> = (0..300).map(|_| byte()).collect();
        let mut choices = Choices::of(&input);
        let schema = random::document(&mut choices);
        let disposition = ["mark", "quarantine", "drop"][at % 3];
        // A schema that refers to itself without end has no table.
        let (Some(table), Some(marking)) = (table(&schema, disposition), table(&schema, "mark")) else {
            continue;
        };
        let mut sealer = policies::sealer(checked(&table), None);
        let mut marker = policies::sealer(checked(&marking), None);
        let directory = guest::directory(Default::default());
        fs::write(directory.path().join(FILE_NAME), &table).expect("a file");
        let mut host = guest::FILTER.host(Generation::Lasting, guest::limits(&directory));
        for _ in 0..RECORDS {
            let record = match random::value(&mut choices, 3) {
                object @ Value::Object(_) => object,
                other => serde_json::json!({ "a": other }),
            };
            let mut text = String::new();
            random::text(&record, &mut choices, &mut text);
            let native = outcome(records::text(sealer.seal(&records::event(b"tag", text.as_bytes()))));
            let called = host.call_bytes(b"tag", 0, 0, text.as_bytes()).expect("a call");
            assert_eq!(outcome(&guest::returned(called)), native, "{schema} on {text}");
            assert_eq!(native.1["schema"], "random");
            let (marked, said) =
                outcome(records::text(marker.seal(&records::event(b"tag", text.as_bytes()))));
            assert_eq!(said.get("invalid"), native.1.get("invalid"), "{schema} on {text}");
            // The quarantined record is what would have come out otherwise.
            if native.1["disposition"] == "quarantine" {
                let out: Value = records::parse(native.0.as_bytes());
                assert_eq!(out["quarantine"], marked, "{schema} on {text}");
            }
            if native.1.get("invalid").is_some() {
                invalid += 1;
            } else {
                valid += 1;
            }
        }
    }
    assert!(valid > 200 && invalid > 200, "{valid} valid, {invalid} invalid");
}
