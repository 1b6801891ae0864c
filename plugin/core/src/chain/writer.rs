//! Writing down how far a chain has come, and its last checkpoint.

use crate::chain::anchor;
use crate::chain::id::Chain;
use crate::chain::state::{Look, Slot, State, look_offset, slot_offset};
use crate::chain::storage::Storage;
use alloc::vec::Vec;

/// The state file of a chain, of which a writer has opened a segment.
#[derive(Debug)]
pub struct StateWriter<S> {
    file: S,
    /// The slot that is written next.
    slot: usize,
    /// The last look at the clock.
    look: Look,
    /// Whether it stands in the file.
    has_look: bool,
    /// Where the next look is written.
    look_slot: usize,
}

impl<S: Storage> StateWriter<S> {
    /// Goes on with the file that `state` was read from, and in which `chain` is to
    /// be continued. `now` counts the seconds of a clock that nobody sets.
    pub fn new(file: S, state: &State, chain: &Chain, now: u64) -> Self {
        let look = state.look.unwrap_or_else(|| Look::first(chain, now));
        let has_look = state.look.is_some();
        StateWriter { file, slot: 1 - state.slot_index, look, has_look, look_slot: 1 - state.look_index }
    }

    /// Writes down how far the chain has come.
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

    /// Makes what was written last through a loss of power.
    pub fn sync(&self) -> Result<(), S::Error> {
        self.file.sync()
    }
}

/// The file in which the last checkpoint is left for others.
#[derive(Debug)]
pub struct AnchorWriter<S> {
    file: S,
    /// How often it has been written.
    count: u64,
}

impl<S: Storage> AnchorWriter<S> {
    /// Goes on with a file, whatever is in it.
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

    /// Leaves a checkpoint. One for which there is no memory is left out: its
    /// record carries it, too.
    pub fn write(&mut self, checkpoint: &[u8]) -> Result<(), S::Error> {
        let Ok(slot) = anchor::to_slot(self.count + 1, checkpoint) else {
            return Ok(());
        };
        self.count += 1;
        self.file.write_at(&slot, anchor::slot_offset(self.count))
    }
}
