//! Literals in a text: values in quotes, with what escapes and joins them.

use super::bounds::{AHEAD_BYTES_MAX, find, is_end, skip_space};
use core::ops::Range;

/// The opening of a literal: the number of backslashes before its quote, the quote, and
/// the start of the content.
#[derive(Clone, Copy)]
pub(super) struct Opening {
    backslashes: usize,
    quote: u8,
    start: usize,
}

/// Returns the opening quote at `at`. A prefix may stand before it: `N'`, `u"`, `E'`,
/// `rb'`, `U&'`, `_utf8'`, `@"`, `\"`.
#[inline(never)]
pub(super) fn opening(text: &[u8], at: usize) -> Option<Opening> {
    let rest = text.get(at..)?;
    let prefix = match rest {
        [b'U' | b'u', b'&', b'\'', ..] => 2,
        [b'_', ..] => rest.iter().take(16).position(|byte| *byte == b'\'').unwrap_or(0),
        [b'@' | b'$', b'"' | b'\'', ..] => 1,
        [letter, b'"' | b'\'', ..] if letter.is_ascii_alphabetic() => 1,
        [one, two, b'"' | b'\'', ..] if one.is_ascii_alphabetic() && two.is_ascii_alphabetic() => 2,
        _ => 0,
    };
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'&' | b'@' | b'$');
    if !rest.get(..prefix)?.iter().all(is_name) {
        return None;
    }
    let rest = rest.get(prefix..)?;
    let backslashes = rest.iter().take(8).take_while(|byte| **byte == b'\\').count();
    let quote = *rest.get(backslashes).filter(|byte| matches!(byte, b'"' | b'\'' | b'`'))?;
    Some(Opening { backslashes, quote, start: at + prefix + backslashes + 1 })
}

/// Checks whether a literal starts at `at`.
#[inline(never)]
pub(super) fn is_literal(text: &[u8], at: usize) -> bool {
    opening(text, at).is_some() || dollar_quoted(text, at).is_some()
}

/// Returns the content of a literal, and the place where the text goes on behind it.
#[inline(never)]
pub(super) fn literal(text: &[u8], open: Opening) -> (Range<usize>, usize) {
    let Opening { backslashes, quote, start } = open;
    // `''text''`, a literal within a literal: its quotes are doubled.
    let is_doubled = backslashes == 0
        && text.get(start) == Some(&quote)
        && text.get(start + 1).is_some_and(|byte| *byte != quote && !is_end(*byte) && *byte != b'\\');
    let start = if is_doubled { start + 1 } else { start };
    let (mut at, mut run) = (start, 0);
    while let Some(&byte) = text.get(at) {
        if byte == b'\\' {
            run += 1;
        } else if byte == quote {
            // In a text that was escaped n times, a closing quote has 2ⁿ − 1 backslashes
            // before it, plus any multiple of 2ⁿ⁺¹.
            let closes = run & (2 * backslashes + 1) == backslashes;
            let is_pair = text.get(at + 1) == Some(&quote) && backslashes == 0;
            match (closes, is_pair) {
                (true, true) if is_doubled => return (start..at, at + 2),
                (true, true) => at += 1,
                (true, false) if is_doubled => {}
                (true, false) => return (start..at - backslashes.min(run), at + 1),
                (false, _) => {}
            }
            run = 0;
        } else {
            run = 0;
        }
        at += 1;
    }
    (start..text.len(), text.len())
}

/// Returns a literal together with those that an operator joins to it: `'a' + 'b'`, `'a' || 'b'`,
/// and `"old" -> "new"` of a change.
pub(super) fn joined(text: &[u8], part: Range<usize>, after: usize) -> Range<usize> {
    let (mut end, mut after) = (part.end, after);
    loop {
        let sign = skip_space(text, after);
        let len = operator(text, sign);
        let Some(open) = opening(text, skip_space(text, sign + len)) else { return part.start..end };
        let (next, behind) = literal(text, open);
        // Without an operator, a literal that follows may be the name of the next value.
        let is_last =
            || matches!(text.get(skip_space(text, behind)), None | Some(b')' | b';' | b'\n' | b'\r'));
        if len == 0 && !(sign > after && is_last()) {
            return part.start..end;
        }
        (end, after) = (next.end, behind);
    }
}

/// Returns the length of the operator at `at` that joins a value to another one, or a new one to an
/// old one. Returns 0 if there is none.
pub(super) fn operator(text: &[u8], at: usize) -> usize {
    match text.get(at..).unwrap_or_default() {
        [b'-' | b'=', b'>', ..] | [b'|', b'|', ..] | [b'?', b'?' | b':', ..] => 2,
        [b'+' | b'.', ..] => 1,
        [b'o' | b'O', b'r' | b'R', b' ', ..] | [b't', b'o', b' ', ..] => 2,
        _ => 0,
    }
}

/// Returns the part between `$tag$` and the next `$tag$`, PostgreSQL's quotes.
pub(super) fn dollar_quoted(text: &[u8], at: usize) -> Option<Range<usize>> {
    let rest = text.get(at..)?.strip_prefix(b"$")?;
    let is_tag = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80;
    let tag = rest.iter().take(AHEAD_BYTES_MAX).take_while(|byte| is_tag(byte)).count();
    if rest.get(tag) != Some(&b'$') || rest.first().is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let quote = text.get(at..at + tag + 2)?;
    let start = at + quote.len();
    let end = find(text, start, quote).unwrap_or(text.len());
    Some(start..end).filter(|part| !part.is_empty())
}
