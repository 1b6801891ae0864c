//! Runs the programs of all formats over one record after the other.

use super::WRAPPER_RULE;
use super::formats::{FIRST, KEY_END, NO_TOP};
use super::{
    Dictionary, Formats, MEMBERS_MAX, NESTED_MEMBERS_MAX, NO_NUMBER, Operation, UNKNOWN, ValueType, Variant,
};
use crate::record::tape::{ESCAPED, Kind, PATCHED, Tape};
use crate::text::{inner, is_match};
use alloc::vec::Vec;

/// The number of keys that there is room for.
const KEYS_ROOM: usize = NO_TOP as usize + 1;

/// Recognizes one record after the other. The memory is kept between records.
#[derive(Debug)]
pub(crate) struct Recognizer<'p> {
    formats: Formats<'p>,
    dictionary: Dictionary<'p>,
    /// The node of each key at the top, valid if its bit in `present` is set.
    keys: Vec<u32>,
    present: [u64; 4],
    /// The variant that the records of this tag are pinned to.
    pinned: Variant,
}

impl<'p> Recognizer<'p> {
    pub(crate) fn new(formats: Formats<'p>, dictionary: Dictionary<'p>) -> Self {
        Recognizer { formats, dictionary, keys: Vec::new(), present: [0; 4], pinned: UNKNOWN }
    }

    /// Recognizes the record on a tape, and writes the result there.
    pub(crate) fn recognize_record(&mut self, tag: &[u8], tape: &mut Tape, source: &[u8]) {
        if self.formats.is_empty() {
            return;
        }
        self.set_tag(tag);
        (tape.variant, tape.is_wrapper) = self.look(tape, source, 0);
        tape.format = self.formats.format(tape.variant);
    }

    /// Returns the variant of the object at `object`, which is a record within another
    /// one.
    pub(crate) fn recognize(&mut self, tape: &Tape, source: &[u8], object: usize) -> Variant {
        if self.formats.is_empty() {
            return UNKNOWN;
        }
        self.look(tape, source, object).0
    }

    /// Sets the tag of the following records, which may be pinned to a format.
    pub(crate) fn set_tag(&mut self, tag: &[u8]) {
        self.pinned = self.pinned(tag);
    }

    /// Returns the variant that a tag is pinned to.
    fn pinned(&self, tag: &[u8]) -> Variant {
        let is_of = |[a, b, len, _]: &&[u8; 4]| {
            self.formats
                .text(u16::from_le_bytes([*a, *b]), *len)
                .is_some_and(|pattern| is_match(pattern, tag))
        };
        self.formats.pins.iter().find(is_of).map_or(UNKNOWN, |pin| pin[3])
    }

    /// Returns an object's variant, and whether the variant is unknown and the object may
    /// hold other records.
    #[inline(never)]
    fn look(&mut self, tape: &Tape, source: &[u8], object: usize) -> (Variant, bool) {
        let nominated = self.look_for_keys(tape, source, object);
        let mut left = nominated & !(1 << WRAPPER_RULE);
        let mut variant = UNKNOWN;
        while left != 0 {
            let rule = left.trailing_zeros() as usize;
            left &= left - 1;
            if let Some(rule) = self.formats.rules.get(rule)
                && self.holds(rule, tape, source)
            {
                variant = rule[3];
                break;
            }
        }
        let is_wrapper =
            variant == UNKNOWN && nominated >> WRAPPER_RULE != 0 && self.holds_records(tape, source);
        if self.pinned != UNKNOWN && self.formats.format(variant) != self.pinned && !is_wrapper {
            variant = self.pinned;
        }
        if variant != UNKNOWN {
            let mut cases = self.formats.cases(variant).iter();
            variant = cases.find(|rule| self.holds(rule, tape, source)).map_or(variant, |rule| rule[3]);
        }
        (variant, is_wrapper)
    }

    /// True if a member that may hold other records is a container, or a string that may
    /// be one.
    fn holds_records(&self, tape: &Tape, source: &[u8]) -> bool {
        self.formats.nominations.iter().enumerate().any(|(top, rules)| {
            let may_hold = u64::from_le_bytes(*rules) >> WRAPPER_RULE != 0 && self.is_present(top as u8);
            let value = self.keys.get(top).map_or(0, |key| *key as usize + 1);
            let Some(value) = tape.nodes.get(value).filter(|_| may_hold) else { return false };
            let is_json = || matches!(inner(tape.text(value, source)).trim_ascii_start(), [b'{' | b'[', ..]);
            value.is_container() || value.kind == Kind::String && is_json()
        })
    }

