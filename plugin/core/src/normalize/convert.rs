//! Sources: a value of the record, or a part of it, becomes a value of the event.

use super::cut::{cut, ends_with, find};
use super::program::{Conversion, Entry, Fits, Lookup, NEGATED, OR, Question, Source, Test};
use super::run::{Run, put_member};
use super::time;
use crate::memory::{OutOfMemory, put, put_byte};
use crate::recognize::ValueType;
use crate::record::tape::{Kind, Node, PATCHED, REMOVED, TAKEN, Tape};
use crate::text::digits::Digits;
use crate::text::{inner, is_same, starts_with};
use core::net::IpAddr;

/// The most digits of a text that becomes an integer.
const INTEGER_DIGITS_MAX: usize = 18;

/// A scalar value, or a part of one.
#[derive(Clone, Copy)]
struct Piece {
    value: u32,
    node: Node,
    start: u32,
    end: u32,
}

impl Run<'_, '_> {
    /// The value in a slot; none if there is nothing, `null` or a text that stands for nothing.
    pub(super) fn value(&self, slot: u16) -> Option<usize> {
        let index = *self.slots.get(usize::from(slot))? as usize;
        let node = self.tape.nodes.get(index).filter(|node| index > 0 && !node.has(REMOVED))?;
        match node.kind {
            Kind::Word if self.tape.text(node, self.source).first() == Some(&b'n') => None,
            Kind::String if self.program.absent_len() > 0 && self.is_absent(node) => None,
            _ => Some(index),
        }
    }

    fn is_absent(&self, node: &Node) -> bool {
        let text = inner(self.tape.text(node, self.source));
        let mut absent = (0..self.program.absent_len()).filter_map(|index| self.program.absent(index));
        absent.any(|absent| is_same(self.program.text(absent.start, absent.len), text))
    }

    /// Checks that all conditions hold.
    #[inline(never)]
    pub(super) fn holds(&self, first: u16, count: u16) -> bool {
        let mut is_met = false;
        for index in first..first.saturating_add(count) {
            let Some(question) = self.program.questions(index.into()) else { return false };
            is_met = is_met || self.answer(&question) != (question.flags & NEGATED != 0);
            if question.flags & OR == 0 {
                if !is_met {
                    return false;
                }
                is_met = false;
            }
        }
        true
    }

    #[inline(never)]
    fn answer(&self, question: &Question) -> bool {
        let (Some(index), Some(test)) = (self.value(question.slot), Test::of(question.test)) else {
            return false;
        };
        let node = &self.tape.nodes[index];
        match test {
            Test::Has => return true,
            Test::Type => return is_of_type(node.kind, question.start),
            _ if node.is_container() => return false,
            _ => {}
        }
        let text = inner(self.tape.text(node, self.source));
        let wanted = self.program.text(question.start, question.len);
        match test {
            Test::Starts => starts_with(text, wanted),
            Test::Ends => ends_with(text, wanted),
            Test::Contains => find(text, wanted, 0).is_some(),
            _ => is_same(text, wanted),
        }
    }

    /// Writes a member of this key, if the source yields a value.
    #[inline(never)]
    pub(super) fn member(&mut self, key: u16, key_len: u16, source: &Source) -> Result<bool, OutOfMemory> {
        if conditions(source) > 0 && !self.holds(source.condition, conditions(source)) {
            return Ok(false);
        }
        let Some(conversion) = Conversion::of(source.conversion) else { return Ok(false) };
        match conversion {
            Conversion::Constant => {
                return self.constant(key, key_len, source.slot, source.cut).map(|()| true);
            }
            Conversion::Now => return self.number(key, key_len, Some(self.millis)),
            _ => {}
        }
        let Some(index) = self.value(source.slot) else { return Ok(false) };
        let is_copied = match conversion {
            Conversion::Copy => true,
            Conversion::String => self.tape.nodes[index].kind == Kind::String,
            Conversion::Texts if self.are_texts(index) => true,
            Conversion::Texts => return Ok(false),
            _ => false,
        };
        if is_copied && cuts(source) == 0 {
            return self.copy(key, key_len, index).map(|()| true);
        }
        if conversion == Conversion::Join {
            return self.join(key, key_len, index, source);
        }
        let Some(piece) = self.piece(index, source) else { return Ok(false) };
        let is_made = self.convert(key, key_len, conversion, source, piece)?;
        let is_whole = !matches!(
            conversion,
            Conversion::Lookup
                | Conversion::Time
                | Conversion::Seconds
                | Conversion::Milliseconds
                | Conversion::Microseconds
                | Conversion::Nanoseconds
        );
        if is_made && is_whole && cuts(source) == 0 {
            self.tape.nodes[index].flags |= TAKEN;
        }
        Ok(is_made)
    }

