//! `flb-audit verify` on a ledger's directory, complete and damaged.

use super::{altered, findings};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flb_audit_core::chain::{Chain, Place};
use flb_audit_core::record::notes::Notes;
use flb_audit_core::verify::{Checked, Checker};
use flb_audit_core::{Event, Sealer};
use flb_audit_ledger::manifest::{Statement, Tombstone};
use flb_audit_ledger::{Ledger, Settings, manifest, tree};
use host_tests::program::flb_audit;
use ledger_fixtures::{Filter, TAG, chunk, directory, open, plain};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn settings() -> Settings {
    Settings { file_bytes: 4000, ..Settings::default() }
}

/// Creates a ledger of two chains with several files. With `keep_bytes`, some of them are
/// deleted.
fn ledger(keep_bytes: Option<u64>) -> TempDir {
    let directory = directory();
    let mut ledger = open(&directory, &Settings { keep_bytes, ..settings() });
    let mut filter = Filter::new(1);
    for first in 0..20 {
        let mut records = filter.seal(&plain(20 * first, 10));
        records.extend(plain(20 * first + 10, 10));
        ledger.store(TAG, &chunk(&records)).expect("stored");
        // Begins another life of the ledger's own chain.
        if first % 3 == 0 {
            drop(ledger);
            ledger = open(&directory, &Settings { keep_bytes, ..settings() });
        }
    }
    directory
}

fn verify(directory: &Path) -> Value {
    verify_all(&[directory.to_path_buf()])
}

fn verify_all(paths: &[PathBuf]) -> Value {
    let output = flb_audit().args(["verify", "--json"]).args(paths).output().expect("dist/flb-audit");
    serde_json::from_slice(&output.stdout).expect("a report")
}

#[test]
fn a_whole_ledger_is_intact() {
    let directory = ledger(None);
    let report = verify(directory.path());
    assert_eq!(findings(&report), [] as [&Value; 0], "{report}");
    assert_eq!(report["verdict"], "unsigned");
}

#[test]
fn a_ledger_that_is_named_twice_counts_once() {
    let ledger = ledger(Some(6000));
    let once = verify(ledger.path());
    let files = fs::read_dir(ledger.path()).expect("files").map(|file| file.expect("a file").path());
    let named = [ledger.path().to_path_buf(), ledger.path().join("."), ledger.path().to_path_buf()];
    let named =
        named.into_iter().chain(files.filter(|file| file.extension().is_some_and(|of| of == "ndjson")));
    assert_eq!(verify_all(&named.collect::<Vec<_>>()), once);
}

/// A file in a ledger's directory that is none of its own is read if it is named, too.
#[test]
fn a_named_file_beside_a_ledgers_own_is_read() {
    let ledger = ledger(None);
    let other = ledger.path().join("other.log");
    let files = fs::read_dir(ledger.path()).expect("files").map(|file| file.expect("a file").path());
    let mut plain = files.filter(|path| path.extension().is_some_and(|of| of == "ndjson"));
    let open = plain.find(|path| !path.ends_with(manifest::FILE_NAME)).expect("an open file");
    let own = fs::read_to_string(open).expect("read");
    let line = own.lines().next().expect("a record");
    fs::write(&other, line.replacen("\"audit\"", "\"x\":1,\"audit\"", 1)).expect("written");
    assert_eq!(verify(ledger.path())["verdict"], "unsigned");
    assert_eq!(verify_all(&[ledger.path().to_path_buf(), other])["verdict"], "tampered");
}

#[test]
fn tombstones_account_for_what_was_deleted() {
    let directory = ledger(Some(6000));
    let report = verify(directory.path());
    assert_eq!(findings(&report), [] as [&Value; 0], "{report}");
    assert!(report["deleted"].as_u64() > Some(100), "{report}");
    assert_eq!(report["missing"], 0);
}

#[test]
fn what_is_not_as_it_was_is_found() {
    for altered in altered("ledger.json") {
        let directory = ledger(None);
        altered.alter(directory.path());
        let report = verify(directory.path());
        assert!(altered.is_in(&report), "{}: {report:#}", altered.name);
    }
}

#[test]
fn a_tombstone_that_nobody_has_sealed_accounts_for_nothing() {
    let directory = ledger(Some(6000));
    let path = directory.path().join(manifest::FILE_NAME);
    let text = fs::read_to_string(&path).expect("read");
    fs::write(&path, text.replace("\"by\":\"keep_size\"", "\"by\":\"keep_age\"")).expect("written");
    let report = verify(directory.path());
    assert!(report["missing"].as_u64() > Some(50), "{report}");
    assert_eq!(report["verdict"], "tampered");
}

