//! `flb-audit` on an encrypted ledger, with and without an identity.

use super::{altered, findings};
use flb_audit_ledger::{Settings, manifest};
use host_tests::program::flb_audit;
use ledger_fixtures::schedule::{filter, seal, set_up};
use ledger_fixtures::{Filter, TAG, chunk, key, key_file, open, plain, recipient};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use tempfile::TempDir;

const RECORDS: u64 = 200;

/// A ledger of two chains and several lives, and keys. It has five closed files, and a
/// few frames in the sixth.
struct Home {
    ledger: TempDir,
    keys: TempDir,
}

impl Home {
    fn new() -> Self {
        let (ledger, keys) = (ledger_fixtures::directory(), tempfile::tempdir().expect("a directory"));
        key_file(&keys.path().join("right"), key());
        key_file(&keys.path().join("wrong"), &age::x25519::Identity::generate());
        let home = Home { ledger, keys };
        let mut filter = Filter::new(1);
        for first in 0..20 {
            let mut records = filter.seal(&plain(10 * first, 5));
            records.extend(plain(10 * first + 5, 5));
            let size = if first < 15 { "12k" } else { "1M" };
            open(&home.ledger, &settings(size)).store(TAG, &chunk(&records)).expect("stored");
        }
        home
    }

    fn at(&self, name: &str) -> PathBuf {
        self.ledger.path().join(name)
    }

    fn run(&self, command: &str, key: &str, arguments: &[&str]) -> Output {
        let mut program = flb_audit();
        program.arg(command).args(arguments);
        if !key.is_empty() {
            program.arg("--identity").arg(self.keys.path().join(key));
        }
        program.stdin(Stdio::null()).output().expect("dist/flb-audit")
    }

