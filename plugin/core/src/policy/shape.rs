//! Shapes of tokens in a table: letters that stand for themselves, and runs of an
//! alphabet. They take a tenth of what an automaton does.
//!
//! A shape starts with how far behind its start its trigger ends, in one byte. Then
//! come its parts: a number up to 127 and so many letters; or 128 plus the number of an
//! alphabet, and the least and most bytes of the run, in two bytes each. A zero ends it.
//! A shape whose first byte is zero is none: the last one's end.

use super::Policy;
use alloc::vec::Vec;

/// Marks a place of shapes among those of patterns.
pub(crate) const SHAPES: u32 = 1 << 31;
/// Marks a part that is a run.
const RUN: u8 = 1 << 7;
/// The length of a run, in bytes.
const RUN_BYTES: usize = 5;

/// The bytes that a run may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Alphabet {
    /// Digits.
    Digits = 0,
    /// Digits and small letters from a to f.
    SmallHex = 1,
    /// Digits and letters from a to f.
    Hex = 2,
    /// Digits and small letters.
    SmallLettersAndDigits = 3,
    /// Digits and capitals.
    CapitalsAndDigits = 4,
    /// Digits and letters.
    LettersAndDigits = 5,
    /// Base64url (RFC 4648 section 5).
    Base64Url = 6,
    /// Base64 (RFC 4648 section 4).
    Base64 = 7,
    /// The same with its padding.
    PaddedBase64 = 8,
    /// Base64url, `.`, `=` and `~`.
    Printable = 9,
}

impl Alphabet {
    const ALL: [Alphabet; 10] = [
        Alphabet::Digits,
        Alphabet::SmallHex,
        Alphabet::Hex,
        Alphabet::SmallLettersAndDigits,
        Alphabet::CapitalsAndDigits,
        Alphabet::LettersAndDigits,
        Alphabet::Base64Url,
        Alphabet::Base64,
        Alphabet::PaddedBase64,
        Alphabet::Printable,
    ];

    /// Checks that a byte is in it.
    pub fn has(self, byte: u8) -> bool {
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        match self {
            Alphabet::Digits => byte.is_ascii_digit(),
            Alphabet::SmallHex => is_hex(byte),
            Alphabet::Hex => byte.is_ascii_hexdigit(),
            Alphabet::SmallLettersAndDigits => matches!(byte, b'0'..=b'9' | b'a'..=b'z'),
            Alphabet::CapitalsAndDigits => matches!(byte, b'0'..=b'9' | b'A'..=b'Z'),
            Alphabet::LettersAndDigits => byte.is_ascii_alphanumeric(),
            Alphabet::Base64Url => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            Alphabet::Base64 => byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'),
            Alphabet::PaddedBase64 => byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='),
            Alphabet::Printable => {
                byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'=' | b'~')
            }
        }
    }
}

/// A part of a shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// These letters.
    Literal(Vec<u8>),
    /// So many bytes of an alphabet, at least and at most: as many as there are.
    Run(Alphabet, u16, u16),
}

/// A shape, to be written.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The end of its trigger, in bytes from its start.
    pub lead_len: u8,
    /// Its parts, one behind the other.
    pub parts: Vec<Part>,
}

impl Shape {
    /// Writes shapes of which any is enough. None if a part is too long.
    pub fn write(shapes: &[Shape]) -> Option<Vec<u8>> {
        let mut table = Vec::new();
        for shape in shapes {
            table.push(shape.lead_len);
            for part in &shape.parts {
                match part {
                    Part::Literal(letters) => {
                        let len = u8::try_from(letters.len()).ok().filter(|len| *len < RUN)?;
                        table.push(len);
                        table.extend(letters);
                    }
                    Part::Run(alphabet, least, most) => {
                        table.push(RUN | *alphabet as u8);
                        table.extend(least.to_le_bytes());
                        table.extend(most.to_le_bytes());
                    }
                }
            }
            table.push(0);
        }
        table.push(0);
        Some(table)
    }
}

/// Shapes in a table, one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shapes<'a>(&'a [u8]);

impl<'a> Policy<'a> {
    /// The shapes at a place; none if it is no place of shapes.
    pub(crate) fn shapes(&self, place: u32) -> Option<Shapes<'a>> {
        let start = place.checked_sub(SHAPES)?;
        self.automata.get(start as usize..).map(Shapes)
    }
}

impl<'a> Shapes<'a> {
    /// Takes the next shape off: how far its trigger ends behind its start, and its
    /// parts.
    pub(crate) fn next(&mut self) -> Option<(usize, &'a [u8])> {
        let (lead_len, rest) = self.0.split_first().filter(|(lead_len, _)| **lead_len != 0)?;
        let mut at = 0;
        while let Some(part) = rest.get(at).filter(|part| **part != 0) {
            at += if *part >= RUN { RUN_BYTES } else { 1 + usize::from(*part) };
        }
        let (parts, rest) = rest.split_at_checked(at)?;
        self.0 = rest.get(1..)?;
        Some(((*lead_len).into(), parts))
    }
}

/// How long the text at the start of `text` is that has this shape, and how much was
/// read to tell.
pub(crate) fn matches(mut parts: &[u8], text: &[u8]) -> (Option<usize>, usize) {
    let mut at = 0;
    while let Some((&part, rest)) = parts.split_first() {
        if part < RUN {
            let Some((letters, behind)) = rest.split_at_checked(part.into()) else { return (None, at) };
            if !text.get(at..).is_some_and(|text| text.starts_with(letters)) {
                return (None, at);
            }
            at += letters.len();
            parts = behind;
            continue;
        }
        let Some(([least, least_high, most, most_high], behind)) = rest.split_first_chunk() else {
            return (None, at);
        };
        let Some(alphabet) = Alphabet::ALL.get(usize::from(part ^ RUN)) else { return (None, at) };
        let least = usize::from(u16::from_le_bytes([*least, *least_high]));
        let most = usize::from(u16::from_le_bytes([*most, *most_high]));
        let ahead = text.get(at..).unwrap_or_default().iter().take(most);
        let len = ahead.take_while(|byte| alphabet.has(**byte)).count();
        at += len;
        if len < least {
            return (None, at);
        }
        parts = behind;
    }
    (Some(at), at)
}