    /// The part of a scalar that a source's cuts leave.
    #[inline(never)]
    fn piece(&self, index: usize, source: &Source) -> Option<Piece> {
        let node = self.tape.nodes[index];
        if node.is_container() {
            return None;
        }
        let quote = u32::from(matches!(node.kind, Kind::String | Kind::Key));
        let mut piece = Piece {
            value: index as u32,
            node,
            start: node.start + quote,
            end: node.end.saturating_sub(quote),
        };
        for at in source.cut..source.cut.saturating_add(cuts(source)) {
            let part = cut(self.program, &self.program.cuts(at.into())?, self.bytes(&piece))?;
            if part.is_empty() {
                return None;
            }
            piece.end = piece.start + part.end as u32;
            piece.start += part.start as u32;
        }
        Some(piece)
    }

    fn bytes(&self, piece: &Piece) -> &[u8] {
        let buffer = self.tape.buffer(&piece.node, self.source);
        buffer.get(piece.start as usize..piece.end as usize).unwrap_or_default()
    }

    #[inline(never)]
    fn convert(
        &mut self,
        key: u16,
        key_len: u16,
        conversion: Conversion,
        source: &Source,
        piece: Piece,
    ) -> Result<bool, OutOfMemory> {
        let text = self.bytes(&piece);
        let is_string = matches!(piece.node.kind, Kind::String | Kind::Key);
        match conversion {
            Conversion::Lookup => {
                let Some((token, len)) = self.look_up(source.lookup, text) else { return Ok(false) };
                return self.constant(key, key_len, token, len).map(|()| true);
            }
            Conversion::Time => {
                let time = time::date(text).filter(|_| is_string);
                return self.number(key, key_len, time);
            }
            Conversion::Seconds
            | Conversion::Milliseconds
            | Conversion::Microseconds
            | Conversion::Nanoseconds => {
                let time = time::number(text, conversion);
                return self.number(key, key_len, time);
            }
            Conversion::Integer if piece.node.kind == Kind::Integer => {}
            Conversion::Integer => {
                if let Some(number) = hexadecimal(text).filter(|_| is_string) {
                    return self.number(key, key_len, Some(number));
                }
                if !is_string || !is_integer(text) {
                    return Ok(false);
                }
                self.key(key, key_len)?;
                return self.bare(piece).map(|()| true);
            }
            Conversion::Boolean if !is_string && piece.node.kind == Kind::Word => {}
            Conversion::Boolean => {
                if !is_string || !matches!(text, b"true" | b"false") {
                    return Ok(false);
                }
                self.key(key, key_len)?;
                return self.bare(piece).map(|()| true);
            }
            Conversion::Email if !is_string || !is_email(text) => return Ok(false),
            Conversion::Ip | Conversion::Host => {
                let is_wanted = is_ip(text) == (conversion == Conversion::Ip);
                if !is_string || !is_wanted {
                    return Ok(false);
                }
            }
            _ => {}
        }
        self.key(key, key_len)?;
        let is_all = cuts(source) == 0 && (is_string || conversion != Conversion::String);
        if is_all {
            self.write(piece.value as usize).map(|()| true)
        } else {
            self.quoted(piece).map(|()| true)
        }
    }

    /// Checks that a value is an array of texts.
    fn are_texts(&self, array: usize) -> bool {
        let texts = self.tape.nodes.get(array + 1..self.tape.after(array)).unwrap_or_default();
        self.tape.nodes[array].kind == Kind::Array
            && texts.iter().all(|node| node.kind == Kind::String && !node.has(REMOVED))
    }

    /// Writes an array of texts as one text.
    #[inline(never)]
    fn join(&mut self, key: u16, key_len: u16, array: usize, source: &Source) -> Result<bool, OutOfMemory> {
        let end = self.tape.after(array);
        if end == array + 1 || !self.are_texts(array) {
            return Ok(false);
        }
        self.key(key, key_len)?;
        let between = self.program.cuts(source.cut.into()).unwrap_or_default();
        let between = self.program.text(between.before, between.before_len);
        let start = self.tape.patch.len();
        put_byte(&mut self.tape.patch, b'"')?;
        let mut flags = 0;
        for index in array + 1..end {
            if index > array + 1 {
                put(&mut self.tape.patch, between)?;
            }
            let node = self.tape.nodes[index];
            flags |= node.flags;
            self.append(Piece {
                value: index as u32,
                node,
                start: node.start + 1,
                end: node.end.saturating_sub(1),
            })?;
        }
        put_byte(&mut self.tape.patch, b'"')?;
        self.patched(start, Kind::String, flags)?;
        self.tape.nodes[array].flags |= TAKEN;
        Ok(true)
    }

    /// Writes a part of a text as a string of its own.
    #[inline(never)]
    fn quoted(&mut self, piece: Piece) -> Result<(), OutOfMemory> {
        let start = self.tape.patch.len();
        put_byte(&mut self.tape.patch, b'"')?;
        self.append(piece)?;
        put_byte(&mut self.tape.patch, b'"')?;
        self.patched(start, Kind::String, piece.node.flags)
    }

