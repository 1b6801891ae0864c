//! The common parts of the walks over objects and arrays.
//!
//! An instruction that walks has a frame with its position. It continues here whenever
//! the check of a member or an item has returned.

use super::layout::*;
use super::machine::{Frame, Machine, Next};
use super::not_checked::NotChecked;

/// The places of the operands of [`OBJECT`], [`ARRAY`] and [`CONTAINS`].
const MIN_PATH: usize = 1;
pub(super) const MIN: usize = 2;
const MAX_PATH: usize = 3;
pub(super) const MAX: usize = 4;
/// The check of other members, of items, or of contained items.
pub(super) const CHECK: usize = 5;
pub(super) const TABLE: usize = CHECK + CHECK_WORDS;
pub(super) const PATTERNS: usize = TABLE + TABLE_WORDS;
pub(super) const FIRST_ITEMS: usize = CHECK + CHECK_WORDS;

impl Machine<'_> {
    /// Starts the instruction that the machine is at, which walks the value.
    pub(super) fn start_walk(&mut self, instruction: u8) -> Next {
        if let Err(cause) = self.push_walk() {
            return self.stop(cause);
        }
        match instruction {
            OBJECT => self.walk_object(),
            NAMES => self.walk_names(),
            ARRAY => self.walk_array(),
            _ => {
                self.catch();
                self.walk_contains()
            }
        }
    }

    #[inline(always)]
    pub(super) fn push_walk(&mut self) -> Result<(), NotChecked> {
        let node = self.node;
        // Each member or item takes a step, and has at least one node.
        let nodes = (self.tape.after(node) - node) as u32;
        self.steps = self.steps.checked_sub(nodes).ok_or(NotChecked::TooManySteps)?;
        self.push(node as u32 + 1)
    }

    /// Checks the number of members or items. Returns false in the same case as
    /// [`Machine::fail`].
    pub(super) fn has_count(&mut self, at: u32, node: u32, count: u32) -> bool {
        let operand = |operand: usize| self.program.word(at as usize + operand);
        let (is_low, is_high) = (count < operand(MIN), count > operand(MAX));
        let (min_path, max_path) = (operand(MIN_PATH), operand(MAX_PATH));
        let node = node as usize;
        (!is_low || self.fail(min_path, node)) && (!is_high || self.fail(max_path, node))
    }

    /// Writes the current state of a frame back to the top of the stack.
    pub(super) fn keep(&mut self, frame: &Frame) {
        if let Some(top) = self.frames.last_mut() {
            *top = *frame;
        }
    }
}
