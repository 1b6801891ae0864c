//! The ledger: chunks in, records on the disk.

use crate::closed_files::FILES_MAX;
use crate::files::{number_of_open_file, remove};
use crate::intake::{Incoming, Intake};
use crate::intents::{Intent, digest};
use crate::journal::Journal;
use crate::ledger_chain::{Found, Own, Tail};
use crate::manifest::{self, Extent, Manifest, Manifests, Reading, Statement};
use crate::open_file::{Batch, Entry, OpenFile, read_closed, settle};
use crate::record_id::RecordIds;
use crate::record_index::RecordIndex;
use crate::recovery::Recovery;
use crate::retention::{Clock, Held, Retention};
use crate::roster::Roster;
use crate::runs::RUNS_DUE;
use crate::tail::{Before, Expected, Target};
use crate::{Error, Result, Settings};
use flb_audit_core::Event;
use flb_audit_core::chain::signature::SIGNATURE_TEXT_BYTES;
use flb_audit_core::chain::state::FILE_NAME as STATE;
use flb_audit_core::chain::{Life, Place};
use flb_audit_core::policy::Policy;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// How many records a file has at the most: what it takes to know them is in
/// memory.
pub(crate) const FILE_RECORDS_MAX: u64 = 131_072;

/// How many closed files are looked into for one chunk. Records that would take more
/// are stored, at worst once more.
const FILES_READ_MAX: usize = 8;

/// For how long manifests are read at once: a component's calls have a deadline.
const OPENING_MAX: Duration = Duration::from_secs(5);

/// How much a line of the log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Records are not what they should be.
    Error,
    /// Something was found and dealt with.
    Warn,
    /// What is done every day.
    Info,
}

/// A line for the log.
pub type Line = (Level, String);

/// A ledger in a directory.
pub struct Ledger {
    directory: PathBuf,
    settings: Settings,
    policy: Option<Policy<'static>>,
    open: Option<Opened>,
    /// What is being opened, as long as that takes.
    opening: Option<Opening>,
    /// Whether it has been open before.
    was_open: bool,
    retention: Retention,
    lines: Vec<Line>,
}

/// A ledger whose files are open.
struct Opened {
    own: Own,
    active: OpenFile,
    manifests: Manifests,
    journal: Journal,
    /// The last record of the own chain that is stored.
    last: Option<Tail>,
    index: RecordIndex,
    /// The records of the closed file that was looked into last.
    closed: Option<(u64, RecordIds)>,
    intake: Intake,
    batch: Batch,
}

impl Ledger {
    /// Opens the ledger in this directory, where `flb-audit init` has made a
    /// chain. Records that come without a seal are redacted by `policy`.
    pub fn open(directory: &Path, settings: Settings, policy: Option<Policy<'static>>) -> Result<Ledger> {
        Ledger::open_with(directory, settings, policy, Clock::default())
    }

