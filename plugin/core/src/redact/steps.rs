//! The work that redacting one record takes, counted.
//!
//! A step is about twenty instructions of the guest's. All is counted that a
//! hostile text can have done again and again; what is done once for each byte
//! of a record, such as reading it, is not.

/// The most steps for one record, however long it is.
pub const REDACT_STEPS_MAX: u32 = 64 << 20;
/// The steps that every record may take, and how many more for each of its
/// bytes.
const STEPS_ALWAYS: u32 = 4 << 20;
const STEPS_PER_BYTE: u32 = 32;

/// A byte that goes through the scout.
pub(super) const SCOUT: usize = 1;
/// A byte that a lead or a pattern is walked over.
pub(super) const WALK: usize = 4;
/// A byte that a validator is shown, or that is read as JSON.
pub(super) const READ: usize = 8;
/// A detector that is asked at one place, and a validator.
pub(super) const ASK: usize = 32;
/// A name that is taken apart into words, which are looked up.
pub(super) const NAME: usize = 256;
/// Writing down what was found.
pub(super) const FOUND: usize = 128;
/// An HMAC of a short value.
pub(super) const HMAC: usize = 1024;

/// The most steps for a record of so many bytes: [`REDACT_STEPS_MAX`] at the
/// most. What is left then is masked.
pub fn steps_max(record_len: usize) -> u32 {
    let len = u32::try_from(record_len).unwrap_or(u32::MAX);
    len.saturating_mul(STEPS_PER_BYTE).saturating_add(STEPS_ALWAYS).min(REDACT_STEPS_MAX)
}

/// What is left of a record's steps.
#[derive(Debug, Default)]
pub(super) struct Steps(u32);

/// The record's work has passed its steps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exhausted;

impl Steps {
    pub(super) fn of(record_len: usize) -> Self {
        Steps(steps_max(record_len))
    }

    /// How many a text of this length has taken.
    pub(super) fn taken(&self, len: usize) -> usize {
        steps_max(len).saturating_sub(self.0) as usize
    }

    /// Puts an eighth of them aside.
    pub(super) fn keep_some(&mut self) -> u32 {
        let kept = self.0 / 8;
        self.0 -= kept;
        kept
    }

    /// Adds what was put aside.
    pub(super) fn give_back(&mut self, kept: u32) {
        self.0 = self.0.saturating_add(kept);
    }

    pub(super) fn take(&mut self, steps: usize) -> Result<(), Exhausted> {
        let left = u32::try_from(steps).ok().and_then(|steps| self.0.checked_sub(steps));
        self.0 = left.unwrap_or(0);
        left.map(drop).ok_or(Exhausted)
    }
}
