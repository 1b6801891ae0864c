//! The canonical form of a record: RFC 8785, with integers of 64 bits exact.

use crate::memory::{OutOfMemory, put, put_byte};
use crate::record::notes::Notes;
use crate::record::number;
use crate::record::order::{self, Member};
use crate::record::tape::{Kind, NOT_CANONICAL, PATCHED, REMOVED, Tape};
use crate::text;
use alloc::vec::Vec;

/// Writes tapes in canonical form, one after the other, in the same memory.
#[derive(Debug, Default)]
pub struct Canonical {
    text: Vec<u8>,
    /// The members that are still to be written, of all open objects, in order.
    members: Vec<Member>,
    open: Vec<Open>,
    /// The position in the text where `audit` belongs.
    place: usize,
    may_have_audit: bool,
}

/// A container whose contents are being written.
#[derive(Clone, Copy, Debug)]
struct Open {
    /// For an object, the index of its first member in `members`; for an array, the node
    /// of its first value.
    first: usize,
    /// The index of the next one to write.
    next: usize,
    /// The index behind the last one.
    end: usize,
    is_object: bool,
}

impl Canonical {
    /// Creates a writer that has not allocated yet.
    pub const fn new() -> Self {
        Canonical { text: Vec::new(), members: Vec::new(), open: Vec::new(), place: 0, may_have_audit: false }
    }

    /// Returns the canonical form of the last record.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// True if the record may have a member `audit`.
    pub(crate) fn may_have_audit(&self) -> bool {
        self.may_have_audit
    }

    /// Returns the text in two parts, split where the member `audit` belongs, and the
    /// commas that `audit` needs before and after it. The record has no such member.
    pub(crate) fn around_audit(&self) -> (&[u8], &'static [u8], &'static [u8], &[u8]) {
        let (before, after) = self.text.split_at(self.place);
        let comma = |needed: bool| if needed { &b","[..] } else { &b""[..] };
        let is_last = after == b"}";
        (before, comma(is_last && before.len() > 1), comma(!is_last), after)
    }

    /// Writes the record on `tape`, which was read from `source`.
    ///
    /// If several members have the same key, only the last one stays. The others are
    /// removed from the tape, and a note is added.
    pub fn write(&mut self, tape: &mut Tape, source: &[u8]) -> Result<(), OutOfMemory> {
        self.begin(source)?;
        self.enter(tape, source, 0)?;
        let after_audit = self.members.iter().position(Member::is_after_audit).unwrap_or(usize::MAX);
        self.may_have_audit = self.members.get(after_audit).is_some_and(Member::may_be_audit);
        self.place = usize::MAX;
        self.write_open(tape, source, after_audit)?;
        self.finish();
        Ok(())
    }

    /// Begins the text of another record, which is written piece by piece.
    pub(crate) fn begin(&mut self, source: &[u8]) -> Result<(), OutOfMemory> {
        self.text.clear();
        self.members.clear();
        self.open.clear();
        self.may_have_audit = false;
        self.text.try_reserve(source.len()).map_err(|_| OutOfMemory)
    }

    /// The text so far, to which pieces in canonical form are added.
    pub(crate) fn pieces(&mut self) -> &mut Vec<u8> {
        &mut self.text
    }

    /// Adds a value, and a comma behind it.
    pub(crate) fn add(&mut self, tape: &mut Tape, source: &[u8], value: usize) -> Result<(), OutOfMemory> {
        match tape.nodes[value].kind {
            Kind::Object | Kind::Array => {
                self.enter(tape, source, value)?;
                return self.write_open(tape, source, usize::MAX);
            }
            Kind::Key | Kind::String => put_string(&mut self.text, tape, source, value)?,
            Kind::Integer | Kind::Float | Kind::Word => put_word(&mut self.text, tape, source, value)?,
        }
        put_byte(&mut self.text, b',')
    }

    /// Has two parts of the text, which stand side by side, change places.
    pub(crate) fn exchange(&mut self, first: usize, second: usize, end: usize) -> Result<(), OutOfMemory> {
        let len = self.text.len();
        if !(first < second && second < end && end <= len) {
            return Ok(());
        }
        self.text.try_reserve(second - first).map_err(|_| OutOfMemory)?;
        self.text.extend_from_within(first..second);
        self.text.copy_within(second..end, first);
        self.text.copy_within(len.., first + (end - second));
        self.text.truncate(len);
        Ok(())
    }

    /// Ends a record that was written piece by piece. `audit` belongs at `place`.
    pub(crate) fn end(&mut self, place: usize) -> Result<(), OutOfMemory> {
        if self.text.last() == Some(&b',') {
            self.text.pop();
        }
        put(&mut self.text, b"},")?;
        self.place = place;
        self.finish();
        Ok(())
    }

    fn finish(&mut self) {
        // The last comma stands behind the record.
        self.text.pop();
        self.place = self.place.min(self.text.len() - 1);
    }

