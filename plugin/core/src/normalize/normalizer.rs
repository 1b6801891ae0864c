//! Normalization of one record after the other.

use super::Mappings;
use super::mappings::Mapping;
use super::program::{Case, Program};
use super::run::{Copied, Run};
use super::walk::walk;
use crate::memory::{OutOfMemory, put};
use crate::record::canonical::Canonical;
use crate::record::tape::{Dialect, LEFT_OUT, REMOVED, Tape, Unreadable};
use crate::record::{RECORD_BYTES_MAX, RECORD_DEPTH_MAX, output};
use alloc::vec::Vec;

/// The number of bytes that an event may have in addition to twice those of its record.
const EVENT_BYTES_MORE: usize = 64 << 10;

/// Turns one record after the other into an event. Its memory is kept between them.
#[derive(Debug)]
pub(crate) struct Normalizer<'p> {
    mappings: Mappings<'p>,
    /// The mapping that was read last, with its number.
    read: Option<(u8, Mapping<'p>)>,
    /// The case of it that holds for the record.
    case: Option<Case>,
    /// True if the event has the record as text.
    keeps_text: bool,
    /// True if records under the tag become events.
    is_asked: bool,
    is_done: bool,
    /// The values of the event whose canonical form may be another.
    copied: Vec<Copied>,
    slots: Vec<u32>,
    raw: Vec<u8>,
}

/// Returns the event that a mapping's program makes of a redacted record, without a seal; none if
/// no case holds, or if the event would be too long. The filter's time is `millis`.
pub fn event(program: &[u8], record: &[u8], millis: u64) -> Result<Option<Vec<u8>>, Unreadable> {
    let Some(program) = Program::read(program) else { return Ok(None) };
    let mut tape = Tape::new();
    tape.read(record, Dialect::FluentBit)?;
    let mut normalizer = Normalizer::new(Mappings::default());
    let (mut canonical, mut event) = (Canonical::new(), Vec::new());
    normalizer.read = Some((0, Mapping { name: b"", program }));
    let is_done = normalizer.choose_case(&mut tape, record, &mut canonical)?
        && normalizer.normalize(millis, &mut tape, record, &mut canonical, &mut event)?;
    if is_done {
        put(&mut event, b"}")?;
    }
    Ok(is_done.then_some(event))
}

