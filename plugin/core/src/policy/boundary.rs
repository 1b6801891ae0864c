//! The boundaries of matches: conditions on the bytes next to them.

/// A condition on the bytes next to a match, so that the match is not a piece of
/// something longer. The beginning and the end of a text always fulfil it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Boundary {
    /// Anything may stand there.
    None = 0,
    /// No letter, digit or `_` may stand there.
    Word = 1,
    /// Same as `Word`, and no `-`, which base64url (RFC 4648 section 5) also contains.
    Token = 2,
    /// No letter or digit may stand there, and nothing that makes the digits a part of a
    /// longer number, name or version: `_`, a point or comma between digits, a `-` that
    /// ties them to a word.
    Number = 3,
    /// No letter, digit or `_`, no `.` with a fifth part of a version, and no `-` that
    /// ties the address to a word.
    Ipv4 = 4,
    /// No letter, digit or `_`, and no `:` or `.` with more of an address.
    Ipv6 = 5,
    /// The match may only be followed by a byte that ends a bare value: space, a quote,
    /// or a byte that separates or closes values.
    Value = 6,
}

impl Boundary {
    /// Returns the boundary with this id.
    pub fn from_id(id: u8) -> Option<Self> {
        use Boundary::*;
        [None, Word, Token, Number, Ipv4, Ipv6, Value].get(id as usize).copied()
    }

    /// Checks whether a match may start behind `head`.
    pub fn holds_behind(self, head: &[u8]) -> bool {
        let Some((&byte, rest)) = head.split_last() else { return true };
        let ahead = rest.last().copied().unwrap_or(b' ');
        match self {
            Boundary::None => true,
            Boundary::Word => !is_word(byte),
            Boundary::Token => !is_word(byte) && byte != b'-',
            Boundary::Number => match byte {
                b'-' | b'.' => !is_word(ahead) && ahead != byte,
                b',' => !ahead.is_ascii_digit(),
                _ => !is_word(byte),
            },
            Boundary::Ipv4 => match byte {
                b'.' => !is_word(ahead) && ahead != byte,
                b'-' => !ahead.is_ascii_alphabetic(),
                _ => !is_word(byte),
            },
            Boundary::Ipv6 => match byte {
                b'.' | b':' => !is_word(ahead) && ahead != byte,
                _ => !is_word(byte),
            },
            Boundary::Value => true,
        }
    }

    /// Checks whether a match may end before `tail`.
    pub fn holds_ahead(self, tail: &[u8]) -> bool {
        let Some((&byte, rest)) = tail.split_first() else { return true };
        let behind = rest.first().copied().unwrap_or(b' ');
        match self {
            Boundary::None => true,
            Boundary::Word => !is_word(byte),
            Boundary::Token => !is_word(byte) && byte != b'-',
            Boundary::Number => match byte {
                // `.0` may follow: the number was printed as one of floating point.
                b'.' if behind == b'0' && !rest.get(1).is_some_and(u8::is_ascii_digit) => true,
                b'-' | b'.' | b',' => !behind.is_ascii_digit(),
                _ => !is_word(byte),
            },
            Boundary::Ipv4 => match byte {
                b'.' => !is_word(behind),
                b'-' => !behind.is_ascii_alphabetic(),
                _ => !is_word(byte),
            },
            Boundary::Ipv6 => match byte {
                b'.' | b':' => !is_word(behind) && behind != byte,
                _ => !is_word(byte),
            },
            Boundary::Value => is_delimiter(byte),
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Checks for a byte that ends a bare value. Passwords may contain brackets and the like.
fn is_delimiter(byte: u8) -> bool {
    byte <= b' ' || matches!(byte, b'"' | b'\'' | b'`' | b'\\' | b'&' | b';' | b',')
}
