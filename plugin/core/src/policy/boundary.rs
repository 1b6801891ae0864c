//! What may stand next to a match.

/// What must not stand next to a match, so that it is not a piece of
/// something longer. The beginning and the end of a text always hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Boundary {
    /// Anything may.
    None = 0,
    /// No letter, digit or `_`.
    Word = 1,
    /// Nor `-`, which base64url (RFC 4648 section 5) has besides.
    Token = 2,
    /// No letter or digit, nor what makes digits a part of a longer number,
    /// name or version: `_`, a point or comma between digits, a `-` that ties
    /// them to a word.
    Number = 3,
    /// No letter, digit or `_`, no `.` with a fifth part of a version, no `-`
    /// that ties to a word.
    Ipv4 = 4,
    /// No letter, digit or `_`, nor `:` or `.` with more of an address.
    Ipv6 = 5,
    /// Behind it, no byte that a bare value would go on with: none but space,
    /// quotes and what separates or closes.
    Value = 6,
}

impl Boundary {
    /// The boundary with this id.
    pub fn from_id(id: u8) -> Option<Self> {
        use Boundary::*;
        [None, Word, Token, Number, Ipv4, Ipv6, Value].get(id as usize).copied()
    }

    /// Whether a match may start behind `head`.
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

    /// Whether a match may end ahead of `tail`.
    pub fn holds_ahead(self, tail: &[u8]) -> bool {
        let Some((&byte, rest)) = tail.split_first() else { return true };
        let behind = rest.first().copied().unwrap_or(b' ');
        match self {
            Boundary::None => true,
            Boundary::Word => !is_word(byte),
            Boundary::Token => !is_word(byte) && byte != b'-',
            Boundary::Number => match byte {
                // A number that is printed as one of floating point.
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

/// Whether a bare value ends here: passwords have brackets and the like.
fn is_delimiter(byte: u8) -> bool {
    byte <= b' ' || matches!(byte, b'"' | b'\'' | b'`' | b'\\' | b'&' | b';' | b',')
}
