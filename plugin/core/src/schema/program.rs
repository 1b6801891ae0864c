//! A program, as it stands in its bytes.

use super::format::Characters;
use super::layout::{self, HEADER_BYTES, MAGIC, NAME_BYTES, TABLE_WORDS};
use crate::automaton::Automaton;

/// A compiled schema.
///
/// Whatever the bytes say, nothing is read past them, and an instruction that
/// is not there ends its schema.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    names: &'a [[u8; NAME_BYTES]],
    slots: &'a [[u8; 2]],
    code: &'a [[u8; 4]],
    paths: &'a [[u8; 16]],
    automata: &'a [[u8; 8]],
    characters: &'a [[u8; 4]],
    text: &'a [u8],
    tables: &'a [u8],
}

impl<'a> Program<'a> {
    /// The program in `bytes`, which hold nothing else; none if there is none.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (header, rest) = bytes.split_first_chunk::<HEADER_BYTES>()?;
        if header[..4] != MAGIC {
            return None;
        }
        let number = |at: usize| word(header.get(at..)) as usize;
        let (names, rest) = rest.split_at_checked(number(4).checked_mul(NAME_BYTES)?)?;
        let (slots, rest) = rest.split_at_checked(number(8).checked_mul(2)?)?;
        let (code, rest) = rest.split_at_checked(number(12).checked_mul(4)?)?;
        let (paths, rest) = rest.split_at_checked(number(16).checked_mul(16)?)?;
        let (automata, rest) = rest.split_at_checked(number(20).checked_mul(8)?)?;
        let (characters, rest) = rest.split_at_checked(number(24).checked_mul(4)?)?;
        let (text, rest) = rest.split_at_checked(number(28))?;
        let (tables, rest) = rest.split_at_checked(number(32))?;
        let program = Program {
            names: names.as_chunks().0,
            slots: slots.as_chunks().0,
            code: code.as_chunks().0,
            paths: paths.as_chunks().0,
            automata: automata.as_chunks().0,
            characters: characters.as_chunks().0,
            text,
            tables,
        };
        let has_all = rest.is_empty()
            && program.code.len() >= layout::CHECK_WORDS
            && (0..automata.len() / 8).all(|index| program.automaton(index as u32).is_some());
        has_all.then_some(program)
    }

    /// A word of the code; past its end, [`layout::END`].
    #[inline(always)]
    pub(super) fn word(&self, at: usize) -> u32 {
        self.code.get(at).map_or(0, |word| u32::from_le_bytes(*word))
    }

    /// A part of the text.
    pub(super) fn text(&self, start: u32, len: u32) -> &'a [u8] {
        let start = start as usize;
        self.text.get(start..start.saturating_add(len as usize)).unwrap_or_default()
    }

    /// The part of the text whose start and length are at `at` in the code.
    pub(super) fn text_at(&self, at: usize) -> &'a [u8] {
        self.text(self.word(at), self.word(at + 1))
    }

    /// A path into the schema, and the keyword in it.
    pub(super) fn path(&self, index: u32) -> (&'a str, &'a str) {
        let path = self.paths.get(index as usize);
        let number = |at: usize| word(path.and_then(|path| path.get(at..)));
        let part = |at| core::str::from_utf8(self.text(number(at), number(at + 4))).unwrap_or_default();
        (part(0), part(8))
    }

    pub(super) fn automaton(&self, index: u32) -> Option<Automaton<'a>> {
        let place = self.automata.get(index as usize)?;
        let (start, len) = (word(Some(place)) as usize, word(place.get(4..)) as usize);
        let table = self.tables.get(start..start.checked_add(len)?)?;
        Automaton::read(table).map(|(automaton, _)| automaton)
    }

    /// What is known of characters.
    pub(super) fn characters(&self) -> Characters<'a> {
        Characters(self.characters)
    }

    /// The table of names at `at` in the code.
    #[inline(always)]
    pub(super) fn table(&self, at: usize) -> Table<'a> {
        let words: [u32; TABLE_WORDS] = core::array::from_fn(|word| self.word(at + word));
        let range = |start: u32, len: usize| start as usize..(start as usize).saturating_add(len);
        let bits = words[3].clamp(1, 16);
        Table {
            names: self.names.get(range(words[0], words[1] as usize)).unwrap_or_default(),
            slots: self.slots.get(range(words[2], 1 << bits)).unwrap_or_default(),
            bits,
            multiplier: u64::from(words[5]) << 32 | u64::from(words[4]),
            text: self.text,
        }
    }
}

