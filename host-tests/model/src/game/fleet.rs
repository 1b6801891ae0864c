//! Honest nodes: what they seal, and which of it is delivered.

use super::{Step, Stolen};
use crate::json::Value;
use crate::model::Log;
use crate::seal::{self, Place};
use flb_audit_core::chain::ChainId;
use flb_audit_core::chain::Run;
use flb_audit_core::chain::keyring::KeyRing;
use flb_audit_core::chain::rotation::Rotation;
use flb_audit_core::chain::state::{Clocks, Header, State};
use flb_audit_core::chain::storage::Storage;
use flb_audit_core::chain::writer::StateWriter;
use flb_audit_core::hash::Algorithm;
use flb_audit_core::{Event, Sealer};
use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;

/// A record that a node has sealed.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// The name of the chain
    pub chain: String,
    /// The place in the chain
    pub place: Place,
    /// The head before the record
    pub prev: [u8; 32],
    /// The head after the record
    pub head: [u8; 32],
}

/// The records that the nodes sealed, and the contents of the store.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    /// Everything that was sealed
    pub sealed: Vec<Sealed>,
    /// The lines that were delivered
    pub lines: Vec<String>,
    /// All kept anchors
    pub anchors: Vec<String>,
    /// The roster of all nodes
    pub roster: String,
    /// True if a state was set back or damaged
    pub has_lost_state: bool,
    /// True if records were lost
    pub has_lost_records: bool,
    /// The keys that somebody copied
    pub stolen: Option<Stolen>,
}

/// A file in memory.
#[derive(Clone)]
struct File(Rc<RefCell<Vec<u8>>>);