    /// Writes the contents of all open containers.
    fn write_open(&mut self, tape: &mut Tape, source: &[u8], after_audit: usize) -> Result<(), OutOfMemory> {
        while let Some(open) = self.open.last_mut() {
            if open.next == open.end {
                let closed = *open;
                self.leave(closed)?;
                continue;
            }
            if open.is_object && open.next == after_audit {
                self.place = self.text.len();
            }
            let value = if open.is_object {
                let key = self.members[open.next].key as usize;
                open.next += 1;
                if put_plain_member(&mut self.text, tape, source, key)? {
                    continue;
                }
                put_string(&mut self.text, tape, source, key)?;
                put_byte(&mut self.text, b':')?;
                key + 1
            } else {
                let value = open.next;
                open.next = tape.after(value);
                value
            };
            match tape.nodes[value].kind {
                _ if tape.nodes[value].has(REMOVED) => put(&mut self.text, b"null")?,
                Kind::Object | Kind::Array => {
                    self.enter(tape, source, value)?;
                    continue;
                }
                Kind::Key | Kind::String => put_string(&mut self.text, tape, source, value)?,
                Kind::Integer | Kind::Float | Kind::Word => put_word(&mut self.text, tape, source, value)?,
            }
            put_byte(&mut self.text, b',')?;
        }
        Ok(())
    }

    fn enter(&mut self, tape: &mut Tape, source: &[u8], container: usize) -> Result<(), OutOfMemory> {
        let is_object = tape.nodes[container].kind == Kind::Object;
        let (first, end) = if is_object {
            let first = self.members.len();
            self.collect(tape, source, container)?;
            if order::sort(tape, source, &mut self.members[first..]) {
                self.drop_duplicates(tape, source, first);
            }
            (first, self.members.len())
        } else {
            (container + 1, tape.after(container))
        };
        if self.open.len() == self.open.capacity() {
            self.open.try_reserve(8).map_err(|_| OutOfMemory)?;
        }
        self.open.push(Open { first, next: first, end, is_object });
        put_byte(&mut self.text, if is_object { b'{' } else { b'[' })
    }

    /// Closes the container: removes its last comma, and writes one behind it.
    fn leave(&mut self, closed: Open) -> Result<(), OutOfMemory> {
        self.open.pop();
        if closed.is_object {
            self.members.truncate(closed.first);
        }
        if closed.end > closed.first {
            self.text.pop();
        }
        put(&mut self.text, if closed.is_object { b"}," } else { b"]," })
    }

    fn collect(&mut self, tape: &Tape, source: &[u8], object: usize) -> Result<(), OutOfMemory> {
        let nodes = tape.nodes.get(..tape.after(object)).unwrap_or_default();
        let mut key = object + 1;
        while let (Some(node), Some(value)) = (nodes.get(key), nodes.get(key + 1)) {
            if !node.has(REMOVED) {
                if self.members.len() == self.members.capacity() {
                    self.members.try_reserve(64).map_err(|_| OutOfMemory)?;
                }
                self.members.push(Member::of(tape, source, key as u32, node));
            }
            key = if value.is_container() { value.next as usize } else { key + 2 };
        }
        Ok(())
    }

    fn drop_duplicates(&mut self, tape: &mut Tape, source: &[u8], first: usize) {
        let mut kept = first;
        for at in first..self.members.len() {
            let member = self.members[at];
            if at > first && order::is_same_key(tape, source, &self.members[kept - 1], &member) {
                kept -= 1;
                tape.remove(self.members[kept].key as usize);
                tape.notes.insert(Notes::DUPLICATE_KEYS);
            }
            self.members[kept] = member;
            kept += 1;
        }
        self.members.truncate(kept);
    }
}

/// Writes a key, its scalar and a comma in one piece, if they are adjacent in the source
/// and already canonical. Otherwise returns false and writes nothing.
fn put_plain_member(out: &mut Vec<u8>, tape: &Tape, source: &[u8], key: usize) -> Result<bool, OutOfMemory> {
    let (key, value) = (&tape.nodes[key], &tape.nodes[key + 1]);
    let is_plain = (key.flags | value.flags) & (NOT_CANONICAL | PATCHED) == 0
        && matches!(value.kind, Kind::String | Kind::Integer | Kind::Word)
        && value.start == key.end + 1;
    if !is_plain {
        return Ok(false);
    }
    let (start, end) = (key.start as usize, value.end as usize);
    if source.get(end) == Some(&b',') {
        put(out, &source[start..=end])?;
    } else {
        put(out, &source[start..end])?;
        put_byte(out, b',')?;
    }
    Ok(true)
}

fn put_string(out: &mut Vec<u8>, tape: &Tape, source: &[u8], index: usize) -> Result<(), OutOfMemory> {
    let node = &tape.nodes[index];
    let token = tape.text(node, source);
    if node.has(NOT_CANONICAL) { text::rewrite(token, out) } else { put(out, token) }
}

fn put_word(out: &mut Vec<u8>, tape: &Tape, source: &[u8], index: usize) -> Result<(), OutOfMemory> {
    let node = &tape.nodes[index];
    let token = tape.text(node, source);
    if node.has(NOT_CANONICAL) { number::write_canonical(token, out) } else { put(out, token) }
}
