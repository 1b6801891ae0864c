//! Sorts an object's members into the order of RFC 8785.
//!
//! Keys stand in the order of their UTF-16 code units (section 3.2.3). For keys of plain
//! ASCII this is the order of their bytes, and the first eight bytes decide nearly every
//! comparison.

use crate::record::tape::{ESCAPED, NON_ASCII, Node, Tape};
use crate::text::{Characters, inner};
use core::cmp::Ordering;

/// A member: the node of its key, and the start of the key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    /// The key's first eight characters. If two prefixes differ, their keys are in the
    /// same order. From the first character that is not ASCII, every byte is 0xff: a key
    /// that continues in ASCII comes before this one.
    prefix: u64,
    pub(crate) key: u32,
}

impl Member {
    #[inline(always)]
    pub(crate) fn of(tape: &Tape, source: &[u8], key: u32, node: &Node) -> Self {
        let start = node.start as usize;
        let eight = match tape.buffer(node, source).get(start..).and_then(<[u8]>::first_chunk::<9>) {
            Some([_, eight @ ..]) if !node.has(ESCAPED | NON_ASCII) => u64::from_le_bytes(*eight),
            _ => return Member { prefix: prefix(inner(tape.text(node, source))), key },
        };
        let (prefix, len) = (eight.swap_bytes(), node.end - node.start - 2);
        // The bytes behind the key do not belong to the prefix.
        Member { prefix: if len < 8 { prefix & !(u64::MAX >> (8 * len)) } else { prefix }, key }
    }
}

#[cold]
fn prefix(key: &[u8]) -> u64 {
    let mut prefix = 0;
    let mut characters = Characters::of(key);
    for bits in (0..8).rev().map(|byte| 8 * byte) {
        match characters.next() {
            Some(ascii) if ascii.is_ascii() => prefix |= u64::from(ascii as u8) << bits,
            Some(_) => return prefix | (u64::MAX >> (56 - bits)),
            None => break,
        }
    }
    prefix
}

/// Compares two keys by their code units.
fn compare(tape: &Tape, source: &[u8], a: &Member, b: &Member) -> Ordering {
    if a.prefix != b.prefix {
        return a.prefix.cmp(&b.prefix);
    }
    compare_all(tape, source, a, b)
}

#[inline(never)]
fn compare_all(tape: &Tape, source: &[u8], a: &Member, b: &Member) -> Ordering {
    let (node_a, node_b) = (&tape.nodes[a.key as usize], &tape.nodes[b.key as usize]);
    let (text_a, text_b) = (inner(tape.text(node_a, source)), inner(tape.text(node_b, source)));
    if node_a.has(ESCAPED | NON_ASCII) || node_b.has(ESCAPED | NON_ASCII) {
        compare_characters(text_a, text_b)
    } else {
        text_a.cmp(text_b)
    }
}

/// Compares keys that are not plain ASCII. Reading characters is slow, so the bytes that
/// both keys begin with are skipped first.
fn compare_characters(a: &[u8], b: &[u8]) -> Ordering {
    let start = first_apart(a, b);
    code_units(&a[start..]).cmp(code_units(&b[start..]))
}

/// Finds the first character in which two keys may differ. Before it, both have the same
/// bytes and so the same characters.
fn first_apart(a: &[u8], b: &[u8]) -> usize {
    /// The length of an escape, plus that of a second one that may belong to it.
    const ESCAPES_BYTES_MAX: usize = 12;
    let same = same_bytes(a, b);
    let mut at = 0;
    while let Some(plain) = a[at..same].iter().position(|byte| *byte == b'\\') {
        at += plain;
        if at + ESCAPES_BYTES_MAX > same {
            return at;
        }
        at += escape_len(&a[at..]);
    }
    // A character of up to four bytes may have begun before the first differing byte.
    let behind = &a[at..same];
    let continued = behind.iter().rev().take(3).take_while(|byte| matches!(byte, 0x80..0xc0)).count();
    match behind[..behind.len() - continued].last() {
        Some(0xc0..) => same - continued - 1,
        _ => same,
    }
}

/// Returns the number of bytes that both keys begin with.
fn same_bytes(a: &[u8], b: &[u8]) -> usize {
    let (words_a, words_b) = (a.as_chunks::<8>().0, b.as_chunks::<8>().0);
    let words = words_a.iter().zip(words_b).take_while(|(a, b)| a == b).count();
    let rest = a[8 * words..].iter().zip(&b[8 * words..]);
    8 * words + rest.take_while(|(a, b)| a == b).count()
}

/// Returns the length of the escape at the start of `key`, in bytes.
fn escape_len(key: &[u8]) -> usize {
    match key {
        // Half a surrogate pair always begins with `d` or `D`.
        [b'\\', b'u', first, rest @ ..]
            if !matches!(first, b'd' | b'D')
                && first.is_ascii_hexdigit()
                && rest.first_chunk::<3>().is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) =>
        {
            6
        }
        [b'\\', b'u' | b'x', ..] => Characters::of(key).first_len(),
        _ => 2,
    }
}

/// Returns the UTF-16 code units of a key.
fn code_units(key: &[u8]) -> impl Iterator<Item = u16> {
    Characters::of(key).flat_map(|character| {
        let mut units = [0; 2];
        let count = character.encode_utf16(&mut units).len();
        units.into_iter().take(count)
    })
}

