//! The walk over objects.

use super::layout::*;
use super::machine::{Machine, Next, length};
use super::not_checked::NotChecked;
use super::program::{Check, Name, Program, Table};
use super::text;
use super::walk::{CHECK, MAX, MIN, PATTERNS, TABLE};
use crate::record::tape::{ESCAPED, Kind, Node, PATCHED, REMOVED};

/// [`OBJECT`] without patterns.
const PLAIN_OBJECT: u32 = OBJECT as u32 | (PATTERNS as u32) << 8;
const PATTERN_WORDS: usize = 1 + CHECK_WORDS;

/// The operands of the instruction for an object without patterns.
struct Rules<'a> {
    min: &'a [u8; 4],
    max: &'a [u8; 4],
    others: &'a [[u8; 4]; CHECK_WORDS],
    table: Table,
}

impl Rules<'_> {
    /// Checks the number of members, and that all required members are there.
    #[inline(always)]
    fn are_met(&self, count: u32, seen: u64) -> bool {
        let (min, max) = (u32::from_le_bytes(*self.min), u32::from_le_bytes(*self.max));
        (min..=max).contains(&count) && self.table.are_all(seen)
    }
}

/// Returns the first member from `next` on that has not been removed: its key, its value,
/// and the place of the value. `next` then points behind the member.
#[inline(always)]
fn take_member<'t>(nodes: &'t [Node], next: &mut usize) -> Option<(&'t Node, &'t Node, usize)> {
    loop {
        let value_at = *next + 1;
        let (key, value) = (nodes.get(*next)?, nodes.get(value_at)?);
        *next = if value.is_container() { value.next as usize } else { value_at + 1 };
        if !key.has(REMOVED) {
            return Some((key, value, value_at));
        }
    }
}

