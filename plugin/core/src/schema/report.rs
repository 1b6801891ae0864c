//! The violations of a record: places and rules, never values.

use super::program::Program;
use super::{NotChecked, PATH_BYTES_MAX, VIOLATIONS_MAX};
use crate::memory::{OutOfMemory, put, put_byte};
use crate::record::tape::{Kind, REMOVED, Tape};
use crate::text::digits::Digits;
use crate::text::{Characters, inner};
use alloc::vec::Vec;

/// A rule that does not hold, and the place of the value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Violation {
    node: u32,
    /// The number of the program's path.
    path: u32,
}

/// The violations of a value.
#[derive(Debug, Default)]
pub struct Report {
    root: u32,
    violations: [Violation; VIOLATIONS_MAX],
    count: u32,
    pub(super) stopped: Option<NotChecked>,
}

impl Report {
    pub(super) const fn new() -> Self {
        let violations = [Violation { node: 0, path: 0 }; VIOLATIONS_MAX];
        Report { root: 0, violations, count: 0, stopped: None }
    }

    pub(super) fn clear(&mut self, root: usize) {
        (self.root, self.count, self.stopped) = (root as u32, 0, None);
    }

    /// Returns the number of violations. If the check has [stopped](Report::stopped),
    /// there may be more.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Returns the reason why the check did not reach its end, if it did not.
    pub fn stopped(&self) -> Option<NotChecked> {
        self.stopped
    }

    /// Returns the violations, at most [`VIOLATIONS_MAX`].
    pub fn violations(&self) -> &[Violation] {
        self.violations.get(..self.count as usize).unwrap_or(&self.violations)
    }

    /// Adds a violation at a node.
    pub(super) fn add(&mut self, node: usize, path: u32) {
        if let Some(violation) = self.violations.get_mut(self.count as usize) {
            *violation = Violation { node: node as u32, path };
        }
        self.count = self.count.saturating_add(1);
    }

    /// Writes the place of a violation in the value: a JSON Pointer as a fragment of a
    /// URI (RFC 6901 section 6). The tape may have been redacted since the check; the
    /// pointer ends at a part that was removed from it.
    pub fn write_instance(
        &self,
        violation: &Violation,
        tape: &Tape,
        source: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), OutOfMemory> {
        let mut pointer = Pointer::start(out)?;
        let (mut at, target) = (self.root as usize, violation.node as usize);
        while at != target {
            let Some(node) = tape.nodes.get(at) else {
                return Ok(());
            };
            let is_object = node.kind == Kind::Object;
            let end = tape.after(at);
            let (mut child, mut index) = (at + 1, 0);
            // The child is the one that contains the target; in an object, it is found by
            // its key.
            while child < end {
                let next = tape.after(if is_object { child + 1 } else { child });
                if target < next {
                    break;
                }
                child = next;
                index += 1;
            }
            if child >= end {
                return Ok(());
            }
            pointer.put(b"/")?;
            if is_object {
                for character in Characters::of(inner(tape.text(&tape.nodes[child], source))) {
                    match character {
                        '~' => pointer.put(b"~0")?,
                        '/' => pointer.put(b"~1")?,
                        _ => pointer.character(character)?,
                    }
                }
            } else {
                pointer.put(Digits::of(index).as_bytes())?;
            }
            if tape.nodes[child].has(REMOVED) {
                return Ok(());
            }
            at = if is_object && target != child { child + 1 } else { child };
        }
        Ok(())
    }
}

impl Violation {
    /// Writes the rule: its keyword (`false` for a schema that is `false`), a space, and
    /// its place in the schema's document, as a fragment like that of
    /// [`Report::write_instance`].
    pub fn write_rule(&self, program: &Program<'_>, out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
        let [start, rest, keyword] = program.path(self.path);
        [keyword, b" ", start, rest].into_iter().try_for_each(|part| put(out, part))
    }
}

impl Violation {
    /// Writes a space and the name of the missing member, if the violation is that a
    /// member is missing. The name is one of the schema's.
    pub fn write_missing(&self, program: &Program<'_>, out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
        match program.missing(self.path).filter(|name| name.len() <= PATH_BYTES_MAX) {
            Some(name) => [&b" "[..], name].into_iter().try_for_each(|part| put(out, part)),
            None => Ok(()),
        }
    }
}

/// A pointer that is being written, up to its maximum length.
struct Pointer<'a> {
    out: &'a mut Vec<u8>,
    end: usize,
    is_cut: bool,
}

impl<'a> Pointer<'a> {
    fn start(out: &'a mut Vec<u8>) -> Result<Self, OutOfMemory> {
        put_byte(out, b'#')?;
        let end = out.len() + PATH_BYTES_MAX;
        Ok(Pointer { out, end, is_cut: false })
    }

    fn put(&mut self, text: &[u8]) -> Result<(), OutOfMemory> {
        if self.is_cut {
            return Ok(());
        }
        if self.out.len() + text.len() > self.end {
            self.is_cut = true;
            return put(self.out, "…".as_bytes());
        }
        put(self.out, text)
    }

    /// Writes one character, percent-encoded unless it is allowed in a fragment (RFC 3986
    /// section 3.5).
    fn character(&mut self, character: char) -> Result<(), OutOfMemory> {
        const HEXADECIMAL: &[u8; 16] = b"0123456789ABCDEF";
        let mut utf8 = [0; 4];
        let utf8 = character.encode_utf8(&mut utf8).as_bytes();
        if let [byte] = utf8
            && (byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?".contains(byte))
        {
            return self.put(utf8);
        }
        let mut encoded = [b'%'; 12];
        for (byte, three) in utf8.iter().zip(encoded.chunks_exact_mut(3)) {
            three[1] = HEXADECIMAL[(byte >> 4) as usize];
            three[2] = HEXADECIMAL[(byte & 15) as usize];
        }
        self.put(&encoded[..3 * utf8.len()])
    }
}
