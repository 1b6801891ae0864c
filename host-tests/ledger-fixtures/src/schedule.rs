//! Random lives of a ledger: kills between any two operations, full disks, failing
//! operations, restarts, and jumping clocks.

use crate::{TAG, chunk, plain};
use flb_audit_core::chain::keyring::{self, KeyRing};
use flb_audit_core::chain::state::{FILE_NAME, Header};
use flb_audit_core::chain::{Chain, ChainId, GENESIS, Place, Run, anchor};
use flb_audit_core::hash::Algorithm;
use flb_audit_core::record::notes::Notes;
use flb_audit_core::{Event, Sealer};
use flb_audit_ledger::faults::Faults;
use flb_audit_ledger::{Clock, Ledger, Settings, roster};
use serde_json::{Value, json};
use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

const YEAR: i64 = 365 * 86_400;
/// The number of times that a chunk is delivered again until the disk works.
const TRIES: u32 = 8;

/// A ledger that has lived through a schedule.
pub struct Lived {
    /// The ledger's directory. Its roster has the ledger's chain and the filter's.
    pub directory: TempDir,
    /// The number of acknowledged records, which are numbered from 0.
    pub acknowledged: u32,
    /// True if retention has deleted some of these.
    pub has_retention: bool,
    /// The faults that were injected, in order.
    pub injected: Vec<String>,
}

/// A generator of pseudorandom numbers.
pub struct Random(u64);

impl Random {
    /// Returns the generator of the schedule with this number.
    pub fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Returns a number below a limit.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % limit
    }
}

/// A clock that a schedule sets.
#[derive(Clone)]
struct Time {
    wall: Rc<Cell<u64>>,
    monotonic: Rc<Cell<u64>>,
}

impl Time {
    fn clock(&self) -> Clock {
        let Time { wall, monotonic } = self.clone();
        Clock {
            wall: Box::new(move || SystemTime::UNIX_EPOCH + Duration::from_secs(wall.get())),
            monotonic: Box::new(move || Duration::from_secs(monotonic.get())),
        }
    }

    fn pass(&self, seconds: u64) {
        self.wall.set(self.wall.get() + seconds);
        self.monotonic.set(self.monotonic.get() + seconds);
    }
}

fn keys(chain: ChainId, first: u8) -> KeyRing {
    let mut next = first;
    let ring = KeyRing::new(chain, &mut |seed| {
        next = next.wrapping_add(1);
        *seed = [next; 32];
        true
    });
    ring.unwrap_or_else(|_| panic!("no keys"))
}

/// Returns a filter whose checkpoints are signed with its key 0.
pub fn filter() -> (Sealer<'static>, KeyRing) {
    let (id, run) = (ChainId::from_random([3; 9]), Run::from_random([3; 6]));
    let next = Place { segment: 1, run, sequence: 0 };
    let chain = Chain { id, algorithm: Algorithm::Sha512_256, next, head: GENESIS, link: None };
    let mut sealer = Sealer::new(chain, Notes::NONE, None).expect("a sealer");
    let ring = keys(id, 100);
    sealer.set_signer(ring.signer().unwrap_or_else(|_| panic!("no key"))).expect("memory");
    (sealer, ring)
}

/// Seals records, each as a checkpoint.
pub fn seal(sealer: &mut Sealer<'static>, records: &[Value]) -> Vec<Value> {
    records.iter().map(|record| seal_one(sealer, record, true)).collect()
}

/// Seals a record, as a checkpoint if `is_signed`.
pub fn seal_one(sealer: &mut Sealer<'static>, record: &Value, is_signed: bool) -> Value {
    let text = record.to_string();
    if is_signed {
        sealer.sign_next();
    }
    let (record, record_len) = (Some(text.as_bytes()), text.len());
    let sealed = sealer.seal(&Event { tag: TAG, seconds: 1_795_161_600, nanoseconds: 0, record, record_len });
    serde_json::from_slice(&sealed[..sealed.len() - 1]).expect("JSON")
}

/// Returns the entry of a filter's chain in a roster.
pub fn entry(ring: &KeyRing) -> Value {
    let key = ring.public().expect("a key").to_string();
    json!({"node": "n", "chain": ring.chain().to_string(), "key": key, "created": "2026-11-20T08:00:00Z"})
}

