//! Compiles the formats of a policy into parts of its table.

use super::{Field, Format, Holds, WRAPPERS, formats};
use crate::paths::{self, Of, Path, Says, Step};
use flb_audit_core::recognize::{
    Condition, FormatsParts, Operation, PinParts, RuleParts, Variant, VariantParts,
};
use std::collections::BTreeMap;

/// The formats that a policy has chosen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chosen {
    /// The formats, as their indices in the catalogue, in its order.
    pub(crate) formats: Vec<usize>,
    /// The formats whose fields stay or go. The others are only recognized.
    pub(crate) kept: Vec<usize>,
    /// Patterns of tags, each with the index of the format of all records with such tags.
    pub(crate) pins: Vec<(String, usize)>,
}

impl Chosen {
    /// Adds a format whose fields stay or go.
    pub(crate) fn keep(&mut self, format: usize) {
        self.recognize(format);
        if let Err(place) = self.kept.binary_search(&format) {
            self.kept.insert(place, format);
        }
    }

    /// Adds a format that is only recognized.
    pub(crate) fn recognize(&mut self, format: usize) {
        if let Err(place) = self.formats.binary_search(&format) {
            self.formats.insert(place, format);
        }
    }

    fn is_kept(&self, variant: Variant) -> bool {
        let format = usize::from(variant).checked_sub(1).and_then(|number| self.formats.get(number));
        format.is_some_and(|format| self.kept.contains(format))
    }

    /// Returns the number of the variant of a format's case.
    pub(crate) fn case(&self, format: usize, case: usize) -> Option<Variant> {
        let of = self.variant(format)?;
        self.cases().filter(|(format, ..)| *format == of).nth(case).map(|(_, number, _)| number)
    }

