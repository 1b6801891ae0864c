//! Random mappings and records.

use fixtures::properties::mappings::{events, mapping};
use flb_audit_policy::formats::formats;
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn events_have_all_values_of_their_records(input in vec(any::<u8>(), 0..400)) {
        events(&input);
    }
}

/// Enough of the mappings are accepted, and enough of the records become events.
#[test]
fn random_records_become_events() {
    let (mut made, mut state) = (0, 1u64);
    for _ in 0..500 {
        let mut byte = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        let input: Vec<u8> = (0..400).map(|_| byte()).collect();
        made += events(&input);
    }
    assert!(made > 300, "{made} events");
}

/// The mappings that ship, with one line taken out, or one character.
#[test]
fn a_damaged_mapping_is_refused_or_makes_whole_events() {
    for source in formats().iter().filter_map(|format| format.mapping) {
        let lines: Vec<&str> = source.lines().collect();
        for at in (0..lines.len()).step_by(7) {
            let (before, after) = (&lines[..at], &lines[at + 1..]);
            mapping([before, after].concat().join("\n").as_bytes());
            let half = lines[at].get(..lines[at].len() / 2).unwrap_or_default();
            mapping([before, &[half], after].concat().join("\n").as_bytes());
        }
    }
}
