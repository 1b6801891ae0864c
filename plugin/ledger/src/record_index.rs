//! Finds the closed files that may hold a record, by the record's place.

use crate::manifest::Extent;
use flb_audit_core::chain::Life;
use flb_audit_core::hash::Hash;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::ops::Range;

/// The number of stretches that are remembered. With more, the oldest file is forgotten.
/// If a record of a forgotten file comes again, it is stored twice, and `verify` counts
/// it as a duplicate.
pub(crate) const STRETCHES_MAX: usize = 65_536;
/// The number of stretches that are looked at for one record: those that begin nearest
/// before it.
const NEAREST: usize = 4;

/// The first half of a head, which is enough to tell records apart.
type HalfHead = [u8; 16];

/// Records of one life that follow one another in one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    last: u64,
    /// The head before the first record, and the head of the last record.
    heads: Option<(HalfHead, HalfHead)>,
}

/// A life, the number of a stretch's first record, the file, and the stretch's number in
/// the file.
type Start = (Life, u64, u64, usize);

/// The places of records in closed files.
#[derive(Debug, Default)]
pub(crate) struct RecordIndex {
    stretches: BTreeMap<Start, Stretch>,
    /// The beginnings of stretches, in the order of the files' numbers.
    by_file: VecDeque<Start>,
}

impl RecordIndex {
    /// Adds the extents of a closed file.
    pub(crate) fn add(&mut self, file: u64, extents: impl IntoIterator<Item = Extent>) {
        for (number, extent) in extents.into_iter().enumerate() {
            if let Some(life) = extent.life() {
                let start = (life, extent.first, file, number);
                let heads = extent.heads().map(|(prev, head)| (half(&prev), half(&head)));
                self.stretches.insert(start, Stretch { last: extent.last, heads });
                let at = self.by_file.partition_point(|(.., of, _)| *of <= file);
                self.by_file.insert(at, start);
            }
        }
        while self.stretches.len() > STRETCHES_MAX {
            let Some(oldest) = self.by_file.front().map(|(.., file, _)| *file) else {
                return;
            };
            self.forget(oldest);
        }
    }

    /// Returns the files that may have a record of this place.
    pub(crate) fn find(&self, life: Life, sequence: u64) -> impl Iterator<Item = u64> + '_ {
        let until = (life, sequence, u64::MAX, usize::MAX);
        let nearest = self.stretches.range((life, 0, 0, 0)..=until).rev().take(NEAREST);
        nearest.filter(move |(_, stretch)| sequence <= stretch.last).map(|((.., file, _), _)| *file)
    }

    /// Returns the last of the later files with a record that a record in this file
    /// continues: without this file, no signature reaches that record.
    pub(crate) fn last_continued_by(&self, file: u64) -> Option<u64> {
        let heads = |start| self.stretches.get(start).and_then(|stretch| stretch.heads);
        let before: HashSet<HalfHead> =
            self.by_file.range(self.of_file(file)).filter_map(heads).map(|(prev, _)| prev).collect();
        let is_continued = |stretch: &Stretch| stretch.heads.is_some_and(|(_, head)| before.contains(&head));
        let later = self.stretches.iter().filter(|((.., of, _), _)| *of > file);
        later.filter(|(_, stretch)| is_continued(stretch)).map(|((.., of, _), _)| *of).max()
    }

    /// Forgets a file that was deleted.
    pub(crate) fn forget(&mut self, file: u64) {
        for start in self.by_file.drain(self.of_file(file)) {
            self.stretches.remove(&start);
        }
    }

    fn of_file(&self, file: u64) -> Range<usize> {
        self.by_file.partition_point(|(.., of, _)| *of < file)
            ..self.by_file.partition_point(|(.., of, _)| *of <= file)
    }
}

fn half(head: &Hash) -> HalfHead {
    head.first_chunk().copied().unwrap_or_default()
}
