//! Numbers: those that Fluent Bit keeps unchanged, and their canonical form.
//!
//! Fluent Bit prints an `f64` with `%.16g`, or with `%.1f` if it is integral and within
//! `i64`. So a value that leaves the filter may reach the far end as a neighbouring
//! value. [`outgoing`] finds a value that stays unchanged, and the record is sealed with
//! that one.

use crate::memory::{OutOfMemory, put};
use crate::record::notes::Notes;
use crate::text::digits::Digits;
use alloc::vec::Vec;
use core::fmt::{self, Write};

/// An integer of up to this many digits fits into an `i64`.
pub(crate) const DIGITS_ALWAYS_EXACT: usize = 18;

/// The largest number with 16 digits within the range of `f64`. `f64::MAX` itself would
/// be printed as a number outside that range.
const LARGEST_PRINTABLE: f64 = 1.797693134862315e308;

const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
const TWO_TO_64: f64 = 18_446_744_073_709_551_616.0;

/// The length of the longest number, `-1.7976931348623157e-308`, rounded up.
const SHORT_BYTES_MAX: usize = 32;

/// The maximum number of digits in the shortest text for an `f64`.
const DIGITS_MAX: usize = 17;

/// The number of digits up to which different numbers always read as different `f64`, if
/// these are normal numbers.
const DIGITS_ALWAYS_SHORTEST: usize = 15;

/// The number of low bits of an `f64` that are all zero in a power of two.
const MANTISSA_BITS: u32 = 52;

/// The number of digits that Fluent Bit prints.
const FLUENT_BIT_DIGITS: usize = 16;

/// The text of a number.
#[derive(Clone, Copy)]
pub(crate) struct Short {
    text: [u8; SHORT_BYTES_MAX],
    len: usize,
}

impl Short {
    fn print(value: fmt::Arguments<'_>) -> Self {
        let mut short = Short { text: [0; SHORT_BYTES_MAX], len: 0 };
        // No number is longer than SHORT_BYTES_MAX.
        let _ = short.write_fmt(value);
        short
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.text[..self.len]
    }
}

