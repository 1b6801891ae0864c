//! Statements of ledgers, and of chains that are none.

use super::{edit_lines, findings, lines};
use flb_audit_core::chain::keyring::{self, KeyRing};
use flb_audit_core::chain::{GENESIS, Place, Run};
use flb_audit_ledger::{Ledger, Settings, manifest, roster};
use host_tests::program::flb_audit;
use ledger_fixtures::schedule::{entry, filter, seal};
use ledger_fixtures::{TAG, chunk, plain};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const RECORDS: &str = "records.ndjson";
const PROOFS: &str = "proofs.ndjson";

/// A directory with a ledger, and a roster with its chain and with that of a filter whose
/// records the ledger stores.
struct Stored {
    home: TempDir,
}

impl Stored {
    fn new() -> Stored {
        Stored::with(|_| ())
    }

    /// Sets up a ledger on the chain of a filter, whose keys somebody has stolen after its
    /// first start.
    fn of_thief() -> Stored {
        Stored::with(|ledger| {
            let path = ledger.join(keyring::FILE_NAME);
            let (ring, _) = KeyRing::from_file(&fs::read(&path).expect("read")).expect("keys");
            let first = Place { segment: 1, run: Run::from_random([3; 6]), sequence: 0 };
            let mut random = |seed: &mut [u8; 32]| {
                *seed = [9; 32];
                true
            };
            let used = ring.hand_over(first, GENESIS, &mut random).expect("the next key");
            fs::write(&path, &*used.to_file()).expect("written");
        })
    }

    fn with(use_before: impl FnOnce(&Path)) -> Stored {
        let stored = Stored { home: tempfile::tempdir().expect("a directory") };
        let (ledger, path) = (stored.at("ledger"), stored.at("roster.json"));
        let mut init = flb_audit();
        let made = init.args(["init", "--node", "node-1", "--roster"]).arg(&path).arg(&ledger).output();
        assert!(made.expect("dist/flb-audit").status.success());
        use_before(&ledger);
        let (mut sealer, ring) = filter();
        stored.edit_roster(|entries| entries.push(entry(&ring)));
        fs::copy(&path, ledger.join(roster::FILE_NAME)).expect("copied");
        let records = seal(&mut sealer, &plain(0, 60));
        for records in records.chunks(10) {
            stored.open(None).store(TAG, &chunk(records)).expect("stored");
        }
        stored
    }

