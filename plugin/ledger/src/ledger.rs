//! The ledger: chunks in, records on the disk.

use crate::chunk::{Item, items, write_json};
use crate::files::{number_of_open_file, remove};
use crate::intents::{Intent, Intents, digest};
use crate::ledger_chain::{Found, Own, Tail};
use crate::manifest::{self, Damage, Extent, Manifest, Manifests, Statement, Tombstone};
use crate::open_file::{Batch, OpenFile, read_closed, settle};
use crate::record_index::{RecordId, RecordIds, RecordIndex};
use crate::statements::ClosedFile;
use crate::{Error, Result, Settings};
use flb_audit_core::Event;
use flb_audit_core::chain::{Life, Place};
use flb_audit_core::policy::Policy;
use flb_audit_core::verify::{Checked, Checker, Sealed};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// How many records a file has at the most: what it takes to know them is in
/// memory.
pub(crate) const FILE_RECORDS_MAX: u64 = 131_072;

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
    lines: Vec<Line>,
}

/// A ledger whose files are open.
struct Opened {
    own: Own,
    active: OpenFile,
    manifests: Manifests,
    intents: Intents,
    seen: RecordIndex,
    /// The records of the closed file that was looked into last.
    closed: Option<(u64, RecordIds)>,
    checker: Checker,
    /// The JSON of a chunk's records.
    json: Vec<u8>,
    batch: Batch,
}

/// What is to become of a record of a chunk.
struct Todo {
    seconds: u32,
    nanoseconds: u32,
    /// Its text.
    text: Range<usize>,
    /// Its seal, if it has one; else it is sealed here.
    sealed: Option<Sealed>,
}

impl Ledger {
    /// Opens the ledger in this directory, where `flb-audit init` has made a
    /// chain. Records that come without a seal are redacted by `policy`.
    pub fn open(directory: &Path, settings: Settings, policy: Option<Policy<'static>>) -> Result<Ledger> {
        let mut ledger =
            Ledger { directory: directory.to_path_buf(), settings, policy, open: None, lines: Vec::new() };
        ledger.opened()?;
        Ok(ledger)
    }

    /// What is to be logged since this was last asked.
    pub fn take_lines(&mut self) -> Vec<Line> {
        std::mem::take(&mut self.lines)
    }

    /// Stores a chunk. When this returns, its records are held, once each. An
    /// error says why they are not, or not all; then the chunk is to come again.
    pub fn store(&mut self, tag: &[u8], chunk: &[u8]) -> Result<()> {
        self.opened()?;
        let Some(mut open) = self.open.take() else {
            return Ok(());
        };
        open.close_if_due(&self.directory, &self.settings, &mut self.lines)?;
        open.store(&self.directory, &self.settings, tag, chunk, &mut self.lines)?;
        // Only after a success: else it is read anew from the disk.
        self.open = Some(open);
        Ok(())
    }

    /// Ends: all chunks have been answered.
    pub fn close(&mut self) -> Result<()> {
        match self.open.take() {
            Some(mut open) => open.intents.clear(),
            None => Ok(()),
        }
    }

    fn opened(&mut self) -> Result<()> {
        if self.open.is_none() {
            self.open = Some(Opened::open(&self.directory, &self.settings, self.policy, &mut self.lines)?);
        }
        Ok(())
    }
}

