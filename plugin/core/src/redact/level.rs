//! A tape that is being walked, and the way of the walk into it.

use super::actor::Whose;
use super::name::Name;
use crate::memory::OutOfMemory;
use crate::policy::Policy;
use crate::policy::paths::{PathState, Ruling};
use crate::record::tape::{Kind, Tape};
use alloc::vec::Vec;

/// The `key` of a frame for an array.
pub(super) const NO_KEY: u32 = u32::MAX;

/// A tape that is being walked.
#[derive(Debug, Default)]
pub(super) struct Level {
    pub(super) tape: Tape,
    /// The text that the tape was read from, if it was a string.
    pub(super) text: Vec<u8>,
    pub(super) open: Vec<Frame>,
    /// The path of that string, which precedes every path in it.
    pub(super) path: Vec<u8>,
    /// The node to look at next.
    pub(super) next: usize,
    /// The place at which the walk starts. Its statements hold for everything on the
    /// tape.
    pub(super) start: Place,
    /// The private key whose lines are being walked, if its beginning was an element of an array
    /// or stood in one.
    pub(super) lines: Option<Lines>,
}

/// A value that goes on in the next texts of an array.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lines {
    /// The rule that applies to it.
    pub(super) rule: u16,
    /// The array, and the node behind it.
    array: u32,
    pub(super) end: u32,
}

impl Lines {
    /// Checks whether a text of the array belongs to the value: any element does, and members of
    /// elements that look like base64.
    pub(super) fn has(&self, level: &Level, text: &[u8]) -> bool {
        let is_element = level.open.last().is_some_and(|frame| frame.start == self.array);
        let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
        is_element || is_last_line(text) || text.len() >= 16 && text.trim_ascii().iter().all(is_base64)
    }
}

/// The end of a private key in PEM, in its last line.
const LAST_LINE: &[u8] = b"-----END";

/// Checks whether a text ends a private key.
pub(super) fn is_last_line(text: &[u8]) -> bool {
    text.windows(LAST_LINE.len()).any(|part| part == LAST_LINE)
}

/// The beginning of something in PEM, and the maximum length of a text that is searched for it
/// elsewhere than at its start, in bytes.
const FIRST_LINE: &[u8] = b"-----BEGIN";
const LINE_BYTES_MAX: usize = 128;

/// Checks whether a text has the beginning of something in PEM, and not its end.
pub(super) fn is_first_line(text: &[u8]) -> bool {
    let is_begun = text.trim_ascii_start().starts_with(FIRST_LINE)
        || text.len() <= LINE_BYTES_MAX && text.windows(FIRST_LINE.len()).any(|part| part == FIRST_LINE);
    is_begun && !is_last_line(text)
}

/// The place of a value in the policy's paths, and the statements that hold for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) path: PathState,
    pub(super) ruling: Ruling,
    /// The statement of the value's name, if the rule for names applies.
    pub(super) name: Name,
    /// The person to whom the value belongs.
    pub(super) whose: Whose,
}

impl Default for Place {
    fn default() -> Self {
        Place { path: 0, ruling: Ruling::None, name: Name::Plain, whose: Whose::Unknown }
    }
}

impl Place {
    /// Checks whether a name is the only reason why a rule applies.
    pub(super) fn is_told(&self, policy: &Policy<'_>) -> bool {
        self.name != Name::Plain && policy.name_rule.map(Ruling::Rule) == Some(self.ruling)
    }

    /// Checks whether the rule that applies is the one for identities.
    pub(super) fn is_identity(&self, policy: &Policy<'_>) -> bool {
        policy.identity_rule.map(Ruling::Rule) == Some(self.ruling)
    }

    /// Returns the same place, without the statement of its name.
    pub(super) fn untold(self) -> Place {
        Place { ruling: Ruling::None, name: Name::Plain, ..self }
    }
}

/// A container whose contents are being walked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) start: u32,
    pub(super) end: u32,
    /// The key of the member that is being looked at.
    pub(super) key: u32,
    pub(super) place: Place,
    /// The statement of a name in this object about the value beside it; in an array, of
    /// an element about the next one.
    pub(super) tells: Name,
    /// True if this object was searched for such a name.
    pub(super) is_told: bool,
    /// True if the object is about Kubernetes Secrets. `None` until that is checked.
    pub(super) is_of_secrets: Option<bool>,
}

impl Level {
    pub(super) fn begin(&mut self, start: Place) {
        self.open.clear();
        self.next = 0;
        self.start = start;
        self.lines = None;
    }

    /// Notes that a value goes on behind the text that is being looked at, if that is in an array.
    pub(super) fn go_on(&mut self, rule: u16) {
        let around = self.open.iter().rev().take(2).find(|frame| frame.key == NO_KEY);
        self.lines = around.map(|array| Lines { rule, array: array.start, end: array.end });
    }

    pub(super) fn open(&mut self, container: usize, place: Place) -> Result<(), OutOfMemory> {
        let node = &self.tape.nodes[container];
        let key = if node.kind == Kind::Object { container as u32 } else { NO_KEY };
        if self.open.len() == self.open.capacity() {
            self.open.try_reserve(16).map_err(|_| OutOfMemory)?;
        }
        let end = node.next;
        let start = container as u32;
        self.open.push(Frame {
            start,
            end,
            key,
            place,
            tells: Name::Plain,
            is_told: false,
            is_of_secrets: None,
        });
        Ok(())
    }
}

impl Level {
    /// Notes that an element of an array is the name of a secret. The next element is its
    /// value if the name is an option, if both are a pair within a list, or if the name
    /// is that of a header.
    pub(super) fn tell(&mut self, name: Name, is_option: bool, index: usize) {
        let is_list = |frame: &Frame| frame.key == NO_KEY;
        let is_in_list = self.open.len().checked_sub(2).and_then(|at| self.open.get(at)).is_some_and(is_list);
        let Some(frame) = self.open.last_mut().filter(|frame| is_list(frame)) else { return };
        let is_pair = is_in_list && self.tape.after(index + 1) == frame.end as usize;
        if is_option || is_pair || matches!(name, Name::Cookie | Name::Authorization) {
            frame.tells = name;
        }
    }
}

/// Returns the statement that holds for a value: its own, or else that of the container
/// around it.
pub(super) fn deeper(own: Ruling, outer: Ruling) -> Ruling {
    match own {
        // Only a text mentions somebody.
        Ruling::None if outer == Ruling::Mention => Ruling::None,
        Ruling::None => outer,
        own => own,
    }
}
