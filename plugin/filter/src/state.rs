//! The state file: found in a preopened directory, kept open, written in place.

use crate::abi::{Access, Errno, File, find_in_preopens};
use flb_audit_core::chain::state::{FILE_BYTES, FILE_NAME, Slot, State, slot_offset};
use flb_audit_core::chain::{Chain, Run};
use flb_audit_core::record::notes::Notes;

/// The file of one chain, of which this guest has opened a segment.
pub(crate) struct StateFile {
    file: File,
    /// The slot that is written next.
    slot: usize,
}

impl StateFile {
    /// Opens the first state file among the accessible paths, and in it a new
    /// segment. Without one it gives what the first record has to say of that.
    pub(crate) fn open(run: Run) -> Result<(StateFile, Chain, Notes), Notes> {
        let file = match find_in_preopens(FILE_NAME, Access::ReadAndWrite) {
            Ok(Some(file)) => file,
            Ok(None) => return Err(Notes::NO_STATE),
            Err(_) => return Err(Notes::STATE_NOT_WRITABLE),
        };
        let mut bytes = [0; FILE_BYTES];
        let read = file.read_at(&mut bytes, 0).map_err(|_| Notes::STATE_NOT_WRITABLE)?;
        let state = State::read(&bytes[..read.min(FILE_BYTES)]).ok_or(Notes::STATE_DAMAGED)?;
        let (chain, notes) = state.open_segment(run);
        let mut opened = StateFile { file, slot: 1 - state.slot_index };
        // Before the first record, so that no other life takes this number.
        opened.write(&chain).map_err(|_| Notes::STATE_NOT_WRITABLE)?;
        opened.file.sync().map_err(|_| Notes::STATE_NOT_WRITABLE)?;
        Ok((opened, chain, notes))
    }

    /// Writes down how far the chain has come.
    pub(crate) fn write(&mut self, chain: &Chain) -> Result<(), Errno> {
        self.file.write_at(&Slot::of(chain).to_bytes(), slot_offset(self.slot))?;
        self.slot = 1 - self.slot;
        Ok(())
    }
}
