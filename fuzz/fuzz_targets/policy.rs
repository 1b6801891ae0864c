//! Fuzzes [`fixtures::properties::policies::policy`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fixtures::properties::policies::policy(input));
