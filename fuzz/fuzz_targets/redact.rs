//! Fuzzes [`fixtures::properties::policies::redact`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fixtures::properties::policies::redact(input));
