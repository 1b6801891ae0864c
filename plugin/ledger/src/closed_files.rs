//! The closed files that are kept, in bounded memory: what it takes to delete them.
//!
//! [`Statements`](crate::statements::Statements) is the same for who verifies, with all
//! that manifests say.

use crate::frame;
use crate::manifest::{Manifest, Statement, Tombstone, closed_name, open_name};
use flb_audit_core::text::hex;
use std::collections::VecDeque;

/// How many of the oldest files are known. Those beyond are not deleted before the
/// ledger is opened again.
pub(crate) const FILES_MAX: usize = 131_072;
/// How many statements may have been made without what follows from them: a failure
/// leaves one at a time.
const RECENT_MAX: usize = 256;

/// A closed file.
#[derive(Clone, Debug)]
pub(crate) struct ClosedFile {
    pub(crate) number: u64,
    /// When it was closed, in seconds since 1970.
    pub(crate) closed: u64,
    /// Its length, in bytes.
    pub(crate) stored_bytes: u64,
    records: u64,
    sha256: [u8; 32],
    form: Form,
    pub(crate) is_damaged: bool,
}

/// How a file is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    OpenLines,
    Lines,
    OpenFrames,
    Frames,
}

impl Form {
    const ALL: [Form; 4] = [Form::OpenLines, Form::Lines, Form::OpenFrames, Form::Frames];

    fn name(self, number: u64) -> String {
        match self {
            Form::OpenLines => open_name(number),
            Form::Lines => closed_name(number),
            Form::OpenFrames => frame::open_name(number),
            Form::Frames => frame::closed_name(number),
        }
    }
}

impl ClosedFile {
    /// Returns what counts of a manifest; none if its file has no name of its number,
    /// or its hash is none.
    fn of(manifest: &Manifest) -> Option<ClosedFile> {
        let &Manifest { number, closed, stored_bytes, records, .. } = manifest;
        let form = Form::ALL.into_iter().find(|form| form.name(number) == manifest.file)?;
        let sha256 = hex::decode(&manifest.sha256).and_then(|hash| hash.try_into().ok())?;
        let is_damaged = manifest.damaged.is_some();
        Some(ClosedFile { number, closed, stored_bytes, records, sha256, form, is_damaged })
    }

    /// The file's name.
    pub(crate) fn name(&self) -> String {
        self.form.name(self.number)
    }

    /// Says that the file was deleted because of a property.
    pub(crate) fn tombstone(&self, by: &str) -> Tombstone {
        let (number, file, records, by) = (self.number, self.name(), self.records, by.to_owned());
        let sha256 = hex::encode(&self.sha256);
        Tombstone { number, file, sha256, records, by }
    }

    fn is_deleted_by(&self, tombstone: &Tombstone) -> bool {
        self.tombstone(&tombstone.by) == *tombstone
    }
}

/// The files, by number, as far as it has been stated.
#[derive(Debug, Default)]
pub(crate) struct ClosedFiles {
    /// The oldest that are kept.
    oldest: VecDeque<ClosedFile>,
    /// The stored bytes of these.
    bytes: u64,
    /// How many more there are.
    beyond: u64,
    /// The highest number of all.
    last: u64,
    /// The newest of all, and whether each was deleted.
    recent: VecDeque<(ClosedFile, bool)>,
}

impl ClosedFiles {
    /// Takes in the next statement of the ledger. False if it counts for nothing: it is
    /// another manifest of a file, one with a file that no file of its number has, or
    /// a tombstone of a file that is not kept or not as it says.
    pub(crate) fn follow(&mut self, statement: &Statement) -> bool {
        match statement {
            Statement::File(manifest) => {
                let Some(file) = ClosedFile::of(manifest) else { return false };
                if file.number <= self.last {
                    // Once more, it says nothing new.
                    let recent = self.recent.iter().map(|(known, _)| known);
                    let mut known = self.get(file.number).into_iter().chain(recent);
                    return known.any(|known| (known.number, known.sha256) == (file.number, file.sha256));
                }
                self.last = file.number;
                self.remember(file.clone(), false);
                if self.beyond == 0 && self.oldest.len() < FILES_MAX {
                    self.bytes = self.bytes.saturating_add(file.stored_bytes);
                    self.oldest.push_back(file);
                } else {
                    self.beyond += 1;
                }
                true
            }
            Statement::Deleted(tombstone) => {
                let at = self.place(tombstone.number);
                let at = at.filter(|at| self.oldest[*at].is_deleted_by(tombstone));
                let Some(file) = at.and_then(|at| self.oldest.remove(at)) else { return false };
                self.bytes = self.bytes.saturating_sub(file.stored_bytes);
                self.remember(file, true);
                true
            }
        }
    }

    fn remember(&mut self, file: ClosedFile, is_deleted: bool) {
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back((file, is_deleted));
    }

    fn place(&self, number: u64) -> Option<usize> {
        self.oldest.binary_search_by_key(&number, |file| file.number).ok()
    }

    fn get(&self, number: u64) -> Option<&ClosedFile> {
        self.place(number).map(|at| &self.oldest[at])
    }

    /// Checks whether a manifest speaks of a file that may still be there.
    pub(crate) fn has(&self, number: u64) -> bool {
        self.get(number).is_some()
    }

    /// The highest number; 0 if there is none.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// The files that are kept, from the oldest on.
    pub(crate) fn kept(&self) -> impl Iterator<Item = &ClosedFile> {
        self.oldest.iter()
    }

    /// The stored bytes of these.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many more files are kept.
    pub(crate) fn beyond(&self) -> u64 {
        self.beyond
    }

    /// The files of the newest statements, and whether each was deleted.
    pub(crate) fn recent(&self) -> impl Iterator<Item = &(ClosedFile, bool)> {
        self.recent.iter()
    }
}
