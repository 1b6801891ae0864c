//! Framing: how the texts of a source are told apart.

use super::split::{RECORD_SEPARATOR, literal_break};
use super::table;
use memchr::memchr;
use serde::de::IgnoredAny;

/// How the texts of a source are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// Each stands on a line.
    Lines,
    /// Each stands on a line, behind one with the names of columns.
    Table,
    /// They are the elements of arrays.
    Arrays,
    /// One follows the other, told apart by their braces.
    Texts(Between),
}

/// What stands between texts that are told apart by their braces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Between {
    /// A line break, and there are line breaks within them.
    LineBreak,
    /// Nothing, or a comma.
    Nothing,
    /// A record separator, as in RFC 7464.
    RecordSeparator,
    /// A backslash and the letter `n`.
    LiteralLineBreak,
}

impl Framing {
    /// Tells the framing by the start of a source. What is not clearly framed otherwise
    /// are lines, of which a broken one costs no other.
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
                behind if is_followed(behind, b'{') => Framing::Texts(Between::Nothing),
                behind if is_followed(behind, RECORD_SEPARATOR) => Framing::Texts(Between::RecordSeparator),
                behind if literal_break(behind.trim_ascii_start()).is_some() => {
                    Framing::Texts(Between::LiteralLineBreak)
                }
                _ => Framing::Lines,
            },
            // It goes on behind what has been read.
            Some(Err(error)) if error.is_eof() && !is_all && line < start.len() => {
                Framing::Texts(Between::LineBreak)
            }
            _ => Framing::Lines,
        }
    }

    /// Returns the name, as it stands in reports.
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

/// Checks whether this starts as an array of records does: a bracket also begins other
/// lines, and rows of a table, of which the first column is some text.
pub(super) fn is_array(text: &[u8]) -> bool {
    let behind = text.strip_prefix(b"[").map(<[u8]>::trim_ascii_start);
    behind.is_some_and(|behind| match behind {
        [b'"', value @ ..] => matches!(value.trim_ascii_start().first(), Some(b'{' | b'[')),
        _ => matches!(behind.first(), None | Some(b'{' | b'[' | b']')),
    })
}

/// Whether `next` comes next, or behind a comma.
fn is_followed(behind: &[u8], next: u8) -> bool {
    let behind = behind.trim_ascii_start();
    let behind = behind.strip_prefix(b",").unwrap_or(behind).trim_ascii_start();
    behind.first() == Some(&next)
}
