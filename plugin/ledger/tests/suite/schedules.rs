//! A ledger holds each acknowledged record once and finds no damage in itself, whatever
//! happens to an honest ledger.

use flb_audit_core::verify::{Checked, Checker};
use flb_audit_ledger::manifest::{self, Statement};
use ledger_fixtures::schedule::{Lived, live};
use ledger_fixtures::{records, text};
use serde_json::Value;

#[test]
fn each_acknowledged_record_is_held_once() {
    for seed in 0..40 {
        let lived = live(seed);
        let Lived { directory, acknowledged, has_retention, injected } = &lived;
        let mut checker = Checker::default();
        let mut numbers = Vec::new();
        for line in records(directory) {
            let is_intact =
                matches!(checker.check(line.as_bytes()), Ok(Checked::Sealed(sealed)) if sealed.is_intact);
            assert!(is_intact, "{seed}: {line}");
            let record: Value = serde_json::from_str(&line).expect("JSON");
            numbers.push(record["number"].as_u64().expect("a number"));
        }
        numbers.sort_unstable();
        if *has_retention {
            numbers.windows(2).for_each(|two| assert!(two[0] < two[1], "{seed}: {two:?} {injected:#?}"));
        } else {
            assert_eq!(numbers, (0..u64::from(*acknowledged)).collect::<Vec<_>>(), "{seed}: {injected:#?}");
        }
        let manifests = text(&directory.path().join(manifest::FILE_NAME));
        for line in manifests.lines() {
            let Some(statement) = manifest::read(line.as_bytes()) else { panic!("{seed}: {line}") };
            if let Statement::File(manifest) = statement {
                assert_eq!(manifest.damaged, None, "{seed}: {injected:#?}");
            }
        }
    }
}
