//! Numbers by the value of their decimal digits, whatever their length.
//!
//! JSON numbers are decimal (RFC 8259 section 6), and schemas speak of them so:
//! 19.99 is a multiple of 0.01, though no `f64` says so. Nothing is rounded
//! here; the digits are walked where they stand.

use core::cmp::Ordering;

/// The largest factor of [`Decimal::is_multiple_of`]: its remainders, times
/// ten, fit into 64 bits.
pub const FACTOR_MAX: u64 = 999_999_999_999_999_999;

/// How far the exponents of a number and of a factor may be apart. More is
/// only in foreign tables: a record's numbers are those of `f64`.
const APART_MAX: i64 = 4096;

/// A number: 0.d₁d₂d₃… × 10^point, of which d₁ and the last digit are not 0.
#[derive(Clone, Copy, Debug)]
pub struct Decimal<'a> {
    is_negative: bool,
    /// The significant digits; between them there may be a point.
    digits: &'a [u8],
    point: i64,
    /// The exponent of the last digit.
    last: i64,
}

impl<'a> Decimal<'a> {
    /// The number that a JSON token stands for.
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
        // Powers of ten of the places around the point, which itself has none.
        let power = |at: usize| whole as i64 - at as i64 - i64::from(at < whole);
        Decimal {
            is_negative,
            digits: mantissa.get(first..=last).unwrap_or_default(),
            point: exponent.saturating_add(power(first) + 1),
            last: exponent.saturating_add(power(last)),
        }
    }

    /// Whether there is nothing behind the point: to JSON Schema, an integer
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
            // No digits are trailing zeros, so the longer one is the larger.
            a.point.cmp(&b.point).then_with(|| a.digits().cmp(b.digits()))
        };
        match sign(self).cmp(&sign(other)) {
            Ordering::Equal if self.is_zero() => Ordering::Equal,
            Ordering::Equal if self.is_negative => magnitude(other, self),
            Ordering::Equal => magnitude(self, other),
            unequal => unequal,
        }
    }

    /// Whether it is `factor` × 10^`exponent` an integral number of times.
    /// `factor` is from 1 to [`FACTOR_MAX`].
    pub fn is_multiple_of(&self, factor: u64, exponent: i64) -> bool {
        if self.is_zero() {
            return true;
        }
        let zeros = self.last.saturating_sub(exponent);
        if !(1..=FACTOR_MAX).contains(&factor) || !(0..=APART_MAX).contains(&zeros) {
            // Below 0 the quotient's digits would have to end in a zero, and
            // the last one is none.
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

    /// The same for equal numbers, and seldom for others.
    pub(crate) fn fingerprint(&self) -> u64 {
        let seed = (self.point as u64) << 1 | u64::from(self.is_negative);
        self.digits().fold(super::mix(0, seed), |hash, digit| super::mix(hash, digit.into()))
    }

    /// The number as an integer times a power of ten; none if the integer
    /// would be past [`FACTOR_MAX`] or the number is not over 0.
    pub fn factor(&self) -> Option<(u64, i64)> {
        if self.is_negative || self.is_zero() {
            return None;
        }
        let factor = self.digits().try_fold(0u64, |factor, digit| {
            factor.checked_mul(10)?.checked_add(digit.into()).filter(|factor| *factor <= FACTOR_MAX)
        })?;
        Some((factor, self.last))
    }

    /// The number as a count, if it is an integer from 0 on; one past 32 bits
    /// as the largest.
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

/// The exponent behind the `e`; one that is too large as the largest.
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
        // In ascending order; what stands together is equal.
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
