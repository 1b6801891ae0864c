//! The text of strings and of members' names.

use crate::memory::{OutOfMemory, put};
use crate::record::tape::{ESCAPED, NON_ASCII, Node, Tape};
use crate::text::{Characters, inner};
use alloc::vec::Vec;

/// Returns a string's text in UTF-8. If the string is escaped, the text is written to
/// `buffer`.
pub(super) fn of<'b>(
    tape: &'b Tape,
    source: &'b [u8],
    node: &Node,
    buffer: &'b mut Vec<u8>,
) -> Result<&'b [u8], OutOfMemory> {
    let text = inner(tape.text(node, source));
    if !node.has(ESCAPED) {
        return Ok(text);
    }
    buffer.clear();
    for character in Characters::of(text) {
        put(buffer, character.encode_utf8(&mut [0; 4]).as_bytes())?;
    }
    Ok(buffer)
}

/// Returns the start and the length, in bytes, of the text between a token's quotes.
/// Without quotes, that is more than there is.
#[inline(always)]
pub(super) fn place(node: &Node) -> (usize, usize) {
    let start = node.start as usize + 1;
    (start, (node.end as usize).wrapping_sub(start + 1))
}

/// Returns the number of characters in a string.
pub(super) fn length(tape: &Tape, source: &[u8], node: &Node) -> usize {
    let text = inner(tape.text(node, source));
    match () {
        () if node.has(ESCAPED) => Characters::of(text).count(),
        () if node.has(NON_ASCII) => text.iter().filter(|byte| **byte & 0xc0 != 0x80).count(),
        () => text.len(),
    }
}

/// Checks whether two strings have the same characters.
pub(super) fn is_same(tape: &Tape, source: &[u8], a: &Node, b: &Node) -> bool {
    let (text_a, text_b) = (inner(tape.text(a, source)), inner(tape.text(b, source)));
    if a.has(ESCAPED) || b.has(ESCAPED) {
        Characters::of(text_a).eq(Characters::of(text_b))
    } else {
        text_a == text_b
    }
}
