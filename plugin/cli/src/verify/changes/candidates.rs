//! Candidates: the values of a record that a store may have changed, and their possible
//! original forms.

use super::Change;
use super::edit::{Edit, Value, each};
use flb_audit_core::Tape;
use flb_audit_core::record::tape::Kind;
use std::collections::BTreeSet;

/// The number of values up to which all pairs are tried.
const PAIRED_MAX: usize = 40;

pub(super) fn name_of(token: &[u8]) -> Option<String> {
    serde_json::from_slice(token).ok()
}

/// Drops the top-level members with these names.
pub(super) fn without(value: &Value<'_>, names: &[String]) -> Edit {
    let goes = value.depth == 1 && name_of(value.name).is_some_and(|name| names.contains(&name));
    if goes { Edit::Drop } else { Edit::Keep }
}

/// Returns all pairs of `count` indices, or none if there are too many.
pub(super) fn pairs(count: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = if count <= PAIRED_MAX { count } else { 0 };
    (0..count).flat_map(move |a| (a + 1..count).map(move |b| (a, b)))
}

/// Returns each of some nodes alone, and all pairs of them.
pub(super) fn combinations(nodes: &[usize]) -> impl Iterator<Item = Vec<usize>> {
    let each = nodes.iter().map(|node| vec![*node]);
    each.chain(pairs(nodes.len()).map(|(a, b)| vec![nodes[a], nodes[b]]))
}

pub(super) fn is_null_member(value: &Value<'_>) -> bool {
    value.key.is_some() && value.token == b"null"
}

/// Returns the integer that a string holds, without the quotes.
pub(super) fn integer_in<'a>(value: &Value<'a>) -> Option<&'a [u8]> {
    const OF_SEAL: [&[u8]; 6] =
        [b"\"seg\"", b"\"seq\"", b"\"n\"", b"\"settled\"", b"\"raw_bytes\"", b"\"invalid_count\""];
    if value.kind != Kind::String || value.is_of_seal() && !OF_SEAL.contains(&value.name) {
        return None;
    }
    let digits = value.token.get(1..value.token.len() - 1)?;
    let text = std::str::from_utf8(digits).ok()?;
    let is_same = |printed: String| printed.as_bytes() == digits;
    let is_integer = text.parse().is_ok_and(|it: i64| is_same(it.to_string()))
        || text.parse().is_ok_and(|it: u64| is_same(it.to_string()));
    is_integer.then_some(digits)
}

/// Returns possible original spellings of a key whose dots were replaced: with all dots,
/// with the dots before a slash, and with only the first ones.
pub(super) fn dotted(name: &[u8]) -> Vec<Vec<u8>> {
    let Some(name) = name_of(name) else { return vec![] };
    let mut spellings: Vec<String> = Vec::new();
    for other in ["_", "\u{ff0e}"] {
        if name.contains(other) {
            if let Some((before, behind)) = name.split_once('/') {
                spellings.push(format!("{}/{behind}", before.replace(other, ".")));
            }
            spellings.push(name.replace(other, "."));
            spellings.extend((1..name.matches(other).count()).map(|count| name.replacen(other, ".", count)));
        }
    }
    let mut seen = BTreeSet::from([name]);
    spellings.retain(|spelling| seen.insert(spelling.clone()));
    spellings.iter().filter_map(|spelling| serde_json::to_vec(spelling).ok()).collect()
}

/// Returns the range of integers that a number may have been before it became a double,
/// if a double cannot hold such integers exactly.
pub(super) fn rounded(value: &Value<'_>) -> Option<(i128, i128)> {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    if !matches!(value.kind, Kind::Integer | Kind::Float) {
        return None;
    }
    let double: f64 = std::str::from_utf8(value.token).ok()?.parse().ok()?;
    if double.abs() < EXACT_MAX || double.abs() > u64::MAX as f64 || double < i64::MIN as f64 {
        return None;
    }
    let half = |other: f64| (double - other).abs() as i128 / 2 + 1;
    let (first, last) = (double as i128 - half(double.next_down()), double as i128 + half(double.next_up()));
    Some((first.max(i64::MIN.into()), last.min(u64::MAX.into())))
}

/// Finds records whose fractions all fit into 32 bits, and of which some have more digits
/// than a person would write.
pub(super) fn fractions_of_32_bits(tape: &Tape, text: &[u8]) -> Option<Change> {
    let (mut all_fit, mut are_long) = (true, false);
    each(tape, text, |value| {
        let number = std::str::from_utf8(value.token).ok().filter(|_| value.kind == Kind::Float);
        let Some(double) = number.and_then(|number| number.parse::<f64>().ok()) else { return };
        if double.fract() == 0.0 {
            return;
        }
        let narrow = double as f32;
        let is_widened = f64::from(narrow) == double;
        let is_shortest = narrow.to_string().parse() == Ok(double);
        let digits =
            format!("{double:e}").bytes().take_while(|byte| *byte != b'e').filter(u8::is_ascii_digit).count();
        all_fit &= is_widened || is_shortest;
        are_long |= digits > 6;
    });
    (all_fit && are_long).then_some(Change::FractionsOf32Bits)
}