impl<'p> Normalizer<'p> {
    fn new(mappings: Mappings<'p>) -> Self {
        Normalizer {
            mappings,
            read: None,
            case: None,
            keeps_text: false,
            is_asked: false,
            is_done: false,
            copied: Vec::new(),
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
        (self.is_asked, self.is_done, self.case) = (self.mappings.choose(tag, 0).0, false, None);
    }

    /// Chooses the mapping of the record on `tape`, and the case that holds. False if
    /// there is none: the record stays as it is.
    pub(crate) fn choose(
        &mut self,
        tag: &[u8],
        tape: &mut Tape,
        source: &[u8],
        canonical: &mut Canonical,
    ) -> Result<bool, OutOfMemory> {
        let (is_asked, choice) = self.mappings.choose(tag, tape.format);
        (self.is_asked, self.is_done, self.case) = (is_asked, false, None);
        let Some(choice) = choice else { return Ok(false) };
        self.keeps_text = choice.keeps_text;
        if self.read.as_ref().is_none_or(|(mapping, _)| *mapping != choice.mapping) {
            let mapping = self.mappings.mapping(choice.mapping.into());
            self.read = mapping.map(|mapping| (choice.mapping, mapping));
        }
        self.choose_case(tape, source, canonical)
    }

    /// Chooses the case of the mapping that holds. False if there is none.
    fn choose_case(
        &mut self,
        tape: &mut Tape,
        source: &[u8],
        canonical: &mut Canonical,
    ) -> Result<bool, OutOfMemory> {
        let Some((_, Mapping { program, .. })) = &self.read else { return Ok(false) };
        if tape.depth + program.depth > RECORD_DEPTH_MAX {
            return Ok(false);
        }
        if self.slots.len() == program.slots {
            self.slots.fill(0);
        } else {
            self.slots.clear();
            self.slots.try_reserve(program.slots).map_err(|_| OutOfMemory)?;
            self.slots.resize(program.slots, 0);
        }
        walk(program, tape, source, 0, 0, &mut self.slots)?;
        let run = Run::new(program, tape, source, canonical, &mut self.copied, &mut self.slots);
        let mut cases = (0..).map_while(|index| program.cases(index));
        self.case = cases.find(|case| run.holds(case.condition, case.conditions));
        Ok(self.case.is_some())
    }

    /// Turns the record on `tape`, for which a mapping was chosen, into its event: into its
    /// canonical form, and into the text that leaves, which is without its closing brace. False,
    /// and the record stays as it is, if the event would be too long.
    pub(crate) fn normalize(
        &mut self,
        millis: u64,
        tape: &mut Tape,
        source: &[u8],
        canonical: &mut Canonical,
        out: &mut Vec<u8>,
    ) -> Result<bool, OutOfMemory> {
        let (Some((_, mapping)), Some(case)) = (&self.read, self.case) else { return Ok(false) };
        self.raw.clear();
        if self.keeps_text {
            output::write(tape, source, 0, &mut self.raw)?;
        }
        let nodes = tape.nodes.len();
        let mut run = Run::new(&mapping.program, tape, source, canonical, &mut self.copied, &mut self.slots);
        run.raw = self.keeps_text.then_some(&self.raw);
        (run.millis, run.class) = (millis, case.class);
        run.budget = Some((2 * source.len() + EVENT_BYTES_MORE).min(RECORD_BYTES_MAX));
        run.run(case.turn, case.turns)?;
        let marks = run.marks;
        self.is_done = run.budget.is_some();
        if !self.is_done {
            restore(tape, nodes);
            return Ok(false);
        }
        write_out(tape, source, canonical.text(), &self.copied, out)?;
        let [behind_audit, behind_raw_data, behind_unmapped] = marks.behind;
        let end = canonical.text().len();
        canonical.exchange(behind_raw_data, marks.raw_data, marks.unmapped)?;
        let behind_unmapped = behind_unmapped + (marks.unmapped - marks.raw_data);
        canonical.exchange(behind_unmapped, marks.unmapped, end)?;
        canonical.end(behind_audit)?;
        Ok(true)
    }

    /// True if the record has become an event.
    pub(crate) fn is_done(&self) -> bool {
        self.is_done
    }

    /// The name of the mapping by which the record has become an event.
    pub(crate) fn name(&self) -> Option<&'p [u8]> {
        self.read.as_ref().filter(|_| self.is_done).map(|(_, mapping)| mapping.name)
    }

    /// True if the record was to become an event, and is none.
    pub(crate) fn has_failed(&self) -> bool {
        self.is_asked && !self.is_done
    }
}

/// Makes the tape that of the record again.
#[cold]
fn restore(tape: &mut Tape, nodes: usize) {
    tape.nodes.truncate(nodes);
    for node in tape.nodes.iter_mut().filter(|node| node.has(LEFT_OUT)) {
        node.flags &= !(REMOVED | LEFT_OUT);
    }
}

/// Writes the text of an event that leaves, without its last comma.
fn write_out(
    tape: &Tape,
    source: &[u8],
    text: &[u8],
    copied: &[Copied],
    out: &mut Vec<u8>,
) -> Result<(), OutOfMemory> {
    out.clear();
    let mut done = 0;
    for Copied { start, end, value } in copied {
        put(out, text.get(done..*start as usize).unwrap_or_default())?;
        output::write(tape, source, *value as usize, out)?;
        done = *end as usize;
    }
    put(out, text.get(done..).unwrap_or_default())?;
    if out.last() == Some(&b',') {
        out.pop();
    }
    Ok(())
}
