//! Remembered answers for short texts: the same texts recur in every record.

use alloc::vec::Vec;
use core::mem;

/// The maximum length of a remembered text, in bytes: `authorization.k8s.io/decision`,
/// the longest key in every Kubernetes record, has 29.
const TEXT_BYTES_MAX: usize = 31;
/// The default number of texts that are remembered at most.
const SLOTS_MAX: usize = 256;
/// The base-2 logarithm of the number of slots in the beginning.
const BITS_MIN: u32 = 5;
/// The number of texts that may be displaced before the number of slots doubles.
const DISPLACED_MAX: usize = 2;

/// Three numbers that cover a text, and one with its length, which is never zero.
type Words = [u64; 4];
/// The words of a text, and the answer for it. An empty slot is all zeros.
type Slot = [u64; 5];

/// Remembers the answers for the most recent texts, each of which is a number. The number
/// of slots doubles when texts displace each other: a filter that seals only a few records,
/// as in Fluent Bit 4.0, does not pay for slots that it does not need.
#[derive(Debug)]
pub(super) struct Memo<const ROOM: usize = SLOTS_MAX> {
    slots: Vec<Slot>,
    /// The number of bits of a hash that are no part of a slot's number.
    shift: u32,
    /// The number of texts that were displaced since the number of slots last changed.
    displaced: usize,
}

impl<const ROOM: usize> Memo<ROOM> {
    pub(super) const fn new() -> Self {
        Memo { slots: Vec::new(), shift: u64::BITS - BITS_MIN, displaced: 0 }
    }

    /// Returns the answer for the first `len` bytes of `text`. If none is remembered,
    /// `find_out` computes it.
    #[inline(always)]
    pub(super) fn ask(&mut self, text: &[u8], len: usize, find_out: impl FnOnce(&[u8]) -> u64) -> u64 {
        let asked = text.get(..len).unwrap_or(text);
        let Some(words) = words(asked, text) else {
            return find_out(asked);
        };
        let [a, b, c, d] = words;
        // The words are compared one by one: comparing arrays is a call, and a loop over
        // bytes.
        if let Some([e, f, g, h, answer]) = self.slots.get((mix(words) >> self.shift) as usize)
            && (a, b, c, d) == (*e, *f, *g, *h)
        {
            return *answer;
        }
        let answer = find_out(asked);
        self.remember([a, b, c, d, answer]);
        answer
    }

    /// Remembers an answer, if there is memory for it.
    #[cold]
    #[inline(never)]
    fn remember(&mut self, slot: Slot) {
        if self.slots.is_empty() || self.displaced >= DISPLACED_MAX && self.slots.len() < ROOM {
            self.grow();
        }
        self.put(slot);
    }

    fn put(&mut self, slot: Slot) {
        let [a, b, c, d, _] = slot;
        if let Some(place) = self.slots.get_mut((mix([a, b, c, d]) >> self.shift) as usize) {
            self.displaced += usize::from(place[3] != 0);
            *place = slot;
        }
    }

    /// Doubles the number of slots, if there is memory for that.
    fn grow(&mut self) {
        let len = (2 * self.slots.len()).max(1 << BITS_MIN);
        let mut slots = Vec::new();
        if slots.try_reserve_exact(len).is_err() {
            return;
        }
        slots.resize(len, [0; 5]);
        let old = mem::replace(&mut self.slots, slots);
        self.shift = u64::BITS - len.trailing_zeros();
        old.into_iter().filter(|slot| slot[3] != 0).for_each(|slot| self.put(slot));
        self.displaced = 0;
    }
}

/// Mixes the words of a text into the high bits of a number. The factor is 2⁶⁴ divided by
/// the golden ratio (Knuth, TAOCP 6.4).
#[inline(always)]
fn mix([a, b, c, d]: Words) -> u64 {
    (a ^ b.rotate_left(17) ^ c.rotate_left(31) ^ d).wrapping_mul(0x9e37_79b9_7f4a_7c15)
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
            // The empty text is no empty slot.
            Some([start & !(u64::MAX << (8 * len)), 0, 0, len as u64 + 1])
        }
        8..=16 => Some([word(0)?, word(len - 8)?, 0, len as u64 + 1]),
        17..=24 => Some([word(0)?, word(8)?, word(len - 8)?, len as u64 + 1]),
        // The last word has only what the others do not cover: at most seven bytes.
        25..=TEXT_BYTES_MAX => {
            let last = word(len - 8)? >> (8 * (32 - len));
            Some([word(0)?, word(8)?, word(16)?, last | (len as u64) << 56])
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn answers_are_remembered_while_the_slots_grow() {
        let mut memo: Memo<64> = Memo::new();
        let mut asked = 0;
        for round in 0..2 {
            for number in 0..12u64 {
                let text = format!("{}{number}\":1234567", "k".repeat(number as usize));
                let len = text.len() - 9;
                let answer = memo.ask(text.as_bytes(), len, |text| {
                    asked += 1;
                    text.len() as u64 * 100 + number
                });
                assert_eq!(answer, len as u64 * 100 + number, "{round}");
            }
        }
        // Some texts may displace others.
        assert!((12..20).contains(&asked), "{asked}");
        for number in 0..1000u64 {
            assert_eq!(memo.ask(format!("{number:08}").as_bytes(), 8, |_| number), number);
        }
        assert_eq!(memo.slots.len(), 64);
        assert_eq!(memo.ask(b"12345678", 0, |text| text.len() as u64 + 7), 7);
    }
}
