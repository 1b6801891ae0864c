//! Finds equal items in an array.
//!
//! Items are sorted by a fingerprint that equal values share, so that only items with the
//! same fingerprint are compared.

use super::decimal::Decimal;
use super::{mix, text};
use crate::memory::OutOfMemory;
use crate::record::order::heap_sort;
use crate::record::tape::{ESCAPED, Kind, REMOVED, Tape};
use crate::text::{Characters, inner};
use alloc::vec::Vec;

/// The memory for the check.
#[derive(Debug, Default)]
pub(super) struct Unique {
    items: Vec<(u64, u32)>,
    /// Pairs of values that are still to be compared.
    pairs: Vec<(u32, u32)>,
}

/// The reason why there is no answer.
pub(super) enum Undecided {
    Steps,
    Memory,
}

impl From<OutOfMemory> for Undecided {
    fn from(_: OutOfMemory) -> Self {
        Undecided::Memory
    }
}

impl Unique {
    pub(super) const fn new() -> Self {
        Unique { items: Vec::new(), pairs: Vec::new() }
    }

    /// Checks whether all items of the array at `array` differ.
    #[inline(never)]
    pub(super) fn holds(
        &mut self,
        tape: &Tape,
        source: &[u8],
        array: usize,
        steps: &mut u32,
    ) -> Result<bool, Undecided> {
        self.items.clear();
        let mut item = array + 1;
        while item < tape.after(array) {
            let next = tape.after(item);
            spend(steps, next - item)?;
            push(&mut self.items, (fingerprint(tape, source, item..next), item as u32))?;
            item = next;
        }
        let count = self.items.len();
        spend(steps, count * count.max(1).ilog2() as usize)?;
        heap_sort(&mut self.items, |a, b| a < b);
        for first in 0..count {
            let (fingerprint, a) = self.items[first];
            for second in first + 1..count {
                let (other, b) = self.items[second];
                if other != fingerprint {
                    break;
                }
                if self.is_equal(tape, source, a, b, steps)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn is_equal(
        &mut self,
        tape: &Tape,
        source: &[u8],
        a: u32,
        b: u32,
        steps: &mut u32,
    ) -> Result<bool, Undecided> {
        self.pairs.clear();
        push(&mut self.pairs, (a, b))?;
        while let Some((a, b)) = self.pairs.pop() {
            spend(steps, 1)?;
            let (a, b) = (a as usize, b as usize);
            let (node_a, node_b) = (&tape.nodes[a], &tape.nodes[b]);
            let is_same = match (node_a.kind, node_b.kind) {
                (Kind::Object, Kind::Object) => self.match_members(tape, source, a, b, steps)?,
                (Kind::Array, Kind::Array) => self.match_items(tape, a, b)?,
                (Kind::String, Kind::String) => text::is_same(tape, source, node_a, node_b),
                (Kind::Word, Kind::Word) => tape.text(node_a, source) == tape.text(node_b, source),
                (Kind::Integer | Kind::Float, Kind::Integer | Kind::Float) => {
                    let number = |node| Decimal::of(tape.text(node, source));
                    number(node_a).compare(&number(node_b)).is_eq()
                }
                _ => false,
            };
            if !is_same {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Pairs the items of two arrays. Returns false if their numbers differ.
    fn match_items(&mut self, tape: &Tape, a: usize, b: usize) -> Result<bool, Undecided> {
        let (end_a, end_b) = (tape.after(a), tape.after(b));
        let (mut a, mut b) = (a + 1, b + 1);
        while a < end_a && b < end_b {
            push(&mut self.pairs, (a as u32, b as u32))?;
            (a, b) = (tape.after(a), tape.after(b));
        }
        Ok(a == end_a && b == end_b)
    }

    /// Pairs the members of two objects by name. Returns false if one has no partner.
    fn match_members(
        &mut self,
        tape: &Tape,
        source: &[u8],
        a: usize,
        b: usize,
        steps: &mut u32,
    ) -> Result<bool, Undecided> {
        let keys = |object| tape.keys(object).filter(|key| !tape.nodes[*key].has(REMOVED));
        if keys(a).count() != keys(b).count() {
            return Ok(false);
        }
        for key in keys(a) {
            let mut partner = None;
            for other in keys(b) {
                spend(steps, 1)?;
                if text::is_same(tape, source, &tape.nodes[key], &tape.nodes[other]) {
                    partner = Some(other);
                    break;
                }
            }
            let Some(partner) = partner else {
                return Ok(false);
            };
            push(&mut self.pairs, (key as u32 + 1, partner as u32 + 1))?;
        }
        Ok(true)
    }
}

/// Returns a number that equal values share, whatever the order of their members: a sum
/// over everything that they contain.
fn fingerprint(tape: &Tape, source: &[u8], nodes: core::ops::Range<usize>) -> u64 {
    let mut sum = 0u64;
    let mut at = nodes.start;
    while at < nodes.end {
        let node = &tape.nodes[at];
        if node.has(REMOVED) {
            at = tape.after(at + 1);
            continue;
        }
        let token = tape.text(node, source);
        let hash = match node.kind {
            Kind::Object => 1,
            Kind::Array => 2,
            Kind::Integer | Kind::Float => mix(3, Decimal::of(token).fingerprint()),
            Kind::Word => mix(4, token.first().copied().unwrap_or(0).into()),
            Kind::Key | Kind::String => {
                let seed = if node.kind == Kind::Key { 5 } else { 6 };
                let text = inner(token);
                if node.has(ESCAPED) {
                    Characters::of(text).fold(seed, |hash, character| {
                        let mut bytes = [0; 4];
                        let utf8 = character.encode_utf8(&mut bytes).bytes();
                        utf8.fold(hash, |hash, byte| mix(hash, byte.into()))
                    })
                } else {
                    text.iter().fold(seed, |hash, byte| mix(hash, (*byte).into()))
                }
            }
        };
        sum = sum.wrapping_add(mix(0, hash));
        at += 1;
    }
    sum
}

fn spend(steps: &mut u32, count: usize) -> Result<(), Undecided> {
    *steps = u32::try_from(count).ok().and_then(|count| steps.checked_sub(count)).ok_or(Undecided::Steps)?;
    Ok(())
}

fn push<T>(list: &mut Vec<T>, item: T) -> Result<(), OutOfMemory> {
    if list.len() == list.capacity() {
        list.try_reserve(16).map_err(|_| OutOfMemory)?;
    }
    list.push(item);
    Ok(())
}
