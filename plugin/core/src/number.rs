//! Numbers: which of them Fluent Bit keeps, and their canonical form.
//!
//! Fluent Bit prints an `f64` with `%.16g`, or with `%.1f` where it is
//! integral and within `i64`. So a value that leaves the filter may come out
//! of the far end as a neighbour of itself. [`outgoing`] finds the value that
//! stays what it is, and the record is sealed with that one.

use crate::digits::Digits;
use crate::seal::Notes;
use crate::{OutOfMemory, put};
use alloc::vec::Vec;
use core::fmt::{self, Write};

/// An integer of up to this many digits fits into an `i64`.
pub(crate) const DIGITS_ALWAYS_EXACT: usize = 18;

/// The largest number of 16 digits within the range of `f64`. `f64::MAX`
/// itself is printed as a number over that range.
const LARGEST_PRINTABLE: f64 = 1.797693134862315e308;

const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
const TWO_TO_64: f64 = 18_446_744_073_709_551_616.0;

/// The longest: `-1.797693134862315e-308`.
const SHORT_BYTES_MAX: usize = 32;

/// A number's text.
#[derive(Clone, Copy)]
pub(crate) struct Short {
    text: [u8; SHORT_BYTES_MAX],
    len: usize,
}

impl Short {
    fn print(value: fmt::Arguments<'_>) -> Self {
        let mut short = Short { text: [0; SHORT_BYTES_MAX], len: 0 };
        // Nothing is printed here that is longer than SHORT_BYTES_MAX.
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

/// How a number is to leave the filter.
pub(crate) enum Outgoing {
    /// As it stands.
    AsIs,
    /// As this text; the note is empty if the value is the same.
    Otherwise { text: Short, note: Notes },
}

fn parse<T: core::str::FromStr>(token: &[u8]) -> Option<T> {
    core::str::from_utf8(token).ok()?.parse().ok()
}

/// Whether an integer is within `i64` or `u64`.
pub(crate) fn is_exact(token: &[u8]) -> bool {
    parse::<i64>(token).is_some() || parse::<u64>(token).is_some()
}

/// Whether a number is within `f64`.
pub(crate) fn is_in_range(token: &[u8]) -> bool {
    parse::<f64>(token).is_some_and(f64::is_finite)
}

/// How a number that is not an integer of 64 bits is to leave the filter.
pub(crate) fn outgoing(token: &[u8]) -> Outgoing {
    let value = parse(token).unwrap_or(f64::INFINITY);
    if !value.is_finite() {
        let text = sixteen_digits(LARGEST_PRINTABLE.copysign(value));
        return Outgoing::Otherwise { text, note: Notes::CLAMPED };
    }
    let settled = settle(value);
    if settled == value && token.contains(&b'.') {
        return Outgoing::AsIs;
    }
    let note = if settled == value { Notes::NONE } else { Notes::ROUNDED };
    Outgoing::Otherwise { text: sixteen_digits(settled), note }
}

/// What `value` has become once Fluent Bit has printed it and read it again.
fn settle(value: f64) -> f64 {
    if is_integral(value, TWO_TO_63) {
        return value;
    }
    let mut settled = value;
    // The second time is for powers of ten that are no f64: 1e23 is read as
    // 9.999999999999999e22.
    for _ in 0..2 {
        settled = match parse::<f64>(sixteen_digits(settled).as_bytes()) {
            Some(read) if read.is_finite() => read,
            _ => LARGEST_PRINTABLE.copysign(value),
        };
    }
    settled
}

fn is_integral(value: f64, bound: f64) -> bool {
    -TWO_TO_63 <= value && value < bound && (value as i128) as f64 == value
}

/// At most sixteen significant digits, and always a point.
fn sixteen_digits(value: f64) -> Short {
    let printed = Short::print(format_args!("{value:.15e}"));
    let text = printed.as_bytes();
    let exponent_at = text.iter().position(|&byte| byte == b'e').unwrap_or(text.len());
    let (mantissa, exponent) = text.split_at(exponent_at);
    let significant = mantissa.iter().rposition(|&byte| byte != b'0').map_or(0, |last| last + 1);
    // "1." keeps one zero behind the point.
    let kept =
        if mantissa.get(significant.wrapping_sub(1)) == Some(&b'.') { significant + 1 } else { significant };
    let mut short = Short { text: [0; SHORT_BYTES_MAX], len: 0 };
    for part in [&mantissa[..kept.min(mantissa.len())], exponent] {
        short.text[short.len..short.len + part.len()].copy_from_slice(part);
        short.len += part.len();
    }
    short
}

/// Writes a number that is not an integer token in canonical form.
///
/// An integral value from −2⁶³ to 2⁶⁴−1 is written as that integer, exactly;
/// any other as ECMAScript prints its `f64` (RFC 8785 section 3.2.2.3).
pub(crate) fn write_canonical(token: &[u8], out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
    let value: f64 = parse(token).unwrap_or(0.0);
    if is_integral(value, TWO_TO_64) {
        let magnitude = (value as i128).unsigned_abs() as u64;
        put(out, if value < 0.0 { b"-" } else { b"" })?;
        return put(out, Digits::of(magnitude).as_bytes());
    }
    let shortest = Short::print(format_args!("{value:e}"));
    write_as_ecmascript(shortest.as_bytes(), out)
}

/// Lays out `[-]d[.ddd]e[-]x` as in ECMA-262, Number::toString.
fn write_as_ecmascript(shortest: &[u8], out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
    const ZEROS: &[u8] = b"000000000000000000000";
    let (sign, shortest) = match shortest.strip_prefix(b"-") {
        Some(rest) => (&b"-"[..], rest),
        None => (&b""[..], shortest),
    };
    let mut digits = [0; 17];
    let mut count = 0;
    let mut exponent: i32 = 0;
    for (at, &byte) in shortest.iter().enumerate() {
        match byte {
            b'e' => {
                exponent = parse(&shortest[at + 1..]).unwrap_or(0);
                break;
            }
            b'.' => {}
            digit if count < digits.len() => {
                digits[count] = digit;
                count += 1;
            }
            _ => {}
        }
    }
    let digits = &digits[..count];
    // Where the point stands, counted from the first digit.
    let point = exponent + 1;
    put(out, sign)?;
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
