//! The statements of a ledger put together: one rule for who verifies it, and who
//! exports from it. Whoever writes it follows the same rule with less in memory.

use crate::manifest::{Manifest, Statement};
use flb_audit_core::chain::ChainId;
use flb_audit_core::verify::Sealed;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// The closed files, by number, as far as it has been stated.
#[derive(Debug, Default)]
pub struct Statements {
    chain: Option<ChainId>,
    files: BTreeMap<u64, ClosedFile>,
}

/// A closed file.
#[derive(Debug)]
pub struct ClosedFile {
    /// What it holds, or has held.
    pub manifest: Manifest,
    /// Whether a tombstone says that it was deleted.
    pub is_deleted: bool,
}

impl ClosedFile {
    /// Checks whether a manifest says once more what is known.
    fn says(&self, manifest: &Manifest) -> bool {
        self.manifest == *manifest
    }
}

impl Statements {
    /// Takes in the next statement, which was sealed so. False if it counts for
    /// nothing: it is not as it was sealed, it came as a record and not as a
    /// statement, it is of another chain than those before, it is a second manifest
    /// of a file or one with a file that no file of its number has, or it is
    /// a tombstone of a file that is not there, or not as it says.
    pub fn add(&mut self, statement: Statement, sealed: &Sealed) -> bool {
        sealed.is_intact
            && sealed.is_statement()
            && *self.chain.get_or_insert(sealed.chain) == sealed.chain
            && self.follow(statement)
    }

    /// Takes in a statement of this chain.
    fn follow(&mut self, statement: Statement) -> bool {
        match statement {
            Statement::File(manifest) => match self.files.entry(manifest.number) {
                // Once more, it says nothing new.
                Entry::Occupied(before) => before.get().says(&manifest),
                Entry::Vacant(place) => {
                    let is_named = manifest.has_a_name_of_its_number();
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

    /// The file of a number.
    pub fn get(&self, number: u64) -> Option<&ClosedFile> {
        self.files.get(&number)
    }

    /// The highest number; 0 if there is none.
    pub fn last(&self) -> u64 {
        self.files.last_key_value().map_or(0, |(number, _)| *number)
    }

    /// All files, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &ClosedFile> {
        self.files.values()
    }

    /// The same, for good.
    pub fn into_files(self) -> impl Iterator<Item = ClosedFile> {
        self.files.into_values()
    }
}
