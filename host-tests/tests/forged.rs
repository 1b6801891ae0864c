//! A tombstone that somebody has logged as a record, and a key has signed.

#[allow(dead_code)]
#[path = "../../plugin/ledger/tests/support/mod.rs"]
mod support;

use flb_audit_core::check::{Checked, Checker};
use flb_audit_core::policy::Policy;
use flb_audit_ledger::manifest::{self, Statement, Tombstone, active_name};
use flb_audit_ledger::{Ledger, Settings};
use host_tests::root;
use serde_json::Value;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::process::Command;
use support::{chunk, plain};

/// Who can log, and write the store, deletes a segment and has the ledger itself
/// seal and sign what accounts for that: the first record of a life is signed.
#[test]
fn a_tombstone_that_came_as_a_record_accounts_for_nothing() {
    let table = host_tests::policy::table("version: 1\n").expect("a policy").leak();
    for (tag, policy) in [
        (support::TAG, None),
        (manifest::TAG.as_bytes(), None),
        (manifest::TAG.as_bytes(), Some(Policy::check(table).expect("a policy"))),
    ] {
        let home = tempfile::tempdir().expect("a directory");
        let (dir, roster) = (home.path().join("ledger"), home.path().join("roster.json"));
        let mut init = Command::new(root().join("dist/flb-audit"));
        let init = init.arg("init").arg(&dir).args(["--node", "n1", "--roster"]).arg(&roster).output();
        assert!(init.expect("dist/flb-audit").status.success());
        let open = || {
            let settings = Settings { segment_bytes: 4000, ..Settings::default() };
            Ledger::open(&dir, settings, policy).expect("opened")
        };
        for first in 0..3 {
            open().store(support::TAG, &chunk(&plain(20 * first, 20))).expect("stored");
        }
        let path = dir.join(manifest::FILE_NAME);
        let manifests = fs::read_to_string(&path).expect("read");
        let Some(Statement::Segment(second)) =
            manifests.lines().nth(1).and_then(|line| manifest::read(line.as_bytes()))
        else {
            panic!("no second manifest");
        };
        let tombstone = Statement::Deleted(Tombstone {
            number: second.number,
            file: second.file.clone(),
            sha256: second.sha256,
            records: second.records,
            by: "keep_age".into(),
        });
        let tombstone = serde_json::to_value(&tombstone).expect("JSON");
        open().store(support::TAG, &chunk(&plain(60, 1))).expect("stored");
        // A new life, whose first record it is.
        open().store(tag, &chunk(&[tombstone])).expect("stored");
        let held = fs::read_to_string(dir.join(active_name(4))).expect("a segment");
        let line = held.lines().find(|line| line.contains("keep_age"));
        let line = line.expect("the record");
        let Ok(Checked::Sealed(sealed)) = Checker::default().check(line.as_bytes()) else {
            panic!("not sealed: {line}");
        };
        assert!(sealed.is_intact && sealed.is_checkpoint, "{line}");
        let mut file = OpenOptions::new().append(true).open(&path).expect("opened");
        writeln!(file, "{line}").expect("written");
        fs::remove_file(dir.join(&second.file)).expect("removed");
        let output = Command::new(root().join("dist/flb-audit"))
            .args(["verify", "--json", "--roster"])
            .arg(&roster)
            .arg(&dir)
            .output()
            .expect("dist/flb-audit");
        let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
        let findings = report["findings"].to_string();
        assert_eq!(report["deleted"], 0, "{report:#}");
        assert!(findings.contains("no tombstone says why"), "{report:#}");
    }
}
