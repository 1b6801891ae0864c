//! The bytes of a program: reads and writes them.

use super::format::Characters;
use super::layout::{self, CHECK_WORDS, TABLE_WORDS};
use crate::automaton::Automaton;
use alloc::vec::Vec;

/// The first bytes of a program.
const MAGIC: [u8; 4] = *b"fas2";

// The places of the parts' sizes in the header.
const NAMES_AT: usize = 4;
const SLOTS_AT: usize = 8;
const CODE_AT: usize = 12;
const PATHS_AT: usize = 16;
const AUTOMATA_AT: usize = 20;
const CHARACTERS_AT: usize = 24;
const TEXT_AT: usize = 28;
const TABLES_AT: usize = 32;
const HEADER_BYTES: usize = 36;

const SLOT_BYTES: usize = 2;
const WORD_BYTES: usize = 4;
const AUTOMATON_BYTES: usize = 8;
/// The length of a path, in bytes: the places of its three parts.
const PATH_BYTES: usize = 12;
/// The bits of a place in the text that hold its start. The other bits hold its length.
const PLACE_START: u32 = (1 << 22) - 1;

// The places of a name's parts.
const FIRST_AT: usize = 0;
const LAST_AT: usize = 8;
const REQUIRED_AT: usize = 16;
const START_AT: usize = 24;
const LEN_AT: usize = 28;
const MASK_AT: usize = 32;
const TYPE_PATH_AT: usize = 36;
const CHECK_CODE_AT: usize = 40;
const REQUIRED_PATH_AT: usize = 44;
/// The length of a name, in bytes.
const NAME_BYTES: usize = 48;
/// The bit beside the path of a required member that says that `properties` has the
/// member.
const IS_PROPERTY: u32 = 1 << 31;

/// A compiled schema.
///
/// Whatever its bytes are, nothing outside of them is read. A missing instruction counts
/// as the end of its schema.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    names: &'a [[u8; NAME_BYTES]],
    slots: &'a [[u8; SLOT_BYTES]],
    code: &'a [[u8; 4]],
    paths: &'a [[u8; PATH_BYTES]],
    automata: &'a [[u8; AUTOMATON_BYTES]],
    characters: &'a [[u8; 4]],
    text: &'a [u8],
    tables: &'a [u8],
}

impl<'a> Program<'a> {
    /// Reads the program in `bytes`, which contain nothing else. Returns `None` if they
    /// are not a program.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (header, rest) = bytes.split_first_chunk::<HEADER_BYTES>()?;
        if header[..4] != MAGIC {
            return None;
        }
        let number = |at: usize| word(header.get(at..)) as usize;
        let (names, rest) = rest.split_at_checked(number(NAMES_AT).checked_mul(NAME_BYTES)?)?;
        let (slots, rest) = rest.split_at_checked(number(SLOTS_AT).checked_mul(SLOT_BYTES)?)?;
        let (code, rest) = rest.split_at_checked(number(CODE_AT).checked_mul(WORD_BYTES)?)?;
        let (paths, rest) = rest.split_at_checked(number(PATHS_AT).checked_mul(PATH_BYTES)?)?;
        let (automata, rest) = rest.split_at_checked(number(AUTOMATA_AT).checked_mul(AUTOMATON_BYTES)?)?;
        let (characters, rest) = rest.split_at_checked(number(CHARACTERS_AT).checked_mul(WORD_BYTES)?)?;
        let (text, rest) = rest.split_at_checked(number(TEXT_AT))?;
        let (tables, rest) = rest.split_at_checked(number(TABLES_AT))?;
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

    /// Checks that its automata are sound. Unsound automata accept less than they should.
    pub fn is_sound(&self) -> bool {
        let mut automata = (0..self.automata.len()).map(|index| self.automaton(index as u32));
        automata.all(|automaton| automaton.is_some_and(|automaton| automaton.is_sound()))
    }

    /// Returns a word of the code, or [`layout::END`] past the end.
    #[inline(always)]
    pub(super) fn word(&self, at: usize) -> u32 {
        self.code.get(at).map_or(0, |word| u32::from_le_bytes(*word))
    }

