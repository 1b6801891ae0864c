//! The shapes of tokens in a table: literal letters, and runs of an alphabet. They take a
//! tenth of the space of an automaton.
//!
//! A shape starts with the distance from its start to the end of its trigger, in one
//! byte. Its parts follow: a number up to 127 and that many letters; or 128 plus the
//! number of an alphabet, and the minimum and maximum length of the run, in two bytes
//! each. A zero ends the shape. A zero in place of a shape ends the list.

use super::Policy;
use super::rule::SHAPES;
use alloc::vec::Vec;

/// The bit that marks a part as a run.
const RUN: u8 = 1 << 7;
/// The length of a run, in bytes.
const RUN_BYTES: usize = 5;

/// The bytes that may occur in a run.
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
    /// Base64 with padding.
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

    /// Checks whether the alphabet contains a byte.
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
    /// A run of an alphabet's bytes, with its minimum and maximum length. It takes as
    /// many bytes as there are.
    Run(Alphabet, u16, u16),
}

/// A shape, to be written.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The distance from its start to the end of its trigger, in bytes.
    pub lead_len: u8,
    /// The parts, in order.
    pub parts: Vec<Part>,
}

impl Shape {
    /// Writes a list of shapes, of which any one is enough. Returns `None` if a part is
    /// too long.
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
    /// Returns the shapes at a place, or `None` if it is not a place of shapes.
    pub(crate) fn shapes(&self, place: u32) -> Option<Shapes<'a>> {
        let start = place.checked_sub(SHAPES)?;
        self.automata.get(start as usize..).map(Shapes)
    }
}

impl<'a> Shapes<'a> {
    /// Removes the next shape from the list. Returns the distance from its start to the
    /// end of its trigger, and its parts.
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

/// Matches a shape at the start of `text`. Returns the length of the match, and the
/// number of bytes that were read to find it.
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
