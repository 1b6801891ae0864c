//! Framing: the way in which the texts of a source are separated.

use super::split::{RECORD_SEPARATOR, literal_break};
use super::table;
use memchr::memchr;
use serde::de::IgnoredAny;

/// The way in which the texts of a source are separated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// Each text is a line.
    Lines,
    /// Each text is a line, and the first line has the names of columns.
    Table,
    /// The texts are the elements of arrays.
    Arrays,
    /// The texts follow one another and are separated by their braces.
    Texts(Between),
}

/// The bytes between texts that are separated by their braces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Between {
    /// A line break. The texts themselves have line breaks, too.
    LineBreak,
    /// Nothing, or a comma.
    Nothing,
    /// A record separator, as in RFC 7464.
    RecordSeparator,
    /// A backslash and the letter `n`.
    LiteralLineBreak,
}

impl Framing {
    /// Recognises the framing by the start of a source. If the framing is unclear, the
    /// source is read as lines, because a broken line costs no other line.
    pub(super) fn of(start: &[u8], is_all: bool) -> Framing {
        let Some(at) = start.iter().position(|byte| !byte.is_ascii_whitespace()) else {
            return Framing::Lines;
        };
        match start[at] {
            b'[' if is_array(&start[at..]) => Framing::Arrays,
            RECORD_SEPARATOR => Framing::Texts(Between::RecordSeparator),
            b'{' => Self::of_objects(&start[at..], is_all),
            _ if table::has_header(&start[at..]) => Framing::Table,
            _ => Framing::Lines,
        }
    }

    fn of_objects(start: &[u8], is_all: bool) -> Framing {
        let line = memchr(b'\n', start).unwrap_or(start.len());
        let mut values = serde_json::Deserializer::from_slice(start).into_iter::<IgnoredAny>();
        match values.next() {
            Some(Ok(_)) if values.byte_offset() > line => Framing::Texts(Between::LineBreak),
            Some(Ok(_)) => match &start[values.byte_offset()..line] {
                // The first object is a key.
                behind if behind.starts_with(b"\t{") => Framing::Lines,
                behind if is_followed(behind, b'{') => Framing::Texts(Between::Nothing),
                behind if is_followed(behind, RECORD_SEPARATOR) => Framing::Texts(Between::RecordSeparator),
                behind if literal_break(behind.trim_ascii_start()).is_some() => {
                    Framing::Texts(Between::LiteralLineBreak)
                }
                _ => Framing::Lines,
            },
            // The object continues behind the bytes that have been read.
            Some(Err(error)) if error.is_eof() && !is_all && line < start.len() => {
                Framing::Texts(Between::LineBreak)
            }
            _ => Framing::Lines,
        }
    }

    /// Returns the framing's name for reports. Lines have none.
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Framing::Lines => None,
            Framing::Table => Some("lines with columns, under their names"),
            Framing::Arrays => Some("JSON arrays"),
            Framing::Texts(Between::LineBreak) => Some("JSON over several lines"),
            Framing::Texts(Between::Nothing) => Some("JSON texts with no line break between them"),
            Framing::Texts(Between::RecordSeparator) => Some("JSON text sequence (RFC 7464)"),
            Framing::Texts(Between::LiteralLineBreak) => Some("JSON texts with a literal \\n between them"),
        }
    }
}

/// Checks whether a text starts like an array of records. Other lines start with a
/// bracket, too, and so do rows of a table whose first column is some text.
pub(super) fn is_array(text: &[u8]) -> bool {
    let behind = text.strip_prefix(b"[").map(<[u8]>::trim_ascii_start);
    behind.is_some_and(|behind| match behind {
        [b'"', value @ ..] => matches!(value.trim_ascii_start().first(), Some(b'{' | b'[')),
        _ => matches!(behind.first(), None | Some(b'{' | b'[' | b']')),
    })
}

/// Checks whether a text that starts with a bracket ends too early for [`is_array`].
pub(super) fn is_open(text: &[u8]) -> bool {
    let behind = text.strip_prefix(b"[").map(<[u8]>::trim_ascii_start);
    behind.is_some_and(|behind| behind.strip_prefix(b"\"").unwrap_or(behind).trim_ascii_start().is_empty())
}

/// Checks whether `next` comes next, directly or after a comma.
fn is_followed(behind: &[u8], next: u8) -> bool {
    let behind = behind.trim_ascii_start();
    let behind = behind.strip_prefix(b",").unwrap_or(behind).trim_ascii_start();
    behind.first() == Some(&next)
}
