//! The use of the chain's keys: when the next key comes into force, and which records are
//! checkpoints.
//!
//! A key that has sealed nothing is not spent. If the previous writer was stopped between
//! the handover and the first record under the new key, that key stays in force.
//! Otherwise each life begins with a new key.

use crate::chain::checkpoint::{CHECKPOINT_RECORDS_MAX, Signer};
use crate::chain::enrollment::Role;
use crate::chain::id::{Chain, ChainId};
use crate::chain::keyring::{FILE_BYTES, KeyRing, Newest, NoNextKey, SLOT_BYTES};
use crate::chain::storage::Storage;
use crate::memory::OutOfMemory;
use alloc::vec::Vec;
use zeroize::Zeroizing;

/// The maximum number of records under one key.
pub const KEY_RECORDS_MAX: u64 = 65_536;
/// The maximum time that a key is in force, in seconds. The first record after that
/// changes the key.
pub const KEY_SECONDS_MAX: u64 = 900;
/// The time after the last checkpoint, in seconds, after which the next record is a
/// checkpoint.
pub const CHECKPOINT_SECONDS_MAX: u64 = 10;

/// The reason why there is no next key, or no key at all.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failed<E> {
    /// The key file cannot be read or written.
    Storage(E),
    /// The key file is damaged, or belongs to another chain.
    Damaged,
    /// Another writer has put a key into force.
    Foreign,
    /// The next key cannot be made.
    NoNextKey(NoNextKey),
}

impl<E> From<NoNextKey> for Failed<E> {
    fn from(cause: NoNextKey) -> Self {
        Failed::NoNextKey(cause)
    }
}

impl<E> From<OutOfMemory> for Failed<E> {
    fn from(cause: OutOfMemory) -> Self {
        Failed::NoNextKey(cause.into())
    }
}

/// The preparation for the next record.
#[derive(Debug)]
pub struct Prepared<E> {
    /// The key that comes into force with the record, if there is one.
    pub signer: Option<Signer>,
    /// True if the record is a checkpoint.
    pub is_checkpoint: bool,
    /// The reason why the key was not changed although it was due, or why the old key may
    /// still be in the file.
    pub failed: Option<Failed<E>>,
}

/// The key that has come into force, and the failure to destroy the one before it, if
/// there was one.
type Changed<E> = Result<(Signer, Option<Failed<E>>), Failed<E>>;

/// The keys of one chain, in one life of its writer.
#[derive(Debug)]
pub struct Rotation<S> {
    file: S,
    chain: ChainId,
    /// The key in force; `None` before the first record.
    index: Option<u32>,
    /// True if the key that is in force by the file has sealed nothing.
    is_unused: bool,
    has_signer: bool,
    key: Since,
    checkpoint: Since,
}

/// The number of records since an event, and the time of the event in seconds.
#[derive(Debug, Default)]
struct Since {
    records: u64,
    seconds: u64,
}

impl Since {
    fn is_over(&self, now: u64, records_max: u64, seconds_max: u64) -> bool {
        self.records >= records_max || now.saturating_sub(self.seconds) >= seconds_max
    }
}

impl<S: Storage> Rotation<S> {
    /// Opens a key file. Returns it with the handover to its newest key, or `None` for
    /// key 0.
    pub fn open(file: S, chain: ChainId) -> Result<(Self, Option<Newest>), Failed<S::Error>> {
        let (key, checkpoint) = (Since::default(), Since::default());
        let opened =
            Rotation { file, chain, index: None, is_unused: false, has_signer: false, key, checkpoint };
        let newest = opened.read()?.0.newest();
        Ok((opened, newest))
    }

    /// Makes the chain a ledger's if it has no record yet. Returns the chain's role.
    pub fn become_ledger(&self) -> Result<Role, Failed<S::Error>> {
        let (ring, slot) = self.read()?;
        if ring.role() == Role::Ledger {
            return Ok(Role::Ledger);
        }
        let Some(of_ledger) = ring.of_ledger()? else { return Ok(Role::Filter) };
        let mut bytes = zeros(SLOT_BYTES)?;
        of_ledger.write_slot(&mut bytes);
        self.write(&bytes, 1 - slot)?;
        bytes.fill(0);
        self.write(&bytes, slot)?;
        Ok(Role::Ledger)
    }

    /// Keeps the key that the file has in force for the first record: the key
    /// has sealed nothing that can have been handed on.
    pub fn keep_key(&mut self) {
        self.is_unused = true;
    }

