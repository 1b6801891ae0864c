//! The dictionary: the keys that formats and paths name, as numbers.
//!
//! The number of a key is its slot in a table of fingerprints of 32 bits each, so that
//! the table contains no key as text. Among keys that are not in the dictionary, one in
//! some billions is mistaken for one that is.
//!
//! | bytes | |
//! |---|---|
//! | 0..2 | the number of slots |
//! | 2..4 | the base-2 logarithm of the number of slots at which a search may start |
//! | 4 × slots | a fingerprint; 0 if there is no key |
//!
//! The search for a key starts at the slot of its [`hash`] and ends at an empty one.

use alloc::vec;
use alloc::vec::Vec;

/// The number of a key.
pub type KeyNumber = u16;
/// The number of a key that is not in the dictionary.
pub const NO_NUMBER: KeyNumber = u16::MAX;
/// The maximum number of bits of a slot at which a search may start.
const SLOTS_BITS_MAX: u16 = 15;

/// The keys that formats and paths name.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dictionary<'a> {
    slots: &'a [[u8; 4]],
    shift: u32,
}

impl<'a> Dictionary<'a> {
    /// Reads the dictionary from its part of the table. An empty part has no keys.
    /// Returns `None` if the part is shorter than it says.
    pub fn read(part: &'a [u8]) -> Option<Self> {
        let Some((&[a, b, c, d], rest)) = part.split_first_chunk() else {
            return Some(Dictionary::default());
        };
        let slots = rest.get(..4 * u16::from_le_bytes([a, b]) as usize)?.as_chunks().0;
        let bits = u16::from_le_bytes([c, d]);
        (bits > 0 && bits <= SLOTS_BITS_MAX).then_some(Dictionary { slots, shift: 64 - u32::from(bits) })
    }

    /// Returns the number of the key in the first `len` bytes of `text`.
    #[inline(always)]
    pub fn find(&self, text: &[u8], len: usize) -> KeyNumber {
        let hash = hash(text, len);
        let print = print(hash);
        let mut slot = (hash >> (self.shift & 63)) as usize;
        while let Some(found) = self.slots.get(slot) {
            match u32::from_le_bytes(*found) {
                0 => break,
                found if found == print => return slot as KeyNumber,
                _ => slot += 1,
            }
        }
        NO_NUMBER
    }

    /// Returns the number of slots, which all numbers are below.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }
}

fn print(hash: u64) -> u32 {
    hash as u32 | 1
}

/// Returns a hash of the first `len` bytes of `text`. It reads eight bytes at once; the
/// last eight may overlap with those before.
#[inline(always)]
pub(crate) fn hash(text: &[u8], len: usize) -> u64 {
    let word = |at: usize| text.get(at..).and_then(<[u8]>::first_chunk).map(|word| u64::from_le_bytes(*word));
    let mut hash = len as u64;
    if len < 8 {
        let start = word(0).unwrap_or_else(|| short(text));
        return mix(hash, start & !(u64::MAX << (8 * len)));
    }
    let mut at = 0;
    while at + 8 < len {
        hash = mix(hash, word(at).unwrap_or_default());
        at += 8;
    }
    mix(hash, word(len - 8).unwrap_or_default())
}

/// Returns the bytes of a text of fewer than eight.
#[cold]
fn short(text: &[u8]) -> u64 {
    text.iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte))
}

/// Does one step of the hash: multiplies by the golden ratio, and folds.
fn mix(hash: u64, word: u64) -> u64 {
    let product = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    product ^ product >> 29
}

/// Writes the dictionary of these keys. Returns `None` if there are too many keys, or if
/// two have the same fingerprint.
pub fn write_dictionary<'k>(keys: impl ExactSizeIterator<Item = &'k [u8]>) -> Option<Vec<u8>> {
    if keys.len() == 0 {
        return Some(Vec::new());
    }
    // The table is three quarters full at most.
    let bits = (4 * keys.len() / 3 + 1).next_power_of_two().trailing_zeros().max(1) as u16;
    if bits > SLOTS_BITS_MAX {
        return None;
    }
    let mut hashes: Vec<u64> = keys.map(|key| hash(key, key.len())).collect();
    hashes.sort_unstable();
    let mut slots: Vec<u32> = vec![0; 1 << bits];
    for hash in hashes {
        let mut slot = (hash >> (64 - bits)) as usize;
        while let Some(found) = slots.get(slot).filter(|found| **found != 0) {
            if *found == print(hash) {
                return None;
            }
            slot += 1;
        }
        if slot >= slots.len() {
            slots.resize(slot + 1, 0);
        }
        slots[slot] = print(hash);
    }
    let count = u16::try_from(slots.len()).ok()?;
    let mut part = [count.to_le_bytes(), bits.to_le_bytes()].concat();
    part.extend(slots.into_iter().flat_map(u32::to_le_bytes));
    Some(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;

    #[test]
    fn each_key_has_a_number_of_its_own() {
        let keys: Vec<String> =
            (0..1000).map(|number| format!("key{}{number}", "x".repeat(number % 40))).collect();
        let table = write_dictionary(keys.iter().map(String::as_bytes)).expect("a dictionary");
        let dictionary = Dictionary::read(&table).expect("a table");
        let mut numbers: Vec<KeyNumber> =
            keys.iter().map(|key| dictionary.find(key.as_bytes(), key.len())).collect();
        // The bytes behind a key must not matter.
        for (key, number) in keys.iter().zip(&numbers) {
            assert_eq!(dictionary.find(format!("{key}\":1234567").as_bytes(), key.len()), *number);
        }
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!((numbers.len(), numbers.contains(&NO_NUMBER)), (1000, false));
        for other in ["", "k", "key", "kex1", "a key that is not there at all"] {
            assert_eq!(dictionary.find(other.as_bytes(), other.len()), NO_NUMBER, "{other}");
        }
        assert_eq!(Dictionary::default().find(b"key", 3), NO_NUMBER);
    }
}
