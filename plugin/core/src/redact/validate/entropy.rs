//! Measures how random a text looks, without floating point.

/// The number of bytes of a text that are looked at.
const SAMPLE_BYTES_MAX: usize = 128;

/// One bit, in the unit of [`bits`].
const BIT: u32 = 256;

/// The minimum length of a text that can look random, in bytes.
const RANDOM_BYTES_MIN: usize = 8;

/// Checks whether the text's bytes vary as much as those of random base64, base62 or
/// hexadecimal digits of the same length, with some slack. Words do not.
pub(super) fn is_spread(text: &[u8]) -> bool {
    let length = text.len().min(SAMPLE_BYTES_MAX) as u32;
    let is_hexadecimal = text.iter().all(u8::is_ascii_hexdigit);
    // In a short text, random symbols are mostly distinct: the entropy is near log2 of
    // their number. In a longer one it is near the bits of the alphabet.
    let expected = match is_hexadecimal {
        true => log2(length).min(4 * BIT) * 15,
        false => log2(length).min(5 * BIT + BIT / 2) * 16,
    };
    text.len() >= RANDOM_BYTES_MIN && bits(text) * 20 >= expected
}

/// Checks whether the text's bytes vary as much as those of random hexadecimal digits of
/// the same length, with some slack.
pub(super) fn is_spread_as_hexadecimal(text: &[u8]) -> bool {
    let length = text.len().min(SAMPLE_BYTES_MAX) as u32;
    text.len() >= RANDOM_BYTES_MIN && bits(text) * 20 >= log2(length).min(4 * BIT) * 15
}

/// Checks whether the text looks like a key or a token: its bytes vary, and there are
/// digits among letters.
pub(super) fn is_random(text: &[u8]) -> bool {
    let has = |is: fn(&u8) -> bool| text.iter().any(is);
    has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic) && is_spread(text)
}

/// The minimum length of a mask that repeats one character, in bytes.
const MASK_BYTES_MIN: usize = 4;

/// Checks whether the text is a mask.
pub(super) fn is_mask(text: &[u8]) -> bool {
    let first = text.first().copied().unwrap_or(b'*');
    let is_even = text.len() >= MASK_BYTES_MIN && text.iter().all(|byte| *byte == first);
    is_even || text.iter().all(|byte| matches!(byte, b'*' | b'x' | b'X' | b'.' | b'-' | b'#'))
}

/// Returns Shannon's entropy of the text's bytes, in 1/256 bit per byte.
pub(crate) fn bits(text: &[u8]) -> u32 {
    let sample = text.get(..SAMPLE_BYTES_MAX).unwrap_or(text);
    let mut counts = [0u8; 256];
    for &byte in sample {
        counts[byte as usize] += 1;
    }
    let length = sample.len() as u32;
    let sum: u32 = counts.iter().map(|&count| u32::from(count) * log2(count.into())).sum();
    // log2(n) - (1/n) Σ c log2(c)
    log2(length).saturating_sub(sum.checked_div(length).unwrap_or(0))
}

/// Returns the binary logarithm in units of 1/256; for 0, that of 1. The fraction is
/// computed bit by bit, by squaring the mantissa again and again.
fn log2(value: u32) -> u32 {
    let whole = value.max(1).ilog2();
    let mut mantissa = (value.max(1) << 16) >> whole;
    let mut result = whole * BIT;
    for bit in [128, 64, 32, 16, 8, 4, 2, 1] {
        mantissa = ((u64::from(mantissa) * u64::from(mantissa)) >> 16) as u32;
        if mantissa >= 2 << 16 {
            mantissa >>= 1;
            result += bit;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::strategy::ValueTree;
    use proptest::string::string_regex;
    use proptest::test_runner::TestRunner;

    proptest! {
        #[test]
        fn entropy_is_shannons(text in proptest::collection::vec(any::<u8>(), 0..200), letters in 1..255u8) {
            let text: alloc::vec::Vec<u8> = text.iter().map(|byte| byte % letters).collect();
            let sample = &text[..text.len().min(SAMPLE_BYTES_MAX)];
            let share = |byte: u8| {
                sample.iter().filter(|other| **other == byte).count() as f64 / sample.len() as f64
            };
            let exact: f64 = sample.iter().map(|&byte| -share(byte).log2() / sample.len() as f64).sum();
            prop_assert!((f64::from(bits(&text)) / 256.0 - exact).abs() < 0.02);
        }
    }

    /// A few misses are allowed: one in some thousands of random texts of 32 digits
    /// repeats a few digits often.
    #[test]
    fn what_is_random_looks_so() {
        let mut runner = TestRunner::deterministic();
        for pattern in ["[A-Za-z0-9]{32,64}", "[0-9a-f]{32,64}"] {
            let tokens = string_regex(pattern).expect("a pattern");
            let missed = (0..1000)
                .map(|_| tokens.new_tree(&mut runner).expect("a token").current())
                .filter(|token| !is_spread(token.as_bytes()))
                .count();
            assert!(missed <= 2, "{missed} of 1000 like {pattern}");
        }
    }

    #[test]
    fn words_do_not() {
        for text in ["password", "your-access-token-here", "XXXXXXXXXXXXXXXXXXXX", "aaaabbbbcccc1111"] {
            assert!(!is_random(text.as_bytes()), "{text}");
        }
    }
}