    /// Returns a part of the text.
    pub(super) fn text(&self, start: u32, len: u32) -> &'a [u8] {
        let start = start as usize;
        self.text.get(start..start.saturating_add(len as usize)).unwrap_or_default()
    }

    /// Returns the part of the text whose start and length are at `at` in the code.
    pub(super) fn text_at(&self, at: usize) -> &'a [u8] {
        self.text(self.word(at), self.word(at + 1))
    }

    /// Returns the name of the required member for which this path is reported if it is
    /// missing.
    pub(super) fn missing(&self, path: u32) -> Option<&'a [u8]> {
        let is_it = |name: &&[u8; NAME_BYTES]| {
            let is_required = name[REQUIRED_AT..REQUIRED_AT + 8].iter().any(|byte| *byte != 0);
            is_required && word(name.get(REQUIRED_PATH_AT..)) & !IS_PROPERTY == path
        };
        let name = self.names.iter().find(is_it)?;
        Some(self.text(word(name.get(START_AT..)), word(name.get(LEN_AT..))))
    }

    /// Returns a path into the schema, in two parts, and the keyword at that place.
    pub(super) fn path(&self, index: u32) -> [&'a [u8]; 3] {
        let path = self.paths.get(index as usize);
        [0, 4, 8].map(|at| {
            let place = word(path.and_then(|path| path.get(at..)));
            self.text(place & PLACE_START, place >> PLACE_START.count_ones())
        })
    }

    pub(super) fn automaton(&self, index: u32) -> Option<Automaton<'a>> {
        let place = self.automata.get(index as usize)?;
        let (start, len) = (word(Some(place)) as usize, word(place.get(4..)) as usize);
        let table = self.tables.get(start..start.checked_add(len)?)?;
        Automaton::read(table).map(|(automaton, _)| automaton)
    }

    /// Returns the properties of characters.
    pub(super) fn characters(&self) -> Characters<'a> {
        Characters(self.characters)
    }

    /// Returns the words from `at` on, if there are enough.
    #[inline(always)]
    pub(super) fn words<const N: usize>(&self, at: usize) -> Option<&'a [[u8; 4]; N]> {
        self.code.get(at..)?.first_chunk()
    }

    /// Returns the table of names at `at` in the code, or an empty table past the end.
    #[inline(always)]
    pub(super) fn table(&self, at: usize) -> Table {
        self.words(at).map(Table::of).unwrap_or_default()
    }

    /// Looks up the name in the `len` bytes of `buffer` from `start` on.
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
            // A sound table has an empty slot before that.
            if slot == first {
                return None;
            }
        }
    }

    #[inline(never)]
    fn is_same(&self, name: Name<'_>, text: &[u8], len: usize) -> bool {
        let start = word(name.0.get(START_AT..)) as usize;
        let name = self.text.get(start..).and_then(|name| name.get(..len));
        name.is_some() && name == text.get(..len)
    }

    /// Returns the required names of a table, which come first.
    pub(super) fn required(&self, table: &Table) -> impl Iterator<Item = Name<'a>> + 'a {
        let names = self.names.get(table.first_name..).unwrap_or_default();
        names.iter().take(table.required as usize).map(Name)
    }
}

fn word(bytes: Option<&[u8]>) -> u32 {
    bytes.and_then(<[u8]>::first_chunk).map_or(0, |word| u32::from_le_bytes(*word))
}

/// A table of names.
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

    /// Checks whether these bits are those of all required names.
    #[inline(always)]
    pub(super) fn are_all(&self, seen: u64) -> bool {
        seen.count_ones() == self.required
    }
}

/// Returns [`layout::fingerprint`] of the first `len` bytes of a longer text.
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

/// A name in a table.
#[derive(Clone, Copy)]
pub(super) struct Name<'a>(&'a [u8; NAME_BYTES]);

impl Name<'_> {
    #[inline(always)]
    fn long(&self, at: usize) -> u64 {
        self.0.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |eight| u64::from_le_bytes(*eight))
    }

    #[inline(always)]
    fn fingerprint(&self) -> (u64, u64) {
        (self.long(FIRST_AT), self.long(LAST_AT))
    }

    #[inline(always)]
    fn len(&self) -> usize {
        word(self.0.get(LEN_AT..)) as usize
    }

    /// Returns the bit that stands for the name among the required members.
    #[inline(always)]
    pub(super) fn required(&self) -> u64 {
        self.long(REQUIRED_AT)
    }

    #[inline(always)]
    pub(super) fn check(&self) -> Check {
        let number = |at: usize| word(self.0.get(at..));
        Check { mask: number(MASK_AT), path: number(TYPE_PATH_AT), code: number(CHECK_CODE_AT) }
    }

    pub(super) fn required_path(&self) -> u32 {
        word(self.0.get(REQUIRED_PATH_AT..)) & !IS_PROPERTY
    }

    #[inline(always)]
    pub(super) fn is_property(&self) -> bool {
        word(self.0.get(REQUIRED_PATH_AT..)) >= IS_PROPERTY
    }
}

/// A check: the use of a subschema.
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

    /// Returns the check at `at` in the code, or one that always holds past the end.
    #[inline(always)]
    pub(super) fn at(program: &Program<'_>, at: usize) -> Self {
        const ANY: Check = Check { mask: layout::types::ALL, path: 0, code: 0 };
        program.words(at).map_or(ANY, Check::of)
    }
}

