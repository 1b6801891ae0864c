//! Remembered answers for short texts: the same texts recur in every record.

use alloc::vec::Vec;

/// The maximum length of a remembered text, in bytes: `authorization.k8s.io/decision`,
/// the longest key in every Kubernetes record, has 29.
const TEXT_BYTES_MAX: usize = 31;
/// The default number of texts that are remembered.
const SLOTS: usize = 256;

/// Three numbers that cover a text, and its length.
type Words = [u64; 4];

/// Remembers the answers for the most recent texts.
#[derive(Debug)]
pub(super) struct Memo<T, const ROOM: usize = SLOTS> {
    slots: Vec<(Words, Option<T>)>,
}

impl<T: Copy, const ROOM: usize> Memo<T, ROOM> {
    pub(super) const fn new() -> Self {
        Memo { slots: Vec::new() }
    }

    /// Returns the answer for the first `len` bytes of `text`. If none is remembered,
    /// `find_out` computes it.
    #[inline(always)]
    pub(super) fn ask(&mut self, text: &[u8], len: usize, find_out: impl FnOnce(&[u8]) -> T) -> T {
        let asked = text.get(..len).unwrap_or(text);
        let Some(words) = words(asked, text) else {
            return find_out(asked);
        };
        let [a, b, c, d] = words;
        // The factor is 2⁶⁴ divided by the golden ratio (Knuth, TAOCP 6.4): it mixes into
        // the high bits.
        let mixed = (a ^ b.rotate_left(17) ^ c.rotate_left(31) ^ d).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let index = (mixed >> (64 - ROOM.trailing_zeros())) as usize;
        // The words are compared one by one: comparing arrays is a call, and a loop over
        // bytes.
        if let Some(([e, f, g, h], Some(known))) = self.slots.get(index)
            && (a, b, c, d) == (*e, *f, *g, *h)
        {
            return *known;
        }
        let answer = find_out(asked);
        self.remember(index, words, answer);
        answer
    }

    /// Remembers an answer, if there is memory for it.
    #[cold]
    fn remember(&mut self, index: usize, words: Words, answer: T) {
        if self.slots.is_empty() && self.slots.try_reserve_exact(ROOM).is_ok() {
            self.slots.resize(ROOM, ([0; 4], None));
        }
        if let Some(slot) = self.slots.get_mut(index) {
            *slot = (words, Some(answer));
        }
    }
}

/// Returns the words of a text. Returns `None` if the text is too long, or if it is short
/// and less than eight bytes are left in `text`, so that they cannot be read at once.
#[inline(always)]
fn words(asked: &[u8], text: &[u8]) -> Option<Words> {
    let len = asked.len();
    let word = |at: usize| asked.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    match len {
        0..8 => {
            let start = u64::from_le_bytes(*text.first_chunk()?);
            Some([start & !(u64::MAX << (8 * len)), 0, 0, len as u64])
        }
        8..=16 => Some([word(0)?, word(len - 8)?, 0, len as u64]),
        17..=24 => Some([word(0)?, word(8)?, word(len - 8)?, len as u64]),
        // The last word has only what the others do not cover: at most seven bytes.
        25..=TEXT_BYTES_MAX => {
            let last = word(len - 8)? >> (8 * (32 - len));
            Some([word(0)?, word(8)?, word(16)?, last | (len as u64) << 56])
        }
        _ => None,
    }
}