impl Opened {
    fn open(
        directory: &Path,
        settings: &Settings,
        policy: Option<Policy<'static>>,
        lines: &mut Vec<Line>,
    ) -> Result<Opened> {
        let found = Found::open(directory)?;
        let manifests = Manifests::open(directory, found.chain())?;
        report_cut(manifest::FILE_NAME, manifests.cut_bytes, lines);
        let mut seen = RecordIndex::default();
        manifests.stated.kept().for_each(|manifest| index_manifest(&mut seen, manifest));
        finish_what_was_begun(directory, &manifests)?;
        let number = number_of_open_file(directory, &manifests, &mut seen, lines)?;
        let chain = found.chain();
        let mut tail: Option<Tail> = manifests.last.filter(|last| last.chain == chain).map(tail_of);
        let is_encrypted = settings.recipients.is_some();
        let (active, cut) = OpenFile::open(directory, number, is_encrypted, &mut |id| {
            seen.add(id.life, id.sequence, id.sequence, number);
            let Life { chain: of, segment, run } = id.life;
            let place = Place { segment, run, sequence: id.sequence };
            if of == chain && tail.is_none_or(|(last, _)| order(last) < order(place)) {
                tail = Some((place, id.head));
            }
        })?;
        report_cut(&active.name(), cut, lines);
        let mut opened = Opened {
            own: found.go_on(directory, tail, policy)?,
            active,
            manifests,
            intents: Intents::open(directory)?,
            seen,
            closed: None,
            checker: Checker::default(),
            json: Vec::new(),
            batch: Batch::default(),
        };
        if opened.active.damage.is_some() {
            opened.close_file(directory, settings, lines)?;
        }
        Ok(opened)
    }

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
        let mut todo = self.read(chunk);
        self.leave_out_held(directory, &mut todo, lines)?;
        let unsealed = todo.iter().filter(|todo| todo.sealed.is_none()).count() as u64;
        // Those records without a seal that an earlier life has not stored.
        let left = self.intend(settings, tag, chunk, unsealed, lines)?;
        let mut is_left = (0..unsealed).map(|at| left.binary_search(&at).is_ok());
        for todo in &todo {
            let text = &self.json[todo.text.clone()];
            match &todo.sealed {
                Some(sealed) => {
                    let link = sealed.link.map(|link| link.place);
                    self.batch.add(text, RecordId::of(sealed, text), link, sealed.seconds);
                }
                None if is_left.next() != Some(true) => {}
                None => {
                    let record = Event {
                        tag,
                        seconds: todo.seconds,
                        nanoseconds: todo.nanoseconds,
                        record: Some(text),
                        record_len: text.len(),
                    };
                    let (line, id, link) = self.own.seal(&record)?;
                    self.batch.add(line, id, link, todo.seconds.into());
                }
            }
        }
        if self.batch.records.is_empty() {
            return Ok(());
        }
        self.active.append(&self.batch, settings.recipients.as_ref(), settings.is_synced)?;
        for record in &self.batch.records {
            let RecordId { life, sequence, .. } = record.id;
            self.seen.add(life, sequence, sequence, self.active.number);
        }
        if unsealed > 0 {
            self.own.write()?;
        }
        Ok(())
    }

    /// The records of a chunk, as JSON, with their seals.
    fn read(&mut self, chunk: &[u8]) -> Vec<Todo> {
        self.json.clear();
        let mut todo = Vec::new();
        for item in items(chunk) {
            let start = self.json.len();
            let (seconds, nanoseconds) = match item {
                Item::Group => continue,
                Item::Record(record) => {
                    if write_json(record.body, &mut self.json).is_none() {
                        // It is the core that says what is wrong with it.
                        self.json.truncate(start);
                        self.json.extend_from_slice(record.body);
                    }
                    (record.seconds, record.nanoseconds)
                }
                Item::Unreadable(rest) => {
                    self.json.extend_from_slice(rest);
                    (seconds_now().try_into().unwrap_or(u32::MAX), 0)
                }
            };
            let text = start..self.json.len();
            // What has a seal that is none gets one here, under which that is.
            let sealed = match self.checker.check(&self.json[text.clone()]) {
                Ok(Checked::Sealed(sealed)) => Some(*sealed),
                _ => None,
            };
            todo.push(Todo { seconds, nanoseconds, text, sealed });
        }
        todo
    }

    /// Leaves out sealed records that are held, and says what is wrong with the
    /// others.
    fn leave_out_held(
        &mut self,
        directory: &Path,
        todo: &mut Vec<Todo>,
        lines: &mut Vec<Line>,
    ) -> Result<()> {
        let (mut altered, mut twice) = (0, 0);
        let mut error = Ok(());
        todo.retain(|todo| {
            let Some(sealed) = &todo.sealed else {
                return true;
            };
            let id = RecordId::of(sealed, &self.json[todo.text.clone()]);
            let is_held = self.is_held(directory, &id).unwrap_or_else(|failed| {
                error = Err(failed);
                true
            });
            // If it is not stored then, all of this is forgotten.
            if is_held || !self.active.held.insert(id) {
                twice += 1;
                return false;
            }
            altered += u64::from(!sealed.is_intact);
            true
        });
        if altered > 0 {
            lines.push((Level::Error, format!("{altered} records stored that are not as they were sealed")));
        }
        if twice > 0 {
            lines.push((Level::Info, format!("{twice} records came again and are held already")));
        }
        error
    }

    fn is_held(&mut self, directory: &Path, id: &RecordId) -> Result<bool> {
        if self.active.held.contains(id) {
            return Ok(true);
        }
        let file = match self.seen.find(&id.life, id.sequence) {
            Some(file) if file != self.active.number => file,
            _ => return Ok(false),
        };
        match &self.closed {
            Some((number, held)) if *number == file => Ok(held.contains(id)),
            _ => {
                let held = read_closed(directory, file, &mut |_| {})?;
                let is_held = held.contains(id);
                self.closed = Some((file, held));
                Ok(is_held)
            }
        }
    }

    /// Writes down where the records of this chunk that have no seal will be.
    /// Gives which of these `count` records no earlier life has stored.
    fn intend(
        &mut self,
        settings: &Settings,
        tag: &[u8],
        chunk: &[u8],
        count: u64,
        lines: &mut Vec<Line>,
    ) -> Result<Vec<u64>> {
        let mut left: Vec<u64> = (0..count).collect();
        if count == 0 {
            return Ok(left);
        }
        let digest = digest(tag, chunk);
        for earlier in self.intents.take(&digest) {
            if earlier.count == left.len() as u64 {
                let life = earlier.first.life(self.own.chain().id);
                let mut sequence = earlier.first.sequence..;
                left.retain(|_| {
                    sequence.next().is_none_or(|sequence| self.seen.find(&life, sequence).is_none())
                });
            }
        }
        let stored = count - left.len() as u64;
        if stored > 0 {
            lines.push((Level::Info, format!("{stored} records came again and are held already")));
        }
        if !left.is_empty() {
            let intent = Intent { digest, first: self.own.chain().next, count: left.len() as u64 };
            self.intents.write(&intent, settings.is_synced)?;
        }
        Ok(left)
    }

    fn close_if_due(&mut self, directory: &Path, settings: &Settings, lines: &mut Vec<Line>) -> Result<()> {
        let age = self.active.opened.elapsed().unwrap_or_default();
        let is_due = self.active.bytes >= settings.file_bytes
            || self.active.records >= FILE_RECORDS_MAX
            || age >= settings.file_age
            || self.active.is_encrypted() != settings.recipients.is_some();
        if is_due && self.active.records > 0 {
            self.close_file(directory, settings, lines)?;
        }
        self.delete_old(directory, settings, lines)
    }

    fn close_file(&mut self, directory: &Path, settings: &Settings, lines: &mut Vec<Line>) -> Result<()> {
        let active = &self.active;
        let number = active.number;
        let stored = active.store(directory)?;
        let extents = self.seen.in_file(number).map(|(life, first, last)| {
            Extent::new(life, first, last, active.links.get(&life).copied().filter(|_| first == 0))
        });
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
            closed: seconds_now(),
            extents: extents.collect(),
            damaged: active.damage.clone(),
        };
        lines.push(closing(&manifest));
        self.state(Statement::File(manifest.clone()))?;
        settle(directory, &manifest)?;
        let is_encrypted = settings.recipients.is_some();
        let (next, _) = OpenFile::open(directory, number + 1, is_encrypted, &mut |_| {})?;
        self.closed = Some((number, std::mem::replace(&mut self.active, next).held));
        Ok(())
    }

    /// Adds to the manifests.
    fn state(&mut self, statement: Statement) -> Result<()> {
        let text = serde_json::to_vec(&statement).map_err(|error| Error::new(error.to_string()))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let sealed = self.own.state(&Event {
            tag: manifest::TAG.as_bytes(),
            seconds: now.as_secs().try_into().unwrap_or(u32::MAX),
            nanoseconds: now.subsec_nanos(),
            record: Some(&text),
            record_len: text.len(),
        })?;
        self.manifests.append(statement, sealed)?;
        self.own.write()
    }

    /// Deletes the oldest files that are not to be kept.
    fn delete_old(&mut self, directory: &Path, settings: &Settings, lines: &mut Vec<Line>) -> Result<()> {
        loop {
            let stated = &self.manifests.stated;
            let Some(oldest) = stated.kept().next() else {
                return Ok(());
            };
            let bytes: u64 = stated.kept().map(|manifest| manifest.stored_bytes).sum();
            let is_past =
                |age: std::time::Duration| oldest.closed.saturating_add(age.as_secs()) <= seconds_now();
            let by = if settings.keep_bytes.is_some_and(|max| bytes > max) {
                "keep_size"
            } else if settings.keep_age.is_some_and(is_past) {
                "keep_age"
            } else {
                return Ok(());
            };
            let tombstone = Tombstone {
                number: oldest.number,
                file: oldest.file.clone(),
                sha256: oldest.sha256.clone(),
                records: oldest.records,
                by: by.to_owned(),
            };
            lines.push((Level::Info, format!("{} deleted by {by}", tombstone.file)));
            let (number, path) = (tombstone.number, directory.join(&tombstone.file));
            self.state(Statement::Deleted(tombstone))?;
            remove(&path)?;
            self.seen.forget(number);
        }
    }
}

