//! Parts that are cut out of a text.

use super::program::{Cut, CutAt, Program};
use crate::text::{position, starts_with};
use core::ops::Range;

/// The length of an escape such as `\u00e9`.
const UNICODE_ESCAPE_BYTES: usize = 6;

/// The part of `text` that a cut says, which is the inside of a JSON string; none if there is none.
#[inline(never)]
pub(super) fn cut(program: &Program<'_>, cut: &Cut, text: &[u8]) -> Option<Range<usize>> {
    let before = program.text(cut.before, cut.before_len);
    let after = program.text(cut.after, cut.after_len);
    match CutAt::of(cut.at)? {
        CutAt::First => {
            let start = if before.is_empty() { 0 } else { find(text, before, 0)? + before.len() };
            let end = if after.is_empty() { text.len() } else { find(text, after, start)? };
            Some(start..end)
        }
        CutAt::Last => {
            let start = if before.is_empty() { 0 } else { find_last(text, before)? + before.len() };
            let end = if after.is_empty() { text.len() } else { find_last(text, after)? };
            (start <= end).then_some(start..end)
        }
        CutAt::Part => {
            let start = rest(text, before, cut.count)?;
            Some(start..find(text, before, start).unwrap_or(text.len()))
        }
        CutAt::Rest => Some(rest(text, before, cut.count)?..text.len()),
    }
}

/// Finds the start of the text behind this number of separators.
fn rest(text: &[u8], separator: &[u8], count: u16) -> Option<usize> {
    (0..count).try_fold(0, |start, _| Some(find(text, separator, start)? + separator.len()))
}

/// Finds a text from a place on.
#[inline(never)]
pub(super) fn find(text: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    let first = *wanted.first()?;
    let last = text.len().checked_sub(wanted.len())?;
    let mut at = from;
    while at <= last {
        at = position(text, first, at).filter(|at| *at <= last)?;
        if starts_with(text.get(at..)?, wanted) && !is_escaped(text, at) {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// Checks that a text ends with another one.
#[inline(never)]
pub(super) fn ends_with(text: &[u8], end: &[u8]) -> bool {
    text.ends_with(end) && !is_escaped(text, text.len() - end.len())
}

fn find_last(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let last = text.len().checked_sub(wanted.len())?;
    (0..=last).rev().find(|at| text.get(*at..at + wanted.len()) == Some(wanted) && !is_escaped(text, *at))
}

/// True if the byte at a place belongs to an escape that starts before it: `\n`, or `\u00e9`.
#[inline(never)]
fn is_escaped(text: &[u8], at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default();
    let near = before.get(at.saturating_sub(UNICODE_ESCAPE_BYTES - 1)..).unwrap_or_default();
    let Some(back) = near.iter().rev().position(|byte| *byte == b'\\') else { return false };
    let (upto, behind) = before.split_at(at - back);
    (back == 0 || behind.first() == Some(&b'u'))
        && upto.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_not_found_within_an_escape() {
        assert_eq!(find(b"a\\for b", b"for ", 0), None);
        assert_eq!(find(b"a\\\\for b", b"for ", 0), Some(3));
        assert_eq!(find(b"x for b for c", b"for ", 3), Some(8));
        assert_eq!(find_last(b"a:b\\:c", b":"), Some(1));
        assert!(ends_with(b"on", b"n") && ends_with(b"a\\n", b"\\n") && !ends_with(b"a\\n", b"n"));
        assert_eq!(find(b"ab", b"abc", 0), None);
        assert_eq!(find(b"ab", b"b", 5), None);
        assert_eq!(find(b"\\u00e9:e9", b"e9", 0), Some(7));
        assert_eq!(find(b"\\\\u00e9", b"e9", 0), Some(5));
        assert_eq!(find(b"\\u00e99 x", b"9 x", 0), Some(6));
        assert_eq!(find(b"\\n0000", b"0", 0), Some(2));
        assert_eq!(find_last(b"0\\u0000", b"0"), Some(0));
    }
}
