//! Values of MessagePack, read in place. Nothing here recurses.

use std::borrow::Cow;

/// A value.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// Nothing.
    Nil,
    /// True or false.
    Bool(bool),
    /// An integer that is not negative.
    Unsigned(u64),
    /// A negative integer.
    Signed(i64),
    /// A floating-point number, which may be NaN or infinite.
    Float(f64),
    /// A string.
    Text(Text<'a>),
    /// Bytes.
    Binary(&'a [u8]),
    /// Several values.
    Array(Array<'a>),
    /// Keys and values.
    Map(Map<'a>),
    /// A type of somebody's own, and its bytes.
    Extension(i8, &'a [u8]),
}

/// A string. It need not be UTF-8, because inputs pass on the bytes that they read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    /// Makes a text of any bytes.
    pub fn new(bytes: &'a [u8]) -> Text<'a> {
        Text(bytes)
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// Returns the text if it is UTF-8.
    pub fn to_str(&self) -> Option<&'a str> {
        std::str::from_utf8(self.0).ok()
    }

    /// Returns the text with U+FFFD in place of bytes that are not UTF-8.
    pub fn lossy(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.0)
    }
}

impl std::fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(&self.lossy(), f)
    }
}

/// Several values.
#[derive(Clone, Copy)]
pub struct Array<'a> {
    len: u32,
    /// The values, one after the other. They have been read before, so they are complete.
    values: &'a [u8],
}

/// Keys and values, in their order. A key may occur twice.
#[derive(Clone, Copy)]
pub struct Map<'a> {
    len: u32,
    members: &'a [u8],
}

impl<'a> Array<'a> {
    /// Returns the number of values.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Returns true if there are no values.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the values.
    pub fn iter(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        values(self.values)
    }
}

impl<'a> Map<'a> {
    pub(crate) const EMPTY: Map<'static> = Map { len: 0, members: &[] };

    /// Returns the number of members.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Returns true if there are no members.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the members.
    pub fn iter(&self) -> impl Iterator<Item = (Value<'a>, Value<'a>)> + use<'a> {
        let mut values = values(self.members);
        std::iter::from_fn(move || Some((values.next()?, values.next()?)))
    }

    /// Returns the first value under a key.
    pub fn get(&self, key: &str) -> Option<Value<'a>> {
        let is_key = |of: &Value<'_>| matches!(of, Value::Text(text) if text.as_bytes() == key.as_bytes());
        self.iter().find(|(of, _)| is_key(of)).map(|(_, value)| value)
    }
}

fn values(mut rest: &[u8]) -> impl Iterator<Item = Value<'_>> {
    std::iter::from_fn(move || {
        let (value, after) = read(rest)?;
        rest = after;
        Some(value)
    })
}

/// A value without its contents.
enum Token<'a> {
    Whole(Value<'a>),
    Array(u32),
    Map(u32),
}

/// Reads the value at the start of `bytes`. Returns it with the bytes behind it.
pub(crate) fn read(bytes: &[u8]) -> Option<(Value<'_>, &[u8])> {
    let (token, inside) = token(bytes)?;
    let pending = match token {
        Token::Whole(value) => return Some((value, inside)),
        Token::Array(len) => u64::from(len),
        Token::Map(len) => 2 * u64::from(len),
    };
    let after = skip(inside, pending)?;
    let inside = &inside[..inside.len() - after.len()];
    let value = match token {
        Token::Whole(value) => value,
        Token::Array(len) => Value::Array(Array { len, values: inside }),
        Token::Map(len) => Value::Map(Map { len, members: inside }),
    };
    Some((value, after))
}

/// Returns the contents of an array of two.
pub(crate) fn enter_pair(bytes: &[u8]) -> Option<&[u8]> {
    match token(bytes)? {
        (Token::Array(2), inside) => Some(inside),
        _ => None,
    }
}

/// Returns the bytes behind so many values.
fn skip(mut bytes: &[u8], mut pending: u64) -> Option<&[u8]> {
    while pending > 0 {
        let (token, after) = token(bytes)?;
        bytes = after;
        pending -= 1;
        pending += match token {
            Token::Array(len) => len.into(),
            Token::Map(len) => 2 * u64::from(len),
            Token::Whole(_) => 0,
        };
    }
    Some(bytes)
}

fn take<const N: usize>(bytes: &[u8]) -> Option<([u8; N], &[u8])> {
    bytes.split_first_chunk().map(|(first, rest)| (*first, rest))
}

/// Takes a length of `N` bytes.
fn len<const N: usize>(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (len, rest) = take::<N>(bytes)?;
    Some((len.iter().fold(0, |len, &byte| len << 8 | u32::from(byte)), rest))
}

/// Takes some bytes.
fn bytes((len, rest): (u32, &[u8])) -> Option<(&[u8], &[u8])> {
    rest.split_at_checked(len as usize)
}

