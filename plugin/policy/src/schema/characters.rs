//! Computes the properties of characters for the format `hostname`.
//!
//! The characters that a label may have follow from their properties (RFC 5892, section
//! 3). So the result is right for this version of Unicode, and no table has to be
//! maintained.

use flb_audit_core::schema::layout::characters::*;
use regex_syntax::hir::{Class, HirKind};
use unicode_joining_type::{JoiningType, get_joining_type};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

/// LetterDigits (section 2.1), without the characters that are unstable under case
/// folding (2.2) or may be ignored (2.3).
const LETTERS_AND_DIGITS: &str = r"[[\p{Ll}\p{Lu}\p{Lo}\p{Nd}\p{Lm}\p{Mn}\p{Mc}]--[\p{Changes_When_Casefolded}\p{Default_Ignorable_Code_Point}\p{White_Space}\p{Noncharacter_Code_Point}]]";

/// IgnorableBlocks (section 2.4), OldHangulJamo (2.9), and the exceptions that are
/// disallowed (2.6).
const INVALID: [(u32, u32); 12] = [
    (0x20d0, 0x20ff),
    (0x1d100, 0x1d1ff),
    (0x1d200, 0x1d24f),
    (0x1100, 0x11ff),
    (0xa960, 0xa97c),
    (0xd7b0, 0xd7c6),
    (0xd7cb, 0xd7fb),
    (0x0640, 0x0640),
    (0x07fa, 0x07fa),
    (0x302e, 0x302f),
    (0x3031, 0x3035),
    (0x303b, 0x303b),
];

/// The exceptions that are valid (section 2.6).
const VALID_EXCEPTIONS: [u32; 6] = [0xdf, 0x3c2, 0x6fd, 0x6fe, 0xf0b, 0x3007];

/// Returns the first character of each run of characters with equal properties, together
/// with the properties.
pub(super) fn runs() -> Vec<u32> {
    let mut known = vec![0u32; char::MAX as usize + 1];
    let mut add = |class: &str, what: u32| {
        for (first, last) in ranges(class) {
            known[first as usize..=last as usize].iter_mut().for_each(|character| *character |= what);
        }
    };
    add(LETTERS_AND_DIGITS, VALID);
    add(r"\p{M}", MARK);
    add(r"\p{Script=Greek}", GREEK);
    add(r"\p{Script=Hebrew}", HEBREW);
    add(r"[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}]", JAPANESE);
    for (code, known) in known.iter_mut().enumerate() {
        let Some(character) = char::from_u32(code as u32) else {
            continue;
        };
        // Unstable (section 2.2).
        if !std::iter::once(character).nfkc().eq([character]) {
            *known &= !VALID;
        }
        if canonical_combining_class(character) == 9 {
            *known |= VIRAMA;
        }
        *known |= match get_joining_type(character) {
            JoiningType::LeftJoining => JOINS_LEFT,
            JoiningType::RightJoining => JOINS_RIGHT,
            JoiningType::DualJoining => JOINS_LEFT | JOINS_RIGHT,
            JoiningType::Transparent => TRANSPARENT,
            _ => 0,
        };
    }
    for (first, last) in INVALID {
        known[first as usize..=last as usize].iter_mut().for_each(|character| *character &= !VALID);
    }
    VALID_EXCEPTIONS.iter().for_each(|character| known[*character as usize] |= VALID);
    let mut runs: Vec<u32> = Vec::new();
    for (code, known) in (0..).zip(known) {
        if runs.last().map(|run| run & !CODE_POINT) != Some(known) {
            runs.push(known | code);
        }
    }
    runs
}

/// Returns the characters of a class in the syntax of regex-syntax.
fn ranges(class: &str) -> Vec<(u32, u32)> {
    let hir = regex_syntax::parse(class).map(regex_syntax::hir::Hir::into_kind);
    let Ok(HirKind::Class(Class::Unicode(class))) = hir else {
        unreachable!("{class} is a class");
    };
    class.iter().map(|range| (range.start().into(), range.end().into())).collect()
}
