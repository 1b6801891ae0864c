//! The walk over arrays.

use super::layout::*;
use super::machine::{Machine, Next, length};
use super::not_checked::NotChecked;
use super::program::Check;
use super::walk::{CHECK, FIRST_ITEMS};

impl Machine<'_> {
    /// Checks an array whose items have one common check without code.
    #[inline(never)]
    pub(super) fn flat_array(&mut self) -> Next {
        let (tape, at, array) = (self.tape, self.pc, self.node);
        let end = tape.after(array);
        let Some(steps) = self.steps.checked_sub((end - array) as u32) else {
            return self.stop(NotChecked::TooManySteps);
        };
        self.steps = steps;
        let check = Check::at(&self.program, at + CHECK);
        let (mut item, mut count) = (array + 1, 0);
        let items = tape.nodes.get(..end).unwrap_or_default();
        while let Some(node) = items.get(item) {
            if !self.is_of(check.mask, node) && !self.fail(check.path, item) {
                return Next::Failed;
            }
            item = if node.is_container() { node.next as usize } else { item + 1 };
            count += 1;
        }
        if self.has_count(at as u32, array as u32, count) { Next::Passed } else { Next::Failed }
    }

    /// Checks the items of an array, from the item of the topmost frame on.
    #[inline(never)]
    pub(super) fn walk_array(&mut self) -> Next {
        let Some(frame) = self.frames.last() else {
            return Next::Passed;
        };
        let (at, array) = (frame.at as usize, frame.node as usize);
        let (mut item, mut count) = (frame.next as usize, frame.count);
        let firsts = length(self.program.word(at)).saturating_sub(FIRST_ITEMS) / CHECK_WORDS;
        let others = Check::at(&self.program, at + CHECK);
        let end = self.tape.after(array);
        while item < end {
            let index = count as usize;
            let check = if index < firsts {
                Check::at(&self.program, at + FIRST_ITEMS + CHECK_WORDS * index)
            } else {
                others
            };
            let this = item;
            item = self.tape.after(this);
            count += 1;
            match self.start(check, this) {
                Next::Passed => {}
                next => {
                    if let Some(frame) = self.frames.last_mut() {
                        (frame.next, frame.count) = (item as u32, count);
                    }
                    return next;
                }
            }
        }
        let Some(frame) = self.leave() else {
            return Next::Passed;
        };
        if self.has_count(frame.at, frame.node, count) { Next::Run } else { Next::Failed }
    }

    /// Counts the items for which a subschema holds, from the item of the topmost frame
    /// on.
    pub(super) fn walk_contains(&mut self) -> Next {
        let Some(frame) = self.frames.last_mut() else {
            return Next::Passed;
        };
        let item = frame.next as usize;
        if item < self.tape.after(frame.node as usize) {
            frame.next = self.tape.after(item) as u32;
            let at = frame.at as usize;
            return self.enter(at + CHECK, item);
        }
        let Some(frame) = self.leave() else {
            return Next::Passed;
        };
        if self.has_count(frame.at, frame.node, frame.count) { Next::Run } else { Next::Failed }
    }
}
