//! Instructions that walk an object or an array.
//!
//! Each has a frame that says where it is. It goes on here whenever the check
//! of a member or an item has come back.

use super::layout::*;
use super::machine::{Frame, Machine, Next, NotChecked, length};
use super::program::{Check, Name, Table};
use super::text;
use crate::tape::{ESCAPED, Node, PATCHED, REMOVED};

/// Where the operands of [`OBJECT`], [`ARRAY`] and [`CONTAINS`] stand.
const MIN_PATH: usize = 1;
const MIN: usize = 2;
const MAX_PATH: usize = 3;
const MAX: usize = 4;
/// Of other members, of items, of what is contained.
const CHECK: usize = 5;
const TABLE: usize = CHECK + CHECK_WORDS;
const PATTERNS: usize = TABLE + TABLE_WORDS;
const PATTERN_WORDS: usize = 1 + CHECK_WORDS;
const FIRST_ITEMS: usize = CHECK + CHECK_WORDS;

impl Machine<'_> {
    pub(super) fn start_walk(&mut self, instruction: u8) -> Next {
        let (node, after) = (self.node, self.tape.after(self.node));
        // Each member or item is a step, and has a node at least.
        match self.steps.checked_sub((after - node) as u32) {
            Some(steps) => self.steps = steps,
            None => return self.stop(NotChecked::TooManySteps),
        }
        if let Err(cause) = self.push() {
            return self.stop(cause);
        }
        if let Some(frame) = self.frames.last_mut() {
            frame.next = node as u32 + 1;
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

    /// Checks the members of an object, from the one that the topmost frame is
    /// at.
    pub(super) fn walk_object(&mut self) -> Next {
        let Some(frame) = self.frames.last() else {
            return Next::Passed;
        };
        if length(self.program.word(frame.at as usize)) > PATTERNS {
            return self.walk_patterned();
        }
        self.walk_plain()
    }

    /// Without patterns, a member has one check.
    #[inline(never)]
    fn walk_plain(&mut self) -> Next {
        let Some(frame) = self.frames.last() else {
            return Next::Passed;
        };
        let (at, object) = (frame.at as usize, frame.node as usize);
        let (mut next, mut count, mut seen) = (frame.next as usize, frame.count, frame.seen);
        let (tape, source) = (self.tape, self.source);
        let table = self.program.table(self.program.words(at + TABLE));
        let others = Check::at(&self.program, at + CHECK);
        let end = tape.after(object);
        let members = tape.nodes.get(..end).unwrap_or_default();
        while let (Some(key), Some(value)) = (members.get(next), members.get(next + 1)) {
            let value_at = next + 1;
            next = if value.is_container() { value.next as usize } else { next + 2 };
            let name = if key.flags & (ESCAPED | PATCHED | REMOVED) == 0 {
                let (start, len) = text::place(key);
                table.find(source, start, len)
            } else if key.has(REMOVED) {
                continue;
            } else {
                match self.find_odd(&table, key) {
                    Ok(name) => name,
                    Err(cause) => return self.stop(cause),
                }
            };
            count += 1;
            let check = match name {
                Some(name) => {
                    seen |= name.required();
                    if name.is_property() { name.check() } else { others }
                }
                None => others,
            };
            if check.mask != types::ALL && !self.is_of(check.mask, value_at) {
                if self.fail(check.path, value_at) {
                    continue;
                }
                return Next::Failed;
            }
            if check.code == 0 {
                continue;
            }
            (self.pc, self.node) = (check.code as usize, value_at);
            match self.assertions() {
                Next::Passed => {}
                Next::Run => {
                    if let Some(frame) = self.frames.last_mut() {
                        (frame.next, frame.count, frame.seen) = (next as u32, count, seen);
                    }
                    return Next::Run;
                }
                other => return other,
            }
        }
        self.end_object(&table, count, seen)
    }

    #[inline(never)]
    fn find_odd<'t>(&mut self, table: &Table<'t>, key: &Node) -> Result<Option<Name<'t>>, NotChecked> {
        let text = text::of(self.tape, self.source, key, self.scratch)?;
        Ok(table.find(text, 0, text.len()))
    }

    /// With patterns, a member may have several checks.
    #[inline(never)]
    fn walk_patterned(&mut self) -> Next {
        let Some(mut frame) = self.frames.last().copied() else {
            return Next::Passed;
        };
        let at = frame.at as usize;
        let tape = self.tape;
        let table = self.program.table(self.program.words(at + TABLE));
        let patterns = length(self.program.word(at)).saturating_sub(PATTERNS) / PATTERN_WORDS;
        let end = tape.after(frame.node as usize);
        while (frame.next as usize) < end {
            let key = frame.next as usize;
            let node = &tape.nodes[key];
            let check = match frame.step as usize {
                0 if node.has(REMOVED) => {
                    frame.next = tape.after(key + 1) as u32;
                    continue;
                }
                0 => {
                    frame.count += 1;
                    frame.step = 1;
                    let name = match self.find_odd(&table, node) {
                        Ok(Some(name)) => name,
                        Ok(None) => continue,
                        Err(cause) => return self.stop(cause),
                    };
                    frame.seen |= name.required();
                    if !name.is_property() {
                        continue;
                    }
                    frame.is_known = true;
                    name.check()
                }
                step if step <= patterns => {
                    frame.step += 1;
                    let pattern = at + PATTERNS + PATTERN_WORDS * (step - 1);
                    match self.is_match(node, self.program.word(pattern)) {
                        Ok(false) => continue,
                        Ok(true) => {
                            frame.is_known = true;
                            Check::at(&self.program, pattern + 1)
                        }
                        Err(cause) => return self.stop(cause),
                    }
                }
                _ if !frame.is_known => {
                    frame.is_known = true;
                    Check::at(&self.program, at + CHECK)
                }
                _ => {
                    (frame.step, frame.is_known) = (0, false);
                    frame.next = tape.after(key + 1) as u32;
                    continue;
                }
            };
            match self.start(check, key + 1) {
                Next::Passed => {}
                next => {
                    self.keep(&frame);
                    return next;
                }
            }
        }
        self.end_object(&table, frame.count, frame.seen)
    }

    /// What is asserted of an object as a whole.
    fn end_object(&mut self, table: &Table<'_>, count: u32, seen: u64) -> Next {
        let Some(frame) = self.frames.last().copied() else {
            return Next::Passed;
        };
        let next = self.leave(&frame);
        let are_there = table.are_all(seen) || self.has_required(table, seen, frame.node as usize);
        if are_there && self.has_count(&frame, count) { next } else { Next::Failed }
    }

    /// False as in [`Machine::fail`].
    #[inline(never)]
    fn has_required(&mut self, table: &Table<'_>, seen: u64, object: usize) -> bool {
        let mut missing = table.required().filter(|name| name.required() & !seen != 0);
        missing.all(|name| self.fail(name.required_path(), object))
    }

    /// Checks the count of what was walked. False as in [`Machine::fail`].
    fn has_count(&mut self, frame: &Frame, count: u32) -> bool {
        let operand = |at: usize| self.program.word(frame.at as usize + at);
        let (is_low, is_high) = (count < operand(MIN), count > operand(MAX));
        if !is_low && !is_high {
            return true;
        }
        let (min_path, max_path) = (operand(MIN_PATH), operand(MAX_PATH));
        let node = frame.node as usize;
        (!is_low || self.fail(min_path, node)) && (!is_high || self.fail(max_path, node))
    }

    /// Puts the frame back on top of the stack, as it is now.
    fn keep(&mut self, frame: &Frame) {
        if let Some(top) = self.frames.last_mut() {
            *top = *frame;
        }
    }

    /// Checks the names of the members, from the one that the topmost frame is
    /// at.
    pub(super) fn walk_names(&mut self) -> Next {
        let Some(mut frame) = self.frames.last().copied() else {
            return Next::Passed;
        };
        let end = self.tape.after(frame.node as usize);
        while (frame.next as usize) < end {
            let key = frame.next as usize;
            frame.next = self.tape.after(key + 1) as u32;
            if self.tape.nodes[key].has(REMOVED) {
                continue;
            }
            self.keep(&frame);
            return self.enter(frame.at as usize + 1, key);
        }
        self.leave(&frame)
    }

    /// Checks the items of an array, from the one that the topmost frame is at.
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
        let Some(frame) = self.frames.last().copied() else {
            return Next::Passed;
        };
        let next = self.leave(&frame);
        if self.has_count(&frame, count) { next } else { Next::Failed }
    }

    /// Counts the items that a subschema holds for, from the one that the
    /// topmost frame is at.
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
        let frame = *frame;
        let next = self.leave(&frame);
        if self.has_count(&frame, frame.count) { next } else { Next::Failed }
    }
}
