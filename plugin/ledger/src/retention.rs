//! Chooses the closed file to delete next, and decides how old a file is.
//!
//! A clock can jump. So the age of a file that was closed in this run is measured by
//! monotonic time. For files of earlier runs there is only the clock: it has to say for
//! [`PATIENCE`] that the oldest file is too old. Then files are deleted one at a time, as
//! slowly as they were closed.
//!
//! Files are always deleted in their order, so that no client can have a newer file deleted
//! in place of an older one. A file may have records that continue, by their heads, those
//! of a later file: a chunk came late. Without the older file, no signature reaches the
//! late records until their own file is deleted. So the files from the older one to the
//! later one are deleted together, as far as [`SHARE`] allows: a client may have sent the
//! late records to keep a file, or to have others deleted early.

use crate::closed_files::{ClosedFile, ClosedFiles, FILES_MAX};
use crate::record_index::RecordIndex;
use crate::{Level, Line, Settings};
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The time for which the clock has to say that a file is too old.
const PATIENCE: Duration = Duration::from_secs(3600);
/// Files are deleted earlier or later than the settings say by this fraction of the
/// setting at the most: a quarter.
const SHARE: u32 = 4;

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
    /// The last file that is to be deleted together with one that was deleted because of
    /// `keep_size`.
    through: u64,
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
        files: &'a ClosedFiles,
        index: &RecordIndex,
        settings: &Settings,
        lines: &mut Vec<Line>,
    ) -> Option<(&'a ClosedFile, &'static str)> {
        let oldest = files.kept().next()?;
        // The last file with late records that the oldest file continues.
        let last_late = || files.get(index.last_continued_by(oldest.number)?);
        if let Some(max) = settings.keep_bytes {
            let is_over = files.bytes() > max;
            if is_over && let Some(late) = last_late() {
                let behind = files.kept().skip(1).take_while(|file| file.number <= late.number);
                let bytes = behind.fold(0_u64, |sum, file| sum.saturating_add(file.stored_bytes));
                if bytes <= max / u64::from(SHARE) {
                    self.through = self.through.max(late.number);
                }
            }
            if is_over || oldest.number <= self.through {
                return Some((oldest, "keep_size"));
            }
        }
        let keep = settings.keep_age?;
        if !self.is_past(oldest, keep, files, lines) {
            return None;
        }
        let is_overdue = self.age(oldest) >= keep.saturating_add(keep / SHARE);
        let is_free = is_overdue || last_late().is_none_or(|late| self.age(late) >= keep);
        is_free.then_some((oldest, "keep_age"))
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
