//! The validator: a machine with its own stack.
//!
//! The machine is always in one of two situations: at an instruction with a value, or
//! back from a subschema, which has either held or failed. A failure is reported and the
//! machine goes on, unless an instruction on the stack is waiting to know whether the
//! subschema holds; then the stack is cut back to that instruction at once.

use super::SCHEMA_DEPTH_MAX;
use super::layout::*;
use super::not_checked::NotChecked;
use super::program::{Check, Program};
use super::report::Report;
use super::unique::Unique;
use crate::record::tape::{Kind, Tape};
use alloc::vec::Vec;

/// An instruction that waits for a subschema.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    /// The place of the instruction in the code.
    pub(super) at: u32,
    /// The value that the instruction checks.
    pub(super) node: u32,
    /// For an instruction that walks: the current key or item. For one with several
    /// checks: the current check.
    pub(super) next: u32,
    /// For an instruction that counts: the count so far.
    pub(super) count: u32,
    /// For an instruction that walks an object: the next check of the member, and whether
    /// an earlier check applies to this member.
    pub(super) step: u32,
    pub(super) is_known: bool,
    /// For an instruction that catches failures: the previous value of
    /// [`Machine::catch`].
    pub(super) outer: u32,
    /// For an instruction that walks an object: the required members that were found.
    pub(super) seen: u64,
}

/// The next action of the machine.
pub(super) enum Next {
    /// Continue at the instruction [`Machine::pc`] with [`Machine::node`].
    Run,
    /// The subschema that the topmost frame waits for has held, or its failure has been
    /// reported.
    Passed,
    /// The subschema has failed, and the frame that catches failures has to know.
    Failed,
    /// Stop. The report has the reason.
    Stop,
}

pub(super) struct Machine<'a> {
    pub(super) program: Program<'a>,
    pub(super) tape: &'a Tape,
    pub(super) source: &'a [u8],
    pub(super) frames: &'a mut Vec<Frame>,
    pub(super) scratch: &'a mut Vec<u8>,
    pub(super) unique: &'a mut Unique,
    pub(super) report: &'a mut Report,
    pub(super) steps: u32,
    /// The number of frames up to the one that catches failures; 0 if failures are to be
    /// reported.
    pub(super) catch: u32,
    pub(super) pc: usize,
    pub(super) node: usize,
}

impl<'a> Machine<'a> {
    /// Runs the program on the value that the machine is at.
    pub(super) fn run(&mut self) {
        let mut next = self.enter(0, self.node);
        loop {
            next = match next {
                Next::Run => self.instructions(),
                Next::Passed if self.frames.is_empty() => return,
                Next::Passed => self.passed(),
                Next::Failed => self.failed(),
                Next::Stop => return,
            };
        }
    }

    /// Runs instructions up to one that applies a subschema, and starts that one.
    fn instructions(&mut self) -> Next {
        match self.assertions() {
            Next::Run => {}
            next => return next,
        }
        match self.program.word(self.pc) as u8 {
            instruction @ ..OBJECT => self.apply(instruction),
            instruction => self.start_walk(instruction),
        }
    }

    /// Runs instructions up to one that takes a frame and applies to the value.
    pub(super) fn assertions(&mut self) -> Next {
        loop {
            let word = self.program.word(self.pc);
            let next = match word as u8 {
                END => return Next::Passed,
                instruction @ CALL.. if self.is_for(instruction) => return Next::Run,
                CALL.. => Next::Passed,
                FLAT_OBJECT => self.flat_object(),
                assertion => self.assertion(assertion),
            };
            match next {
                Next::Passed => self.pc += length(word),
                other => return other,
            }
        }
    }

    /// Runs an instruction that consists of assertions only. Returns `Passed` also if it
    /// failed and the failure was reported.
    #[inline(always)]
    pub(super) fn assertion(&mut self, instruction: u8) -> Next {
        if self.steps == 0 {
            return self.stop(NotChecked::TooManySteps);
        }
        self.steps -= 1;
        let Some(node) = self.tape.nodes.get(self.node) else {
            return Next::Passed;
        };
        if instruction == FLAT_ARRAY {
            return if node.kind == Kind::Array { self.flat_array() } else { Next::Passed };
        }
        match self.holds(instruction, node) {
            Ok(true) => Next::Passed,
            Ok(false) if self.fail(self.program.word(self.pc + 1), self.node) => Next::Passed,
            Ok(false) => Next::Failed,
            Err(cause) => self.stop(cause),
        }
    }

    /// Checks whether an instruction with subschemas applies to values of this type.
    fn is_for(&self, instruction: u8) -> bool {
        let Some(node) = self.tape.nodes.get(self.node) else {
            return false;
        };
        match instruction {
            CALL..=IF => true,
            DEPENDENT_SCHEMA..=NAMES => node.kind == Kind::Object,
            ARRAY | CONTAINS => node.kind == Kind::Array,
            _ => false,
        }
    }

    /// Starts an instruction that applies subschemas to the same value.
    #[inline(never)]
    fn apply(&mut self, instruction: u8) -> Next {
        let (pc, node) = (self.pc, self.node);
        if self.steps == 0 {
            return self.stop(NotChecked::TooManySteps);
        }
        self.steps -= 1;
        if instruction == DEPENDENT_SCHEMA {
            match self.has_member(pc + 2) {
                Ok(true) => {}
                Ok(false) => {
                    self.pc += length(self.program.word(pc));
                    return Next::Run;
                }
                Err(cause) => return self.stop(cause),
            }
        }
        if let Err(cause) = self.push(0) {
            return self.stop(cause);
        }
        match instruction {
            CALL => self.enter(pc + 1, node),
            DEPENDENT_SCHEMA => self.enter(pc + 4, node),
            _ => {
                self.catch();
                self.enter(pc + 2, node)
            }
        }
    }

