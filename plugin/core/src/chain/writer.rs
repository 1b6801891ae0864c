//! Writing down how far a chain has come, and its last checkpoint.

use crate::chain::anchor;
use crate::chain::id::Chain;
use crate::chain::state::{Slot, State, slot_offset};
use crate::chain::storage::Storage;
use alloc::vec::Vec;

/// How far apart two looks at the clock are at least, in seconds: records that
/// were sealed before the last look but one are settled.
pub const SETTLED_SECONDS: u64 = 10;

/// The state file of a chain, of which a writer has opened a segment.
#[derive(Debug)]
pub struct StateWriter<S> {
    file: S,
    /// The slot that is written next.
    slot: usize,
    /// When the clock was last looked at, and how many records the segment had.
    tick: (u64, u64),
    /// How many records the segment had one look before.
    settled: u64,
}

impl<S: Storage> StateWriter<S> {
    /// Goes on with the file that `state` was read from.
    pub fn new(file: S, state: &State, now: u64) -> Self {
        StateWriter { file, slot: 1 - state.slot_index, tick: (now, 0), settled: 0 }
    }

    /// Writes down how far the chain has come. `now` counts the seconds of a
    /// clock that nobody sets.
    pub fn write(&mut self, chain: &Chain, now: u64) -> Result<(), S::Error> {
        if now.saturating_sub(self.tick.0) >= SETTLED_SECONDS {
            self.settled = self.tick.1;
            self.tick = (now, chain.next.sequence);
        }
        self.file.write_at(&Slot::of(chain, self.settled).to_bytes(), slot_offset(self.slot))?;
        self.slot = 1 - self.slot;
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
