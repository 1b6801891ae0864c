//! The tape: a JSON record read once into a flat list of nodes.
//!
//! Nodes stand in the order of the text. A container is followed by its contents and
//! knows where they end. The contents of an object alternate between a key and its value.
//! Reading keeps no stack: the `next` of an open container points at its parent until the
//! container closes.

use crate::memory::{OutOfMemory, put};
use crate::record::notes::Notes;
use crate::text;
use alloc::vec::Vec;
use core::fmt;

/// The kind of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `{…}`; its contents are keys and values in turn.
    Object,
    /// `[…]`
    Array,
    /// A member's name, quotes included.
    Key,
    /// A string, quotes included.
    String,
    /// An integer from −2⁶³ to 2⁶⁴−1, written without fraction or exponent.
    Integer,
    /// Any other number.
    Float,
    /// `true`, `false` or `null`.
    Word,
}

/// The string or key holds a backslash.
pub(crate) const ESCAPED: u8 = 1;
/// The token differs from the canonical form of its value.
pub(crate) const NOT_CANONICAL: u8 = 16;
/// The string or key holds bytes over 0x7f.
pub(crate) const NON_ASCII: u8 = 2;
/// The node's text stands in the tape's own buffer, not in the source.
pub(crate) const PATCHED: u8 = 4;
/// The member, marked by a flag of its key, is left out from now on. An element of an
/// array becomes `null`.
pub(crate) const REMOVED: u8 = 8;
/// The value has a place in the event that the record becomes.
pub(crate) const TAKEN: u8 = 32;
/// The container holds values that may be [`TAKEN`].
pub(crate) const ENTERED: u8 = 64;
/// The member or element is [`REMOVED`] because nothing in it is left for the rest of the record.
pub(crate) const LEFT_OUT: u8 = 128;

/// One value or key.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// The start of its text, in bytes.
    pub(crate) start: u32,
    /// The end of its text, in bytes (exclusive).
    pub(crate) end: u32,
    /// For a container, the index of the first node after its contents.
    pub(crate) next: u32,
    pub(crate) kind: Kind,
    pub(crate) flags: u8,
}

impl Node {
    /// Returns the kind of the node.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the start of its text, within the text that contains it.
    pub fn start(&self) -> usize {
        self.start as usize
    }

    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(crate) fn is_container(&self) -> bool {
        matches!(self.kind, Kind::Object | Kind::Array)
    }
}

/// The dialect of the text to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// The text that Fluent Bit prints for its guests: `nan`, `-nan`, `inf` and `-inf`
    /// without quotes, keys that are not strings without quotes, lone surrogates, bytes
    /// that are not UTF-8. Anything that Fluent Bit's parsers would not keep is replaced,
    /// with a note.
    FluentBit,
    /// JSON as in RFC 8259, in UTF-8, and nothing else.
    Json,
}

/// The reason why a text cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unreadable {
    /// Not JSON from this byte on.
    Syntax(u32),
    /// Nested deeper than [`RECORD_DEPTH_MAX`](crate::RECORD_DEPTH_MAX) at this byte.
    TooDeep(u32),
    /// Longer than [`RECORD_BYTES_MAX`](crate::RECORD_BYTES_MAX).
    TooLong,
    /// JSON, but not an object.
    NotAnObject,
    /// The tape did not fit into memory.
    OutOfMemory,
}

impl From<OutOfMemory> for Unreadable {
    fn from(_: OutOfMemory) -> Self {
        Unreadable::OutOfMemory
    }
}

