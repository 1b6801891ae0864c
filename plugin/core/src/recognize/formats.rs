//! The part of a policy's table that contains the programs for recognizing formats.
//!
//! | bytes | |
//! |---|---|
//! | 0..2 | the number of keys that nominate rules |
//! | 2..4 | the number of rules |
//! | 4..6 | the number of variants, without the unknown one |
//! | 6..8 | the number of conditions |
//! | 8..10 | the number of pins |
//! | 10..12 | the number of slots in the dictionary, or 0 |
//! | 12..14 | the length of the texts, in bytes |
//! | 1 × slots | for each slot of the dictionary, the number of its key among the keys at the top of a record; 255 if it is none of them |
//! | 8 × nominating keys | the rules that a key nominates, a bit each; bit 63 if it may hold other records |
//! | 4 × rules | the first of its conditions; the number of its conditions; the variant |
//! | 8 × variants | its name, as place and length in the texts; the first of its cases among the rules, and their number; 1 if paths with a rule may lead into it; the number of its format; zero |
//! | 8 × conditions | below |
//! | 4 × pins | a pattern of tags, as place and length in the texts; the variant |
//! | | the texts |
//!
//! A condition:
//!
//! | bytes | |
//! |---|---|
//! | 0 | operation |
//! | 1 | the number of its key at the top |
//! | 2..4, 4 | the keys that lead on from there, as place and length in the texts, separated by a byte 0xff; `[]` is the first element of an array. For [`Operation::Some`], the length is the number of conditions in its group |
//! | 5 | an operand, or the length of its text |
//! | 6..8 | the place of its text; 2¹⁶−1 if there is none |

use super::{Dictionary, UNKNOWN, Variant};
use alloc::vec::Vec;

/// The maximum number of rules that keys can nominate.
pub const RULES_MAX: usize = 63;
/// The bit of a nomination that says that the key may hold other records.
pub const WRAPPER_RULE: usize = 63;
/// The maximum number of variants, the unknown one included.
pub const VARIANTS_MAX: usize = 64;
/// The number of members of a nested object that are searched.
pub const NESTED_MEMBERS_MAX: usize = 64;

/// Stands for a key that is not searched for at the top.
pub(crate) const NO_TOP: u8 = 255;
/// The maximum number of keys that are searched for at the top.
const TOPS_MAX: usize = NO_TOP as usize;
/// The byte between the keys of a path. It never occurs in UTF-8.
pub(crate) const KEY_END: u8 = 0xff;
/// The step into the first element of an array.
pub(crate) const FIRST: &[u8] = b"[]";
const HEADER_BYTES: usize = 14;

/// The question of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// The member exists.
    Has = 0,
    /// The member's value is this text, number or word.
    Is = 1,
    /// The member's value is a string that starts with this text.
    Starts = 2,
    /// The member's value is of this type.
    Type = 3,
    /// At least this many of the conditions in the group that follows hold.
    Some = 4,
    /// The member does not exist.
    Lacks = 5,
}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// `{…}`
    Object = 0,
    /// `[…]`
    Array = 1,
    /// A string.
    String = 2,
    /// Any number.
    Number = 3,
    /// `true` or `false`.
    Boolean = 4,
}

/// A condition to write.
#[derive(Clone, Debug)]
pub struct Condition {
    /// The question.
    pub operation: Operation,
    /// The keys that lead to the member; empty for [`Operation::Some`].
    pub path: Vec<Vec<u8>>,
    /// The text, for operations that have one.
    pub text: Vec<u8>,
    /// The type; or, for [`Operation::Some`], how many conditions have to hold and how
    /// many are in the group.
    pub operand: (u8, u8),
}

/// A rule to write: a record is of the variant if all conditions hold.
#[derive(Clone, Debug)]
pub struct RuleParts {
    /// The conditions.
    pub conditions: Vec<Condition>,
    /// The key that nominates the rule; `None` for a case.
    pub nominated_by: Option<Vec<u8>>,
    /// The variant.
    pub variant: Variant,
}

/// A variant to write.
#[derive(Clone, Debug)]
pub struct VariantParts<'a> {
    /// The name of its format.
    pub name: &'a str,
    /// The cases of the variant, each with conditions of its own.
    pub cases: Vec<RuleParts>,
    /// True if paths with a rule may lead into a record of the variant.
    pub has_rules: bool,
    /// The number of its format, which is that of the format's first variant.
    pub format: Variant,
}

/// A pin to write: all records with matching tags are of the variant.
#[derive(Clone, Copy, Debug)]
pub struct PinParts<'a> {
    /// The pattern of tags.
    pub tag: &'a str,
    /// The variant.
    pub variant: Variant,
}

/// The part of a policy's table, to be written.
#[derive(Clone, Debug, Default)]
pub struct FormatsParts<'a> {
    /// The rules. The first one that holds decides.
    pub rules: Vec<RuleParts>,
    /// The variants, from 1 on.
    pub variants: Vec<VariantParts<'a>>,
    /// The keys that may hold other records.
    pub wrappers: Vec<&'a [u8]>,
    /// The pins. The first one that matches decides.
    pub pins: Vec<PinParts<'a>>,
}

