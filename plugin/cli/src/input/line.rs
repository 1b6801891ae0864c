//! Lines that are not JSON but contain some: behind a prefix, in columns, several in a
//! row, or behind a torn line.

use super::envelope::{Item, Opener, See, may_hold};
use super::place::Place;
use super::split::{RECORD_SEPARATOR, literal_break};
use super::table::{doubled_end, quoted_end};
use memchr::{memchr, memchr_iter, memrchr};
use serde::de::IgnoredAny;
use std::borrow::Cow;
use std::ops::Range;

/// The number of bytes that may be searched or parsed for each byte of a line.
const WORK_PER_BYTE: usize = 16;
/// The number of bytes that may always be searched or parsed for a short line.
const WORK_MIN: usize = 64 << 10;
/// The maximum length of other text before, between and after the records on a line, in
/// bytes.
const OTHER_BYTES_MAX: usize = 1024;

/// The name of syslog's form.
const SYSLOG: &str = "syslog lines";

/// A JSON object in a line.
struct Piece {
    /// The place of the object, including its quotes.
    range: Range<usize>,
    quotes: Quotes,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    None,
    /// In the quotes of a column, where inner quotes are doubled.
    Doubled,
    /// In the quotes of a string, where inner quotes are escaped.
    Escaped,
    /// In single quotes, where inner single quotes are doubled.
    Single,
    /// In a column without quotes, where backslashes are doubled.
    Backslashes,
}

/// The form of a line.
enum Form {
    /// Several texts, one after the other.
    Row,
    /// One or more texts behind a prefix.
    Behind(&'static str),
    /// Columns, of which some are JSON.
    Columns,
    /// A torn line, and a text behind it.
    Torn,
}

/// A line that holds JSON objects.
pub(super) struct Line<'a> {
    text: &'a [u8],
    pieces: Vec<Piece>,
    form: Form,
}

impl<'a> Line<'a> {
    /// Splits a line. Returns `None` if there is no object in it.
    pub(super) fn of(text: &'a [u8]) -> Option<Self> {
        let mut pieces = pieces(text);
        if has_key(text, &pieces) {
            pieces.remove(0);
            return Some(Line {
                text,
                pieces,
                form: Form::Behind("lines, behind a key that no seal covers"),
            });
        }
        let form = Form::of(text, &pieces)?;
        Some(Line { text, pieces, form })
    }

    /// Passes everything found in the line to `see`. Returns the number of records found.
    pub(super) fn look(&self, opener: &mut Opener, place: &Place, level: u32, see: See<'_>) -> u64 {
        let place = &place.in_lines(match self.form {
            Form::Row => "lines with several texts",
            Form::Behind(prefix) => prefix,
            Form::Columns => "columns",
            Form::Torn => "torn lines",
        });
        let (mut found, mut unsealed) = (0, vec![]);
        for piece in &self.pieces {
            let text = piece.text(self.text);
            let Ok(here) = opener.look_into_json(&text, place, level, see) else { continue };
            if here == 0 {
                unsealed.push(text);
            }
            found += here;
        }
        match self.form {
            _ if found == 0 => {}
            Form::Torn => see(Item::Torn),
            // The other objects are columns with other data.
            Form::Columns => {}
            Form::Row | Form::Behind(_) => {
                unsealed.iter().for_each(|text| see(Item::Unsealed(text, place)));
            }
        }
        found
    }
}

impl Piece {
    /// Returns the object's text.
    fn text<'a>(&self, line: &'a [u8]) -> Cow<'a, [u8]> {
        let token = &line[self.range.clone()];
        match self.quotes {
            Quotes::None => token.into(),
            Quotes::Single => without_doubled(&token[1..token.len() - 1], b'\'').into(),
            Quotes::Backslashes => unescaped(token).unwrap_or_default().into(),
            Quotes::Escaped => {
                serde_json::from_slice::<String>(token).unwrap_or_default().into_bytes().into()
            }
            Quotes::Doubled => without_doubled(&token[1..token.len() - 1], b'"').into(),
        }
    }
}

/// Returns a text in which each doubled byte is single again. A byte that is already single
/// stays, so that nothing is mended that no writer of this form has written.
fn without_doubled(text: &[u8], doubled: u8) -> Vec<u8> {
    let mut single = Vec::with_capacity(text.len());
    let mut is_first = false;
    for &byte in text {
        let is_second = byte == doubled && is_first;
        if !is_second {
            single.push(byte);
        }
        is_first = byte == doubled && !is_second;
    }
    single
}

