//! Numbers by the value of their decimal digits, of any length.
//!
//! JSON numbers are decimal (RFC 8259 section 6), and schemas treat them like that: 19.99
//! is a multiple of 0.01, although not as `f64`. Nothing is rounded here; the digits are
//! read in place.

use core::cmp::Ordering;

/// The maximum factor of [`Decimal::is_multiple_of`]: ten times its remainders fit into
/// 64 bits.
pub const FACTOR_MAX: u64 = 999_999_999_999_999_999;

/// The maximum difference between the exponents of a number and a factor. Only foreign
/// tables exceed it: a record's numbers are those of `f64`.
const APART_MAX: i64 = 4096;

/// A number: 0.d₁d₂d₃… × 10^point. Neither d₁ nor the last digit is 0.
#[derive(Clone, Copy, Debug)]
pub struct Decimal<'a> {
    is_negative: bool,
    /// The significant digits, possibly with a point between them.
    digits: &'a [u8],
    point: i64,
    /// The exponent of the last digit.
    last: i64,
}

impl<'a> Decimal<'a> {
    /// Returns the number that a JSON token stands for.
    pub fn of(token: &'a [u8]) -> Self {
        let (is_negative, token) = match token {
            [b'-', rest @ ..] => (true, rest),
            _ => (false, token),
        };
        let end = token.iter().position(|byte| matches!(byte, b'e' | b'E')).unwrap_or(token.len());
        let mantissa = token.get(..end).unwrap_or_default();
        let exponent = exponent(token.get(end + 1..).unwrap_or_default());
        let is_significant = |byte: &u8| matches!(byte, b'1'..=b'9');
        let whole = mantissa.iter().position(|byte| *byte == b'.').unwrap_or(mantissa.len());
        let (Some(first), Some(last)) =
            (mantissa.iter().position(is_significant), mantissa.iter().rposition(is_significant))
        else {
            return Decimal { is_negative: false, digits: &[], point: 0, last: 0 };
        };
        // The powers of ten of the digits around the point, which itself takes a byte but
        // has no power.
        let power = |at: usize| whole as i64 - at as i64 - i64::from(at < whole);
        Decimal {
            is_negative,
            digits: mantissa.get(first..=last).unwrap_or_default(),
            point: exponent.saturating_add(power(first) + 1),
            last: exponent.saturating_add(power(last)),
        }
    }

    /// True if all digits behind the point are zero. JSON Schema calls that an integer
    /// (Validation, section 6.1.1).
    pub fn is_integral(&self) -> bool {
        self.last >= 0
    }

    fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    fn digits(&self) -> impl Iterator<Item = u8> + 'a {
        self.digits.iter().filter(|byte| **byte != b'.').map(|byte| byte.wrapping_sub(b'0'))
    }

    /// Compares two numbers exactly.
    pub fn compare(&self, other: &Decimal<'_>) -> Ordering {
        let sign = |number: &Decimal<'_>| match () {
            () if number.is_zero() => 0,
            () if number.is_negative => -1,
            () => 1,
        };
        let magnitude = |a: &Decimal<'_>, b: &Decimal<'_>| {
            // Neither number has trailing zeros, so the longer one is the larger.
            a.point.cmp(&b.point).then_with(|| a.digits().cmp(b.digits()))
        };
        match sign(self).cmp(&sign(other)) {
            Ordering::Equal if self.is_zero() => Ordering::Equal,
            Ordering::Equal if self.is_negative => magnitude(other, self),
            Ordering::Equal => magnitude(self, other),
            unequal => unequal,
        }
    }

    /// Checks whether the number is an integral multiple of `factor` × 10^`exponent`.
    /// `factor` is from 1 to [`FACTOR_MAX`].
    pub fn is_multiple_of(&self, factor: u64, exponent: i64) -> bool {
        if self.is_zero() {
            return true;
        }
        let zeros = self.last.saturating_sub(exponent);
        if !(1..=FACTOR_MAX).contains(&factor) || !(0..=APART_MAX).contains(&zeros) {
            // If the difference is below 0, the last digit of the quotient would have to
            // be zero, which it never is.
            return false;
        }
        let append = |rest: u64, digit: u8| (rest * 10 + u64::from(digit)) % factor;
        let mut rest = self.digits().fold(0, append);
        for _ in 0..zeros {
            if rest == 0 {
                break;
            }
            rest = append(rest, 0);
        }
        rest == 0
    }

    /// Returns a number that is the same for equal numbers, and seldom for others.
    pub(crate) fn fingerprint(&self) -> u64 {
        let seed = (self.point as u64) << 1 | u64::from(self.is_negative);
        self.digits().fold(super::mix(0, seed), |hash, digit| super::mix(hash, digit.into()))
    }

    /// Returns the number as an integer and a power of ten. Returns `None` if the integer
    /// exceeds [`FACTOR_MAX`] or the number is not positive.
    pub fn factor(&self) -> Option<(u64, i64)> {
        if self.is_negative || self.is_zero() {
            return None;
        }
        let factor = self.digits().try_fold(0u64, |factor, digit| {
            factor.checked_mul(10)?.checked_add(digit.into()).filter(|factor| *factor <= FACTOR_MAX)
        })?;
        Some((factor, self.last))
    }

    /// Returns the number as a count if it is an integer of 0 or more. A number of more
    /// than 32 bits becomes the largest count.
    pub fn count(&self) -> Option<u32> {
        if self.is_negative || !self.is_integral() {
            return None;
        }
        if self.point > 10 {
            return Some(u32::MAX);
        }
        let zeros = core::iter::repeat_n(0, self.last as usize);
        let count = self.digits().chain(zeros).fold(0, |count: u64, digit| count * 10 + u64::from(digit));
        Some(u32::try_from(count).unwrap_or(u32::MAX))
    }
}

