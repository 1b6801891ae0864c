//! A tape that is being walked, and the walk's way into it.

use super::actor::Whose;
use super::name::Name;
use crate::memory::OutOfMemory;
use crate::policy::Policy;
use crate::policy::paths::{PathState, Ruling};
use crate::record::tape::{Kind, Tape};
use alloc::vec::Vec;

/// The frame is that of an array.
pub(super) const NO_KEY: u32 = u32::MAX;

/// A tape that is being walked.
#[derive(Debug, Default)]
pub(super) struct Level {
    pub(super) tape: Tape,
    /// What the tape was read from, if it was a string.
    pub(super) text: Vec<u8>,
    pub(super) open: Vec<Frame>,
    /// The path of that string, and what stands before every path in it.
    pub(super) path: Vec<u8>,
    /// The node to look at next.
    pub(super) next: usize,
    /// Where the walk starts, and what is said of all that is in it.
    pub(super) start: Place,
}

/// Where in the policy's paths a value is, and what holds for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) path: PathState,
    pub(super) ruling: Ruling,
    /// What the value's name says, where the rule for names is for it.
    pub(super) name: Name,
    /// Of whom it is.
    pub(super) whose: Whose,
}

impl Default for Place {
    fn default() -> Self {
        Place { path: 0, ruling: Ruling::None, name: Name::Plain, whose: Whose::Unknown }
    }
}

impl Place {
    /// Whether a name, and nothing else, is why there is a rule for it.
    pub(super) fn is_told(&self, policy: &Policy<'_>) -> bool {
        self.name != Name::Plain && policy.name_rule.map(Ruling::Rule) == Some(self.ruling)
    }

    /// Whether it is identities that there is a rule for it.
    pub(super) fn is_identity(&self, policy: &Policy<'_>) -> bool {
        policy.identity_rule.map(Ruling::Rule) == Some(self.ruling)
    }

    /// The same place, as if its name told nothing.
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
    /// A name beside it tells that the value in this object is a secret.
    pub(super) tells: Name,
    /// Whether a name was looked for.
    pub(super) is_told: bool,
    /// Whether it is about Secrets of Kubernetes, once that was asked.
    pub(super) is_of_secrets: Option<bool>,
}

impl Level {
    pub(super) fn begin(&mut self, start: Place) {
        self.open.clear();
        self.next = 0;
        self.start = start;
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
    /// An element of an array has turned out to be a secret's name: the next one is
    /// its value, behind an option, in a pair within a list, behind what is a header.
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

/// What holds for a value: what is said of itself, or else of what it is in.
pub(super) fn deeper(own: Ruling, outer: Ruling) -> Ruling {
    if own == Ruling::None { outer } else { own }
}