/// Checks whether a key is `name`, however it is escaped.
pub(crate) fn is_key(tape: &Tape, source: &[u8], key: &Node, name: &str) -> bool {
    // The length rules out most keys.
    if !key.has(ESCAPED) && (key.end - key.start) as usize != name.len() + 2 {
        return false;
    }
    let text = inner(tape.text(key, source));
    if key.has(ESCAPED) { Characters::of(text).eq(name.chars()) } else { text == name.as_bytes() }
}

impl Member {
    const AUDIT_PREFIX: u64 = u64::from_be_bytes(*b"audit\0\0\0");

    /// True if the key comes after `audit` and is not `audit` itself. A key that begins
    /// with `audit` is longer, if only by U+0000.
    pub(crate) fn is_after_audit(&self) -> bool {
        self.prefix >= Self::AUDIT_PREFIX
    }

    /// True if the key may be `audit`.
    pub(crate) fn may_be_audit(&self) -> bool {
        self.prefix == Self::AUDIT_PREFIX
    }
}

/// Checks whether two members have the same key.
pub(crate) fn is_same_key(tape: &Tape, source: &[u8], a: &Member, b: &Member) -> bool {
    compare(tape, source, a, b) == Ordering::Equal
}

/// Sorts members by key; those with the same key stay in the order of the record. Returns
/// true if there are any with the same key. The result is reliable: whatever the sorting
/// algorithm, members that end up side by side have been compared.
pub(crate) fn sort(tape: &Tape, source: &[u8], members: &mut [Member]) -> bool {
    let mut are_some_same = false;
    let mut is_less = |a: &Member, b: &Member| match compare_all(tape, source, a, b) {
        Ordering::Equal => {
            are_some_same = true;
            a.key < b.key
        }
        ordering => ordering == Ordering::Less,
    };
    /// Up to this number of members, moving them one by one is the cheapest.
    const INSERTION_MAX: usize = 24;
    if members.len() > INSERTION_MAX {
        heap_sort(members, |a, b| a.prefix < b.prefix || (a.prefix == b.prefix && is_less(a, b)));
        return are_some_same;
    }
    for end in 1..members.len() {
        let Some((last, sorted)) = members[..=end].split_last_mut() else {
            break;
        };
        let member = *last;
        let mut place = last;
        for before in sorted.iter_mut().rev() {
            if before.prefix < member.prefix || (before.prefix == member.prefix && !is_less(&member, before))
            {
                break;
            }
            *place = *before;
            place = before;
        }
        *place = member;
    }
    are_some_same
}

/// Sorts in place, without recursion, and never in quadratic time.
pub(crate) fn heap_sort<T: Copy>(items: &mut [T], mut is_less: impl FnMut(&T, &T) -> bool) {
    let mut sift = |items: &mut [T], mut root: usize| {
        loop {
            let mut child = 2 * root + 1;
            if child >= items.len() {
                return;
            }
            if child + 1 < items.len() && is_less(&items[child], &items[child + 1]) {
                child += 1;
            }
            if !is_less(&items[root], &items[child]) {
                return;
            }
            items.swap(root, child);
            root = child;
        }
    };
    for root in (0..items.len() / 2).rev() {
        sift(items, root);
    }
    for end in (1..items.len()).rev() {
        items.swap(0, end);
        sift(&mut items[..end], 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// The pieces of keys: plain, escaped, and broken.
    const PARTS: [&[u8]; 22] = [
        b"a",
        b"\\\\",
        b"\\u0061",
        b"\\ud83d",
        b"\\ude00",
        b"\\ud83e",
        b"\\uffff",
        b"\\ue000",
        b"\\u",
        b"u",
        b"\\x41",
        b"\\xffffffe9",
        b"\xc3\xa9",
        b"\xc3\xa8",
        b"\xef\xbf\xbf",
        b"\xee\x80\x80",
        b"\xf0\x9f\x98\x80",
        b"\xf0\x9f\x98\x81",
        b"\xf0\x9f",
        b"\x80",
        b"\xc3",
        b"\xff",
    ];

    /// Returns all keys of up to `len` parts.
    fn keys(len: u32) -> Vec<Vec<u8>> {
        (0..PARTS.len().pow(len))
            .map(|mut number| {
                let mut key = Vec::new();
                while number > 0 {
                    key.extend_from_slice(PARTS[number % PARTS.len()]);
                    number /= PARTS.len();
                }
                key
            })
            .collect()
    }

    #[test]
    fn passing_over_bytes_changes_no_order() {
        for common in keys(2) {
            for one in keys(1) {
                for other in keys(1) {
                    let [a, b] = [&one, &other].map(|end| [common.as_slice(), end, b"zzzzzzzzzzzz"].concat());
                    let expected = code_units(&a).cmp(code_units(&b));
                    assert_eq!(compare_characters(&a, &b), expected, "{a:02x?} {b:02x?}");
                }
            }
        }
    }

    #[test]
    fn what_keys_begin_with_is_passed_over() {
        for part in PARTS {
            let [a, b] = [b"a", b"b"].map(|end| [part.repeat(100).as_slice(), end].concat());
            let (start, same) = (first_apart(&a, &b), 100 * part.len());
            assert!(start <= same && same - start <= 24, "{part:02x?}: {start} of {same}");
        }
    }
}
