//! A client without a key sends one record of a silent node's chain to a ledger whose files are
//! encrypted. That is no sign of life of the node, whoever verifies. A signed record is one, if all
//! records of its file are of the time that is asked for.

use ledger_fixtures::schedule::{filter, seal_one, set_up};
use ledger_fixtures::{TAG, chunk, key, key_file, open, plain, recipient, settings};
use serde_json::Value;
use std::fs;
use tempfile::TempDir;

const NOBODY_CAN_TELL: &str = "nobody can tell whether node web-1 sent records of that time";
const SILENT: &str = "nothing that its key has sealed came from node web-1";

/// Returns a ledger with a file in which web-1 has a record of 8 o'clock, and another chain has one of 9
/// o'clock.
fn ledger(is_signed: bool) -> TempDir {
    let ledger = tempfile::tempdir().expect("a directory");
    let (mut sealer, ring) = filter();
    set_up(ledger.path(), &ring);
    let roster = ledger.path().join("roster.json");
    let mut entries: Value = serde_json::from_slice(&fs::read(&roster).expect("a roster")).expect("JSON");
    for (at, node) in ["ledger-1", "web-1"].into_iter().enumerate() {
        entries[at]["node"] = node.into();
    }
    fs::write(&roster, entries.to_string()).expect("written");
    let first = chunk(&[seal_one(&mut sealer, &plain(0, 1)[0], is_signed)]);
    let mut second = chunk(&plain(1, 1));
    second[4..8].copy_from_slice(&1_795_165_200u32.to_be_bytes());
    // The third chunk comes when the file of the first two is due.
    for (size, chunk) in [("1M", first), ("1M", second), ("1k", chunk(&plain(2, 1)))] {
        let settings = settings(&[("file_size", size), ("recipients", &recipient())]);
        open(&ledger, &settings).store(TAG, &chunk).expect("stored");
    }
    assert!(ledger.path().join("00000001.frames").is_file());
    ledger
}

#[test]
fn an_unsigned_record_in_an_encrypted_file_is_no_sign_of_life() {
    let keys = tempfile::tempdir().expect("a directory");
    let identity = keys.path().join("identity");
    key_file(&identity, key());
    let identity = ["--identity", identity.to_str().expect("a path")];
    // Each case says whether the record is signed, when the time ends, and whether the key is there; and
    // then whether the report has the one finding or the other.
    for (is_signed, until, has_key, is_unclear, is_silent) in [
        (true, "10:00", false, false, false),
        (true, "08:30", false, true, false),
        (true, "08:30", true, false, false),
        (false, "10:00", false, false, true),
        (false, "08:30", false, false, true),
        (false, "10:00", true, false, true),
    ] {
        let ledger = ledger(is_signed);
        let (path, until) = (ledger.path().to_str().expect("a path"), format!("2026-11-20T{until}:00Z"));
        let roster = format!("{path}/roster.json");
        let period = ["verify", "--since", "2026-11-20T07:00:00Z", "--until", &until, "--roster", &roster];
        let arguments = [&period[..], if has_key { &identity } else { &[] }, &[path]].concat();
        let report = flb_audit::verify::report(arguments.into_iter().map(Into::into)).expect("a report");
        let report: Value = serde_json::from_str(&report).expect("JSON");
        let findings = report["findings"].to_string();
        let said = (findings.contains(NOBODY_CAN_TELL), findings.contains(SILENT));
        assert_eq!(said, (is_unclear, is_silent), "signed: {is_signed}, key: {has_key}, {until}: {findings}");
    }
}