/// A name to write.
#[derive(Clone, Copy, Debug)]
pub struct NameParts<'a> {
    /// The name.
    pub name: &'a str,
    /// The start of the name in the text.
    pub start: u32,
    /// For a required member, a bit that no other name of its table has, else 0.
    pub required: u64,
    /// The check of the member's value: mask, path and code.
    pub check: [u32; CHECK_WORDS],
    /// For a required member, the path to report if it is missing.
    pub required_path: u32,
    /// True if `properties` has the member.
    pub is_property: bool,
}

/// A table of names to write.
#[derive(Clone, Copy, Debug)]
pub struct TableParts {
    /// The number of its first name.
    pub first_name: u32,
    /// The number of its first slot.
    pub first_slot: u32,
    /// The base-2 logarithm of the number of its slots.
    pub bits: u32,
    /// The number of required names.
    pub required: u32,
    /// The multiplier of its hash.
    pub multiplier: u64,
}

impl TableParts {
    /// Returns the words of the table in the code.
    pub fn words(&self) -> [u32; TABLE_WORDS] {
        let [low, high] = [self.multiplier as u32, (self.multiplier >> 32) as u32];
        [self.first_name, self.first_slot, self.bits | self.required << 8, low, high]
    }
}

/// The parts of a program to write.
#[derive(Clone, Debug, Default)]
pub struct ProgramParts<'a> {
    names: Vec<u8>,
    /// The slots of all tables.
    pub slots: Vec<u16>,
    /// The code, which starts with the check of the whole schema.
    pub code: Vec<u32>,
    /// The paths to report: start and length in the text of their three parts.
    pub paths: Vec<[[u32; 2]; 3]>,
    /// The automata: start and length in the tables.
    pub automata: Vec<[u32; 2]>,
    /// The characters, for the format `hostname`.
    pub characters: &'a [u32],
    /// The text.
    pub text: &'a str,
    /// The tables of the automata.
    pub tables: &'a [u8],
}

impl ProgramParts<'_> {
    /// Returns the number of names.
    pub fn names(&self) -> usize {
        self.names.len() / NAME_BYTES
    }

    /// Adds a name.
    pub fn name(&mut self, name: &NameParts<'_>) {
        let (first, last) = layout::fingerprint(name.name.as_bytes());
        let [mask, path, code] = name.check;
        let is_property = if name.is_property { IS_PROPERTY } else { 0 };
        let mut bytes = [0; NAME_BYTES];
        for (at, long) in [(FIRST_AT, first), (LAST_AT, last), (REQUIRED_AT, name.required)] {
            bytes[at..at + 8].copy_from_slice(&long.to_le_bytes());
        }
        for (at, word) in [
            (START_AT, name.start),
            (LEN_AT, name.name.len() as u32),
            (MASK_AT, mask),
            (TYPE_PATH_AT, path),
            (CHECK_CODE_AT, code),
            (REQUIRED_PATH_AT, name.required_path | is_property),
        ] {
            bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
        self.names.extend(bytes);
    }

    /// Writes the program.
    pub fn write(mut self) -> Vec<u8> {
        if !self.slots.len().is_multiple_of(2) {
            self.slots.push(0);
        }
        let mut bytes = Vec::from([0; HEADER_BYTES]);
        bytes[..MAGIC.len()].copy_from_slice(&MAGIC);
        for (at, count) in [
            (NAMES_AT, self.names()),
            (SLOTS_AT, self.slots.len()),
            (CODE_AT, self.code.len()),
            (PATHS_AT, self.paths.len()),
            (AUTOMATA_AT, self.automata.len()),
            (CHARACTERS_AT, self.characters.len()),
            (TEXT_AT, self.text.len()),
            (TABLES_AT, self.tables.len()),
        ] {
            bytes[at..at + 4].copy_from_slice(&(count as u32).to_le_bytes());
        }
        // If a text starts further on, the policy is too long anyway.
        let place = |[start, len]: &[u32; 2]| *start.min(&PLACE_START) | len << PLACE_START.count_ones();
        bytes.extend(&self.names);
        bytes.extend(self.slots.iter().flat_map(|slot| slot.to_le_bytes()));
        bytes.extend(self.code.iter().flat_map(|word| word.to_le_bytes()));
        bytes.extend(self.paths.iter().flatten().flat_map(|part| place(part).to_le_bytes()));
        bytes.extend(self.automata.iter().flatten().flat_map(|word| word.to_le_bytes()));
        bytes.extend(self.characters.iter().flat_map(|word| word.to_le_bytes()));
        bytes.extend(self.text.bytes());
        bytes.extend(self.tables);
        bytes
    }
}