/// The formats of a policy, in the form of its table.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Formats<'a> {
    /// For each slot of the dictionary, the number of its key among the keys at the top.
    pub(super) tops: &'a [u8],
    pub(super) nominations: &'a [[u8; 8]],
    pub(super) rules: &'a [[u8; 4]],
    variants: &'a [[u8; 8]],
    pub(super) conditions: &'a [[u8; 8]],
    pub(super) pins: &'a [[u8; 4]],
    texts: &'a [u8],
}

impl<'a> Formats<'a> {
    /// Reads the formats from their part of the table. An empty part has none. Returns
    /// `None` if the part is shorter than it says.
    pub(crate) fn read(part: &'a [u8]) -> Option<Self> {
        let Some((header, rest)) = part.split_first_chunk::<HEADER_BYTES>() else {
            return Some(Formats::default());
        };
        let half = |at: usize| u16::from_le_bytes([header[2 * at], header[2 * at + 1]]) as usize;
        let (tops, rest) = rest.split_at_checked(half(5))?;
        let (nominations, rest) = rest.split_at_checked(8 * half(0))?;
        let (rules, rest) = rest.split_at_checked(4 * half(1))?;
        let (variants, rest) = rest.split_at_checked(8 * half(2))?;
        let (conditions, rest) = rest.split_at_checked(8 * half(3))?;
        let (pins, rest) = rest.split_at_checked(4 * half(4))?;
        Some(Formats {
            tops,
            nominations: nominations.as_chunks().0,
            rules: rules.as_chunks().0,
            variants: variants.as_chunks().0,
            conditions: conditions.as_chunks().0,
            pins: pins.as_chunks().0,
            texts: rest.get(..half(6))?,
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.variants.is_empty()
    }

    /// Returns the number of variants, the unknown one included.
    pub(crate) fn variants(&self) -> usize {
        1 + self.variants.len()
    }

    fn variant(&self, variant: Variant) -> Option<&'a [u8; 8]> {
        self.variants.get(usize::from(variant).checked_sub(1)?)
    }

    /// Returns the name of a variant's format.
    pub(crate) fn name(&self, variant: Variant) -> Option<&'a [u8]> {
        let &[a, b, len, ..] = self.variant(variant)?;
        self.text(u16::from_le_bytes([a, b]), len)
    }

    /// Returns the number of a variant's format.
    pub(crate) fn format(&self, variant: Variant) -> Variant {
        self.variant(variant).map_or(UNKNOWN, |entry| entry[6])
    }

    /// Says whether paths with a rule may lead into records of a variant.
    pub(crate) fn has_rules(&self, variant: Variant) -> bool {
        self.variant(variant).is_none_or(|entry| entry[5] != 0)
    }

    /// Returns the rules of a variant's cases.
    pub(super) fn cases(&self, variant: Variant) -> &'a [[u8; 4]] {
        let (first, count) = self.variant(variant).map_or((0, 0), |entry| (entry[3], entry[4]));
        self.rules.get(first.into()..usize::from(first) + usize::from(count)).unwrap_or_default()
    }

    /// Returns a text, by its place and length.
    pub(super) fn text(&self, start: u16, len: u8) -> Option<&'a [u8]> {
        self.texts.get(start.into()..usize::from(start) + usize::from(len))
    }

    /// Checks that everything that the table refers to exists. `numbers` is the number of
    /// slots in the dictionary.
    pub(crate) fn is_sound(&self, numbers: usize) -> bool {
        let are_conditions = |[a, b, count, variant]: &[u8; 4]| {
            let first = u16::from_le_bytes([*a, *b]) as usize;
            first + usize::from(*count) <= self.conditions.len() && usize::from(*variant) < self.variants()
        };
        let is_sound = |entry: &[u8; 8]| {
            let [a, b, len, first, count, _, format, _] = *entry;
            self.text(u16::from_le_bytes([a, b]), len).is_some()
                && usize::from(format) < self.variants()
                && usize::from(first) + usize::from(count) <= self.rules.len()
        };
        let has_texts = |[operation, _, a, b, len, operand, c, d]: &[u8; 8]| {
            (*operation == Operation::Some as u8 || self.text(u16::from_le_bytes([*a, *b]), *len).is_some())
                && (u16::from_le_bytes([*c, *d]) == u16::MAX
                    || self.text(u16::from_le_bytes([*c, *d]), *operand).is_some())
        };
        let is_pin = |[a, b, len, variant]: &[u8; 4]| {
            self.text(u16::from_le_bytes([*a, *b]), *len).is_some() && usize::from(*variant) < self.variants()
        };
        (self.tops.is_empty() || self.tops.len() == numbers)
            && self.rules.iter().all(are_conditions)
            && self.variants.iter().all(is_sound)
            && self.conditions.iter().all(has_texts)
            && self.pins.iter().all(is_pin)
    }
}

