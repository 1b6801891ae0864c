//! Fuzzes [`fixtures::properties::schemas`].
#![no_main]

use fixtures::properties::schemas::{Opinion, damage, same_verdict};
use serde_json::Value;

/// The opinion of the jsonschema crate.
fn jsonschema(schema: &Value) -> Opinion {
    let validator = jsonschema::draft202012::new(schema).unwrap_or_else(|error| panic!("{error}: {schema}"));
    Box::new(move |value| validator.is_valid(value))
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    same_verdict(input, jsonschema);
    damage(input);
});
