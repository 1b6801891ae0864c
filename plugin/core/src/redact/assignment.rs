//! Values that a name declares to be secrets: `password=…`, `"token": "…"`,
//! `<password>…</password>`, `PASSWORD '…'`, `--password …`.
//!
//! A trigger ends in a name, or behind one. From there the name is read in both
//! directions, then the sign that assigns, then the value, by [`value`]. Every walk is
//! either bounded, or covers only bytes that are then redacted.

use super::name::{NAME_BYTES_MAX, Name};
use super::steps::{self, Steps};
use super::validate::{is_exempt, is_placeholder, is_prose, is_random_value, is_short_password};
use super::value::{self, Value};
use super::{command, fields};
use crate::policy::Validator;
use core::ops::Range;

/// The maximum distance from a name to the sign that assigns its value, in bytes: for the
/// user in `SET PASSWORD FOR`.
const AHEAD_BYTES_MAX: usize = 256;
/// The maximum space around the sign that assigns, in bytes.
const SPACE_BYTES_MAX: usize = 32;

/// The result of a trigger.
#[derive(Debug, Default)]
pub(super) struct Assignment {
    /// The kind of detector that this concerns, and the part to redact.
    pub(super) found: Option<(Validator, Range<usize>)>,
    /// True if the whole text is the name of a secret, whose value stands elsewhere.
    pub(super) is_name: bool,
}

