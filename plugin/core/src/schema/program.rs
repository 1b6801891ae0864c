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
        (rest.is_empty() && program.code.len() >= CHECK_WORDS).then_some(program)
    }

    /// Whether its automata are sound. If not, it takes less than it should.
    pub fn is_sound(&self) -> bool {
        let mut automata = (0..self.automata.len()).map(|index| self.automaton(index as u32));
        automata.all(|automaton| automaton.is_some_and(|automaton| automaton.is_sound()))
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
    pub(super) fn path(&self, index: u32) -> (&'a [u8], &'a [u8]) {
        let path = self.paths.get(index as usize);
        let number = |at: usize| word(path.and_then(|path| path.get(at..)));
        let part = |at| self.text(number(at), number(at + 4));
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

    /// The words from `at` on, if there are as many.
    #[inline(always)]
    pub(super) fn words<const N: usize>(&self, at: usize) -> Option<&'a [[u8; 4]; N]> {
        self.code.get(at..)?.first_chunk()
    }

    /// The table of names at `at` in the code; past its end, an empty one.
    #[inline(always)]
    pub(super) fn table(&self, at: usize) -> Table {
        self.words(at).map(Table::of).unwrap_or_default()
    }

    /// Looks up the name of `len` bytes that stands in `buffer` from `start`
    /// on.
    #[inline(always)]
    pub(super) fn find(&self, table: &Table, buffer: &[u8], start: usize, len: usize) -> Option<Name<'a>> {
        let text = buffer.get(start..)?;
        let fingerprint = fingerprint(text, len)?;
        let first = layout::hash(fingerprint, len, table.multiplier, table.shift);
        let mut slot = first;
        loop {
            let index = u16::from_le_bytes(*self.slots.get(table.first_slot.wrapping_add(slot))?) as usize;
            // An empty slot leads to no name.
            let name = Name(self.names.get(index.wrapping_sub(1))?);
            let (first_part, last_part) = name.fingerprint();
            if (first_part ^ fingerprint.0) | (last_part ^ fingerprint.1) | (name.len() ^ len) as u64 == 0
                && (len <= 16 || self.is_same(name, text, len))
            {
                return Some(name);
            }
            slot = (slot + 1) & table.last_slot;
            // In a sound table there is an empty slot before that.
            if slot == first {
                return None;
            }
        }
    }

    #[inline(never)]
    fn is_same(&self, name: Name<'_>, text: &[u8], len: usize) -> bool {
        let start = word(name.0.get(24..)) as usize;
        let name = self.text.get(start..).and_then(|name| name.get(..len));
        name.is_some() && name == text.get(..len)
    }

    /// The required names of a table, which come first.
    pub(super) fn required(&self, table: &Table) -> impl Iterator<Item = Name<'a>> + 'a {
        let names = self.names.get(table.first_name..).unwrap_or_default();
        names.iter().take(table.required as usize).map(Name)
    }
}

fn word(bytes: Option<&[u8]>) -> u32 {
    bytes.and_then(<[u8]>::first_chunk).map_or(0, |word| u32::from_le_bytes(*word))
}

/// Names to look up.
#[derive(Clone, Copy, Default)]
pub(super) struct Table {
    first_name: usize,
    first_slot: usize,
    last_slot: usize,
    shift: u32,
    required: u32,
    multiplier: u64,
}

impl Table {
    #[inline(always)]
    pub(super) fn of(words: &[[u8; 4]; TABLE_WORDS]) -> Self {
        let [first_name, first_slot, sizes, low, high] = words.map(u32::from_le_bytes);
        let bits = (sizes & 0xff).clamp(1, 16);
        Table {
            first_name: first_name as usize,
            first_slot: first_slot as usize,
            last_slot: (1 << bits) - 1,
            shift: 64 - bits,
            required: sizes >> 8,
            multiplier: u64::from(high) << 32 | u64::from(low),
        }
    }

    /// Whether these are all required names, by their bits.
    #[inline(always)]
    pub(super) fn are_all(&self, seen: u64) -> bool {
        seen.count_ones() == self.required
    }
}

/// [`layout::fingerprint`] of the first `len` bytes of a longer text.
#[inline(always)]
fn fingerprint(text: &[u8], len: usize) -> Option<(u64, u64)> {
    let name = text.get(..len)?;
    if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
        return Some((u64::from_le_bytes(*first), u64::from_le_bytes(*last)));
    }
    Some(match text.first_chunk() {
        Some(first) => (u64::from_le_bytes(*first) & !(u64::MAX << (8 * (len & 7))), 0),
        None => layout::fingerprint(name),
    })
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
    pub(super) fn of(words: &[[u8; 4]; CHECK_WORDS]) -> Self {
        let [mask, path, code] = words.map(u32::from_le_bytes);
        Check { mask, path, code }
    }

    /// The check at `at` in the code; past its end, one that holds.
    #[inline(always)]
    pub(super) fn at(program: &Program<'_>, at: usize) -> Self {
        const ANY: Check = Check { mask: layout::types::ALL, path: 0, code: 0 };
        program.words(at).map_or(ANY, Check::of)
    }
}
