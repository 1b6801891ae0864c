//! The chain's keys: when the next one comes into force, and when a record is
//! a checkpoint.

use crate::abi::{self, Access, Errno, File, find_in_preopens};
use flb_audit_core::OutOfMemory;
use flb_audit_core::Sealer;
use flb_audit_core::chain::ChainId;
use flb_audit_core::chain::anchor;
use flb_audit_core::chain::checkpoint::CHECKPOINT_RECORDS_MAX;
use flb_audit_core::chain::keyring::{self, KeyRing, NoNextKey, SLOT_BYTES};
use flb_audit_core::record::notes::Notes;
use zeroize::Zeroizing;

/// How many records one key may be in force for.
const KEY_RECORDS_MAX: u64 = 65_536;
/// For how long, in seconds; then the next record changes it.
const KEY_SECONDS_MAX: u64 = 900;
/// The first record seconds after the last checkpoint is one,
/// too.
const CHECKPOINT_SECONDS_MAX: u64 = 10;

/// The keys of one chain, in this life of the filter.
pub(crate) struct Keys {
    file: File,
    /// The file for checkpoints, and how often it has been written.
    anchors: Option<(File, u64)>,
    chain: ChainId,
    /// The key in force; none before the first record.
    index: Option<u32>,
    key: Since,
    checkpoint: Since,
}

/// How long ago something was.
#[derive(Default)]
struct Since {
    records: u64,
    /// The time of it, in [`abi::seconds`].
    at: u64,
}

impl Since {
    fn is_over(&self, now: u64, records_max: u64, seconds_max: u64) -> bool {
        self.records >= records_max || now.saturating_sub(self.at) >= seconds_max
    }
}

impl Keys {
    /// Opens the first key file among the accessible paths; none if there is
    /// none.
    pub(crate) fn open(chain: ChainId) -> Result<Option<Keys>, Notes> {
        let file = match find_in_preopens(keyring::FILE_NAME, Access::ReadAndWrite) {
            Ok(Some(file)) => file,
            Ok(None) => return Ok(None),
            Err(_) => return Err(Notes::KEY_DAMAGED),
        };
        let keys = Keys {
            file,
            anchors: open_anchors(),
            chain,
            index: None,
            key: Since::default(),
            checkpoint: Since::default(),
        };
        keys.read().map_err(|_| Notes::KEY_DAMAGED)?;
        Ok(Some(keys))
    }

    /// Sees before each record whether it is to be a checkpoint, and under
    /// which key.
    pub(crate) fn prepare(&mut self, sealer: &mut Sealer) {
        let now = abi::seconds();
        if self.index.is_none() || self.key.is_over(now, KEY_RECORDS_MAX, KEY_SECONDS_MAX) {
            if self.change_key(sealer).is_err() {
                sealer.note(Notes::KEY_NOT_WRITTEN);
            }
            self.key = Since { records: 0, at: now };
            self.checkpoint = Since { records: CHECKPOINT_RECORDS_MAX, at: now };
        }
        if self.checkpoint.is_over(now, CHECKPOINT_RECORDS_MAX, CHECKPOINT_SECONDS_MAX) {
            sealer.sign_next();
            self.checkpoint = Since { records: 0, at: now };
        }
        self.key.records += 1;
        self.checkpoint.records += 1;
    }

    /// Leaves a checkpoint that has just been made where others find it.
    pub(crate) fn write_checkpoint(&mut self, sealer: &Sealer) {
        if let (Some((file, count)), Some(signer)) = (&mut self.anchors, sealer.signer())
            && self.checkpoint.records == 1
            && let Ok(slot) = anchor::to_slot(*count + 1, signer.anchor())
        {
            *count += 1;
            // Nothing depends on it here: the record carries the checkpoint.
            let _ = file.write_at(&slot, anchor::slot_offset(*count));
        }
    }

    /// Puts the next key into force. If it cannot be written down, the old
    /// one stays.
    #[inline(never)]
    fn change_key(&mut self, sealer: &mut Sealer) -> Result<(), Failed> {
        let (ring, slot) = self.read()?;
        // Another filter has gone on from here: this one goes on without.
        if *self.index.get_or_insert(ring.index()) != ring.index() {
            return Err(Failed);
        }
        let changed = self.hand_over(&ring, slot, sealer);
        if changed.is_err() && sealer.signer().is_none() {
            sealer.set_signer(ring.signer()?)?;
        }
        changed
    }

    fn hand_over(&mut self, ring: &KeyRing, slot: usize, sealer: &mut Sealer) -> Result<(), Failed> {
        let chain = sealer.chain();
        let next = ring.hand_over(chain.next, chain.head, &mut |seed| abi::fill_random(seed))?;
        let signer = next.signer()?;
        let mut bytes = zeros(SLOT_BYTES)?;
        next.write_slot(&mut bytes);
        let written = self.write(&bytes, 1 - slot);
        bytes.fill(0);
        if written.is_err() {
            // What has been written of it may be whole.
            let _ = self.write(&bytes, 1 - slot);
            return Err(Failed);
        }
        // The old key is destroyed before the new one is used.
        let destroyed = self.write(&bytes, slot);
        sealer.set_signer(signer)?;
        self.index = Some(next.index());
        Ok(destroyed?)
    }

    fn read(&self) -> Result<(KeyRing, usize), Failed> {
        let mut bytes = zeros(keyring::FILE_BYTES)?;
        let read = self.file.read_at(&mut bytes, 0)?;
        let (ring, slot) = bytes.get(..read).and_then(KeyRing::from_file).ok_or(Failed)?;
        if ring.chain() == self.chain { Ok((ring, slot)) } else { Err(Failed) }
    }

    fn write(&self, bytes: &[u8], slot: usize) -> Result<(), Errno> {
        self.file.write_at(bytes, KeyRing::slot_offset(slot))?;
        self.file.sync()
    }
}

fn open_anchors() -> Option<(File, u64)> {
    let file = find_in_preopens(anchor::FILE_NAME, Access::ReadAndWrite).ok()??;
    let mut bytes = zeros(anchor::FILE_BYTES).ok()?;
    let read = file.read_at(&mut bytes, 0).ok()?;
    let count = bytes.get(..read).and_then(anchor::from_file).map_or(0, |(count, _)| count);
    Some((file, count))
}

/// Memory that is wiped when it goes.
fn zeros(len: usize) -> Result<Zeroizing<Vec<u8>>, OutOfMemory> {
    let mut bytes = Zeroizing::new(Vec::new());
    bytes.try_reserve_exact(len).map_err(|_| OutOfMemory)?;
    bytes.resize(len, 0);
    Ok(bytes)
}

/// There is no next key: the one in force stays.
struct Failed;

macro_rules! failed_from {
    ($($error:ty),*) => {$(
        impl From<$error> for Failed {
            fn from(_: $error) -> Self {
                Failed
            }
        }
    )*};
}
failed_from!(Errno, NoNextKey, OutOfMemory);