impl FormatsParts<'_> {
    /// Returns the keys that the part needs in the dictionary.
    pub fn keys(&self) -> Vec<&[u8]> {
        let rules = self.rules.iter().chain(self.variants.iter().flat_map(|variant| &variant.cases));
        let conditions = rules.flat_map(|rule| &rule.conditions);
        let mut keys: Vec<&[u8]> = Vec::new();
        // Keys that nominate come first.
        for key in self
            .nominating()
            .chain(conditions.filter_map(|condition| condition.path.first()).map(Vec::as_slice))
        {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        keys
    }

    fn nominating(&self) -> impl Iterator<Item = &[u8]> {
        let rules = self.rules.iter().filter_map(|rule| rule.nominated_by.as_deref());
        self.wrappers.iter().copied().chain(rules)
    }

    /// Writes the part. Returns `None` if something is more than fits.
    pub fn write(&self, dictionary: &Dictionary<'_>) -> Option<Vec<u8>> {
        if self.rules.len() > RULES_MAX || self.variants.len() >= VARIANTS_MAX {
            return None;
        }
        let keys = self.keys();
        if keys.len() > TOPS_MAX {
            return None;
        }
        let top = |key: &[u8]| keys.iter().position(|top| *top == key).map(|top| top as u8);
        let mut tops = Vec::new();
        tops.resize(dictionary.len(), NO_TOP);
        for (index, key) in keys.iter().enumerate() {
            *tops.get_mut(usize::from(dictionary.find(key, key.len())))? = index as u8;
        }
        let mut nominations: Vec<u64> = Vec::new();
        let rules = self.rules.iter().enumerate();
        let by_rules = rules.filter_map(|(rule, parts)| Some((rule, parts.nominated_by.as_deref()?)));
        for (rule, key) in self.wrappers.iter().map(|key| (WRAPPER_RULE, *key)).chain(by_rules) {
            let top = usize::from(top(key)?);
            nominations.resize(nominations.len().max(top + 1), 0);
            nominations[top] |= 1 << rule;
        }
        let mut texts = Texts::default();
        let (mut rules, mut conditions) = (Vec::new(), Vec::new());
        let cases = self.variants.iter().flat_map(|variant| &variant.cases);
        for rule in self.rules.iter().chain(cases) {
            let first = u16::try_from(conditions.len() / 8).ok()?;
            for condition in &rule.conditions {
                condition.write(top, &mut texts, &mut conditions)?;
            }
            rules.extend(first.to_le_bytes());
            rules.extend([u8::try_from(rule.conditions.len()).ok()?, rule.variant]);
        }
        let (mut variants, mut first_case) = (Vec::new(), self.rules.len());
        for variant in &self.variants {
            let (name, len) = texts.add(variant.name.as_bytes())?;
            variants.extend(name.to_le_bytes());
            let cases = u8::try_from(variant.cases.len()).ok()?;
            let first = u8::try_from(first_case).ok()?;
            variants.extend([len, first, cases, u8::from(variant.has_rules), variant.format, 0]);
            first_case += variant.cases.len();
        }
        let mut pins = Vec::new();
        for pin in &self.pins {
            let (tag, len) = texts.add(pin.tag.as_bytes())?;
            pins.extend(tag.to_le_bytes());
            pins.extend([len, pin.variant]);
        }
        let mut part = Vec::new();
        for count in [
            nominations.len(),
            rules.len() / 4,
            variants.len() / 8,
            conditions.len() / 8,
            self.pins.len(),
            tops.len(),
            texts.bytes.len(),
        ] {
            part.extend(u16::try_from(count).ok()?.to_le_bytes());
        }
        part.extend(tops);
        part.extend(nominations.into_iter().flat_map(u64::to_le_bytes));
        for more in [rules, variants, conditions, pins, texts.bytes] {
            part.extend(more);
        }
        Some(part)
    }
}

impl Condition {
    fn write(&self, top: impl Fn(&[u8]) -> Option<u8>, texts: &mut Texts, out: &mut Vec<u8>) -> Option<()> {
        let key = self.path.first().map_or(Some(NO_TOP), |key| top(key))?;
        let (path, path_len) = match self.operation {
            Operation::Some => (0, self.operand.1),
            _ => texts.add(&self.path.get(1..)?.join(&KEY_END))?,
        };
        let (text, operand) = match self.operation {
            Operation::Is | Operation::Starts => texts.add(&self.text)?,
            _ => (u16::MAX, self.operand.0),
        };
        out.extend([self.operation as u8, key]);
        out.extend(path.to_le_bytes());
        out.extend([path_len, operand]);
        out.extend(text.to_le_bytes());
        Some(())
    }
}

/// The texts of a part. Each one is stored once.
#[derive(Default)]
struct Texts {
    bytes: Vec<u8>,
}

impl Texts {
    /// Adds a text if needed. Returns its place and length.
    fn add(&mut self, text: &[u8]) -> Option<(u16, u8)> {
        let known = self.bytes.windows(text.len().max(1)).position(|window| window == text);
        let start = match known {
            _ if text.is_empty() => 0,
            Some(start) => start,
            None => {
                self.bytes.extend(text);
                self.bytes.len() - text.len()
            }
        };
        Some((u16::try_from(start).ok()?, u8::try_from(text.len()).ok()?))
    }
}
