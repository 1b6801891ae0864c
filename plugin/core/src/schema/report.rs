//! What is wrong with a record: places and rules, never values.

use super::program::Program;
use super::{PATH_BYTES_MAX, VIOLATIONS_MAX};
use crate::OutOfMemory;
use crate::digits::Digits;
use crate::tape::{Kind, Tape};
use crate::text::{Characters, inner};
use alloc::string::String;
use core::ops::Range;

/// A rule that does not hold, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation<'a> {
    /// Where in the record: a JSON Pointer (RFC 6901).
    pub instance: &'a str,
    /// The keyword; of a schema that is `false` and stands for itself,
    /// `false`.
    pub keyword: &'a str,
    /// Where in the schema's document: a JSON Pointer.
    pub schema: &'a str,
}

/// The violations of a record. The memory is kept from one to the next.
#[derive(Debug, Default)]
pub struct Report {
    text: String,
    violations: [[Part; 3]; VIOLATIONS_MAX],
    count: u32,
}

/// A part of the text: where it starts and where it ends.
type Part = (u32, u32);

impl Report {
    pub(super) const fn new() -> Self {
        Report { text: String::new(), violations: [[(0, 0); 3]; VIOLATIONS_MAX], count: 0 }
    }

    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.count = 0;
    }

    /// How many there are in all.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The first of them.
    pub fn violations(&self) -> impl ExactSizeIterator<Item = Violation<'_>> {
        let told = (self.count as usize).min(VIOLATIONS_MAX);
        self.violations[..told].iter().map(|[instance, keyword, schema]| Violation {
            instance: self.part(instance),
            keyword: self.part(keyword),
            schema: self.part(schema),
        })
    }

    fn part(&self, (start, end): &Part) -> &str {
        self.text.get(*start as usize..*end as usize).unwrap_or_default()
    }

    /// Adds a violation at the node `at` of the value at `root`.
    #[inline(never)]
    pub(super) fn add(
        &mut self,
        program: &Program<'_>,
        tape: &Tape,
        source: &[u8],
        (root, at): (usize, usize),
        path: u32,
    ) -> Result<(), OutOfMemory> {
        let index = self.count as usize;
        self.count = self.count.saturating_add(1);
        if index >= VIOLATIONS_MAX {
            return Ok(());
        }
        self.text.try_reserve(3 * (PATH_BYTES_MAX + '…'.len_utf8())).map_err(|_| OutOfMemory)?;
        let (schema, keyword) = program.path(path);
        let parts = [
            self.write(|out| out.pointer(tape, source, root, at)),
            self.write(|out| out.text(keyword)),
            self.write(|out| out.text(schema)),
        ];
        if let Some(violation) = self.violations.get_mut(index) {
            *violation = parts;
        }
        Ok(())
    }

    fn write(&mut self, write: impl FnOnce(&mut Cut<'_>) -> Option<()>) -> Part {
        let start = self.text.len();
        let room = start + PATH_BYTES_MAX;
        if write(&mut Cut { text: &mut self.text, range: start..room }).is_none() {
            self.text.push('…');
        }
        (start as u32, self.text.len() as u32)
    }
}

/// A path being written, up to its longest.
struct Cut<'a> {
    text: &'a mut String,
    range: Range<usize>,
}

impl Cut<'_> {
    fn character(&mut self, character: char) -> Option<()> {
        if self.text.len() + character.len_utf8() > self.range.end {
            return None;
        }
        self.text.push(character);
        Some(())
    }

    fn text(&mut self, text: &str) -> Option<()> {
        text.chars().try_for_each(|character| self.character(character))
    }

    /// From `root` down to `target`, which is in it.
    fn pointer(&mut self, tape: &Tape, source: &[u8], root: usize, target: usize) -> Option<()> {
        let mut at = root;
        while at != target {
            let is_object = tape.nodes.get(at)?.kind == Kind::Object;
            let end = tape.after(at);
            let (mut child, mut index) = (at + 1, 0);
            // The child that contains the target; of an object, by its key.
            while child < end {
                let value = if is_object { child + 1 } else { child };
                let next = tape.after(value);
                if target < next {
                    break;
                }
                child = next;
                index += 1;
            }
            if child >= end {
                return Some(());
            }
            self.character('/')?;
            if !is_object {
                self.text(core::str::from_utf8(Digits::of(index).as_bytes()).unwrap_or_default())?;
                at = child;
                continue;
            }
            for character in Characters::of(inner(tape.text(&tape.nodes[child], source))) {
                match character {
                    '~' => self.text("~0")?,
                    '/' => self.text("~1")?,
                    _ => self.character(character)?,
                }
            }
            at = if target == child { target } else { child + 1 };
        }
        Some(())
    }
}
