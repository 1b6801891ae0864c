//! Random schemas and records: what the module that ships says of them is what
//! the sealer as it is says.

use super::properties::policies::{checked, sealer};
use super::random::{self, Choices};
use super::{outcome, pipeline, properties};
use flb_audit_core::policy::FILE_NAME;
use flb_audit_host::filter::Generation;
use flb_audit_policy::{Policy, compile};
use serde_json::Value;
use std::fs;

const POLICIES: usize = 150;
const RECORDS: usize = 8;

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
        let source = format!(
            "version: 1\nschema:\n  - {{tag: '*', file: a.json, name: random, invalid: {disposition}}}\n"
        );
        let Ok(policy) = Policy::read_with(&source, &mut |_| Ok(schema.to_string())) else {
            // A schema that refers to itself without end.
            continue;
        };
        let table = compile(&policy).expect("a table");
        let mut sealer = sealer(checked(&table), None);
        let directory = pipeline::directory(Default::default());
        fs::write(directory.path().join(FILE_NAME), &table).expect("a file");
        let mut host = pipeline::FILTER.host(Generation::Lasting, pipeline::limits(&directory));
        for _ in 0..RECORDS {
            let record = match random::value(&mut choices, 3) {
                object @ Value::Object(_) => object,
                other => serde_json::json!({ "a": other }),
            };
            let mut text = String::new();
            random::text(&record, &mut choices, &mut text);
            let native = outcome(properties::text(sealer.seal(&properties::event(b"tag", text.as_bytes()))));
            let called = host.call_bytes(b"tag", 0, 0, text.as_bytes()).expect("a call");
            assert_eq!(outcome(&pipeline::returned(called)), native, "{schema} on {text}");
            assert_eq!(native.1["schema"], "random");
            if native.1.get("invalid").is_some() {
                invalid += 1;
            } else {
                valid += 1;
            }
        }
    }
    assert!(valid > 200 && invalid > 200, "{valid} valid, {invalid} invalid");
}
