//! The results of a policy's schemas for one record after the other, in the form of their
//! seals.

use super::{Disposition, NotChecked, Outcome, Stream, Streams, Validator};
use crate::memory::{OutOfMemory, put, put_byte};
use crate::record::canonical::Canonical;
use crate::record::tape::{Dialect, Tape, Unreadable};
use crate::text;
use crate::text::digits::Digits;
use alloc::vec::Vec;

/// Checks records as they came in, before redaction, and writes the violations as the
/// records go out. The memory is kept between records.
#[derive(Debug)]
pub(crate) struct Validation<'p> {
    streams: Streams<'p>,
    /// The stream of the record, and its number.
    stream: Option<Stream<'p>>,
    chosen: Option<usize>,
    validator: Validator,
    validity: Validity,
    /// The record, read again without the members that a later one with the same key has
    /// replaced.
    again: Tape,
    /// The violations in the form of the seal; empty if there are none.
    invalid: Vec<u8>,
    violation: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Validity {
    /// The record is valid, or belongs to no stream.
    Nothing,
    Invalid,
    /// The record was not checked, for this reason.
    NotChecked(&'static str),
    /// The record itself was not checked, since the schema is for the records that it may
    /// hold. It is treated like an invalid one.
    Wrapped(Disposition),
    /// The record is invalid, perhaps because the schema is for the records that it may
    /// hold.
    InvalidWrapper,
}

/// The reason why a record that is sealed as raw text was not checked.
const NOT_READ: &str = "not read";
/// The reason why a record that may hold others was not checked: the schema is for those.
const WRAPPED: &str = "wrapped";

impl<'p> Validation<'p> {
    /// Creates a validation by these streams, or `None` if there are none.
    pub(crate) fn of(streams: Streams<'p>) -> Option<Self> {
        (!streams.is_empty()).then(|| Validation {
            streams,
            stream: None,
            chosen: None,
            validator: Validator::new(),
            validity: Validity::Nothing,
            again: Tape::new(),
            invalid: Vec::new(),
            violation: Vec::new(),
        })
    }

    /// Checks the record on `tape`, which was read from `source` and has not been
    /// redacted.
    pub(crate) fn check(&mut self, tag: &[u8], tape: &Tape, source: &[u8]) {
        let chosen = self.streams.choose(tag, Some((tape, source)));
        if chosen != self.chosen {
            self.chosen = chosen;
            self.stream = chosen.and_then(|index| self.streams.stream(index));
        }
        self.invalid.clear();
        self.validity = match &self.stream {
            Some(stream) => {
                Validity::of(self.validator.check(&stream.program, tape, source)).of_wrapper(stream, tape)
            }
            None if tape.is_wrapper => {
                self.streams.of_wrappers(tag).map_or(Validity::Nothing, Validity::Wrapped)
            }
            None => Validity::Nothing,
        };
    }

    /// Checks the record again, without the members that a later one with the same key
    /// has replaced.
    #[cold]
    pub(crate) fn check_without_duplicates(
        &mut self,
        source: &[u8],
        is_wrapper: bool,
        canonical: &mut Canonical,
    ) -> Result<(), Unreadable> {
        if let Some(stream) = &self.stream {
            self.again.read(source, Dialect::FluentBit)?;
            self.again.is_wrapper = is_wrapper;
            canonical.write(&mut self.again, source)?;
            self.validity = Validity::of(self.validator.check(&stream.program, &self.again, source))
                .of_wrapper(stream, &self.again);
        }
        Ok(())
    }

    /// Notes that a record cannot be checked, since it cannot be read.
    #[cold]
    pub(crate) fn give_up(&mut self, tag: &[u8]) {
        self.invalid.clear();
        self.validity = match self.streams.choose(tag, None) {
            Some(_) => Validity::NotChecked(NOT_READ),
            None => Validity::Nothing,
        };
        // The stream of the record is unknown.
        (self.stream, self.chosen) = (None, None);
    }

    /// Writes down the violations, and returns the record's disposition. The tape has
    /// been redacted.
    pub(crate) fn word(&mut self, tape: &Tape, source: &[u8]) -> Result<Disposition, OutOfMemory> {
        if self.validity.is_invalid() {
            self.word_violations(tape, source)?;
        }
        Ok(self.disposition())
    }

    /// Returns the record's disposition.
    fn disposition(&self) -> Disposition {
        match (self.validity, &self.stream) {
            (Validity::Wrapped(disposition), _) => disposition,
            (validity, Some(stream)) if validity.is_invalid() => stream.invalid,
            _ => Disposition::Mark,
        }
    }

    #[cold]
    fn word_violations(&mut self, tape: &Tape, source: &[u8]) -> Result<(), OutOfMemory> {
        let Some(stream) = &self.stream else {
            return Ok(());
        };
        let (report, out) = (self.validator.report(), &mut self.invalid);
        for (at, violation) in report.violations().iter().enumerate() {
            put_byte(out, if at == 0 { b'[' } else { b',' })?;
            self.violation.clear();
            report.write_instance(violation, tape, source, &mut self.violation)?;
            put_byte(&mut self.violation, b' ')?;
            violation.write_rule(&stream.program, &mut self.violation)?;
            text::write(&self.violation, out)?;
        }
        put_byte(out, b']')
    }

    /// Writes the members of the seal that state the record's disposition, which come
    /// before `key`.
    pub(crate) fn write_disposition(&self, out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
        let disposition = self.disposition();
        if disposition == Disposition::Mark {
            return Ok(());
        }
        put(out, b",\"disposition\":\"")?;
        put(out, disposition.name().as_bytes())?;
        put_byte(out, b'"')
    }

    /// Writes the members of the seal that list the violations.
    pub(crate) fn write_invalid(&self, out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
        if self.invalid.is_empty() {
            return Ok(());
        }
        put(out, b",\"invalid\":")?;
        put(out, &self.invalid)?;
        let report = self.validator.report();
        if report.count() as usize > report.violations().len() {
            put(out, b",\"invalid_count\":")?;
            put(out, Digits::of(report.count().into()).as_bytes())?;
        }
        Ok(())
    }

    /// Writes the member of the seal that names the schema.
    pub(crate) fn write_schema(&self, out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
        let Some(stream) = &self.stream else {
            return Ok(());
        };
        put(out, b",\"schema\":\"")?;
        put(out, stream.name)?;
        put_byte(out, b'"')
    }

    /// Writes the member of the seal that says why the record was not checked, or not to
    /// the end.
    pub(crate) fn write_unchecked(&self, out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
        let why = match self.validity {
            Validity::Nothing => None,
            Validity::Invalid => self.validator.report().stopped().map(NotChecked::word),
            Validity::NotChecked(why) => Some(why),
            Validity::Wrapped(_) | Validity::InvalidWrapper => Some(WRAPPED),
        };
        let Some(why) = why else {
            return Ok(());
        };
        put(out, b",\"unchecked\":\"")?;
        put(out, why.as_bytes())?;
        put_byte(out, b'"')
    }
}

impl Validity {
    fn is_invalid(self) -> bool {
        matches!(self, Validity::Invalid | Validity::InvalidWrapper)
    }

    /// Returns the validity of a record that a schema was run on. If the schema is built
    /// in and the record may hold others, its violations say nothing about those. They
    /// are listed only if invalid records are not just marked.
    fn of_wrapper(self, stream: &Stream<'_>, tape: &Tape) -> Self {
        match self {
            Validity::Invalid if !tape.is_wrapper || !stream.is_built_in() => self,
            Validity::Invalid if stream.invalid == Disposition::Mark => Validity::NotChecked(WRAPPED),
            Validity::Invalid => Validity::InvalidWrapper,
            validity => validity,
        }
    }

    fn of(outcome: Outcome<'_>) -> Self {
        match outcome {
            Outcome::Valid => Validity::Nothing,
            Outcome::Invalid(_) => Validity::Invalid,
            Outcome::NotChecked(cause) => Validity::NotChecked(cause.word()),
        }
    }
}
