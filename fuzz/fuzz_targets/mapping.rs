//! Fuzzes [`fixtures::properties::mappings`].
#![no_main]

use fixtures::properties::mappings::{events, mapping};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    mapping(input);
    events(input);
});