    fn verify(&self, key: &str) -> (Option<i32>, Value) {
        let output = self.run("verify", key, &["--json", &self.ledger.path().to_string_lossy()]);
        let what = String::from_utf8_lossy(&output.stderr);
        (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{what}")))
    }
}

fn settings(size: &str) -> Settings {
    ledger_fixtures::settings(&[("file_size", size), ("recipients", &recipient())])
}

#[test]
fn who_has_an_identity_verifies_all_of_it_and_who_has_not_is_told_so() {
    let home = Home::new();
    let (code, report) = home.verify("right");
    assert_eq!((code, findings(&report)), (Some(4), vec![] as Vec<&Value>), "{report}");
    let manifests = ledger_fixtures::text(&home.at(manifest::FILE_NAME)).lines().count() as u64;
    assert!(manifests > 2, "{manifests}");
    assert_eq!((&report["records"], &report["encrypted"]), (&json!(RECORDS + manifests), &json!(0)));
    for (key, why) in [("", "no --identity was given"), ("wrong", "none of the identities opens them")] {
        let (code, report) = home.verify(key);
        assert_eq!(code, Some(5), "{report}");
        assert_eq!((&report["verdict"], &report["missing"]), (&json!("encrypted"), &json!(0)), "{report}");
        assert_eq!((&report["records"], &report["encrypted"]), (&json!(manifests), &json!(RECORDS)));
        let found = findings(&report);
        assert_eq!(found.len() as u64, manifests + 1, "{found:#?}");
        assert!(
            found.iter().all(|found| found["verdict"] == "encrypted" && found.to_string().contains(why)),
            "{found:#?}"
        );
        let output = home.run("verify", key, &[&home.ledger.path().to_string_lossy()]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("200 records are encrypted, and were not checked"), "{text}");
        assert_eq!(output.status.code(), Some(5));
    }
}

/// An encrypted file has records of the period, and records of a node from before it.
#[test]
fn a_file_that_reaches_into_a_period_makes_nobody_heard() {
    let (ledger, keys) =
        (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    key_file(&keys.path().join("right"), key());
    let home = Home { ledger, keys };
    let (mut sealer, ring) = filter();
    set_up(home.ledger.path(), &ring);
    let roster = home.at("roster.json");
    let mut entries: Value = serde_json::from_slice(&fs::read(&roster).expect("a roster")).expect("JSON");
    for (at, node) in ["ledger-1", "web-1"].into_iter().enumerate() {
        entries[at]["node"] = node.into();
    }
    fs::write(&roster, entries.to_string()).expect("written");
    // A record of the ledger's own chain, 1000 seconds later.
    let later = |number: u32| {
        let mut later = chunk(&plain(number, 1));
        later[4..8].copy_from_slice(&1_795_162_600u32.to_be_bytes());
        later
    };
    let chunks = [chunk(&seal(&mut sealer, &plain(0, 5))), later(5), later(6)];
    // The third chunk comes when the file of the first two is due.
    for (size, chunk) in ["1M", "1M", "1k"].into_iter().zip(&chunks) {
        open(&home.ledger, &settings(size)).store(TAG, chunk).expect("stored");
    }
    assert!(home.at("00000001.frames").is_file());
    let said = |key: &str, since: &str| {
        let (roster, ledger) = (roster.to_string_lossy(), home.ledger.path().to_string_lossy());
        let until = "2026-11-20T09:00:00Z";
        let arguments = ["--json", "--roster", &roster, "--since", since, "--until", until, &ledger];
        let output = home.run("verify", key, &arguments);
        let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
        findings(&report).iter().map(|finding| format!("{finding}\n")).collect::<String>()
    };
    let (within, after) = ("2026-11-20T07:00:00Z", "2026-11-20T08:10:00Z");
    assert!(!said("", within).contains("web-1"), "{}", said("", within));
    assert!(said("", after).contains("nobody can tell whether node web-1 sent records of that time"));
    assert!(!said("", after).contains("silent"), "{}", said("", after));
    assert!(said("right", after).contains("nothing that its key has sealed came from node web-1"));
    assert!(!said("right", within).contains("silent"), "{}", said("right", within));
}

#[test]
fn what_is_not_as_it_was_is_found() {
    let whole = Home::new();
    assert!(whole.at("00000002.frames").is_file());
    for altered in altered("encrypted.json") {
        let home = copy(&whole);
        altered.alter(home.ledger.path());
        for key in ["right", "wrong", ""] {
            let (code, report) = home.verify(key);
            let can_be_found = altered.by == "all" || key == "right";
            assert!(!can_be_found || altered.is_in(&report), "{}, {key}: {report:#}", altered.name);
            assert!(code >= Some(5), "{}, {key}: {code:?}", altered.name);
        }
    }
}

fn copy(home: &Home) -> Home {
    let copy = |from: &TempDir| {
        let to = tempfile::tempdir().expect("a directory");
        for name in ledger_fixtures::names(from) {
            fs::copy(from.path().join(&name), to.path().join(&name)).expect("copied");
        }
        to
    };
    Home { ledger: copy(&home.ledger), keys: copy(&home.keys) }
}

/// A crash after writing a manifest and before renaming its file is not a fault.
#[test]
fn a_file_that_is_being_closed_is_whole() {
    let home = Home::new();
    fs::rename(home.at("00000002.frames"), home.at("00000002.frames.open")).expect("renamed");
    let (code, report) = home.verify("right");
    assert_eq!((code, findings(&report)), (Some(4), vec![] as Vec<&Value>), "{report}");
    assert_eq!(home.verify("").0, Some(5));
}

#[test]
fn an_export_has_the_records_and_proves_them() {
    let home = Home::new();
    let (ledger, target) =
        (home.ledger.path().to_string_lossy().into_owned(), tempfile::tempdir().expect("a directory"));
    let export = |key: &str, name: &str| {
        let to = target.path().join(name);
        (home.run("export", key, &[&ledger, "--output", &to.to_string_lossy()]), to)
    };
    let (output, to) = export("right", "export");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = fs::read_to_string(to.join("records.ndjson")).expect("read");
    let number = |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["number"].as_u64();
    let numbers: BTreeSet<u64> = text.lines().filter_map(number).collect();
    assert_eq!(numbers, (0..RECORDS).collect());
    assert_eq!(text.lines().count() as u64, RECORDS);
    let verified = home.run("verify", "", &["--json", "--export", &to.to_string_lossy()]);
    let report: Value = serde_json::from_slice(&verified.stdout).expect("a report");
    assert!(matches!(verified.status.code(), Some(3 | 4)), "{report}");
    for (key, why) in [("", "no --identity was given"), ("wrong", "none of the identities opens it")] {
        let (output, _) = export(key, &format!("export {key}"));
        let what = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code() == Some(1) && what.contains("00000001.frames") && what.contains(why),
            "{what}"
        );
    }
}

/// The error for a file that is not an identity file says so, and does not show its text.
#[test]
fn wrong_uses_are_told() {
    let home = Home::new();
    let ledger = home.ledger.path().to_string_lossy().into_owned();
    for text in ["", "# nothing\n", "secret words\n", "AGE-SECRET-KEY-1SECRETWORDS\n"] {
        fs::write(home.keys.path().join("bad"), text).expect("written");
        let output = home.run("verify", "bad", &[&ledger]);
        let what = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{what}");
        assert!(
            what.contains("not a file of age identities") && !what.to_lowercase().contains("secret"),
            "{what}"
        );
    }
    let closed = home.at("00000002.frames").to_string_lossy().into_owned();
    let piped = flb_audit()
        .args(["verify", "--json"])
        .stdin(fs::File::open(&closed).expect("opened"))
        .output()
        .expect("dist/flb-audit");
    assert!(String::from_utf8_lossy(&piped.stdout).contains("cannot be read from a pipe"));
    let prove = home.run("prove", "", &[&closed, "--chain", "AQEBAQEBAQEB", "--seg", "1", "--seq", "1"]);
    assert!(String::from_utf8_lossy(&prove.stderr).contains("flb-audit export --identity"));
    // A single file is verified alone.
    let output = home.run("verify", "right", &["--json", &closed]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert!(report["records"].as_u64() > Some(20), "{report}");
}
