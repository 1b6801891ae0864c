//! Fuzzes [`fixtures::properties::records::tape`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fixtures::properties::records::tape(input));
