//! Files and lines in a ledger's directory that did not come from the ledger.

use flb_audit_core::policy::Policy;
use flb_audit_core::verify::{Checked, Checker};
use flb_audit_ledger::manifest::{self, Manifest, Statement, Tombstone, open_name};
use flb_audit_ledger::{Ledger, Settings};
use host_tests::program::flb_audit;
use ledger_fixtures::{chunk, plain};
use serde_json::Value;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

/// A ledger with three closed files of 20 records each.
struct Made {
    home: tempfile::TempDir,
    policy: Option<Policy<'static>>,
}

impl Made {
    fn new(policy: Option<Policy<'static>>) -> Made {
        let made = Made { home: tempfile::tempdir().expect("a directory"), policy };
        let mut init = flb_audit();
        let init = init.arg("init").arg(made.path()).args(["--node", "n1", "--roster"]).arg(made.roster());
        assert!(init.output().expect("dist/flb-audit").status.success());
        for first in 0..3 {
            made.open().store(ledger_fixtures::TAG, &chunk(&plain(20 * first, 20))).expect("stored");
        }
        made.open().store(ledger_fixtures::TAG, &chunk(&plain(60, 1))).expect("stored");
        made
    }

    fn path(&self) -> PathBuf {
        self.home.path().join("ledger")
    }

    fn roster(&self) -> PathBuf {
        self.home.path().join("roster.json")
    }

    fn open(&self) -> Ledger {
        let settings = Settings { file_bytes: 4000, ..Settings::default() };
        Ledger::open(&self.path(), settings, self.policy).expect("opened")
    }

    fn manifests(&self) -> PathBuf {
        self.path().join(manifest::FILE_NAME)
    }

    fn state(&self, line: &str) {
        let mut file = OpenOptions::new().append(true).open(self.manifests()).expect("opened");
        writeln!(file, "{line}").expect("written");
    }

    fn verify(&self, arguments: &[&str]) -> Value {
        let mut verify = flb_audit();
        let verify = verify.args(["verify", "--json"]).args(arguments).arg(self.path()).output();
        serde_json::from_slice(&verify.expect("dist/flb-audit").stdout).expect("a report")
    }
}

/// Returns the tombstone that the ledger would write for one of its files.
fn tombstone(manifests: &str, line: usize) -> Tombstone {
    let line = manifests.lines().nth(line).expect("a line");
    let Some(Statement::File(manifest)) = manifest::read(line.as_bytes()) else {
        panic!("no manifest: {line}");
    };
    let Manifest { number, file, sha256, records, .. } = manifest;
    Tombstone { number, file, sha256, records, by: "keep_age".into() }
}

/// An attacker who can log and can write the store deletes a file. They make the ledger
/// seal and sign a record that looks like the file's tombstone, which works because the
/// first record of a life is signed.
#[test]
fn a_tombstone_that_came_as_a_record_accounts_for_nothing() {
    let table = host_tests::policy::table("version: 1\n").expect("a policy").leak();
    for (tag, policy) in [
        (ledger_fixtures::TAG, None),
        (manifest::TAG.as_bytes(), None),
        (manifest::TAG.as_bytes(), Some(Policy::check(table).expect("a policy"))),
    ] {
        let made = Made::new(policy);
        let second = tombstone(&fs::read_to_string(made.manifests()).expect("read"), 1);
        let file = made.path().join(&second.file);
        let tombstone = serde_json::to_value(Statement::Deleted(second)).expect("JSON");
        // The record is the first of a new life.
        made.open().store(tag, &chunk(&[tombstone])).expect("stored");
        let held = fs::read_to_string(made.path().join(open_name(4))).expect("a file");
        let line = held.lines().find(|line| line.contains("keep_age"));
        let line = line.expect("the record");
        let mut checker = Checker::default();
        let Ok(Checked::Sealed(sealed)) = checker.check(line.as_bytes()) else {
            panic!("not sealed: {line}");
        };
        assert!(sealed.is_intact && sealed.is_checkpoint, "{line}");
        made.state(line);
        // `export` does not count the file as deleted, either.
        let export = flb_audit()
            .args(["export", "ledger", "--output", "export"])
            .current_dir(made.home.path())
            .output()
            .expect("dist/flb-audit");
        assert!(!String::from_utf8_lossy(&export.stdout).contains("deleted"), "{export:?}");
        fs::remove_file(file).expect("removed");
        let report = made.verify(&["--roster", &made.roster().to_string_lossy()]);
        let findings = report["findings"].to_string();
        assert_eq!(report["deleted"], 0, "{report:#}");
        assert!(findings.contains("no tombstone says why"), "{report:#}");
    }
}

/// Statements of another ledger are valid on their own.
#[test]
fn statements_of_another_ledger_account_for_nothing() {
    let (made, other) = (Made::new(None), Made::new(None));
    let settings = Settings { keep_bytes: Some(1), ..Settings::default() };
    Ledger::open(&other.path(), settings, None)
        .and_then(|mut ledger| ledger.store(ledger_fixtures::TAG, &chunk(&plain(61, 1))))
        .expect("stored");
    let theirs = fs::read_to_string(other.manifests()).expect("read");
    assert!(theirs.contains("keep_size"), "{theirs}");
    for line in theirs.lines() {
        made.state(line);
    }
    let first = tombstone(&fs::read_to_string(made.manifests()).expect("read"), 0);
    fs::remove_file(made.path().join(first.file)).expect("removed");
    let report = made.verify(&[]);
    assert_eq!((&report["deleted"], &report["verdict"]), (&0.into(), &"tampered".into()), "{report:#}");
    assert!(report["findings"].to_string().contains("no tombstone says why"), "{report:#}");
}

#[test]
fn no_file_with_records_is_passed_over() {
    for name in ["00000001.ndjson", "00000004.ndjson.zst", "00000009.ndjson", "1.ndjson", "extra.ndjson"] {
        let made = Made::new(None);
        let before = made.verify(&[]);
        fs::write(made.path().join(name), "{\"a\":\"forged\"}\n").expect("written");
        let after = made.verify(&[]);
        assert_eq!((&before["verdict"], &before["counts"]["unsealed"]), (&"unsigned".into(), &Value::Null));
        assert_eq!(after["counts"]["unsealed"], 1, "{name}: {after:#}");
    }
}

/// The ledger removes the files that its statements name, but not for altered statements.
#[test]
fn an_altered_statement_removes_nothing() {
    for (from, to) in
        [("\"number\":3", "\"number\":4"), ("\"file\":\"00000003.ndjson.zst\"", "\"file\":\"chain.state\"")]
    {
        let made = Made::new(None);
        let statements = fs::read_to_string(made.manifests()).expect("read");
        assert!(statements.contains(from), "{statements}");
        fs::write(made.manifests(), statements.replace(from, to)).expect("written");
        let files = || -> Vec<_> {
            let entries = fs::read_dir(made.path()).expect("read").map(|entry| entry.expect("an entry"));
            let mut names: Vec<_> = entries.map(|entry| entry.file_name()).collect();
            names.sort();
            names
        };
        let before = files();
        made.open();
        for name in before {
            assert!(files().contains(&name), "{name:?} is gone; {to}");
        }
    }
}
