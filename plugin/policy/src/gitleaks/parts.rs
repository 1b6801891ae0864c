//! Splits a regular expression at its secret group.

use super::error::{RuleError, VARIANTS_MAX};
use regex_syntax::hir::{Hir, HirKind, Repetition};

/// The number of times that a repeated part is written out.
const UNROLLED_MAX: u32 = 6;

/// One way in which an expression may match.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    /// The part before the secret, the secret, and the part behind it, each as a
    /// sequence.
    pub(super) before: Vec<Hir>,
    pub(super) secret: Vec<Hir>,
    pub(super) after: Vec<Hir>,
}

/// Splits an expression into its parts, for each way in which it may match. The secret is
/// the group with this number. With 0, it is the first group that takes part, or else the
/// whole match.
pub(super) fn variants(hir: &Hir, group: usize) -> Result<Vec<Parts>, RuleError> {
    let sequences = expand(hir, group)?;
    sequences.into_iter().map(|sequence| take_apart(sequence, group)).collect()
}

fn take_apart(sequence: Vec<Hir>, group: usize) -> Result<Parts, RuleError> {
    let index = |hir: &Hir| match hir.kind() {
        HirKind::Capture(capture) => Some(capture.index as usize),
        _ => None,
    };
    let secret = match group {
        0 => sequence.iter().filter_map(index).min(),
        group => Some(group),
    };
    let Some(secret) = secret else {
        return Ok(Parts { before: Vec::new(), secret: flatten(&sequence), after: Vec::new() });
    };
    let at = sequence.iter().position(|hir| index(hir) == Some(secret));
    let at = at.ok_or(RuleError::SecretGroup(group))?;
    let parts = Parts {
        before: flatten(&sequence[..at]),
        secret: flatten(&sequence[at..=at]),
        after: flatten(&sequence[at + 1..]),
    };
    match Hir::concat(parts.secret.clone()).properties().minimum_len() {
        Some(1..) => Ok(parts),
        _ => Err(RuleError::EmptySecret),
    }
}

/// Returns all sequences that an expression may stand for. In each of them, groups stand
/// at the top level.
fn expand(hir: &Hir, group: usize) -> Result<Vec<Vec<Hir>>, RuleError> {
    let sequences = match hir.kind() {
        HirKind::Concat(parts) => {
            let mut sequences = vec![Vec::new()];
            for part in parts {
                let tails = expand(part, group)?;
                sequences = sequences
                    .iter()
                    .flat_map(|head: &Vec<Hir>| tails.iter().map(|tail| [&head[..], tail].concat()))
                    .collect();
                limit(sequences.len())?;
            }
            sequences
        }
        HirKind::Alternation(branches) if has_groups(hir) => {
            let mut sequences = Vec::new();
            for branch in branches {
                sequences.extend(expand(branch, group)?);
                limit(sequences.len())?;
            }
            sequences
        }
        HirKind::Repetition(Repetition { min: 0, max: Some(1), sub, .. }) if has_groups(sub) => {
            let mut sequences = expand(sub, group)?;
            sequences.push(Vec::new());
            sequences
        }
        HirKind::Capture(capture) if group > 0 && capture.index as usize != group && has(hir, group) => {
            expand(&capture.sub, group)?
        }
        _ => vec![vec![hir.clone()]],
    };
    limit(sequences.len())?;
    Ok(sequences)
}

fn limit(count: usize) -> Result<(), RuleError> {
    match count {
        ..=VARIANTS_MAX => Ok(()),
        _ => Err(RuleError::TooManyWays),
    }
}

fn has_groups(hir: &Hir) -> bool {
    hir.properties().explicit_captures_len() > 0
}

fn has(hir: &Hir, group: usize) -> bool {
    match hir.kind() {
        HirKind::Capture(capture) => capture.index as usize == group || has(&capture.sub, group),
        HirKind::Repetition(repetition) => has(&repetition.sub, group),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().any(|part| has(part, group)),
        _ => false,
    }
}

/// Returns the atoms of a sequence: without groups, byte by byte. Repeated parts are
/// written out as many times as they always occur, at most [`UNROLLED_MAX`].
pub(super) fn flatten(sequence: &[Hir]) -> Vec<Hir> {
    let mut atoms = Vec::new();
    for hir in sequence {
        match hir.kind() {
            HirKind::Empty => {}
            HirKind::Literal(literal) => atoms.extend(literal.0.iter().map(|byte| Hir::literal([*byte]))),
            HirKind::Capture(capture) => atoms.extend(flatten(core::slice::from_ref(&capture.sub))),
            HirKind::Concat(parts) => atoms.extend(flatten(parts)),
            HirKind::Repetition(repetition) if repetition.min > 0 && is_single(&repetition.sub) => {
                let count = repetition.min.min(UNROLLED_MAX);
                atoms.extend((0..count).map(|_| (*repetition.sub).clone()));
                let rest = Repetition {
                    min: repetition.min - count,
                    max: repetition.max.map(|max| max - count),
                    ..repetition.clone()
                };
                if rest.max != Some(0) {
                    atoms.push(Hir::repetition(rest));
                }
            }
            _ => atoms.push(hir.clone()),
        }
    }
    atoms
}

/// Checks that it matches exactly one byte.
fn is_single(hir: &Hir) -> bool {
    matches!(hir.kind(), HirKind::Class(_) | HirKind::Literal(_)) && hir.properties().maximum_len() == Some(1)
}

/// Returns a copy of the parts for each alternative of the first part that has
/// alternatives.
pub(super) fn split(parts: &Parts) -> Option<Vec<Parts>> {
    let alternatives = |atoms: &[Hir]| -> Option<Vec<Vec<Hir>>> {
        let branches = |hir: &Hir| match hir.kind() {
            HirKind::Alternation(branches) => Some(branches.clone()),
            HirKind::Capture(capture) => match capture.sub.kind() {
                HirKind::Alternation(branches) => Some(branches.clone()),
                _ => None,
            },
            _ => None,
        };
        let (at, branches) = atoms.iter().enumerate().find_map(|(at, hir)| Some((at, branches(hir)?)))?;
        let put = |branch: Hir| [&atoms[..at], &flatten(&[branch]), &atoms[at + 1..]].concat();
        Some(branches.into_iter().map(put).collect())
    };
    if let Some(ways) = alternatives(&parts.before) {
        return Some(ways.into_iter().map(|before| Parts { before, ..parts.clone() }).collect());
    }
    let ways = alternatives(&parts.secret)?;
    Some(ways.into_iter().map(|secret| Parts { secret, ..parts.clone() }).collect())
}
