//! Fuzzes [`fixtures::properties::schemas`].
#![no_main]

use fixtures::properties::schemas::{damage, same_verdict};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    same_verdict(input);
    damage(input);
});
