//! Storing chunks in open files, and closing files.

use super::{FILE_RECORDS_MAX, FILES_READ_MAX, Opened};
use crate::disk::remove;
use crate::files::next_number;
use crate::intake::Incoming;
use crate::intents::{Intent, digest};
use crate::manifest::{self, Extent, Manifest, Statement};
use crate::open_file::{OpenFile, read_closed, settle};
use crate::record_id::RecordIds;
use crate::recovery::Recovery;
use crate::retention::Retention;
use crate::runs::RUNS_DUE;
use crate::tail::{Before, Expected, Target};
use crate::{Level, Line, Result, Settings};
use flb_audit_core::Event;
use flb_audit_core::chain::{Life, Place};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::UNIX_EPOCH;

impl Opened {
    pub(super) fn store(
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
                "{} records have a seal of a chain that neither the roster nor a fleet vouches for, or one that does not verify: they are redacted \
                                  and sealed again as records without a seal",
                self.intake.doubted
            );
            lines.push((Level::Error, what));
        }
        if self.intake.unreadable > 0 {
            let what = format!(
                "the last {} bytes of a chunk are not MessagePack, or end within a value: they are sealed \
                 as raw text, and no record in them can be found",
                self.intake.unreadable
            );
            lines.push((Level::Error, what));
        }
        self.leave_out_held(directory, &mut incoming, lines)?;
        let unsealed = incoming.iter().filter(|record| record.sealed.is_none()).count() as u64;
        // The records without a seal that no earlier life has stored.
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
                    let (line, entry) = self.own.seal(&record)?;
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

    /// Returns the state of the files before something is appended.
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

    /// Removes sealed records that the ledger already holds. A record with a seal of the
    /// ledger's own chain that the ledger does not hold becomes a record without a seal.
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
            // If storing fails, `held` is forgotten with everything else.
            let is_new = !is_held && self.active.held.insert(&entry.id);
            twice += u64::from(!is_new);
            is_new
        });
        if twice > 0 {
            lines.push((Level::Info, format!("{twice} records came again and are already stored")));
        }
        Ok(())
    }

    /// Checks for each record whether the ledger holds it.
    fn held(&mut self, directory: &Path, incoming: &[Incoming]) -> Result<Vec<bool>> {
        let ids: Vec<_> =
            incoming.iter().map(|record| record.sealed.as_ref().map(|entry| entry.id)).collect();
        let mut held: Vec<bool> =
            ids.iter().map(|id| id.as_ref().is_some_and(|id| self.active.held.contains(id))).collect();
        let mut files = BTreeSet::new();
        for (id, _) in ids.iter().zip(&held).filter(|(_, is_held)| !**is_held) {
            files.extend(id.iter().flat_map(|id| self.index.find(id.life, id.sequence)));
        }
        // The file in memory comes first, then the newest files.
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

    /// Writes down where the records of this chunk without a seal will stand. Returns the
    /// indices of those that no earlier life has stored.
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
            lines.push((Level::Info, format!("{stored} records came again and are already stored")));
        }
        if !left.is_empty() {
            let intent = Intent { digest, first: self.own.chain().next, count: left.len() as u64 };
            self.journal.intend(&intent)?;
        }
        Ok(left)
    }

    pub(super) fn close_if_due(
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

    /// Closes files that differ from the files as the ledger wrote them.
    pub(super) fn close_damaged(
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
        let next = next_number(directory, number)?;
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
        let expected = Expected::next(self.journal.secret());
        let mut recovery = Recovery::new(self.own.chain().id, Some(expected), None);
        let (next, _) = OpenFile::open(directory, next, is_encrypted, &mut recovery)?;
        self.closed = Some((number, std::mem::replace(&mut self.active, next).held));
        Ok(())
    }

    /// Checks whether a manifest may claim a run of the open file. If the file differs
    /// from the file as the ledger wrote it, a run of the own chain is claimed only if
    /// its last record was written by the ledger.
    fn is_claimed(&self, extent: &Extent) -> bool {
        let is_of_own = extent.life().is_some_and(|life| life.chain == self.own.chain().id);
        let is_proven = || extent.heads().is_some_and(|(_, head)| self.active.proven.contains(&head));
        self.active.damage.is_none() || !is_of_own || is_proven()
    }

    /// Seals a statement and appends it to the manifests.
    fn state(&mut self, statement: &Statement, retention: &Retention) -> Result<()> {
        let text = serde_json::to_vec(statement)?;
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

    /// Deletes the files that retention no longer keeps.
    fn delete_old(
        &mut self,
        directory: &Path,
        settings: &Settings,
        retention: &mut Retention,
        lines: &mut Vec<Line>,
    ) -> Result<()> {
        loop {
            let files = &self.manifests.files;
            let Some((file, by)) = retention.next(files, &self.index, settings, lines) else {
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

/// Returns the line for the log about a file that is being closed.
fn closing(manifest: &Manifest) -> Line {
    let Manifest { file, records, .. } = manifest;
    match manifest.found() {
        None => (Level::Info, format!("{file} closed: {records} records")),
        Some(found) => (Level::Error, format!("{file}: {found}; it is closed and left as it is")),
    }
}
