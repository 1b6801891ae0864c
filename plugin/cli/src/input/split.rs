//! Splits bytes into texts: lines, the elements of arrays, and texts that are separated
//! by their braces.

use super::framing::{is_array, is_open};
use memchr::{memchr_iter, memchr2};
use std::ops::Range;

/// The byte before each text of a sequence, as in RFC 7464.
pub(super) const RECORD_SEPARATOR: u8 = 0x1e;

/// Returns the length of a line break that is written as the characters `\\n`, if one
/// stands here.
pub(super) fn literal_break(text: &[u8]) -> Option<usize> {
    matches!(text, [b'\\', b'n' | b'r' | b't', ..]).then_some(2)
}

/// Returns the place of the first line break or record separator. Strings in JSON have
/// neither.
fn first_break(bytes: &[u8]) -> Option<usize> {
    memchr2(b'\n', RECORD_SEPARATOR, bytes)
}

/// Returns the lines without their line breaks.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut start = 0;
    memchr_iter(b'\n', bytes).chain(std::iter::once(bytes.len())).map(move |end| {
        let line = start..end;
        start = end + 1;
        line
    })
}

/// Splits arrays into their elements, and consecutive texts, by counting brackets. An
/// element also ends at a line break or separator within a string, and at a brace that
/// starts a line while other lines are indented. So a broken record costs no other
/// record. An array that begins with something else than records is itself a text.
#[derive(Default)]
pub(super) struct Splitter {
    pub(super) elements: Vec<Range<usize>>,
    /// The place where the next scan begins.
    at: usize,
    /// The beginning of the element that is open.
    start: Option<usize>,
    depth: u32,
    in_string: bool,
    /// True if a line of the open element is indented.
    is_indented: bool,
    /// The number of arrays around the next element.
    arrays: u32,
}

impl Splitter {
    /// Scans more bytes. If `is_end`, the open element ends with them.
    pub(super) fn scan(&mut self, bytes: &[u8], is_end: bool) {
        while self.at < bytes.len() {
            if self.in_string {
                match memchr2(b'"', b'\\', &bytes[self.at..]) {
                    Some(found) if first_break(&bytes[self.at..self.at + found]).is_some() => {
                        self.end_at_line_break(bytes);
                    }
                    Some(found) if bytes[self.at + found] == b'"' => {
                        self.in_string = false;
                        self.at += found + 1;
                    }
                    // The escaped byte has not been read yet.
                    Some(found) if self.at + found + 1 >= bytes.len() && !is_end => {
                        self.at += found;
                        return;
                    }
                    Some(found) => self.at += found + 2,
                    None if first_break(&bytes[self.at..]).is_some() => self.end_at_line_break(bytes),
                    None => self.at = bytes.len(),
                }
                continue;
            }
            let byte = bytes[self.at];
            match (byte, self.start) {
                (b'"', _) => {
                    self.start.get_or_insert(self.at);
                    self.in_string = true;
                }
                (b'{', None) => {
                    self.start = Some(self.at);
                    self.depth = 1;
                }
                (b'{', Some(start)) if self.is_indented && starts_over(&bytes[start..self.at]) => {
                    self.push(start..self.at);
                    continue;
                }
                (b'{' | b'[', Some(_)) => self.depth += 1,
                (RECORD_SEPARATOR, None) => {}
                (RECORD_SEPARATOR, Some(start)) => self.push(start..self.at),
                (b' ' | b'\t', Some(start)) if self.at > start && bytes[self.at - 1] == b'\n' => {
                    self.is_indented = true;
                }
                (b'\\', None) if self.at + 1 == bytes.len() && !is_end => return,
                (b'\\', None) if literal_break(&bytes[self.at..]).is_some() => self.at += 1,
                (b'}' | b']', Some(start)) if self.depth > 0 => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        self.push(start..self.at + 1);
                    }
                }
                // A value that is not an object ends where the next element begins.
                (b',' | b']' | b'\n', Some(start)) if self.depth == 0 => {
                    self.push(start..self.at);
                    if byte == b']' {
                        self.arrays = self.arrays.saturating_sub(1);
                    }
                }
                (b'[', None) if self.arrays == 0 => {
                    let text = &bytes[self.at..];
                    if !is_end && is_open(text) {
                        return;
                    }
                    if is_array(text) {
                        self.arrays = 1;
                    } else {
                        self.start = Some(self.at);
                        self.depth = 1;
                    }
                }
                (b'[', None) => self.arrays = self.arrays.saturating_add(1),
                (b']', None) => self.arrays = self.arrays.saturating_sub(1),
                (b',', None) => {}
                (byte, None) if !byte.is_ascii_whitespace() => self.start = Some(self.at),
                _ => {}
            }
            self.at += 1;
        }
        self.at = self.at.min(bytes.len());
        if let Some(start) = self.start.filter(|_| is_end) {
            self.push(start..bytes.len());
        }
    }

    /// Returns true if an array has not ended.
    pub(super) fn is_in_array(&self) -> bool {
        self.arrays > 0
    }

    fn end_at_line_break(&mut self, bytes: &[u8]) {
        let end = first_break(&bytes[self.at..]).map_or(bytes.len(), |found| self.at + found);
        if let Some(start) = self.start {
            self.push(start..end);
        }
        self.in_string = false;
        self.at = end;
    }

    fn push(&mut self, element: Range<usize>) {
        self.elements.push(element);
        self.start = None;
        self.depth = 0;
        self.is_indented = false;
    }

    /// Returns the number of bytes that are finished. The next scan continues without
    /// them.
    pub(super) fn rebase(&mut self) -> usize {
        let done = self.start.unwrap_or(self.at).min(self.at);
        self.at -= done;
        self.start = self.start.map(|start| start - done);
        done
    }
}

/// Checks whether a brace behind an unfinished element starts another element: it is on a
/// new line and not the value of the text before it.
fn starts_over(open: &[u8]) -> bool {
    open.ends_with(b"\n") && !open.trim_ascii_end().ends_with(b":") && !open.trim_ascii_end().ends_with(b"[")
}
