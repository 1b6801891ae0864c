//! The file in which the ledger writes down what it is about to do.
//!
//! The file has two slots of [`tail`], written in turn, and behind them the ring of
//! [`intents`]. It has its full length from the start, so that a full disk does not stop
//! it.

use crate::disk::private;
use crate::intents::{self, Digested, Intent};
use crate::tail::{self, Appended, Before, Secret, Target};
use crate::tree::Node;
use crate::{Named, Result};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The file's name.
pub(crate) const FILE_NAME: &str = "ledger.intents";
/// The place where the ring begins, in bytes.
const RING_AT: usize = 2 * tail::SLOT_BYTES;
const FILE_BYTES: usize = RING_AT + intents::SLOTS as usize * intents::SLOT_BYTES;

/// The journal's file, and its content when it was opened.
pub(crate) struct Journal {
    file: File,
    path: PathBuf,
    secret: Secret,
    /// The numbers of the last write of a tail and of an intent.
    counts: (u64, u64),
    /// Intents of earlier lives whose chunks have not come again, oldest first.
    earlier: Vec<Intent>,
    pub(crate) appended: Option<Appended>,
}

impl Journal {
    pub(crate) fn open(directory: &Path, secret: Secret) -> Result<Journal> {
        let path = directory.join(FILE_NAME);
        let mut file =
            private().read(true).write(true).create(true).truncate(false).open(&path).named(&path)?;
        let mut bytes = Vec::new();
        (&mut file).take(FILE_BYTES as u64).read_to_end(&mut bytes).named(&path)?;
        if bytes.len() < FILE_BYTES {
            let zeros = vec![0; FILE_BYTES - bytes.len()];
            let end = SeekFrom::Start(bytes.len() as u64);
            file.seek(end).and_then(|_| file.write_all(&zeros)).named(&path)?;
            bytes.extend_from_slice(&zeros);
        }
        let (tails, ring) = bytes.split_at(RING_AT);
        let slots = tails.chunks_exact(tail::SLOT_BYTES);
        let appended = slots.filter_map(|slot| tail::from_slot(&secret, slot)).max_by_key(|slot| slot.count);
        let (last, earlier) = intents::read(&secret, ring);
        let counts = (appended.as_ref().map_or(0, |appended| appended.count), last);
        Ok(Journal { file, path, secret, counts, earlier, appended })
    }

    /// Returns the secret that authenticates the journal.
    pub(crate) fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Removes and returns the intents of earlier lives for this chunk, oldest first.
    /// There are several if the chunk was stored in parts.
    pub(crate) fn take(&mut self, digest: &Digested) -> Vec<Intent> {
        self.earlier.extract_if(.., |intent| intent.digest == *digest).collect()
    }

    /// Writes down that a chunk is about to be stored. The next append syncs it to the
    /// disk.
    pub(crate) fn intend(&mut self, intent: &Intent) -> Result<()> {
        self.counts.1 += 1;
        let at = RING_AT as u64 + self.counts.1 % intents::SLOTS * intents::SLOT_BYTES as u64;
        self.write(at, &intents::to_slot(&self.secret, self.counts.1, intent))
    }

    /// Writes down the bytes that are about to be appended. If `is_synced`, the journal
    /// is on the disk when this returns.
    pub(crate) fn append(
        &mut self,
        before: &Before,
        target: Target,
        units: &[Node],
        is_synced: bool,
    ) -> Result<()> {
        self.counts.0 += 1;
        let slot = tail::to_slot(&self.secret, self.counts.0, before, target, units);
        self.write(self.counts.0 % 2 * tail::SLOT_BYTES as u64, &slot)?;
        if is_synced { self.file.sync_data().named(&self.path) } else { Ok(()) }
    }

    /// Forgets the intents, because all chunks have been answered.
    pub(crate) fn clear(&mut self) -> Result<()> {
        self.earlier.clear();
        self.write(RING_AT as u64, &vec![0; FILE_BYTES - RING_AT])
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        self.file.seek(SeekFrom::Start(at)).and_then(|_| self.file.write_all(bytes)).named(&self.path)
    }
}
