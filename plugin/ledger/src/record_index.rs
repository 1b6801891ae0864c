//! The closed files that may hold a record, by its place.

use crate::manifest::Extent;
use flb_audit_core::chain::{ChainId, Life, Run};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

/// How many stretches are remembered; then the oldest file is forgotten. A record
/// of a forgotten file that comes again is stored again, and `verify` counts it as
/// a duplicate.
pub(crate) const STRETCHES_MAX: usize = 65_536;
/// How many stretches are looked at for one record: those that begin nearest before
/// it.
const NEAREST: usize = 4;
/// Of so many records of a life, one is a checkpoint at least.
const CHECKPOINT_RECORDS_MAX: usize = 1024;

/// Records of one life that follow one another in one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    last: u64,
    /// The last record that is a checkpoint.
    signed: Option<u64>,
}

/// Where the records of a chain stand that something holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    pub(crate) first: (Life, u64),
    pub(crate) last: (Life, u64),
    /// The last one that is a checkpoint.
    pub(crate) signed: Option<(Life, u64)>,
}

impl Ends {
    /// Adds records of one life that follow one another.
    pub(crate) fn add(
        chains: &mut BTreeMap<ChainId, Ends>,
        life: Life,
        first: u64,
        last: u64,
        signed: Option<u64>,
    ) {
        let signed = signed.map(|sequence| (life, sequence));
        let new = Ends { first: (life, first), last: (life, last), signed };
        let ends = chains.entry(life.chain).or_insert(new);
        ends.first = ends.first.min(new.first);
        ends.last = ends.last.max(new.last);
        ends.signed = ends.signed.max(new.signed);
    }
}

/// A life, the number of a stretch's first record, and the file.
type Start = (Life, u64, u64);

/// Where records are in closed files.
#[derive(Debug, Default)]
pub(crate) struct RecordIndex {
    stretches: BTreeMap<Start, Stretch>,
    /// Where they begin, in the order of the files' numbers.
    by_file: VecDeque<(u64, Life, u64)>,
}

impl RecordIndex {
    /// Adds what a closed file holds.
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

    /// The files that may have a record of this place.
    pub(crate) fn find(&self, life: Life, sequence: u64) -> impl Iterator<Item = u64> + '_ {
        let nearest = self.stretches.range((life, 0, 0)..=(life, sequence, u64::MAX)).rev().take(NEAREST);
        nearest.filter(move |(_, stretch)| sequence <= stretch.last).map(|((.., file), _)| *file)
    }

    /// Returns the chains that a file has records of.
    pub(crate) fn chains_in(&self, file: u64) -> BTreeMap<ChainId, Ends> {
        let mut chains = BTreeMap::new();
        for (_, life, first) in self.by_file.range(self.of_file(file)) {
            if let Some(stretch) = self.stretches.get(&(*life, *first, file)) {
                Ends::add(&mut chains, *life, *first, stretch.last, stretch.signed);
            }
        }
        chains
    }

    /// Returns where the last checkpoint of a chain stands, if it is among so many of its
    /// last records as have one.
    pub(crate) fn last_signed(&self, chain: ChainId) -> Option<(Life, u64)> {
        let start = Life { chain, segment: 0, run: Run::FIRST };
        let end = Life { segment: u64::MAX, ..start };
        let last = self.stretches.range((start, 0, 0)..(end, 0, 0)).rev().take(CHECKPOINT_RECORDS_MAX);
        last.filter_map(|((life, ..), stretch)| Some((*life, stretch.signed?))).next()
    }

    /// Checks whether a later file has a record of the chain that stands behind this
    /// place.
    pub(crate) fn is_behind_in_later(&self, file: u64, life: Life, sequence: u64) -> bool {
        let behind = self.stretches.range((life, sequence.saturating_add(1), 0)..);
        let of_chain = behind.take_while(|((of, ..), _)| of.chain == life.chain);
        of_chain.take(CHECKPOINT_RECORDS_MAX).any(|((.., of), _)| *of > file)
    }

    /// Checks whether a later file has a record of the chain that stands before this
    /// place.
    pub(crate) fn is_before_in_later(&self, file: u64, life: Life, sequence: u64) -> bool {
        let start = Life { segment: 0, run: Run::FIRST, ..life };
        self.stretches.range((start, 0, 0)..(life, sequence, 0)).any(|((.., of), _)| *of > file)
    }

    /// Forgets a file that is no more.
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
