//! Patterns of object keys with wildcards and dates.

use humantime::parse_rfc3339;
use std::collections::HashSet;
use std::ops::Range;
use std::time::{Duration, SystemTime};

/// A key, or a pattern of keys. `*` stands for any characters except `/`, and `**` for
/// any characters. `%Y %m %d %H %M %S` stand for the parts of a date in UTC, as in the
/// keys of Fluent Bit's outputs.
#[derive(Clone, Debug)]
pub(super) struct KeyPattern {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Piece {
    Byte(u8),
    /// Any bytes except `/`.
    Within,
    /// Any bytes.
    Across,
    /// A part of a date, by its index in [`UNITS`].
    Date(usize),
}

/// The parts of a date: the letter, and the number of digits.
const UNITS: [(u8, usize); 6] = [(b'Y', 4), (b'm', 2), (b'd', 2), (b'H', 2), (b'M', 2), (b'S', 2)];

/// The known parts of the date in a key.
type Date = [Option<u16>; UNITS.len()];

impl KeyPattern {
    /// Parses a pattern. Fails if its date has a part without all larger ones.
    pub(super) fn read(text: &str) -> Result<KeyPattern, &'static str> {
        let bytes = text.as_bytes();
        let (mut pieces, mut at) = (Vec::new(), 0);
        while let Some(&byte) = bytes.get(at) {
            let next = bytes.get(at + 1).copied();
            let unit = UNITS.iter().position(|(letter, _)| byte == b'%' && next == Some(*letter));
            let (piece, len) = match (byte, unit) {
                (_, Some(unit)) => (Piece::Date(unit), 2),
                (b'*', None) if next == Some(b'*') => (Piece::Across, 2),
                (b'*', None) => (Piece::Within, 1),
                _ => (Piece::Byte(byte), 1),
            };
            pieces.push(piece);
            at += len;
        }
        let has = |unit| pieces.contains(&Piece::Date(unit));
        if (1..UNITS.len()).any(|unit| has(unit) && !has(unit - 1)) {
            return Err(
                "a date in a key needs every larger part before a smaller one: %Y before %m, %m before %d",
            );
        }
        Ok(KeyPattern { text: text.to_owned(), pieces })
    }

    /// Checks whether the pattern is a plain key, without wildcards and dates.
    pub(super) fn is_literal(&self) -> bool {
        self.pieces.iter().all(|piece| matches!(piece, Piece::Byte(_)))
    }

    pub(super) fn has_date(&self) -> bool {
        self.pieces.contains(&Piece::Date(0))
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Returns the folders with which all keys start, without the last `/`.
    pub(super) fn folder(&self) -> &str {
        let literal = self.pieces.iter().take_while(|piece| matches!(piece, Piece::Byte(_))).count();
        self.text[..literal].rfind('/').map_or("", |end| &self.text[..end])
    }

    /// Matches a key. Returns the key's date, or `None` if the key does not match.
    ///
    /// Keys may be hostile, so no place is tried twice with the same rest of the pattern.
    pub(super) fn matches(&self, key: &str) -> Option<KeyDate> {
        let key = key.as_bytes();
        let mut tried = HashSet::new();
        let mut open: Vec<(usize, usize, Date)> = vec![(0, 0, Date::default())];
        while let Some((piece, at, date)) = open.pop() {
            if !tried.insert((piece, at)) {
                continue;
            }
            let here = key.get(at).copied();
            match self.pieces.get(piece) {
                None if at == key.len() => return Some(KeyDate(date)),
                None => {}
                Some(Piece::Byte(byte)) if here == Some(*byte) => open.push((piece + 1, at + 1, date)),
                Some(Piece::Byte(_)) => {}
                Some(any @ (Piece::Within | Piece::Across)) => {
                    if here.is_some_and(|byte| *any == Piece::Across || byte != b'/') {
                        open.push((piece, at + 1, date));
                    }
                    open.push((piece + 1, at, date));
                }
                Some(Piece::Date(unit)) => {
                    let end = at + UNITS[*unit].1;
                    let mut date = date;
                    let number = key.get(at..end).and_then(number);
                    // A part that stands in the key twice must have the same value.
                    if number.is_some() && date[*unit].is_none_or(|known| Some(known) == number) {
                        date[*unit] = number;
                        open.push((piece + 1, end, date));
                    }
                }
            }
        }
        None
    }
}

fn number(digits: &[u8]) -> Option<u16> {
    digits
        .iter()
        .try_fold(0, |sum: u16, digit| digit.is_ascii_digit().then(|| sum * 10 + u16::from(digit - b'0')))
}

/// The date in a key.
pub(super) struct KeyDate(Date);

impl KeyDate {
    /// Returns the period that the date names, such as a whole day. Returns `None` if
    /// there is no date, or no such day.
    pub(super) fn time(&self) -> Option<Range<SystemTime>> {
        let [year, month, day, hour, minute, second] = self.0;
        let year = year?;
        let at = |year: u16, month: u16| {
            let (day, hour) = (day.unwrap_or(1), hour.unwrap_or(0));
            let (minute, second) = (minute.unwrap_or(0), second.unwrap_or(0));
            parse_rfc3339(&format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")).ok()
        };
        let start = at(year, month.unwrap_or(1))?;
        let seconds = |seconds| start.checked_add(Duration::from_secs(seconds));
        let end = match (month, day, hour, minute, second) {
            (.., Some(_)) => seconds(1),
            (_, _, _, Some(_), _) => seconds(60),
            (_, _, Some(_), ..) => seconds(3600),
            (_, Some(_), ..) => seconds(86400),
            (None | Some(12), ..) => at(year.checked_add(1)?, 1),
            (Some(month), ..) => at(year, month + 1),
        };
        Some(start..end?)
    }
}
