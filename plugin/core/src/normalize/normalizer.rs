//! Normalization of one record after the other.

use super::Mappings;
use super::mappings::Mapping;
use super::program::{Case, Program};
use super::run::Run;
use super::walk::walk;
use crate::memory::OutOfMemory;
use crate::record::tape::{Dialect, Node, Tape, Unreadable};
use crate::record::{RECORD_BYTES_MAX, RECORD_DEPTH_MAX, output};
use alloc::vec::Vec;
use core::mem;

/// The number of bytes that an event may have in addition to twice those of its record.
const EVENT_BYTES_MORE: usize = 64 << 10;

/// Turns one record after the other into an event. Its memory is kept between them.
#[derive(Debug)]
pub(crate) struct Normalizer<'p> {
    mappings: Mappings<'p>,
    /// The mapping of the record, and the case of it that holds.
    chosen: Option<(Mapping<'p>, Case)>,
    /// True if records under the tag become events.
    is_asked: bool,
    is_done: bool,
    event: Vec<Node>,
    slots: Vec<u32>,
    raw: Vec<u8>,
}

/// Returns the event that a mapping's program makes of a redacted record, without a seal; none if
/// no case holds, or if the event would be too long. The filter's time is `millis`.
pub fn event(program: &[u8], record: &[u8], millis: u64) -> Result<Option<Vec<u8>>, Unreadable> {
    let Some(program) = Program::read(program) else { return Ok(None) };
    let mapping = Mapping { name: b"", program, keeps_text: false };
    let mut tape = Tape::new();
    tape.read(record, Dialect::FluentBit)?;
    let mut normalizer = Normalizer::new(Mappings::default());
    let mut event = Vec::new();
    let is_done = normalizer.choose_case(mapping, &mut tape, record)?
        && normalizer.normalize(millis, &mut tape, record)?;
    if is_done {
        output::write(&tape, record, &mut event)?;
    }
    Ok(is_done.then_some(event))
}

impl<'p> Normalizer<'p> {
    fn new(mappings: Mappings<'p>) -> Self {
        Normalizer {
            mappings,
            chosen: None,
            is_asked: false,
            is_done: false,
            event: Vec::new(),
            slots: Vec::new(),
            raw: Vec::new(),
        }
    }

    /// Normalizes by these mappings; none if there are none.
    pub(crate) fn of(mappings: Mappings<'p>) -> Option<Self> {
        (!mappings.is_empty()).then(|| Normalizer::new(mappings))
    }

    /// Takes a record to be one under a tag, that could not be read.
    pub(crate) fn give_up(&mut self, tag: &[u8]) {
        (self.is_asked, self.is_done, self.chosen) = (self.mappings.choose(tag, 0).0, false, None);
    }

    /// Chooses the mapping of the record on `tape`, and the case that holds. False if
    /// there is none: the record stays as it is.
    pub(crate) fn choose(&mut self, tag: &[u8], tape: &mut Tape, source: &[u8]) -> Result<bool, OutOfMemory> {
        let (is_asked, mapping) = self.mappings.choose(tag, tape.format);
        (self.is_asked, self.is_done, self.chosen) = (is_asked, false, None);
        match mapping {
            Some(mapping) => self.choose_case(mapping, tape, source),
            None => Ok(false),
        }
    }

    /// Chooses the case of a mapping that holds. False if there is none.
    fn choose_case(
        &mut self,
        mapping: Mapping<'p>,
        tape: &mut Tape,
        source: &[u8],
    ) -> Result<bool, OutOfMemory> {
        let program = mapping.program;
        if tape.depth + program.depth > RECORD_DEPTH_MAX {
            return Ok(false);
        }
        self.slots.clear();
        self.slots.try_reserve(program.slots).map_err(|_| OutOfMemory)?;
        self.slots.resize(program.slots, 0);
        walk(&program, tape, source, 0, 0, &mut self.slots);
        let case = find_case(&program, tape, source, &mut self.event, &mut self.slots);
        self.chosen = case.map(|case| (mapping, case));
        Ok(self.chosen.is_some())
    }

    /// Turns the record on `tape`, for which a mapping was chosen, into its event. False, and
    /// the record stays as it is, if the event would be too long.
    pub(crate) fn normalize(
        &mut self,
        millis: u64,
        tape: &mut Tape,
        source: &[u8],
    ) -> Result<bool, OutOfMemory> {
        let Some((mapping, case)) = self.chosen else { return Ok(false) };
        self.raw.clear();
        if mapping.keeps_text {
            output::write(tape, source, &mut self.raw)?;
        }
        let budget = (2 * source.len() + EVENT_BYTES_MORE).min(RECORD_BYTES_MAX);
        let program = &mapping.program;
        let mut run =
            Run::new(program, tape, source, &mut self.event, &mut self.slots, case.class, millis, budget);
        run.raw = mapping.keeps_text.then_some(&self.raw);
        run.run(case.turn, case.turns)?;
        self.is_done = run.budget.is_some();
        if self.is_done {
            mem::swap(&mut tape.nodes, &mut self.event);
        }
        Ok(self.is_done)
    }

    /// The name of the mapping by which the record has become an event.
    pub(crate) fn name(&self) -> Option<&'p [u8]> {
        self.chosen.filter(|_| self.is_done).map(|(mapping, _)| mapping.name)
    }

    /// True if the record was to become an event, and is none.
    pub(crate) fn has_failed(&self) -> bool {
        self.is_asked && !self.is_done
    }
}

fn find_case(
    program: &Program<'_>,
    tape: &mut Tape,
    source: &[u8],
    event: &mut Vec<Node>,
    slots: &mut [u32],
) -> Option<Case> {
    let run = Run::new(program, tape, source, event, slots, 0, 0, 0);
    (0..).map_while(|index| program.cases(index)).find(|case| run.holds(case.condition, case.conditions))
}
