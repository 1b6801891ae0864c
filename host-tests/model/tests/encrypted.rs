//! A client without a key sends one record of a silent node's chain to a ledger whose files are
//! encrypted. That is no sign of life of the node, whoever verifies.

use ledger_fixtures::schedule::{filter, seal_one, set_up};
use ledger_fixtures::{TAG, chunk, key, key_file, open, plain, recipient, settings};
use serde_json::Value;
use std::fs;

const NOBODY_CAN_TELL: &str = "nobody can tell whether node web-1 sent records of that time";
const SILENT: &str = "nothing that its key has sealed came from node web-1";

#[test]
fn an_unsigned_record_in_an_encrypted_file_is_no_sign_of_life() {
    // A signed record is a sign of life, so the period is the record's.
    for is_signed in [true, false] {
        let (ledger, keys) =
            (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let (mut sealer, ring) = filter();
        set_up(ledger.path(), &ring);
        let roster = ledger.path().join("roster.json");
        let mut entries: Value = serde_json::from_slice(&fs::read(&roster).expect("a roster")).expect("JSON");
        for (at, node) in ["ledger-1", "web-1"].into_iter().enumerate() {
            entries[at]["node"] = node.into();
        }
        fs::write(&roster, entries.to_string()).expect("written");
        let record = seal_one(&mut sealer, &plain(0, 1)[0], is_signed);
        // The third chunk comes when the file of the first two is due.
        for (size, records) in [("1M", vec![record]), ("1M", plain(1, 1)), ("1k", plain(2, 1))] {
            let settings = settings(&[("file_size", size), ("recipients", &recipient())]);
            open(&ledger, &settings).store(TAG, &chunk(&records)).expect("stored");
        }
        assert!(ledger.path().join("00000001.frames").is_file());
        let identity = keys.path().join("identity");
        key_file(&identity, key());
        let findings = |identities: &[&str]| {
            let period = ["--since", "2026-11-20T07:00:00Z", "--until", "2026-11-20T09:00:00Z"];
            let paths = [roster.to_str().expect("a path"), ledger.path().to_str().expect("a path")];
            let arguments =
                [&["verify", "--roster", paths[0]], &period[..], identities, &paths[1..]].concat();
            let report = flb_audit::verify::report(arguments.into_iter().map(Into::into)).expect("a report");
            let report: Value = serde_json::from_str(&report).expect("JSON");
            report["findings"].to_string()
        };
        let without = findings(&[]);
        assert_eq!(without.contains(NOBODY_CAN_TELL), !is_signed, "{without}");
        assert!(!without.contains(SILENT), "{without}");
        let with = findings(&["--identity", identity.to_str().expect("a path")]);
        assert_eq!(with.contains(SILENT), !is_signed, "{with}");
        assert!(!with.contains(NOBODY_CAN_TELL), "{with}");
    }
}
