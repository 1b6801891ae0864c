//! The seeds of the fuzz targets, passed to all properties.

use fixtures::properties::{mappings, policies, records};
use host_tests::root;
use std::fs;

/// Passes every seed of these targets to these properties.
fn run(targets: &[&str], properties: &[fn(&[u8])], count_min: usize) {
    let seeds = root().join("fuzz/seeds");
    let mut count = 0;
    for target in targets {
        for entry in fs::read_dir(seeds.join(target)).expect("a directory of seeds") {
            let path = entry.expect("a seed").path();
            let seed = fs::read(&path).expect("a seed");
            let result = std::panic::catch_unwind(|| properties.iter().for_each(|holds| holds(&seed)));
            assert!(result.is_ok(), "{}", path.display());
            count += 1;
        }
    }
    assert!(count >= count_min, "{count} seeds");
}

#[test]
fn every_record_is_read_sealed_and_redacted() {
    let properties = [records::tape, records::call, policies::redact];
    run(&["tape", "call", "redact"], &properties, 70);
}

#[test]
fn every_file_of_frames_is_read_to_its_end() {
    run(&["frames"], &[ledger_fixtures::properties::frames], 6);
}

#[test]
fn every_policy_is_compiled_or_refused() {
    run(&["policy"], &[policies::policy], 15);
}

#[test]
fn every_mapping_is_compiled_or_refused() {
    run(&["mapping"], &[mappings::mapping], 9);
}
