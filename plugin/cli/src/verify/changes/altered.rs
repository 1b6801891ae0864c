//! Altered records that are kept until all records have been read, to look for known
//! changes.

use super::Resemblances;
use super::undo::Undo;
use crate::input::At;
use std::collections::BTreeMap;

/// The number of altered records that are kept: the first ones.
const RECORDS_MAX: usize = 64;
/// The maximum length of a record that is kept, in bytes.
const RECORD_BYTES_MAX: usize = 64 << 10;

/// The first altered records of the input.
#[derive(Default)]
pub(in crate::verify) struct Altered {
    /// The records by their places. Several records may have the same place.
    kept: BTreeMap<(At, u64), Vec<u8>>,
    count: u64,
}

impl Altered {
    /// Returns a copy of an altered record's text, unless it is too long.
    pub(in crate::verify) fn copy(text: &[u8]) -> Option<Vec<u8>> {
        (text.len() <= RECORD_BYTES_MAX).then(|| text.to_vec())
    }

    pub(in crate::verify) fn add(&mut self, at: At, text: Vec<u8>) {
        self.count += 1;
        self.kept.insert((at, self.count), text);
        if self.kept.len() > RECORDS_MAX {
            self.kept.pop_last();
        }
    }

    /// Counts the changes that the records resemble.
    pub(in crate::verify) fn resemblances(&self, ignored: Vec<String>) -> Resemblances {
        let mut undo = Undo::new(ignored, self.kept.values().map(Vec::as_slice));
        let mut counts = BTreeMap::new();
        for text in self.kept.values() {
            if let Some(change) = undo.change(text) {
                *counts.entry(change).or_default() += 1;
            }
        }
        Resemblances::new(self.kept.len() as u64, counts)
    }
}
