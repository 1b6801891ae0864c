//! The runs of a file: records of one life that follow one another by heads.
//!
//! A manifest claims only these records. A record is in a run if it is intact. It follows
//! another record of the run if its seal's `prev` is that record's head. So records that
//! only look sealed gain nothing if an attacker inserts them.

use crate::batch::Entry;
use crate::manifest::Extent;
use crate::record_id::RecordId;
use flb_audit_core::chain::{Life, Place};
use flb_audit_core::hash::Hash;
use std::collections::HashMap;

/// The maximum number of runs in a file. Records that would begin another run are loose.
pub(crate) const RUNS_MAX: usize = 8192;
/// The number of runs at which a file is closed.
pub(crate) const RUNS_DUE: usize = 4096;

/// One run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    life: Life,
    first: u64,
    last: u64,
    /// The head before the first record.
    prev: Hash,
    /// The head of the last record.
    head: Hash,
    /// The record that the life continues from, if the run begins with the life's first
    /// record.
    link: Option<Place>,
    /// The number of the last record that is a checkpoint.
    signed: Option<u64>,
}

/// The edge of a run: a life, a record's number, and the head there.
type Edge = (Life, u64, Hash);

/// The runs of a file, kept up to date as records come in any order.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    /// The runs. A run that was joined to another leaves an empty place.
    runs: Vec<Option<Run>>,
    /// Indices of runs by the number of their first record and the head before it.
    by_start: HashMap<Edge, usize>,
    /// Indices of runs by the number of their last record and its head.
    by_end: HashMap<Edge, usize>,
}

impl Runs {
    /// Adds a record. Returns false if the record is loose: it is not intact, or there
    /// are too many runs.
    pub(crate) fn add(&mut self, record: &Entry) -> bool {
        let (Some(prev), RecordId { life, sequence, head }) = (record.prev, record.id) else {
            return false;
        };
        let before = sequence.checked_sub(1).and_then(|last| self.by_end.get(&(life, last, prev)).copied());
        let after =
            sequence.checked_add(1).and_then(|first| self.by_start.get(&(life, first, head)).copied());
        if before.is_none() && after.is_none() && self.by_start.len() >= RUNS_MAX {
            return false;
        }
        let mut run = Run {
            life,
            first: sequence,
            last: sequence,
            prev,
            head,
            link: record.link.filter(|_| sequence == 0),
            signed: record.is_checkpoint.then_some(sequence),
        };
        if let Some(after) = after.and_then(|at| self.take(at)) {
            (run.last, run.head, run.signed) = (after.last, after.head, after.signed.or(run.signed));
        }
        let mut at = self.runs.len();
        if let Some(place) = before
            && let Some(before) = self.take(place)
        {
            (run.first, run.prev, run.link) = (before.first, before.prev, before.link);
            run.signed = run.signed.or(before.signed);
            at = place;
        }
        self.by_start.insert((life, run.first, run.prev), at);
        self.by_end.insert((life, run.last, run.head), at);
        match self.runs.get_mut(at) {
            Some(place) => *place = Some(run),
            None => self.runs.push(Some(run)),
        }
        true
    }

    fn take(&mut self, at: usize) -> Option<Run> {
        let run = self.runs.get_mut(at)?.take()?;
        self.by_start.remove(&(run.life, run.first, run.prev));
        self.by_end.remove(&(run.life, run.last, run.head));
        Some(run)
    }

    /// The number of runs.
    pub(crate) fn len(&self) -> usize {
        self.by_start.len()
    }

    /// Checks whether a record stands at this place of a life.
    pub(crate) fn contains(&self, life: &Life, sequence: u64) -> bool {
        let is_there = |run: &Run| run.life == *life && (run.first..=run.last).contains(&sequence);
        self.runs.iter().flatten().any(is_there)
    }

    /// Returns the runs as they stand in a manifest, in the order in which they began.
    pub(crate) fn extents(&self) -> impl Iterator<Item = Extent> + '_ {
        self.runs.iter().flatten().map(|run| Extent {
            signed: run.signed,
            ..Extent::new(run.life, run.first, run.last, Some((&run.prev, &run.head)), run.link)
        })
    }
}
