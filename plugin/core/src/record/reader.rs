//! Reads a record onto its tape, in one pass and without a stack.

use crate::memory::{OutOfMemory, put};
use crate::record::notes::Notes;
use crate::record::number::{self, Outgoing};
use crate::record::tape::{Dialect, ESCAPED, Kind, NON_ASCII, NOT_CANONICAL, Node, Tape, Unreadable};
use crate::record::{RECORD_BYTES_MAX, RECORD_DEPTH_MAX};
use crate::text;
use alloc::vec::Vec;

/// The parent of the record itself, which has none.
const ROOT: u32 = u32::MAX;

impl Tape {
    /// Reads `source`: one JSON object, surrounded by white space at most.
    pub fn read(&mut self, source: &[u8], dialect: Dialect) -> Result<(), Unreadable> {
        self.read_value(source, dialect)?;
        match self.nodes.first() {
            Some(root) if root.kind == Kind::Object => Ok(()),
            _ => Err(Unreadable::NotAnObject),
        }
    }

    /// Reads `source`: one JSON value of any kind, surrounded by white space at most.
    pub fn read_value(&mut self, source: &[u8], dialect: Dialect) -> Result<(), Unreadable> {
        self.clear();
        let limit = match dialect {
            Dialect::FluentBit => RECORD_BYTES_MAX,
            Dialect::Json => u32::MAX as usize,
        };
        if source.len() > limit {
            return Err(Unreadable::TooLong);
        }
        read(source, dialect, self)
    }
}

/// Reads `source` onto `tape`, which has to be empty.
fn read(source: &[u8], dialect: Dialect, tape: &mut Tape) -> Result<(), Unreadable> {
    let mut reader = Reader { source, at: 0, dialect, tape, cause: Unreadable::OutOfMemory };
    reader.record().map_err(|Stop| reader.cause)
}

struct Reader<'a> {
    source: &'a [u8],
    at: usize,
    dialect: Dialect,
    tape: &'a mut Tape,
    /// The reason why reading stopped.
    cause: Unreadable,
}

/// Reading has stopped; the reader has the reason. The type has no size, so that
/// returning it costs the interpreter next to nothing.
struct Stop;

impl Reader<'_> {
    fn record(&mut self) -> Result<(), Stop> {
        let source = self.source;
        let mut parent = ROOT;
        let mut depth = 0;
        // The common cases keep the position in a local variable.
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
                    self.tape.depth = self.tape.depth.max(depth);
                    let index = self.tape.nodes.len() as u32;
                    let kind = if *open == b'{' { Kind::Object } else { Kind::Array };
                    self.push(Node { start: at as u32, end: 0, next: parent, kind, flags: 0 })?;
                    parent = index;
                    at = past_space(source, at + 1);
                    // In ASCII, `}` and `]` are two after `{` and `[`.
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
        Ok(())
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

    #[inline(always)]
    fn push(&mut self, node: Node) -> Result<(), Stop> {
        let nodes = &mut self.tape.nodes;
        if nodes.len() == nodes.capacity() && nodes.try_reserve(64).is_err() {
            return Err(self.stop(Unreadable::OutOfMemory));
        }
        nodes.push(node);
        Ok(())
    }

    /// Pushes the token from `start` to the current position.
    fn push_token(&mut self, start: usize, kind: Kind, flags: u8) -> Result<(), Stop> {
        self.push(Node { start: start as u32, end: self.at as u32, next: 0, kind, flags })
    }

    /// Replaces the text of the last node.
    fn replace_last(&mut self, kind: Kind, token: &[u8]) -> Result<(), Stop> {
        let replaced = self.tape.replace(self.tape.nodes.len() - 1, kind, token);
        self.memory(replaced)
    }

    /// Reads a member's key and the colon behind it. Returns the position behind the
    /// colon.
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

    /// Reads a key that Fluent Bit printed without quotes: a number, `true`, `nan`.
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

    /// Reads a string token from its opening quote on. Returns the position behind it.
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

    /// Reads on, from `at`, in a string that is not all plain.
    #[inline(never)]
    fn odd_string(&mut self, start: usize, mut at: usize, kind: Kind) -> Result<(), Stop> {
        let mut flags = 0;
        let mut notes = Notes::NONE;
        loop {
            match self.source.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    self.at = at;
                    let (escape, note) = self.escape()?;
                    at = self.at;
                    flags |= escape;
                    notes.insert(note);
                }
                None | Some(..0x20) => return Err(self.syntax_at(at)),
                Some(0x80..) => {
                    flags |= NON_ASCII;
                    at += 1;
                }
                // `plain_len` may skip none of the last few bytes.
                Some(_) => at += plain_len(&self.source[at..]).max(1),
            }
        }
        self.at = at + 1;
        self.push_token(start, kind, flags)?;
        if flags & NON_ASCII != 0 || notes != Notes::NONE {
            self.mend_string(start, kind, notes)?;
        }
        Ok(())
    }

    /// Skips an escape. Returns its flags, and a note if it is not an escape of JSON.
    fn escape(&mut self) -> Result<(u8, Notes), Stop> {
        match self.source.get(self.at + 1) {
            Some(b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                Ok((ESCAPED, Notes::NONE))
            }
            Some(b'/') => {
                self.at += 2;
                Ok((ESCAPED | NOT_CANONICAL, Notes::NONE))
            }
            Some(b'u') => match text::unicode_escape(&self.source[self.at..]) {
                Some((unit, len)) => {
                    self.at += len;
                    let note = if unit.is_none() { Notes::LONE_SURROGATES } else { Notes::NONE };
                    Ok((ESCAPED | NOT_CANONICAL, note))
                }
                None => Err(self.syntax()),
            },
            Some(b'x') if self.dialect == Dialect::FluentBit => {
                match text::byte_escape(&self.source[self.at..]) {
                    Some((_, len)) => {
                        self.at += len;
                        Ok((ESCAPED | NOT_CANONICAL, Notes::EXTENSION))
                    }
                    None => Err(self.syntax()),
                }
            }
            _ => Err(self.syntax()),
        }
    }

    /// Rewrites the last string if it is not Unicode text.
    fn mend_string(&mut self, start: usize, kind: Kind, notes: Notes) -> Result<(), Stop> {
        let token = &self.source[start..self.at];
        let is_utf8 = core::str::from_utf8(token).is_ok();
        if is_utf8 && notes == Notes::NONE {
            return Ok(());
        }
        if self.dialect == Dialect::Json {
            return Err(self.syntax_at(start));
        }
        self.tape.notes.insert(notes);
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
        /// A word, its replacement, and the replacement's kind.
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

/// Returns the first position from `at` on that is not white space.
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

/// Returns the number of plain bytes at the start of `text`: no quote, no backslash, no
/// control character, and no byte over 0x7f. It may stop early within the last seven
/// bytes of `text`.
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

/// Marks, in the high bits of a word of eight bytes, the bytes that are not plain. The
/// lowest mark is exact: only a marked byte borrows from the next one.
fn stops(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let quotes = (word ^ (ONES * b'"' as u64)).wrapping_sub(ONES);
    let backslashes = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    let controls = word.wrapping_sub(ONES * b' ' as u64);
    (quotes | backslashes | controls | word) & (ONES << 7)
}
