//! Secrets in statements of SQL.

use super::bounds::{find, skip_closers, skip_space};
use super::literal::is_literal;
use super::name::{NAME_BYTES_MAX, Name, is_in_name};
use super::steps::Steps;
use super::validate::is_short_password;
use super::value::{self, is_value};
use crate::policy::Validator;
use core::ops::Range;

/// The maximum distance from a name to its value, in bytes: for comments, and for the user in
/// `SET PASSWORD FOR`.
const AHEAD_BYTES_MAX: usize = 256;

/// Skips white space and comments of SQL.
#[inline(never)]
fn skip_blank(text: &[u8], at: usize) -> usize {
    let mut end = at;
    while end < at + AHEAD_BYTES_MAX {
        let rest = text.get(end..).unwrap_or_default();
        let close: &[u8] = match rest {
            [b' ' | b'\t' | b'\r' | b'\n', ..] => {
                end += 1;
                continue;
            }
            [b'/', b'*', ..] => b"*/",
            [b'-', b'-', ..] => b"\n",
            _ => break,
        };
        let ahead = text.get(..end + AHEAD_BYTES_MAX).unwrap_or(text);
        match find(ahead, end, close) {
            Some(found) => end = found + close.len(),
            None => break,
        }
    }
    end
}

/// Finds a secret in SQL that is not assigned by a sign: `PASSWORD '…'`, `PASSWORD('…')`,
/// `PASSWORD FOR 'a'@'b' = '…'`, `password TO '…'`, `password IN ('…', '…')`. For other secrets
/// than passwords, the name has to be in capitals, or before `TO`.
pub(super) fn unassigned(
    text: &[u8],
    name: &Range<usize>,
    class: Name,
    steps: &mut Steps,
) -> Option<(Validator, Range<usize>)> {
    let mut at = skip_blank(text, name.end);
    let name_text = text.get(name.clone())?;
    let mut is_statement = class == Name::Password || !name_text.iter().any(u8::is_ascii_lowercase);
    if text.get(at..)?.get(..4)?.eq_ignore_ascii_case(b"for ") {
        let rest = text.get(at..)?;
        let ahead = rest.get(..AHEAD_BYTES_MAX).unwrap_or(rest);
        let sign = ahead.iter().position(|byte| *byte == b'=').map(|at| at + 1);
        let is_to = |at: &usize| {
            ahead[*at] == b' ' && matches!(ahead.get(at + 1..at + 4), Some([b't' | b'T', b'o' | b'O', b' ']))
        };
        let end = sign.or_else(|| (0..ahead.len()).find(is_to).map(|at| at + 4))?;
        at = skip_blank(text, at + end);
    } else {
        for word in [&b"to "[..], b"like ", b"in "] {
            if text.get(at..at + word.len()).is_some_and(|other| other.eq_ignore_ascii_case(word)) {
                at = skip_blank(text, at + word.len());
                is_statement = true;
            }
        }
        if text.get(at) == Some(&b'(') {
            at = skip_blank(text, at + 1);
        } else if at == name.end {
            return None;
        }
    }
    if !is_statement || !is_literal(text, at) && text.get(at..)?.iter().take(32).all(|byte| *byte != b'(') {
        return None;
    }
    let value = value::read(text, at, steps).filter(|value| value.is_quoted)?;
    let is_secret = is_value(text, &value.part)
        && (class == Name::Password || is_short_password(text.get(value.part.clone())?));
    is_secret.then(|| (Validator::Quoted, with_next(text, value.part, steps)))
}

/// Returns a literal together with those that follow it behind commas: `sp_password 'old', 'new'`.
fn with_next(text: &[u8], part: Range<usize>, steps: &mut Steps) -> Range<usize> {
    let mut end = part.end;
    loop {
        let comma = skip_space(text, skip_closers(text, end));
        let start = skip_space(text, comma + 1);
        if text.get(comma) != Some(&b',') || !is_literal(text, start) {
            return part.start..end;
        }
        match value::read(text, start, steps) {
            Some(next) => end = next.part.end,
            None => return part.start..end,
        }
    }
}

/// Finds the password behind `IDENTIFIED`: `BY '…'`, `BY VALUES '…'`, `WITH 'plugin' AS '…'`,
/// `VIA plugin USING '…'`.
pub(super) fn identified(text: &[u8], at: usize, steps: &mut Steps) -> Option<(Validator, Range<usize>)> {
    let mut at = at;
    let mut is_given = false;
    for _ in 0..5 {
        let start = skip_blank(text, at);
        if start == at {
            return None;
        }
        let is_quoted = is_literal(text, start);
        let rest = text.get(start..)?;
        let len = rest.iter().take(NAME_BYTES_MAX).take_while(|byte| is_in_name(**byte)).count();
        let word = rest.get(..len)?;
        let is_word = |words: &[&[u8]]| words.iter().any(|other| word.eq_ignore_ascii_case(other));
        // Oracle writes the password without quotes.
        if is_given && (is_quoted || len > 0 && !is_word(&[b"password", b"values", b"random"])) {
            let part = value::read(text, start, steps)?.part;
            return is_value(text, &part).then(|| (Validator::Quoted, with_replaced(text, part, steps)));
        }
        at = match is_quoted {
            // The name of a plugin.
            true => skip_closers(text, value::read(text, start, steps)?.part.end),
            false if len > 0 => start + len,
            false => return None,
        };
        is_given = is_given && !is_quoted || is_word(&[b"by", b"as", b"using"]);
    }
    None
}

/// Returns Oracle's new password together with the old one: `BY new REPLACE old`.
fn with_replaced(text: &[u8], part: Range<usize>, steps: &mut Steps) -> Range<usize> {
    let word = skip_blank(text, skip_closers(text, part.end));
    let is_replaced = text.get(word..word + 8).is_some_and(|other| other.eq_ignore_ascii_case(b"replace "));
    let old = is_replaced.then(|| value::read(text, skip_blank(text, word + 8), steps)).flatten();
    part.start..old.map_or(part.end, |old| old.part.end)
}
