//! The state file: found in a preopened directory, kept open, written in place.

use crate::abi::{Access, File, Lock, clocks, find_in_preopens, seconds};
use crate::keys::Keys;
use flb_audit_core::chain::keyring;
use flb_audit_core::chain::state::{FILE_BYTES, FILE_NAME, State};
use flb_audit_core::chain::storage::Storage;
use flb_audit_core::chain::writer::StateWriter;
use flb_audit_core::chain::{Chain, Run};
use flb_audit_core::record::notes::Notes;

/// A segment of the chain in the state directory.
pub(crate) struct Segment {
    pub(crate) chain: Chain,
    /// The notes of the first record.
    pub(crate) notes: Notes,
    pub(crate) state: StateWriter<File>,
    pub(crate) keys: Option<Keys>,
    /// Held until the segment's key is in force.
    pub(crate) lock: Option<Lock>,
}

/// The name of the file that says that a filter is about to put a key into force.
const LOCK_NAME: &str = "chain.lock";

impl Segment {
    /// Opens the first state file among the accessible paths, and in it a new segment. If
    /// that fails, returns the notes about it for the first record.
    pub(crate) fn open(run: Run) -> Result<Segment, Notes> {
        let file = match find_in_preopens(FILE_NAME, Access::ReadAndWrite) {
            Ok(Some(file)) => file,
            Ok(None) => return Err(Notes::NO_STATE),
            Err(_) => return Err(Notes::STATE_NOT_WRITABLE),
        };
        let lock = Lock::take(LOCK_NAME, keyring::FILE_NAME);
        let mut bytes = [0; FILE_BYTES];
        let read = file.read_at(&mut bytes, 0).map_err(|_| Notes::STATE_NOT_WRITABLE)?;
        let state = State::read(&bytes[..read.min(FILE_BYTES)]).ok_or(Notes::STATE_DAMAGED)?;
        let (mut keys, newest, key_notes) = match Keys::open(state.header.id) {
            Ok(Some((keys, newest, notes))) => (Some(keys), newest, notes),
            Ok(None) => (None, None, Notes::NONE),
            Err(notes) => (None, None, notes),
        };
        let mut opened = state.open_segment(run, newest.as_ref(), clocks());
        if let Some(keys) = keys.as_mut().filter(|_| opened.is_key_unused) {
            keys.rotation.keep_key();
        }
        opened.notes.insert(key_notes);
        let now = seconds();
        let mut writer = StateWriter::new(file, &state, &opened.chain, now);
        // This is saved before the first record, so that no other life takes the
        // segment's number.
        let written = writer.write(&opened.chain, now).and_then(|()| writer.sync());
        written.map_err(|_| Notes::STATE_NOT_WRITABLE)?;
        Ok(Segment { chain: opened.chain, notes: opened.notes, state: writer, keys, lock })
    }
}
