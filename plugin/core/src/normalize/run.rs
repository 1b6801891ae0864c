//! A mapping's program, run over the values of one record.

use super::program::{Conversion, ELEMENTS_MAX, Loop, NONE, Op, OpCode, Pair, Program, TARGET_DEPTH_MAX};
use super::walk::{is_text, make_canonical, walk};
use crate::memory::{OutOfMemory, put, put_byte};
use crate::record::canonical::Canonical;
use crate::record::tape::{ENTERED, Kind, NOT_CANONICAL, Node, PATCHED, REMOVED, TAKEN, Tape};
use alloc::vec::Vec;

/// The containers of an event that may be open at once.
const OPEN_MAX: usize = TARGET_DEPTH_MAX + 1;
/// The activity that has no number of its own.
const OTHER_ACTIVITY: u64 = 99;
/// The maximum number of members of an element that are looked at for a pair.
const PAIR_MEMBERS_MAX: usize = 16;

/// A value that leaves as it stands in the record, where its canonical form may be another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Copied {
    /// The place of the canonical form in the event's text.
    pub(super) start: u32,
    pub(super) end: u32,
    /// The value on the tape.
    pub(super) value: u32,
}

/// A container of the event that is open.
#[derive(Clone, Copy, Default)]
struct Open {
    /// Its start in the event's text, with its key.
    start: u32,
    /// The start of its contents.
    contents: u32,
    is_object: bool,
}

/// The places in an event's text at which its parts begin. The members `raw_data` and `unmapped`
/// are written last. In the canonical form they stand among the others.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks {
    /// The first members behind those whose keys are less than `audit`, `raw_data` and `unmapped`.
    pub(super) behind: [usize; 3],
    pub(super) raw_data: usize,
    pub(super) unmapped: usize,
}

/// One run over a record. It writes the canonical form of the event's members in the order in
/// which they leave, each with a comma behind it.
pub(super) struct Run<'a, 'p> {
    pub(super) program: &'a Program<'p>,
    pub(super) tape: &'a mut Tape,
    pub(super) source: &'a [u8],
    pub(super) event: &'a mut Canonical,
    pub(super) copied: &'a mut Vec<Copied>,
    pub(super) slots: &'a mut [u32],
    /// The record's time by Fluent Bit, in milliseconds.
    pub(super) millis: u64,
    /// The class of the case that holds.
    pub(super) class: u16,
    /// The redacted record, if the event is to have it as text.
    pub(super) raw: Option<&'a [u8]>,
    /// The number of bytes that may still be copied; `None` once they have run out.
    pub(super) budget: Option<usize>,
    pub(super) marks: Marks,
    activity: u64,
    open: [Open; OPEN_MAX],
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

/// Writes a key, its value and a comma.
#[inline(never)]
pub(super) fn put_member(out: &mut Vec<u8>, key: &[u8], value: &[u8]) -> Result<(), OutOfMemory> {
    put(out, key)?;
    put(out, value)?;
    put_byte(out, b',')
}

impl<'a, 'p> Run<'a, 'p> {
    pub(super) fn new(
        program: &'a Program<'p>,
        tape: &'a mut Tape,
        source: &'a [u8],
        event: &'a mut Canonical,
        copied: &'a mut Vec<Copied>,
        slots: &'a mut [u32],
    ) -> Self {
        Run {
            program,
            tape,
            source,
            event,
            copied,
            slots,
            millis: 0,
            class: 0,
            raw: None,
            budget: Some(0),
            marks: Marks::default(),
            activity: 0,
            open: [Open::default(); OPEN_MAX],
            depth: 0,
        }
    }

    /// Writes the event without its closing brace.
    pub(super) fn run(&mut self, first: u16, count: u16) -> Result<(), OutOfMemory> {
        self.event.begin(self.source)?;
        self.copied.clear();
        put_byte(self.event.pieces(), b'{')?;
        let (mut at, end) = (usize::from(first), usize::from(first) + usize::from(count));
        let mut running: Option<Running> = None;
        let mut is_written = false;
        while let Some(op) = self.program.op(at).filter(|_| at < end) {
            at += 1;
            match OpCode::of(op.code) {
                Some(OpCode::Object | OpCode::Array) => {
                    self.begin(self.program.token(op.key, op.key_len), op.code == OpCode::Object as u16)?;
                }
                Some(OpCode::Close) => self.end()?,
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
                        self.end()?;
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
                Some(OpCode::Literal) => put(self.event.pieces(), self.program.token(op.key, op.key_len))?,
                Some(OpCode::Mark) => {
                    let len = self.event.text().len();
                    if let Some(mark) = self.marks.behind.get_mut(usize::from(op.a)) {
                        *mark = len;
                    }
                }
                None => {}
            }
        }
        while self.depth > 0 {
            self.end()?;
        }
        Ok(())
    }

