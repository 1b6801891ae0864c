//! A program, as it stands in its bytes.

use super::format::Characters;
use super::layout::{self, CHECK_WORDS, HEADER_BYTES, MAGIC, NAME_BYTES, TABLE_WORDS};
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
            && program.code.len() >= CHECK_WORDS
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

    /// The words from `at` on; past the end of the code, zeros.
    #[inline(always)]
    pub(super) fn words<const N: usize>(&self, at: usize) -> [u32; N] {
        match self.code.get(at..).and_then(<[[u8; 4]]>::first_chunk::<N>) {
            Some(words) => words.map(u32::from_le_bytes),
            None => [0; N],
        }
    }

    /// The table of names that these words are.
    #[inline(always)]
    pub(super) fn table(&self, words: [u32; TABLE_WORDS]) -> Table<'a> {
        let [first, count, slot, sizes, low, high] = words;
        let (first, slot) = (first as usize, slot as usize);
        let bits = (sizes & 0xff).clamp(1, 16);
        Table {
            names: self.names.get(first..).and_then(|names| names.get(..count as usize)).unwrap_or_default(),
            slots: self.slots.get(slot..).and_then(|slots| slots.get(..1 << bits)).unwrap_or_default(),
            shift: 64 - bits,
            required: sizes >> 8,
            multiplier: u64::from(high) << 32 | u64::from(low),
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
    shift: u32,
    required: u32,
    multiplier: u64,
    text: &'a [u8],
}

impl<'a> Table<'a> {
    /// Looks up the name of `len` bytes that stands in `buffer` from `start`
    /// on.
    #[inline(always)]
    pub(super) fn find(&self, buffer: &[u8], start: usize, len: usize) -> Option<Name<'a>> {
        let fingerprint = fingerprint(buffer, start, len);
        let mut slot = layout::hash(fingerprint, len, self.multiplier, self.shift);
        // An empty slot leads to no name; in a sound table there is one.
        for _ in self.slots {
            let index = u16::from_le_bytes(*self.slots.get(slot)?) as usize;
            let name = Name(self.names.get(index.wrapping_sub(1))?);
            let (first, last) = name.fingerprint();
            if (first ^ fingerprint.0) | (last ^ fingerprint.1) | (name.len() ^ len) as u64 == 0
                && (len <= 16 || self.is_same(name, buffer, start, len))
            {
                return Some(name);
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        None
    }

    #[inline(never)]
    fn is_same(&self, name: Name<'_>, buffer: &[u8], start: usize, len: usize) -> bool {
        let name_start = word(name.0.get(24..)) as usize;
        let text = buffer.get(start..).and_then(|text| text.get(..len));
        text.is_some() && text == self.text.get(name_start..).and_then(|name| name.get(..len))
    }

    /// Whether these are all required names, by their bits.
    #[inline(always)]
    pub(super) fn are_all(&self, seen: u64) -> bool {
        seen.count_ones() == self.required
    }

    /// The required names, which come first.
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
        None => layout::fingerprint(buffer.get(start..).and_then(|text| text.get(..len)).unwrap_or_default()),
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
    fn fingerprint(&self) -> (u64, u64) {
        (self.long(0), self.long(8))
    }

    #[inline(always)]
    fn len(&self) -> usize {
        word(self.0.get(28..)) as usize
    }

    /// The bit that stands for it among the required members.
    #[inline(always)]
    pub(super) fn required(&self) -> u64 {
        self.long(16)
    }

    #[inline(always)]
    pub(super) fn check(&self) -> Check {
        let number = |at: usize| word(self.0.get(at..));
        Check { mask: number(32), path: number(36), code: number(40) }
    }

    pub(super) fn required_path(&self) -> u32 {
        word(self.0.get(44..)) & (u32::MAX >> 1)
    }

    #[inline(always)]
    pub(super) fn is_property(&self) -> bool {
        word(self.0.get(44..)) > u32::MAX >> 1
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
    pub(super) fn of([mask, path, code]: [u32; CHECK_WORDS]) -> Self {
        Check { mask, path, code }
    }

    #[inline(always)]
    pub(super) fn at(program: &Program<'_>, at: usize) -> Self {
        Self::of(program.words(at))
    }
}
