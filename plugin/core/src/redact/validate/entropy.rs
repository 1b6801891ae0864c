//! How random a text looks, without floating point.

/// How much of a text is looked at, in bytes.
const SAMPLE_BYTES_MAX: usize = 128;

/// A bit, in the unit of [`bits`].
const BIT: u32 = 256;

/// Shannon's entropy of the text's bytes, in 1/256 bit a byte.
fn bits(text: &[u8]) -> u32 {
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

/// The binary logarithm in 1/256, of 0 that of 1. Its fraction comes bit by
/// bit, of a mantissa that is squared over and over.
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

/// Whether the text looks like a key or a token and not like words: its
/// bytes are as spread as those of random base64, base62 or hexadecimal
/// digits of that length, with some slack, and there are digits among
/// letters.
pub(super) fn is_random(text: &[u8]) -> bool {
    let length = text.len().min(SAMPLE_BYTES_MAX) as u32;
    let is_hexadecimal = text.iter().all(u8::is_ascii_hexdigit);
    // Of n random symbols most are distinct while n is small: entropy comes
    // near log2(n), and near the alphabet's own bits later on.
    let expected = log2(length).min(if is_hexadecimal { 4 * BIT } else { 5 * BIT + BIT / 2 });
    let digits = text.iter().filter(|byte| byte.is_ascii_digit()).count();
    let letters = text.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    length >= 8 && digits > 0 && letters > 0 && bits(text) >= expected * 3 / 4
}

/// Whether the text is a placeholder: a mask, one letter over and over.
pub(super) fn is_mask(text: &[u8]) -> bool {
    let first = text.first().copied().unwrap_or(b'*');
    text.iter().all(|byte| *byte == first || matches!(byte, b'*' | b'x' | b'X' | b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_is_shannons() {
        for text in [&b""[..], b"a", b"aab", b"abcd", b"hello world", b"0123456789abcdef", &[7; 200]] {
            let sample = &text[..text.len().min(SAMPLE_BYTES_MAX)];
            let share =
                |byte: u8| sample.iter().filter(|other| **other == byte).count() as f64 / sample.len() as f64;
            let exact: f64 = sample.iter().map(|&byte| -share(byte).log2() / sample.len() as f64).sum();
            assert!((f64::from(bits(text)) / 256.0 - exact).abs() < 0.02, "{text:?}: {} {exact}", bits(text));
        }
    }
}
