//! `flb-audit` on a ledger that was damaged and then continued. It never reports the
//! ledger as intact, even if somebody tries to hide the damage.

use flb_audit_host::component::{Level, Limits};
use flb_audit_host::network::Network;
use flb_audit_host::output;
use flb_audit_ledger::{Ledger, Settings, manifest};
use host_tests::program::{dist, flb_audit};
use ledger_fixtures::{TAG, chunk, plain};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// A change to a directory.
type Alter = fn(&Path);

/// A ledger with keys and a roster. Its first file is closed.
struct Signed {
    _home: TempDir,
    dir: PathBuf,
    roster: PathBuf,
}

impl Signed {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a directory");
        let (dir, roster) = (home.path().join("ledger"), home.path().join("roster.json"));
        let mut init = flb_audit();
        let init = init.arg("init").arg(&dir).args(["--node", "n1", "--roster"]).arg(&roster).output();
        assert!(init.expect("dist/flb-audit").status.success());
        let signed = Signed { _home: home, dir, roster };
        for first in [0, 20] {
            signed.store(first, settings());
        }
        signed
    }

    fn store(&self, first: u32, settings: Settings) {
        let mut ledger = Ledger::open(&self.dir, settings, None).expect("opened");
        ledger.store(TAG, &chunk(&plain(first, 20))).expect("stored");
    }

    fn run(&self, command: &str, arguments: &[&str]) -> (Option<i32>, String) {
        let output =
            flb_audit().arg(command).args(arguments).arg(&self.dir).output().expect("dist/flb-audit");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn verify(&self) -> (Value, String) {
        let (_, text) = self.run("verify", &["--json", "--roster", &self.roster.to_string_lossy()]);
        let report: Value = serde_json::from_str(&text).expect("a report");
        let verdict = report["verdict"].as_str().expect("a verdict").to_owned();
        (report, verdict)
    }
}

fn settings() -> Settings {
    Settings { file_bytes: 4000, ..Settings::default() }
}

/// Alters a line of a file.
fn line(directory: &Path, name: &str, number: usize, alter: impl FnOnce(&mut Vec<u8>)) {
    let path = directory.join(name);
    let bytes = fs::read(&path).expect("read");
    let mut lines: Vec<Vec<u8>> = bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    alter(&mut lines[number]);
    fs::write(path, lines.concat()).expect("written");
}

/// The open file.
const OPEN: &str = "00000002.ndjson";

/// Starts the shipped component on such a directory, as Fluent Bit would.
#[test]
fn a_damaged_ledger_starts_and_says_so() {
    let cases: [(&str, &str); 2] = [
        (OPEN, "00000002.ndjson: damaged at byte 0: "),
        ("manifests.ndjson", "manifests.ndjson: damaged at byte 0: "),
    ];
    for (name, expected) in cases {
        let signed = Signed::new();
        line(&signed.dir, name, 0, |line| line[0] = b'x');
        let limits = Limits {
            memory_bytes_max: 64 << 20,
            deadline: Duration::from_secs(60),
            directory: Some(signed.dir.clone()),
            is_writable: true,
            network: Network::default(),
        };
        let component = dist("out_audit.wasm");
        let mut lines = Vec::new();
        let output = output::start(&component, limits, None, |_| None, &mut lines).expect("started");
        let is_said = |(level, line): &(Level, String)| *level == Level::Error && line.starts_with(expected);
        assert!(lines.iter().any(is_said), "{lines:?}");
        let reply = output.flush(TAG, &chunk(&plain(40, 1)));
        assert!(matches!(reply.answer, flb_audit_host::component::Answer::Ok), "{:?}", reply.lines);
        output.drain();
    }
}

