//! Verdicts on a node's chain: stops, states that were set back, and ends without an
//! anchor.

use flb_audit_core::chain::keyring::KeyRing;
use flb_audit_core::chain::rotation::Rotation;
use flb_audit_core::chain::state::{Clocks, Header, State};
use flb_audit_core::chain::storage::Storage;
use flb_audit_core::chain::writer::StateWriter;
use flb_audit_core::chain::{Chain, ChainId, Place, Run};
use flb_audit_core::hash::Algorithm;
use flb_audit_core::policy::Policy;
use flb_audit_core::record::notes::Notes;
use flb_audit_core::redact::Redactor;
use flb_audit_core::text::base64url::hash_from_text;
use flb_audit_core::{Event, Sealer};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::convert::Infallible;
use std::fs;
use std::ops::Range;
use std::process::Command;
use std::rc::Rc;

/// A file in memory.
#[derive(Clone, Debug)]
struct Memory(Rc<RefCell<Vec<u8>>>);

impl Storage for Memory {
    type Error = Infallible;

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<usize, Infallible> {
        let file = self.0.borrow();
        let rest = file.get(offset as usize..).unwrap_or_default();
        let read = rest.len().min(bytes.len());
        bytes[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), Infallible> {
        let mut file = self.0.borrow_mut();
        let end = offset as usize + bytes.len();
        let len = file.len().max(end);
        file.resize(len, 0);
        file[offset as usize..end].copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// A node with a filter, which is started, stopped and started again.
struct Node {
    state: Memory,
    keys: Memory,
    roster: Value,
    lives: u64,
    seeds: u64,
    now: u64,
    /// The lines that left the node.
    log: Vec<String>,
}

impl Node {
    fn new() -> Node {
        let chain = ChainId::from_text(b"chain-000001").expect("a name");
        let mut seeds = 0;
        let ring = KeyRing::new(chain, &mut |seed| next_seed(&mut seeds, seed)).expect("keys");
        let public = ring.public().expect("a key");
        let header = Header { id: chain, algorithm: Algorithm::default() };
        let memory = |bytes| Memory(Rc::new(RefCell::new(bytes)));
        Node {
            state: memory(header.to_file().to_vec()),
            keys: memory(ring.to_file().to_vec()),
            roster: json!([{
                "node": "node-1",
                "chain": chain.to_string(),
                "key": public.to_string(),
                "created": "2026-01-01T00:00:00Z",
            }]),
            lives: 0,
            seeds,
            now: 0,
            log: Vec::new(),
        }
    }

    /// Runs one life with so many records, one every `seconds`.
    fn live(&mut self, records: usize, seconds: u64) {
        let state = State::read(&self.state.0.borrow()).expect("a state");
        let (mut rotation, newest) = Rotation::open(self.keys.clone(), state.header.id).expect("keys");
        self.lives += 1;
        let run = Run::from_random(*self.lives.to_le_bytes().first_chunk().expect("six bytes"));
        let opened = state.open_segment(run, newest.as_ref(), Clocks::default());
        if opened.is_key_unused {
            rotation.keep_key();
        }
        let mut writer = StateWriter::new(self.state.clone(), &state, &opened.chain, self.now);
        let Ok(()) = writer.write(&opened.chain, self.now);
        let mut sealer = Sealer::new(opened.chain, opened.notes, None).expect("memory");
        for _ in 0..records {
            let seeds = &mut self.seeds;
            let prepared =
                rotation.prepare(sealer.chain(), self.now, false, &mut |seed| next_seed(seeds, seed));
            assert!(prepared.failed.is_none());
            if let Some(signer) = prepared.signer {
                sealer.set_signer(signer).expect("memory");
            }
            if prepared.is_checkpoint {
                sealer.sign_next();
            }
            let record = format!("{{\"at\":{}}}", self.now);
            let event = Event {
                tag: b"test",
                seconds: 1_800_000_000 + self.now as u32,
                nanoseconds: 0,
                record: Some(record.as_bytes()),
                record_len: record.len(),
            };
            let sealed = sealer.seal(&event).strip_suffix(b"\0").expect("a text's end");
            self.log.push(String::from_utf8(sealed.to_vec()).expect("UTF-8"));
            let Ok(()) = writer.write(sealer.chain(), self.now);
            self.now += seconds;
        }
    }

    /// Verifies the log without the records of these lines. Returns the exit code and the
    /// report.
    fn verify_without(&self, lost: Range<usize>) -> (i32, String) {
        self.verify(lost, &[])
    }

    /// Verifies with more arguments. `ANCHORS` stands for a file with the first
    /// checkpoint of each life but the last, and `FROM` for one with the checkpoint of
    /// line 20.
    fn verify(&self, lost: Range<usize>, arguments: &[&str]) -> (i32, String) {
        let directory = tempfile::tempdir().expect("a directory");
        let anchors = directory.path().join("anchors");
        let of_earlier_lives = self.log.iter().filter_map(|line| {
            let audit: Value = serde_json::from_str::<Value>(line).expect("JSON")["audit"].take();
            (audit["seq"] == 0 && audit["seg"] != self.lives).then(|| audit.to_string() + "\n")
        });
        fs::write(&anchors, of_earlier_lives.collect::<String>()).expect("written");
        let from = directory.path().join("from");
        let start =
            self.log.get(20).map(|line| serde_json::from_str::<Value>(line).expect("JSON")["audit"].take());
        fs::write(&from, start.unwrap_or_default().to_string()).expect("written");
        let (log, roster) = (directory.path().join("log"), directory.path().join("roster.json"));
        let kept = self.log.iter().enumerate().filter(|(at, _)| !lost.contains(at));
        let text: Vec<&str> = kept.flat_map(|(_, line)| [line.as_str(), "\n"]).collect();
        fs::write(&log, text.concat()).expect("written");
        fs::write(&roster, self.roster.to_string()).expect("written");
        let mut verify = Command::new(env!("CARGO_BIN_EXE_flb-audit"));
        verify.arg("verify").arg("--roster").arg(roster).arg(log);
        for argument in arguments {
            verify.arg(match *argument {
                "ANCHORS" => anchors.as_os_str(),
                "FROM" => from.as_os_str(),
                argument => argument.as_ref(),
            });
        }
        let output = verify.output().expect("run");
        (output.status.code().expect("a code"), String::from_utf8(output.stdout).expect("UTF-8"))
    }
}

fn next_seed(count: &mut u64, seed: &mut [u8; 32]) -> bool {
    *count += 1;
    seed[..8].copy_from_slice(&count.to_le_bytes());
    true
}

const TAIL_UNANCHORED: i32 = 3;
const UNCLEAN_STOP: i32 = 6;
const STATE_DAMAGED: i32 = 7;
const CONFLICT: i32 = 12;
const TAMPERED: i32 = 20;
const GAP: i32 = 10;

/// Finds which records may be lost at the end of a life with one record a second.
#[test]
fn the_end_of_a_life_may_be_lost_as_far_as_it_is_unsettled() {
    let mut node = Node::new();
    node.live(60, 1);
    node.live(5, 1);
    assert_eq!(node.verify_without(0..0).0, TAIL_UNANCHORED);
    for first in 1..60 {
        let (code, report) = node.verify_without(first..60);
        // The clock was looked at after 40 and 50 seconds.
        let expected = if first < 41 { GAP } else { UNCLEAN_STOP };
        assert_eq!(code, expected, "from {first} on: {report}");
    }
    // Records in the middle of the life must not be lost, nor records of the life that
    // follows.
    assert_eq!(node.verify_without(50..59).0, GAP);
    assert_eq!(node.verify_without(50..61).0, GAP);
}

/// On Fluent Bit 4.0 each chunk is a life, so whole lives are lost.
#[test]
fn whole_lives_may_be_lost_as_far_as_they_are_unsettled() {
    let mut node = Node::new();
    // Each life has three records, one second each. Life n begins at line 3 n.
    for _ in 0..20 {
        node.live(3, 1);
    }
    node.live(5, 1);
    for first in 1..60 {
        let (code, report) = node.verify_without(first..60);
        let expected = if first < 41 { GAP } else { UNCLEAN_STOP };
        assert!(code == expected, "from {first} on: {code}, not {expected}: {report}");
    }
    assert_eq!(node.verify_without(50..58).0, GAP);
    assert_eq!(node.verify_without(51..61).0, GAP);
}

/// The stops follow each other quickly, before anything is delivered.
#[test]
fn several_stops_in_a_row_are_one() {
    let mut node = Node::new();
    node.live(60, 1);
    for _ in 0..4 {
        node.live(2, 1);
    }
    node.live(5, 1);
    let (code, report) = node.verify_without(55..68);
    assert_eq!(code, UNCLEAN_STOP, "{report}");
    assert!(report.contains("; nothing is here of 3 segments before it, "), "{report}");
    let (code, report) = node.verify_without(39..68);
    assert_eq!(code, GAP, "{report}");
}

#[test]
fn a_state_that_is_older_than_its_keys_says_so() {
    let mut node = Node::new();
    node.live(5, 1);
    let (state, keys) = (node.state.0.borrow().clone(), node.keys.0.borrow().clone());
    node.live(5, 1);
    *node.state.0.borrow_mut() = state;
    node.live(5, 1);
    let (code, report) = node.verify_without(0..0);
    assert_eq!(code, STATE_DAMAGED, "{report}");
    // A copied state directory cannot know about the stops.
    let mut node = Node::new();
    node.live(5, 1);
    let copy = node.state.0.borrow().clone();
    node.live(5, 1);
    *node.state.0.borrow_mut() = copy;
    *node.keys.0.borrow_mut() = keys;
    node.live(5, 1);
    let (code, report) = node.verify_without(0..0);
    assert_eq!(code, CONFLICT, "{report}");
}

#[test]
fn the_end_may_be_without_an_anchor_for_so_long() {
    let mut node = Node::new();
    node.live(5, 60);
    node.live(5, 60);
    // The anchor is the first record of the first life. Nine minutes of records follow.
    for (max, expected) in [("8m", TAIL_UNANCHORED), ("9m", 0), ("1h", 0)] {
        let (code, report) = node.verify(0..0, &["--anchors", "ANCHORS", "--max-unanchored", max]);
        assert_eq!(code, expected, "{max}: {report}");
        assert!(report.contains("9m"), "{report}");
    }
    // Nobody has signed a record behind the last checkpoint, so its time says nothing.
    let last: Value = serde_json::from_str(node.log.last().expect("a line")).expect("JSON");
    let text = |name: &str| last["audit"][name].as_str().expect("text").as_bytes().to_vec();
    let place = Place {
        segment: 2,
        run: Run::from_text(&text("run")).expect("a run"),
        sequence: last["audit"]["seq"].as_u64().expect("a number"),
    };
    let chain = Chain {
        id: ChainId::from_text(&text("chain")).expect("a name"),
        algorithm: Algorithm::default(),
        next: place.after(),
        head: hash_from_text(&text("head")).expect("a head"),
        link: None,
    };
    let event =
        Event { tag: b"test", seconds: 1_900_000_000, nanoseconds: 0, record: Some(b"{}"), record_len: 2 };
    let mut sealer = Sealer::new(chain, Notes::NONE, None).expect("memory");
    let sealed = sealer.seal(&event).strip_suffix(b"\0").expect("a text's end");
    node.log.push(String::from_utf8(sealed.to_vec()).expect("UTF-8"));
    for (max, expected) in [("8m", TAIL_UNANCHORED), ("9m", 0)] {
        let (code, report) = node.verify(0..0, &["--anchors", "ANCHORS", "--max-unanchored", max]);
        assert_eq!(code, expected, "{max}: {report}");
    }
}

/// Old files were deleted, up to a record of the first life.
#[test]
fn a_log_may_begin_with_a_checkpoint() {
    let mut node = Node::new();
    node.live(60, 1);
    node.live(5, 1);
    for (deleted, expected) in
        [(0, TAIL_UNANCHORED), (15, TAIL_UNANCHORED), (21, TAIL_UNANCHORED), (22, GAP), (60, GAP)]
    {
        let (code, report) = node.verify(0..deleted, &["--from", "FROM"]);
        assert_eq!(code, expected, "{deleted} deleted: {report}");
        assert!(report.contains("begins with segment 1, record 20"), "{report}");
    }
    assert_eq!(node.verify_without(0..15).0, GAP);
    assert_eq!(node.verify(25..26, &["--from", "FROM"]).0, GAP);
}

/// Anybody can compute the hashes of a chain without keys. But no filter changes its
/// policy within a life.
#[test]
fn a_life_has_one_policy() {
    let chain = ChainId::from_text(b"chain-000001").expect("a name");
    let header = Header { id: chain, algorithm: Algorithm::default() };
    let state = State::read(&header.to_file()).expect("a state");
    let opened = state.open_segment(Run::from_text(b"run-01").expect("a run"), None, Clocks::default());
    let source = "version: 1\nredact: {keys: [{pattern: \"^pin$\", action: mask}]}";
    let policy = flb_audit_policy::Policy::read(source).unwrap_or_else(|problem| panic!("{problem}"));
    let table = flb_audit_policy::compile(&policy).unwrap_or_else(|problem| panic!("{problem}"));
    let mut log = Vec::new();
    let mut chain = opened.chain;
    for is_redacted in [false, true] {
        let policy = Policy::read(&table).expect("a table");
        let redactor = is_redacted.then(|| Redactor::new(policy, None));
        let mut sealer = Sealer::new(chain, Notes::NONE, redactor).expect("memory");
        let event =
            Event { tag: b"test", seconds: 1, nanoseconds: 0, record: Some(b"{\"a\":1}"), record_len: 7 };
        log.extend_from_slice(sealer.seal(&event).strip_suffix(b"\0").expect("a text's end"));
        log.push(b'\n');
        chain = sealer.chain().clone();
    }
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log");
    fs::write(&path, log).expect("written");
    let output = Command::new(env!("CARGO_BIN_EXE_flb-audit")).arg("verify").arg(path).output().expect("run");
    let report = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(TAMPERED), "{report}");
    assert!(report.contains("different policies"), "{report}");
}
