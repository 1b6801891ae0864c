//! The tape: a JSON record read once into a flat list of nodes.
//!
//! Nodes stand in the order of the text. A container is followed by its
//! contents and knows where they end; an object's contents alternate between
//! a key and its value. Reading keeps no stack: an open container's `next`
//! points at its parent until it closes.

use crate::number::{self, Outgoing};
use crate::seal::Notes;
use crate::{OutOfMemory, RECORD_BYTES_MAX, RECORD_DEPTH_MAX, put, text};
use alloc::vec::Vec;
use core::fmt;

/// What a node stands for.
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
/// The token is not what stands for its value in the canonical form.
pub(crate) const NOT_CANONICAL: u8 = 16;
/// The string or key holds bytes over 0x7f.
pub(crate) const NON_ASCII: u8 = 2;
/// The node's text stands in the tape's own buffer, not in the source.
pub(crate) const PATCHED: u8 = 4;
/// The member (a flag of its key) is left out of everything that follows.
pub(crate) const REMOVED: u8 = 8;

/// One value or key.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// Where its text starts.
    pub(crate) start: u32,
    /// Where its text ends.
    pub(crate) end: u32,
    /// Of a container: the index of the first node after its contents.
    pub(crate) next: u32,
    pub(crate) kind: Kind,
    pub(crate) flags: u8,
}

impl Node {
    /// What it stands for.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(crate) fn is_container(&self) -> bool {
        matches!(self.kind, Kind::Object | Kind::Array)
    }
}

/// Whose text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// What Fluent Bit prints for its guests: `nan`, `-nan`, `inf` and `-inf`
    /// bare, keys that are not strings bare, surrogates alone, bytes that are
    /// not UTF-8. What neither of its parsers would keep is replaced, and a
    /// note says so.
    FluentBit,
    /// JSON as in RFC 8259, in UTF-8, and nothing else.
    Json,
}

/// Why a text could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unreadable {
    /// Not JSON from this byte on.
    Syntax(u32),
    /// Nested deeper than [`RECORD_DEPTH_MAX`] at this byte.
    TooDeep(u32),
    /// Longer than [`RECORD_BYTES_MAX`].
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
    /// What is wrong, and the byte where it showed.
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

/// A record, read. The memory is kept from one record to the next.
#[derive(Debug, Default)]
pub struct Tape {
    pub(crate) nodes: Vec<Node>,
    /// Texts that replace parts of the source.
    pub(crate) patch: Vec<u8>,
    /// What had to be said of the record.
    pub(crate) notes: Notes,
}

impl Tape {
    /// An empty tape.
    pub const fn new() -> Self {
        Tape { nodes: Vec::new(), patch: Vec::new(), notes: Notes::NONE }
    }

    /// Reads `source`, one JSON object with nothing but white space around it.
    pub fn read(&mut self, source: &[u8], dialect: Dialect) -> Result<(), Unreadable> {
        self.nodes.clear();
        self.patch.clear();
        self.notes = Notes::NONE;
        let limit = match dialect {
            Dialect::FluentBit => RECORD_BYTES_MAX,
            Dialect::Json => u32::MAX as usize,
        };
        if source.len() > limit {
            return Err(Unreadable::TooLong);
        }
        Reader { source, at: 0, dialect, tape: self, cause: Unreadable::NotAnObject }.read()
    }

    /// The nodes, in the order of the text.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The text of a node of this tape, which was read from `source`.
    pub fn text<'a>(&'a self, node: &Node, source: &'a [u8]) -> &'a [u8] {
        &self.buffer(node, source)[node.start as usize..node.end as usize]
    }

    /// What a node's text is a part of.
    pub(crate) fn buffer<'a>(&'a self, node: &Node, source: &'a [u8]) -> &'a [u8] {
        if node.has(PATCHED) { &self.patch } else { source }
    }

    /// The index of the node that follows the value at `index` and all that
    /// it contains.
    pub(crate) fn after(&self, index: usize) -> usize {
        let node = &self.nodes[index];
        if node.is_container() { node.next as usize } else { index + 1 }
    }

    /// The indices of the keys of the object at `object`.
    pub(crate) fn keys(&self, object: usize) -> impl Iterator<Item = usize> + '_ {
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

    /// Whether the record goes out otherwise than it came in.
    pub(crate) fn is_changed(&self) -> bool {
        !self.patch.is_empty() || self.notes.contains(Notes::DUPLICATE_KEYS)
    }

