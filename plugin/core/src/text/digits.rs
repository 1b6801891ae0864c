//! Unsigned integers as decimal text, without the machinery of `core::fmt`.

/// The numbers below 100, with two digits each.
const PAIRS: [[u8; 2]; 100] = pairs();

const fn pairs() -> [[u8; 2]; 100] {
    let mut pairs = [[0; 2]; 100];
    let mut number = 0;
    while number < pairs.len() {
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
}

/// The decimal digits of one `u64`.
pub(crate) struct Digits {
    text: [u8; 20],
    start: usize,
}

impl Digits {
    /// Returns the shortest decimal text of `value`.
    pub(crate) fn of(value: u64) -> Self {
        Self::padded(value, 1)
    }

    /// Returns at least `width` digits (20 at most), with leading zeros.
    pub(crate) fn padded(mut value: u64, width: usize) -> Self {
        let mut text = [b'0'; 20];
        let mut start = text.len();
        while u32::try_from(value).is_err() {
            start -= 2;
            text[start..start + 2].copy_from_slice(&PAIRS[(value % 100) as usize]);
            value /= 100;
        }
        // Division of 64 bits by a constant is a call in the guest.
        let mut value = value as u32;
        while value != 0 {
            start -= 2;
            text[start..start + 2].copy_from_slice(&PAIRS[(value % 100) as usize]);
            value /= 100;
        }
        if text.get(start) == Some(&b'0') {
            start += 1;
        }
        Digits { text, start: start.min(20usize.saturating_sub(width)) }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.text[self.start..]
    }
}