/// Reads the assignment whose name a trigger ends in or behind. `asked` is the name that
/// the previous trigger led to, so that no name is read twice.
///
/// If the steps run out, none are left.
#[inline(never)]
pub(super) fn read(
    text: &[u8],
    trigger_end: usize,
    from: usize,
    asked: &mut Range<usize>,
    steps: &mut Steps,
) -> Assignment {
    let end = name_end(text, trigger_end, from);
    // In `-p`, the trigger is all there is of a name.
    let found = command::option(text, trigger_end, from, steps);
    let is_asked = asked.start >= from && end.is_some_and(|end| asked.contains(&(end - 1)));
    let range = end.filter(|_| found.is_none() && !is_asked).and_then(|end| name_at(text, end, from, steps));
    let Some(range) = range else {
        return Assignment { found, is_name: false };
    };
    *asked = range.clone();
    let Some(range) = without_marks(text, range) else {
        return Assignment::default();
    };
    // Most triggers are parts of paths and words. The next byte tells.
    let is_at_end = range.end == text.len() && range.start > 2;
    let follows = text.get(range.end).copied().unwrap_or(b' ');
    if is_at_end || !(follows <= b' ' || b"=:\"'`])}\\>(-".contains(&follows)) {
        return Assignment::default();
    }
    let Some((range, class)) = classify(text, range, from, steps) else {
        return Assignment::default();
    };
    if class == Name::Plain {
        let name = text.get(range.clone()).unwrap_or_default();
        let found =
            if name.eq_ignore_ascii_case(b"identified") { identified(text, range.end, steps) } else { None };
        return Assignment { found, is_name: false };
    }
    let found =
        assigned(text, &range, class, steps).filter(|(_, part)| part.start >= from && !part.is_empty());
    let is_whole = text.get(..range.start).is_some_and(|head| head.iter().all(|byte| *byte == b'-'))
        && range.end == text.len();
    Assignment { is_name: is_whole && class != Name::Random, found }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// Returns the end of the name that a trigger ends in or behind, as far as it was read.
fn name_end(text: &[u8], trigger_end: usize, from: usize) -> Option<usize> {
    let head = text.get(from..trigger_end)?;
    let behind = head.iter().rev().take(SPACE_BYTES_MAX).position(|byte| is_name(*byte))?;
    Some(trigger_end - behind)
}

/// Returns the name that contains `at` or ends there. If it starts more than
/// [`NAME_BYTES_MAX`] bytes earlier, only the part from there on is returned.
fn name_at(text: &[u8], at: usize, from: usize, steps: &mut Steps) -> Option<Range<usize>> {
    let head = text.get(from.max(at.saturating_sub(NAME_BYTES_MAX))..at)?;
    let start = at - head.iter().rev().take_while(|byte| is_name(**byte)).count();
    let end = at + text.get(at..)?.iter().take_while(|byte| is_name(**byte)).count();
    steps.take(steps::SCOUT * (end - start)).ok()?;
    Some(start..end)
}

/// Returns a name without the dashes before it and the full stops behind it: a full stop
/// may end a sentence.
fn without_marks(text: &[u8], range: Range<usize>) -> Option<Range<usize>> {
    let name = text.get(range.clone())?;
    let dashes = name.iter().take_while(|byte| **byte == b'-').count();
    let points = name.iter().rev().take_while(|byte| **byte == b'.').count();
    (dashes + points < name.len()).then_some(range.start + dashes..range.end - points)
}

/// Classifies a name, alone or together with the word before it: `secret key`.
fn classify(text: &[u8], name: Range<usize>, from: usize, steps: &mut Steps) -> Option<(Range<usize>, Name)> {
    steps.take(steps::NAME).ok()?;
    let class = Name::of(text.get(name.clone()).unwrap_or_default());
    // `sig` in a query is the signature of an Azure URL.
    let before = name.start.checked_sub(1).and_then(|at| text.get(at));
    if matches!(before, Some(b'?' | b'&')) && text.get(name.clone()) == Some(b"sig") {
        return Some((name, Name::Random));
    }
    if !matches!(class, Name::Plain | Name::Random) || name.start <= from + 1 || text[name.start - 1] != b' '
    {
        return Some((name, class));
    }
    let head =
        text.get(from.max(name.start.saturating_sub(NAME_BYTES_MAX))..name.start - 1).unwrap_or_default();
    let word = head.iter().rev().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let wider = name.start - 1 - word..name.end;
    Some(match Name::of(text.get(wider.clone()).unwrap_or_default()) {
        Name::Plain => (name, class),
        wide => (wider, wide),
    })
}

/// The sign that assigns a value.
struct Assigns {
    /// The start of the value.
    start: usize,
    /// True for every sign except a lone colon, which may be prose.
    is_certain: bool,
    /// True if there is space before the value.
    is_spaced: bool,
    /// True for a lone colon.
    is_colon: bool,
    /// True if nothing before the name makes the name a part of something longer.
    is_free: bool,
}

fn skip_space(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().take(SPACE_BYTES_MAX).take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

/// Skips quotes and brackets that close the name that ends at `at`.
fn skip_closers(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let is_closer = |byte: &u8| matches!(byte, b'"' | b'\'' | b'`' | b']' | b')' | b'}' | b'\\');
    at + rest.iter().take(8).take_while(|byte| is_closer(byte)).count()
}

fn assigns(text: &[u8], at: usize) -> Option<Assigns> {
    let at = skip_space(text, at);
    let signs = match text.get(at..)? {
        [b'=' | b':', b'=', b'=', ..] => 3,
        [b'=', b'>' | b'=', ..] | [b':', b'=' | b':', ..] | [b'-', b'>', ..] => 2,
        [b'=' | b':', ..] => 1,
        _ => return None,
    };
    let is_colon = text.get(at..at + signs)? == b":";
    let start = skip_space(text, at + signs);
    Some(Assigns { start, is_certain: !is_colon, is_spaced: start > at + signs, is_colon, is_free: false })
}

fn assigned(
    text: &[u8],
    name: &Range<usize>,
    class: Name,
    steps: &mut Steps,
) -> Option<(Validator, Range<usize>)> {
    if let Some(part) = fields::element(text, name, steps) {
        return checked_in(text, class, part);
    }
    if let Some(part) = fields::pair(text, name, steps) {
        return checked_in(text, class, part);
    }
    let behind = skip_closers(text, name.end);
    if let Some(assigns) = assigns(text, behind) {
        return match class {
            Name::Authorization => {
                fields::authorization(text, assigns.start, steps).map(|part| (Validator::Authorization, part))
            }
            Name::Cookie => cookie(text, &assigns, steps).map(|part| (Validator::Cookie, part)),
            _ => {
                // `map[token:…]` is free, but not the parts of an ARN.
                let before = name.start.checked_sub(1).and_then(|at| text.get(at));
                let is_free = !matches!(before, Some(b':' | b'/' | b'.'));
                let assigns = Assigns { is_free, ..assigns };
                let near = value::near(text, assigns.start);
                let found = checked(near, class, value::read(near, assigns.start, steps)?, &assigns)?;
                match near.len() == text.len() {
                    true => Some(found),
                    false => Some((found.0, value::read(text, assigns.start, steps)?.part)),
                }
            }
        };
    }
    if !matches!(class, Name::Password | Name::Credential | Name::Token | Name::Short) {
        return None;
    }
    let is_option = name.start > 0 && text.get(name.start - 1) == Some(&b'-');
    let start = skip_space(text, name.end);
    if is_option && start > name.end && text.get(start).is_some_and(|byte| *byte != b'-') {
        let value = value::read(text, start, steps)?;
        let is_secret = !is_placeholder(text.get(value.part.clone())?);
        return is_secret.then_some((Validator::Option, value.part));
    }
    if class == Name::Password && behind == name.end { sql(text, name, steps) } else { None }
}

/// Finds a password in SQL that is not assigned by a sign: `PASSWORD '…'`,
/// `PASSWORD('…')`, `PASSWORD FOR 'a'@'b' = '…'`.
fn sql(text: &[u8], name: &Range<usize>, steps: &mut Steps) -> Option<(Validator, Range<usize>)> {
    let mut at = skip_space(text, name.end);
    if text.get(at) == Some(&b'(') {
        at = skip_space(text, at + 1);
    } else if text.get(at..)?.get(..4)?.eq_ignore_ascii_case(b"for ") {
        let rest = text.get(at..)?;
        let ahead = rest.get(..AHEAD_BYTES_MAX).unwrap_or(rest);
        at = skip_space(text, at + ahead.iter().position(|byte| *byte == b'=')? + 1);
    } else if at == name.end {
        return None;
    }
    if !value::is_literal(text, at) && text.get(at..)?.iter().take(32).all(|byte| *byte != b'(') {
        return None;
    }
    let value = value::read(text, at, steps).filter(|value| value.is_quoted)?;
    let is_secret = !is_placeholder(text.get(value.part.clone())?);
    is_secret.then_some((Validator::Quoted, value.part))
}

/// Finds the password behind `IDENTIFIED`: `BY '…'`, `BY VALUES '…'`, `WITH plugin AS
/// '…'`.
fn identified(text: &[u8], at: usize, steps: &mut Steps) -> Option<(Validator, Range<usize>)> {
    let mut at = at;
    let mut is_by = false;
    for _ in 0..5 {
        let start = skip_space(text, at);
        if start == at {
            return None;
        }
        if value::is_literal(text, start) {
            let part = value::read(text, start, steps)?.part;
            let is_secret = !is_placeholder(text.get(part.clone())?);
            return is_secret.then_some((Validator::Quoted, part));
        }
        let rest = text.get(start..)?;
        let len = rest.iter().take(NAME_BYTES_MAX).take_while(|byte| is_name(**byte)).count();
        let word = rest.get(..len)?;
        let is_word = |words: &[&[u8]]| words.iter().any(|other| word.eq_ignore_ascii_case(other));
        if is_by && !is_word(&[b"password", b"values", b"random"]) {
            // Oracle writes the password without quotes.
            let part = value::read(text, start, steps)?.part;
            let is_secret = !is_placeholder(text.get(part.clone())?);
            return is_secret.then_some((Validator::Quoted, part));
        }
        if len == 0 {
            return None;
        }
        is_by = is_word(&[b"by"]);
        at = start + len;
    }
    None
}

fn cookie(text: &[u8], assigns: &Assigns, steps: &mut Steps) -> Option<Range<usize>> {
    let part = if value::is_literal(text, assigns.start)
        || !assigns.is_colon
        || text.get(assigns.start) == Some(&b'[')
    {
        value::read(text, assigns.start, steps)?.part
    } else {
        assigns.start..value::field_end(text, assigns.start, steps)?
    };
    let value = text.get(part.clone())?;
    let is_secret = !(is_placeholder(value) || assigns.is_colon && is_prose(value));
    (is_secret && !value.is_empty()).then_some(part)
}

/// Checks the value of an element or a pair, where the name alone decides.
fn checked_in(text: &[u8], class: Name, part: Range<usize>) -> Option<(Validator, Range<usize>)> {
    let assigns =
        Assigns { start: part.start, is_certain: true, is_spaced: false, is_colon: false, is_free: true };
    match class {
        Name::Authorization => Some((Validator::Authorization, part)),
        Name::Cookie => Some((Validator::Cookie, part)),
        class => checked(text, class, Value { part, is_quoted: true }, &assigns),
    }
}

fn checked(text: &[u8], class: Name, value: Value, assigns: &Assigns) -> Option<(Validator, Range<usize>)> {
    let bytes = text.get(value.part.clone())?;
    if is_placeholder(bytes) || is_exempt(bytes) {
        return None;
    }
    let is_certain = assigns.is_certain || value.is_quoted;
    let is_word = is_prose(bytes);
    let is_prose = !is_certain && assigns.is_spaced && is_word;
    let (validator, is_secret) = match class {
        Name::Password => (Validator::Password, !is_prose),
        Name::Credential => (Validator::RandomValue, !is_prose),
        Name::Short => (Validator::Password, is_short_password(bytes) && (is_certain || !is_word)),
        _ => (
            Validator::RandomValue,
            (is_certain || assigns.is_spaced || assigns.is_free) && is_random_value(bytes),
        ),
    };
    is_secret.then_some((validator, value.part))
}
