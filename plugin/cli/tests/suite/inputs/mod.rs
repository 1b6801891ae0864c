//! Inputs: logs as stores and transports return them, whole, torn and hostile.

mod beside;
mod changed;
mod commands;
mod damaged;
mod hostile;
mod properties;
mod wrapped;

use flb_audit_core::chain::keyring::KeyRing;
use flb_audit_core::chain::{Chain, ChainId, GENESIS, Place, Run};
use flb_audit_core::hash::Algorithm;
use flb_audit_core::record::notes::Notes;
use flb_audit_core::{Event, Sealer};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use tempfile::TempDir;

/// The log's records before they were sealed.
const RECORDS: [&str; 6] = [
    r#"{"kind":"Event","verb":"delete","user":{"name":"mallory","groups":["ops","on-call"]},"code":409}"#,
    r#"{"ratio":0.123456789012345,"whole":7,"zero":0,"large":9007199254740995,"tiny":2.5e-9}"#,
    r#"{"nothing":null,"list":[null,[],{}],"text":"","nested":{"nothing":null,"deep":[1,[2]]}}"#,
    r#"{"text":"tab\t quote\" slash\\ \u00e9 \ud83d\ude80 \u0001","path":"D:\\logs\\a","json":"{\"a\":{\"b\":1}}"}"#,
    r#"{"k8s.io/name":"web","a.b":{"c.d":1},"snake_case":true,"with space":" x ","date":"2026-11-28"}"#,
    r#"{"message":"own","event":{"log":"own"},"_id":"own","@timestamp":1795161600,"last":true}"#,
];

/// The log, one line a record, as the filter seals it under the first key of a chain.
static LOG: LazyLock<(Vec<String>, String)> = LazyLock::new(|| {
    let id = ChainId::from_text(b"inputs-chain").expect("a chain's name");
    let mut seeds = 0;
    let mut random = move |seed: &mut [u8; 32]| {
        seeds += 1;
        seed[0] = seeds;
        true
    };
    let ring = KeyRing::new(id, &mut random).expect("keys");
    let next = Place { segment: 1, run: Run::from_text(b"run-01").expect("a run's name"), sequence: 0 };
    let chain = Chain { id, algorithm: Algorithm::default(), next, head: GENESIS, link: None };
    let mut sealer = Sealer::new(chain, Notes::NONE, None).expect("memory");
    sealer.set_signer(ring.signer().expect("a signer")).expect("memory");
    sealer.sign_next();
    let mut seal = |(number, record): (usize, &&str)| {
        let (record_len, seconds) = (record.len(), 1_795_161_600 + number as u32);
        let record = Some(record.as_bytes());
        let event = Event { tag: b"app.audit", seconds, nanoseconds: 0, record, record_len };
        let sealed = sealer.seal(&event).strip_suffix(b"\0").expect("a NUL");
        String::from_utf8(sealed.to_vec()).expect("UTF-8")
    };
    let lines = RECORDS.iter().enumerate().map(&mut seal).collect();
    let key = ring.public().expect("a key").text();
    let key = String::from_utf8_lossy(&key);
    let entry = serde_json::json!([{
        "node": "n", "chain": id.to_string(), "key": key, "created": "2026-11-20T00:00:00Z"
    }]);
    (lines, entry.to_string())
});

pub(crate) fn lines() -> &'static [String] {
    &LOG.0
}

fn log() -> String {
    lines().join("\n") + "\n"
}

/// A directory with the roster, in which the program runs.
pub(crate) struct Bench(TempDir);

impl Bench {
    pub(crate) fn new() -> Self {
        let place = Bench(tempfile::tempdir().expect("a directory"));
        place.write("roster.json", &LOG.1);
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).expect("a file");
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flb-audit"));
        command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        command.output().expect("a program")
    }

    fn verify(&self, name: &str) -> (Option<i32>, String) {
        let output = self.run(&["verify", "--roster", "roster.json", name]);
        (output.status.code(), String::from_utf8(output.stdout).expect("UTF-8"))
    }

    /// Returns the report on an input as JSON.
    fn report(&self, name: &str, bytes: impl AsRef<[u8]>) -> Value {
        self.write(name, bytes);
        let output = self.run(&["verify", "--roster", "roster.json", "--json", name]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no report: {said}"))
    }
}

/// Returns the verdict, and the number of distinct records that were verified.
fn verdict(report: &Value) -> (&str, u64) {
    (report["verdict"].as_str().unwrap_or("none"), report["records"].as_u64().unwrap_or(0))
}

/// The verdict on the whole log.
const WHOLE: (&str, u64) = ("tail_unanchored", 6);

/// Returns a text as a JSON string.
fn string(text: &str) -> String {
    serde_json::to_string(text).expect("a string")
}

#[test]
fn the_log_is_whole() {
    assert_eq!(verdict(&Bench::new().report("log.ndjson", log())), WHOLE);
}
