//! Fuzzes [`ledger_fixtures::properties::frames`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ledger_fixtures::properties::frames(input));
