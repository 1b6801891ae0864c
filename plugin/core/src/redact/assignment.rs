//! Values that a name declares to be secrets: `password=…`, `"token": "…"`,
//! `<password>…</password>`, `PASSWORD '…'`, `--password …`.
//!
//! A trigger ends in a name, or behind one. From there the name is read in both
//! directions, then the sign that assigns, then the value, by [`value`]. Every walk is
//! either bounded, or covers only bytes that are then redacted.

use super::actor::Actor;
use super::bounds::{SPACE_BYTES_MAX, skip_closers, skip_space};
use super::literal::is_literal;
use super::name::{NAME_BYTES_MAX, Name, is_in_name};
use super::steps::{self, Steps};
use super::validate::{is_exempt, is_placeholder, is_prose, is_random_value, is_short_password};
use super::value::{self, Value, is_value};
use super::{arguments, command, fields, sql};
use crate::policy::Validator;
use core::ops::Range;

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
    let found = command::password(text, trigger_end, from, steps).map(|part| (Validator::Option, part));
    let is_asked = asked.start >= from && end.is_some_and(|end| asked.contains(&(end - 1)));
    let range = end.filter(|_| found.is_none() && !is_asked).and_then(|end| name_at(text, end, from, steps));
    let Some(range) = range else {
        return Assignment { found, is_name: false };
    };
    *asked = range.clone();
    let Some(range) = without_marks(text, range) else {
        return Assignment::default();
    };
    if let Some(part) = arguments::of_program(text, &range, from, steps) {
        return Assignment { found: Some((Validator::Option, part)), is_name: false };
    }
    // Most triggers are parts of paths and words. The next byte tells.
    let is_at_end = range.end == text.len() && range.start > 2;
    let follows = text.get(range.end).copied().unwrap_or(b' ');
    let is_comment = text.get(range.end..range.end + 2) == Some(b"/*");
    if is_at_end || !(follows <= b' ' || is_comment || b"=:\"'`])}\\>(-,".contains(&follows)) {
        return Assignment::default();
    }
    let Some((range, class)) = classify(text, range, from, steps) else {
        return Assignment::default();
    };
    if class == Name::Plain {
        let name = text.get(range.clone()).unwrap_or_default();
        let found = if name.eq_ignore_ascii_case(b"identified") {
            sql::identified(text, range.end, steps)
        } else {
            None
        };
        return Assignment { found, is_name: false };
    }
    let found =
        assigned(text, &range, class, steps).filter(|(_, part)| part.start >= from && !part.is_empty());
    let is_whole = text.get(..range.start).is_some_and(|head| head.iter().all(|byte| *byte == b'-'))
        && range.end == text.len();
    Assignment { is_name: is_whole && class != Name::Random, found }
}

/// Returns the end of the name that a trigger ends in or behind, as far as it was read.
fn name_end(text: &[u8], trigger_end: usize, from: usize) -> Option<usize> {
    let head = text.get(from..trigger_end)?;
    let behind = head.iter().rev().take(SPACE_BYTES_MAX).position(|byte| is_in_name(*byte))?;
    Some(trigger_end - behind)
}

/// Returns the name that contains `at` or ends there. If it starts more than
/// [`NAME_BYTES_MAX`] bytes earlier, only the part from there on is returned.
fn name_at(text: &[u8], at: usize, from: usize, steps: &mut Steps) -> Option<Range<usize>> {
    let head = text.get(from.max(at.saturating_sub(NAME_BYTES_MAX))..at)?;
    let start = at - head.iter().rev().take_while(|byte| is_in_name(**byte)).count();
    let end = at + text.get(at..)?.iter().take_while(|byte| is_in_name(**byte)).count();
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

fn assigns(text: &[u8], at: usize) -> Option<Assigns> {
    let at = skip_space(text, at);
    let signs = match text.get(at..)? {
        // PHP serializes `s:8:"password";s:7:"…"`.
        [b';', b's', b':', rest @ ..] => {
            let digits = rest.iter().take(10).take_while(|byte| byte.is_ascii_digit()).count();
            if rest.get(digits..digits + 2) != Some(b":\"") {
                return None;
            }
            3 + digits + 1
        }
        [b'=' | b':', b'=', b'=', ..] => 3,
        [b'=', b'>' | b'=', ..] | [b':', b'=' | b':', ..] | [b'-', b'>', ..] => 2,
        [b'=' | b':', ..] => 1,
        _ => return None,
    };
    let is_colon = text.get(at..at + signs)? == b":";
    let mut start = skip_space(text, at + signs);
    // A shell goes on in the next line.
    if text.get(start..start + 2) == Some(b"\\\n") {
        start = skip_space(text, start + 2);
    }
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
    let is_option = name.start > 0 && text.get(name.start - 1) == Some(&b'-');
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
                let mut read =
                    |text| value::read_assigned(text, name.start, assigns.start, assigns.is_colon, steps);
                let near = value::near(text, assigns.start);
                let value = read(near)?;
                if is_free && before == Some(&b'(') && is_pam_function(near, &value, &assigns) {
                    return None;
                }
                // `--token=…` is certain to be one, as `--token …` is.
                let (validator, part) = match is_option && class == Name::Token && assigns.is_certain {
                    true => (Validator::Option, Some(value.part).filter(|part| is_value(near, part))?),
                    false => checked(near, class, value, &assigns)?,
                };
                match near.len() == text.len() {
                    true => Some((validator, part)),
                    false => Some((validator, read(text)?.part)),
                }
            }
        };
    }
    if matches!(class, Name::Plain | Name::Authorization | Name::Cookie)
        || class == Name::Random && !is_option
    {
        return None;
    }
    let start = skip_space(text, name.end);
    // `a1="--password" a2="…"`
    let field = arguments::skip_field(text, behind);
    let start = if field > behind { field } else { start };
    if is_option && start > name.end && text.get(start).is_some_and(|byte| *byte != b'-') {
        let part = value::read(text, start, steps)?.part;
        if class == Name::Random {
            let is_secret = is_random_value(text.get(part.clone())?);
            return is_secret.then_some((Validator::Option, part));
        }
        // In `config set --secret dbPassword …`, the option only says of which kind the name is.
        let is_name = class == Name::Token && Name::of(text.get(part.clone())?) == Name::Password;
        return (!is_name && is_value(text, &part)).then_some((Validator::Option, part));
    }
    if class == Name::Random {
        return None;
    }
    if let Some(part) = next_element(text, name, behind, is_option, steps) {
        return Some((if is_option { Validator::Option } else { Validator::Password }, part));
    }
    // In `auth=password user=ann`, the name is itself a value.
    if name.start > 0 && text.get(name.start - 1) == Some(&b'=') {
        return None;
    }
    if let Some(part) = arguments::of_command(text, name, behind, steps) {
        return Some((Validator::Option, part));
    }
    if behind == name.end { sql::unassigned(text, name, class, steps) } else { None }
}

