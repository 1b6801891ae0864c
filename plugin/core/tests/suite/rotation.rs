//! The keys in use: the files that a writer leaves when it is stopped at the worst
//! moment.

use flb_audit_core::chain::enrollment::Role;
use flb_audit_core::chain::keyring::{self, KeyRing};
use flb_audit_core::chain::rotation::{Failed, Prepared, Rotation};
use flb_audit_core::chain::state::{Clocks, Header, LOOK_RECORDS, State, look_offset, slot_offset};
use flb_audit_core::chain::storage::Storage;
use flb_audit_core::chain::writer::StateWriter;
use flb_audit_core::chain::{Chain, ChainId, Place, Run};
use flb_audit_core::hash::Algorithm;
use flb_audit_core::record::notes::Notes;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// A file on a disk that may be full.
#[derive(Clone)]
struct Disk {
    bytes: Rc<RefCell<Vec<u8>>>,
    /// The number of writes that will still succeed.
    writes: Rc<Cell<u32>>,
    /// True if writes can be synced.
    can_sync: Rc<Cell<bool>>,
}

/// The disk is full.
#[derive(Debug)]
struct Full;

impl Storage for Disk {
    type Error = Full;

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, Full> {
        let bytes = self.bytes.borrow();
        let rest = bytes.get(offset as usize..).unwrap_or_default();
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), Full> {
        self.writes.set(self.writes.get().checked_sub(1).ok_or(Full)?);
        self.bytes.borrow_mut()[offset as usize..][..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&self) -> Result<(), Full> {
        if self.can_sync.get() { Ok(()) } else { Err(Full) }
    }
}

/// A state directory.
struct Home {
    state: Disk,
    keys: Disk,
    lives: u64,
    seeds: u64,
    /// The clocks of the thread that opens lives.
    clocks: Clocks,
}

impl Home {
    fn new() -> Home {
        let id = ChainId::from_text(b"chain-000001").expect("a chain's name");
        let header = Header { id, algorithm: Algorithm::default() };
        let mut seeds = 0;
        let ring = KeyRing::new(id, &mut |seed| next_seed(&mut seeds, seed)).expect("keys");
        let disk = |bytes| Disk {
            bytes: Rc::new(RefCell::new(bytes)),
            writes: Rc::new(Cell::new(u32::MAX)),
            can_sync: Rc::new(Cell::new(true)),
        };
        Home {
            state: disk(header.to_file().to_vec()),
            keys: disk(ring.to_file().to_vec()),
            lives: 0,
            seeds,
            clocks: Clocks::default(),
        }
    }

    fn start(&mut self) -> Life {
        self.start_at(0)
    }

    fn start_at(&mut self, now: u64) -> Life {
        let state = State::read(&self.state.bytes.borrow()).expect("a state");
        let (mut rotation, newest) = Rotation::open(self.keys.clone(), state.header.id).expect("keys");
        self.lives += 1;
        let run = Run::from_random(*self.lives.to_le_bytes().first_chunk().expect("six bytes"));
        let opened = state.open_segment(run, newest.as_ref(), self.clocks);
        if opened.is_key_unused {
            rotation.keep_key();
        }
        let mut writer = StateWriter::new(self.state.clone(), &state, &opened.chain, now);
        writer.write(&opened.chain, now).expect("written");
        Life { chain: opened.chain, notes: opened.notes, rotation, writer }
    }

    /// Starts a life on a copy of the state.
    fn start_aside(&self) -> Life {
        let copy = |disk: &Disk| Disk {
            bytes: Rc::new(RefCell::new(disk.bytes.borrow().clone())),
            writes: disk.writes.clone(),
            can_sync: disk.can_sync.clone(),
        };
        let (state, keys) = (copy(&self.state), copy(&self.keys));
        Home { state, keys, lives: self.lives, seeds: self.seeds, clocks: self.clocks }.start()
    }

    /// Returns the number of the key in force.
    fn key(&self) -> u32 {
        KeyRing::from_file(&self.keys.bytes.borrow()).expect("keys").0.index()
    }

    fn prepare(&mut self, life: &mut Life, now: u64) -> Prepared<Full> {
        let seeds = &mut self.seeds;
        life.rotation.prepare(&life.chain, now, false, &mut |seed| next_seed(seeds, seed))
    }