impl Write for Short {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let end = self.len + part.len();
        self.text.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(part.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// The form in which a number leaves the filter.
pub(crate) enum Outgoing {
    /// The number leaves as it stands.
    AsIs,
    /// The number leaves as this text. The note is empty if the value is the same.
    Otherwise { text: Short, note: Notes },
}

fn parse<T: core::str::FromStr>(token: &[u8]) -> Option<T> {
    core::str::from_utf8(token).ok()?.parse().ok()
}

/// Checks whether an integer is within `i64` or `u64`.
pub(crate) fn is_exact(token: &[u8]) -> bool {
    parse::<i64>(token).is_some() || parse::<u64>(token).is_some()
}

/// Checks whether a number is within `f64`.
pub(crate) fn is_in_range(token: &[u8]) -> bool {
    parse::<f64>(token).is_some_and(f64::is_finite)
}

/// Returns the form in which a number that is not an integer of 64 bits leaves the filter.
pub(crate) fn outgoing(token: &[u8]) -> Outgoing {
    let value: f64 = parse(token).unwrap_or(f64::INFINITY);
    if !value.is_finite() {
        let text = Decimal::shortest(LARGEST_PRINTABLE.copysign(value)).with_point();
        return Outgoing::Otherwise { text, note: Notes::CLAMPED };
    }
    let decimal = Decimal::of(token, value);
    let (settled, decimal) =
        if is_integral(value, TWO_TO_63) { (value, decimal.rounded()) } else { settle(value, decimal) };
    if settled == value && token.contains(&b'.') {
        return Outgoing::AsIs;
    }
    let text = decimal.with_point();
    // The text of an integral value may have more digits than this one.
    let note = if parse(text.as_bytes()) == Some(value) { Notes::NONE } else { Notes::ROUNDED };
    Outgoing::Otherwise { text, note }
}

/// Returns the value that stays unchanged when Fluent Bit prints and reads it, and the
/// decimal that reads as that value. It is `value` itself, or a neighbour.
///
/// If a number with 16 digits reads as `value`, then `value` stays: the number that
/// Fluent Bit prints is at least as near to it. Powers of two are the exception: their
/// neighbours below are nearer than those above, and Fluent Bit may print one of them. If
/// that is possible, the neighbour is returned.
fn settle(value: f64, decimal: Decimal) -> (f64, Decimal) {
    let (mut settled, mut decimal) = (value, decimal);
    // The neighbour may itself be a power of two.
    for _ in 0..2 {
        let printed = if decimal.count > FLUENT_BIT_DIGITS {
            decimal.rounded()
        } else {
            let below = decimal.below().filter(|_| settled.to_bits().trailing_zeros() >= MANTISSA_BITS);
            let is_neighbour = |below: &Decimal| {
                parse::<f64>(below.with_point().as_bytes()).is_some_and(|read| {
                    read != settled && (read == settled.next_down() || read == settled.next_up())
                })
            };
            match below.filter(is_neighbour) {
                Some(below) => below,
                None => break,
            }
        };
        settled = match parse::<f64>(printed.with_point().as_bytes()) {
            Some(read) if read.is_finite() => read,
            _ => LARGEST_PRINTABLE.copysign(value),
        };
        decimal = Decimal::shortest(settled);
    }
    (settled, decimal.rounded())
}

fn is_integral(value: f64, bound: f64) -> bool {
    -TWO_TO_63 <= value && value < bound && (value as i128) as f64 == value
}

/// The shortest decimal number that reads as a value.
struct Decimal {
    is_negative: bool,
    /// The digits in ASCII. The first and the last are not 0, except in the number 0.
    digits: [u8; DIGITS_MAX],
    count: usize,
    /// The power of ten of the first digit.
    exponent: i32,
}

impl Decimal {
    /// Returns the shortest decimal for `value`, which `token` reads as.
    ///
    /// No two numbers of up to [`DIGITS_ALWAYS_SHORTEST`] digits read as the same value,
    /// so a token with no more digits is the shortest. This is a shortcut: printing a
    /// value can take thousands of instructions per digit.
    fn of(token: &[u8], value: f64) -> Decimal {
        let is_normal = (1e-300..1e300).contains(&value.abs());
        Decimal::from_text(token, DIGITS_ALWAYS_SHORTEST)
            .filter(|_| is_normal)
            .unwrap_or_else(|| Decimal::shortest(value))
    }

    /// Returns the shortest decimal that reads as `value`. Among several, it is the
    /// nearest; among two at the same distance, the even one, as ECMAScript requires.
    fn shortest(value: f64) -> Decimal {
        let mut buffer = ryu::Buffer::new();
        Decimal::from_text(buffer.format_finite(value).as_bytes(), DIGITS_MAX).unwrap_or(Decimal::ZERO)
    }

    /// Returns the next number of 16 digits towards zero. Returns `None` if this number
    /// has more digits, or if the result would begin with 0.
    fn below(&self) -> Option<Decimal> {
        let mut below = Decimal { count: FLUENT_BIT_DIGITS, ..*self };
        let last = below.digits[..FLUENT_BIT_DIGITS].iter().rposition(|digit| *digit != b'0')?;
        below.digits[last] -= 1;
        below.digits[last + 1..FLUENT_BIT_DIGITS].fill(b'9');
        let is_shorter = below.digits[0] == b'0' || self.count > FLUENT_BIT_DIGITS;
        (!is_shorter).then_some(below)
    }

    const ZERO: Decimal = Decimal { is_negative: false, digits: [b'0'; DIGITS_MAX], count: 1, exponent: 0 };

    /// Reads a number. Returns `None` if it has more than `digits_max` digits from its
    /// first to its last that is not 0, or no such digit.
    fn from_text(text: &[u8], digits_max: usize) -> Option<Decimal> {
        let (mantissa, exponent) = match text.iter().position(|byte| matches!(byte, b'e' | b'E')) {
            Some(at) => (&text[..at], text.get(at + 1..)?),
            None => (text, &b"0"[..]),
        };
        let exponent: i32 = parse(exponent.strip_prefix(b"+").unwrap_or(exponent))?;
        let mut decimal = Decimal { is_negative: mantissa.first() == Some(&b'-'), count: 0, ..Decimal::ZERO };
        // The number of digits before the point, and the index of the first digit that is
        // not 0.
        let (mut seen, mut point, mut first) = (0, None, None);
        for &byte in mantissa {
            match byte {
                b'.' => point = Some(seen),
                b'0'..=b'9' => {
                    if byte != b'0' {
                        let first = *first.get_or_insert(seen);
                        *decimal.digits[..digits_max].get_mut(seen - first)? = byte;
                        decimal.count = seen - first + 1;
                    }
                    seen += 1;
                }
                _ => {}
            }
        }
        let before_point = i32::try_from(point.unwrap_or(seen)).ok()?;
        decimal.exponent =
            exponent.checked_add(before_point - 1)?.checked_sub(i32::try_from(first?).ok()?)?;
        Some(decimal)
    }

    /// Rounds to the number of digits that Fluent Bit prints.
    fn rounded(mut self) -> Decimal {
        if self.count <= FLUENT_BIT_DIGITS {
            return self;
        }
        let is_up = self.digits[FLUENT_BIT_DIGITS] >= b'5';
        self.count = FLUENT_BIT_DIGITS;
        self.digits[FLUENT_BIT_DIGITS..].fill(b'0');
        if is_up {
            while let Some(last) = self.count.checked_sub(1).filter(|last| self.digits[*last] == b'9') {
                self.digits[last] = b'0';
                self.count = last;
            }
            match self.count.checked_sub(1) {
                Some(last) => self.digits[last] += 1,
                None => {
                    (self.digits[0], self.count) = (b'1', 1);
                    self.exponent += 1;
                }
            }
        }
        while self.count > 1 && self.digits[self.count - 1] == b'0' {
            self.count -= 1;
        }
        self
    }

    /// Returns the text with one digit before the point, at least one behind it, and an
    /// exponent.
    fn with_point(&self) -> Short {
        let sign = if self.is_negative { "-" } else { "" };
        let digits = core::str::from_utf8(&self.digits[..self.count.max(2)]).unwrap_or("00");
        let (first, rest) = digits.split_at(1);
        Short::print(format_args!("{sign}{first}.{rest}e{}", self.exponent))
    }
}

/// Writes a number that is not an integer token in canonical form.
///
/// An integral value from −2⁶³ to 2⁶⁴−1 is written as that integer, exactly. Any other
/// value is written as ECMAScript prints its `f64` (RFC 8785 section 3.2.2.3).
pub(crate) fn write_canonical(token: &[u8], out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
    let value: f64 = parse(token).unwrap_or(0.0);
    if is_integral(value, TWO_TO_64) {
        let magnitude = (value as i128).unsigned_abs() as u64;
        put(out, if value < 0.0 { b"-" } else { b"" })?;
        return put(out, Digits::of(magnitude).as_bytes());
    }
    write_as_ecmascript(&Decimal::of(token, value), out)
}

/// Writes a number in the layout of ECMA-262, Number::toString.
fn write_as_ecmascript(decimal: &Decimal, out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
    const ZEROS: &[u8] = b"000000000000000000000";
    let (digits, count) = (&decimal.digits[..decimal.count], decimal.count);
    // The place of the point, counted from the first digit.
    let (exponent, point) = (decimal.exponent, decimal.exponent + 1);
    put(out, if decimal.is_negative { b"-" } else { b"" })?;
    match point {
        1..=21 if point as usize >= count => {
            put(out, digits)?;
            put(out, &ZEROS[..point as usize - count])
        }
        1..=21 => {
            put(out, &digits[..point as usize])?;
            put(out, b".")?;
            put(out, &digits[point as usize..])
        }
        -5..=0 => {
            put(out, b"0.")?;
            put(out, &ZEROS[..-point as usize])?;
            put(out, digits)
        }
        _ => {
            put(out, &digits[..1])?;
            if count > 1 {
                put(out, b".")?;
                put(out, &digits[1..])?;
            }
            put(out, if exponent < 0 { b"e-" } else { b"e+" })?;
            put(out, Digits::of(exponent.unsigned_abs().into()).as_bytes())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};
    use alloc::{format, vec};

    /// Returns powers of two and of ten with their neighbours, and other special values,
    /// with both signs.
    fn values() -> Vec<f64> {
        let two = (-1074..1024).map(|exponent| match exponent {
            ..-1022 => f64::from_bits(1 << (exponent + 1074)),
            _ => f64::from_bits(((exponent + 1023) as u64) << 52),
        });
        let ten = (-323..309).flat_map(|exponent| {
            (1..10).map(move |digit| format!("{digit}e{exponent}").parse().unwrap_or(f64::INFINITY))
        });
        let thirds = (0..2047).map(|exponent: u64| f64::from_bits(exponent << 52 | 0x5_5555_5555_5555));
        let other =
            [0.0, f64::MAX, LARGEST_PRINTABLE, 0.1 + 0.2, 9_007_199_254_740_993.0, TWO_TO_64, 1.0 / 3.0];
        let mut values = Vec::new();
        for value in two.chain(ten).chain(thirds).chain(other).filter(|value| value.is_finite()) {
            let (mut below, mut above) = (value, value);
            values.push(value);
            for _ in 0..3 {
                (below, above) = (below.next_down(), above.next_up());
                values.extend([below, above]);
            }
        }
        values.retain(|value| value.is_finite());
        values.iter().flat_map(|value| [*value, -*value]).collect()
    }

    /// Returns what C's `%.16g` prints, but always with an exponent: to a parser that is
    /// the same.
    fn fluent_bit_prints(value: f64) -> String {
        if (-TWO_TO_63..TWO_TO_63).contains(&value) && value as i64 as f64 == value {
            format!("{value:.1}")
        } else {
            format!("{value:.15e}")
        }
    }

    fn goes_out(token: &str) -> (String, Notes) {
        match outgoing(token.as_bytes()) {
            Outgoing::AsIs => (token.to_string(), Notes::NONE),
            Outgoing::Otherwise { text, note } => {
                (String::from_utf8_lossy(text.as_bytes()).into_owned(), note)
            }
        }
    }

    #[test]
    fn what_goes_out_comes_out_of_the_far_end() {
        let values = values();
        assert!(values.len() > 100_000, "{}", values.len());
        for value in values {
            let integer = format!("{value:.0}e0");
            for token in [format!("{value:?}"), format!("{value:e}"), integer, fluent_bit_prints(value)] {
                let (text, note) = goes_out(&token);
                assert!(text.contains('.'), "{token}: {text} has no point");
                let read: f64 = text.parse().expect("a number");
                assert_eq!(fluent_bit_prints(read).parse(), Ok(read), "{token}: {text} does not stay");
                let came: f64 = token.parse().expect("a number");
                let expected = match () {
                    () if came.is_infinite() => Notes::CLAMPED,
                    () if came == read => Notes::NONE,
                    () => Notes::ROUNDED,
                };
                assert_eq!(note, expected, "{token}: {text}");
                // The difference is that of sixteen digits, twice at most; subnormal
                // numbers have fewer digits.
                let apart = (read - came.clamp(-f64::MAX, f64::MAX)).abs();
                assert!(apart <= came.abs().min(f64::MAX) * 2e-15 + 1e-323, "{token}: {text} is far off");
            }
        }
    }

    #[test]
    fn what_fluent_bit_prints_is_kept() {
        for value in values() {
            let token = fluent_bit_prints(value);
            if (value as i64 as f64 == value && value.abs() < TWO_TO_63) || value.abs() < 1e307 {
                let (text, _) = goes_out(&token);
                let printed: f64 = token.parse().expect("a number");
                let apart = (text.parse::<f64>().expect("a number") - printed).abs();
                // An exception are powers of ten that are no `f64`: their neighbour
                // leaves.
                assert!(apart <= (printed.next_up() - printed).abs() * 2.0, "{token}: {text}");
            }
        }
    }

    #[test]
    fn a_token_of_few_digits_is_the_shortest() {
        let few =
            (-330..309).flat_map(|exponent| (1..1000).map(move |digits| format!("{digits}e{exponent}")));
        let many = values().into_iter().map(|value| format!("{value:.14e}"));
        for token in few.chain(many) {
            let value: f64 = token.parse().expect("a number");
            if value != 0.0 && value.is_finite() {
                let [of, shortest] = [Decimal::of(token.as_bytes(), value), Decimal::shortest(value)];
                assert_eq!(of.with_point().as_bytes(), shortest.with_point().as_bytes(), "{token}");
            }
        }
    }

    #[test]
    fn canonical_text_reads_as_the_same_value() {
        for value in values() {
            let mut out = vec![];
            write_canonical(format!("{value:e}").as_bytes(), &mut out).expect("memory");
            let text = String::from_utf8(out).expect("ASCII");
            assert_eq!(text.parse(), Ok(value), "{text}");
            assert!(!text.starts_with("-0") || text.starts_with("-0."), "{text}");
            if is_integral(value, TWO_TO_64) {
                assert_eq!(text, format!("{}", value as i128));
            }
        }
    }
}