/// Finds the JSON objects in a line. Each starts as early and is as long as possible. The
/// search stops after more work than an honest line takes.
fn pieces(text: &[u8]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut work = text.len().saturating_mul(WORK_PER_BYTE).max(WORK_MIN);
    let mut done = 0;
    for at in memchr_iter(b'{', text) {
        if at < done || work == 0 {
            continue;
        }
        let quotes = match &text[at..] {
            _ if at == done || text[at - 1] != b'"' => None,
            [_, b'"', b'"', ..] => Some(Quotes::Doubled),
            [_, b'\\', b'"', ..] => Some(Quotes::Escaped),
            _ => None,
        };
        let piece = quotes.and_then(|quotes| {
            let (piece, read) = quoted(text, at - 1, quotes);
            work = work.saturating_sub(read);
            piece
        });
        let piece = piece.or_else(|| {
            let (len, read) = object_len(&text[at..]);
            work = work.saturating_sub(read);
            len.map(|len| {
                in_single_quotes(text, at..at + len)
                    .unwrap_or(Piece { range: at..at + len, quotes: Quotes::None })
            })
        });
        let is_column = at == 0 || text[at - 1] == b'\t';
        let piece = piece.or_else(|| is_column.then(|| with_backslashes(text, at)).flatten());
        if let Some(piece) = piece {
            done = piece.range.end;
            pieces.push(piece);
        }
    }
    pieces
}

/// Returns the object in its single quotes, as YAML and SQL write it, if it has them.
fn in_single_quotes(text: &[u8], object: Range<usize>) -> Option<Piece> {
    let start = object.start.checked_sub(1).filter(|start| text[*start] == b'\'')?;
    let is_quoted = text.get(object.end) == Some(&b'\'');
    is_quoted.then_some(Piece { range: start..object.end + 1, quotes: Quotes::Single })
}

/// Returns a column between tabs or the line's ends, if it is an object after its doubled
/// backslashes became single.
fn with_backslashes(text: &[u8], start: usize) -> Option<Piece> {
    let len = text[start..].iter().position(|byte| matches!(byte, b'\t' | b'\r' | b'\n'));
    let range = start..len.map_or(text.len(), |len| start + len);
    let column = unescaped(&text[range.clone()])?;
    let is_object = column.len() < range.len() && object_len(&column).0 == Some(column.len());
    is_object.then_some(Piece { range, quotes: Quotes::Backslashes })
}

/// Returns a column without the backslash before each backslash, and before each single quote.
/// PostgreSQL's `COPY` and ClickHouse escape all backslashes, and ClickHouse also the quotes. So
/// a column with any other escape is not of this form.
fn unescaped(column: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(column.len());
    let mut bytes = column.iter();
    while let Some(&byte) = bytes.next() {
        plain.push(match byte {
            b'\\' => *bytes.next().filter(|escaped| matches!(escaped, b'\\' | b'\''))?,
            _ => byte,
        });
    }
    Some(plain)
}

/// Returns the column or string in quotes that begins at `start`, and the number of bytes
/// that were searched for its end.
fn quoted(text: &[u8], start: usize, quotes: Quotes) -> (Option<Piece>, usize) {
    let token = &text[start..];
    let len = match quotes {
        Quotes::Doubled => doubled_end(token),
        _ => quoted_end(token),
    };
    let Some(len) = len else { return (None, token.len()) };
    let is_edge = |byte: Option<&u8>| byte.is_none_or(|byte| b",;|=: ])}\r\n\t".contains(byte));
    let is_whole = is_edge(token.get(len)) && is_edge(start.checked_sub(1).and_then(|at| text.get(at)));
    (is_whole.then_some(Piece { range: start..start + len, quotes }), len)
}

/// Returns the length of the object that starts here, if it is whole, and the number of
/// bytes that were parsed.
fn object_len(text: &[u8]) -> (Option<usize>, usize) {
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<IgnoredAny>();
    match values.next() {
        Some(Ok(_)) => (Some(values.byte_offset()), values.byte_offset()),
        Some(Err(error)) if error.line() == 1 && !error.is_eof() => (None, error.column().max(1)),
        _ => (None, text.len()),
    }
}

/// Checks whether a line is a key, a tab and a record, as Kafka's console consumer prints them. A
/// key is short, and nothing that could hold a record.
fn has_key(text: &[u8], pieces: &[Piece]) -> bool {
    let [key, record] = pieces else { return false };
    let (before, behind) = (&text[..key.range.start], &text[record.range.end..]);
    let is_plain = |piece: &Piece| piece.quotes == Quotes::None;
    let key_text = &text[key.range.clone()];
    is_plain(key)
        && is_plain(record)
        && key_text.len() <= OTHER_BYTES_MAX
        && !may_hold(key_text)
        && (before.is_empty() || before.ends_with(b"\t") && is_short_text(before))
        && &text[key.range.end..record.range.start] == b"\t"
        && is_separator(behind)
}