    /// Opens the ledger under a clock of the caller's.
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
            ledger.lines.push((Level::Warn, ledger.progress()));
        }
        Ok(ledger)
    }

    /// What is to be logged since this was last asked.
    pub fn take_lines(&mut self) -> Vec<Line> {
        std::mem::take(&mut self.lines)
    }

    /// Stores a chunk. When this returns, its records are held, once each. An
    /// error says why they are not, or not all; then the chunk is to come again.
    pub fn store(&mut self, tag: &[u8], chunk: &[u8]) -> Result<()> {
        if !self.opened()? {
            return Err(Error::new(self.progress()));
        }
        let Some(mut open) = self.open.take() else {
            return Ok(());
        };
        open.close_if_due(&self.directory, &self.settings, &mut self.retention, &mut self.lines)?;
        open.store(&self.directory, &self.settings, tag, chunk, &mut self.lines)?;
        // Only after a success: else it is read anew from the disk.
        self.open = Some(open);
        Ok(())
    }

    /// Ends: all chunks have been answered.
    pub fn close(&mut self) -> Result<()> {
        match self.open.take() {
            Some(mut open) => open.journal.clear(),
            None => Ok(()),
        }
    }

    /// Opens the files, if they are not open. Returns false if that takes longer: then
    /// the next call goes on.
    fn opened(&mut self) -> Result<bool> {
        if self.open.is_none() {
            let opened = self.open_files().map_err(|error| {
                match (self.was_open, self.directory.join(STATE).exists()) {
                    (true, false) => Error::new(format!(
                        "{STATE} is no longer in the ledger's directory: if that was removed and made again, restart \
                         Fluent Bit"
                    )),
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

    /// Says how far it has been opened.
    fn progress(&self) -> String {
        let percent = self.opening.as_ref().map_or(0, |opening| opening.reading.percent());
        format!("{} is being read: {percent} % so far", manifest::FILE_NAME)
    }
}

/// A ledger whose manifests are being read.
struct Opening {
    found: Found,
    journal: Journal,
    index: RecordIndex,
    reading: Reading,
}

impl Opening {
    fn begin(directory: &Path, lines: &mut Vec<Line>) -> Result<Opening> {
        let (found, journal) = Found::open(directory)?;
        if found.is_mended {
            lines.push((
                Level::Error,
                "chain.state: damaged; the chain goes on from what ledger.intents says".into(),
            ));
        }
        let expected =
            journal.appended.as_ref().map(|appended| Expected::manifests(appended, journal.secret()));
        let reading = Reading::open(directory, found.chain(), expected)?;
        Ok(Opening { found, journal, index: RecordIndex::default(), reading })
    }

    /// Opens everything else, when the manifests have been read.
    fn finish(
        self,
        directory: &Path,
        settings: &Settings,
        policy: Option<Policy<'static>>,
        retention: &mut Retention,
        lines: &mut Vec<Line>,
    ) -> Result<Opened> {
        let Opening { found, journal, mut index, reading } = self;
        let manifests = reading.finish();
        let chain = found.chain();
        let (appended, secret) = (journal.appended.as_ref(), journal.secret());
        report_cut(manifest::FILE_NAME, manifests.cut_bytes, lines);
        report_beyond(&manifests, lines);
        if manifests.is_proven {
            finish_what_was_begun(directory, &manifests)?;
        }
        let number = number_of_open_file(directory, &manifests, &mut index, lines)?;
        let roster = Roster::open(directory, settings.roster.as_deref())?;
        let written = appended.and_then(|appended| appended.before.last);
        let expected = Expected::open(appended, secret, number);
        let mut recovery = Recovery::new(chain, expected, manifests.last.or(written));
        let is_encrypted = settings.recipients.is_some();
        let (active, cut) = OpenFile::open(directory, number, is_encrypted, &mut recovery)?;
        report_cut(&active.name(), cut, lines);
        let own = found.go_on(directory, recovery.last, policy)?;
        let last = own.chain().link.map(|link| (link.place, own.chain().head));
        let mut opened = Opened {
            own,
            last,
            active,
            manifests,
            journal,
            index,
            closed: None,
            intake: Intake::new(chain, roster),
            batch: Batch::default(),
        };
        opened.close_damaged(directory, settings, retention, lines)?;
        Ok(opened)
    }
}

impl Opened {
    fn store(
        &mut self,
        directory: &Path,
        settings: &Settings,
        tag: &[u8],
        chunk: &[u8],
        lines: &mut Vec<Line>,
    ) -> Result<()> {
        self.batch.lines.clear();
        self.batch.records.clear();
        let mut incoming = self.intake.read(chunk)?;
        if self.intake.doubted > 0 {
            let what = format!(
                "{} records have a seal that is not of a chain in the roster, or does not verify: they are redacted and \
                 sealed as records without one",
                self.intake.doubted
            );
            lines.push((Level::Error, what));
        }
        self.leave_out_held(directory, &mut incoming, lines)?;
        let unsealed = incoming.iter().filter(|record| record.sealed.is_none()).count() as u64;
        // Those records without a seal that an earlier life has not stored.
        let left = self.intend(tag, chunk, unsealed, lines)?;
        let mut is_left = (0..unsealed).map(|at| left.binary_search(&at).is_ok());
        for Incoming { seconds, nanoseconds, text, sealed } in incoming {
            let text = &self.intake.json[text];
            match sealed {
                Some(entry) => self.batch.add(text, entry),
                None if is_left.next() != Some(true) => {}
                None => {
                    let record =
                        Event { tag, seconds, nanoseconds, record: Some(text), record_len: text.len() };
                    let prev = Some(self.own.chain().head);
                    let (line, id, link) = self.own.seal(&record)?;
                    let entry = Entry {
                        id,
                        prev,
                        is_checkpoint: is_signed(line),
                        link: link.filter(|_| id.sequence == 0),
                        seconds: seconds.into(),
                        len: line.len(),
                    };
                    self.batch.add(line, entry);
                }
            }
        }
        if self.batch.records.is_empty() {
            return Ok(());
        }
        self.append(settings)?;
        if unsealed > 0 {
            self.own.write()?;
        }
        Ok(())
    }

    /// Appends the batch to the open file.
    fn append(&mut self, settings: &Settings) -> Result<()> {
        for part in self.batch.parts() {
            let before = self.before();
            let of_own = part.records.iter().rfind(|record| self.intake.is_own(record));
            let last = of_own.map(|record| {
                let Life { segment, run, .. } = record.id.life;
                (Place { segment, run, sequence: record.id.sequence }, record.id.head)
            });
            let (bytes, units) = self.active.take(part, settings.recipients.as_ref())?;
            self.journal.append(&before, Target::Open, &units, settings.is_synced)?;
            self.active.append(&bytes, settings.is_synced)?;
            self.last = last.or(self.last);
        }
        Ok(())
    }

    /// What there is now.
    fn before(&self) -> Before {
        Before {
            number: self.active.number,
            open: self.active.mark(),
            manifests: self.manifests.mark(),
            foreign: self.manifests.foreign.clone(),
            algorithm: self.own.chain().algorithm,
            last: self.last,
        }
    }

    /// Leaves out sealed records that are held. One of the ledger's own chain that is
    /// not held becomes a record without a seal.
    fn leave_out_held(
        &mut self,
        directory: &Path,
        incoming: &mut Vec<Incoming>,
        lines: &mut Vec<Line>,
    ) -> Result<()> {
        let held = self.held(directory, incoming)?;
        let mut held = held.into_iter();
        let mut twice = 0_u64;
        incoming.retain_mut(|record| {
            let is_held = held.next().unwrap_or(false);
            let Some(entry) = &record.sealed else {
                return true;
            };
            if self.intake.is_own(entry) && !is_held {
                record.sealed = None;
                return true;
            }
            // If it is not stored then, all of this is forgotten.
            let is_new = !is_held && self.active.held.insert(&entry.id);
            twice += u64::from(!is_new);
            is_new
        });
        if twice > 0 {
            lines.push((Level::Info, format!("{twice} records came again and are held already")));
        }
        Ok(())
    }

    /// Checks for each record whether it is held.
    fn held(&mut self, directory: &Path, incoming: &[Incoming]) -> Result<Vec<bool>> {
        let ids: Vec<_> =
            incoming.iter().map(|record| record.sealed.as_ref().map(|entry| entry.id)).collect();
        let mut held: Vec<bool> =
            ids.iter().map(|id| id.as_ref().is_some_and(|id| self.active.held.contains(id))).collect();
        let mut files = BTreeSet::new();
        for (id, _) in ids.iter().zip(&held).filter(|(_, is_held)| !**is_held) {
            files.extend(id.iter().flat_map(|id| self.index.find(id.life, id.sequence)));
        }
        // The file that is in memory first, then the newest.
        let last = self.closed.as_ref().map(|(number, _)| *number).filter(|last| files.remove(last));
        for file in last.into_iter().chain(files.into_iter().rev()).take(FILES_READ_MAX) {
            if self.closed.as_ref().is_none_or(|(number, _)| *number != file) {
                self.closed = None;
                let mut records = RecordIds::default();
                read_closed(directory, file, &mut |entry| {
                    records.insert(&entry.id);
                })?;
                self.closed = Some((file, records));
            }
            let Some((_, records)) = &self.closed else { continue };
            for (id, is_held) in ids.iter().zip(&mut held) {
                *is_held |= id.as_ref().is_some_and(|id| records.contains(id));
            }
        }
        Ok(held)
    }

    /// Writes down where the records of this chunk that have no seal will be.
    /// Gives which of these `count` records no earlier life has stored.
    fn intend(&mut self, tag: &[u8], chunk: &[u8], count: u64, lines: &mut Vec<Line>) -> Result<Vec<u64>> {
        let mut left: Vec<u64> = (0..count).collect();
        if count == 0 {
            return Ok(left);
        }
        let digest = digest(tag, chunk);
        for earlier in self.journal.take(&digest) {
            if earlier.count == left.len() as u64 {
                let life = earlier.first.life(self.own.chain().id);
                let mut sequence = earlier.first.sequence..;
                left.retain(|_| {
                    let is_stored = |sequence| {
                        self.active.runs.contains(&life, sequence)
                            || self.index.find(life, sequence).next().is_some()
                    };
                    !sequence.next().is_some_and(is_stored)
                });
            }
        }
        let stored = count - left.len() as u64;
        if stored > 0 {
            lines.push((Level::Info, format!("{stored} records came again and are held already")));
        }
        if !left.is_empty() {
            let intent = Intent { digest, first: self.own.chain().next, count: left.len() as u64 };
            self.journal.intend(&intent)?;
        }
        Ok(left)
    }

    fn close_if_due(
        &mut self,
        directory: &Path,
        settings: &Settings,
        retention: &mut Retention,
        lines: &mut Vec<Line>,
    ) -> Result<()> {
        let age = self.active.opened.elapsed().unwrap_or_default();
        let is_due = self.active.bytes >= settings.file_bytes
            || self.active.records >= FILE_RECORDS_MAX
            || self.active.runs.len() >= RUNS_DUE
            || age >= settings.file_age
            || self.active.is_encrypted() != settings.recipients.is_some();
        if is_due && self.active.records > 0 {
            self.close_file(directory, settings, retention, lines)?;
            self.close_damaged(directory, settings, retention, lines)?;
        }
        self.delete_old(directory, settings, retention, lines)
    }

    /// Closes files that are not as the ledger has written them.
    fn close_damaged(
        &mut self,
        directory: &Path,
        settings: &Settings,
        retention: &mut Retention,
        lines: &mut Vec<Line>,
    ) -> Result<()> {
        while self.active.damage.is_some() {
            self.close_file(directory, settings, retention, lines)?;
        }
        Ok(())
    }

    fn close_file(
        &mut self,
        directory: &Path,
        settings: &Settings,
        retention: &mut Retention,
        lines: &mut Vec<Line>,
    ) -> Result<()> {
        let active = &self.active;
        let number = active.number;
        let stored = active.store(directory)?;
        let manifest = Manifest {
            number,
            file: stored.file,
            records: active.records,
            bytes: active.bytes,
            stored_bytes: stored.bytes,
            sha256: stored.sha256,
            root: manifest::root_text(&active.tree.root()),
            from: active.from.min(active.to),
            to: active.to,
            closed: retention.clock.seconds(),
            extents: active.runs.extents().filter(|extent| self.is_claimed(extent)).collect(),
            loose: active.loose,
            damaged: active.damage.clone(),
        };
        lines.push(closing(&manifest));
        let statement = Statement::File(manifest);
        self.state(&statement, retention)?;
        if let Some((file, _)) = self.manifests.files.recent().last() {
            settle(directory, file)?;
        }
        retention.closed(number);
        if let Statement::File(manifest) = statement {
            self.index.add(number, manifest.extents);
        }
        let is_encrypted = settings.recipients.is_some();
        let next = number + 1;
        let expected = Expected::next(self.journal.secret());
        let mut recovery = Recovery::new(self.own.chain().id, Some(expected), None);
        let (next, _) = OpenFile::open(directory, next, is_encrypted, &mut recovery)?;
        self.closed = Some((number, std::mem::replace(&mut self.active, next).held));
        Ok(())
    }

    /// Whether a manifest claims a run of the open file. If the file is not as the
    /// ledger had written it, nothing is claimed of the own chain but what leads to a
    /// record that the ledger has written.
    fn is_claimed(&self, extent: &Extent) -> bool {
        let is_of_own = extent.life().is_some_and(|life| life.chain == self.own.chain().id);
        let is_proven = || extent.heads().is_some_and(|(_, head)| self.active.proven.contains(&head));
        self.active.damage.is_none() || !is_of_own || is_proven()
    }

    /// Adds to the manifests.
    fn state(&mut self, statement: &Statement, retention: &Retention) -> Result<()> {
        let text = serde_json::to_vec(statement).map_err(|error| Error::new(error.to_string()))?;
        let now = (retention.clock.wall)().duration_since(UNIX_EPOCH).unwrap_or_default();
        let before = self.before();
        let sealed = self.own.state(&Event {
            tag: manifest::TAG.as_bytes(),
            seconds: now.as_secs().try_into().unwrap_or(u32::MAX),
            nanoseconds: now.subsec_nanos(),
            record: Some(&text),
            record_len: text.len(),
        })?;
        let line = [sealed, b"\n"].concat();
        let unit = Sha256::digest(sealed).into();
        self.journal.append(&before, Target::Manifests, &[unit], true)?;
        self.manifests.append(statement, &line)?;
        let chain = self.own.chain();
        let stated = chain.next.sequence.checked_sub(1);
        self.last = stated.map(|sequence| (Place { sequence, ..chain.next }, chain.head)).or(self.last);
        self.own.write()
    }

    /// Deletes the files that are not to be kept.
    fn delete_old(
        &mut self,
        directory: &Path,
        settings: &Settings,
        retention: &mut Retention,
        lines: &mut Vec<Line>,
    ) -> Result<()> {
        loop {
            let held = Held { files: &self.manifests.files, index: &self.index, open: &self.active.runs };
            let Some((file, by)) = retention.next(held, settings, lines) else {
                return Ok(());
            };
            let (number, tombstone) = (file.number, file.tombstone(by));
            lines.push((Level::Info, format!("{} deleted by {by}", tombstone.file)));
            let path = directory.join(&tombstone.file);
            self.state(&Statement::Deleted(tombstone), retention)?;
            remove(&path)?;
            self.index.forget(number);
            retention.deleted(number);
        }
    }
}

/// Checks whether a line that was sealed here has a signature, which is its end.
fn is_signed(line: &[u8]) -> bool {
    let behind = br#","sig":""#.len() + SIGNATURE_TEXT_BYTES + br#""}}"#.len();
    line.len().checked_sub(behind).is_some_and(|at| line[at..].starts_with(br#","sig":""#))
}

/// Ends what a crash has interrupted, of what the manifests say.
fn finish_what_was_begun(directory: &Path, manifests: &Manifests) -> Result<()> {
    for (file, is_deleted) in manifests.files.recent() {
        if *is_deleted {
            remove(&directory.join(file.name()))?;
        } else {
            settle(directory, file)?;
        }
    }
    Ok(())
}

/// The line for the log about a file that is being closed.
fn closing(manifest: &Manifest) -> Line {
    let Manifest { file, records, .. } = manifest;
    match manifest.found() {
        None => (Level::Info, format!("{file} closed: {records} records")),
        Some(found) => (Level::Error, format!("{file}: {found}; it stays as it is, and is closed")),
    }
}

fn report_beyond(manifests: &Manifests, lines: &mut Vec<Line>) {
    let beyond = manifests.files.beyond();
    if beyond > 0 {
        let what = format!(
            "{FILES_MAX} closed files are all that retention knows at a time: {beyond} more are not deleted before \
             a restart after these; a larger file_size makes fewer"
        );
        lines.push((Level::Warn, what));
    }
}

fn report_cut(file: &str, bytes: u64, lines: &mut Vec<Line>) {
    if bytes > 0 {
        lines.push((Level::Warn, format!("{file}: {bytes} bytes of a torn record cut off its end")));
    }
}
