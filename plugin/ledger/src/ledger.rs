//! The ledger: chunks in, records on the disk.

mod opened;
mod opening;

use crate::batch::Batch;
use crate::intake::Intake;
use crate::journal::Journal;
use crate::ledger_chain::{LedgerChain, StoredChain};
use crate::manifests::{Manifests, Reading};
use crate::open_file::OpenFile;
use crate::record_id::RecordIds;
use crate::record_index::RecordIndex;
use crate::retention::{Clock, Retention};
use crate::tail::Tail;
use crate::{Error, Level, Line, Result, Settings};
use flb_audit_core::chain::state::FILE_NAME as STATE;
use flb_audit_core::policy::Policy;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The maximum number of records in a file. Their ids are kept in memory.
pub(crate) const FILE_RECORDS_MAX: u64 = 131_072;

/// The maximum number of closed files that are read for one chunk. If a record's file
/// would be one more, the record may be stored twice.
const FILES_READ_MAX: usize = 8;

/// The maximum time for which manifests are read in one call. A component's calls have a
/// deadline.
const OPENING_MAX: Duration = Duration::from_secs(5);

/// A ledger in a directory.
///
/// # Example
///
/// ```
/// use flb_audit_ledger::{Ledger, Settings};
///
/// // A directory with a chain, as `flb-audit init` creates it.
/// let directory = ledger_fixtures::directory();
/// let mut ledger = Ledger::open(directory.path(), Settings::default(), None)?;
/// // A chunk of Fluent Bit with one record, which has no seal: the ledger seals it.
/// let chunk = ledger_fixtures::chunk(&[serde_json::json!({"actor": "ann", "action": "login"})]);
/// ledger.store(b"app", &chunk)?;
/// ledger.close()?;
///
/// let records = ledger_fixtures::records(&directory);
/// assert_eq!(records.len(), 1);
/// assert!(records[0].contains(r#""actor":"ann""#) && records[0].contains(r#","audit":{"#));
/// # Ok::<(), flb_audit_ledger::Error>(())
/// ```
pub struct Ledger {
    directory: PathBuf,
    settings: Settings,
    policy: Option<Policy<'static>>,
    open: Option<Opened>,
    /// The ledger that is being opened, if that takes several calls.
    opening: Option<Opening>,
    /// True if the ledger has been open before.
    was_open: bool,
    retention: Retention,
    lines: Vec<Line>,
}

/// A ledger whose files are open.
struct Opened {
    own: LedgerChain,
    active: OpenFile,
    manifests: Manifests,
    journal: Journal,
    /// The last stored record of the own chain.
    last: Option<Tail>,
    index: RecordIndex,
    /// The records of the closed file that was read last.
    closed: Option<(u64, RecordIds)>,
    intake: Intake,
    batch: Batch,
}

impl Ledger {
    /// Opens the ledger in this directory, where `flb-audit init` has created a chain.
    /// Records that come without a seal are redacted by `policy`.
    pub fn open(directory: &Path, settings: Settings, policy: Option<Policy<'static>>) -> Result<Ledger> {
        Ledger::open_with(directory, settings, policy, Clock::default())
    }

    /// Opens the ledger with a clock of the caller's.
    pub fn open_with(
        directory: &Path,
        settings: Settings,
        policy: Option<Policy<'static>>,
        clock: Clock,
    ) -> Result<Ledger> {
        let mut ledger = Ledger {
            directory: directory.to_path_buf(),
            settings,
            policy,
            open: None,
            opening: None,
            was_open: false,
            retention: Retention::new(clock),
            lines: Vec::new(),
        };
        if !ledger.opened()? {
            ledger.lines.push((Level::Warn, ledger.progress().to_string()));
        }
        Ok(ledger)
    }

    /// Returns the lines to be logged since the last call.
    pub fn take_lines(&mut self) -> Vec<Line> {
        std::mem::take(&mut self.lines)
    }

    /// Stores a chunk. When this returns, the ledger holds each of its records once.
    /// After an error, some or all of them are not held, and the chunk has to come again.
    pub fn store(&mut self, tag: &[u8], chunk: &[u8]) -> Result<()> {
        if !self.opened()? {
            return Err(self.progress());
        }
        let Some(mut open) = self.open.take() else {
            return Ok(());
        };
        open.close_if_due(&self.directory, &self.settings, &mut self.retention, &mut self.lines)?;
        open.store(&self.directory, &self.settings, tag, chunk, &mut self.lines)?;
        // Kept only after a success. After a failure, the state is read from the disk
        // again.
        self.open = Some(open);
        Ok(())
    }

    /// Ends the ledger, because all chunks have been answered.
    pub fn close(&mut self) -> Result<()> {
        match self.open.take() {
            Some(mut open) => open.journal.clear(),
            None => Ok(()),
        }
    }

    /// Opens the files if they are not open. Returns false if opening takes longer; the
    /// next call continues it.
    fn opened(&mut self) -> Result<bool> {
        if self.open.is_none() {
            let opened = self.open_files().map_err(|error| {
                match (self.was_open, self.directory.join(STATE).exists()) {
                    (true, false) => Error::Removed,
                    _ => error,
                }
            });
            self.open = opened?;
            self.was_open |= self.open.is_some();
        }
        Ok(self.open.is_some())
    }

    fn open_files(&mut self) -> Result<Option<Opened>> {
        let opening = self.opening.take();
        let mut opening = opening.map_or_else(|| Opening::begin(&self.directory, &mut self.lines), Ok)?;
        let now = &self.retention.clock.monotonic;
        let start = now();
        if !opening.reading.read(&mut opening.index, || now().saturating_sub(start) > OPENING_MAX)? {
            self.opening = Some(opening);
            return Ok(None);
        }
        let (directory, settings) = (&self.directory, &self.settings);
        opening.finish(directory, settings, self.policy, &mut self.retention, &mut self.lines).map(Some)
    }

    /// Returns the error that says how much of the ledger has been opened.
    fn progress(&self) -> Error {
        Error::Opening { percent: self.opening.as_ref().map_or(0, |opening| opening.reading.percent()) }
    }
}

/// A ledger whose manifests are being read.
struct Opening {
    found: StoredChain,
    journal: Journal,
    index: RecordIndex,
    reading: Reading,
}
