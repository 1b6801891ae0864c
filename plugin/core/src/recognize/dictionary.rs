//! The dictionary: the keys that formats and paths name, as numbers, and the facts about them.
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
//! | 1 × slots | the number of the key's facts in the list of facts, from 1 on; 0 if there is no key, or if its facts are not in the list |
//! | 8 × facts | the list: facts as `redact/known.rs` has them, each once, without the number of the key |
//!
//! The last two parts are missing if no path names a key.
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
    /// The number of the facts about each slot's key.
    facts_of: &'a [u8],
    facts: &'a [[u8; 8]],
}

impl<'a> Dictionary<'a> {
    /// Reads the dictionary from its part of the table. An empty part has no keys.
    /// Returns `None` if the part is shorter than it says.
    pub fn read(part: &'a [u8]) -> Option<Self> {
        let Some((&[a, b, c, d], rest)) = part.split_first_chunk() else {
            return Some(Dictionary::default());
        };
        let count = u16::from_le_bytes([a, b]) as usize;
        let (slots, rest) = rest.split_at_checked(4 * count)?;
        let (facts_of, facts) = rest.split_at_checked(count).unwrap_or_default();
        let bits = u16::from_le_bytes([c, d]);
        if bits == 0 || bits > SLOTS_BITS_MAX {
            return None;
        }
        let (slots, facts) = (slots.as_chunks().0, facts.as_chunks().0);
        Some(Dictionary { slots, shift: 64 - u32::from(bits), facts_of, facts })
    }

    /// Returns the facts about the key with this number, if they are known.
    pub(crate) fn facts(&self, number: KeyNumber) -> Option<u64> {
        let at = self.facts_of.get(usize::from(number))?.checked_sub(1)?;
        self.facts.get(usize::from(at)).map(|facts| u64::from_le_bytes(*facts) | u64::from(number))
    }

    /// Checks that all facts that the dictionary refers to exist.
    pub(crate) fn is_sound(&self) -> bool {
        self.facts_of.iter().all(|number| usize::from(*number) <= self.facts.len())
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

/// Adds the facts about these keys to the dictionary that has them. If there are more than 255
/// different facts, the keys with the others are added without facts.
pub fn add_facts<'k>(
    dictionary: &mut Vec<u8>,
    keys: impl Iterator<Item = &'k [u8]>,
    mut facts: impl FnMut(&[u8]) -> u64,
) {
    let Some(read) = Dictionary::read(dictionary) else { return };
    let mut facts_of = vec![0; read.len()];
    let mut list: Vec<u64> = Vec::new();
    for key in keys {
        let number = read.find(key, key.len());
        let of_key = facts(key) & !u64::from(KeyNumber::MAX);
        let known = list.iter().position(|other| *other == of_key);
        let at = known.unwrap_or(list.len());
        let (Ok(at), Some(slot)) = (u8::try_from(at + 1), facts_of.get_mut(usize::from(number))) else {
            continue;
        };
        *slot = at;
        if known.is_none() {
            list.push(of_key);
        }
    }
    dictionary.extend(facts_of);
    dictionary.extend(list.into_iter().flat_map(u64::to_le_bytes));
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

    #[test]
    fn each_key_has_its_facts() {
        let keys: Vec<String> = (0..400).map(|number| format!("key{number}")).collect();
        let keys = || keys.iter().map(String::as_bytes);
        let mut table = write_dictionary(keys()).expect("a dictionary");
        let without = table.clone();
        // The lengths are facts that many keys have; each of the others has facts of its own.
        let facts = |key: &[u8]| match key.len() {
            6 => u64::from_be_bytes([0, 0, 0, key[3], key[4], key[5], 0, 0]),
            len => (len as u64) << 16,
        };
        add_facts(&mut table, keys(), facts);
        let dictionary = Dictionary::read(&table).expect("a table");
        assert!(dictionary.is_sound());
        let mut known = 0;
        for key in keys() {
            let number = dictionary.find(key, key.len());
            if let Some(found) = dictionary.facts(number) {
                assert_eq!(found, facts(key) | u64::from(number));
                known += 1;
            }
        }
        // 100 keys have one of two lengths.
        assert_eq!(known, 100 + 253);
        assert_eq!(dictionary.facts(NO_NUMBER), None);
        let dictionary = Dictionary::read(&without).expect("a table");
        assert!(keys().all(|key| dictionary.facts(dictionary.find(key, key.len())).is_none()));
        table.truncate(table.len() - 8);
        assert!(!Dictionary::read(&table).expect("a table").is_sound());
    }
}