    /// Writes the inside of a string without its quotes.
    #[inline(never)]
    fn bare(&mut self, piece: Piece) -> Result<(), OutOfMemory> {
        let text = self.event.pieces();
        let buffer = self.tape.buffer(&piece.node, self.source);
        put(text, buffer.get(piece.start as usize..piece.end as usize).unwrap_or_default())?;
        put_byte(text, b',')
    }

    #[inline(never)]
    fn append(&mut self, piece: Piece) -> Result<(), OutOfMemory> {
        let range = piece.start as usize..piece.end as usize;
        self.spend_bytes(range.len());
        let Tape { patch, .. } = &mut *self.tape;
        if !piece.node.has(PATCHED) {
            return put(patch, self.source.get(range).unwrap_or_default());
        }
        patch.try_reserve(range.len()).map_err(|_| OutOfMemory)?;
        if range.end <= patch.len() {
            patch.extend_from_within(range);
        }
        Ok(())
    }

    /// Writes a number with its key, if there is one.
    #[inline(never)]
    pub(super) fn number(
        &mut self,
        key: u16,
        key_len: u16,
        number: Option<u64>,
    ) -> Result<bool, OutOfMemory> {
        let Some(number) = number else { return Ok(false) };
        let key = self.program.token(key, key_len);
        put_member(self.event.pieces(), key, Digits::of(number).as_bytes())?;
        Ok(true)
    }

    /// The constant that a lookup has for a text.
    #[inline(never)]
    fn look_up(&self, lookup: u16, text: &[u8]) -> Option<(u16, u16)> {
        let Lookup { entry, entries, default, default_len } = self.program.lookups(lookup.into())?;
        for index in entry..entry.saturating_add(entries) {
            let entry = self.program.entries(index.into())?;
            if self.fits(&entry, text) {
                return Some((entry.token, entry.token_len));
            }
        }
        (default_len > 0).then_some((default, default_len))
    }

    #[inline(never)]
    fn fits(&self, entry: &Entry, text: &[u8]) -> bool {
        if entry.fits == Fits::Is as u16 && usize::from(entry.len) != text.len() {
            return false;
        }
        let wanted = self.program.text(entry.start, entry.len);
        match Fits::of(entry.fits) {
            Some(Fits::Is) => is_same(text, wanted),
            Some(Fits::Starts) => starts_with(text, wanted),
            Some(Fits::Ends) => ends_with(text, wanted),
            Some(Fits::Contains) => find(text, wanted, 0).is_some(),
            Some(Fits::Range) => is_between(wanted, text),
            None => false,
        }
    }
}

/// Returns the number of a source's conditions.
fn conditions(source: &Source) -> u16 {
    source.counts & 0xff
}

/// Returns the number of a source's cuts.
fn cuts(source: &Source) -> u16 {
    source.counts >> 8
}

fn is_between(range: &[u8], text: &[u8]) -> bool {
    let number =
        |at: usize| range.get(at..).and_then(<[u8]>::first_chunk).map(|bytes| i64::from_le_bytes(*bytes));
    let value = core::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok());
    match (number(0), number(8), value) {
        (Some(first), Some(last), Some(value)) => (first..=last).contains(&value),
        _ => false,
    }
}

fn is_of_type(kind: Kind, wanted: u16) -> bool {
    let found = match kind {
        Kind::Object => ValueType::Object,
        Kind::Array => ValueType::Array,
        Kind::String | Kind::Key => ValueType::String,
        Kind::Integer | Kind::Float => ValueType::Number,
        Kind::Word => ValueType::Boolean,
    };
    found as u16 == wanted
}

/// Checks that a text is an integer as JSON writes it, and not too long for one of 64 bits.
fn is_integer(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    match digits {
        b"0" => text.len() == 1,
        [b'1'..=b'9', rest @ ..] => rest.len() < INTEGER_DIGITS_MAX && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// Reads a hexadecimal number, as in `0x1f4`.
fn hexadecimal(text: &[u8]) -> Option<u64> {
    let digits = core::str::from_utf8(text.strip_prefix(b"0x")?).ok()?;
    let is_short = digits.len() < 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u64::from_str_radix(digits, 16).ok().filter(|_| is_short)
}

/// Checks that a text is an address of e-mail as OCSF has it.
#[inline(never)]
fn is_email(text: &[u8]) -> bool {
    let at = text.iter().position(|byte| *byte == b'@').unwrap_or(0);
    let (local, domain) = text.split_at(at);
    let is_local = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(byte);
    let is_domain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let domain = domain.get(1..).unwrap_or_default();
    let dot = domain.iter().rposition(|byte| *byte == b'.').unwrap_or(0);
    !local.is_empty()
        && local.iter().all(is_local)
        && domain.iter().all(is_domain)
        && dot > 0
        && dot + 1 < domain.len()
}

#[inline(never)]
fn is_ip(text: &[u8]) -> bool {
    core::str::from_utf8(text).is_ok_and(|text| text.parse::<IpAddr>().is_ok())
}