/// An attacker who can write the store deletes a file and adds a tombstone, which has no
/// signature.
#[test]
fn a_tombstone_that_no_key_has_signed_accounts_for_nothing() {
    let home = tempfile::tempdir().expect("a directory");
    let (dir, roster) = (home.path().join("ledger"), home.path().join("roster.json"));
    let mut init = flb_audit();
    let init = init.arg("init").arg(&dir).args(["--node", "n1", "--roster"]).arg(&roster).output();
    assert!(init.expect("dist/flb-audit").status.success());
    let mut ledger = Ledger::open(&dir, settings(), None).expect("opened");
    for first in 0..5 {
        ledger.store(TAG, &chunk(&plain(20 * first, 20))).expect("stored");
    }
    drop(ledger);
    let path = dir.join(manifest::FILE_NAME);
    let mut text = fs::read_to_string(&path).expect("read");
    let mut checker = Checker::default();
    let Ok(Checked::Sealed(last)) = checker.check(text.lines().last().expect("a line").as_bytes()) else {
        panic!("no sealed record at the end");
    };
    let Some(Statement::File(second)) = text.lines().nth(1).and_then(|line| manifest::read(line.as_bytes()))
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
    // The next record in the same life.
    let next = Place { sequence: last.place.sequence + 1, ..last.place };
    let chain = Chain { id: last.chain, algorithm: last.algorithm, next, head: last.head, link: None };
    let mut sealer = Sealer::new(chain, Notes::NONE, None).expect("a sealer");
    let record = serde_json::to_vec(&tombstone).expect("JSON");
    let tag = manifest::TAG.as_bytes();
    let event = Event {
        tag,
        seconds: 1_795_161_600,
        nanoseconds: 0,
        record: Some(&record),
        record_len: record.len(),
    };
    let sealed = sealer.seal_own(&event);
    text.push_str(std::str::from_utf8(&sealed[..sealed.len() - 1]).expect("text"));
    text.push('\n');
    fs::write(&path, text).expect("written");
    fs::remove_file(dir.join(&second.file)).expect("removed");
    let output = flb_audit()
        .args(["verify", "--json", "--roster"])
        .arg(&roster)
        .arg(&dir)
        .output()
        .expect("dist/flb-audit");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert_eq!(report["deleted"], 0, "{report}");
    assert!(report["findings"].to_string().contains("no tombstone says why"), "{report}");
}

/// A path leads from each record to its file's root. The test computes it by RFC 9162
/// section 2.1.3.2.
#[test]
fn an_export_proves_its_records() {
    let directory = ledger(Some(6000));
    let output = directory.path().join("export");
    let chain = flb_audit_core::chain::ChainId::from_random([1; 9]).to_string();
    let export = flb_audit()
        .arg("export")
        .arg(directory.path())
        .args(["--chain", &chain, "--since", "2026-01-01", "--output"])
        .arg(&output)
        .output()
        .expect("dist/flb-audit");
    assert!(export.status.success(), "{}", String::from_utf8_lossy(&export.stderr));
    assert!(String::from_utf8_lossy(&export.stdout).contains("were deleted, as tombstones state"));
    let manifests = ledger_fixtures::text(&output.join(manifest::FILE_NAME));
    let roots: std::collections::BTreeMap<u64, String> = manifests
        .lines()
        .filter_map(|line| match manifest::read(line.as_bytes()) {
            Some(Statement::File(manifest)) => Some((manifest.number, manifest.root)),
            _ => None,
        })
        .collect();
    let (records, proofs) = (
        ledger_fixtures::text(&output.join("records.ndjson")),
        ledger_fixtures::text(&output.join("proofs.ndjson")),
    );
    assert_eq!(records.lines().count(), proofs.lines().count());
    let (mut proven, mut open) = (0, 0);
    for (record, proof) in records.lines().zip(proofs.lines()) {
        assert!(record.contains(&chain));
        let proof: Value = serde_json::from_str(proof).expect("a proof");
        if proof.is_null() {
            open += 1;
            continue;
        }
        let number = |name: &str| proof[name].as_u64().expect("a number");
        let (mut at, mut last) = (number("index"), number("records") - 1);
        let mut node = tree::leaf(record.as_bytes());
        for text in proof["path"].as_array().expect("a path") {
            let other = URL_SAFE_NO_PAD.decode(text.as_str().expect("text")).expect("base64url");
            let other: tree::Node = other.try_into().expect("a hash");
            if at & 1 == 1 || at == last {
                node = tree::parent(&other, &node);
                while at & 1 == 0 && at != 0 {
                    (at, last) = (at >> 1, last >> 1);
                }
            } else {
                node = tree::parent(&node, &other);
            }
            (at, last) = (at >> 1, last >> 1);
        }
        assert_eq!(roots[&number("file")], manifest::root_text(&node), "{proof}");
        proven += 1;
    }
    assert!(proven > 20, "{proven} proven, {open} in the open file");
}