impl Unreadable {
    /// Returns the problem, and the byte at which it was noticed.
    pub fn parts(self) -> (&'static str, Option<u32>) {
        match self {
            Unreadable::Syntax(at) => ("not JSON", Some(at)),
            Unreadable::TooDeep(at) => ("nested too deep", Some(at)),
            Unreadable::TooLong => ("too long", None),
            Unreadable::NotAnObject => ("not an object", None),
            Unreadable::OutOfMemory => ("out of memory", None),
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parts() {
            (what, Some(at)) => write!(f, "{what} at byte {at}"),
            (what, None) => f.write_str(what),
        }
    }
}

impl core::error::Error for Unreadable {}

/// A record that has been read. The memory is kept from one record to the next.
#[derive(Debug, Default)]
pub struct Tape {
    pub(crate) nodes: Vec<Node>,
    /// Texts that replace parts of the source.
    pub(crate) patch: Vec<u8>,
    /// The notes on the record.
    pub(crate) notes: Notes,
    /// True if a member or an element was removed.
    has_removed: bool,
    /// The nesting of its containers.
    pub(crate) depth: usize,
    /// The number of the variant that the record was recognized as; 0 if its format is
    /// unknown.
    pub(crate) variant: u8,
    /// The number of its format; 0 if it is unknown.
    pub(crate) format: u8,
    /// True if the record's format is unknown and it may hold other records.
    pub(crate) is_wrapper: bool,
}

impl Tape {
    /// Creates an empty tape.
    pub const fn new() -> Self {
        Tape {
            nodes: Vec::new(),
            patch: Vec::new(),
            notes: Notes::NONE,
            has_removed: false,
            depth: 0,
            variant: 0,
            format: 0,
            is_wrapper: false,
        }
    }

    /// Forgets the previous record.
    pub(crate) fn clear(&mut self) {
        self.nodes.clear();
        self.patch.clear();
        self.notes = Notes::NONE;
        self.has_removed = false;
        self.depth = 0;
        (self.variant, self.format, self.is_wrapper) = (0, 0, false);
    }

    /// Returns the nodes, in the order of the text.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Returns the text of a node of this tape, which was read from `source`.
    #[inline(always)]
    pub fn text<'a>(&'a self, node: &Node, source: &'a [u8]) -> &'a [u8] {
        &self.buffer(node, source)[node.start as usize..node.end as usize]
    }

    /// Returns the text that contains a node's text.
    pub(crate) fn buffer<'a>(&'a self, node: &Node, source: &'a [u8]) -> &'a [u8] {
        if node.has(PATCHED) { &self.patch } else { source }
    }

    /// Returns the index of the node that follows the value at `index` and all its
    /// contents.
    pub fn after(&self, index: usize) -> usize {
        let node = &self.nodes[index];
        if node.is_container() { node.next as usize } else { index + 1 }
    }

    /// Returns the indices of the keys of the object at `object`.
    pub fn keys(&self, object: usize) -> impl Iterator<Item = usize> + '_ {
        let end = self.after(object);
        let mut next = object + 1;
        core::iter::from_fn(move || {
            let key = next;
            if key >= end {
                return None;
            }
            next = self.after(key + 1);
            Some(key)
        })
    }

    /// True if the record was changed.
    pub(crate) fn is_changed(&self) -> bool {
        !self.patch.is_empty() || self.has_removed
    }

    /// Removes a member, by its key. An element of an array becomes `null`.
    pub(crate) fn remove(&mut self, index: usize) {
        self.nodes[index].flags |= REMOVED;
        self.has_removed = true;
    }

    /// Replaces the text of a string or key. The new text is not escaped yet.
    pub(crate) fn set_text(&mut self, index: usize, kind: Kind, text: &[u8]) -> Result<(), OutOfMemory> {
        let start = self.patch.len();
        text::write(text, &mut self.patch)?;
        self.point_at_patch(index, kind, start);
        let token = &self.patch[start..];
        let escaped = if token.contains(&b'\\') { ESCAPED } else { 0 };
        self.nodes[index].flags = PATCHED | escaped | if token.is_ascii() { 0 } else { NON_ASCII };
        Ok(())
    }

    /// Replaces the text of a node.
    pub(crate) fn replace(&mut self, index: usize, kind: Kind, token: &[u8]) -> Result<(), OutOfMemory> {
        let start = self.patch.len();
        put(&mut self.patch, token)?;
        self.point_at_patch(index, kind, start);
        Ok(())
    }

    pub(crate) fn point_at_patch(&mut self, index: usize, kind: Kind, start: usize) {
        let node = &mut self.nodes[index];
        node.start = start as u32;
        node.end = self.patch.len() as u32;
        node.kind = kind;
        node.flags |= PATCHED;
    }
}
