//! JSON strings: decoding their escapes, and writing the canonical ones.

pub mod base64url;
pub(crate) mod digits;
pub mod hex;
pub mod quantity;

use crate::memory::{OutOfMemory, put};
use alloc::vec::Vec;

/// The maximum length of the name of a rule, a class or a schema, in bytes.
pub const NAME_BYTES_MAX: usize = 40;

/// Checks a name from a policy: letters, digits, `-` and `_`. Names stand in seals and in
/// place of redacted values, so they must not need escapes.
pub fn is_name(name: &[u8]) -> bool {
    name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Returns the bytes of a string token between its quotes.
pub fn inner(token: &[u8]) -> &[u8] {
    match token {
        [b'"', inner @ .., b'"'] => inner,
        other => other,
    }
}

/// Checks that two texts are the same, eight bytes at once: comparing slices is a call in the guest
/// that goes byte by byte.
#[inline(never)]
pub(crate) fn is_same(a: &[u8], b: &[u8]) -> bool {
    let len = a.len();
    if len != b.len() {
        return false;
    }
    // The last bytes may overlap with those before.
    if let Some(last) = len.checked_sub(8) {
        let word = |text: &[u8], at: usize| text.get(at..).and_then(<[u8]>::first_chunk::<8>).copied();
        return word(a, last) == word(b, last) && (0..last).step_by(8).all(|at| word(a, at) == word(b, at));
    }
    if let Some(last) = len.checked_sub(4) {
        let half = |text: &[u8], at: usize| text.get(at..).and_then(<[u8]>::first_chunk::<4>).copied();
        return half(a, 0) == half(b, 0) && half(a, last) == half(b, last);
    }
    a.iter().zip(b).all(|(a, b)| a == b)
}

/// Checks that a text starts with another one, in the same way.
pub(crate) fn starts_with(text: &[u8], start: &[u8]) -> bool {
    text.get(..start.len()).is_some_and(|first| is_same(first, start))
}

/// Returns the place of the first such byte from `at` on.
#[inline(never)]
pub(crate) fn position(text: &[u8], byte: u8, at: usize) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let mut at = at;
    while let Some(word) = text.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        // The bytes sought for become zero; the lowest that is found is one of them.
        let apart = u64::from_le_bytes(*word) ^ (ONES * u64::from(byte));
        let found = apart.wrapping_sub(ONES) & !apart & (ONES << 7);
        if found != 0 {
            return Some(at + (found.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    Some(at + text.get(at..)?.iter().position(|other| *other == byte)?)
}

/// Reads a `\uXXXX` at the start of `bytes`, or two that form a surrogate pair.
///
/// Returns the character and the number of bytes read. The character is `None` if the
/// escape is half a pair alone. Returns `None` if there are not four hexadecimal digits.
pub(crate) fn unicode_escape(bytes: &[u8]) -> Option<(Option<char>, usize)> {
    let first = code_unit(bytes)?;
    if let Some(character) = char::from_u32(first) {
        return Some((Some(character), 6));
    }
    let second = bytes.get(6..).and_then(code_unit).unwrap_or(0);
    if (0xd800..0xdc00).contains(&first) && (0xdc00..0xe000).contains(&second) {
        let character = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return Some((char::from_u32(character), 12));
    }
    Some((None, 6))
}

/// Reads a `\xHH` at the start of `bytes`. Fluent Bit writes the bytes of a MessagePack
/// extension like this, and bytes over 0x7f as a signed C `char`: `\xffffffHH`.
///
/// Returns the character of that number and the number of bytes read.
pub(crate) fn byte_escape(bytes: &[u8]) -> Option<(char, usize)> {
    const SIGN: &[u8] = b"ffffff";
    let digits = bytes.strip_prefix(b"\\x")?;
    let (digits, len) = match digits.strip_prefix(SIGN) {
        Some(digits) => (digits, 4 + SIGN.len()),
        None => (digits, 4),
    };
    let [high, low] = digits.first_chunk()?.map(|digit| (digit as char).to_digit(16));
    Some((char::from_u32(high? << 4 | low?)?, len))
}

fn code_unit(bytes: &[u8]) -> Option<u32> {
    let [b'\\', b'u', digits @ ..] = bytes else {
        return None;
    };
    let mut unit = 0;
    for &digit in digits.first_chunk::<4>()? {
        unit = unit << 4 | (digit as char).to_digit(16)?;
    }
    Some(unit)
}

/// The characters inside a string token. Anything that is not Unicode yields U+FFFD: half
/// a surrogate pair, and each part of the bytes that is not UTF-8.
#[derive(Clone, Debug)]
pub struct Characters<'a> {
    rest: &'a [u8],
}

impl<'a> Characters<'a> {
    /// Returns the characters of `inner`, the part between two quotes.
    pub fn of(inner: &'a [u8]) -> Self {
        Characters { rest: inner }
    }

    /// Returns the length of the first character, in bytes.
    pub(crate) fn first_len(mut self) -> usize {
        let len = self.rest.len();
        self.next();
        len - self.rest.len()
    }

    fn advance(&mut self, len: usize) {
        self.rest = self.rest.get(len..).unwrap_or_default();
    }
}

impl Iterator for Characters<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        let first = *self.rest.first()?;
        if first == b'\\' {
            let plain = match self.rest.get(1) {
                Some(b'u') => {
                    let (character, len) = unicode_escape(self.rest).unwrap_or((None, 2));
                    self.advance(len);
                    return Some(character.unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                Some(b'x') => {
                    let (character, len) = byte_escape(self.rest).unwrap_or(('x', 2));
                    self.advance(len);
                    return Some(character);
                }
                Some(b'b') => '\u{8}',
                Some(b'f') => '\u{c}',
                Some(b'n') => '\n',
                Some(b'r') => '\r',
                Some(b't') => '\t',
                Some(&other) => other as char,
                None => char::REPLACEMENT_CHARACTER,
            };
            self.advance(2);
            return Some(plain);
        }
        if first < 0x80 {
            self.advance(1);
            return Some(first as char);
        }
        // A character takes four bytes at most.
        let head = self.rest.get(..4).unwrap_or(self.rest);
        let chunk = head.utf8_chunks().next()?;
        match chunk.valid().chars().next() {
            Some(character) => {
                self.advance(character.len_utf8());
                Some(character)
            }
            None => {
                self.advance(chunk.invalid().len().max(1));
                Some(char::REPLACEMENT_CHARACTER)
            }
        }
    }
}

/// Writes a string token again, escaped as RFC 8785 section 3.2.2.2 requires.
pub(crate) fn rewrite(token: &[u8], out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
    put(out, b"\"")?;
    write_characters(inner(token), out, put_character)?;
    put(out, b"\"")
}

/// Writes the text that the inside of a string token stands for.
pub(crate) fn decode(inner: &[u8], out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
    write_characters(inner, out, |character, out| put(out, character.encode_utf8(&mut [0; 4]).as_bytes()))
}

/// Writes the characters inside a token. Runs of ASCII without escapes are copied as they
/// stand.
fn write_characters(
    inner: &[u8],
    out: &mut Vec<u8>,
    put_odd: impl Fn(char, &mut Vec<u8>) -> Result<(), OutOfMemory>,
) -> Result<(), OutOfMemory> {
    let mut characters = Characters::of(inner);
    loop {
        let is_odd = |byte: &u8| *byte == b'\\' || *byte >= 0x80;
        let rest = characters.rest;
        let plain = rest.iter().position(is_odd).unwrap_or(rest.len());
        put(out, &rest[..plain])?;
        characters.advance(plain);
        match characters.next() {
            Some(character) => put_odd(character, out)?,
            None => return Ok(()),
        }
    }
}

/// Writes text as a JSON string, escaped as RFC 8785 section 3.2.2.2 requires. Bytes that
/// are not UTF-8 become U+FFFD.
pub(crate) fn write(text: &[u8], out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
    put(out, b"\"")?;
    write_inside(text, out)?;
    put(out, b"\"")
}

/// Writes text as the inside of a JSON string, without the quotes.
pub(crate) fn write_inside(text: &[u8], out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
    if text.iter().all(|byte| matches!(byte, 0x20..0x80 if !matches!(byte, b'"' | b'\\'))) {
        return put(out, text);
    }
    for chunk in text.utf8_chunks() {
        let valid = chunk.valid();
        let mut plain = 0;
        for (at, byte) in valid.bytes().enumerate() {
            if byte < 0x20 || byte == b'"' || byte == b'\\' {
                put(out, &valid.as_bytes()[plain..at])?;
                put_character(byte as char, out)?;
                plain = at + 1;
            }
        }
        put(out, &valid.as_bytes()[plain..])?;
        if !chunk.invalid().is_empty() {
            put_character(char::REPLACEMENT_CHARACTER, out)?;
        }
    }
    Ok(())
}

fn put_character(character: char, out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
    match character {
        '"' => put(out, b"\\\""),
        '\\' => put(out, b"\\\\"),
        '\u{8}' => put(out, b"\\b"),
        '\u{c}' => put(out, b"\\f"),
        '\n' => put(out, b"\\n"),
        '\r' => put(out, b"\\r"),
        '\t' => put(out, b"\\t"),
        '\0'..='\u{1f}' => {
            let digit = |value: u32| char::from_digit(value, 16).map_or(b'0', |digit| digit as u8);
            let code = character as u32;
            put(out, &[b'\\', b'u', b'0', b'0', digit(code >> 4), digit(code & 15)])
        }
        _ => put(out, character.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// Checks a tag against a pattern, in the same way as Fluent Bit's `match`: `*` stands
/// for any text, dots included.
pub(crate) fn is_match(pattern: &[u8], tag: &[u8]) -> bool {
    let (mut at, mut tag_at) = (0, 0);
    // The place behind the last `*` in the pattern, and the end of the text that it
    // stands for in the tag.
    let mut star = None;
    while let Some(byte) = tag.get(tag_at) {
        match pattern.get(at) {
            Some(b'*') => {
                at += 1;
                star = Some((at, tag_at));
            }
            Some(wanted) if wanted == byte => (at, tag_at) = (at + 1, tag_at + 1),
            _ => {
                let Some((behind, end)) = star else {
                    return false;
                };
                star = Some((behind, end + 1));
                (at, tag_at) = (behind, end + 1);
            }
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}
