//! Labels of host names in Punycode, which stand for labels in other scripts (RFC 5890,
//! section 2.3.2.1).
//!
//! Each character is checked by itself and by its neighbours (RFC 5891 section 4.2, RFC
//! 5892). It is not checked that the label is in normal form, nor how writing directions
//! mix (RFC 5893).

use super::super::layout::characters::*;

/// The maximum number of characters in a label: a label has at most 63 bytes, and in
/// Punycode at least as many bytes as characters.
const CHARACTERS_MAX: usize = 63;

/// The properties of characters: each word has the first of a run of characters with
/// equal properties, and these properties, as in
/// [`layout`](super::super::layout::characters).
pub(crate) struct Characters<'a>(pub(crate) &'a [[u8; 4]]);

impl Characters<'_> {
    fn of(&self, character: u32) -> u32 {
        let start = |run: &[u8; 4]| u32::from_le_bytes(*run) & CODE_POINT;
        let next = self.0.partition_point(|run| start(run) <= character);
        let run = next.checked_sub(1).and_then(|run| self.0.get(run));
        run.map_or(0, |run| u32::from_le_bytes(*run))
    }

    fn is(&self, character: u32, what: u32) -> bool {
        self.of(character) & what != 0
    }

    /// Checks whether `encoded`, a label without its `xn--`, stands for an allowed label.
    pub(crate) fn is_label(&self, encoded: &[u8]) -> bool {
        let mut buffer = [0; CHARACTERS_MAX];
        let Some(label) = decode(encoded, &mut buffer) else {
            return false;
        };
        const HYPHEN: u32 = b'-' as u32;
        let has_misplaced_hyphen = label.first() == Some(&HYPHEN)
            || label.last() == Some(&HYPHEN)
            || label.get(2..4) == Some(&[HYPHEN; 2]);
        let is_any = label.iter().any(|character| *character >= 0x80);
        is_any
            && !has_misplaced_hyphen
            && !label.first().is_some_and(|first| self.is(*first, MARK))
            && (0..label.len()).all(|at| self.may_be(label, at))
    }

    /// Checks whether the character at `at` is allowed there (RFC 5892, appendix A).
    fn may_be(&self, label: &[u32], at: usize) -> bool {
        let before = at.checked_sub(1).and_then(|before| label.get(before)).copied().unwrap_or(0);
        let after = label.get(at + 1).copied().unwrap_or(0);
        let has = |first: u32, last: u32| label.iter().any(|other| (first..=last).contains(other));
        const L: u32 = b'l' as u32;
        match label[at] {
            ..0x80 => true,
            0x200c => self.is(before, VIRAMA) || self.is_between_joined(label, at),
            0x200d => self.is(before, VIRAMA),
            0xb7 => before == L && after == L,
            0x375 => self.is(after, GREEK),
            0x5f3 | 0x5f4 => self.is(before, HEBREW),
            0x30fb => label.iter().any(|other| self.is(*other, JAPANESE)),
            0x660..=0x669 => !has(0x6f0, 0x6f9),
            0x6f0..=0x6f9 => !has(0x660, 0x669),
            other => self.is(other, VALID),
        }
    }

    /// Checks the rule of appendix A.1: the characters on both sides join across this
    /// one.
    fn is_between_joined(&self, label: &[u32], at: usize) -> bool {
        let joins = |character: Option<&u32>, what| character.is_some_and(|other| self.is(*other, what));
        let is_solid = |character: &&u32| !self.is(**character, TRANSPARENT);
        joins(label[..at].iter().rev().find(is_solid), JOINS_LEFT)
            && joins(label[at + 1..].iter().find(is_solid), JOINS_RIGHT)
    }
}

/// Decodes Punycode (RFC 3492, section 6.2).
fn decode<'b>(encoded: &[u8], out: &'b mut [u32; CHARACTERS_MAX]) -> Option<&'b [u32]> {
    const BASE: u32 = 36;
    const T_MIN: u32 = 1;
    const T_MAX: u32 = 26;
    const SKEW: u32 = 38;
    let (basic, extended) = match encoded.iter().rposition(|byte| *byte == b'-') {
        Some(at) => (&encoded[..at], &encoded[at + 1..]),
        None => (&b""[..], encoded),
    };
    let mut len = 0;
    for byte in basic {
        *out.get_mut(len)? = byte.to_ascii_lowercase().into();
        len += 1;
    }
    let (mut code_point, mut index, mut bias, mut damp) = (0x80u32, 0u32, 72, 700);
    let mut digits = extended.iter();
    while !digits.as_slice().is_empty() {
        let (before, mut weight, mut k) = (index, 1u32, BASE);
        loop {
            let digit = match *digits.next()? {
                letter @ (b'a'..=b'z' | b'A'..=b'Z') => u32::from(letter.to_ascii_lowercase() - b'a'),
                digit @ b'0'..=b'9' => u32::from(digit - b'0') + 26,
                _ => return None,
            };
            index = index.checked_add(digit.checked_mul(weight)?)?;
            let threshold = k.saturating_sub(bias).clamp(T_MIN, T_MAX);
            if digit < threshold {
                break;
            }
            weight = weight.checked_mul(BASE - threshold)?;
            k += BASE;
        }
        len += 1;
        let count = len as u32;
        // The bias is adapted by section 6.1.
        let mut delta = (index - before) / damp;
        damp = 2;
        delta += delta / count;
        let mut steps = 0;
        while delta > (BASE - T_MIN) * T_MAX / 2 {
            delta /= BASE - T_MIN;
            steps += BASE;
        }
        bias = steps + (BASE - T_MIN + 1) * delta / (delta + SKEW);
        code_point = code_point.checked_add(index / count)?;
        index %= count;
        char::from_u32(code_point)?;
        let at = index as usize;
        let place = out.get_mut(at..len)?;
        place.rotate_right(1);
        *place.first_mut()? = code_point;
        index += 1;
    }
    out.get(..len)
}
