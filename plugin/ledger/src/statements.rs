//! The statements of a ledger put together, by one rule for the verifier and the export.
//! The ledger itself follows the same rule with less memory, in `closed_files`.

use crate::closed_files::is_named_by_number;
use crate::manifest::{Manifest, Statement};
use flb_audit_core::chain::{ChainId, Place};
use flb_audit_core::hash::Hash;
use flb_audit_core::text::base64url::hash_text;
use flb_audit_core::verify::Sealed;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// The closed files by number, as the statements describe them.
#[derive(Debug, Default)]
pub struct Statements {
    chain: Option<ChainId>,
    files: BTreeMap<u64, ClosedFile>,
    /// The last statement that counts, in the order of positions, with its head.
    last: Option<(Place, Hash)>,
}

/// A closed file.
#[derive(Debug)]
pub struct ClosedFile {
    /// The file's content, past or present.
    pub manifest: Manifest,
    /// True if a tombstone says that it was deleted.
    pub is_deleted: bool,
}

impl ClosedFile {
    /// Checks whether a manifest only repeats the known one.
    fn says(&self, manifest: &Manifest) -> bool {
        self.manifest == *manifest
    }
}

impl Statements {
    /// Takes in the next statement, which was sealed as `sealed`. Returns false if it
    /// counts for nothing:
    ///
    /// - it is not as it was sealed,
    /// - it came as a record and not as a statement,
    /// - it belongs to another chain than the statements before it,
    /// - it is a second, different manifest of a file, or a manifest whose file name does
    ///   not belong to its number,
    /// - it is a tombstone of a file that is not there or that differs from it.
    pub fn add(&mut self, statement: Statement, sealed: &Sealed) -> bool {
        let counts = sealed.is_intact
            && sealed.is_statement()
            && *self.chain.get_or_insert(sealed.chain) == sealed.chain
            && self.follow(statement);
        if counts && self.last.is_none_or(|(last, _)| last.position() <= sealed.place.position()) {
            self.last = Some((sealed.place, sealed.head));
        }
        counts
    }

    /// Describes the state of the ledger by its last statement. Returns `None` if there is
    /// no statement.
    pub fn state(&self) -> Option<String> {
        let (Place { segment, run, sequence }, head) = self.last?;
        let head = String::from_utf8_lossy(&hash_text(&head)).into_owned();
        Some(format!(
            "record {sequence} of segment {segment} (run {run}) of chain {}, with head {head}",
            self.chain?
        ))
    }

    /// Returns the chain that has sealed the statements.
    pub fn chain(&self) -> Option<ChainId> {
        self.chain
    }

    /// Takes in a statement of this chain.
    fn follow(&mut self, statement: Statement) -> bool {
        match statement {
            Statement::File(manifest) => match self.files.entry(manifest.number) {
                // A repeated manifest says nothing new.
                Entry::Occupied(before) => before.get().says(&manifest),
                Entry::Vacant(place) => {
                    let is_named = is_named_by_number(&manifest);
                    if is_named {
                        place.insert(ClosedFile { manifest, is_deleted: false });
                    }
                    is_named
                }
            },
            Statement::Deleted(tombstone) => {
                let file = self.files.get_mut(&tombstone.number);
                match file.filter(|file| !file.is_deleted && tombstone.is_of(&file.manifest)) {
                    Some(file) => {
                        file.is_deleted = true;
                        true
                    }
                    None => false,
                }
            }
        }
    }

    /// Returns the file of a number.
    pub fn get(&self, number: u64) -> Option<&ClosedFile> {
        self.files.get(&number)
    }

    /// Returns the highest number, or 0 if there is none.
    pub fn last(&self) -> u64 {
        self.files.last_key_value().map_or(0, |(number, _)| *number)
    }

    /// Returns all files, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &ClosedFile> {
        self.files.values()
    }

    /// Returns all files, in the order of their numbers, to take from them what is not needed
    /// any more.
    pub fn files_mut(&mut self) -> impl Iterator<Item = &mut ClosedFile> {
        self.files.values_mut()
    }

    /// Returns all files by value, in the order of their numbers.
    pub fn into_files(self) -> impl Iterator<Item = ClosedFile> {
        self.files.into_values()
    }
}