    /// Gives a node another text.
    pub(crate) fn replace(&mut self, index: usize, kind: Kind, token: &[u8]) -> Result<(), OutOfMemory> {
        let start = self.patch.len();
        put(&mut self.patch, token)?;
        self.point_at_patch(index, kind, start);
        Ok(())
    }

    fn point_at_patch(&mut self, index: usize, kind: Kind, start: usize) {
        let node = &mut self.nodes[index];
        node.start = start as u32;
        node.end = self.patch.len() as u32;
        node.kind = kind;
        node.flags |= PATCHED;
    }
}

/// No parent: the value is the record itself.
const ROOT: u32 = u32::MAX;

struct Reader<'a> {
    source: &'a [u8],
    at: usize,
    dialect: Dialect,
    tape: &'a mut Tape,
    /// Why reading has stopped.
    cause: Unreadable,
}

/// Reading has stopped; the reader says why. Of no size, so that passing it
/// on costs the interpreter next to nothing.
struct Stop;

impl Reader<'_> {
    fn read(mut self) -> Result<(), Unreadable> {
        match self.record() {
            Ok(()) => Ok(()),
            Err(Stop) => Err(self.cause),
        }
    }

    fn record(&mut self) -> Result<(), Stop> {
        let source = self.source;
        let mut parent = ROOT;
        let mut depth = 0;
        // What is common is done with a position in a local variable.
        let mut at = 0;
        'value: loop {
            at = past_space(source, at);
            match source.get(at) {
                Some(b'"') => at = self.string(at, Kind::String)?,
                Some(open @ (b'{' | b'[')) => {
                    depth += 1;
                    if depth > RECORD_DEPTH_MAX {
                        return Err(self.stop(Unreadable::TooDeep(at as u32)));
                    }
                    let index = self.tape.nodes.len() as u32;
                    let kind = if *open == b'{' { Kind::Object } else { Kind::Array };
                    self.push(Node { start: at as u32, end: 0, next: parent, kind, flags: 0 })?;
                    parent = index;
                    at = past_space(source, at + 1);
                    // '}' and ']' are two after their openers in ASCII.
                    if source.get(at) != Some(&(open + 2)) {
                        if *open == b'{' {
                            at = self.key(at)?;
                        }
                        continue 'value;
                    }
                }
                other => {
                    self.at = at;
                    match other {
                        Some(b'-' | b'0'..=b'9') => self.number()?,
                        _ => self.word()?,
                    }
                    at = self.at;
                }
            }
            loop {
                at = past_space(source, at);
                if parent == ROOT {
                    return self.finish(at);
                }
                let is_object = self.tape.nodes[parent as usize].kind == Kind::Object;
                match source.get(at) {
                    Some(b',') if is_object => {
                        at = self.key(past_space(source, at + 1))?;
                        continue 'value;
                    }
                    Some(b',') => {
                        at += 1;
                        continue 'value;
                    }
                    Some(close @ (b'}' | b']')) if is_object == (*close == b'}') => {
                        at += 1;
                        depth -= 1;
                        let next = self.tape.nodes.len() as u32;
                        let node = &mut self.tape.nodes[parent as usize];
                        parent = core::mem::replace(&mut node.next, next);
                        node.end = at as u32;
                    }
                    _ => return Err(self.syntax_at(at)),
                }
            }
        }
    }

    fn finish(&mut self, at: usize) -> Result<(), Stop> {
        if at < self.source.len() {
            return Err(self.syntax_at(at));
        }
        match self.tape.nodes.first() {
            Some(root) if root.kind == Kind::Object => Ok(()),
            _ => Err(self.stop(Unreadable::NotAnObject)),
        }
    }

    #[cold]
    fn stop(&mut self, cause: Unreadable) -> Stop {
        self.cause = cause;
        Stop
    }

    #[cold]
    fn syntax(&mut self) -> Stop {
        self.syntax_at(self.at)
    }

    #[cold]
    fn syntax_at(&mut self, at: usize) -> Stop {
        self.stop(Unreadable::Syntax(at as u32))
    }

    fn memory(&mut self, result: Result<(), OutOfMemory>) -> Result<(), Stop> {
        result.map_err(|OutOfMemory| self.stop(Unreadable::OutOfMemory))
    }

    fn peek(&self) -> Option<u8> {
        self.source.get(self.at).copied()
    }

    fn push(&mut self, node: Node) -> Result<(), Stop> {
        let nodes = &mut self.tape.nodes;
        if nodes.len() == nodes.capacity() && nodes.try_reserve(64).is_err() {
            return Err(self.stop(Unreadable::OutOfMemory));
        }
        nodes.push(node);
        Ok(())
    }

    /// Pushes what has been read from `start` on.
    fn push_token(&mut self, start: usize, kind: Kind, flags: u8) -> Result<(), Stop> {
        self.push(Node { start: start as u32, end: self.at as u32, next: 0, kind, flags })
    }

    /// Replaces the text of the node pushed last.
    fn replace_last(&mut self, kind: Kind, token: &[u8]) -> Result<(), Stop> {
        let replaced = self.tape.replace(self.tape.nodes.len() - 1, kind, token);
        self.memory(replaced)
    }

    /// A member's key and the colon after it.
    #[inline(always)]
    fn key(&mut self, at: usize) -> Result<usize, Stop> {
        let end = match self.source.get(at) {
            Some(b'"') => self.string(at, Kind::Key)?,
            _ => self.bare_key(at)?,
        };
        let colon = past_space(self.source, end);
        if self.source.get(colon) != Some(&b':') {
            return Err(self.syntax_at(colon));
        }
        Ok(colon + 1)
    }

    /// A key that Fluent Bit printed without quotes: a number, `true`, `nan`.
    #[cold]
    fn bare_key(&mut self, start: usize) -> Result<usize, Stop> {
        self.at = start;
        let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        while self.peek().is_some_and(is_bare) {
            self.at += 1;
        }
        if self.at == start || self.dialect == Dialect::Json {
            return Err(self.syntax_at(start));
        }
        self.tape.notes.insert(Notes::BARE_KEYS);
        self.push_token(start, Kind::Key, 0)?;
        let patch_start = self.tape.patch.len();
        let quoted = put_quoted(&mut self.tape.patch, &self.source[start..self.at]);
        self.memory(quoted)?;
        self.tape.point_at_patch(self.tape.nodes.len() - 1, Kind::Key, patch_start);
        Ok(self.at)
    }

    /// A string token, from its opening quote on. Gives where it ends.
    #[inline(always)]
    fn string(&mut self, start: usize, kind: Kind) -> Result<usize, Stop> {
        let at = start + 1 + plain_len(&self.source[start + 1..]);
        if self.source.get(at) != Some(&b'"') {
            self.odd_string(start, at, kind)?;
            return Ok(self.at);
        }
        self.push(Node { start: start as u32, end: at as u32 + 1, next: 0, kind, flags: 0 })?;
        Ok(at + 1)
    }

    /// Reads on in a string that is not all plain, from `at`.
    #[inline(never)]
    fn odd_string(&mut self, start: usize, mut at: usize, kind: Kind) -> Result<(), Stop> {
        let mut flags = 0;
        let mut alone = false;
        loop {
            match self.source.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    self.at = at;
                    let (escape, is_alone) = self.escape()?;
                    at = self.at;
                    flags |= escape;
                    alone |= is_alone;
                }
                None | Some(..0x20) => return Err(self.syntax_at(at)),
                Some(0x80..) => {
                    flags |= NON_ASCII;
                    at += 1;
                }
                // Of the last few bytes it may see none.
                Some(_) => at += plain_len(&self.source[at..]).max(1),
            }
        }
        self.at = at + 1;
        self.push_token(start, kind, flags)?;
        if flags & NON_ASCII != 0 || alone {
            self.mend_string(start, kind, alone)?;
        }
        Ok(())
    }

    /// Steps over an escape. Gives its flags, and whether it is half of a
    /// surrogate pair, alone.
    fn escape(&mut self) -> Result<(u8, bool), Stop> {
        match self.source.get(self.at + 1) {
            Some(b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                Ok((ESCAPED, false))
            }
            Some(b'/') => {
                self.at += 2;
                Ok((ESCAPED | NOT_CANONICAL, false))
            }
            Some(b'u') => match text::unicode_escape(&self.source[self.at..]) {
                Some((unit, len)) => {
                    self.at += len;
                    Ok((ESCAPED | NOT_CANONICAL, unit.is_none()))
                }
                None => Err(self.syntax()),
            },
            _ => Err(self.syntax()),
        }
    }

    /// Rewrites the string pushed last if it is not Unicode text.
    fn mend_string(&mut self, start: usize, kind: Kind, alone: bool) -> Result<(), Stop> {
        let token = &self.source[start..self.at];
        let is_utf8 = core::str::from_utf8(token).is_ok();
        if is_utf8 && !alone {
            return Ok(());
        }
        if self.dialect == Dialect::Json {
            return Err(self.syntax_at(start));
        }
        self.tape.notes.insert(if alone { Notes::LONE_SURROGATES } else { Notes::NONE });
        self.tape.notes.insert(if is_utf8 { Notes::NONE } else { Notes::NOT_UTF8 });
        let patch_start = self.tape.patch.len();
        let rewritten = text::rewrite(token, &mut self.tape.patch);
        self.memory(rewritten)?;
        self.tape.point_at_patch(self.tape.nodes.len() - 1, kind, patch_start);
        Ok(())
    }

    fn digits(&mut self) -> Result<usize, Stop> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { Err(self.syntax()) } else { Ok(self.at - start) }
    }

    fn number(&mut self) -> Result<(), Stop> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
            if matches!(self.peek(), Some(b'n' | b'i')) {
                self.at = start;
                return self.word();
            }
        }
        let first = self.at;
        let digits = self.digits()?;
        if digits > 1 && self.source[first] == b'0' {
            self.at = first;
            return Err(self.syntax());
        }
        let mut is_integer = true;
        if self.peek() == Some(b'.') {
            is_integer = false;
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            is_integer = false;
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        let token = &self.source[start..self.at];
        if is_integer && (digits <= number::DIGITS_ALWAYS_EXACT || number::is_exact(token)) {
            let flags = if token == b"-0" { NOT_CANONICAL } else { 0 };
            return self.push_token(start, Kind::Integer, flags);
        }
        self.push_token(start, Kind::Float, NOT_CANONICAL)?;
        match self.dialect {
            Dialect::Json if number::is_in_range(token) => Ok(()),
            Dialect::Json => Err(self.syntax_at(start)),
            Dialect::FluentBit => match number::outgoing(token) {
                Outgoing::AsIs => Ok(()),
                Outgoing::Otherwise { text, note } => {
                    self.tape.notes.insert(note);
                    self.replace_last(Kind::Float, text.as_bytes())
                }
            },
        }
    }

    fn word(&mut self) -> Result<(), Stop> {
        /// Word, its replacement, and the kind of that.
        const WORDS: [(&[u8], Option<&[u8]>); 7] = [
            (b"null", None),
            (b"true", None),
            (b"false", None),
            (b"nan", Some(b"\"NaN\"")),
            (b"-nan", Some(b"\"NaN\"")),
            (b"inf", Some(b"\"Infinity\"")),
            (b"-inf", Some(b"\"-Infinity\"")),
        ];
        let start = self.at;
        let rest = &self.source[start..];
        let Some((word, replacement)) = WORDS.iter().find(|(word, _)| rest.starts_with(word)) else {
            return Err(self.syntax());
        };
        self.at += word.len();
        self.push_token(start, Kind::Word, 0)?;
        let Some(replacement) = replacement else {
            return Ok(());
        };
        if self.dialect == Dialect::Json {
            return Err(self.syntax_at(start));
        }
        self.tape.notes.insert(Notes::NOT_FINITE);
        self.replace_last(Kind::String, replacement)
    }
}

