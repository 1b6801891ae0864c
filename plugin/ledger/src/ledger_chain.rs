//! The ledger's own chain.
//!
//! The chain seals records that come without a seal, and the ledger's statements. Its
//! state file has its name and its last record. If the journal has a later record, the
//! journal is right, because the state is written last.

use crate::batch::{Beginning, Entry};
use crate::journal::Journal;
use crate::keys::{self, ChainFile, Keys};
use crate::record_id::RecordId;
use crate::tail::{Secret, Tail};
use crate::{Error, Result};
use flb_audit_core::chain::signature::SIGNATURE_TEXT_BYTES;
use flb_audit_core::chain::state::{Clocks, FILE_BYTES, FILE_NAME, Header, Slot, State};
use flb_audit_core::chain::storage::Storage;
use flb_audit_core::chain::writer::{AnchorWriter, StateWriter};
use flb_audit_core::chain::{Chain, ChainId, Place, Run, anchor, keyring};
use flb_audit_core::policy::Policy;
use flb_audit_core::record::notes::Notes;
use flb_audit_core::redact::{HmacKey, KEY_FILE_BYTES_MAX, KEY_FILE_NAME, Redactor};
use flb_audit_core::{Event, Sealer};
use std::fs;
use std::path::Path;
use std::time::Instant;

/// The chain as this life continues it.
pub(crate) struct LedgerChain {
    sealer: Sealer<'static>,
    /// The notes of this life's first record.
    notes: Notes,
    keys: Option<Keys>,
    state: StateWriter<ChainFile>,
    anchors: Option<AnchorWriter<ChainFile>>,
    /// True if a checkpoint was sealed that has not been written to the anchor file yet.
    has_checkpoint: bool,
    /// The start of this life, from which its clock counts.
    start: Instant,
}

/// The chain of a directory, as its state file has it.
pub(crate) struct StoredChain {
    state: State,
    file: ChainFile,
    /// True if the state file was damaged and was repaired from the journal.
    pub(crate) is_mended: bool,
}

/// The purpose for which the journal's secret is derived.
const JOURNAL: &[u8] = b"flb-audit ledger journal v1\n";

impl StoredChain {
    /// Finds the chain of a directory, and opens its journal.
    pub(crate) fn open(directory: &Path) -> Result<(StoredChain, Journal)> {
        let Some(file) = ChainFile::open(directory, FILE_NAME)? else {
            return Err(Error::NotSetUp);
        };
        let ring = keys::read(directory)?;
        let secret = match &ring {
            Some(ring) => ring
                .secret_for(JOURNAL)
                .ok_or_else(|| Error::NoNextKey { path: directory.join(keyring::FILE_NAME) })?,
            None => Secret::default(),
        };
        let journal = Journal::open(directory, secret)?;
        let mut bytes = [0; FILE_BYTES];
        let read = file.read_at(&mut bytes, 0)?;
        let before = journal.appended.as_ref().map(|appended| &appended.before);
        let (state, is_mended) = match (bytes.get(..read).and_then(State::read), ring, before) {
            (Some(state), ..) => (state, state.slot.is_none() && before.is_some()),
            (None, Some(ring), Some(before)) => {
                let header = Header { id: ring.chain(), algorithm: before.algorithm };
                file.write_at(&header.to_file(), 0)?;
                (State::without_slots(header), true)
            }
            (None, ..) => return Err(file.damaged()),
        };
        Ok((StoredChain { state, file, is_mended }, journal))
    }

    /// The chain's name.
    pub(crate) fn chain(&self) -> ChainId {
        self.state.header.id
    }