fn token(start: &[u8]) -> Option<(Token<'_>, &[u8])> {
    let (&marker, rest) = start.split_first()?;
    let whole = |(value, rest)| (Token::Whole(value), rest);
    let text = |(text, rest)| (Token::Whole(Value::Text(Text(text))), rest);
    let binary = |(binary, rest)| (Token::Whole(Value::Binary(binary)), rest);
    let unsigned = |(number, rest): (u64, _)| (Token::Whole(Value::Unsigned(number)), rest);
    let signed = |(number, rest): (i64, _)| match u64::try_from(number) {
        Ok(number) => (Token::Whole(Value::Unsigned(number)), rest),
        Err(_) => (Token::Whole(Value::Signed(number)), rest),
    };
    let float = |(number, rest): (f64, _)| (Token::Whole(Value::Float(number)), rest);
    let extension = |(len, rest): (u32, _)| {
        let ([kind], rest) = take(rest)?;
        let (data, rest) = bytes((len, rest))?;
        Some((Token::Whole(Value::Extension(kind as i8, data)), rest))
    };
    Some(match marker {
        0x00..=0x7f => unsigned((marker.into(), rest)),
        0x80..=0x8f => (Token::Map((marker & 15).into()), rest),
        0x90..=0x9f => (Token::Array((marker & 15).into()), rest),
        0xa0..=0xbf => text(bytes(((marker & 31).into(), rest))?),
        0xc0 => whole((Value::Nil, rest)),
        0xc1 => return None,
        0xc2 | 0xc3 => whole((Value::Bool(marker == 0xc3), rest)),
        0xc4 => binary(bytes(len::<1>(rest)?)?),
        0xc5 => binary(bytes(len::<2>(rest)?)?),
        0xc6 => binary(bytes(len::<4>(rest)?)?),
        0xc7 => extension(len::<1>(rest)?)?,
        0xc8 => extension(len::<2>(rest)?)?,
        0xc9 => extension(len::<4>(rest)?)?,
        0xca => float(take(rest).map(|(n, rest)| (f32::from_be_bytes(n).into(), rest))?),
        0xcb => float(take(rest).map(|(n, rest)| (f64::from_be_bytes(n), rest))?),
        0xcc => unsigned(take(rest).map(|(n, rest)| (u8::from_be_bytes(n).into(), rest))?),
        0xcd => unsigned(take(rest).map(|(n, rest)| (u16::from_be_bytes(n).into(), rest))?),
        0xce => unsigned(take(rest).map(|(n, rest)| (u32::from_be_bytes(n).into(), rest))?),
        0xcf => unsigned(take(rest).map(|(n, rest)| (u64::from_be_bytes(n), rest))?),
        0xd0 => signed(take(rest).map(|(n, rest)| (i8::from_be_bytes(n).into(), rest))?),
        0xd1 => signed(take(rest).map(|(n, rest)| (i16::from_be_bytes(n).into(), rest))?),
        0xd2 => signed(take(rest).map(|(n, rest)| (i32::from_be_bytes(n).into(), rest))?),
        0xd3 => signed(take(rest).map(|(n, rest)| (i64::from_be_bytes(n), rest))?),
        0xd4..=0xd8 => extension((1 << (marker - 0xd4), rest))?,
        0xd9 => text(bytes(len::<1>(rest)?)?),
        0xda => text(bytes(len::<2>(rest)?)?),
        0xdb => text(bytes(len::<4>(rest)?)?),
        0xdc => len::<2>(rest).map(|(len, rest)| (Token::Array(len), rest))?,
        0xdd => len::<4>(rest).map(|(len, rest)| (Token::Array(len), rest))?,
        0xde => len::<2>(rest).map(|(len, rest)| (Token::Map(len), rest))?,
        0xdf => len::<4>(rest).map(|(len, rest)| (Token::Map(len), rest))?,
        0xe0..=0xff => signed(((marker as i8).into(), rest)),
    })
}

/// A step of a walk over a value.
pub(crate) enum Step<'a> {
    /// A value without others inside.
    Scalar(Value<'a>),
    /// An array or a map begins.
    Begin { is_map: bool },
    /// The innermost open array or map ends.
    End { is_map: bool },
}

/// Walks over a value.
pub(crate) fn walk(value: Value<'_>) -> impl Iterator<Item = Step<'_>> {
    let mut first = Some(value);
    let mut rest: &[u8] = &[];
    // The open containers: the number of values that are still to come, and whether the
    // container is a map.
    let mut open: Vec<(u64, bool)> = Vec::new();
    std::iter::from_fn(move || {
        if let Some(value) = first.take() {
            let (pending, is_map, inside) = match value {
                Value::Array(array) => (array.len.into(), false, array.values),
                Value::Map(map) => (2 * u64::from(map.len), true, map.members),
                scalar => return Some(Step::Scalar(scalar)),
            };
            open.push((pending, is_map));
            rest = inside;
            return Some(Step::Begin { is_map });
        }
        if let Some((_, is_map)) = open.pop_if(|(pending, _)| *pending == 0) {
            return Some(Step::End { is_map });
        }
        open.last_mut()?.0 -= 1;
        let (token, after) = token(rest)?;
        rest = after;
        let (pending, is_map) = match token {
            Token::Whole(scalar) => return Some(Step::Scalar(scalar)),
            Token::Array(len) => (len.into(), false),
            Token::Map(len) => (2 * u64::from(len), true),
        };
        open.push((pending, is_map));
        Some(Step::Begin { is_map })
    })
}