fn put_quoted(out: &mut Vec<u8>, text: &[u8]) -> Result<(), OutOfMemory> {
    put(out, b"\"")?;
    put(out, text)?;
    put(out, b"\"")
}

/// Where from `at` on there is something else than white space.
#[inline(always)]
fn past_space(source: &[u8], mut at: usize) -> usize {
    while let Some(byte) = source.get(at)
        && *byte <= b' '
        && matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
    {
        at += 1;
    }
    at
}

/// How many bytes from the start of `text` on are plain: neither a quote nor
/// a backslash, no control character and none over 0x7f. In the last few bytes
/// of `text` it may stop early.
#[inline(always)]
fn plain_len(text: &[u8]) -> usize {
    let mut len = 0;
    for eight in text.as_chunks().0 {
        let stops = stops(u64::from_le_bytes(*eight));
        if stops != 0 {
            return len + (stops.trailing_zeros() / 8) as usize;
        }
        len += 8;
    }
    len
}

/// Marks, in the high bits of a word of eight bytes, those that are not plain.
/// The lowest mark is exact: only a marked byte borrows from the next one.
fn stops(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let quotes = (word ^ (ONES * b'"' as u64)).wrapping_sub(ONES);
    let backslashes = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    let controls = word.wrapping_sub(ONES * b' ' as u64);
    (quotes | backslashes | controls | word) & (ONES << 7)
}
