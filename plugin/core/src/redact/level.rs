//! A tape that is being walked, and the walk's way into it.

use crate::memory::OutOfMemory;
use crate::policy::paths::{self, PathState, Verdict};
use crate::record::tape::{Kind, Tape};
use alloc::vec::Vec;

/// The frame is that of an array.
pub(super) const NO_KEY: u32 = u32::MAX;

/// A tape that is being walked.
#[derive(Debug, Default)]
pub(super) struct Level {
    pub(super) tape: Tape,
    /// What the tape was read from, if it was a string.
    pub(super) text: Vec<u8>,
    pub(super) open: Vec<Frame>,
    /// The path of that string, and what stands before every path in it.
    pub(super) path: Vec<u8>,
    /// The node to look at next.
    pub(super) next: usize,
    /// Where the walk starts, and what is said of all that is in it.
    pub(super) start: Place,
}

/// Where in the policy's paths a value is, and what holds for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) path: PathState,
    pub(super) verdict: Verdict,
}

impl Default for Place {
    fn default() -> Self {
        Place { path: paths::START, verdict: Verdict::None }
    }
}

/// A container whose contents are being walked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) end: u32,
    /// The key of the member that is being looked at.
    pub(super) key: u32,
    pub(super) place: Place,
}

impl Level {
    pub(super) fn begin(&mut self, start: Place) {
        self.open.clear();
        self.next = 0;
        self.start = start;
    }

    pub(super) fn open(&mut self, container: usize, place: Place) -> Result<(), OutOfMemory> {
        let node = &self.tape.nodes[container];
        let key = if node.kind == Kind::Object { container as u32 } else { NO_KEY };
        if self.open.len() == self.open.capacity() {
            self.open.try_reserve(16).map_err(|_| OutOfMemory)?;
        }
        self.open.push(Frame { end: node.next, key, place });
        Ok(())
    }
}

/// What holds for a value: what is said of itself, or else of what it is in.
pub(super) fn deeper(own: Verdict, outer: Verdict) -> Verdict {
    if own == Verdict::None { outer } else { own }
}
