//! Saves the progress of a chain, and its last checkpoint.

use crate::chain::anchor;
use crate::chain::id::Chain;
use crate::chain::state::{Look, Slot, State, look_offset, slot_offset};
use crate::chain::storage::Storage;
use alloc::vec::Vec;

/// The state file of a chain in which a writer has opened a segment.
#[derive(Debug)]
pub struct StateWriter<S> {
    file: S,
    /// The slot to write next.
    slot: usize,
    /// The last look at the clock.
    look: Look,
    /// True if the last look is in the file.
    has_look: bool,
    /// The look to write next.
    look_slot: usize,
}

impl<S: Storage> StateWriter<S> {
    /// Continues with the file that `state` was read from. `chain` is the chain to
    /// continue. `now` is the time of a monotonic clock, in seconds.
    pub fn new(file: S, state: &State, chain: &Chain, now: u64) -> Self {
        let look = state.look.unwrap_or_else(|| Look::first(chain, now));
        let has_look = state.look.is_some();
        StateWriter { file, slot: 1 - state.slot_index, look, has_look, look_slot: 1 - state.look_index }
    }

    /// Saves the progress of the chain.
    pub fn write(&mut self, chain: &Chain, now: u64) -> Result<(), S::Error> {
        self.file.write_at(&Slot::of(chain, now).to_bytes(), slot_offset(self.slot))?;
        self.slot = 1 - self.slot;
        let next = self.look.next(chain, now);
        if next.is_some() || !self.has_look {
            let look = next.unwrap_or(self.look);
            self.file.write_at(&look.to_bytes(), look_offset(self.look_slot))?;
            (self.look, self.has_look, self.look_slot) = (look, true, 1 - self.look_slot);
        }
        Ok(())
    }

    /// Makes everything written so far survive a loss of power.
    pub fn sync(&self) -> Result<(), S::Error> {
        self.file.sync()
    }
}

/// The file in which the last checkpoint is left for others.
#[derive(Debug)]
pub struct AnchorWriter<S> {
    file: S,
    /// The number of writes so far.
    count: u64,
}

impl<S: Storage> AnchorWriter<S> {
    /// Continues with a file, whatever it contains.
    pub fn open(file: S) -> Result<Self, S::Error> {
        let mut bytes = Vec::new();
        let mut count = 0;
        if bytes.try_reserve_exact(anchor::FILE_BYTES).is_ok() {
            bytes.resize(anchor::FILE_BYTES, 0);
            let read = file.read_at(&mut bytes, 0)?;
            count = bytes.get(..read).and_then(anchor::from_file).map_or(0, |(count, _)| count);
        }
        Ok(AnchorWriter { file, count })
    }

    /// Leaves a checkpoint. If there is no memory, or the checkpoint is too long, it is
    /// left out: its record contains it, too.
    pub fn write(&mut self, checkpoint: &[u8]) -> Result<(), S::Error> {
        let Ok(slot) = anchor::to_slot(self.count + 1, checkpoint) else {
            return Ok(());
        };
        self.count += 1;
        self.file.write_at(&slot, anchor::slot_offset(self.count))
    }
}