    /// Looks up the keys of an object. Returns the rules that they nominate.
    fn look_for_keys(&mut self, tape: &Tape, source: &[u8], object: usize) -> u64 {
        self.present = [0; 4];
        if self.keys.is_empty() {
            // Without memory, no record is of a known format.
            if self.keys.try_reserve_exact(KEYS_ROOM).is_err() {
                return 0;
            }
            // Copied, since setting one after the other takes a guest three times as many steps.
            const NO_KEYS: &[u32; KEYS_ROOM] = &[0; KEYS_ROOM];
            self.keys.extend_from_slice(NO_KEYS);
        }
        let mut nominated = 0;
        let end = tape.after(object);
        let mut key = object + 1;
        for _ in 0..MEMBERS_MAX {
            let Some(node) = tape.nodes.get(key).filter(|_| key < end) else { break };
            let value = key + 1;
            if !node.has(ESCAPED | PATCHED) {
                let start = node.start as usize + 1;
                let text = source.get(start..).unwrap_or_default();
                let number = self.dictionary.find(text, (node.end as usize - 1).saturating_sub(start));
                let top = match number {
                    NO_NUMBER => NO_TOP,
                    number => self.formats.tops.get(usize::from(number)).copied().unwrap_or(NO_TOP),
                };
                if top != NO_TOP {
                    if let Some(known) = self.keys.get_mut(usize::from(top)) {
                        *known = key as u32;
                    }
                    self.present[usize::from(top >> 6)] |= 1 << (top & 63);
                    if let Some(rules) = self.formats.nominations.get(usize::from(top)) {
                        nominated |= u64::from_le_bytes(*rules);
                    }
                }
            }
            key = tape.after(value);
        }
        nominated
    }

    /// Checks that all conditions of a rule hold.
    #[inline(never)]
    fn holds(&self, rule: &[u8; 4], tape: &Tape, source: &[u8]) -> bool {
        let first = u16::from_le_bytes([rule[0], rule[1]]) as usize;
        let mut conditions =
            self.formats.conditions.get(first..first + usize::from(rule[2])).unwrap_or_default();
        while let Some((condition, rest)) = conditions.split_first() {
            conditions = rest;
            if condition[0] != Operation::Some as u8 {
                if !self.is_met(condition, tape, source) {
                    return false;
                }
                continue;
            }
            let Some((group, rest)) = rest.split_at_checked(condition[4].into()) else { return false };
            let met = group.iter().filter(|condition| self.is_met(condition, tape, source)).count();
            if met < usize::from(condition[5]) {
                return false;
            }
            conditions = rest;
        }
        true
    }

    fn is_present(&self, top: u8) -> bool {
        self.present[usize::from(top >> 6)] >> (top & 63) & 1 != 0
    }

    #[inline(never)]
    fn is_met(&self, condition: &[u8; 8], tape: &Tape, source: &[u8]) -> bool {
        let [operation, _, _, _, _, operand, a, b] = *condition;
        let Some(value) = self.value(condition, tape, source) else {
            return operation == Operation::Lacks as u8;
        };
        let Some(node) = tape.nodes.get(value) else { return false };
        let text = || (!node.is_container()).then(|| inner(tape.text(node, source)));
        let wanted = || self.formats.text(u16::from_le_bytes([a, b]), operand).unwrap_or_default();
        match operation {
            0 => true,
            1 => text() == Some(wanted()),
            2 => node.kind == Kind::String && text().is_some_and(|text| text.starts_with(wanted())),
            3 => is_of_type(node.kind, operand),
            _ => false,
        }
    }

    /// Returns the value that a condition is about.
    #[inline(never)]
    fn value(&self, condition: &[u8; 8], tape: &Tape, source: &[u8]) -> Option<usize> {
        let [_, top, a, b, len, ..] = *condition;
        if !self.is_present(top) {
            return None;
        }
        let mut value = *self.keys.get(usize::from(top))? as usize + 1;
        if len == 0 {
            return Some(value);
        }
        for step in self.formats.text(u16::from_le_bytes([a, b]), len)?.split(|byte| *byte == KEY_END) {
            let node = tape.nodes.get(value)?;
            value = match node.kind {
                Kind::Array if step == FIRST => (node.next as usize > value + 1).then_some(value + 1)?,
                Kind::Object => {
                    let is_it = |key: &usize| {
                        tape.nodes.get(*key).is_some_and(|key| inner(tape.text(key, source)) == step)
                    };
                    tape.keys(value).take(NESTED_MEMBERS_MAX).find(is_it)? + 1
                }
                _ => return None,
            };
        }
        Some(value)
    }
}

fn is_of_type(kind: Kind, operand: u8) -> bool {
    let types = [
        (ValueType::Object, kind == Kind::Object),
        (ValueType::Array, kind == Kind::Array),
        (ValueType::String, kind == Kind::String),
        (ValueType::Number, matches!(kind, Kind::Integer | Kind::Float)),
        (ValueType::Boolean, kind == Kind::Word),
    ];
    types.iter().any(|(value_type, is_it)| *value_type as u8 == operand && *is_it)
}