/// Checks whether a text is syslog messages one after the other, each with its length before it as in
/// RFC 6587, and with a record at its end.
fn has_lengths(text: &[u8], pieces: &[Piece]) -> bool {
    let mut start = 0;
    for piece in pieces {
        let message = &text[start..];
        let digits = digits(message);
        let len = std::str::from_utf8(&message[..digits]).ok().and_then(|len| len.parse::<usize>().ok());
        let Some(end) = len.and_then(|len| (start + digits + 1).checked_add(len)) else { return false };
        let Some(before) = text.get(start..piece.range.start) else { return false };
        let Some(behind) = text.get(piece.range.end..end) else { return false };
        if !is_syslog(before) || !is_short_text(before) || !is_separator(behind) {
            return false;
        }
        start = end;
    }
    is_separator(&text[start..])
}

impl Form {
    fn of(text: &[u8], pieces: &[Piece]) -> Option<Form> {
        let (first, last) = (pieces.first()?, pieces.last()?);
        let (before, behind) = (&text[..first.range.start], &text[last.range.end..]);
        let between = || pieces.windows(2).map(|pair| &text[pair[0].range.end..pair[1].range.start]);
        Some(match () {
            () if pieces.iter().all(|piece| piece.quotes != Quotes::None)
                && between().chain([before, behind]).all(is_short_text) =>
            {
                Form::Columns
            }
            () if before.ends_with(b"\t")
                && behind.starts_with(b"\t")
                && pieces.len() == 1
                && is_short_text(before)
                && is_short_text(behind) =>
            {
                Form::Columns
            }
            () if has_lengths(text, pieces) => Form::Behind(SYSLOG),
            () if !between().all(is_separator) => Form::Torn,
            () if is_separator(before) && is_separator(behind) => Form::Row,
            () if is_end(before, behind) => prefix(before).map_or(Form::Torn, Form::Behind),
            () => Form::Torn,
        })
    }
}

/// Checks whether a text has only characters that may stand between texts.
fn is_separator(mut text: &[u8]) -> bool {
    while let [first, rest @ ..] = text {
        text = match literal_break(text) {
            Some(len) => &text[len..],
            None if first.is_ascii_whitespace() || matches!(*first, b',' | RECORD_SEPARATOR | 0) => rest,
            None => return false,
        };
    }
    true
}

/// Checks that the text after a line's objects is not part of another record.
fn is_end(before: &[u8], behind: &[u8]) -> bool {
    is_separator(behind)
        || before.contains(&b'[') && is_separator_or_bracket(behind)
        || is_short_text(behind) && !behind.contains(&b'"')
}

fn is_separator_or_bracket(text: &[u8]) -> bool {
    text.trim_ascii().strip_prefix(b"]").is_some_and(is_separator)
}

/// Checks whether a text is not part of a record and is short enough to be ignored.
fn is_short_text(text: &[u8]) -> bool {
    let is_of_record = |byte: &u8| matches!(byte, b'{' | b'}') || byte.is_ascii_control();
    text.len() <= OTHER_BYTES_MAX
        && std::str::from_utf8(text).is_ok()
        && !text.trim_ascii().iter().any(|byte| *byte != b'\t' && is_of_record(byte))
}

/// Names the form of the text before a record on its line. Returns `None` if it may be
/// part of another record.
fn prefix(text: &[u8]) -> Option<&'static str> {
    let is_syslog = is_syslog(text);
    let text = without_labels(text);
    if !is_short_text(text) || text.contains(&b'"') && !is_syslog {
        return None;
    }
    let words = || text.split(|byte| *byte == b' ');
    Some(match () {
        () if is_syslog => SYSLOG,
        () if matches!(words().nth(1), Some(b"stdout" | b"stderr")) => "CRI lines",
        () => "lines, behind other text",
    })
}

/// Returns a prefix without the labels at its end, which `logcli` prints: `{app="shop",
/// node="web-1"}`.
fn without_labels(text: &[u8]) -> &[u8] {
    let Some(open) = memrchr(b'{', text) else { return text };
    let labels = text[open + 1..].trim_ascii().strip_suffix(b"}");
    let name = labels.map(|labels| &labels[..memchr(b'=', labels).unwrap_or(0)]);
    let is_name = |name: &[u8]| {
        !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
    };
    if name.is_some_and(is_name) { &text[..open] } else { text }
}

/// Checks whether a text starts like a syslog message, with its priority. Over TCP, the
/// length may come first.
fn is_syslog(text: &[u8]) -> bool {
    let text = match &text[digits(text)..] {
        [b' ', rest @ ..] => rest,
        _ => text,
    };
    text.strip_prefix(b"<").is_some_and(|rest| {
        let digits = digits(rest);
        (1..=3).contains(&digits) && rest[digits..].starts_with(b">")
    })
}

/// Returns the number of digits at the start of a text.
fn digits(text: &[u8]) -> usize {
    text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len())
}
