//! The ledger's own chain.
//!
//! It seals records that come without a seal, and the ledger's statements. Its
//! state file names it, and says how far it has come; where the files and the
//! manifests say more, they are right: the state is written after them.

use crate::keys::Keys;
use crate::record_index::RecordId;
use crate::{Error, Named, Result};
use flb_audit_core::chain::anchor;
use flb_audit_core::chain::state::{FILE_BYTES, FILE_NAME, Slot, State, slot_offset};
use flb_audit_core::chain::{Chain, ChainId, Place, Run};
use flb_audit_core::hash::Hash;
use flb_audit_core::policy::Policy;
use flb_audit_core::redact::{HmacKey, KEY_FILE_BYTES_MAX, KEY_FILE_NAME, Redactor};
use flb_audit_core::{Event, Sealer};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The chain, as this life goes on with it.
pub(crate) struct Own {
    sealer: Sealer<'static>,
    keys: Option<Keys>,
    file: File,
    path: PathBuf,
    /// The slot that is written next.
    slot: usize,
    anchors: Option<Anchors>,
}

/// The file in which the last checkpoint is left for others.
struct Anchors {
    file: File,
    path: PathBuf,
    /// How often it has been written.
    count: u64,
    /// What is in it.
    last: Vec<u8>,
}

/// The state file, read.
pub(crate) struct Found {
    state: State,
    file: File,
    path: PathBuf,
}

/// The last record of the chain that something knows.
pub(crate) type Tail = (Place, Hash);

impl Found {
    /// Finds the chain of a directory.
    pub(crate) fn open(directory: &Path) -> Result<Found> {
        let path = directory.join(FILE_NAME);
        let mut file = match OpenOptions::new().read(true).write(true).open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Error::new(format!(
                    "{FILE_NAME} is not in the ledger's directory: `flb-audit init DIR --node NAME` makes it"
                )));
            }
            file => file.named(&path)?,
        };
        let mut bytes = Vec::new();
        (&mut file).take(FILE_BYTES as u64).read_to_end(&mut bytes).named(&path)?;
        match State::read(&bytes) {
            Some(state) => Ok(Found { state, file, path }),
            None => Err(Error::new(format!("{}: damaged", path.display()))),
        }
    }

    /// The chain's name.
    pub(crate) fn chain(&self) -> ChainId {
        self.state.header.id
    }

    /// Opens a new segment of the chain, which goes on from what is known last.
    pub(crate) fn go_on(
        mut self,
        directory: &Path,
        tail: Option<Tail>,
        policy: Option<Policy<'static>>,
    ) -> Result<Own> {
        if let Some((place, head)) = tail {
            let order = |place: Place| (place.segment, place.sequence);
            let slot = self.state.slot.get_or_insert(Slot { segment: 0, last: None, head });
            slot.segment = slot.segment.max(place.segment);
            if slot.last.map(order) < Some(order(place)) {
                (slot.last, slot.head) = (Some(place), head);
            }
        }
        let mut random = [0; 6];
        getrandom::fill(&mut random).map_err(|error| Error::new(error.to_string()))?;
        let (chain, notes) = self.state.open_segment(Run::from_random(random));
        let keys = Keys::open(directory, chain.id)?;
        let redactor = policy.map(|policy| Redactor::new(policy, hmac_key(directory)));
        let sealer = Sealer::new(chain, notes, redactor)?;
        let slot = 1 - self.state.slot_index;
        Ok(Own { sealer, keys, file: self.file, path: self.path, slot, anchors: Anchors::open(directory)? })
    }
}

impl Anchors {
    /// None if the chain has no such file.
    fn open(directory: &Path) -> Result<Option<Anchors>> {
        let path = directory.join(anchor::FILE_NAME);
        let mut file = match OpenOptions::new().read(true).write(true).open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file.named(&path)?,
        };
        let mut bytes = Vec::new();
        (&mut file).take(anchor::FILE_BYTES as u64).read_to_end(&mut bytes).named(&path)?;
        let (count, last) = anchor::from_file(&bytes).unwrap_or_default();
        Ok(Some(Anchors { file, path, count, last: last.to_vec() }))
    }

    fn write(&mut self, checkpoint: &[u8]) -> Result<()> {
        if checkpoint.is_empty() || checkpoint == self.last {
            return Ok(());
        }
        self.count += 1;
        let slot = anchor::to_slot(self.count, checkpoint)?;
        self.file
            .seek(SeekFrom::Start(anchor::slot_offset(self.count)))
            .and_then(|_| self.file.write_all(&slot))
            .named(&self.path)?;
        self.last = checkpoint.to_vec();
        Ok(())
    }
}

fn hmac_key(directory: &Path) -> Option<HmacKey> {
    let bytes = fs::read(directory.join(KEY_FILE_NAME)).ok()?;
    HmacKey::from_file(bytes.get(..bytes.len().min(KEY_FILE_BYTES_MAX))?)
}

impl Own {
    /// The chain, up to the record sealed last.
    pub(crate) fn chain(&self) -> &Chain {
        self.sealer.chain()
    }

    /// Seals a record. Gives with its text what makes it the same as another, and
    /// what its life goes on from.
    pub(crate) fn seal(&mut self, event: &Event<'_>) -> Result<(&[u8], RecordId, Option<Place>)> {
        if let Some(keys) = &mut self.keys {
            keys.prepare(&mut self.sealer, false)?;
        }
        let sequence = self.chain().next.sequence;
        self.sealer.seal(event);
        let Chain { id, next, head, link, .. } = *self.chain();
        let id = RecordId { life: next.life(id), sequence, head };
        Ok((without_nul(self.sealer.sealed()), id, link))
    }

    /// Seals what the ledger itself says, and signs it.
    pub(crate) fn state(&mut self, event: &Event<'_>) -> Result<&[u8]> {
        if let Some(keys) = &mut self.keys {
            keys.prepare(&mut self.sealer, true)?;
        }
        Ok(without_nul(self.sealer.seal_own(event)))
    }

    /// Writes down how far the chain has come, when what was sealed is stored.
    pub(crate) fn write(&mut self) -> Result<()> {
        if let (Some(anchors), Some(signer)) = (&mut self.anchors, self.sealer.signer()) {
            anchors.write(signer.anchor())?;
        }
        let slot = Slot::of(self.sealer.chain()).to_bytes();
        self.file
            .seek(SeekFrom::Start(slot_offset(self.slot)))
            .and_then(|_| self.file.write_all(&slot))
            .named(&self.path)?;
        self.slot = 1 - self.slot;
        Ok(())
    }
}

fn without_nul(sealed: &[u8]) -> &[u8] {
    sealed.strip_suffix(b"\0").unwrap_or(sealed)
}