    /// Returns the formats, each with the number of its variant.
    fn numbered(&self) -> impl Iterator<Item = (Variant, &'static Format)> + '_ {
        let chosen = self.formats.iter().filter_map(|index| formats().get(*index));
        chosen.enumerate().map(|(number, format)| (number as Variant + 1, format))
    }

    /// Returns the number of a format's variant.
    pub(crate) fn variant(&self, format: usize) -> Option<Variant> {
        self.formats.binary_search(&format).ok().map(|number| number as Variant + 1)
    }

    /// Returns the number of variants, the unknown one included: the formats come first,
    /// then the cases of each.
    pub(crate) fn variants(&self) -> usize {
        let cases: usize = self.numbered().map(|(_, format)| format.cases.len()).sum();
        1 + self.formats.len() + cases
    }

    /// Returns the cases, each with the number of its format's variant and of its own.
    fn cases(&self) -> impl Iterator<Item = (Variant, Variant, &'static super::Case)> + '_ {
        let cases =
            self.numbered().flat_map(|(number, format)| format.cases.iter().map(move |case| (number, case)));
        let first = self.formats.len() + 1;
        cases.enumerate().map(move |(at, (format, case))| (format, (first + at) as Variant, case))
    }
}

/// Returns the statements of a policy on fields, given its statement on each kind of
/// contents. A kind without a statement adds nothing.
pub(crate) fn paths(chosen: &Chosen, says: impl Fn(Holds) -> Option<Says>) -> Vec<Path> {
    let mut all = Vec::new();
    if chosen.formats.is_empty() {
        return all;
    }
    let mut add = |steps: &[Step], said: Option<Says>, variants: u64| {
        all.extend(said.map(|says| Path { steps: steps.to_vec(), says, of: Of::Variants(variants) }));
    };
    // A record of a case also has the fields of the format.
    let mut variants: BTreeMap<Variant, u64> =
        chosen.numbered().map(|(number, _)| (number, 1 << number)).collect();
    for (format, number, _) in chosen.cases() {
        variants.entry(format).and_modify(|bits| *bits |= 1 << number);
    }
    let mut fields = |of: &[Field], variants: u64| {
        of.iter().for_each(|field| add(&field.steps, says(field.holds), variants));
    };
    for (_, number, case) in chosen.cases().filter(|(format, ..)| chosen.is_kept(*format)) {
        fields(&case.fields, 1 << number);
    }
    for (number, format) in chosen.numbered().filter(|(number, _)| chosen.is_kept(*number)) {
        fields(&format.fields, variants[&number]);
    }
    for (number, format) in chosen.numbered() {
        for path in &format.records {
            add(&paths::parse(path).unwrap_or_default(), Some(Says::Record), variants[&number]);
        }
    }
    for path in WRAPPERS {
        add(&paths::parse(path).unwrap_or_default(), Some(Says::Record), 1);
    }
    all
}

/// Returns the part of the table that recognizes formats. `has_rules` is indexed by
/// variant.
pub(crate) fn parts<'a>(chosen: &'a Chosen, has_rules: &[bool]) -> FormatsParts<'a> {
    let mut parts = FormatsParts::default();
    if chosen.formats.is_empty() {
        return parts;
    }
    let common = commonness(chosen);
    for (variant, format) in chosen.numbered() {
        for conditions in &format.rules {
            let nominated_by = rarest(conditions, &common);
            parts.rules.push(RuleParts { conditions: conditions.clone(), nominated_by, variant });
        }
    }
    let mut add = |name: &'static str, format: Variant, cases: Vec<RuleParts>| {
        let at = parts.variants.len() + 1;
        let has_rules = has_rules.get(at).is_none_or(|has_rules| *has_rules);
        parts.variants.push(VariantParts { name, cases, has_rules, format });
    };
    for (variant, format) in chosen.numbered() {
        let cases = chosen.cases().filter(|(of, ..)| *of == variant);
        let rule = |(_, variant, case): (_, _, &super::Case)| RuleParts {
            conditions: case.conditions.clone(),
            nominated_by: None,
            variant,
        };
        add(format.name, variant, cases.map(rule).collect());
    }
    for (of, ..) in chosen.cases() {
        let name = chosen.numbered().find(|(number, _)| *number == of).map_or("", |(_, format)| format.name);
        add(name, of, Vec::new());
    }
    let first_key =
        |path: &&'static str| path.find(['.', '[', '|']).map_or(*path, |end| &path[..end]).as_bytes();
    parts.wrappers = WRAPPERS.iter().map(first_key).collect();
    parts.wrappers.dedup();
    parts.pins = chosen
        .pins
        .iter()
        .filter_map(|(tag, format)| Some(PinParts { tag, variant: chosen.variant(*format)? }))
        .collect();
    parts
}

/// Returns the keys that a record needs to fulfil the conditions of a rule.
fn needed(conditions: &[Condition]) -> impl Iterator<Item = &Vec<u8>> {
    let mut skipped = 0;
    let is_needed = move |condition: &&Condition| {
        if skipped > 0 {
            skipped -= 1;
            return false;
        }
        if condition.operation == Operation::Some {
            skipped = condition.operand.1;
        }
        !matches!(condition.operation, Operation::Some | Operation::Lacks)
    };
    conditions.iter().filter(is_needed).filter_map(|condition| condition.path.first())
}

/// Returns the number of rules that need each key.
fn commonness(chosen: &Chosen) -> BTreeMap<Vec<u8>, usize> {
    let mut common = BTreeMap::new();
    for (_, format) in chosen.numbered() {
        for key in format.rules.iter().flat_map(|rule| needed(rule)) {
            *common.entry(key.clone()).or_default() += 1;
        }
    }
    common
}

/// Returns the key that nominates a rule: of the keys that it needs, the one that the
/// fewest rules need.
fn rarest(conditions: &[Condition], common: &BTreeMap<Vec<u8>, usize>) -> Option<Vec<u8>> {
    needed(conditions).min_by_key(|key| common.get(*key)).cloned()
}