    /// Starts a subschema, whose check is at `at` in the code.
    pub(super) fn enter(&mut self, at: usize, node: usize) -> Next {
        self.start(Check::at(&self.program, at), node)
    }

    #[inline(always)]
    pub(super) fn start(&mut self, check: Check, node: usize) -> Next {
        let is_of = |node| self.is_of(check.mask, node);
        if check.mask != types::ALL && !self.tape.nodes.get(node).is_some_and(is_of) {
            return if self.fail(check.path, node) { Next::Passed } else { Next::Failed };
        }
        if check.code == 0 {
            return Next::Passed;
        }
        (self.pc, self.node) = (check.code as usize, node);
        Next::Run
    }

    /// Pushes a frame for the instruction that the machine is at.
    pub(super) fn push(&mut self, next: u32) -> Result<(), NotChecked> {
        if self.frames.len() >= SCHEMA_DEPTH_MAX {
            return Err(NotChecked::TooDeep);
        }
        if self.frames.len() == self.frames.capacity() {
            self.frames.try_reserve(16).map_err(|_| NotChecked::OutOfMemory)?;
        }
        self.frames.push(Frame {
            at: self.pc as u32,
            node: self.node as u32,
            next,
            count: 0,
            step: 0,
            is_known: false,
            outer: self.catch,
            seen: 0,
        });
        Ok(())
    }

    /// Makes the topmost frame the one that catches failures.
    pub(super) fn catch(&mut self) {
        self.catch = self.frames.len() as u32;
    }

    /// Removes the topmost frame, and continues behind its instruction.
    pub(super) fn leave(&mut self) -> Option<Frame> {
        let frame = self.frames.pop()?;
        self.catch = frame.outer;
        self.pc = frame.at as usize + length(self.program.word(frame.at as usize));
        self.node = frame.node as usize;
        Some(frame)
    }

    /// Removes the topmost frame, whose instruction has failed.
    fn leave_failed(&mut self) -> Next {
        let Some(frame) = self.leave() else {
            return Next::Passed;
        };
        let path = self.program.word(frame.at as usize + 1);
        if self.fail(path, frame.node as usize) { Next::Run } else { Next::Failed }
    }

    /// Reports a failure. Returns false if it is not reported, since the frame that
    /// catches failures has to know instead.
    pub(super) fn fail(&mut self, path: u32, node: usize) -> bool {
        if self.catch > 0 {
            return false;
        }
        self.report.add(node, path);
        true
    }

    #[cold]
    pub(super) fn stop(&mut self, cause: NotChecked) -> Next {
        self.report.stopped = Some(cause);
        Next::Stop
    }

    /// Continues after the subschema that the topmost frame waited for has held.
    fn passed(&mut self) -> Next {
        let Some(frame) = self.frames.last_mut() else {
            return Next::Passed;
        };
        let word = self.program.word(frame.at as usize);
        match word as u8 {
            OBJECT => self.walk_object(),
            ARRAY => self.walk_array(),
            NAMES => self.walk_names(),
            CONTAINS => {
                frame.count += 1;
                self.walk_contains()
            }
            ONE_OF => {
                frame.count += 1;
                if frame.count > 1 { self.leave_failed() } else { self.next_branch() }
            }
            NOT => self.leave_failed(),
            IF if frame.next == 0 => self.consequence(5),
            _ => {
                self.leave();
                Next::Run
            }
        }
    }

    /// Continues after a failure that the frame that catches failures has to know.
    fn failed(&mut self) -> Next {
        self.frames.truncate(self.catch as usize);
        let Some(frame) = self.frames.last() else {
            return Next::Passed;
        };
        match self.program.word(frame.at as usize) as u8 {
            ANY_OF | ONE_OF => self.next_branch(),
            CONTAINS => self.walk_contains(),
            IF => self.consequence(8),
            _ => {
                self.leave();
                Next::Run
            }
        }
    }

    /// Continues with the consequence of a condition.
    fn consequence(&mut self, operand: usize) -> Next {
        let Some(frame) = self.frames.last_mut() else {
            return Next::Passed;
        };
        frame.next = 1;
        self.catch = frame.outer;
        let (at, node) = (frame.at as usize, frame.node as usize);
        self.enter(at + operand, node)
    }

    /// Continues with the next of several subschemas.
    fn next_branch(&mut self) -> Next {
        let Some(frame) = self.frames.last_mut() else {
            return Next::Passed;
        };
        frame.next += 1;
        let frame = *frame;
        let at = frame.at as usize;
        let branch = 2 + CHECK_WORDS * frame.next as usize;
        if branch + CHECK_WORDS <= length(self.program.word(at)) {
            return self.enter(at + branch, frame.node as usize);
        }
        // No branch of `anyOf` has held. `oneOf` has counted those that did.
        if frame.count != 1 {
            return self.leave_failed();
        }
        self.leave();
        Next::Run
    }
}

/// Returns the length of an instruction, in words.
pub(super) fn length(word: u32) -> usize {
    (word >> 8).max(1) as usize
}
