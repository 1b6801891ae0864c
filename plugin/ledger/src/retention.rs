//! Chooses the closed file to delete next, and decides how old a file is.
//!
//! A clock can jump. So the age of a file that was closed in this run is measured by
//! monotonic time. For files of earlier runs there is only the clock: it has to say for
//! [`PATIENCE`] that the oldest file is too old. Then files are deleted one at a time, as
//! slowly as they were closed.

use crate::closed_files::{ClosedFile, ClosedFiles, FILES_MAX};
use crate::record_index::RecordIndex;
use crate::runs::Runs;
use crate::{Level, Line, Settings};
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The time for which the clock has to say that a file is too old.
const PATIENCE: Duration = Duration::from_secs(3600);
/// The number of the oldest files that are searched for one that can be deleted without
/// removing the proof of later records.
const CANDIDATES_MAX: usize = 64;

/// The clocks that retention uses.
pub struct Clock {
    /// The time of day.
    pub wall: Box<dyn Fn() -> SystemTime>,
    /// The time since a fixed moment, which never jumps.
    pub monotonic: Box<dyn Fn() -> Duration>,
}

impl Clock {
    pub(crate) fn seconds(&self) -> u64 {
        (self.wall)().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
    }
}

impl Default for Clock {
    fn default() -> Self {
        let start = Instant::now();
        Clock { wall: Box::new(SystemTime::now), monotonic: Box::new(move || start.elapsed()) }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// The times that are known in this run.
#[derive(Debug, Default)]
pub(crate) struct Retention {
    pub(crate) clock: Clock,
    /// The times at which files were closed, by the files' numbers.
    closed: BTreeMap<u64, Duration>,
    /// The time since when the clock says that the oldest file is too old.
    past_since: Option<Duration>,
    /// The time at which a file was last deleted because of the clock.
    deleted: Option<Duration>,
}

/// The contents of the ledger.
#[derive(Clone, Copy)]
pub(crate) struct Held<'a> {
    pub(crate) files: &'a ClosedFiles,
    pub(crate) index: &'a RecordIndex,
    /// The runs of the open file.
    pub(crate) open: &'a Runs,
}

impl Held<'_> {
    /// Checks that no later file has records that only a checkpoint in this file covers.
    fn is_free(&self, file: u64) -> bool {
        let is_needed = |(life, sequence)| {
            self.index.is_before_in_later(file, life, sequence) || self.open.is_before(&life, sequence)
        };
        !self.index.signed_in(file).into_iter().any(is_needed)
    }
}

impl Retention {
    pub(crate) fn new(clock: Clock) -> Self {
        Retention { clock, ..Retention::default() }
    }

    /// Notes that a file was closed now.
    pub(crate) fn closed(&mut self, file: u64) {
        self.closed.insert(file, (self.clock.monotonic)());
        if self.closed.len() > FILES_MAX {
            self.closed.pop_first();
        }
    }

    /// Notes that a file was deleted.
    pub(crate) fn deleted(&mut self, file: u64) {
        if self.closed.remove(&file).is_none() {
            self.deleted = Some((self.clock.monotonic)());
        }
    }

    /// Returns the file that is to be deleted now, and the property that asks for it.
    pub(crate) fn next<'a>(
        &mut self,
        held: Held<'a>,
        settings: &Settings,
        lines: &mut Vec<Line>,
    ) -> Option<(&'a ClosedFile, &'static str)> {
        if let Some(max) = settings.keep_bytes
            && held.files.bytes() > max
        {
            let free = held.files.kept().take(CANDIDATES_MAX).find(|file| held.is_free(file.number));
            return free.or_else(|| held.files.kept().next()).map(|file| (file, "keep_size"));
        }
        let keep = settings.keep_age?;
        let oldest = held.files.kept().next()?;
        if !self.is_past(oldest, keep, held.files, lines) {
            return None;
        }
        let candidates = held.files.kept().take(CANDIDATES_MAX);
        let mut past = candidates.take_while(|file| self.age(file) >= keep);
        let is_overdue = self.age(oldest) >= keep.saturating_mul(2);
        let free = past.find(|file| held.is_free(file.number));
        free.or(Some(oldest).filter(|_| is_overdue)).map(|file| (file, "keep_age"))
    }

    fn age(&self, file: &ClosedFile) -> Duration {
        match self.closed.get(&file.number) {
            Some(closed) => (self.clock.monotonic)().saturating_sub(*closed),
            None => Duration::from_secs(self.clock.seconds().saturating_sub(file.closed)),
        }
    }

    fn is_past(
        &mut self,
        oldest: &ClosedFile,
        keep: Duration,
        files: &ClosedFiles,
        lines: &mut Vec<Line>,
    ) -> bool {
        if self.age(oldest) < keep {
            self.past_since = None;
            return false;
        }
        if self.closed.contains_key(&oldest.number) {
            return true;
        }
        let now = (self.clock.monotonic)();
        let Some(since) = self.past_since else {
            self.past_since = Some(now);
            let what = format!(
                "by the clock {} is past keep_age: if the clock is right, the file is deleted in an hour",
                oldest.name()
            );
            lines.push((Level::Warn, what));
            return false;
        };
        let next = files.kept().nth(1).map_or(oldest.closed, |next| next.closed);
        let pace =
            Duration::from_secs(next.saturating_sub(oldest.closed)).clamp(Duration::from_secs(1), PATIENCE);
        now.saturating_sub(since) >= PATIENCE
            && self.deleted.is_none_or(|deleted| now.saturating_sub(deleted) >= pace)
    }
}
