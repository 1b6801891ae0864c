//! Fluent Bit's chunks: MessagePack, read in place.
//!
//! A record is `[time, body]` or `[[time, metadata], body]`. Fluent Bit's version decides
//! which of the two, and how long the arrays' headers are.

/// A record in a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The seconds since 1970 and the nanoseconds of its time. A time that no seal can state
    /// becomes the nearest one that a seal can. `None` if no time is there.
    pub time: Option<(u32, u32)>,
    /// The event's body, as MessagePack.
    pub body: &'a [u8],
}

/// An item of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A record.
    Record(Record<'a>),
    /// The beginning or end of a group. It is no record.
    Group,
    /// Whole values that are not records, up to the next record.
    Other(&'a [u8]),
    /// Bytes up to the end of the chunk that are not MessagePack, or that end within a value.
    Unreadable(&'a [u8]),
}

/// Returns the items of a chunk, in their order.
pub fn items(chunk: &[u8]) -> impl Iterator<Item = Item<'_>> {
    let mut rest = chunk;
    // The item behind others.
    let mut next = None;
    std::iter::from_fn(move || {
        if let Some(item) = next.take() {
            return Some(item);
        }
        let start = rest;
        while !rest.is_empty() {
            let before = rest;
            let item = if let Some((item, after)) = read_item(rest) {
                rest = after;
                item
            } else if let Some(after) = skip(rest) {
                rest = after;
                continue;
            } else {
                Item::Unreadable(std::mem::take(&mut rest))
            };
            let others = &start[..start.len() - before.len()];
            if others.is_empty() {
                return Some(item);
            }
            next = Some(item);
            return Some(Item::Other(others));
        }
        (!start.is_empty()).then_some(Item::Other(start))
    })
}

/// A value without its contents.
enum Token<'a> {
    Nil,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Single(f32),
    Double(f64),
    /// A text, or bytes, which Fluent Bit prints as text.
    Text(&'a [u8]),
    Extension(i8, &'a [u8]),
    Array(u32),
    Map(u32),
}

/// Reads an array of two with a map at its end. Returns `None` for any other value.
fn read_item(bytes: &[u8]) -> Option<(Item<'_>, &[u8])> {
    let (Token::Array(2), header) = read(bytes)? else {
        return None;
    };
    let body = skip(header)?;
    let (Token::Map(members), _) = read(body)? else {
        return None;
    };
    let after = skip(body)?;
    let (time, metadata) = match read(header)? {
        (Token::Array(2), time) => (time, read(skip(time)?).map(|(token, _)| token)),
        _ => (header, None),
    };
    let item = if is_group(time, metadata, members) {
        Item::Group
    } else {
        Item::Record(Record { time: read_time(time), body: &body[..body.len() - after.len()] })
    };
    Some((item, after))
}

/// Checks for the beginning or end of a group, as Fluent Bit writes them: a beginning has the
/// time -1 and metadata, an end has the time -2 and nothing else. A client can send these
/// times as well. So everything else is a record.
fn is_group(time: &[u8], metadata: Option<Token<'_>>, members: u32) -> bool {
    let Some((Token::Extension(0, time), _)) = read(time) else {
        return false;
    };
    match (time, metadata) {
        ([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0], Some(Token::Map(metadata))) => metadata > 0,
        ([0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 0], Some(Token::Map(0))) => members == 0,
        _ => false,
    }
}

fn read_time(bytes: &[u8]) -> Option<(u32, u32)> {
    match read(bytes)?.0 {
        Token::Extension(0, time) => {
            let (seconds, nanoseconds) = time.split_first_chunk()?;
            Some((u32::from_be_bytes(*seconds), u32::from_be_bytes(nanoseconds.try_into().ok()?)))
        }
        Token::Unsigned(seconds) => Some((seconds.try_into().unwrap_or(u32::MAX), 0)),
        Token::Signed(seconds) => Some((seconds.clamp(0, u32::MAX.into()) as u32, 0)),
        Token::Single(seconds) => split(seconds.into()),
        Token::Double(seconds) => split(seconds),
        _ => None,
    }
}

/// Splits a time into seconds and nanoseconds. The casts saturate.
fn split(seconds: f64) -> Option<(u32, u32)> {
    (!seconds.is_nan()).then(|| (seconds as u32, (seconds.fract() * 1e9) as u32))
}

/// Returns the bytes behind the value that stands at the start of `bytes`.
fn skip(mut bytes: &[u8]) -> Option<&[u8]> {
    let mut pending = 1u64;
    while pending > 0 {
        let (token, after) = read(bytes)?;
        bytes = after;
        pending -= 1;
        pending += match token {
            Token::Array(len) => len.into(),
            Token::Map(len) => 2 * u64::from(len),
            _ => 0,
        };
    }
    Some(bytes)
}

fn take<const N: usize>(bytes: &[u8]) -> Option<([u8; N], &[u8])> {
    bytes.split_first_chunk().map(|(first, rest)| (*first, rest))
}

fn take_len<const N: usize>(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (len, rest) = take::<N>(bytes)?;
    Some((len.iter().fold(0, |len, &byte| len << 8 | u32::from(byte)), rest))
}

/// Reads the token at the start of `bytes`. Returns it with the bytes behind it.
fn read(bytes: &[u8]) -> Option<(Token<'_>, &[u8])> {
    let (&marker, rest) = bytes.split_first()?;
    let text = |(len, rest): (u32, _)| split_at(rest, len).map(|(text, rest)| (Token::Text(text), rest));
    let extension = |(len, rest): (u32, _)| {
        let ([kind], rest) = take(rest)?;
        let (data, rest) = split_at(rest, len)?;
        Some((Token::Extension(kind as i8, data), rest))
    };
    let array = |(len, rest)| (Token::Array(len), rest);
    let map = |(len, rest)| (Token::Map(len), rest);
    Some(match marker {
        0x00..=0x7f => (Token::Unsigned(marker.into()), rest),
        0x80..=0x8f => (Token::Map((marker & 15).into()), rest),
        0x90..=0x9f => (Token::Array((marker & 15).into()), rest),
        0xa0..=0xbf => text(((marker & 31).into(), rest))?,
        0xc0 => (Token::Nil, rest),
        0xc1 => return None,
        0xc2 | 0xc3 => (Token::Bool(marker == 0xc3), rest),
        0xc4 | 0xd9 => text(take_len::<1>(rest)?)?,
        0xc5 | 0xda => text(take_len::<2>(rest)?)?,
        0xc6 | 0xdb => text(take_len::<4>(rest)?)?,
        0xc7 => extension(take_len::<1>(rest)?)?,
        0xc8 => extension(take_len::<2>(rest)?)?,
        0xc9 => extension(take_len::<4>(rest)?)?,
        0xd4..=0xd8 => extension((1 << (marker - 0xd4), rest))?,
        0xca => take(rest).map(|(n, rest)| (Token::Single(f32::from_be_bytes(n)), rest))?,
        0xcb => take(rest).map(|(n, rest)| (Token::Double(f64::from_be_bytes(n)), rest))?,
        0xcc => take(rest).map(|(n, rest)| (Token::Unsigned(u8::from_be_bytes(n).into()), rest))?,
        0xcd => take(rest).map(|(n, rest)| (Token::Unsigned(u16::from_be_bytes(n).into()), rest))?,
        0xce => take(rest).map(|(n, rest)| (Token::Unsigned(u32::from_be_bytes(n).into()), rest))?,
        0xcf => take(rest).map(|(n, rest)| (Token::Unsigned(u64::from_be_bytes(n)), rest))?,
        0xd0 => take(rest).map(|(n, rest)| (Token::Signed(i8::from_be_bytes(n).into()), rest))?,
        0xd1 => take(rest).map(|(n, rest)| (Token::Signed(i16::from_be_bytes(n).into()), rest))?,
        0xd2 => take(rest).map(|(n, rest)| (Token::Signed(i32::from_be_bytes(n).into()), rest))?,
        0xd3 => take(rest).map(|(n, rest)| (Token::Signed(i64::from_be_bytes(n)), rest))?,
        0xdc => array(take_len::<2>(rest)?),
        0xdd => array(take_len::<4>(rest)?),
        0xde => map(take_len::<2>(rest)?),
        0xdf => map(take_len::<4>(rest)?),
        0xe0..=0xff => (Token::Signed((marker as i8).into()), rest),
    })
}

fn split_at(bytes: &[u8], len: u32) -> Option<(&[u8], &[u8])> {
    bytes.split_at_checked(len as usize)
}

/// An array or a map that is open.
struct Open {
    /// The number of values that are still to come.
    left: u64,
    is_map: bool,
    is_first: bool,
}

/// Writes a value as JSON, in the dialect of Fluent Bit's own printers: NaN and
/// infinities are bare words, and so are keys that are not strings. Returns `None` if the
/// value cannot be read.
pub fn write_json(value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut rest = value;
    let mut open: Vec<Open> = Vec::new();
    loop {
        while let Some(last) = open.pop_if(|last| last.left == 0) {
            out.push(if last.is_map { b'}' } else { b']' });
        }
        match open.last_mut() {
            None if rest.len() < value.len() => return Some(()),
            None => {}
            Some(last) => {
                let is_value_of_key = last.is_map && last.left % 2 == 1;
                if is_value_of_key {
                    out.push(b':');
                } else if !last.is_first {
                    out.push(b',');
                }
                last.is_first = false;
                last.left -= 1;
            }
        }
        let (token, after) = read(rest)?;
        rest = after;
        match token {
            Token::Array(len) => {
                out.push(b'[');
                open.push(Open { left: len.into(), is_map: false, is_first: true });
            }
            Token::Map(len) => {
                out.push(b'{');
                open.push(Open { left: 2 * u64::from(len), is_map: true, is_first: true });
            }
            scalar => write_scalar(&scalar, out),
        }
    }
}

fn write_scalar(token: &Token<'_>, out: &mut Vec<u8>) {
    use std::io::Write;
    // Writing to a vector never fails.
    let _ = match token {
        Token::Nil => out.write_all(b"null"),
        Token::Bool(value) => write!(out, "{value}"),
        Token::Unsigned(value) => write!(out, "{value}"),
        Token::Signed(value) => write!(out, "{value}"),
        Token::Single(value) => write_double((*value).into(), out),
        Token::Double(value) => write_double(*value, out),
        Token::Text(text) => write_text(text, out),
        Token::Extension(_, data) => {
            out.push(b'"');
            let _ = data.iter().try_for_each(|byte| write!(out, "\\x{byte:02x}"));
            out.write_all(b"\"")
        }
        Token::Array(_) | Token::Map(_) => Ok(()),
    };
}

fn write_double(value: f64, out: &mut Vec<u8>) -> std::io::Result<()> {
    use std::io::Write;
    if value.is_finite() { write!(out, "{value:?}") } else { write!(out, "{}", special(value)) }
}

fn special(value: f64) -> &'static str {
    if value.is_nan() {
        "nan"
    } else if value > 0.0 {
        "inf"
    } else {
        "-inf"
    }
}

fn write_text(text: &[u8], out: &mut Vec<u8>) -> std::io::Result<()> {
    use std::io::Write;
    out.push(b'"');
    let mut start = 0;
    for (at, &byte) in text.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&text[start..at]);
        start = at + 1;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => write!(out, "\\u{byte:04x}")?,
        }
    }
    out.extend_from_slice(&text[start..]);
    out.push(b'"');
    Ok(())
}
