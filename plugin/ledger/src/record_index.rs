//! Finds the closed files that may hold a record, by the record's place.

use crate::manifest::Extent;
use flb_audit_core::chain::{ChainId, Life, Run};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

/// The number of stretches that are remembered. With more, the oldest file is forgotten.
/// If a record of a forgotten file comes again, it is stored twice, and `verify` counts
/// it as a duplicate.
pub(crate) const STRETCHES_MAX: usize = 65_536;
/// The number of stretches that are looked at for one record: those that begin nearest
/// before it.
const NEAREST: usize = 4;

/// Records of one life that follow one another in one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    last: u64,
    /// The last record that is a checkpoint.
    signed: Option<u64>,
}

/// A life, the number of a stretch's first record, and the file.
type Start = (Life, u64, u64);

/// The places of records in closed files.
#[derive(Debug, Default)]
pub(crate) struct RecordIndex {
    stretches: BTreeMap<Start, Stretch>,
    /// The beginnings of stretches, in the order of the files' numbers.
    by_file: VecDeque<(u64, Life, u64)>,
}

impl RecordIndex {
    /// Adds the extents of a closed file.
    pub(crate) fn add(&mut self, file: u64, extents: impl IntoIterator<Item = Extent>) {
        for extent in extents {
            if let Some(life) = extent.life() {
                let stretch = Stretch { last: extent.last, signed: extent.signed };
                self.stretches.insert((life, extent.first, file), stretch);
                let at = self.by_file.partition_point(|(of, ..)| *of <= file);
                self.by_file.insert(at, (file, life, extent.first));
            }
        }
        while self.stretches.len() > STRETCHES_MAX {
            let Some(oldest) = self.by_file.front().map(|(file, ..)| *file) else {
                return;
            };
            self.forget(oldest);
        }
    }

    /// Returns the files that may have a record of this place.
    pub(crate) fn find(&self, life: Life, sequence: u64) -> impl Iterator<Item = u64> + '_ {
        let nearest = self.stretches.range((life, 0, 0)..=(life, sequence, u64::MAX)).rev().take(NEAREST);
        nearest.filter(move |(_, stretch)| sequence <= stretch.last).map(|((.., file), _)| *file)
    }

    /// Returns the last checkpoint of each chain in a file.
    pub(crate) fn signed_in(&self, file: u64) -> Vec<(Life, u64)> {
        let mut signed: BTreeMap<ChainId, (Life, u64)> = BTreeMap::new();
        for (_, life, first) in self.by_file.range(self.of_file(file)) {
            let stretch = self.stretches.get(&(*life, *first, file));
            if let Some(sequence) = stretch.and_then(|stretch| stretch.signed) {
                let last = signed.entry(life.chain).or_insert((*life, sequence));
                *last = (*last).max((*life, sequence));
            }
        }
        signed.into_values().collect()
    }

    /// Checks whether a later file has a record of the chain that stands before this
    /// place.
    pub(crate) fn is_before_in_later(&self, file: u64, life: Life, sequence: u64) -> bool {
        let start = Life { segment: 0, run: Run::FIRST, ..life };
        self.stretches.range((start, 0, 0)..(life, sequence, 0)).any(|((.., of), _)| *of > file)
    }

    /// Forgets a file that was deleted.
    pub(crate) fn forget(&mut self, file: u64) {
        for (file, life, first) in self.by_file.drain(self.of_file(file)) {
            self.stretches.remove(&(life, first, file));
        }
    }

    fn of_file(&self, file: u64) -> Range<usize> {
        self.by_file.partition_point(|(of, ..)| *of < file)
            ..self.by_file.partition_point(|(of, ..)| *of <= file)
    }
}
