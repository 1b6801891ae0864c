//! Manifests explain the absence of their own records only, whoever adds to the store.

use flb_audit_core::Sealer;
use flb_audit_core::chain::{Chain, Link, Place};
use flb_audit_core::record::notes::Notes;
use flb_audit_ledger::{Ledger, Settings};
use host_tests::program;
use ledger_fixtures::{TAG, chunk, names, plain, reseal, schedule};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use tempfile::TempDir;

/// Two lives of a filter: 60 records, and 60 that continue them.
struct Lives {
    first: Vec<Value>,
    second: Vec<Value>,
    directory: TempDir,
}

impl Lives {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let (mut sealer, ring) = schedule::filter();
        schedule::set_up(directory.path(), &ring);
        let seal = |sealer: &mut Sealer<'static>, from| {
            let records = plain(from, 60);
            let signed = |(at, record)| schedule::seal_one(sealer, record, at == 0);
            records.iter().enumerate().map(signed).collect::<Vec<_>>()
        };
        let first = seal(&mut sealer, 0);
        let before = sealer.chain().clone();
        let link = Link { place: Place { sequence: 59, ..before.next }, unsettled: None };
        let next = Place { segment: 2, sequence: 0, ..before.next };
        let mut sealer =
            Sealer::new(Chain { next, link: Some(link), ..before }, Notes::NONE, None).expect("a sealer");
        sealer.set_signer(ring.signer().unwrap_or_else(|_| panic!("no key"))).expect("memory");
        let second = seal(&mut sealer, 60);
        Lives { first, second, directory }
    }

    /// Stores these records and then the second life. Retention then deletes the first.
    fn store(&self, first: &[Value]) {
        let settings = Settings { file_bytes: 2000, keep_bytes: Some(10), ..Settings::default() };
        let mut ledger = Ledger::open(self.directory.path(), settings, None).expect("opened");
        for records in [first, &self.second[..1], &self.second[1..]] {
            ledger.store(TAG, &chunk(records)).expect("stored");
        }
        assert!(!names(&self.directory).iter().any(|name| name.starts_with("00000001.")));
    }

    fn verify(&self) -> Value {
        let directory = self.directory.path();
        let output = program::flb_audit()
            .args(["verify", "--json", "--roster"])
            .args([&directory.join("roster.json"), directory])
            .output()
            .expect("dist/flb-audit");
        serde_json::from_slice(&output.stdout).expect("a report")
    }
}

#[test]
fn a_tombstone_accounts_for_what_was_deleted() {
    let lives = Lives::new();
    lives.store(&lives.first);
    let report = lives.verify();
    assert_eq!(
        (&report["verdict"], &report["missing"]),
        (&json!("tail_unanchored"), &json!(0)),
        "{report:#}"
    );
}

/// Retention deletes faster than checkpoints are made: the last checkpoint was deleted,
/// and only the manifest says which record the rest continues.
#[test]
fn what_is_kept_goes_on_from_what_was_deleted() {
    let cases: [(&str, Option<usize>, &str); 3] = [
        ("as it is", None, "tail_unanchored"),
        ("deleted", Some(30), "gap"),
        ("in the middle", Some(40), "gap"),
    ];
    for (name, lost, verdict) in cases {
        let lives = Lives::new();
        let settings = Settings { file_bytes: 2000, keep_bytes: Some(10), ..Settings::default() };
        let mut ledger = Ledger::open(lives.directory.path(), settings, None).expect("opened");
        ledger.store(TAG, &chunk(&lives.first[..30])).expect("stored");
        let kept = (30..60).filter(|number| Some(*number) != lost).map(|number| lives.first[number].clone());
        for records in kept.collect::<Vec<_>>().chunks(3) {
            ledger.store(TAG, &chunk(records)).expect("stored");
        }
        drop(ledger);
        assert!(!names(&lives.directory).iter().any(|name| name.starts_with("00000001.")));
        let report = lives.verify();
        assert_eq!(report["verdict"], verdict, "{name}: {report:#}");
    }
}

/// Records of a life never came. In their place there are others that only look like
/// records, or that are intact on their own.
#[test]
fn a_tombstone_accounts_for_nothing_that_never_came() {
    for (name, lost) in [("a middle", 20..50), ("up to the end", 20..60), ("all but the first five", 5..60)] {
        for is_intact in [None, Some(false), Some(true)] {
            let lives = Lives::new();
            let mut forged = lives.first[lost.clone()].to_vec();
            forged.iter_mut().for_each(|record| record["text"] = json!("never sent"));
            forged[0]["audit"]["prev"] = lives.first[0]["audit"]["head"].clone();
            if is_intact == Some(true) {
                reseal(&mut forged, 0);
            }
            let mut came = lives.first.clone();
            came.drain(lost.clone());
            came.extend(is_intact.iter().flat_map(|_| forged.clone()));
            lives.store(&came);
            let report = lives.verify();
            // Somebody who knows the head before can continue from it, but the next life
            // does not continue theirs.
            assert_eq!(report["verdict"], "gap", "{name}, {is_intact:?}: {report:#}");
            // Only record 0 is signed in its file, and nobody can tell the others before the gap from
            // made-up ones.
            assert_eq!(report["missing"], lost.end - 1, "{name}, {is_intact:?}: {report:#}");
        }
    }
}

/// The first record of a deleted life comes back, followed by forged ones.
#[test]
fn what_was_deleted_does_not_come_back_as_something_else() {
    for name in ["0.ndjson", "00000099.ndjson", "open"] {
        for count in [2, 30, 60] {
            let lives = Lives::new();
            lives.store(&lives.first);
            let mut forged = lives.first[..count].to_vec();
            forged[1..].iter_mut().for_each(|record| record["text"] = json!("never sent"));
            reseal(&mut forged, 1);
            let open = names(&lives.directory).into_iter().rfind(|name| name.starts_with("0"));
            let path =
                lives.directory.path().join(if name == "open" { open.expect("open") } else { name.into() });
            let mut file = fs::OpenOptions::new().append(true).create(true).open(path).expect("opened");
            forged.iter().for_each(|record| writeln!(file, "{record}").expect("written"));
            let report = lives.verify();
            let is_found =
                ["tampered", "key_not_certified"].contains(&report["verdict"].as_str().expect("a verdict"));
            assert!(is_found, "{name}, {count}: {report:#}");
        }
    }
}
