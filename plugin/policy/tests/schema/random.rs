//! Random schemas and values, against the jsonschema crate, and damaged
//! programs.

use fixtures::properties::schemas::{Opinion, damage, same_verdict};
use fixtures::schemas::Checked;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

/// The opinion of the jsonschema crate.
fn jsonschema(schema: &Value) -> Opinion {
    let validator = jsonschema::draft202012::new(schema).unwrap_or_else(|error| panic!("{error}: {schema}"));
    Box::new(move |value| validator.is_valid(value))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn verdicts_are_those_of_the_jsonschema_crate(input in vec(any::<u8>(), 0..200)) {
        same_verdict(&input, jsonschema);
    }

    #[test]
    fn a_damaged_program_comes_to_an_end(input in vec(any::<u8>(), 24..200)) {
        damage(&input);
    }
}

/// The generated values are neither all valid nor all invalid.
#[test]
fn random_values_are_of_both_kinds() {
    let (mut valid, mut invalid) = (0, 0);
    let mut state = 1u64;
    for _ in 0..1000 {
        let mut byte = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        let input: Vec<u8> = (0..150).map(|_| byte()).collect();
        match same_verdict(&input, jsonschema) {
            Some(Checked::Valid) => valid += 1,
            Some(Checked::Invalid(_)) => invalid += 1,
            _ => {}
        }
    }
    assert!(valid > 150 && invalid > 300, "{valid} valid, {invalid} invalid");
}
