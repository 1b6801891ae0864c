//! Fuzzes [`fixtures::properties::records::call`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fixtures::properties::records::call(input));