/// Creates the ledger's chain in a directory, and a roster with it and with the filter's
/// chain.
pub fn set_up(directory: &Path, filter: &KeyRing) {
    let id = ChainId::from_random([7; 9]);
    let ring = keys(id, 0);
    let header = Header { id, algorithm: Algorithm::Sha512_256 };
    fs::write(directory.join(FILE_NAME), header.to_file()).expect("written");
    fs::write(directory.join(keyring::FILE_NAME), &*ring.to_file()).expect("written");
    fs::write(directory.join(anchor::FILE_NAME), vec![0; anchor::FILE_BYTES]).expect("written");
    let roster = json!([entry(&ring), entry(filter)]);
    fs::write(directory.join(roster::FILE_NAME), roster.to_string()).expect("written");
}

/// Runs the schedule of this number.
pub fn live(seed: u64) -> Lived {
    let mut random = Random::new(seed);
    let directory = tempfile::tempdir().expect("a directory");
    let (mut sealer, ring) = filter();
    set_up(directory.path(), &ring);
    let mut settings = Settings { file_bytes: 2000 << random.below(4), ..Settings::default() };
    if random.below(4) == 0 {
        settings.recipients = crate::settings(&[("recipients", &crate::recipient())]).recipients;
    }
    let has_retention = random.below(3) == 0;
    if has_retention {
        settings.keep_bytes = Some(6000);
        settings.keep_age = Some(Duration::from_secs(90 * 86_400));
    }
    let time = Time { wall: Rc::new(Cell::new(1_800_000_000)), monotonic: Rc::default() };
    let mut injected = Vec::new();
    let mut ledger = None;
    let mut acknowledged = 0;
    for _ in 0..30 {
        let count = 1 + random.below(12) as u32;
        let records = plain(acknowledged, count);
        let records = match random.below(3) {
            0 => records,
            1 => seal(&mut sealer, &records),
            _ => {
                let (sealed, unsealed) = records.split_at(count as usize / 2);
                [&seal(&mut sealer, sealed)[..], unsealed].concat()
            }
        };
        let chunk = chunk(&records);
        for tried in 0.. {
            let (faults, is_kill) = match random.below(5) {
                0 if tried < TRIES => (Faults { operations: Some(random.below(40)), room: None }, true),
                1 if tried < TRIES => (Faults { operations: Some(random.below(40)), room: None }, false),
                2 if tried < TRIES => (Faults { room: Some(random.below(4000)), operations: None }, false),
                _ => (Faults::default(), false),
            };
            if faults != Faults::default() {
                injected.push(format!("chunk {acknowledged}: {faults:?}, kill: {is_kill}"));
            }
            faults.inject();
            let stored = open(&mut ledger, directory.path(), &settings, &time)
                .and_then(|ledger| ledger.store(TAG, &chunk).map_err(|error| error.to_string()));
            Faults::default().inject();
            if is_kill || random.below(20) == 0 {
                ledger = None;
            }
            if stored.is_ok() && !is_kill {
                break;
            }
            // Killed after the answer: Fluent Bit may have recorded the answer, or not.
            if stored.is_ok() && random.below(2) == 0 {
                break;
            }
            assert!(tried < 2 * TRIES, "{seed}: {stored:?}: {injected:#?}");
        }
        acknowledged += count;
        match random.below(12) {
            0 => time.wall.set(time.wall.get().saturating_add_signed(YEAR)),
            1 => time.wall.set(time.wall.get().saturating_add_signed(-YEAR)),
            2 => {
                if let Some(mut ledger) = ledger.take() {
                    ledger.close().expect("closed");
                }
            }
            _ => time.pass(random.below(2000)),
        }
    }
    Lived { directory, acknowledged, has_retention, injected }
}

fn open<'a>(
    ledger: &'a mut Option<Ledger>,
    directory: &Path,
    settings: &Settings,
    time: &Time,
) -> Result<&'a mut Ledger, String> {
    if ledger.is_none() {
        let opened = Ledger::open_with(directory, settings.clone(), None, time.clock());
        *ledger = Some(opened.map_err(|error| error.to_string())?);
    }
    ledger.as_mut().ok_or_else(String::new)
}
