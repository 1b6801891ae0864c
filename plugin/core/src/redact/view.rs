//! A view is a text with its escapes decoded: percent-encoding, forms, backslashes,
//! entities, and the sequences that colour a terminal.
//!
//! Detectors look at the text and at its views. A finding in a view is located in the
//! text by decoding once more, so that no map has to be kept.

use crate::memory::{OutOfMemory, put, put_byte};
use crate::text::unicode_escape;
use alloc::vec::Vec;
use core::ops::Range;

/// The maximum number of times that escapes may be escaped again.
pub(super) const VIEWS_MAX: usize = 3;

/// The pattern that triggers the decoding of a text: the start of every known escape.
pub const ESCAPES: &str = r"%[0-9A-Fa-f]|\\|\x1b|&[lg]t;|&amp|&quo|&apo|&#|command=|#0";

/// The maximum length of a sequence that colours a terminal, in bytes.
const SEQUENCE_BYTES_MAX: usize = 64;

/// A part of a text, and its decoded form.
struct Unit {
    len: usize,
    reads: Reads,
}

enum Reads {
    Byte(u8),
    Character(char),
}

/// Decodes the escapes of one text.
#[derive(Clone, Copy)]
struct Decoder {
    /// True if the text is a form, where a plus stands for a space.
    is_form: bool,
}

impl Decoder {
    fn of(text: &[u8]) -> Decoder {
        Decoder { is_form: text.contains(&b'%') && text.contains(&b'=') }
    }

    /// Returns the part at `at`, if it is an escape.
    fn unit(self, text: &[u8], at: usize) -> Option<Unit> {
        let rest = text.get(at..)?;
        let byte = |len, byte| Some(Unit { len, reads: Reads::Byte(byte) });
        match rest {
            [b'+', ..] if self.is_form => byte(1, b' '),
            [b'%', high, low, ..] => byte(3, pair(*high, *low)?),
            [b'\\', ..] => backslash(rest),
            [0x1b, ..] => byte(sequence(rest), b' '),
            [b'#', b'0', ..] => byte(4, octal(rest.get(1..4)?)?),
            [b'?' | b'&', b'c', ..] if rest.get(1..9) == Some(b"command=") => byte(9, b' '),
            [b'&', ..] => entity(rest),
            _ => None,
        }
    }
}

fn is_special(byte: u8) -> bool {
    matches!(byte, b'+' | b'%' | b'\\' | 0x1b | b'#' | b'?' | b'&')
}

fn digit(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).map(|digit| digit as u8)
}

fn pair(high: u8, low: u8) -> Option<u8> {
    Some(digit(high)? << 4 | digit(low)?)
}

/// Decodes a control character of three octal digits.
fn octal(digits: &[u8]) -> Option<u8> {
    let [b'0', high @ b'0'..=b'3', low @ b'0'..=b'7'] = digits else { return None };
    Some((high - b'0') << 3 | (low - b'0'))
}

fn backslash(rest: &[u8]) -> Option<Unit> {
    let byte = |len, byte| Some(Unit { len, reads: Reads::Byte(byte) });
    match rest.get(1)? {
        b'n' => byte(2, b'\n'),
        b'r' => byte(2, b'\r'),
        b't' => byte(2, b'\t'),
        b'e' if rest.get(2) == Some(&b'[') => byte(2, 0x1b),
        quoted @ (b'"' | b'\'' | b'/' | b'\\') => byte(2, *quoted),
        b'x' => byte(4, pair(*rest.get(2)?, *rest.get(3)?)?),
        b'0' => byte(4, octal(rest.get(1..4)?)?),
        b'u' => {
            let (character, len) = unicode_escape(rest)?;
            Some(Unit { len, reads: Reads::Character(character.unwrap_or(char::REPLACEMENT_CHARACTER)) })
        }
        _ => None,
    }
}

/// Returns the length of a sequence that colours a terminal (ECMA-48 section 5.4).
fn sequence(rest: &[u8]) -> usize {
    match rest.get(1) {
        Some(b'[') => {
            let body = rest.get(2..).unwrap_or_default().iter().take(SEQUENCE_BYTES_MAX);
            2 + body.take_while(|byte| matches!(byte, 0x20..=0x3f)).count() + 1
        }
        Some(b'(' | b')') => 3,
        Some(_) => 2,
        None => 1,
    }
    .min(rest.len())
}

fn entity(rest: &[u8]) -> Option<Unit> {
    const NAMED: [(&[u8], u8); 5] =
        [(b"&lt;", b'<'), (b"&gt;", b'>'), (b"&amp;", b'&'), (b"&quot;", b'"'), (b"&apos;", b'\'')];
    if let Some((name, byte)) = NAMED.iter().find(|(name, _)| rest.starts_with(name)) {
        return Some(Unit { len: name.len(), reads: Reads::Byte(*byte) });
    }
    let digits = rest.strip_prefix(b"&#")?;
    let (digits, radix) = match digits {
        [b'x' | b'X', digits @ ..] => (digits, 16),
        digits => (digits, 10),
    };
    let mut number = 0;
    for (at, &digit) in digits.iter().take(8).enumerate() {
        if digit == b';' {
            let len = rest.len() - digits.len() + at + 1;
            return char::from_u32(number).map(|character| Unit { len, reads: Reads::Character(character) });
        }
        number = number * radix + (digit as char).to_digit(radix)?;
    }
    None
}

/// Writes a text with its escapes decoded. Returns false if it has none.
pub(super) fn decode(text: &[u8], out: &mut Vec<u8>) -> Result<bool, OutOfMemory> {
    out.clear();
    let decoder = Decoder::of(text);
    let (mut at, mut plain) = (0, 0);
    let mut is_other = false;
    while let Some(&byte) = text.get(at) {
        match is_special(byte).then(|| decoder.unit(text, at)).flatten() {
            Some(unit) => {
                put(out, &text[plain..at])?;
                match unit.reads {
                    Reads::Byte(byte) => put_byte(out, byte)?,
                    Reads::Character(character) => put(out, character.encode_utf8(&mut [0; 4]).as_bytes())?,
                }
                at = (at + unit.len).min(text.len());
                plain = at;
                is_other = true;
            }
            None => at += 1,
        }
    }
    put(out, &text[plain..])?;
    Ok(is_other)
}

/// Maps parts of a view to the parts of the text that they were decoded from. The parts
/// have to be in order.
pub(super) fn locate<'a>(text: &[u8], parts: impl Iterator<Item = &'a mut Range<usize>>) {
    let decoder = Decoder::of(text);
    let (mut at, mut read) = (0, 0);
    let step = |at: &mut usize, read: &mut usize| {
        let Some(&byte) = text.get(*at) else { return false };
        match is_special(byte).then(|| decoder.unit(text, *at)).flatten() {
            Some(unit) => {
                *at = (*at + unit.len).min(text.len());
                *read += match unit.reads {
                    Reads::Byte(_) => 1,
                    Reads::Character(character) => character.len_utf8(),
                };
            }
            None => (*at, *read) = (*at + 1, *read + 1),
        }
        true
    };
    for part in parts {
        // Walks to the last unit that starts at the part's start or before it.
        loop {
            let (mut next, mut next_read) = (at, read);
            if read >= part.start || !step(&mut next, &mut next_read) || next_read > part.start {
                break;
            }
            (at, read) = (next, next_read);
        }
        let start = at;
        while read < part.end && step(&mut at, &mut read) {}
        *part = start..at;
    }
}