    /// Seals a record and hands it on.
    fn seal(&mut self, life: &mut Life, now: u64) -> Prepared<Full> {
        let prepared = self.prepare(life, now);
        life.chain.head[0] ^= life.chain.head[1];
        life.chain.head[1] = life.chain.head[1].wrapping_add(1);
        life.chain.next.sequence += 1;
        life.writer.write(&life.chain, now).expect("written");
        prepared
    }
}

fn next_seed(count: &mut u64, seed: &mut [u8; 32]) -> bool {
    *count += 1;
    seed[..8].copy_from_slice(&count.to_le_bytes());
    true
}

struct Life {
    chain: Chain,
    notes: Notes,
    rotation: Rotation<Disk>,
    writer: StateWriter<Disk>,
}

#[test]
fn kills_between_key_and_state_spend_one_key() {
    let mut home = Home::new();
    for _ in 0..10 {
        let mut life = home.start();
        let prepared = home.prepare(&mut life, 0);
        assert!(prepared.failed.is_none() && prepared.is_checkpoint && prepared.signer.is_some());
        assert_eq!((home.key(), life.notes), (1, Notes::NONE));
    }
    // After the first life has sealed something, the next life has a key of its own.
    let mut life = home.start();
    home.seal(&mut life, 0);
    assert_eq!(home.key(), 1);
    // The first key was destroyed.
    let (_, slot) = KeyRing::from_file(&home.keys.bytes.borrow()).expect("keys");
    let other = KeyRing::slot_offset(1 - slot) as usize;
    assert_eq!(home.keys.bytes.borrow()[other..][..keyring::SLOT_BYTES], [0; keyring::SLOT_BYTES]);
    let mut life = home.start();
    home.seal(&mut life, 0);
    assert_eq!((home.key(), life.chain.link.expect("a link").place.segment), (2, 11));
}

#[test]
fn kills_in_a_later_change_spend_one_key() {
    let mut home = Home::new();
    let mut life = home.start();
    home.seal(&mut life, 0);
    home.prepare(&mut life, 900);
    assert_eq!(home.key(), 2);
    for _ in 0..10 {
        let mut life = home.start();
        home.prepare(&mut life, 0);
        assert_eq!((home.key(), life.notes), (2, Notes::NONE));
    }
}

#[test]
fn a_full_disk_spends_no_key() {
    let mut home = Home::new();
    for _ in 0..10 {
        let mut life = home.start();
        home.keys.writes.set(0);
        let prepared = home.prepare(&mut life, 0);
        assert!(matches!(prepared.failed, Some(Failed::Storage(Full))), "{:?}", prepared.failed);
        // The old key stays in force.
        assert!(prepared.signer.is_some());
        home.keys.writes.set(u32::MAX);
        assert_eq!(home.key(), 0);
    }
    // The new key is written, but the old one cannot be destroyed.
    let mut life = home.start();
    home.keys.writes.set(1);
    let prepared = home.prepare(&mut life, 0);
    assert!(prepared.failed.is_some() && prepared.signer.is_some());
    home.keys.writes.set(u32::MAX);
    let mut life = home.start();
    let prepared = home.prepare(&mut life, 0);
    assert!(prepared.failed.is_none());
    assert_eq!(home.key(), 1);
}

/// A disk may become read-only after a write that could not be synced. The next life finds
/// the new key in force. So the old one must not sign any more.
#[test]
fn a_key_that_can_be_neither_synced_nor_erased_is_in_force() {
    let mut home = Home::new();
    let mut life = home.start();
    home.keys.writes.set(1);
    home.keys.can_sync.set(false);
    let prepared = home.prepare(&mut life, 0);
    assert!(prepared.failed.is_some() && prepared.signer.is_some());
    assert_eq!(home.key(), 1);
    let signer = format!("{:?}", prepared.signer);
    assert!(signer.contains("index: 1,"), "{signer}");
    home.keys.writes.set(u32::MAX);
    home.keys.can_sync.set(true);
    home.prepare(&mut life, 900);
    assert_eq!(home.key(), 2);
}

#[test]
fn another_writer_is_noticed() {
    let mut home = Home::new();
    let (mut one, mut other) = (home.start(), home.start());
    home.seal(&mut one, 0);
    home.seal(&mut other, 0);
    assert!(matches!(home.seal(&mut one, 900).failed, Some(Failed::Foreign)));
}

#[test]
fn damaged_and_older_states_are_told() {
    let mut home = Home::new();
    let mut life = home.start();
    home.seal(&mut life, 0);
    let before = home.state.bytes.borrow().clone();
    for _ in 0..3 {
        let mut life = home.start();
        home.seal(&mut life, 0);
    }
    let whole = home.state.bytes.borrow().clone();
    *home.state.bytes.borrow_mut() = before;
    let life = home.start();
    assert_eq!(life.notes, Notes::STATE_SET_BACK);
    assert_eq!(life.chain.next.segment, 5);
    // Neither slot is intact; the key file has the number of the newest segment.
    *home.state.bytes.borrow_mut() = whole;
    for slot in 0..2 {
        home.state.bytes.borrow_mut()[slot_offset(slot) as usize] ^= 1;
    }
    let life = home.start();
    assert_eq!((life.notes, life.chain.link), (Notes::STATE_DAMAGED, None));
    assert_eq!(life.chain.next.segment, 5);
}

/// Lives that are killed before their first record have one key. The file of keys has the number
/// of the last one, for a state that becomes an older one, or is damaged.
#[test]
fn no_number_is_used_twice_after_kills_and_an_older_state() {
    for is_later_change in [false, true] {
        let mut home = Home::new();
        let mut life = home.start();
        home.seal(&mut life, 0);
        let before = home.state.bytes.borrow().clone();
        home.seal(&mut life, 0);
        if is_later_change {
            home.prepare(&mut life, 900);
        }
        for _ in 0..3 {
            let mut life = home.start();
            home.prepare(&mut life, 0);
        }
        let mut life = home.start();
        home.seal(&mut life, 0);
        assert_eq!((home.key(), life.notes), (2, Notes::NONE));
        let used = life.chain.next.segment;
        let mut damaged = home.state.bytes.borrow().clone();
        for slot in 0..2 {
            damaged[slot_offset(slot) as usize] ^= 1;
        }
        for (state, note) in [(before, Notes::STATE_SET_BACK), (damaged, Notes::STATE_DAMAGED)] {
            *home.state.bytes.borrow_mut() = state;
            let life = home.start_aside();
            assert_eq!(life.notes, note);
            assert!(life.chain.next.segment > used, "{used}: {:?}", life.chain.next);
        }
    }
}

/// Returns the file with the newest slot damaged.
fn without_newest(file: &[u8]) -> Vec<u8> {
    let mut file = file.to_vec();
    let newest = State::read(&file).expect("a state").slot_index;
    file[slot_offset(newest) as usize] ^= 1;
    file
}

/// The slot that is left does not know the only record of the last life. The life's key has
/// sealed that record, so the next life has another key, and a note.
#[test]
fn a_slot_that_is_damaged_after_one_record_is_told() {
    let mut home = Home::new();
    for lives in 1..=3 {
        let mut life = home.start();
        home.seal(&mut life, 0);
        let whole = home.state.bytes.borrow().clone();
        *home.state.bytes.borrow_mut() = without_newest(&whole);
        let life = home.start_aside();
        let note = if lives == 1 { Notes::STATE_DAMAGED } else { Notes::STATE_SET_BACK };
        assert_eq!((life.notes, life.chain.next.segment), (note, lives + 1));
        assert_eq!(life.chain.link.map(|link| link.place.segment), (lives > 1).then(|| lives - 1));
        *home.state.bytes.borrow_mut() = whole;
    }
}

/// Returns the first record that the next life would call unsettled.
fn unsettled(home: &Home) -> Place {
    home.start_aside().chain.link.expect("a link").unsettled.expect("a place").place
}

#[test]
fn records_are_settled_after_ten_seconds_or_twenty() {
    let mut home = Home::new();
    let mut life = home.start();
    for now in 0..60 {
        home.seal(&mut life, now);
        // There is one record a second, so the difference is the age in seconds.
        let settled = unsettled(&home).sequence;
        let age = now + 1 - settled;
        assert!((10..=20).contains(&age) || now < 20 && settled == 0, "{now}: {settled}");
    }
}

/// On Fluent Bit 4.0, each chunk is a life.
#[test]
fn records_settle_over_many_lives() {
    let mut home = Home::new();
    for now in 0..60 {
        let mut life = home.start_at(now);
        home.seal(&mut life, now);
        // There is one life a second, and the first one has number 1.
        let first = unsettled(&home);
        let settled = first.segment - 1 + first.sequence;
        let age = now + 1 - settled;
        assert!((10..=20).contains(&age) || now < 20 && settled == 0, "{now}: {first:?}");
        // The record before it was sealed.
        assert_eq!(first.sequence, u64::from(settled > 0));
    }
}

/// If a thread has used more processor time than has passed since the last record, it
/// already existed when that record was sealed: nothing has stopped.
#[test]
fn nothing_is_unsettled_if_the_thread_has_not_stopped() {
    let mut home = Home::new();
    let mut life = home.start_at(100);
    home.seal(&mut life, 100);
    const SECOND: u64 = 1_000_000_000;
    let cases = [
        (105, 0, true),
        (105, 5 * SECOND, true),
        (105, 5 * SECOND + 1, false),
        (100, 1, false),
        (99, 1000 * SECOND, true),
        (0, u64::MAX, true),
    ];
    for (now, used, is_stop) in cases {
        home.clocks = Clocks { now: now * SECOND, used };
        let link = home.start_aside().chain.link.expect("a link");
        assert_eq!(link.unsettled.is_some(), is_stop, "{now} s, {used} ns");
    }
}

/// However fast records come, only a limited number may be lost.
#[test]
fn records_are_settled_after_so_many() {
    let mut home = Home::new();
    let mut life = home.start();
    for count in 1..=3 * LOOK_RECORDS {
        home.seal(&mut life, 0);
        if count % 1024 == 0 {
            let first = unsettled(&home).sequence;
            assert!(count - first <= 2 * LOOK_RECORDS, "{count}: {first}");
        }
    }
    assert!(unsettled(&home).sequence > 0);
}

#[test]
fn a_clock_that_starts_anew_settles_nothing_at_once() {
    let mut home = Home::new();
    let mut life = home.start_at(1000);
    for now in [1000, 1010, 1020] {
        home.seal(&mut life, now);
    }
    let before = unsettled(&home);
    for now in [3, 12] {
        let mut life = home.start_at(now);
        home.seal(&mut life, now);
        assert_eq!(unsettled(&home), before);
    }
    let mut life = home.start_at(13);
    home.seal(&mut life, 13);
    assert_ne!(unsettled(&home), before);
}

#[test]
fn a_damaged_look_at_the_clock_leaves_the_older_one_or_none() {
    let mut home = Home::new();
    let mut life = home.start();
    for now in [0, 10, 20, 30] {
        home.seal(&mut life, now);
    }
    let newest = unsettled(&home);
    let damage = |index: usize| home.state.bytes.borrow_mut()[look_offset(index) as usize] ^= 1;
    damage(0);
    damage(1);
    assert_eq!(home.start_aside().chain.link.expect("a link").unsettled, None);
    let ages = [0, 1].map(|index| {
        damage(index);
        let place = unsettled(&home);
        damage(index);
        place.sequence
    });
    assert!(ages.contains(&newest.sequence) && ages.iter().any(|age| *age < newest.sequence), "{ages:?}");
}

/// A ledger makes a new chain its own. If a write fails, the chain is a filter's still, or a
/// ledger's already, and the next try ends what was begun.
#[test]
fn a_chain_becomes_a_ledgers_whatever_write_fails() {
    for writes in 0..3 {
        let home = Home::new();
        let open = || Rotation::open(home.keys.clone(), chain_of(&home)).expect("keys").0;
        home.keys.writes.set(writes);
        assert_eq!(open().become_ledger().is_ok(), writes == 2);
        home.keys.writes.set(u32::MAX);
        assert!(matches!(open().become_ledger(), Ok(Role::Ledger)));
        let (ring, _) = KeyRing::from_file(&home.keys.bytes.borrow()).expect("keys");
        assert_eq!((ring.index(), ring.role()), (0, Role::Ledger));
    }
    let mut home = Home::new();
    let mut life = home.start();
    home.prepare(&mut life, 0);
    assert!(matches!(life.rotation.become_ledger(), Ok(Role::Filter)));
}

fn chain_of(home: &Home) -> ChainId {
    State::read(&home.state.bytes.borrow()).expect("a state").header.id
}
