//! The file that says which chunks without seals are about to be stored.
//!
//! Records without a seal have no identity until the ledger has sealed them. So
//! that a chunk of them that comes again after a crash is recognised, its hash
//! is written down, with the places that its records will have in the ledger's
//! own chain, before the records are. A ring of slots; all integers are
//! little-endian.
//!
//! | bytes | slot |
//! |---|---|
//! | 0..8 | a number that grows with every write; 0: an empty slot |
//! | 8..40 | SHA-256 of the tag's length, the tag and the chunk |
//! | 40..48, 48..54 | segment and run of the places |
//! | 54..56 | zero |
//! | 56..64 | the first sequence number |
//! | 64..72 | how many records |
//! | 72..80 | the start of SHA-256 of bytes 0..72 |

use crate::{Named, Result};
use flb_audit_core::chain::{Place, Run};
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The file's name.
pub(crate) const FILE_NAME: &str = "ledger.intents";
/// How many chunks are remembered.
pub(crate) const SLOTS: u64 = 1024;
const SLOT_BYTES: usize = 80;

/// The hash of a chunk.
pub(crate) type Digested = [u8; 32];

/// A chunk that was about to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Intent {
    pub(crate) digest: Digested,
    /// Where its first record stands in the ledger's own chain.
    pub(crate) first: Place,
    /// How many records it has that came without a seal.
    pub(crate) count: u64,
}

/// The hash of a chunk under its tag.
pub(crate) fn digest(tag: &[u8], chunk: &[u8]) -> Digested {
    let mut hash = Sha256::new();
    hash.update((tag.len() as u64).to_le_bytes());
    hash.update(tag);
    hash.update(chunk);
    hash.finalize().into()
}

/// The file, and what it said when it was opened.
pub(crate) struct Intents {
    file: File,
    path: PathBuf,
    number: u64,
    /// Those of earlier lives that have not come again, oldest first.
    earlier: Vec<Intent>,
}

impl Intents {
    pub(crate) fn open(directory: &Path) -> Result<Intents> {
        let path = directory.join(FILE_NAME);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).named(&path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).named(&path)?;
        let mut found: Vec<(u64, Intent)> =
            bytes.as_chunks::<SLOT_BYTES>().0.iter().filter_map(read_slot).collect();
        found.sort_unstable_by_key(|(number, _)| *number);
        let number = found.last().map_or(0, |(number, _)| *number);
        // Room for all of it, so that a full disk does not stop it later.
        bytes.resize(SLOTS as usize * SLOT_BYTES, 0);
        file.seek(SeekFrom::Start(0)).and_then(|_| file.write_all(&bytes)).named(&path)?;
        let earlier = found.into_iter().map(|(_, intent)| intent).collect();
        Ok(Intents { file, path, number, earlier })
    }

    /// Takes out the intents of earlier lives for this chunk, oldest first. There
    /// are several if it was stored in parts.
    pub(crate) fn take(&mut self, digest: &Digested) -> Vec<Intent> {
        self.earlier.extract_if(.., |intent| intent.digest == *digest).collect()
    }

    /// Writes down that a chunk is about to be stored.
    pub(crate) fn write(&mut self, intent: &Intent, is_synced: bool) -> Result<()> {
        self.number += 1;
        let mut slot = [0; SLOT_BYTES];
        slot[..8].copy_from_slice(&self.number.to_le_bytes());
        slot[8..40].copy_from_slice(&intent.digest);
        slot[40..48].copy_from_slice(&intent.first.segment.to_le_bytes());
        slot[48..54].copy_from_slice(intent.first.run.as_bytes());
        slot[56..64].copy_from_slice(&intent.first.sequence.to_le_bytes());
        slot[64..72].copy_from_slice(&intent.count.to_le_bytes());
        let sum = Sha256::digest(&slot[..72]);
        slot[72..].copy_from_slice(&sum[..8]);
        let at = self.number % SLOTS * SLOT_BYTES as u64;
        self.file
            .seek(SeekFrom::Start(at))
            .and_then(|_| self.file.write_all(&slot))
            .and_then(|()| if is_synced { self.file.sync_data() } else { Ok(()) })
            .named(&self.path)
    }

    /// Forgets everything: all chunks have been answered.
    pub(crate) fn clear(&mut self) -> Result<()> {
        self.earlier.clear();
        let zeros = vec![0; SLOTS as usize * SLOT_BYTES];
        self.file.seek(SeekFrom::Start(0)).and_then(|_| self.file.write_all(&zeros)).named(&self.path)
    }
}

fn read_slot(slot: &[u8; SLOT_BYTES]) -> Option<(u64, Intent)> {
    let number = |at: usize| slot[at..].first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    if number(0)? == 0 || Sha256::digest(&slot[..72])[..8] != slot[72..] {
        return None;
    }
    let place = Place { segment: number(40)?, run: Run::from_text(&slot[48..54])?, sequence: number(56)? };
    Some((number(0)?, Intent { digest: *slot[8..].first_chunk()?, first: place, count: number(64)? }))
}
