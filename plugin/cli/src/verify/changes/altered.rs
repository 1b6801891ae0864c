//! Altered records that are kept until all records have been read, to look for known
//! changes.

use super::Resemblances;
use super::undo::Undo;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The number of altered records that are kept: the first ones.
const RECORDS_MAX: usize = 64;
/// The maximum length of a record that is kept, in bytes.
const RECORD_BYTES_MAX: usize = 64 << 10;

/// The first altered records of the input.
#[derive(Default)]
pub(in crate::verify) struct Altered {
    /// The records by the names of their sources and their numbers. Several records may
    /// have the same place.
    kept: BTreeSet<(Arc<str>, u64, Vec<u8>)>,
}

impl Altered {
    /// Returns a copy of an altered record's text, unless it is too long.
    pub(in crate::verify) fn copy(text: &[u8]) -> Option<Vec<u8>> {
        (text.len() <= RECORD_BYTES_MAX).then(|| text.to_vec())
    }

    pub(in crate::verify) fn add(&mut self, source: Arc<str>, number: u64, text: Vec<u8>) {
        self.kept.insert((source, number, text));
        if self.kept.len() > RECORDS_MAX {
            self.kept.pop_last();
        }
    }

    /// Returns the records that are kept.
    pub(in crate::verify) fn into_kept(self) -> impl Iterator<Item = (Arc<str>, u64, Vec<u8>)> {
        self.kept.into_iter()
    }

    /// Counts the changes that the records resemble.
    pub(in crate::verify) fn resemblances(&self, ignored: Vec<String>) -> Resemblances {
        let mut undo = Undo::new(ignored, self.kept.iter().map(|(.., text)| text.as_slice()));
        let mut counts = BTreeMap::new();
        for (.., text) in &self.kept {
            if let Some(change) = undo.change(text) {
                *counts.entry(change).or_default() += 1;
            }
        }
        Resemblances::new(self.kept.len() as u64, counts)
    }
}