    /// Writes a member from the first of its sources that yields a value.
    fn sources(&mut self, op: &Op) -> Result<bool, OutOfMemory> {
        for index in op.a..op.a.saturating_add(op.b) {
            let Some(source) = self.program.sources(index.into()) else { break };
            if source.conversion > Conversion::Now as u16
                && self.slots.get(usize::from(source.slot)) == Some(&0)
            {
                continue;
            }
            let start = self.event.text().len();
            if self.member(op.key, op.key_len, &source)? {
                if op.code == OpCode::Activity as u16 {
                    self.remember_activity(start + usize::from(op.key_len));
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Remembers the activity, whose value was just written from `start` on. A number that is none of
    /// an activity counts as 0, which is unknown.
    fn remember_activity(&mut self, start: usize) {
        let [value @ .., _] = self.event.text().get(start..).unwrap_or_default() else { return };
        self.activity =
            core::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).unwrap_or_default();
        if self.activity > OTHER_ACTIVITY {
            self.activity = 0;
        }
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
        self.begin(self.program.token(op.key, op.key_len), false)?;
        Ok(Some(Running { row, body, next: index + 1, end, left: ELEMENTS_MAX }))
    }

    /// Goes to the next element of a loop, and says where its body begins; none if there is none.
    fn element(&mut self, running: &mut Option<Running>) -> Result<Option<usize>, OutOfMemory> {
        let Some(each) = running else { return Ok(None) };
        loop {
            if each.next >= each.end || each.left == 0 {
                self.end()?;
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
                walk(self.program, self.tape, self.source, element, each.row.state, self.slots)?;
            }
            make_canonical(self.tape, self.source, element)?;
            if each.row.is_value == 0 {
                self.begin(b"{", true)?;
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
        let object = self.tape.nodes.len();
        self.push(Node { start: 0, end: 0, next: 0, kind: Kind::Object, flags: 0 })?;
        let end = self.tape.after(array);
        let mut element = array + 1;
        for _ in 0..ELEMENTS_MAX {
            if element >= end {
                break;
            }
            if let Some((key, value)) = self.pair(element, &pair) {
                let key = self.tape.nodes[key];
                self.push(Node { kind: Kind::Key, ..key })?;
                self.push_all(value)?;
            }
            element = self.tape.after(element);
        }
        let len = self.tape.nodes.len();
        if len == object + 1 {
            self.tape.nodes.truncate(object);
            return Ok(false);
        }
        self.tape.nodes[object].next = len as u32;
        self.key(op.key, op.key_len)?;
        self.write(object)?;
        Ok(true)
    }

    /// Adds a value with all that is in it to the end of the tape, behind the record.
    fn push_all(&mut self, value: usize) -> Result<(), OutOfMemory> {
        let (end, first) = (self.tape.after(value), self.tape.nodes.len());
        self.spend(value);
        self.tape.nodes.try_reserve(end - value).map_err(|_| OutOfMemory)?;
        // Containers end as much further on as they start.
        let shift = (first - value) as u32;
        for index in value..end {
            let node = self.tape.nodes[index];
            self.push(Node { next: node.next.wrapping_add(shift), ..node })?;
        }
        Ok(())
    }

    /// The key and the value of an element.
    fn pair(&self, element: usize, pair: &Pair) -> Option<(usize, usize)> {
        let nodes = &self.tape.nodes;
        if nodes[element].kind != Kind::Object {
            return None;
        }
        let find = |name: &[u8]| {
            let is_it =
                |key: &usize| !nodes[*key].has(REMOVED) && is_text(self.tape, self.source, *key, name);
            self.tape.keys(element).take(PAIR_MEMBERS_MAX).find(is_it).map(|key| key + 1)
        };
        let key = find(self.program.text(pair.key, pair.key_len))?;
        let value = find(self.program.text(pair.value, pair.value_len))?;
        (nodes[key].kind == Kind::String).then_some((key, value))
    }

    /// Writes the redacted record as text, if that is asked for.
    fn text_of_record(&mut self, op: &Op) -> Result<(), OutOfMemory> {
        self.marks.raw_data = self.event.text().len();
        let Some(raw) = self.raw else { return Ok(()) };
        self.spend_bytes(2 * raw.len());
        self.key(op.key, op.key_len)?;
        crate::text::write(raw, self.event.pieces())?;
        put_byte(self.event.pieces(), b',')
    }

    /// Writes a key; an element has none.
    #[inline(never)]
    pub(super) fn key(&mut self, start: u16, len: u16) -> Result<(), OutOfMemory> {
        put(self.event.pieces(), self.program.token(start, len))
    }

    /// Writes a member that is a constant.
    pub(super) fn constant(
        &mut self,
        key: u16,
        key_len: u16,
        start: u16,
        len: u16,
    ) -> Result<(), OutOfMemory> {
        let program = self.program;
        put_member(self.event.pieces(), program.token(key, key_len), program.token(start, len))
    }

    /// Writes what stands in the tape's buffer from `start` on.
    #[inline(never)]
    pub(super) fn patched(&mut self, start: usize, kind: Kind, flags: u8) -> Result<(), OutOfMemory> {
        let (end, value) = (self.tape.patch.len() as u32, self.tape.nodes.len());
        self.push(Node { start: start as u32, end, next: 0, kind, flags: flags | PATCHED })?;
        self.write(value)
    }

    /// Adds a node to the end of the tape, behind the record.
    #[inline(never)]
    fn push(&mut self, node: Node) -> Result<(), OutOfMemory> {
        self.tape.nodes.try_reserve(1).map_err(|_| OutOfMemory)?;
        self.tape.nodes.push(Node { flags: node.flags & !(TAKEN | ENTERED), ..node });
        Ok(())
    }

    /// Writes a value of the tape.
    #[inline(never)]
    pub(super) fn write(&mut self, value: usize) -> Result<(), OutOfMemory> {
        if self.budget.is_none() {
            return Ok(());
        }
        let start = self.event.text().len() as u32;
        self.event.add(self.tape, self.source, value)?;
        let node = &self.tape.nodes[value];
        if node.is_container() || node.has(NOT_CANONICAL) {
            if self.copied.len() == self.copied.capacity() {
                self.copied.try_reserve(8).map_err(|_| OutOfMemory)?;
            }
            // The comma stands behind it.
            let end = self.event.text().len() as u32 - 1;
            self.copied.push(Copied { start, end, value: value as u32 });
        }
        Ok(())
    }

    /// Writes a member with a value of the record, which has its place in the event by that.
    #[inline(never)]
    pub(super) fn copy(&mut self, key: u16, key_len: u16, value: usize) -> Result<(), OutOfMemory> {
        let node = &mut self.tape.nodes[value];
        node.flags |= TAKEN;
        if node.is_container() || node.has(NOT_CANONICAL) {
            self.spend(value);
            self.key(key, key_len)?;
            return self.write(value);
        }
        let node = *node;
        self.spend_bytes((node.end - node.start) as usize);
        if self.budget.is_none() {
            return Ok(());
        }
        let token = self.tape.text(&node, self.source);
        put_member(self.event.pieces(), self.program.token(key, key_len), token)
    }

    /// Takes a value off what may be copied.
    pub(super) fn spend(&mut self, value: usize) {
        let node = &self.tape.nodes[value];
        let nodes = self.tape.after(value) - value;
        let bytes = node.end.saturating_sub(node.start) as usize;
        self.spend_bytes(if nodes == 1 { bytes } else { bytes + nodes });
    }

    /// Takes bytes off what may be copied.
    #[inline(always)]
    pub(super) fn spend_bytes(&mut self, bytes: usize) {
        self.budget = self.budget.and_then(|left| left.checked_sub(bytes));
    }

    /// Opens a container, whose key and bracket are `opening`.
    fn begin(&mut self, opening: &[u8], is_object: bool) -> Result<(), OutOfMemory> {
        let text = self.event.pieces();
        let start = text.len() as u32;
        put(text, opening)?;
        if let Some(place) = self.open.get_mut(self.depth) {
            *place = Open { start, contents: text.len() as u32, is_object };
        }
        self.depth += 1;
        Ok(())
    }

    /// Closes the container that was opened last; takes it back, if it is empty.
    fn end(&mut self) -> Result<(), OutOfMemory> {
        let Some(depth) = self.depth.checked_sub(1) else { return Ok(()) };
        self.depth = depth;
        let Some(open) = self.open.get(depth) else { return Ok(()) };
        let text = self.event.pieces();
        if text.len() == open.contents as usize {
            text.truncate(open.start as usize);
            return Ok(());
        }
        // The last comma of its contents.
        if let Some(last) = text.last_mut() {
            *last = if open.is_object { b'}' } else { b']' };
        }
        put_byte(text, b',')
    }
}
