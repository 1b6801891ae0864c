//! `flb-audit verify` on an export, unchanged and altered.

use super::{altered, edit_lines, lines};
use flb_audit_core::chain::ChainId;
use flb_audit_ledger::{Ledger, Settings, tree};
use host_tests::program;
use ledger_fixtures::{Filter, TAG, chunk, plain};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Output;
use tempfile::TempDir;

const RECORDS: &str = "records.ndjson";
const PROOFS: &str = "proofs.ndjson";
const MANIFESTS: &str = "manifests.ndjson";

fn flb_audit(arguments: &[&str], paths: &[&Path]) -> Output {
    program::flb_audit().args(arguments).args(paths).output().expect("dist/flb-audit")
}

/// A ledger with keys, of a filter's chain and its own, with many files and several
/// lives, and an export of it.
struct Exported {
    home: TempDir,
    dir: PathBuf,
}

impl Exported {
    fn new(settings: &Settings, options: &[&str]) -> Self {
        Exported::of(settings, options, &[])
    }

    /// Makes an export of a ledger to which a client has also sent these records.
    fn of(settings: &Settings, options: &[&str], sent: &[Value]) -> Self {
        let home = tempfile::tempdir().expect("a directory");
        let (ledger, dir) = (home.path().join("ledger"), home.path().join("export"));
        let made = Exported { home, dir };
        let init = flb_audit(&["init", "--node", "n1", "--roster"], &[&made.roster(), &ledger]);
        assert!(init.status.success());
        let mut filter = Filter::new(1);
        ledger_fixtures::believe(&ledger, &[filter.chain()]);
        for first in 0..12 {
            let mut records = filter.seal(&plain(20 * first, 10));
            records.extend(plain(20 * first + 10, 10));
            let mut open = Ledger::open(&ledger, settings.clone(), None).expect("opened");
            open.store(TAG, &chunk(&records)).expect("stored");
            if first == 0 && !sent.is_empty() {
                open.store(TAG, &chunk(sent)).expect("stored");
            }
        }
        let export = flb_audit(&[&["export"], options, &["--output"]].concat(), &[&made.dir, &ledger]);
        assert!(export.status.success(), "{}", String::from_utf8_lossy(&export.stderr));
        made
    }

    fn closed(options: &[&str]) -> Self {
        Exported::new(&settings(), options).without_unproven()
    }

    fn without_unproven(self) -> Self {
        let made = self;
        // Leaves out the records that have no proof yet.
        let left = lines(&made.dir.join(PROOFS)).iter().filter(|line| *line != "null").count();
        for name in [RECORDS, PROOFS] {
            edit_lines(&made.dir.join(name), |lines| lines.truncate(left));
        }
        made
    }

    fn roster(&self) -> PathBuf {
        self.home.path().join("roster.json")
    }

    fn verify(&self) -> Value {
        let output =
            flb_audit(&["verify", "--json", "--roster"], &[&self.roster(), Path::new("--export"), &self.dir]);
        let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
        assert_eq!(output.status.code().map(i64::from), report["exit_code"].as_i64());
        report
    }
}

fn settings() -> Settings {
    Settings { file_bytes: 20_000, ..Settings::default() }
}

#[test]
fn an_export_is_proven() {
    for options in
        [&[][..], &["--chain", &ChainId::from_random([1; 9]).to_string()], &["--since", "2026-01-01"]]
    {
        let made = Exported::closed(options);
        let report = made.verify();
        assert_eq!(report["verdict"], "intact", "{options:?}: {report:#}");
        assert_eq!(report["records"], report["proven"], "{report:#}");
        assert!(report["proven"].as_u64() > Some(60), "{report:#}");
        let shown = flb_audit(&["verify", "--roster"], &[&made.roster(), Path::new("--export"), &made.dir]);
        assert!(String::from_utf8_lossy(&shown.stdout).starts_with("proven: of "), "{shown:?}");
        assert_eq!(shown.status.code(), Some(0));
        let without = flb_audit(&["verify", "--export"], &[&made.dir]);
        assert_eq!(without.status.code(), Some(4));
    }
}

