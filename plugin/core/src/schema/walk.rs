//! Instructions that walk an object or an array.
//!
//! Each has a frame that says where it is. It goes on here whenever the check
//! of a member or an item has come back.

use super::layout::*;
use super::machine::{Frame, Machine, Next, NotChecked, length};
use super::program::{Check, Table};
use super::text;
use crate::tape::{ESCAPED, Kind, Node, REMOVED};

/// Where the operands of [`OBJECT`] and [`ARRAY`] stand.
const MIN_PATH: usize = 1;
const MIN: usize = 2;
const MAX_PATH: usize = 3;
const MAX: usize = 4;
const TABLE: usize = 5;
const OTHERS: usize = TABLE + TABLE_WORDS;
const PATTERNS: usize = OTHERS + CHECK_WORDS;
const PATTERN_WORDS: usize = 1 + CHECK_WORDS;
const ITEMS: usize = 5;
const FIRST_ITEMS: usize = ITEMS + CHECK_WORDS;
const CONTAINED: usize = 5;

impl Machine<'_> {
    /// Whether the value is what the instruction walks.
    pub(super) fn is_walked(&self, instruction: u8) -> bool {
        let wanted = if matches!(instruction, OBJECT | NAMES) { Kind::Object } else { Kind::Array };
        self.tape.nodes.get(self.node).is_some_and(|node| node.kind == wanted)
    }

    pub(super) fn start_walk(&mut self, instruction: u8) -> Next {
        if let Err(cause) = self.push() {
            return self.stop(cause);
        }
        let first = self.node as u32 + 1;
        if let Some(frame) = self.frames.last_mut() {
            frame.next = first;
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
    #[inline(never)]
    pub(super) fn walk_object(&mut self) -> Next {
        let Some(mut frame) = self.frames.last().copied() else {
            return Next::Passed;
        };
        let at = frame.at as usize;
        let tape = self.tape;
        let table = self.program.table(at + TABLE);
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
                    if self.steps == 0 {
                        return self.stop(NotChecked::TooManySteps);
                    }
                    self.steps -= 1;
                    frame.count += 1;
                    frame.step = 1;
                    match self.find(&table, node) {
                        Ok(None) => continue,
                        Ok(Some((required, check))) => {
                            frame.seen |= required;
                            match check {
                                None => continue,
                                Some(check) => {
                                    frame.is_known = true;
                                    check
                                }
                            }
                        }
                        Err(cause) => return self.stop(cause),
                    }
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
                    Check::at(&self.program, at + OTHERS)
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
        self.end_object(&frame, &table)
    }

    #[inline(always)]
    fn find(&mut self, table: &Table<'_>, key: &Node) -> Result<Option<(u64, Option<Check>)>, NotChecked> {
        let found = if key.has(ESCAPED) {
            let text = text::of(self.tape, self.source, key, self.scratch)?;
            table.find(text, 0, text.len())
        } else {
            let buffer = self.tape.buffer(key, self.source);
            table.find(buffer, key.start as usize + 1, key.end as usize - 1)
        };
        Ok(found.map(|name| (name.required(), name.is_property().then(|| name.check()))))
    }

    /// What is asserted of an object as a whole.
    #[inline(never)]
    fn end_object(&mut self, frame: &Frame, table: &Table<'_>) -> Next {
        let next = self.leave(frame);
        for name in table.required() {
            let is_missing = name.required() & !frame.seen != 0;
            if is_missing && !self.fail(name.required_path(), frame.node as usize) {
                return Next::Failed;
            }
        }
        if self.has_count(frame) { next } else { Next::Failed }
    }

    /// Checks the count of what was walked. False as in [`Machine::fail`].
    fn has_count(&mut self, frame: &Frame) -> bool {
        let operand = |at: usize| self.program.word(frame.at as usize + at);
        let (min_path, max_path) = (operand(MIN_PATH), operand(MAX_PATH));
        let (is_low, is_high) = (frame.count < operand(MIN), frame.count > operand(MAX));
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
        let Some(mut frame) = self.frames.last().copied() else {
            return Next::Passed;
        };
        let at = frame.at as usize;
        let firsts = length(self.program.word(at)).saturating_sub(FIRST_ITEMS) / CHECK_WORDS;
        let end = self.tape.after(frame.node as usize);
        while (frame.next as usize) < end {
            if self.steps == 0 {
                return self.stop(NotChecked::TooManySteps);
            }
            self.steps -= 1;
            let item = frame.next as usize;
            let index = frame.count as usize;
            let check = if index < firsts { FIRST_ITEMS + CHECK_WORDS * index } else { ITEMS };
            frame.count += 1;
            frame.next = self.tape.after(item) as u32;
            match self.enter(at + check, item) {
                Next::Passed => {}
                next => {
                    self.keep(&frame);
                    return next;
                }
            }
        }
        let next = self.leave(&frame);
        if self.has_count(&frame) { next } else { Next::Failed }
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
            if self.steps == 0 {
                return self.stop(NotChecked::TooManySteps);
            }
            self.steps -= 1;
            return self.enter(at + CONTAINED, item);
        }
        let frame = *frame;
        let next = self.leave(&frame);
        if self.has_count(&frame) { next } else { Next::Failed }
    }
}
