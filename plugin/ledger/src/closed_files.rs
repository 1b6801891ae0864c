//! Keeps the closed files in bounded memory, with only the data that deleting them takes.
//!
//! A verifier uses [`Statements`](crate::statements::Statements) instead, which keeps all
//! that manifests say.

use crate::frame;
use crate::manifest::{Manifest, Statement, Tombstone, closed_name, open_name};
use flb_audit_core::text::hex;
use std::collections::VecDeque;

/// The number of closed files that are known, oldest first. Files beyond this limit are
/// deleted only after the ledger has been opened again.
pub(crate) const FILES_MAX: usize = 131_072;
/// The number of newest statements whose effect on the disk may still be missing. A
/// failure leaves one at a time.
const RECENT_MAX: usize = 256;

/// A closed file.
#[derive(Clone, Debug)]
pub(crate) struct ClosedFile {
    pub(crate) number: u64,
    /// When it was closed, in seconds since 1970.
    pub(crate) closed: u64,
    /// The file's length, in bytes.
    pub(crate) stored_bytes: u64,
    records: u64,
    sha256: [u8; 32],
    form: Form,
    pub(crate) is_damaged: bool,
}

/// The naming scheme of a file.
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

/// Checks whether a manifest's file name is one that a file of its number can have.
pub(crate) fn is_named_by_number(manifest: &Manifest) -> bool {
    Form::ALL.into_iter().any(|form| form.name(manifest.number) == manifest.file)
}

impl ClosedFile {
    /// Returns the data of a manifest that matters here. Returns `None` if the manifest's
    /// file name does not belong to its number, or if its hash does not parse.
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

    /// Returns the tombstone that says that the file was deleted because of the property
    /// `by`.
    pub(crate) fn tombstone(&self, by: &str) -> Tombstone {
        let (number, file, records, by) = (self.number, self.name(), self.records, by.to_owned());
        let sha256 = hex::encode(&self.sha256);
        Tombstone { number, file, sha256, records, by }
    }

    fn is_deleted_by(&self, tombstone: &Tombstone) -> bool {
        self.tombstone(&tombstone.by) == *tombstone
    }
}

/// The closed files by number, as the statements describe them.
#[derive(Debug, Default)]
pub(crate) struct ClosedFiles {
    /// The oldest files that are kept.
    oldest: VecDeque<ClosedFile>,
    /// The stored bytes of the files in `oldest`.
    bytes: u64,
    /// The number of kept files beyond `oldest`.
    beyond: u64,
    /// The highest number of any file.
    last: u64,
    /// The files of the newest statements. The flag says whether the file was deleted.
    recent: VecDeque<(ClosedFile, bool)>,
}

impl ClosedFiles {
    /// Takes in the next statement of the ledger. Returns false if the statement counts
    /// for nothing: it is a second, different manifest of a file, a manifest whose file
    /// name does not belong to its number, or a tombstone of a file that is not kept or
    /// that differs from it.
    pub(crate) fn follow(&mut self, statement: &Statement) -> bool {
        match statement {
            Statement::File(manifest) => {
                let Some(file) = ClosedFile::of(manifest) else { return false };
                if file.number <= self.last {
                    // A repeated manifest says nothing new.
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

    /// Returns a file that has a manifest and may still exist.
    pub(crate) fn get(&self, number: u64) -> Option<&ClosedFile> {
        self.place(number).map(|at| &self.oldest[at])
    }

    /// Checks whether the file of a number has a manifest and may still exist.
    pub(crate) fn has(&self, number: u64) -> bool {
        self.get(number).is_some()
    }

    /// Returns the highest number, or 0 if there is none.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Returns the files that are kept, oldest first.
    pub(crate) fn kept(&self) -> impl Iterator<Item = &ClosedFile> {
        self.oldest.iter()
    }

    /// Returns the stored bytes of the files that `kept` returns.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the number of kept files that `kept` does not return.
    pub(crate) fn beyond(&self) -> u64 {
        self.beyond
    }

    /// Returns the files of the newest statements, each with whether it was deleted.
    pub(crate) fn recent(&self) -> impl Iterator<Item = &(ClosedFile, bool)> {
        self.recent.iter()
    }
}
