//! An honest log, and copies of it and of its keys that its operator, its node and an
//! intruder have.

use flb_audit_core::chain::ChainId;
use flb_audit_core::chain::anchor;
use flb_audit_core::chain::keyring::{self, KeyRing};
use flb_audit_core::chain::state::{self, Header};
use flb_audit_core::hash::Algorithm;
use flb_audit_core::verify::read_anchor;
use flb_audit_host::filter::{Clock, Generation, Limits};
use flb_audit_host::stream::Call;
use host_tests::guest::{FILTER, returned};
use host_tests::streams;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// The number of records in each segment. Two segments have a checkpoint in the middle,
/// and the last segment ends with one.
const SEGMENTS: [usize; 6] = [1100, 30, 30, 1100, 40, 1];
/// The number of segments after which the intruder and the backup make their copy.
const COPIED_AFTER: usize = 2;

/// The files of a state directory.
#[derive(Clone)]
pub(super) struct State {
    pub(super) state: Vec<u8>,
    pub(super) key: Vec<u8>,
}

impl State {
    fn of(dir: &Path) -> State {
        let read = |name| fs::read(dir.join(name)).expect("a file");
        State { state: read(state::FILE_NAME), key: read(keyring::FILE_NAME) }
    }

    pub(super) fn keys(&self) -> KeyRing {
        KeyRing::from_file(&self.key).expect("keys").0
    }
}

/// A log, and the filter that continues it.
#[derive(Clone)]
pub(crate) struct Log {
    pub(crate) records: Vec<Value>,
    /// The log of another chain of the same node.
    pub(crate) other: Arc<Vec<Value>>,
    /// The next records for the filter.
    calls: Arc<Vec<Call>>,
    /// The state at the end. The next field has the state at the time of the copy.
    pub(super) now: State,
    pub(super) copied: State,
    roster: Value,
    anchors: Arc<Vec<String>>,
}

/// Fills a seed, randomly enough for a test.
pub(super) fn random(seed: &mut [u8; 32]) -> bool {
    let (one, two) = (uuid(), uuid());
    seed[..16].copy_from_slice(&one);
    seed[16..].copy_from_slice(&two);
    true
}

fn uuid() -> [u8; 16] {
    use std::hash::{BuildHasher, RandomState};
    let half = || RandomState::new().hash_one(0).to_le_bytes();
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&half());
    bytes[8..].copy_from_slice(&half());
    bytes
}

/// Creates the state directory of a new chain with keys.
pub(super) fn directory(name: &[u8; 9]) -> (TempDir, Value) {
    let dir = tempfile::tempdir().expect("a directory");
    let id = ChainId::from_random(*name);
    let ring = KeyRing::new(id, &mut random).expect("keys");
    let header = Header { id, algorithm: Algorithm::default() };
    let file = |name, bytes: &[u8]| fs::write(dir.path().join(name), bytes).expect("a file");
    file(state::FILE_NAME, &header.to_file());
    file(keyring::FILE_NAME, &ring.to_file());
    file(anchor::FILE_NAME, &[]);
    let key = ring.public().expect("a key").to_string();
    let entry = json!({"node": String::from_utf8_lossy(name), "chain": id.to_string(), "key": key, "created": "1970-01-01T00:00:00Z"});
    (dir, entry)
}

/// Seals calls in one life of the filter. The clock stands still, so every record is
/// sealed shortly before the stop.
pub(super) fn seal<'a>(dir: &Path, calls: impl Iterator<Item = &'a Call>) -> Vec<Value> {
    let limits =
        Limits { directory: Some(dir.to_path_buf()), clock: Some(Clock::default()), ..Limits::default() };
    let mut host = FILTER.host(Generation::Lasting, limits);
    let sealed = calls.map(|call| returned(host.call(call).expect("a call")));
    sealed.map(|text| serde_json::from_slice(&text).expect("JSON")).collect()
}

impl Log {
    /// Creates a log from a stream, which is repeated.
    pub(crate) fn of(stream: &str) -> Log {
        let mut calls = streams::calls(stream).expect("a stream");
        // Some streams have nothing to redact.
        calls.insert(1, Call { record: r#"{"from":"bob@example.com"}"#.into(), ..calls[0].clone() });
        let (dir, entry) = directory(b"the chain");
        let mut next = calls.iter().cycle();
        let (mut records, mut anchors, mut copied) = (Vec::new(), Vec::new(), None);
        for (at, count) in SEGMENTS.into_iter().enumerate() {
            records.extend(seal(dir.path(), next.by_ref().take(count)));
            let file = fs::read(dir.path().join(anchor::FILE_NAME)).expect("a file");
            let (_, line) = anchor::from_file(&file).expect("a checkpoint");
            read_anchor(line).expect("a checkpoint");
            anchors.push(String::from_utf8(line.to_vec()).expect("UTF-8"));
            if at + 1 == COPIED_AFTER {
                copied = Some(State::of(dir.path()));
            }
        }
        let (other_dir, other_entry) = directory(b"the other");
        let other = seal(other_dir.path(), calls.iter().cycle().take(50));
        Log {
            records,
            other: Arc::new(other),
            calls: Arc::new(calls),
            now: State::of(dir.path()),
            copied: copied.expect("a copy"),
            roster: json!([entry, other_entry]),
            anchors: Arc::new(anchors),
        }
    }

    /// Continues the log with a filter that starts from a state.
    pub(super) fn go_on(&mut self, from: &State, count: usize) -> Vec<Value> {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join(state::FILE_NAME), &from.state).expect("a file");
        fs::write(dir.path().join(keyring::FILE_NAME), &from.key).expect("a file");
        let sealed = seal(dir.path(), self.calls.iter().cycle().take(count));
        self.now = State::of(dir.path());
        sealed
    }

    /// Returns the position of a record.
    pub(super) fn find(&self, segment: u64, sequence: u64) -> usize {
        let is_it = |record: &Value| record["audit"]["seg"] == segment && record["audit"]["seq"] == sequence;
        self.records
            .iter()
            .position(is_it)
            .unwrap_or_else(|| panic!("no record {sequence} of segment {segment}"))
    }

    pub(crate) fn text(&self) -> String {
        self.records.iter().map(|record| format!("{record}\n")).collect()
    }

    pub(crate) fn roster(&self) -> String {
        self.roster.to_string()
    }

    /// Returns a roster that has only the first node, with another chain.
    pub(super) fn roster_of_a_stranger(&self) -> String {
        let mut roster = self.roster.clone();
        roster[0]["chain"] = json!(ChainId::from_random(*b"not there").to_string());
        json!([roster[0]]).to_string()
    }

    /// Returns checkpoints that were kept elsewhere.
    pub(super) fn anchors(&self, place: &str) -> String {
        match place {
            "end" => self.anchors.concat(),
            "middle" => self.anchors[..3].concat(),
            other => panic!("{other}"),
        }
    }
}
