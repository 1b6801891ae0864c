//! The part of a policy's table that says which records become events, by which mapping.
//!
//! | bytes | |
//! |---|---|
//! | 0..2 | how many streams there are |
//! | 2..4 | how many mappings |
//! | 4..6 | for how many formats it says which mapping is theirs |
//! | 12 × streams | a pattern of tags, as place in this part and length; 1 if the record is kept as text; the number of the format, 0 if any; the mapping, 255 if it is that of the record's format; zero |
//! | 16 × mappings | the name and the program, as place and length |
//! | 1 × formats | the mapping of a format, 255 if there is none |

use super::program::Program;
use crate::recognize::Variant;
use crate::text::{is_match, is_name};
use alloc::vec::Vec;

/// Stands for no mapping, or for that of the record's format.
const NO_MAPPING: u8 = u8::MAX;
const HEADER_BYTES: usize = 6;
const STREAM_BYTES: usize = 12;
const MAPPING_BYTES: usize = 16;

/// The mappings of a policy, as they stand in its table.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mappings<'a> {
    part: &'a [u8],
    streams: &'a [[u8; STREAM_BYTES]],
    mappings: &'a [[u8; MAPPING_BYTES]],
    formats: &'a [u8],
}

/// A mapping.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mapping<'a> {
    pub(super) name: &'a [u8],
    pub(super) program: Program<'a>,
}

/// The mapping that was chosen for a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    /// The number of the mapping.
    pub(super) mapping: u8,
    /// True if the event has the record as text.
    pub(super) keeps_text: bool,
}

/// A mapping to write.
#[derive(Clone, Debug)]
pub struct MappingParts<'a> {
    /// The mapping's name, which is in seals.
    pub name: &'a str,
    /// The mapping's program.
    pub program: Vec<u8>,
}

/// Records that become events, to write.
#[derive(Clone, Copy, Debug)]
pub struct StreamMapping<'a> {
    /// The pattern of their tags.
    pub tag: &'a str,
    /// True if the event has the record as text.
    pub keeps_text: bool,
    /// The number of their format; 0 if any.
    pub format: Variant,
    /// The mapping of these records; `None` means the mapping of each record's format.
    pub mapping: Option<u8>,
}

/// The part of a policy's table, to be written.
#[derive(Clone, Debug, Default)]
pub struct MappingsParts<'a> {
    /// The streams, of which the first that a record is of decides.
    pub streams: Vec<StreamMapping<'a>>,
    /// The mappings.
    pub mappings: Vec<MappingParts<'a>>,
    /// The mapping of each format, by the format's number.
    pub formats: Vec<Option<u8>>,
}

impl MappingsParts<'_> {
    /// Writes the part: an empty one, if there are no streams. Returns none if there is more of
    /// something than fits.
    pub fn write(&self) -> Option<Vec<u8>> {
        if self.streams.is_empty() {
            return Some(Vec::new());
        }
        let mut part = Vec::new();
        for len in [self.streams.len(), self.mappings.len(), self.formats.len()] {
            part.extend(u16::try_from(len).ok()?.to_le_bytes());
        }
        let mut contents: Vec<u8> = Vec::new();
        let first = HEADER_BYTES
            + STREAM_BYTES * self.streams.len()
            + MAPPING_BYTES * self.mappings.len()
            + self.formats.len();
        let mut place = |content: &[u8]| -> Option<[u8; 8]> {
            let start = u32::try_from(first + contents.len()).ok()?;
            contents.extend(content);
            let [a, b, c, d] = start.to_le_bytes();
            let [e, f, g, h] = u32::try_from(content.len()).ok()?.to_le_bytes();
            Some([a, b, c, d, e, f, g, h])
        };
        for stream in &self.streams {
            part.extend(place(stream.tag.as_bytes())?);
            part.extend([
                u8::from(stream.keeps_text),
                stream.format,
                stream.mapping.unwrap_or(NO_MAPPING),
                0,
            ]);
        }
        for mapping in &self.mappings {
            part.extend(place(mapping.name.as_bytes())?);
            part.extend(place(&mapping.program)?);
        }
        part.extend(self.formats.iter().map(|mapping| mapping.unwrap_or(NO_MAPPING)));
        part.extend(contents);
        Some(part)
    }
}

impl<'a> Mappings<'a> {
    /// The mappings in their part of the table; an empty one has none.
    pub(crate) fn read(part: &'a [u8]) -> Option<Self> {
        let Some((header, rest)) = part.split_first_chunk::<HEADER_BYTES>() else {
            return Some(Mappings::default());
        };
        let half = |at: usize| u16::from_le_bytes([header[2 * at], header[2 * at + 1]]) as usize;
        let (streams, rest) = rest.split_at_checked(STREAM_BYTES * half(0))?;
        let (mappings, rest) = rest.split_at_checked(MAPPING_BYTES * half(1))?;
        let formats = rest.get(..half(2))?;
        Some(Mappings { part, streams: streams.as_chunks().0, mappings: mappings.as_chunks().0, formats })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// Checks that everything that the part leads to is there.
    pub(crate) fn is_sound(&self) -> bool {
        self.streams.iter().all(|row| self.place(row, 0).is_some())
            && (0..self.mappings.len())
                .all(|index| self.mapping(index).is_some_and(|mapping| is_name(mapping.name)))
    }

    /// Returns whether records under a tag become events, and the mapping of this one.
    pub(super) fn choose(&self, tag: &[u8], format: Variant) -> (bool, Option<Choice>) {
        let is_of = |row: &&[u8; STREAM_BYTES]| {
            (row[9] == 0 || row[9] == format) && is_match(self.place(*row, 0).unwrap_or_default(), tag)
        };
        let Some(row) = self.streams.iter().find(is_of) else { return (false, None) };
        let mapping = match row[10] {
            NO_MAPPING => self.formats.get(usize::from(format)).copied().unwrap_or(NO_MAPPING),
            mapping => mapping,
        };
        (true, (mapping != NO_MAPPING).then_some(Choice { mapping, keeps_text: row[8] != 0 }))
    }

    /// Reads a mapping, by its number.
    pub(super) fn mapping(&self, index: usize) -> Option<Mapping<'a>> {
        let row = self.mappings.get(index)?;
        Some(Mapping { name: self.place(row, 0)?, program: Program::read(self.place(row, 8)?)? })
    }

    fn place(&self, row: &[u8], at: usize) -> Option<&'a [u8]> {
        let number = |at: usize| {
            row.get(at..).and_then(<[u8]>::first_chunk).map(|four| u32::from_le_bytes(*four) as usize)
        };
        let start = number(at)?;
        self.part.get(start..start.checked_add(number(at + 4)?)?)
    }
}