impl Storage for File {
    type Error = Infallible;

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, Infallible> {
        let bytes = self.0.borrow();
        let rest = bytes.get(offset as usize..).unwrap_or_default();
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), Infallible> {
        self.0.borrow_mut()[offset as usize..][..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// A node: its state directory and its clock.
struct Node {
    state: File,
    keys: File,
    backup: Option<Vec<u8>>,
    seeds: u64,
    runs: u64,
    now: u64,
}

/// The most nodes in one store.
const NODES: usize = 2;
/// The most records that a life seals.
const RECORDS_MAX: u16 = 12;

fn seed(node: u8, count: &mut u64, seed: &mut [u8; 32]) -> bool {
    *count += 1;
    *seed = [node; 32];
    seed[..8].copy_from_slice(&count.to_le_bytes());
    true
}

/// A node before its first life. It is equal in every game.
struct New {
    state: Vec<u8>,
    keys: Vec<u8>,
    seeds: u64,
    /// The entry in the roster
    entry: String,
}

thread_local! {
    static FIRST: Vec<New> = (0..NODES as u8).filter_map(New::of).collect();
}

impl New {
    fn of(number: u8) -> Option<New> {
        let id = ChainId::from_random([number + 1; 9]);
        let mut seeds = 0;
        let ring = KeyRing::new(id, &mut |bytes| seed(number, &mut seeds, bytes)).ok()?;
        let public = seal::text(ring.public()?.as_bytes());
        let entry = format!(
            r#"{{"node":"n{number}","chain":"{id}","key":"{public}","created":"1970-01-01T00:00:00Z"}}"#
        );
        let header = Header { id, algorithm: Algorithm::default() };
        Some(New { state: header.to_file().to_vec(), keys: ring.to_file().to_vec(), seeds, entry })
    }

    fn node(&self) -> Node {
        let file = |bytes: &Vec<u8>| File(Rc::new(RefCell::new(bytes.clone())));
        let (state, keys) = (file(&self.state), file(&self.keys));
        Node { state, keys, backup: None, seeds: self.seeds, runs: 0, now: 0 }
    }
}

/// Seals what the script says. Each step is one life of a node. It selects the node and
/// how the life ends, how many records it seals, and the time between them.
pub fn honest(script: &[Step]) -> Fleet {
    let mut fleet = Fleet::default();
    let mut nodes: Vec<Node> = FIRST.with(|first| first.iter().map(New::node).collect());
    let entries = FIRST.with(|first| first.iter().map(|new| new.entry.clone()).collect::<Vec<_>>());
    fleet.roster = format!("[{}]", entries.join(","));
    for (kind, count, pace) in script {
        let number = usize::from(*kind) % NODES;
        live(&mut nodes[number], number as u8, &mut fleet, (*kind / NODES as u8, *count, *pace));
    }
    fleet
}

/// Runs one life of a node.
fn live(node: &mut Node, number: u8, fleet: &mut Fleet, (kind, count, pace): Step) {
    if kind % 16 == 15 {
        if let Some(backup) = node.backup.take() {
            *node.state.0.borrow_mut() = backup;
            fleet.has_lost_state = true;
        }
    } else if kind % 16 == 14 {
        node.backup = Some(node.state.0.borrow().clone());
    }
    let Some(state) = State::read(&node.state.0.borrow()) else { return };
    let Ok((mut rotation, newest)) = Rotation::open(node.keys.clone(), state.header.id) else { return };
    node.runs += 1;
    let Some(run) = node.runs.to_le_bytes().first_chunk().map(|bytes| Run::from_random(*bytes)) else {
        return;
    };
    let opened = state.open_segment(run, newest.as_ref(), Clocks::default());
    if opened.is_key_unused {
        rotation.keep_key();
    }
    let mut writer = StateWriter::new(node.state.clone(), &state, &opened.chain, node.now);
    let Ok(()) = writer.write(&opened.chain, node.now);
    let Ok(mut sealer) = Sealer::new(opened.chain, opened.notes, None) else { return };
    let mut sent = Vec::new();
    for record in 0..count % RECORDS_MAX {
        node.now += u64::from(pace % 8) * if pace & 0x100 > 0 { 100 } else { 1 };
        let must_sign = pace & 0x200 > 0 && record % 3 == 0;
        let prepared = rotation
            .prepare(sealer.chain(), node.now, must_sign, &mut |bytes| seed(number, &mut node.seeds, bytes));
        if prepared.signer.is_some_and(|signer| sealer.set_signer(signer).is_err()) {
            return;
        }
        if prepared.is_checkpoint {
            sealer.sign_next();
        }
        let text = format!(r#"{{"record":{record},"date":"own","value":{}}}"#, f64::from(pace) / 10.0);
        let event = Event {
            tag: b"some.tag",
            seconds: 1_795_161_600 + node.now as u32,
            nanoseconds: 5,
            record: Some(text.as_bytes()),
            record_len: text.len(),
        };
        let sealed = sealer.seal(&event);
        let line = String::from_utf8_lossy(sealed.strip_suffix(b"\0").unwrap_or(sealed)).into_owned();
        let Ok(()) = writer.write(sealer.chain(), node.now);
        fleet.remember(&line);
        sent.push(line);
    }
    for line in &sent {
        let kept = Value::parse(line).and_then(|record| crate::forge::anchor(&record));
        fleet.anchors.extend(kept.map(|anchor| anchor.text()));
    }
    if kind % 16 == 13 && fleet.stolen.is_none() {
        fleet.stolen = Stolen::copy(state.header.id, node.keys.0.borrow().clone());
    }
    let is_read = pace & 0x400 > 0;
    // An unclean stop loses the last sealed records.
    if kind % 4 == 3 {
        let lost = usize::from(kind / 4 % 4);
        fleet.has_lost_records |= lost > 0 && !sent.is_empty();
        sent.truncate(sent.len().saturating_sub(lost));
    }
    // Somebody copies anchors from the store.
    for line in sent.iter().filter(|_| is_read) {
        let kept = Value::parse(line).and_then(|record| crate::forge::anchor(&record));
        fleet.anchors.extend(kept.map(|mut anchor| {
            if let Some(members) = anchor.members_mut() {
                members.push(("delivered".to_owned(), Value::Bool(true)));
            }
            anchor.text()
        }));
    }
    fleet.lines.extend(sent);
}

impl Fleet {
    fn remember(&mut self, line: &str) {
        if let seal::Read::Sealed(record) = seal::read(line) {
            let seal::Record { chain, place, prev, head, .. } = *record;
            self.sealed.push(Sealed { chain, place, prev, head });
        }
    }

    /// Returns the index of the record after which the head is `head`.
    pub fn find(&self, chain: &str, head: &[u8; 32]) -> Option<usize> {
        self.sealed.iter().position(|sealed| sealed.chain == chain && sealed.head == *head)
    }

    /// Returns the log as delivered. `known` selects what is known from elsewhere.
    pub fn log(&self, known: u16) -> Log {
        let count = usize::from(known >> 3).checked_rem(self.anchors.len() + 1).unwrap_or(0);
        let anchors = (known & 3 == 3 && !self.anchors.is_empty() || known & 3 > 0 && count > 0)
            .then(|| self.anchors[..if known & 3 == 3 { self.anchors.len() } else { count }].to_vec());
        Log { lines: self.lines.clone(), roster: Some(self.roster.clone()), anchors, ..Log::default() }
    }
}
