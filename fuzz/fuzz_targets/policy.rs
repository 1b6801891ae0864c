//! Fuzzes [`properties::policies::policy`].
#![no_main]

// The other targets take the rest of it.
#[allow(dead_code)]
#[path = "../../host-tests/tests/properties/mod.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|input: &[u8]| properties::policies::policy(input));
