//! Unsigned integers as decimal text, without the machinery of `core::fmt`.

/// The decimal digits of one `u64`.
pub(crate) struct Digits {
    text: [u8; 20],
    start: usize,
}

impl Digits {
    /// The shortest decimal text of `value`.
    pub(crate) fn of(value: u64) -> Self {
        Self::padded(value, 1)
    }

    /// At least `width` digits (20 at the most), with zeros in front.
    pub(crate) fn padded(mut value: u64, width: usize) -> Self {
        let mut text = [b'0'; 20];
        let mut start = text.len();
        while value != 0 {
            start -= 1;
            text[start] = b'0' + (value % 10) as u8;
            value /= 10;
        }
        Digits { text, start: start.min(20usize.saturating_sub(width)) }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.text[self.start..]
    }
}
