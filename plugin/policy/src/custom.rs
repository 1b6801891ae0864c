//! Derives the trigger of a policy's own pattern: as much of its beginning as makes it
//! rare.
//!
//! The scout is one automaton over the triggers of all detectors, and must not grow much.
//! So the trigger of a pattern is short and does not look at its surroundings, which
//! would double the states of all others. The lead and the pattern itself do.

use flb_audit_core::redact::LEAD_BYTES_MAX;
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Capture, Hir, HirKind, Repetition};

/// The minimum length of a beginning that is rare enough, in bytes.
const TRIGGER_BYTES_MIN: usize = 4;
/// The maximum length of a beginning, in bytes: a lead is no longer.
const TRIGGER_BYTES_MAX: usize = 64;

/// A policy's own pattern, in the parts of a detector.
pub(crate) struct CustomPattern {
    pub(crate) trigger: String,
    pub(crate) lead: String,
}

/// Splits a pattern into its parts, or returns the problem with it.
pub(crate) fn parse(pattern: &str) -> Result<CustomPattern, String> {
    let hir = hir(pattern)?;
    let lead = beginning(&hir).unwrap_or_else(|| shortest(&hir));
    if lead.properties().maximum_len().is_none_or(|len| len > LEAD_BYTES_MAX) {
        return Err(format!(
            "a match may start more than {LEAD_BYTES_MAX} bytes ahead of what tells that it is one, and would be \
             missed; begin the pattern with {TRIGGER_BYTES_MIN} to {TRIGGER_BYTES_MAX} bytes that are always there, \
             as in `note='[^']*'`, or bound what it repeats, as in [a-z]{{1,20}}"
        ));
    }
    Ok(CustomPattern { trigger: without_looks(&lead).to_string(), lead: lead.to_string() })
}

/// Checks that a pattern parses and cannot match the empty text, which is everywhere.
pub(crate) fn check(pattern: &str) -> Result<(), String> {
    if hir(pattern)?.properties().minimum_len() == Some(0) {
        return Err(
            "it matches the empty text, which is everywhere; `+` in place of `*`, or `{1,20}`, asks for \
                    something"
                .into(),
        );
    }
    Ok(())
}

/// Returns the length of a pattern's matches in bytes, if it is always the same.
pub(crate) fn len(pattern: &str) -> Option<u8> {
    let properties = hir(pattern).ok()?.properties().clone();
    let len = properties.minimum_len().filter(|len| properties.maximum_len() == Some(*len));
    len.filter(|_| properties.look_set().is_empty()).and_then(|len| u8::try_from(len).ok())
}

fn hir(pattern: &str) -> Result<Hir, String> {
    let parsed = ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern);
    parsed.map_err(|error| error.to_string())
}

/// Returns the parts that a match starts with, if they are bounded and long enough. For
/// alternatives, these are the parts of each.
fn beginning(hir: &Hir) -> Option<Hir> {
    let parts = match hir.kind() {
        HirKind::Concat(parts) => parts,
        HirKind::Alternation(branches) => {
            return branches.iter().map(beginning).collect::<Option<_>>().map(Hir::alternation);
        }
        HirKind::Capture(capture) => return beginning(&capture.sub),
        HirKind::Repetition(repetition) if hir.properties().maximum_len().is_none() => {
            return Some(&repetition.sub).filter(|_| repetition.min > 0).and_then(|sub| beginning(sub));
        }
        _ => core::slice::from_ref(hir),
    };
    let (mut shortest, mut longest) = (0, 0);
    for (at, part) in parts.iter().enumerate() {
        let Some(len) = part.properties().maximum_len() else {
            let before = parts[..at].iter().cloned();
            return beginning(part).map(|part| Hir::concat(before.chain([part]).collect()));
        };
        longest += len;
        shortest += part.properties().minimum_len()?;
        if longest > TRIGGER_BYTES_MAX {
            return None;
        }
        if shortest >= TRIGGER_BYTES_MIN {
            return Some(Hir::concat(parts[..=at].to_vec()));
        }
    }
    None
}

/// Returns the part that every match starts with: the pattern, with the fewest
/// repetitions at its end.
fn shortest(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Repetition(repetition) => {
            Hir::repetition(Repetition { max: Some(repetition.min), ..repetition.clone() })
        }
        HirKind::Capture(capture) => shortest(&capture.sub),
        HirKind::Alternation(branches) => Hir::alternation(branches.iter().map(shortest).collect()),
        HirKind::Concat(parts) => match parts.split_last() {
            Some((last, before)) => Hir::concat(before.iter().cloned().chain([shortest(last)]).collect()),
            None => hir.clone(),
        },
        _ => hir.clone(),
    }
}

/// Returns the pattern without conditions on its surroundings.
fn without_looks(hir: &Hir) -> Hir {
    let inner = |hir: &Hir| Box::new(without_looks(hir));
    match hir.kind() {
        HirKind::Look(_) => Hir::empty(),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) => hir.clone(),
        HirKind::Repetition(repetition) => {
            Hir::repetition(Repetition { sub: inner(&repetition.sub), ..repetition.clone() })
        }
        HirKind::Capture(capture) => Hir::capture(Capture { sub: inner(&capture.sub), ..capture.clone() }),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(without_looks).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.iter().map(without_looks).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trigger_is_a_beginning_that_does_not_look_around() {
        for (pattern, trigger, lead) in [
            ("EMP-[0-9]+", r"(?:EMP\-)", r"(?:EMP\-)"),
            (r"\bEMPL[0-9]+\b", "(?:EMPL)", r"(?:(?-u:\b)(?:EMPL))"),
            ("BEGIN.*END", "(?:BEGIN)", "(?:BEGIN)"),
            ("(EMP-[0-9]+|(CUST)[0-9]*)$", r"(?:(?:EMP\-)|((?:CUST)))", r"(?:(?:EMP\-)|((?:CUST)))"),
            // No beginning is bounded and long enough.
            ("[a-z]{1,9}-x$", r"(?:(?-u:[a-z]){1,9}(?:\-x))", r"(?:(?-u:[a-z]){1,9}(?:\-x)\z)"),
            ("foo|ba[rz]+", "(?:(?:foo)|(?:(?:ba)(?-u:[rz])))", "(?:(?:foo)|(?:(?:ba)(?-u:[rz])))"),
            ("(note=[a-z])+", "(?:note=)", "(?:note=)"),
            (r"\bab|cd", "(?:(?:ab)|(?:cd))", r"(?:(?:(?-u:\b)(?:ab))|(?:cd))"),
        ] {
            let own = parse(pattern).expect(pattern);
            assert_eq!((&*own.trigger, &*own.lead), (trigger, lead), "{pattern}");
        }
    }

    #[test]
    fn a_match_that_would_be_missed_is_refused() {
        for pattern in ["[a-z]+-x$", "'[^']*'", "x*EMPL", "a.{300}b", "(a|b+)+c", "last[0-9]+$|x+y"] {
            let said = parse(pattern).err().unwrap_or_else(|| panic!("{pattern} is taken"));
            assert!(said.contains("more than 256 bytes"), "{pattern}: {said}");
        }
        for pattern in ["x+", "x{1,20}EMPL", "(?i)foo|ba[rz]+", "START.*STOP", "([a-z]{4})+x"] {
            assert!(parse(pattern).is_ok(), "{pattern}");
        }
    }
}
