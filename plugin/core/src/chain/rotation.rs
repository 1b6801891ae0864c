//! The chain's keys in use: when the next one comes into force, and which
//! record is a checkpoint.
//!
//! A key that has sealed nothing is not spent: if the writer before was stopped
//! between the handover and the first record under the new key, that key stays
//! in force. Otherwise each life begins with a new key.

use crate::chain::certificate::Handover;
use crate::chain::checkpoint::{CHECKPOINT_RECORDS_MAX, Signer};
use crate::chain::id::{Chain, ChainId};
use crate::chain::keyring::{FILE_BYTES, KeyRing, NoNextKey, SLOT_BYTES};
use crate::chain::storage::Storage;
use crate::memory::OutOfMemory;
use alloc::vec::Vec;
use zeroize::Zeroizing;

/// How many records one key may be in force for.
pub const KEY_RECORDS_MAX: u64 = 65_536;
/// How long one key may be in force, in seconds; then the next record changes it.
pub const KEY_SECONDS_MAX: u64 = 900;
/// The first record so many seconds after the last checkpoint is one, too.
pub const CHECKPOINT_SECONDS_MAX: u64 = 10;

/// Why there is no next key, or none at all.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failed<E> {
    /// The key file cannot be read or written.
    Storage(E),
    /// The key file is damaged, or of another chain.
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

/// What the next record is signed with.
#[derive(Debug)]
pub struct Prepared<E> {
    /// A key that comes into force.
    pub signer: Option<Signer>,
    /// Whether the record is a checkpoint.
    pub is_checkpoint: bool,
    /// Why the key was not changed though it should have been, or why the old
    /// one may still be in the file.
    pub failed: Option<Failed<E>>,
}

/// A key that has come into force, and what kept the one before it from being
/// destroyed.
type Changed<E> = Result<(Signer, Option<Failed<E>>), Failed<E>>;

/// The keys of one chain, in one life of its writer.
#[derive(Debug)]
pub struct Rotation<S> {
    file: S,
    chain: ChainId,
    /// The key in force; `None` before the first record.
    index: Option<u32>,
    /// Whether the key that the file has in force has sealed nothing.
    is_unused: bool,
    has_signer: bool,
    key: Since,
    checkpoint: Since,
}

/// How long ago something was.
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
    /// Opens a key file, and returns with it since when its newest key is in
    /// force; `None` for key 0.
    pub fn open(file: S, chain: ChainId) -> Result<(Self, Option<Handover>), Failed<S::Error>> {
        let (key, checkpoint) = (Since::default(), Since::default());
        let opened =
            Rotation { file, chain, index: None, is_unused: false, has_signer: false, key, checkpoint };
        let newest = opened.read()?.0.newest_handover().copied();
        Ok((opened, newest))
    }

    /// Keeps the key that the file has in force for the first record: the key
    /// has sealed nothing that can have been handed on.
    pub fn keep_key(&mut self) {
        self.is_unused = true;
    }

    /// Prepares for the next record of `chain`. `now` counts the seconds of a
    /// clock that nobody sets, `random` fills what it is given, or says that it
    /// cannot. The record is a checkpoint if `must_sign` says so.
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

    /// Puts the next key into force, and returns it with what kept the old one
    /// from being destroyed. If the next key cannot be written down, the old
    /// one stays, and is returned if it was not in force before.
    #[inline(never)]
    fn change_key(
        &mut self,
        chain: &Chain,
        random: &mut impl FnMut(&mut [u8; 32]) -> bool,
    ) -> (Option<Signer>, Option<Failed<S::Error>>) {
        let (ring, slot) = match self.read() {
            Ok(read) => read,
            Err(failed) => return (None, Some(failed)),
        };
        // Another writer has gone on from here: this one goes on without.
        if *self.index.get_or_insert(ring.index()) != ring.index() {
            return (None, Some(Failed::Foreign));
        }
        let changed = if core::mem::take(&mut self.is_unused) {
            self.keep(&ring, slot)
        } else {
            self.hand_over(&ring, slot, chain, random)
        };
        match changed {
            Ok((signer, failed)) => (Some(signer), failed),
            Err(failed) if self.has_signer => (None, Some(failed)),
            Err(failed) => (ring.signer().ok(), Some(failed)),
        }
    }

    fn keep(&self, ring: &KeyRing, slot: usize) -> Changed<S::Error> {
        let signer = ring.signer()?;
        // The key before it may still be there.
        let destroyed = self.write(&zeros(SLOT_BYTES)?, 1 - slot);
        Ok((signer, destroyed.err()))
    }

    fn hand_over(
        &mut self,
        ring: &KeyRing,
        slot: usize,
        chain: &Chain,
        random: &mut impl FnMut(&mut [u8; 32]) -> bool,
    ) -> Changed<S::Error> {
        let next = ring.hand_over(chain.next, chain.head, random)?;
        let signer = next.signer()?;
        let mut bytes = zeros(SLOT_BYTES)?;
        next.write_slot(&mut bytes);
        let written = self.write(&bytes, 1 - slot);
        bytes.fill(0);
        if let Err(failed) = written {
            // What has been written of it may be whole.
            let _ = self.write(&bytes, 1 - slot);
            return Err(failed);
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

/// Memory that is wiped when it goes.
fn zeros(len: usize) -> Result<Zeroizing<Vec<u8>>, OutOfMemory> {
    let mut bytes = Zeroizing::new(Vec::new());
    bytes.try_reserve_exact(len).map_err(|_| OutOfMemory)?;
    bytes.resize(len, 0);
    Ok(bytes)
}