impl<'a> Machine<'a> {
    #[inline(always)]
    fn rules(&self, at: usize) -> Option<Rules<'a>> {
        let words: &[[u8; 4]; PATTERNS] = self.program.words(at)?;
        let (others, table) = (words[CHECK..TABLE].first_chunk()?, words[TABLE..].first_chunk()?);
        Some(Rules { min: &words[MIN], max: &words[MAX], others, table: Table::of(table) })
    }

    /// Checks the members of an object, from the member of the topmost frame on.
    pub(super) fn walk_object(&mut self) -> Next {
        if self.is_plain_on_top() { self.walk_plain() } else { self.walk_patterned() }
    }

    /// Checks whether the topmost frame walks an object without patterns.
    fn is_plain_on_top(&self) -> bool {
        self.frames.last().is_some_and(|frame| self.program.word(frame.at as usize) == PLAIN_OBJECT)
    }

    /// Walks objects without patterns, in which each member has one check. Continues with
    /// objects in the object, and then with the one around it, as long as they have no
    /// patterns either.
    #[inline(never)]
    fn walk_plain(&mut self) -> Next {
        let (program, tape, source) = (self.program, self.tape, self.source);
        'object: loop {
            let Some(frame) = self.frames.last() else {
                return Next::Passed;
            };
            let (mut next, mut count, mut seen) = (frame.next as usize, frame.count, frame.seen);
            let Some(rules) = self.rules(frame.at as usize) else {
                return Next::Passed;
            };
            let members = tape.nodes.get(..tape.after(frame.node as usize)).unwrap_or_default();
            while let Some((key, value, value_at)) = take_member(members, &mut next) {
                count += 1;
                let check = match self.member(&program, source, &rules, key, &mut seen) {
                    Ok(check) => check,
                    Err(cause) => return self.stop(cause),
                };
                if !self.is_of(check.mask, value) {
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
                    Next::Passed => continue,
                    Next::Run => {}
                    other => return other,
                }
                if let Some(frame) = self.frames.last_mut() {
                    (frame.next, frame.count, frame.seen) = (next as u32, count, seen);
                }
                if self.program.word(self.pc) != PLAIN_OBJECT {
                    return Next::Run;
                }
                if let Err(cause) = self.push_walk() {
                    return self.stop(cause);
                }
                continue 'object;
            }
            if !rules.are_met(count, seen) {
                let Some(frame) = self.leave() else {
                    return Next::Passed;
                };
                return if self.is_whole(frame.at, frame.node, count, seen) {
                    Next::Run
                } else {
                    Next::Failed
                };
            }
            self.leave();
            let is_back = self.program.word(self.pc) as u8 == END && self.is_plain_on_top();
            if !is_back {
                return Next::Run;
            }
        }
    }

    /// Walks an object whose members need no frames, and which takes none itself.
    #[inline(never)]
    pub(super) fn flat_object(&mut self) -> Next {
        let (program, tape, source) = (self.program, self.tape, self.source);
        let (at, object) = (self.pc, self.node);
        if tape.nodes.get(object).is_none_or(|node| node.kind != Kind::Object) {
            return Next::Passed;
        }
        let end = tape.after(object);
        let Some(steps) = self.steps.checked_sub((end - object) as u32) else {
            return self.stop(NotChecked::TooManySteps);
        };
        self.steps = steps;
        let Some(rules) = self.rules(at) else {
            return Next::Passed;
        };
        let (mut next, mut count, mut seen) = (object + 1, 0, 0);
        let members = tape.nodes.get(..end).unwrap_or_default();
        while let Some((key, value, value_at)) = take_member(members, &mut next) {
            count += 1;
            let check = match self.member(&program, source, &rules, key, &mut seen) {
                Ok(check) => check,
                Err(cause) => return self.stop(cause),
            };
            if !self.is_of(check.mask, value) {
                if self.fail(check.path, value_at) {
                    continue;
                }
                return Next::Failed;
            }
            if check.code != 0 {
                (self.pc, self.node) = (check.code as usize, value_at);
                match self.flat_member() {
                    Next::Passed => {}
                    other => return other,
                }
            }
        }
        (self.pc, self.node) = (at, object);
        let is_whole = rules.are_met(count, seen);
        if is_whole || self.is_whole(at as u32, object as u32, count, seen) {
            Next::Passed
        } else {
            Next::Failed
        }
    }

    /// Returns the check of a member, and notes it as seen if it is required. The program
    /// and the source are passed separately: as fields of the machine, they would be
    /// loaded each time.
    #[inline(always)]
    fn member(
        &mut self,
        program: &Program<'a>,
        source: &[u8],
        rules: &Rules<'_>,
        key: &Node,
        seen: &mut u64,
    ) -> Result<Check, NotChecked> {
        let name = if key.flags & (ESCAPED | PATCHED) == 0 {
            let (start, len) = text::place(key);
            program.find(&rules.table, source, start, len)
        } else {
            self.find_odd(&rules.table, key)?
        };
        Ok(match name {
            Some(name) => {
                *seen |= name.required();
                if name.is_property() { name.check() } else { Check::of(rules.others) }
            }
            None => Check::of(rules.others),
        })
    }

    /// Runs the instructions for a member of a flat object.
    fn flat_member(&mut self) -> Next {
        loop {
            let word = self.program.word(self.pc);
            let next = match word as u8 {
                assertion @ ENUM..=FLAT_ARRAY => self.assertion(assertion),
                // A sound program has no other instruction here than the end.
                _ => return Next::Passed,
            };
            match next {
                Next::Passed => self.pc += length(word),
                other => return other,
            }
        }
    }

    #[inline(never)]
    fn find_odd(&mut self, table: &Table, key: &Node) -> Result<Option<Name<'a>>, NotChecked> {
        let text = text::of(self.tape, self.source, key, self.scratch)?;
        Ok(self.program.find(table, text, 0, text.len()))
    }

    /// Walks an object with patterns, in which a member may have several checks.
    #[inline(never)]
    fn walk_patterned(&mut self) -> Next {
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
        self.leave();
        if self.is_whole(frame.at, frame.node, frame.count, frame.seen) { Next::Run } else { Next::Failed }
    }

    /// Checks the assertions of the instruction at `at` about an object as a whole.
    /// Returns false in the same case as [`Machine::fail`].
    #[inline(never)]
    fn is_whole(&mut self, at: u32, object: u32, count: u32, seen: u64) -> bool {
        let table = self.program.table(at as usize + TABLE);
        let mut missing = self.program.required(&table).filter(|name| name.required() & !seen != 0);
        missing.all(|name| self.fail(name.required_path(), object as usize))
            && self.has_count(at, object, count)
    }

    /// Checks the names of the members, from the member of the topmost frame on.
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
        self.leave();
        Next::Run
    }
}
