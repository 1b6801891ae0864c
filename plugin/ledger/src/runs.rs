//! The runs of a file: records of one life that follow one another by heads.
//!
//! A manifest claims only these records. A record is in a run if it is intact. It follows
//! another record of the run if its seal's `prev` is that record's head. So records that
//! only look sealed gain nothing if an attacker inserts them.
//!
//! A run ends at a record that several others continue: at most one of these is not
//! forged, and nobody knows yet which one. Only a record behind the last checkpoint can
//! divide its run, because the checkpoint's signature covers everything before it. In the
//! manifest, the records behind the last checkpoint are an extent of their own, since the
//! forged ones may be the only ones in the file. That extent lists the beginnings of its
//! records' heads: the record that is not forged may come into a later file, and the
//! verifier then divides the extent.

use crate::batch::{Beginning, Entry};
use crate::manifest::{EXTENTS_MAX, Extent};
use crate::record_id::RecordId;
use flb_audit_core::chain::Life;
use flb_audit_core::hash::Hash;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// The maximum number of runs in a file. Records that would begin another run are loose.
pub(crate) const RUNS_MAX: usize = 8192;
/// The maximum number of heads in the extents of a manifest, so that its line is not longer than
/// what is read again.
const HEADS_MAX: usize = crate::ledger::FILE_RECORDS_MAX as usize;
/// The number of runs at which a file is closed.
pub(crate) const RUNS_DUE: usize = 4096;

/// One run.
#[derive(Debug)]
struct Run {
    life: Life,
    first: u64,
    last: u64,
    /// The head before the first record.
    prev: Hash,
    /// The head of the last record.
    head: Hash,
    /// The statements of the life's first record, if the run begins with it.
    beginning: Option<Beginning>,
    /// The number of the last record that is a checkpoint.
    signed: Option<u64>,
    /// The numbers of the first and the last key that have signed records, if no key between them
    /// was left out.
    keys: Option<[u32; 2]>,
    /// The heads of the records at which the run can be divided: from the last checkpoint
    /// on, or from the first record on, up to the one before the last.
    inner: VecDeque<Hash>,
}

/// The place between two records: the life, the number of the later record, and the head
/// of the earlier one. If the later record is in the next life, it is the number that the
/// next record of the earlier life would have.
type Edge = (Life, u64, Hash);

impl Run {
    /// Returns the edge before the first record.
    fn start(&self) -> Edge {
        match self.beginning.and_then(|beginning| beginning.link) {
            Some(link) => {
                (link.place.life(self.life.chain), link.place.sequence.saturating_add(1), self.prev)
            }
            None => (self.life, self.first, self.prev),
        }
    }

    /// Returns the edge behind the last record.
    fn end(&self) -> Edge {
        (self.life, self.last.saturating_add(1), self.head)
    }

    /// Appends a run that follows.
    fn append(&mut self, mut next: Run) {
        if next.signed.is_some() {
            self.keys = if self.signed.is_some() { joined(self.keys, next.keys) } else { next.keys };
            self.inner = next.inner;
        } else {
            self.inner.push_back(self.head);
            // Moves the shorter list, so that no order of records takes quadratic time.
            if self.inner.len() < next.inner.len() {
                self.inner.drain(..).rev().for_each(|head| next.inner.push_front(head));
                self.inner = next.inner;
            } else {
                self.inner.append(&mut next.inner);
            }
        }
        (self.last, self.head, self.signed) = (next.last, next.head, next.signed.or(self.signed));
    }

    /// Returns the run as extents: one, or, if it may be divided, one up to the last
    /// checkpoint and one behind it.
    fn parts(&self, is_divisible: bool) -> [Option<Extent>; 2] {
        let Run { life, first, last, prev, head, beginning, signed, keys, inner } = self;
        let extent = |first, last, prev, head, beginning| {
            Extent::new(*life, first, last, Some((prev, head)), beginning)
        };
        match (*signed, inner.front()) {
            (Some(signed), Some(middle)) if is_divisible => [
                Some(Extent {
                    signed: Some(signed),
                    keys: *keys,
                    ..extent(*first, signed, prev, middle, *beginning)
                }),
                Some(extent(signed + 1, *last, middle, head, None).with_inner(inner.iter().skip(1))),
            ],
            (None, _) => [Some(extent(*first, *last, prev, head, *beginning).with_inner(inner)), None],
            (signed, _) => {
                [Some(Extent { signed, keys: *keys, ..extent(*first, *last, prev, head, *beginning) }), None]
            }
        }
    }