    fn at(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn open(&self, keep_bytes: Option<u64>) -> Ledger {
        let settings = Settings { file_bytes: 4000, keep_bytes, ..Settings::default() };
        Ledger::open(&self.at("ledger"), settings, None).expect("opened")
    }

    /// Has retention delete some files, as a chunk arrives.
    fn delete(&self) {
        self.open(Some(6000)).store(TAG, &chunk(&plain(60, 40))).expect("stored");
    }

    fn edit_roster(&self, edit: impl FnOnce(&mut Vec<Value>)) {
        let path = self.at("roster.json");
        let mut entries = serde_json::from_slice(&fs::read(&path).expect("a roster")).expect("JSON");
        edit(&mut entries);
        fs::write(&path, Value::Array(entries).to_string()).expect("written");
    }

    fn verify(&self, arguments: &[&str], path: &Path) -> Value {
        let mut verify = flb_audit();
        verify.args(["verify", "--json", "--roster"]).arg(self.at("roster.json")).args(arguments).arg(path);
        let output = verify.output().expect("dist/flb-audit");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
    }

    /// Exports everything into a directory.
    fn export(&self, name: &str) -> String {
        let mut export = flb_audit();
        let export = export.arg("export").arg(self.at("ledger")).arg("--output").arg(self.at(name)).output();
        let export = export.expect("dist/flb-audit");
        assert!(export.status.success(), "{export:?}");
        String::from_utf8(export.stdout).expect("UTF-8")
    }
}

fn whats(report: &Value) -> String {
    findings(report).iter().map(|finding| format!("{finding}\n")).collect()
}

/// An attacker with the key of one node replaces the ledger's manifests by statements of
/// that node, which say that the ledger has deleted files.
#[test]
fn what_a_filters_chain_states_accounts_for_nothing() {
    let ledger = Stored::new();
    ledger.delete();
    let report = ledger.verify(&[], &ledger.at("ledger"));
    assert_eq!(report["verdict"], "tail_unanchored", "{report:#}");
    assert!(report["deleted"].as_u64() > Some(10), "{report:#}");
    assert!(ledger.open(None).take_lines().is_empty());

    let thief = Stored::of_thief();
    let warned = thief.open(None).take_lines();
    assert!(warned.iter().any(|(_, line)| line.contains("a filter has used this chain first")), "{warned:?}");
    thief.delete();
    let report = thief.verify(&[], &thief.at("ledger"));
    assert_eq!(
        (&report["verdict"], &report["deleted"]),
        (&"key_not_certified".into(), &0.into()),
        "{report:#}"
    );
    assert!(report["missing"].as_u64() > Some(10), "{report:#}");
    for what in ["its chain is not a ledger's", "no tombstone of a ledger says why"] {
        assert!(whats(&report).contains(what), "{what}: {report:#}");
    }
    // The files themselves are what the statements say.
    assert!(!whats(&report).contains("no manifest"), "{report:#}");
}

/// Statements that are put before those of the ledger do not replace them.
#[test]
fn foreign_statements_do_not_displace_the_ledgers() {
    let ledger = Stored::new();
    ledger.delete();
    let thief = Stored::of_thief();
    ledger.edit_roster(|entries| {
        let of_thief = fs::read(thief.at("roster.json")).expect("read");
        entries.extend(serde_json::from_slice::<Vec<Value>>(&of_thief).expect("JSON").drain(..1));
    });
    let foreign = lines(&thief.at("ledger").join(manifest::FILE_NAME));
    edit_lines(&ledger.at("ledger").join(manifest::FILE_NAME), |lines| drop(lines.splice(0..0, foreign)));
    let report = ledger.verify(&[], &ledger.at("ledger"));
    assert_eq!(report["verdict"], "key_not_certified", "{report:#}");
    assert!(report["deleted"].as_u64() > Some(10), "{report:#}");
}

#[test]
fn an_export_is_signed_by_a_ledger() {
    let thief = Stored::of_thief();
    thief.export("export");
    let report = thief.verify(&["--export"], &thief.at("export"));
    assert_eq!(report["verdict"], "key_not_certified", "{report:#}");
    assert!(whats(&report).contains("its chain is not a ledger's"), "{report:#}");
    let ledger = Stored::new();
    ledger.export("export");
    assert_eq!(ledger.verify(&["--export"], &ledger.at("export"))["verdict"], "unsigned");
}

/// Somebody takes records out of an export, and says with the ledger's later tombstones
/// that they had been deleted before.
#[test]
fn later_tombstones_hide_nothing_in_an_earlier_export() {
    let ledger = Stored::new();
    let printed = ledger.export("before");
    let of_before = ledger.verify(&["--export"], &ledger.at("before"));
    let state = of_before["state"].as_str().expect("a state");
    assert!(printed.contains(state), "{printed}");
    ledger.delete();
    ledger.export("after");
    let of_after = ledger.verify(&["--export"], &ledger.at("after"));
    assert_eq!(of_before["missing"], 0);
    let before = ledger.at("before");
    fs::copy(ledger.at("after").join(manifest::FILE_NAME), before.join(manifest::FILE_NAME)).expect("copied");
    let of_file = |line: &String| serde_json::from_str::<Value>(line).ok().map(|proof| proof["file"].clone());
    let in_second = |line: &String| of_file(line) == Some(2.into());
    let proofs = lines(&before.join(PROOFS));
    let taken = proofs.iter().position(in_second).expect("a record of file 2") + 1;
    for name in [RECORDS, PROOFS] {
        edit_lines(&before.join(name), |lines| drop(lines.remove(taken)));
    }
    let report = ledger.verify(&["--export"], &before);
    assert_eq!(report["verdict"], "tampered", "{report:#}");
    assert!(whats(&report).contains("in file 2, which the ledger has deleted"), "{report:#}");
    // Without any record of the deleted files, and of those that had no proof before, it is an
    // export of the later state.
    let is_gone = |line: &String| {
        let file = of_file(line).and_then(|file| file.as_u64());
        line == "null" || file.is_some_and(|file| whats(&report).contains(&format!("in file {file}, which")))
    };
    let proofs = lines(&before.join(PROOFS));
    for name in [RECORDS, PROOFS] {
        edit_lines(&before.join(name), |lines| {
            let mut proofs = proofs.iter();
            lines.retain(|_| !proofs.next().is_some_and(is_gone));
        });
    }
    let report = ledger.verify(&["--export"], &before);
    assert_ne!(report["verdict"], "tampered", "{report:#}");
    assert_eq!(report["state"], of_after["state"]);
    assert_ne!(report["state"], of_before["state"]);
}