    /// Opens a new segment of the chain, which continues from the last known record.
    pub(crate) fn go_on(
        mut self,
        directory: &Path,
        tail: Option<Tail>,
        policy: Option<Policy<'static>>,
    ) -> Result<LedgerChain> {
        if let Some((place, head)) = tail {
            let fresh = Slot { segment: 0, last: None, head, seconds: 0 };
            let slot = self.state.slot.get_or_insert(fresh);
            slot.segment = slot.segment.max(place.segment);
            // A damaged slot has nothing newer than the journal, which is written first.
            self.state.has_damaged_slot = false;
            // The journal is authenticated by a secret, and the state is not.
            if slot.last.map(|last| last.position()) <= Some(place.position()) {
                (slot.last, slot.head) = (Some(place), head);
            }
        }
        let mut random = [0; 6];
        getrandom::fill(&mut random)?;
        let keys = Keys::open(directory, self.state.header.id)?;
        let (mut keys, newest) = keys.map_or((None, None), |(keys, newest)| (Some(keys), newest));
        let mut opened =
            self.state.open_segment(Run::from_random(random), newest.as_ref(), Clocks::default());
        opened.notes.insert(keys.as_ref().map_or(Notes::NONE, Keys::notes));
        if let Some(keys) = keys.as_mut().filter(|_| opened.is_key_unused) {
            keys.keep_key();
        }
        let redactor = policy.map(|policy| Redactor::new(policy, hmac_key(directory)));
        let mut state = StateWriter::new(self.file, &self.state, &opened.chain, 0);
        // The state is written before the first key is used, so that a restored older
        // state is recognised by its number.
        state.write(&opened.chain, 0)?;
        state.sync()?;
        let notes = opened.notes;
        let sealer = Sealer::new(opened.chain, notes, redactor)?;
        let anchors = ChainFile::open(directory, anchor::FILE_NAME)?.map(AnchorWriter::open).transpose()?;
        Ok(LedgerChain { sealer, notes, keys, state, anchors, has_checkpoint: false, start: Instant::now() })
    }
}

fn hmac_key(directory: &Path) -> Option<HmacKey> {
    let bytes = fs::read(directory.join(KEY_FILE_NAME)).ok()?;
    HmacKey::from_file(bytes.get(..bytes.len().min(KEY_FILE_BYTES_MAX))?)
}

impl LedgerChain {
    /// Returns the chain up to the record sealed last.
    pub(crate) fn chain(&self) -> &Chain {
        self.sealer.chain()
    }

    /// Returns the reason why verifiers will not believe the ledger's statements, if there is
    /// one.
    pub(crate) fn distrust(&self) -> Option<&'static str> {
        self.keys.as_ref().and_then(Keys::distrust)
    }

    /// Seals a record. Returns its line and its entry.
    pub(crate) fn seal(&mut self, event: &Event<'_>) -> Result<(&[u8], Entry)> {
        if let Some(keys) = &mut self.keys {
            self.has_checkpoint |= keys.prepare(&mut self.sealer, false)?;
        }
        let Chain { next: Place { sequence, .. }, head: prev, .. } = *self.chain();
        self.sealer.seal(event);
        let Chain { id, next, head, link, .. } = *self.chain();
        let line = without_nul(self.sealer.sealed());
        let is_checkpoint = is_signed(line);
        let entry = Entry {
            id: RecordId { life: next.life(id), sequence, head },
            prev: Some(prev),
            is_checkpoint,
            keys: self.sealer.signer().filter(|_| is_checkpoint).map(|signer| [signer.index(); 2]),
            beginning: (sequence == 0).then_some(Beginning { link, notes: self.notes }),
            seconds: event.seconds.into(),
            len: line.len(),
        };
        Ok((line, entry))
    }

    /// Seals and signs a statement of the ledger.
    pub(crate) fn state(&mut self, event: &Event<'_>) -> Result<&[u8]> {
        if let Some(keys) = &mut self.keys {
            self.has_checkpoint |= keys.prepare(&mut self.sealer, true)?;
        }
        Ok(without_nul(self.sealer.seal_own(event)))
    }

    /// Writes down how far the chain has come. Called after what was sealed is stored.
    pub(crate) fn write(&mut self) -> Result<()> {
        if std::mem::take(&mut self.has_checkpoint)
            && let (Some(anchors), Some(signer)) = (&mut self.anchors, self.sealer.signer())
        {
            anchors.write(signer.anchor())?;
        }
        self.state.write(self.sealer.chain(), self.start.elapsed().as_secs())
    }
}

fn without_nul(sealed: &[u8]) -> &[u8] {
    sealed.strip_suffix(b"\0").unwrap_or(sealed)
}

/// Checks whether a line that was sealed here ends with a signature.
fn is_signed(line: &[u8]) -> bool {
    let behind = br#","sig":""#.len() + SIGNATURE_TEXT_BYTES + br#""}}"#.len();
    line.len().checked_sub(behind).is_some_and(|at| line[at..].starts_with(br#","sig":""#))
}