fn word(bytes: Option<&[u8]>) -> u32 {
    bytes.and_then(<[u8]>::first_chunk).map_or(0, |word| u32::from_le_bytes(*word))
}

/// Names to look up.
pub(super) struct Table<'a> {
    names: &'a [[u8; NAME_BYTES]],
    slots: &'a [[u8; 2]],
    bits: u32,
    multiplier: u64,
    text: &'a [u8],
}

impl<'a> Table<'a> {
    /// Looks up the name that stands in `buffer` from `start` to `end`.
    #[inline(always)]
    pub(super) fn find(&self, buffer: &[u8], start: usize, end: usize) -> Option<Name<'a>> {
        let len = end.saturating_sub(start);
        let fingerprint = fingerprint(buffer, start, len);
        let mut slot = layout::hash(fingerprint, len, self.multiplier, self.bits);
        // In a sound table there is an empty slot.
        for _ in self.slots {
            let index = u16::from_le_bytes(*self.slots.get(slot)?) as usize;
            let name = Name(self.names.get(index.wrapping_sub(1))?);
            if name.long(0) == fingerprint.0
                && name.long(8) == fingerprint.1
                && name.word(20) as usize == len
                && (len <= 16 || self.is_same(name, buffer.get(start..end)))
            {
                return Some(name);
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        None
    }

    #[inline(never)]
    fn is_same(&self, name: Name<'_>, text: Option<&[u8]>) -> bool {
        let start = name.word(16) as usize;
        text.is_some_and(|text| self.text.get(start..start.saturating_add(text.len())) == Some(text))
    }

    /// The required ones, which come first.
    pub(super) fn required(&self) -> impl Iterator<Item = Name<'a>> + 'a {
        self.names.iter().map(Name).take_while(|name| name.required() != 0)
    }
}

/// [`layout::fingerprint`] of a part of a longer text.
#[inline(always)]
fn fingerprint(buffer: &[u8], start: usize, len: usize) -> (u64, u64) {
    let eight = |at: usize| buffer.get(at..)?.first_chunk().map(|eight| u64::from_le_bytes(*eight));
    match eight(start) {
        Some(first) if len < 8 => (first & !(u64::MAX << (8 * len)), 0),
        Some(first) => (first, eight(start + len - 8).unwrap_or(0)),
        None => layout::fingerprint(buffer.get(start..start + len).unwrap_or_default()),
    }
}

/// An entry of a table.
#[derive(Clone, Copy)]
pub(super) struct Name<'a>(&'a [u8; NAME_BYTES]);

impl Name<'_> {
    #[inline(always)]
    fn long(&self, at: usize) -> u64 {
        self.0.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |eight| u64::from_le_bytes(*eight))
    }

    #[inline(always)]
    fn word(&self, at: usize) -> u32 {
        word(self.0.get(at..))
    }

    #[inline(always)]
    pub(super) fn check(&self) -> Check {
        Check { mask: self.word(24), path: self.word(28), code: self.word(32) }
    }

    /// The bit that stands for it among the required members.
    #[inline(always)]
    pub(super) fn required(&self) -> u64 {
        let number = self.word(36);
        if number == 0 { 0 } else { 1 << ((number - 1) & 63) }
    }

    pub(super) fn required_path(&self) -> u32 {
        self.word(40)
    }

    #[inline(always)]
    pub(super) fn is_property(&self) -> bool {
        self.word(44) != 0
    }
}

/// Where a subschema applies.
#[derive(Clone, Copy)]
pub(super) struct Check {
    pub(super) mask: u32,
    pub(super) path: u32,
    pub(super) code: u32,
}

impl Check {
    #[inline(always)]
    pub(super) fn at(program: &Program<'_>, at: usize) -> Self {
        Check { mask: program.word(at), path: program.word(at + 1), code: program.word(at + 2) }
    }
}
