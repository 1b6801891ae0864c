//! The reasons for which a value could not be checked to its end.

use super::unique::Undecided;
use crate::memory::OutOfMemory;

/// Why it cannot be said whether a value is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotChecked {
    /// Past [`SCHEMA_DEPTH_MAX`](super::SCHEMA_DEPTH_MAX).
    TooDeep,
    /// It would take more steps than it may: [`SCHEMA_STEPS_MAX`](super::SCHEMA_STEPS_MAX) and
    /// [`SCHEMA_STEPS_A_NODE_MAX`](super::SCHEMA_STEPS_A_NODE_MAX) for each node.
    TooManySteps,
    /// The guest could not get the memory.
    OutOfMemory,
    /// There is nothing at that node.
    NoValue,
}

impl NotChecked {
    /// As a seal has it.
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