fn index_manifest(seen: &mut RecordIndex, manifest: &Manifest) {
    for extent in &manifest.extents {
        if let Some(life) = extent.life() {
            seen.add(life, extent.first, extent.last, manifest.number);
        }
    }
}

/// Ends what a crash has interrupted, of what the manifests say.
fn finish_what_was_begun(directory: &Path, manifests: &Manifests) -> Result<()> {
    for ClosedFile { manifest, is_deleted } in manifests.stated.iter() {
        if *is_deleted {
            remove(&directory.join(&manifest.file))?;
        } else {
            settle(directory, manifest)?;
        }
    }
    Ok(())
}

/// The line for the log about a file that is being closed.
fn closing(manifest: &Manifest) -> Line {
    let Manifest { file, records, .. } = manifest;
    let Some(Damage { at, lines, before, after }) = &manifest.damaged else {
        return (Level::Info, format!("{file} closed: {records} records"));
    };
    let what = format!(
        "{file}: damaged at byte {at}: {}: {lines}; it stays as it is, with the records before, {before}, and \
         after, {after}, and is closed",
        manifest.damaged_parts()
    );
    (Level::Error, what)
}

fn report_cut(file: &str, bytes: u64, lines: &mut Vec<Line>) {
    if bytes > 0 {
        lines.push((Level::Warn, format!("{file}: {bytes} bytes of a torn record cut off its end")));
    }
}

fn tail_of(sealed: Sealed) -> Tail {
    (sealed.place, sealed.head)
}

fn order(place: Place) -> (u64, u64) {
    (place.segment, place.sequence)
}

fn seconds_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