    /// Prepares for the next record of `chain`. `now` is the time of a monotonic clock,
    /// in seconds. `random` fills its argument with random bytes, or returns false if it
    /// cannot. With `must_sign`, the record is a checkpoint.
    pub fn prepare(
        &mut self,
        chain: &Chain,
        now: u64,
        must_sign: bool,
        random: &mut impl FnMut(&mut [u8; 32]) -> bool,
    ) -> Prepared<S::Error> {
        let mut prepared = Prepared { signer: None, is_checkpoint: must_sign, failed: None };
        if self.index.is_none() || self.key.is_over(now, KEY_RECORDS_MAX, KEY_SECONDS_MAX) {
            (prepared.signer, prepared.failed) = self.change_key(chain, random);
            self.has_signer |= prepared.signer.is_some();
            self.key = Since { records: 0, seconds: now };
            prepared.is_checkpoint = true;
        }
        prepared.is_checkpoint |=
            self.checkpoint.is_over(now, CHECKPOINT_RECORDS_MAX, CHECKPOINT_SECONDS_MAX);
        if prepared.is_checkpoint {
            self.checkpoint = Since { records: 0, seconds: now };
        }
        self.key.records += 1;
        self.checkpoint.records += 1;
        prepared
    }

    /// Puts the next key into force. Returns it, and the failure to destroy the old key,
    /// if there was one. If the next key cannot be saved, the old one stays in force; it
    /// is returned if it was not in force before.
    #[inline(never)]
    fn change_key(
        &mut self,
        chain: &Chain,
        random: &mut impl FnMut(&mut [u8; 32]) -> bool,
    ) -> (Option<Signer>, Option<Failed<S::Error>>) {
        let (mut ring, slot) = match self.read() {
            Ok(read) => read,
            Err(failed) => return (None, Some(failed)),
        };
        // Another writer has continued from here. This one continues without a new key.
        if *self.index.get_or_insert(ring.index()) != ring.index() {
            return (None, Some(Failed::Foreign));
        }
        match self.put_into_force(&mut ring, slot, chain, random) {
            Ok((signer, failed)) => (Some(signer), failed),
            Err(failed) if self.has_signer => (None, Some(failed)),
            Err(failed) => (ring.signer().ok(), Some(failed)),
        }
    }

    /// Puts the next key into force, or the one that has sealed nothing. Then the file gets the
    /// segment that goes on with it, so that no later one has its number.
    fn put_into_force(
        &mut self,
        ring: &mut KeyRing,
        slot: usize,
        chain: &Chain,
        random: &mut impl FnMut(&mut [u8; 32]) -> bool,
    ) -> Changed<S::Error> {
        let handed_over;
        let next = if core::mem::take(&mut self.is_unused) {
            ring.go_on_in(chain.next.segment);
            ring
        } else {
            handed_over = ring.hand_over(chain.next, chain.head, random)?;
            &handed_over
        };
        let signer = next.signer()?;
        let mut bytes = zeros(SLOT_BYTES)?;
        next.write_slot(&mut bytes);
        let written = self.write(&bytes, 1 - slot);
        bytes.fill(0);
        if let Err(failed) = written {
            // The part that was written may be a complete ring. If it cannot be erased, the
            // next life finds the new key in force, so the old one must not sign any more.
            let is_erased = self.write(&bytes, 1 - slot).is_ok();
            if is_erased || self.read().map_or(true, |(ring, _)| ring.index() != next.index()) {
                return Err(failed);
            }
            self.index = Some(next.index());
            return Ok((signer, Some(failed)));
        }
        // The old key is destroyed before the new one is used.
        let destroyed = self.write(&bytes, slot);
        self.index = Some(next.index());
        Ok((signer, destroyed.err()))
    }

    fn read(&self) -> Result<(KeyRing, usize), Failed<S::Error>> {
        let mut bytes = zeros(FILE_BYTES)?;
        let read = self.file.read_at(&mut bytes, 0).map_err(Failed::Storage)?;
        let ring = bytes.get(..read).and_then(KeyRing::from_file);
        ring.filter(|(ring, _)| ring.chain() == self.chain).ok_or(Failed::Damaged)
    }

    fn write(&self, bytes: &[u8], slot: usize) -> Result<(), Failed<S::Error>> {
        self.file.write_at(bytes, KeyRing::slot_offset(slot)).map_err(Failed::Storage)?;
        self.file.sync().map_err(Failed::Storage)
    }
}

/// Returns zeroed memory that is wiped when it is dropped.
fn zeros(len: usize) -> Result<Zeroizing<Vec<u8>>, OutOfMemory> {
    let mut bytes = Zeroizing::new(Vec::new());
    bytes.try_reserve_exact(len).map_err(|_| OutOfMemory)?;
    bytes.resize(len, 0);
    Ok(bytes)
}