    /// Divides the run at an edge. Returns the records behind it, or `None` if the edge is
    /// not in the run, or before its last checkpoint.
    fn divide(&mut self, (life, first, prev): &Edge) -> Option<Run> {
        let before = self.last - self.inner.len() as u64;
        let at = usize::try_from(first.checked_sub(1)?.checked_sub(before)?).ok()?;
        if self.life != *life || self.inner.get(at) != Some(prev) {
            return None;
        }
        // The longer part keeps the memory, so that no order of divisions leaves much of it unused.
        let mut inner = if at < self.inner.len() / 2 {
            let before = self.inner.drain(..at).collect();
            std::mem::replace(&mut self.inner, before)
        } else {
            self.inner.split_off(at)
        };
        inner.pop_front();
        let behind =
            Run { first: *first, prev: *prev, beginning: None, signed: None, keys: None, inner, ..*self };
        (self.last, self.head) = (first - 1, *prev);
        Some(behind)
    }
}

/// Joins the keys of records that follow one another. Returns `None` if a key is left out, which no
/// filter does: each key signs the first record under it.
pub(crate) fn joined(one: Option<[u32; 2]>, other: Option<[u32; 2]>) -> Option<[u32; 2]> {
    let ([first, last], [next, end]) = one.zip(other)?;
    (last..=last.saturating_add(1)).contains(&next).then_some([first, end])
}

/// The runs of a file, kept up to date as records come in any order.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    /// The runs, by numbers in the order in which they began.
    runs: BTreeMap<usize, Run>,
    /// The number of the next run.
    next: usize,
    /// The run that begins at an edge. `None` if it does not continue the run that ends
    /// there, because something else follows as well.
    by_start: HashMap<Edge, Option<usize>>,
    /// The runs that end at an edge at which nothing follows.
    by_end: HashMap<Edge, usize>,
}

impl Runs {
    /// Adds a record. Returns false if the record is loose: it is not intact, or there
    /// are too many runs.
    pub(crate) fn add(&mut self, record: &Entry) -> bool {
        let (Some(prev), RecordId { life, sequence, head }) = (record.prev, record.id) else {
            return false;
        };
        let mut run = Run {
            life,
            first: sequence,
            last: sequence,
            prev,
            head,
            beginning: record.beginning.filter(|_| sequence == 0),
            signed: record.is_checkpoint.then_some(sequence),
            keys: record.keys,
            inner: VecDeque::new(),
        };
        let (start, end) = (run.start(), run.end());
        let before = self.by_end.get(&start).copied().filter(|_| (start.0, start.1) == (life, sequence));
        // Beginning a run may divide another one.
        if before.is_none() && self.runs.len() + 2 > RUNS_MAX {
            return false;
        }
        let at = before.unwrap_or_else(|| self.number());
        let is_followed = self.by_start.contains_key(&end);
        let after = self.by_start.get(&end).copied().flatten();
        let is_next =
            |at: &usize| self.runs.get(at).is_some_and(|run| (run.life, run.first) == (life, end.1));
        if let Some(after) = after.filter(is_next)
            && let Some(after) = self.runs.remove(&after)
        {
            self.by_start.remove(&end);
            self.by_end.entry(after.end()).and_modify(|last| *last = at);
            run.append(after);
        } else if !is_followed {
            self.by_end.insert(end, at);
        }
        if before.is_some() {
            self.by_end.remove(&start);
            self.runs.entry(at).and_modify(|before| before.append(run));
        } else {
            let is_end = self.by_end.remove(&start).is_some();
            let is_alone = !is_end && !self.by_start.contains_key(&start) && !self.divide(&start);
            self.by_start.entry(start).and_modify(|one| *one = None).or_insert(is_alone.then_some(at));
            self.runs.insert(at, run);
        }
        true
    }

    /// Divides the run that has this edge inside. Returns false if there is none.
    fn divide(&mut self, edge: &Edge) -> bool {
        let Some(behind) = self.runs.values_mut().find_map(|run| run.divide(edge)) else {
            return false;
        };
        let at = self.number();
        self.by_end.entry(behind.end()).and_modify(|last| *last = at);
        self.runs.insert(at, behind);
        true
    }

    fn number(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }

    /// The number of runs.
    pub(crate) fn len(&self) -> usize {
        self.runs.len()
    }

    /// Checks whether a record stands at this place of a life.
    pub(crate) fn contains(&self, life: &Life, sequence: u64) -> bool {
        self.runs.values().any(|run| run.life == *life && (run.first..=run.last).contains(&sequence))
    }

    /// Returns the runs as they stand in a manifest, in the order in which they began: divided
    /// at their last checkpoints and with the beginnings of heads, as far as there is room.
    pub(crate) fn extents(&self) -> impl Iterator<Item = Extent> + '_ {
        let (mut room, mut heads) = (EXTENTS_MAX - self.runs.len(), HEADS_MAX);
        self.runs.values().flat_map(move |run| {
            let mut parts = run.parts(room > 0);
            room -= usize::from(parts[1].is_some());
            for extent in parts.iter_mut().flatten() {
                heads -= extent.limit_inner(heads);
            }
            parts.into_iter().flatten()
        })
    }
}
