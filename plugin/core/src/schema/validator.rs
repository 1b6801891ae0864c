//! Checking values, one after the other.

use super::machine::{Frame, Machine};
use super::program::Program;
use super::report::Report;
use super::unique::{Undecided, Unique};
use super::{SCHEMA_STEPS_A_NODE_MAX, SCHEMA_STEPS_MAX};
use crate::memory::OutOfMemory;
use crate::record::tape::Tape;
use alloc::vec::Vec;

/// What a check has found.
#[derive(Debug)]
pub enum Outcome<'a> {
    /// The value is valid.
    Valid,
    /// It is not, and this is wrong with it, if no more.
    Invalid(&'a Report),
    /// It cannot be said.
    NotChecked(NotChecked),
}

/// Why it cannot be said whether a value is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotChecked {
    /// Past [`SCHEMA_DEPTH_MAX`](super::SCHEMA_DEPTH_MAX).
    TooDeep,
    /// It would take more steps than it may: [`SCHEMA_STEPS_MAX`] and
    /// [`SCHEMA_STEPS_A_NODE_MAX`] for each node.
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

/// Checks values, one after the other, in the same memory.
#[derive(Debug, Default)]
pub struct Validator {
    frames: Vec<Frame>,
    scratch: Vec<u8>,
    unique: Unique,
    report: Report,
}

impl Validator {
    /// With no memory taken yet.
    pub const fn new() -> Self {
        Validator { frames: Vec::new(), scratch: Vec::new(), unique: Unique::new(), report: Report::new() }
    }

    /// What was wrong with the value checked last.
    pub(super) fn report(&self) -> &Report {
        &self.report
    }

    /// Checks the record on `tape`, which was read from `source`. Members that
    /// were removed from it are not there; of others with the same key each
    /// one counts.
    pub fn check(&mut self, program: &Program<'_>, tape: &Tape, source: &[u8]) -> Outcome<'_> {
        self.check_value(program, tape, source, 0)
    }

    /// Checks a value of that record, the one at the node `root`. Paths start
    /// there.
    pub fn check_value(
        &mut self,
        program: &Program<'_>,
        tape: &Tape,
        source: &[u8],
        root: usize,
    ) -> Outcome<'_> {
        self.frames.clear();
        self.report.clear(root);
        if root >= tape.nodes.len() {
            return Outcome::NotChecked(NotChecked::NoValue);
        }
        let steps = (tape.nodes.len() as u32).saturating_mul(SCHEMA_STEPS_A_NODE_MAX);
        let mut machine = Machine {
            program: *program,
            tape,
            source,
            frames: &mut self.frames,
            scratch: &mut self.scratch,
            unique: &mut self.unique,
            report: &mut self.report,
            steps: steps.saturating_add(SCHEMA_STEPS_MAX),
            catch: 0,
            pc: 0,
            node: root,
        };
        machine.run();
        match self.report.stopped {
            _ if self.report.count() > 0 => Outcome::Invalid(&self.report),
            Some(cause) => Outcome::NotChecked(cause),
            None => Outcome::Valid,
        }
    }
}
