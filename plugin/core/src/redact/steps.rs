//! Counts the work of redacting one record.
//!
//! A step is about twenty instructions of the guest. All work is counted that a hostile
//! text can cause again and again. Work that is done once for each byte of a record, such
//! as reading it, is not counted.

/// The maximum number of steps for one record, however long it is.
pub const REDACT_STEPS_MAX: u32 = 64 << 20;
/// The number of steps that every record may take, and the additional steps for each of
/// its bytes.
const STEPS_ALWAYS: u32 = 4 << 20;
const STEPS_PER_BYTE: u32 = 32;
/// A record of up to some 120 KB may take these steps, and for each of its bytes the additional
/// ones. So a record of 4 KB costs the guest less than 3,000 instructions a byte, whatever it
/// contains.
const SHORT_STEPS_ALWAYS: u32 = 128 << 10;
const SHORT_STEPS_PER_BYTE: u32 = 64;

/// The cost of a byte that goes through the scout.
pub(super) const SCOUT: usize = 1;
/// The cost of a byte that a lead or a pattern is walked over.
pub(super) const WALK: usize = 4;
/// The cost of a byte that a validator is shown, or that is read as JSON.
pub(super) const READ: usize = 8;
/// The cost of asking a detector at one place, and of asking a validator.
pub(super) const ASK: usize = 32;
/// The cost of splitting a name into words and looking them up.
pub(super) const NAME: usize = 256;
/// The cost of recording one finding.
pub(super) const FOUND: usize = 128;
/// The cost of an HMAC over a short value.
pub(super) const HMAC: usize = 1024;

/// Returns the maximum number of steps for a record of `record_len` bytes: never more
/// than [`REDACT_STEPS_MAX`]. When they are used up, the rest of the record is masked.
pub fn steps_max(record_len: usize) -> u32 {
    let len = u32::try_from(record_len).unwrap_or(u32::MAX);
    let long = len.saturating_mul(STEPS_PER_BYTE).saturating_add(STEPS_ALWAYS);
    let short = len.saturating_mul(SHORT_STEPS_PER_BYTE).saturating_add(SHORT_STEPS_ALWAYS);
    long.min(short).min(REDACT_STEPS_MAX)
}

/// The remaining steps of a record.
#[derive(Debug, Default)]
pub(super) struct Steps(u32);

/// Error: the work for the record has exceeded its steps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exhausted;

impl Steps {
    pub(super) fn of(record_len: usize) -> Self {
        Steps(steps_max(record_len))
    }

    /// Returns the number of steps that were taken for a text of this length.
    pub(super) fn taken(&self, len: usize) -> usize {
        steps_max(len).saturating_sub(self.0) as usize
    }

    /// Puts an eighth of the steps aside.
    pub(super) fn keep_some(&mut self) -> u32 {
        let kept = self.0 / 8;
        self.0 -= kept;
        kept
    }

    /// Returns the steps that were put aside.
    pub(super) fn give_back(&mut self, kept: u32) {
        self.0 = self.0.saturating_add(kept);
    }

    pub(super) fn take(&mut self, steps: usize) -> Result<(), Exhausted> {
        let left = u32::try_from(steps).ok().and_then(|steps| self.0.checked_sub(steps));
        self.0 = left.unwrap_or(0);
        left.map(drop).ok_or(Exhausted)
    }
}
