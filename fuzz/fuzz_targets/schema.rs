//! Fuzzes [`properties::same_verdict`] and [`properties::damage`].
#![no_main]

// The tests take the rest of it.
#[allow(dead_code)]
#[path = "../../plugin/policy/tests/schema/properties/mod.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    properties::same_verdict(input);
    properties::damage(input);
});