/// Checks for what PAM logs: `pam_unix(passwd:chauthtok)` names a service and one of its functions
/// (pam(3)).
fn is_pam_function(text: &[u8], value: &Value, assigns: &Assigns) -> bool {
    const FUNCTIONS: [&[u8]; 6] = [b"account", b"auth", b"chauthtok", b"password", b"session", b"setcred"];
    let value = text.get(value.part.clone()).unwrap_or_default();
    assigns.is_colon && !assigns.is_spaced && FUNCTIONS.contains(&value)
}

/// Finds the literal behind a name in a list: `"--password","…"`, `('password', '…')`,
/// `define('PASSWORD', '…')`. A list of names only has no value: `["password", "lastLogin"]` may
/// be one as soon as a third literal follows.
fn next_element(
    text: &[u8],
    name: &Range<usize>,
    behind: usize,
    is_option: bool,
    steps: &mut Steps,
) -> Option<Range<usize>> {
    let comma = skip_space(text, behind);
    if text.get(comma) != Some(&b',') {
        return None;
    }
    let start = skip_space(text, comma + 1);
    let is_binary = text.get(start..start + 2) == Some(b"<<");
    if !is_literal(text, start) && !is_binary {
        return None;
    }
    let value = value::read(text, start, steps)?;
    let bytes = text.get(value.part.clone())?;
    if is_option {
        return (!is_placeholder(bytes)).then_some(value.part);
    }
    let before = text.get(..name.start)?.iter().rev().take(8);
    let opener = *before.clone().find(|byte| !matches!(byte, b'"' | b'\'' | b'\\' | b' '))?;
    let is_call = || {
        let quotes = before.take_while(|byte| **byte != b'(').count() + 1;
        let caller = name.start.checked_sub(quotes + 1).and_then(|at| text.get(at));
        caller.is_some_and(u8::is_ascii_alphanumeric)
    };
    let rest = text.get(skip_closers(text, value.part.end)..)?;
    let is_last = !matches!(rest, [b',', ..]);
    let is_pair = match opener {
        b'(' => is_last || is_call(),
        b'[' | b'{' => is_last,
        b'.' => true,
        _ => false,
    };
    (is_pair && is_short_password(bytes) && !is_prose(bytes)).then_some(value.part)
}

fn cookie(text: &[u8], assigns: &Assigns, steps: &mut Steps) -> Option<Range<usize>> {
    let part =
        if is_literal(text, assigns.start) || !assigns.is_colon || text.get(assigns.start) == Some(&b'[') {
            value::read(text, assigns.start, steps)?.part
        } else {
            assigns.start..value::field_end(text, assigns.start, steps)?
        };
    let value = text.get(part.clone())?;
    // Cookies are pairs (RFC 6265 section 4.1.1), also as frameworks print them. Behind a colon, all
    // else is prose.
    let is_pair = value.iter().any(|byte| matches!(byte, b'=' | b':'));
    let is_prose = assigns.is_colon && !is_pair && !is_random_value(value);
    (!is_placeholder(value) && !is_prose && !value.is_empty()).then_some(part)
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
    let may_be_prose = !is_certain && assigns.is_spaced;
    let is_prose = may_be_prose && is_word;
    if may_be_prose && is_actor(bytes) {
        return None;
    }
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

/// Checks for the field of an actor: `Failed password: user=ann`.
fn is_actor(value: &[u8]) -> bool {
    let name = value.split(|byte| *byte == b'=').next().filter(|name| name.len() < value.len());
    name.is_some_and(|name| matches!(Actor::of(name), Actor::Is | Actor::IsAnywhere))
}