#[test]
fn records_of_the_open_file_are_named() {
    let made = Exported::new(&settings(), &[]);
    let open = lines(&made.dir.join(PROOFS)).iter().filter(|line| *line == "null").count();
    let report = made.verify();
    assert!(open > 0);
    assert_eq!((&report["verdict"], &report["unproven"]), (&"unsigned".into(), &open.into()), "{report:#}");
}

#[test]
fn tombstones_account_for_what_was_deleted() {
    let settings = Settings { keep_bytes: Some(6000), ..settings() };
    let made = Exported::new(&settings, &[]);
    assert!(lines(&made.dir.join(MANIFESTS)).iter().any(|line| line.contains("\"ledger\":\"deleted\"")));
    let report = made.verify();
    assert_eq!((&report["verdict"], &report["missing"]), (&"unsigned".into(), &0.into()), "{report:#}");
}

#[test]
fn what_is_altered_is_found() {
    for altered in altered("export.json") {
        let made = Exported::closed(&[]);
        assert_eq!(made.verify()["verdict"], "intact", "{}", altered.name);
        altered.alter(&made.dir);
        let report = made.verify();
        assert_ne!(report["verdict"], "intact", "{}: {report:#}", altered.name);
        assert!(altered.is_in(&report), "{}: {report:#}", altered.name);
    }
}

/// Whoever has altered a record has no proof of it, and may leave out the one that is there.
#[test]
fn a_record_of_a_closed_file_needs_its_proof() {
    let made = Exported::closed(&[]);
    edit_lines(&made.dir.join(PROOFS), |lines| lines[5] = "null".to_owned());
    let report = made.verify();
    assert_eq!((&report["verdict"], &report["unproven"]), (&"tampered".into(), &1.into()), "{report:#}");
}

#[test]
fn a_forged_record_of_a_client_is_not_proven() {
    let forged = Filter::new(1).seal(&plain(7000, 5)).split_off(4);
    let made = Exported::of(&settings(), &[], &forged).without_unproven();
    let report = made.verify();
    assert_eq!(report["verdict"], "tampered", "{report:#}");
    assert_eq!(report["records"], report["proven"], "the ledger stores it: {report:#}");
    // Without the record at whose place it stands, it does not fit between its neighbours.
    let number = |line: &str| serde_json::from_str::<Value>(line).ok().map(|line| line["number"].clone());
    let left_out = lines(&made.dir.join(RECORDS)).iter().position(|line| number(line) == Some(4.into()));
    let left_out = left_out.expect("the true record");
    for name in [RECORDS, PROOFS] {
        edit_lines(&made.dir.join(name), |lines| drop(lines.remove(left_out)));
    }
    assert_eq!(made.verify()["verdict"], "tampered");
}

/// A path leads from its place to the root. Shorter and longer paths, and other places,
/// do not lead there.
#[test]
fn a_path_fits_one_place() {
    for entries in 1..20u64 {
        let leaves: Vec<tree::Node> = (0..entries).map(|at| tree::leaf(&at.to_be_bytes())).collect();
        let mut whole = tree::Tree::default();
        leaves.iter().for_each(|leaf| whole.add(*leaf));
        for (index, leaf) in (0..).zip(&leaves) {
            let path = path(&leaves, index as usize);
            for (other, size) in (0..entries + 2).flat_map(|at| [(at, entries), (at, entries + 1)]) {
                let leads = tree::root_by(&path, *leaf, other, size) == Some(whole.root());
                let is_right = (other, size) == (index, entries);
                // One path may fit trees of several sizes. Manifests state the size.
                assert!(leads == is_right || size != entries, "{index} of {entries}: as {other} of {size}");
            }
            for short in 0..path.len() {
                assert_eq!(tree::root_by(&path[..short], *leaf, index, entries), None);
            }
            assert_eq!(tree::root_by(&[&path[..], &[*leaf]].concat(), *leaf, index, entries), None);
        }
    }
}

/// Returns the path by its definition in RFC 6962 section 2.1.1.
fn path(leaves: &[tree::Node], index: usize) -> Vec<tree::Node> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let half = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(half);
    let root = |leaves: &[tree::Node]| {
        let mut whole = tree::Tree::default();
        leaves.iter().for_each(|leaf| whole.add(*leaf));
        whole.root()
    };
    let (mut path, other) =
        if index < half { (path(left, index), root(right)) } else { (path(right, index - half), root(left)) };
    path.push(other);
    path
}
