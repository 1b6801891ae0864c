//! What is known of a key: the same ones come again in every record.

use alloc::vec::Vec;

/// The longest key that is remembered, in bytes.
const KEY_BYTES_MAX: usize = 24;
const SLOTS: usize = 256;

/// What a policy says of a key, wherever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// The first rule whose pattern the key has.
    pub(super) rule: Option<u16>,
    /// Whether a path that a rule is for leads over it.
    pub(super) is_watched: bool,
}

/// Three numbers that cover a key, and its length.
type Words = [u64; 4];

/// Remembers what was asked for last.
#[derive(Debug)]
pub(super) struct Memo {
    slots: Vec<(Words, Option<Known>)>,
}

impl Memo {
    pub(super) const fn new() -> Self {
        Memo { slots: Vec::new() }
    }

    /// What is known of the key of `len` bytes at the start of `text`; what is
    /// not, `find_out` says.
    #[inline(always)]
    pub(super) fn ask(&mut self, text: &[u8], len: usize, find_out: impl FnOnce(&[u8]) -> Known) -> Known {
        let key = text.get(..len).unwrap_or(text);
        let Some(words) = words(key, text) else {
            return find_out(key);
        };
        let [a, b, c, d] = words;
        // Multiplied by the golden ratio (Knuth, TAOCP 6.4): the high bits mix.
        let mixed = (a ^ b.rotate_left(17) ^ c.rotate_left(31) ^ d).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let index = (mixed >> 56) as usize;
        // One by one: comparing arrays is a call, and a loop over bytes.
        if let Some(([e, f, g, h], Some(known))) = self.slots.get(index)
            && (a, b, c, d) == (*e, *f, *g, *h)
        {
            return *known;
        }
        let known = find_out(key);
        self.remember(index, words, known);
        known
    }

    /// If there is memory for it.
    #[cold]
    fn remember(&mut self, index: usize, words: Words, known: Known) {
        if self.slots.is_empty() && self.slots.try_reserve_exact(SLOTS).is_ok() {
            self.slots.resize(SLOTS, ([0; 4], None));
        }
        if let Some(slot) = self.slots.get_mut(index) {
            *slot = (words, Some(known));
        }
    }
}

#[inline(always)]
fn words(key: &[u8], text: &[u8]) -> Option<Words> {
    let len = key.len();
    let word = |at: usize| key.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    match len {
        0..8 => {
            let start = u64::from_le_bytes(*text.first_chunk()?);
            Some([start & !(u64::MAX << (8 * len)), 0, 0, len as u64])
        }
        8..=16 => Some([word(0)?, word(len - 8)?, 0, len as u64]),
        17..=KEY_BYTES_MAX => Some([word(0)?, word(8)?, word(len - 8)?, len as u64]),
        _ => None,
    }
}
