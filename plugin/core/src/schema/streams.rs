//! The streams of a policy: the records that are checked, their schemas, and the
//! treatment of invalid records.
//!
//! This part of a policy's table starts with a word, the number of streams. Each stream
//! has 52 bytes:
//!
//! | bytes | |
//! |---|---|
//! | 0..8 | a pattern of tags; here and below, offset in this part and length |
//! | 8..16 | the path to a field: its keys, separated by a byte 0xff; empty if all records with the tag belong to the stream |
//! | 16..24 | the value that the field has, as text |
//! | 24..32 | the name of the schema |
//! | 32..40 | the program |
//! | 40..48 | the text of the schema; empty if it is built in |
//! | 48 | the treatment of invalid records: 0 they are marked, 1 quarantined, 2 dropped |
//! | 49 | the number of the records' format, or of a case of a format; 0 for any |
//! | 50..52 | zero |

use super::program::Program;
use crate::record::tape::{Kind, REMOVED, Tape};
use crate::text::{Characters, inner, is_match, is_name};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

// The places of a stream's parts.
const TAG_AT: usize = 0;
const FIELD_AT: usize = 8;
const VALUE_AT: usize = 16;
const NAME_AT: usize = 24;
const PROGRAM_AT: usize = 32;
const TEXT_AT: usize = 40;
const INVALID_AT: usize = 48;
const FORMAT_AT: usize = 49;
/// The length of a stream in the table, in bytes.
const STREAM_BYTES: usize = 52;
/// The byte between the keys of a path. It never occurs in UTF-8.
const KEY_END: u8 = 0xff;

/// The treatment of an invalid record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Disposition {
    /// The record is handed on, and its seal lists the violations.
    #[default]
    Mark = 0,
    /// The record is handed on as the text of one member.
    Quarantine = 1,
    /// Only the seal passes.
    Drop = 2,
}

impl Disposition {
    /// All dispositions, in the order of their numbers.
    pub const ALL: [Disposition; 3] = [Disposition::Mark, Disposition::Quarantine, Disposition::Drop];

    /// Returns the name in policies and seals.
    pub fn name(self) -> &'static str {
        match self {
            Disposition::Mark => "mark",
            Disposition::Quarantine => "quarantine",
            Disposition::Drop => "drop",
        }
    }
}

/// The streams of a policy. The first one that a record belongs to decides.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Streams<'a> {
    part: &'a [u8],
    streams: &'a [[u8; STREAM_BYTES]],
}

/// One stream.
#[derive(Clone, Copy, Debug)]
pub struct Stream<'a> {
    /// The pattern of its tags, in which `*` stands for any text.
    pub tag: &'a [u8],
    /// The path to the field that tells its records: keys, separated by a byte 0xff.
    pub field: &'a [u8],
    /// The value of that field.
    pub value: &'a [u8],
    /// The number of its records' format; 0 for any.
    pub format: u8,
    /// The name of its schema.
    pub name: &'a [u8],
    /// The schema.
    pub program: Program<'a>,
    /// The text of the schema; empty if it is built in.
    pub text: &'a [u8],
    /// The treatment of invalid records.
    pub invalid: Disposition,
}

impl Stream<'_> {
    /// True if its schema is built in.
    pub fn is_built_in(&self) -> bool {
        self.text.is_empty()
    }
}

/// A stream to write.
#[derive(Clone, Copy, Debug)]
pub struct StreamParts<'a> {
    /// The pattern of its tags.
    pub tag: &'a str,
    /// The keys that lead to the field that tells its records.
    pub field: &'a [&'a str],
    /// The value of that field.
    pub value: &'a str,
    /// The number of its records' format; 0 for any.
    pub format: u8,
    /// The name of its schema.
    pub name: &'a str,
    /// The program.
    pub program: &'a [u8],
    /// The text of the schema; empty if it is built in.
    pub text: &'a str,
    /// The treatment of invalid records.
    pub invalid: Disposition,
}

