//! The bounds of values in a text: space, closing signs, and bytes that end a bare value.

/// The maximum distance of a look ahead that tells whether a byte separates values or
/// belongs to one, in bytes.
pub(super) const AHEAD_BYTES_MAX: usize = 64;
/// The maximum space around the sign that assigns, in bytes.
pub(super) const SPACE_BYTES_MAX: usize = 32;

/// Skips space around a sign that assigns, and one end of a line that a shell ignores.
#[inline(never)]
pub(super) fn skip_space(text: &[u8], at: usize) -> usize {
    let space = |at: usize| {
        let rest = text.get(at..).unwrap_or_default();
        at + rest.iter().take(SPACE_BYTES_MAX).take_while(|byte| matches!(byte, b' ' | b'\t')).count()
    };
    match space(at) {
        end if text.get(end..end + 2) == Some(b"\\\n") => space(end + 2),
        end => end,
    }
}

/// Skips quotes and brackets that close the name that ends at `at`.
#[inline(never)]
pub(super) fn skip_closers(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let is_closer = |byte: &u8| matches!(byte, b'"' | b'\'' | b'`' | b']' | b')' | b'}' | b'\\');
    at + rest.iter().take(8).take_while(|byte| is_closer(byte)).count()
}

/// Checks for a byte that ends a bare value: space, a quote, a separator, a closing
/// bracket, or a sentence mark.
pub(super) fn is_end(byte: u8) -> bool {
    byte <= b' '
        || matches!(
            byte,
            b'"' | b'\'' | b'`' | b',' | b';' | b'&' | b'|' | b')' | b']' | b'}' | b'>' | b'.' | b'!' | b'?'
        )
}

/// Returns the first place of `wanted` from `from` on.
pub(super) fn find(text: &[u8], from: usize, wanted: &[u8]) -> Option<usize> {
    let (first, rest) = (wanted.first()?, text.get(from..)?);
    let is_here = |(at, byte): (usize, &u8)| {
        byte == first && rest.get(at..).is_some_and(|rest| rest.starts_with(wanted))
    };
    rest.iter().enumerate().position(is_here).map(|at| from + at)
}
