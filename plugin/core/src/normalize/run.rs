//! A mapping's program, run over the values of one record.

use super::program::{ELEMENTS_MAX, Loop, NONE, Op, OpCode, Pair, Program, TARGET_DEPTH_MAX};
use super::walk::walk;
use crate::memory::OutOfMemory;
use crate::record::tape::{ENTERED, Kind, NON_ASCII, Node, PATCHED, REMOVED, TAKEN, Tape};
use crate::text::inner;
use alloc::vec::Vec;

/// The containers of an event that may be open at once.
const OPEN_MAX: usize = TARGET_DEPTH_MAX + 2;
/// The activity that has no number of its own.
const OTHER_ACTIVITY: u64 = 99;
/// The maximum number of members of an element that are looked at for a pair.
const PAIR_MEMBERS_MAX: usize = 16;

/// One run over a record.
pub(super) struct Run<'a, 'p> {
    pub(super) program: &'a Program<'p>,
    pub(super) tape: &'a mut Tape,
    pub(super) source: &'a [u8],
    /// The event's nodes.
    pub(super) event: &'a mut Vec<Node>,
    pub(super) slots: &'a mut [u32],
    /// The record's time by Fluent Bit, in milliseconds.
    pub(super) millis: u64,
    /// The class of the case that holds.
    pub(super) class: u16,
    /// The redacted record, if the event is to have it as text.
    pub(super) raw: Option<&'a [u8]>,
    /// The place of the tokens in the tape's buffer.
    pub(super) tokens: u32,
    /// The number of bytes that may still be copied; `None` once they have run out.
    pub(super) budget: Option<usize>,
    activity: u64,
    open: [u32; OPEN_MAX],
    depth: usize,
}

/// A loop that runs.
struct Running {
    row: Loop,
    /// The first operation of its body.
    body: usize,
    next: usize,
    end: usize,
    left: usize,
}

impl<'a, 'p> Run<'a, 'p> {
    #[expect(clippy::too_many_arguments, reason = "each is one part of a run")]
    pub(super) fn new(
        program: &'a Program<'p>,
        tape: &'a mut Tape,
        source: &'a [u8],
        event: &'a mut Vec<Node>,
        slots: &'a mut [u32],
        class: u16,
        millis: u64,
        budget: usize,
    ) -> Self {
        Run {
            program,
            tape,
            source,
            event,
            slots,
            millis,
            class,
            raw: None,
            tokens: 0,
            budget: Some(budget),
            activity: 0,
            open: [0; OPEN_MAX],
            depth: 0,
        }
    }

    /// Writes the event.
    pub(super) fn run(&mut self, first: u16, count: u16) -> Result<(), OutOfMemory> {
        self.tokens = self.tape.patch.len() as u32;
        crate::memory::put(&mut self.tape.patch, self.program.tokens)?;
        self.event.clear();
        self.begin(Kind::Object)?;
        let (mut at, end) = (usize::from(first), usize::from(first) + usize::from(count));
        let mut running: Option<Running> = None;
        let mut is_written = false;
        while let Some(op) = self.program.op(at).filter(|_| at < end) {
            at += 1;
            match OpCode::of(op.code) {
                Some(OpCode::Object | OpCode::Array) => {
                    self.key(op.key, op.key_len)?;
                    let is_object = op.code == OpCode::Object as u16;
                    self.begin(if is_object { Kind::Object } else { Kind::Array })?;
                }
                Some(OpCode::Close) => self.end(),
                Some(OpCode::ActivityName) if self.activity != OTHER_ACTIVITY => {}
                Some(OpCode::Member | OpCode::Activity | OpCode::ActivityName) => {
                    is_written = self.sources(&op)?;
                }
                Some(OpCode::Each) if running.is_none() && !(op.b == 1 && is_written) => {
                    running = self.array(&op, at)?;
                    is_written = running.is_some();
                    at = self.element(&mut running)?.unwrap_or_else(|| self.behind(at));
                }
                Some(OpCode::Each) => at = self.behind(at),
                Some(OpCode::Next) => {
                    if running.as_ref().is_some_and(|running| running.row.is_value == 0) {
                        self.end();
                    }
                    if let Some(body) = self.element(&mut running)? {
                        at = body;
                    }
                }
                Some(OpCode::Pairs) => is_written = self.pairs(&op)?,
                Some(OpCode::Drop) => {
                    if let Some(index) = self.value(op.a) {
                        self.tape.nodes[index].flags |= TAKEN;
                    }
                }
                Some(OpCode::TypeUid) => {
                    let uid = u64::from(self.class) * 100 + self.activity;
                    self.number(op.key, op.key_len, Some(uid))?;
                }
                Some(OpCode::Unmapped) => self.rest(op.key, op.key_len)?,
                Some(OpCode::RawData) => self.text_of_record(&op)?,
                None => {}
            }
        }
        self.end_all();
        Ok(())
    }