/// Writes the part of a policy's table for these streams. It is empty if there are no
/// streams.
pub fn write_streams(streams: &[StreamParts<'_>]) -> Vec<u8> {
    if streams.is_empty() {
        return Vec::new();
    }
    let mut part = Vec::from((streams.len() as u32).to_le_bytes());
    let mut contents: Vec<u8> = Vec::new();
    let first = part.len() + STREAM_BYTES * streams.len();
    // Contents that several streams share are stored once.
    let mut known: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    for stream in streams {
        let field: Vec<&[u8]> = stream.field.iter().map(|key| key.as_bytes()).collect();
        let field = field.join(&KEY_END);
        let mut bytes = [0; STREAM_BYTES];
        for (at, content) in [
            (TAG_AT, stream.tag.as_bytes()),
            (FIELD_AT, &field),
            (VALUE_AT, stream.value.as_bytes()),
            (NAME_AT, stream.name.as_bytes()),
            (PROGRAM_AT, stream.program),
            (TEXT_AT, stream.text.as_bytes()),
        ] {
            let start = *known.entry(content.to_vec()).or_insert_with(|| {
                contents.extend(content);
                first + contents.len() - content.len()
            });
            bytes[at..at + 4].copy_from_slice(&(start as u32).to_le_bytes());
            bytes[at + 4..at + 8].copy_from_slice(&(content.len() as u32).to_le_bytes());
        }
        (bytes[INVALID_AT], bytes[FORMAT_AT]) = (stream.invalid as u8, stream.format);
        part.extend(bytes);
    }
    part.extend(contents);
    part
}

impl<'a> Streams<'a> {
    /// Reads the streams from their part of the table. An empty part has none. Returns
    /// `None` if the part is shorter than it says.
    pub(crate) fn read(part: &'a [u8]) -> Option<Self> {
        let Some((count, rest)) = part.split_first_chunk() else {
            return Some(Streams::default());
        };
        let streams = rest.get(..(u32::from_le_bytes(*count) as usize).checked_mul(STREAM_BYTES)?)?;
        Some(Streams { part, streams: streams.as_chunks().0 })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    pub(crate) fn is_sound(&self) -> bool {
        let mut streams = (0..self.streams.len()).map(|index| self.stream(index));
        streams.all(|stream| stream.is_some_and(|stream| stream.program.is_sound() && is_name(stream.name)))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Stream<'a>> {
        (0..self.streams.len()).filter_map(|index| self.stream(index))
    }

    /// Returns the disposition of records with this tag that may hold others and belong
    /// to no stream themselves. If records are checked by their format, it is that of
    /// invalid records.
    pub(crate) fn of_wrappers(&self, tag: &[u8]) -> Option<Disposition> {
        let by_format = self.streams.iter().find(|bytes| {
            bytes[FORMAT_AT] != 0 && is_match(part(self.part, bytes, TAG_AT).unwrap_or_default(), tag)
        })?;
        Disposition::ALL.get(usize::from(by_format[INVALID_AT])).copied()
    }

    pub(crate) fn stream(&self, index: usize) -> Option<Stream<'a>> {
        let bytes = self.streams.get(index)?;
        let part = |at: usize| part(self.part, bytes, at);
        Some(Stream {
            tag: part(TAG_AT)?,
            field: part(FIELD_AT)?,
            value: part(VALUE_AT)?,
            format: bytes[FORMAT_AT],
            name: part(NAME_AT)?,
            program: Program::read(part(PROGRAM_AT)?)?,
            text: part(TEXT_AT)?,
            invalid: *Disposition::ALL.get(bytes[INVALID_AT] as usize)?,
        })
    }

    /// Returns the number of the stream that a record with this tag belongs to. If there
    /// is no record, since it could not be read, it returns the first stream that the
    /// record may belong to.
    pub(crate) fn choose(&self, tag: &[u8], record: Option<(&Tape, &[u8])>) -> Option<usize> {
        let is_it = |bytes: &[u8; STREAM_BYTES]| {
            let part = |at: usize| part(self.part, bytes, at).unwrap_or_default();
            is_match(part(TAG_AT), tag)
                && record.is_none_or(|(tape, source)| {
                    (bytes[FORMAT_AT] == 0 || [tape.variant, tape.format].contains(&bytes[FORMAT_AT]))
                        && has_value(tape, source, part(FIELD_AT), part(VALUE_AT))
                })
        };
        self.streams.iter().position(is_it)
    }
}

fn part<'a>(part: &'a [u8], bytes: &[u8; STREAM_BYTES], at: usize) -> Option<&'a [u8]> {
    let number = |at: usize| {
        bytes.get(at..).and_then(<[u8]>::first_chunk).map(|four| u32::from_le_bytes(*four) as usize)
    };
    let start = number(at)?;
    part.get(start..start.checked_add(number(at + 4)?)?)
}

/// Checks whether the field at a path is a string with this text, or a number or word
/// written like it. Among members with the same key, the last one counts.
fn has_value(tape: &Tape, source: &[u8], field: &[u8], value: &[u8]) -> bool {
    if field.is_empty() {
        return true;
    }
    let mut at = 0;
    for name in field.split(|byte| *byte == KEY_END) {
        if tape.nodes.get(at).is_none_or(|node| node.kind != Kind::Object) {
            return false;
        }
        let is_it = |key: &usize| {
            let node = &tape.nodes[*key];
            !node.has(REMOVED) && is_text(tape.text(node, source), name)
        };
        match tape.keys(at).filter(is_it).last() {
            Some(key) => at = key + 1,
            None => return false,
        }
    }
    tape.nodes.get(at).is_some_and(|node| !node.is_container() && is_text(tape.text(node, source), value))
}

fn is_text(token: &[u8], text: &[u8]) -> bool {
    let inner = inner(token);
    if inner.contains(&b'\\') {
        let Ok(text) = core::str::from_utf8(text) else {
            return false;
        };
        Characters::of(inner).eq(text.chars())
    } else {
        inner == text
    }
}
