//! Chooses the trigger of a rule: its rarest bounded part, which the scout searches for.

use flb_audit_core::redact::LEAD_BYTES_MAX;
use regex_syntax::hir::{Class, Hir, HirKind};

/// The rarity that a trigger should have; one letter counts [`LETTER`].
const RARE: u32 = 30;
/// The rarity that is enough if no part is rarer.
const RARE_MIN: u32 = 20;
const LETTER: u32 = 10;
/// The maximum number of atoms in a trigger.
const ATOMS_MAX: usize = 5;
/// The number of a word's letters that are enough.
const TAIL_MAX: usize = 4;

/// A trigger: the end of its atoms, and the pattern for the scout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trigger {
    pub(super) end: usize,
    pub(super) pattern: String,
}

/// Chooses the trigger. Returns `None` if no part is rare, or none starts within a
/// bounded distance.
pub(super) fn choose(atoms: &[Hir]) -> Option<Trigger> {
    let mut best: Option<(u32, usize, usize)> = None;
    for start in 0..atoms.len() {
        let ahead = Hir::concat(atoms[..start].to_vec());
        if ahead.properties().maximum_len().is_none_or(|len| len > LEAD_BYTES_MAX / 2) {
            break;
        }
        let (mut weight, mut letters, mut count) = (0, 0, 0);
        for (end, atom) in atoms.iter().enumerate().skip(start) {
            if matches!(atom.kind(), HirKind::Look(_)) {
                continue;
            }
            let more = weigh(atom);
            if more == 0 {
                break;
            }
            weight += more;
            letters += if more >= LETTER - 2 { more } else { 0 };
            count += 1;
            // A run of letters is taken to its end, so that every match of it ends at the
            // same place.
            let goes_on = weigh(atoms.get(end + 1).unwrap_or(&Hir::empty())) >= LETTER - 2;
            let is_enough = weight >= RARE && !goes_on;
            if letters >= 2 * (LETTER - 2) && best.is_none_or(|(other, ..)| weight.min(RARE) > other) {
                best = Some((weight.min(RARE), start, end + 1));
            }
            if is_enough || count >= ATOMS_MAX && !goes_on {
                break;
            }
        }
        if let Some((RARE, start, _)) = best {
            let end = run_end(atoms, start);
            return Some(Trigger { end, pattern: pattern(&atoms[start..end]) });
        }
    }
    let (_, start, end) = best.filter(|(weight, ..)| *weight >= RARE_MIN)?;
    Some(Trigger { end, pattern: pattern(&atoms[start..end]) })
}

/// Returns the end of the run of letters that starts at `start`, or a later end if the
/// run alone is not rare.
fn run_end(atoms: &[Hir], start: usize) -> usize {
    let mut weight = 0;
    let mut end = start;
    for (at, atom) in atoms.iter().enumerate().skip(start) {
        let more = weigh(atom);
        if !matches!(atom.kind(), HirKind::Look(_)) {
            if more == 0 || more < LETTER - 2 && weight >= RARE {
                break;
            }
            weight += more;
        }
        end = at + 1;
    }
    end
}

/// Returns the pattern of the last atoms that are rare together.
fn pattern(atoms: &[Hir]) -> String {
    let mut weight = 0;
    let mut taken = Vec::new();
    for atom in atoms.iter().rev().filter(|atom| !matches!(atom.kind(), HirKind::Look(_))) {
        taken.push(tail(atom));
        weight += weigh(atom);
        if weight >= RARE {
            break;
        }
    }
    taken.reverse();
    Hir::concat(taken).to_string()
}

/// Returns the end of an atom; for alternatives, the end of each.
fn tail(atom: &Hir) -> Hir {
    match atom.kind() {
        HirKind::Alternation(branches) => Hir::alternation(branches.iter().map(tail).collect()),
        HirKind::Capture(capture) => tail(&capture.sub),
        HirKind::Concat(_) | HirKind::Literal(_) => {
            let atoms = super::parts::flatten(core::slice::from_ref(atom));
            let atoms: Vec<Hir> =
                atoms.into_iter().filter(|atom| !matches!(atom.kind(), HirKind::Look(_))).collect();
            Hir::concat(atoms[atoms.len().saturating_sub(TAIL_MAX)..].to_vec())
        }
        _ => atom.clone(),
    }
}

/// Returns the weight of an atom.
fn weigh(atom: &Hir) -> u32 {
    match atom.kind() {
        HirKind::Look(_) => 0,
        HirKind::Literal(literal) => LETTER * literal.0.len() as u32,
        HirKind::Class(Class::Bytes(class)) => {
            let count: usize = class.ranges().iter().map(|range| range.len()).sum();
            match count {
                0..=2 => LETTER,
                3..=4 => LETTER - 2,
                5..=10 => 4,
                11..=24 => 3,
                _ => 0,
            }
        }
        HirKind::Capture(capture) => weigh(&capture.sub),
        HirKind::Concat(parts) => {
            let mut weights = parts.iter().filter(|part| !matches!(part.kind(), HirKind::Look(_))).map(weigh);
            weights.try_fold(0, |sum, weight| (weight > 0).then_some(sum + weight)).unwrap_or(0)
        }
        HirKind::Alternation(branches) => branches.iter().map(weigh).min().unwrap_or(0),
        // This allows for `passw(or)?d` and the like.
        HirKind::Repetition(repetition) if repetition.max == Some(1) && weigh(&repetition.sub) > 0 => 1,
        _ => 0,
    }
}
