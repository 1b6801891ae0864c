//! Altered records that are kept to be looked at, when all have been read.

use super::Resemblances;
use super::undo::Undo;
use crate::input::At;
use std::collections::BTreeMap;

/// How many altered records are looked at: the first ones.
const RECORDS_MAX: usize = 64;
/// The longest that is looked at, in bytes.
const RECORD_BYTES_MAX: usize = 64 << 10;

/// The first altered records of the input.
#[derive(Default)]
pub(in crate::verify) struct Altered {
    /// By their places; several records may have one.
    kept: BTreeMap<(At, u64), Vec<u8>>,
    count: u64,
}

impl Altered {
    /// Returns the copy of an altered record's text that is kept, if it is not too long.
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

    /// Says which changes the records resemble.
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