/// Each case damages a file before the ledger continues, and alters something afterwards.
/// It states the finding in addition to the damage.
#[test]
fn damage_is_never_made_good() {
    let nothing: Alter = |_| {};
    let unreadable: Alter = |at| line(at, OPEN, 3, |line| line[0] = b'x');
    let cases: [(&str, Alter, Alter, &str, &str); 8] = [
        ("a line that is no JSON", unreadable, nothing, "unreadable", "not JSON"),
        (
            "a line without a seal",
            |at| line(at, OPEN, 3, |line| *line = b"{\"number\":23}\n".to_vec()),
            nothing,
            "unsealed",
            "a record without a seal",
        ),
        (
            "a line more",
            |at| line(at, OPEN, 3, |line| line.extend_from_slice(b"\n")),
            nothing,
            "unreadable",
            "lines that are no sealed records: 1,",
        ),
        ("the record is missing", unreadable, nothing, "gap", "lacks record"),
        (
            "the damaged line is taken out afterwards",
            unreadable,
            |at| line(at, OPEN, 3, Vec::clear),
            "tampered",
            "00000002.ndjson: not what its manifest says",
        ),
        (
            "a record is altered afterwards",
            unreadable,
            |at| line(at, OPEN, 5, |line| line[11] ^= 1),
            "tampered",
            "is not the one that was sealed",
        ),
        (
            "the file is deleted",
            unreadable,
            |at| fs::remove_file(at.join(OPEN)).expect("removed"),
            "gap",
            "no tombstone says why",
        ),
        (
            "the manifest does not say it any more",
            unreadable,
            |at| {
                let path = at.join(manifest::FILE_NAME);
                let text = fs::read_to_string(&path).expect("read");
                let (start, rest) = text.split_once("\"damaged\":{").expect("damaged");
                let (_, end) = rest.split_once("},").expect("an end");
                fs::write(path, format!("{start}{end}")).expect("written");
            },
            "tampered",
            "is not the one that was sealed",
        ),
    ];
    for (name, before, after, verdict, what) in cases {
        let signed = Signed::new();
        before(&signed.dir);
        let damaged = fs::read(signed.dir.join(OPEN)).expect("read");
        signed.store(40, settings());
        assert_eq!(fs::read(signed.dir.join(OPEN)).expect("read"), damaged, "{name}");
        after(&signed.dir);
        let (report, worst) = signed.verify();
        assert!(["unreadable", "tampered"].contains(&&*worst), "{name}: {report:#}");
        let is_found = |found: &Value| {
            found["verdict"] == verdict && found["what"].as_str().is_some_and(|why| why.contains(what))
        };
        assert!(report["findings"].as_array().expect("findings").iter().any(is_found), "{name}: {report:#}");
    }
}

/// The intact records of a damaged file have proofs like all others.
#[test]
fn what_is_whole_in_a_damaged_file_is_exported() {
    let signed = Signed::new();
    line(&signed.dir, OPEN, 3, |line| line[0] = b'x');
    signed.store(40, settings());
    let output = signed.dir.with_file_name("export");
    let (code, _) = signed.run("export", &["--output", &output.to_string_lossy()]);
    assert_eq!(code, Some(0));
    let proofs = fs::read_to_string(output.join("proofs.ndjson")).expect("read");
    let of_damaged = proofs.lines().filter(|proof| proof.starts_with("{\"file\":2,")).count();
    assert_eq!((proofs.lines().count(), of_damaged), (59, 19));
}

/// Retention deletes the damaged file later.
#[test]
fn a_tombstone_does_not_cover_damage() {
    let signed = Signed::new();
    line(&signed.dir, OPEN, 3, |line| line[0] = b'x');
    signed.store(40, Settings { keep_bytes: Some(10), ..settings() });
    assert!(!signed.dir.join(OPEN).exists());
    let (report, verdict) = signed.verify();
    assert_eq!(verdict, "unreadable", "{report:#}");
    assert!(report["findings"].to_string().contains("found damaged at byte"), "{report:#}");
    // The three records before the damaged one are not signed in their file, so nobody can tell them from
    // made-up ones.
    assert_eq!(report["missing"], 4, "{report:#}");
}
