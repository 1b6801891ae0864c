//! The reasons why a value could not be checked to the end.

use super::unique::Undecided;
use crate::memory::OutOfMemory;

/// The reason why it is unknown whether a value is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotChecked {
    /// The nesting exceeds [`SCHEMA_DEPTH_MAX`](super::SCHEMA_DEPTH_MAX).
    TooDeep,
    /// The check would take more steps than allowed:
    /// [`SCHEMA_STEPS_MAX`](super::SCHEMA_STEPS_MAX) and
    /// [`SCHEMA_STEPS_A_NODE_MAX`](super::SCHEMA_STEPS_A_NODE_MAX) for each node.
    TooManySteps,
    /// The guest could not get enough memory.
    OutOfMemory,
    /// There is no value at that node.
    NoValue,
}

impl NotChecked {
    /// Returns the word for it in a seal.
    pub fn word(self) -> &'static str {
        match self {
            NotChecked::TooDeep => "too deep",
            NotChecked::TooManySteps => "too many steps",
            NotChecked::OutOfMemory => "out of memory",
            NotChecked::NoValue => "no value",
        }
    }
}

impl From<OutOfMemory> for NotChecked {
    fn from(_: OutOfMemory) -> Self {
        NotChecked::OutOfMemory
    }
}

impl From<Undecided> for NotChecked {
    fn from(undecided: Undecided) -> Self {
        match undecided {
            Undecided::Steps => NotChecked::TooManySteps,
            Undecided::Memory => NotChecked::OutOfMemory,
        }
    }
}
