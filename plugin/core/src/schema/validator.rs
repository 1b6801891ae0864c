//! Checks one value after the other.

use super::machine::{Frame, Machine};
use super::not_checked::NotChecked;
use super::program::Program;
use super::report::Report;
use super::unique::Unique;
use super::{SCHEMA_STEPS_A_NODE_MAX, SCHEMA_STEPS_MAX};
use crate::record::tape::Tape;
use alloc::vec::Vec;

/// The result of a check.
#[derive(Debug)]
pub enum Outcome<'a> {
    /// The value is valid.
    Valid,
    /// The value is invalid. The report lists its violations, possibly not all.
    Invalid(&'a Report),
    /// It is unknown whether the value is valid.
    NotChecked(NotChecked),
}

/// Checks one value after the other, in the same memory.
#[derive(Debug, Default)]
pub struct Validator {
    frames: Vec<Frame>,
    scratch: Vec<u8>,
    unique: Unique,
    report: Report,
}

impl Validator {
    /// Creates a validator that has not allocated yet.
    pub const fn new() -> Self {
        Validator { frames: Vec::new(), scratch: Vec::new(), unique: Unique::new(), report: Report::new() }
    }

    /// Returns the violations of the last value.
    pub(super) fn report(&self) -> &Report {
        &self.report
    }

    /// Checks the record on `tape`, which was read from `source`. Members that were
    /// removed from the tape do not count. Among others with the same key, each one
    /// counts.
    pub fn check(&mut self, program: &Program<'_>, tape: &Tape, source: &[u8]) -> Outcome<'_> {
        self.check_value(program, tape, source, 0)
    }

    /// Checks the value at the node `root` of that record. Paths start there.
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