    /// Writes a member from the first of its sources that yields a value.
    fn sources(&mut self, op: &Op) -> Result<bool, OutOfMemory> {
        for index in op.a..op.a.saturating_add(op.b) {
            let Some(source) = self.program.sources(index.into()) else { break };
            if self.member(op.key, op.key_len, &source)? {
                if op.code == OpCode::Activity as u16 {
                    self.remember_activity();
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn remember_activity(&mut self) {
        let Some(node) = self.event.last().filter(|node| node.kind == Kind::Integer) else { return };
        let text = core::str::from_utf8(self.tape.text(node, self.source)).unwrap_or_default();
        self.activity = text.parse().unwrap_or_default();
    }

    /// Begins a loop over the elements of an array.
    fn array(&mut self, op: &Op, body: usize) -> Result<Option<Running>, OutOfMemory> {
        let Some(row) = self.program.loops(op.a.into()) else { return Ok(None) };
        let Some(index) = self.value(row.array) else { return Ok(None) };
        let node = &mut self.tape.nodes[index];
        if node.kind != Kind::Array || node.next as usize == index + 1 {
            return Ok(None);
        }
        node.flags |= ENTERED;
        let end = node.next as usize;
        self.key(op.key, op.key_len)?;
        self.begin(Kind::Array)?;
        Ok(Some(Running { row, body, next: index + 1, end, left: ELEMENTS_MAX }))
    }

    /// Goes to the next element of a loop, and says where its body begins; none if there is none.
    fn element(&mut self, running: &mut Option<Running>) -> Result<Option<usize>, OutOfMemory> {
        let Some(each) = running else { return Ok(None) };
        loop {
            if each.next >= each.end || each.left == 0 {
                self.end();
                *running = None;
                return Ok(None);
            }
            let element = each.next;
            each.next = self.tape.after(element);
            each.left -= 1;
            let slots = usize::from(each.row.slot)..usize::from(each.row.slot) + usize::from(each.row.slots);
            if let Some(slots) = self.slots.get_mut(slots) {
                slots.fill(0);
            }
            if let Some(slot) = self.slots.get_mut(usize::from(each.row.slot)) {
                *slot = element as u32;
            }
            if self.value(each.row.slot).is_none() {
                continue;
            }
            if each.row.state != NONE && self.tape.nodes[element].is_container() {
                walk(self.program, self.tape, self.source, element, each.row.state, self.slots);
            }
            if each.row.is_value == 0 {
                self.begin(Kind::Object)?;
            }
            return Ok(Some(each.body));
        }
    }

    /// The operation behind the body of a loop.
    fn behind(&self, body: usize) -> usize {
        let mut at = body;
        while let Some(op) = self.program.op(at) {
            at += 1;
            if op.code == OpCode::Next as u16 {
                break;
            }
        }
        at
    }

    /// Writes an array of keys and values as one object. The array stays where it is.
    fn pairs(&mut self, op: &Op) -> Result<bool, OutOfMemory> {
        let (Some(array), Some(pair)) = (self.value(op.a), self.program.pairs(op.b.into())) else {
            return Ok(false);
        };
        if self.tape.nodes[array].kind != Kind::Array {
            return Ok(false);
        }
        let before = self.event.len();
        self.key(op.key, op.key_len)?;
        self.begin(Kind::Object)?;
        let end = self.tape.after(array);
        let mut element = array + 1;
        for _ in 0..ELEMENTS_MAX {
            if element >= end {
                break;
            }
            if let Some((key, value)) = self.pair(element, &pair) {
                let key = self.tape.nodes[key];
                self.push(Node { kind: Kind::Key, ..key })?;
                self.copy(value)?;
            }
            element = self.tape.after(element);
        }
        self.end();
        Ok(self.event.len() > before)
    }

    /// The key and the value of an element.
    fn pair(&self, element: usize, pair: &Pair) -> Option<(usize, usize)> {
        let nodes = &self.tape.nodes;
        if nodes[element].kind != Kind::Object {
            return None;
        }
        let find = |name: &[u8]| {
            let is_it = |key: &usize| {
                !nodes[*key].has(REMOVED) && inner(self.tape.text(&nodes[*key], self.source)) == name
            };
            self.tape.keys(element).take(PAIR_MEMBERS_MAX).find(is_it).map(|key| key + 1)
        };
        let key = find(self.program.text(pair.key, pair.key_len))?;
        let value = find(self.program.text(pair.value, pair.value_len))?;
        (nodes[key].kind == Kind::String).then_some((key, value))
    }

    /// Writes the redacted record as text, if that is asked for.
    fn text_of_record(&mut self, op: &Op) -> Result<(), OutOfMemory> {
        let Some(raw) = self.raw else { return Ok(()) };
        self.spend(2 * raw.len());
        self.key(op.key, op.key_len)?;
        let start = self.tape.patch.len();
        crate::text::write(raw, &mut self.tape.patch)?;
        let token = self.tape.patch.get(start..).unwrap_or_default();
        let flags = if token.is_ascii() { 0 } else { NON_ASCII } | crate::record::tape::ESCAPED;
        self.push_patch(start, Kind::String, flags)
    }

    /// Writes a key; an element has none.
    #[inline(never)]
    pub(super) fn key(&mut self, start: u16, len: u16) -> Result<(), OutOfMemory> {
        if len == 0 {
            return Ok(());
        }
        let start = self.tokens + u32::from(start);
        self.push(Node { start, end: start + u32::from(len), next: 0, kind: Kind::Key, flags: PATCHED })
    }

    /// Writes a constant.
    #[inline(never)]
    pub(super) fn token(&mut self, start: u16, len: u16) -> Result<(), OutOfMemory> {
        let kind = match self.program.tokens.get(usize::from(start)) {
            Some(b'"') => Kind::String,
            Some(b'-' | b'0'..=b'9') => Kind::Integer,
            _ => Kind::Word,
        };
        let start = self.tokens + u32::from(start);
        self.push(Node { start, end: start + u32::from(len), next: 0, kind, flags: PATCHED })
    }

    /// Writes what stands in the tape's buffer from `start` on.
    #[inline(never)]
    pub(super) fn push_patch(&mut self, start: usize, kind: Kind, flags: u8) -> Result<(), OutOfMemory> {
        let end = self.tape.patch.len() as u32;
        let flags = flags & !(TAKEN | ENTERED) | PATCHED;
        self.push(Node { start: start as u32, end, next: 0, kind, flags })
    }

    #[inline(never)]
    pub(super) fn push(&mut self, node: Node) -> Result<(), OutOfMemory> {
        if self.event.len() == self.event.capacity() {
            self.event.try_reserve(64).map_err(|_| OutOfMemory)?;
        }
        self.event.push(Node { flags: node.flags & !(TAKEN | ENTERED), ..node });
        Ok(())
    }

    /// Takes bytes off what may be copied.
    #[inline(always)]
    pub(super) fn spend(&mut self, bytes: usize) {
        self.budget = self.budget.and_then(|left| left.checked_sub(bytes));
    }

    pub(super) fn begin(&mut self, kind: Kind) -> Result<(), OutOfMemory> {
        let index = self.event.len() as u32;
        self.push(Node { start: 0, end: 0, next: 0, kind, flags: 0 })?;
        if let Some(place) = self.open.get_mut(self.depth) {
            *place = index;
        }
        self.depth += 1;
        Ok(())
    }

    /// Closes the container that was opened last; takes it back, if it is empty and within another.
    pub(super) fn end(&mut self) {
        let Some(depth) = self.depth.checked_sub(1) else { return };
        self.depth = depth;
        let Some(index) = self.open.get(depth).map(|index| *index as usize) else { return };
        let len = self.event.len();
        if len > index + 1 || depth == 0 {
            if let Some(node) = self.event.get_mut(index) {
                node.next = len as u32;
            }
            return;
        }
        let has_key = index
            .checked_sub(1)
            .and_then(|key| self.event.get(key))
            .is_some_and(|node| node.kind == Kind::Key);
        self.event.truncate(if has_key { index - 1 } else { index });
    }

    fn end_all(&mut self) {
        while self.depth > 0 {
            self.end();
        }
    }
}