/// Returns the exponent behind the `e`. One that is too large becomes the largest.
fn exponent(text: &[u8]) -> i64 {
    const MAX: i64 = 1 << 40;
    let (sign, digits) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        _ => (1, text),
    };
    let append = |value: i64, digit: &u8| (value * 10 + i64::from(digit.wrapping_sub(b'0'))).min(MAX);
    sign * digits.iter().fold(0, append)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(a: &str, b: &str) -> Ordering {
        Decimal::of(a.as_bytes()).compare(&Decimal::of(b.as_bytes()))
    }

    #[test]
    fn order_is_that_of_the_values() {
        // The values are in ascending order; values in one line are equal.
        let ascending: &[&[&str]] = &[
            &["-1e308"],
            &["-9223372036854775809", "-9223372036854775809.0"],
            &["-9223372036854775808"],
            &["-10.5", "-105e-1", "-0.105e+2"],
            &["-10"],
            &["-0.001", "-1e-3"],
            &["0", "-0", "0.0", "0e99999999999999999999", "-0.00E-5"],
            &["1e-400"],
            &["0.1", "0.10", "1e-1", "10.0e-2"],
            &["0.10000000000000000001"],
            &["0.3"],
            &["0.30000000000000004"],
            &["1", "1.0", "1e0", "100e-2"],
            &["9007199254740992", "9007199254740992.0"],
            &["9007199254740993"],
            &["18446744073709551615"],
            &["18446744073709551616"],
            &["1e300", "1000e297"],
        ];
        for (at, group) in ascending.iter().enumerate() {
            for (other_at, others) in ascending.iter().enumerate() {
                for (a, b) in group.iter().flat_map(|a| others.iter().map(move |b| (a, b))) {
                    assert_eq!(compare(a, b), at.cmp(&other_at), "{a} and {b}");
                    let fingerprint = |text: &str| Decimal::of(text.as_bytes()).fingerprint();
                    assert_eq!(fingerprint(a) == fingerprint(b), at == other_at, "{a} and {b}");
                }
            }
        }
    }

    #[test]
    fn multiples() {
        for (value, factor, expected) in [
            ("0", "3", true),
            ("0.0075", "0.0001", true),
            ("0.00751", "0.0001", false),
            ("19.99", "0.01", true),
            ("4.5", "1.5", true),
            ("35", "1.5", false),
            ("-4.50", "1.5", true),
            ("1e308", "0.123456789", false),
            ("12391239123", "1e-8", true),
            ("1e22", "7e3", false),
            ("7e22", "7e3", true),
            ("5", "10", false),
            ("10", "5", true),
            ("9007199254740993", "2", false),
            ("18446744073709551615", "5", true),
            ("0.5", "1", false),
            ("1e-300", "1e-301", true),
        ] {
            let (number, exponent) = Decimal::of(factor.as_bytes()).factor().expect("a factor");
            let is_multiple = Decimal::of(value.as_bytes()).is_multiple_of(number, exponent);
            assert_eq!(is_multiple, expected, "{value} by {factor}");
        }
    }

    #[test]
    fn integers_and_counts() {
        for (text, count) in [
            ("0", Some(0)),
            ("2.0", Some(2)),
            ("12e1", Some(120)),
            ("4294967295", Some(u32::MAX)),
            ("1e99", Some(u32::MAX)),
            ("1.5", None),
            ("-1", None),
            ("1e-1", None),
        ] {
            assert_eq!(Decimal::of(text.as_bytes()).count(), count, "{text}");
        }
        assert!(Decimal::of(b"1e308").is_integral());
        assert!(!Decimal::of(b"1.00000000000000000000001").is_integral());
        assert_eq!(Decimal::of(b"1234567890123456789").factor(), None);
    }
}
