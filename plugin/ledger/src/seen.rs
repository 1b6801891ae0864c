//! Which records the ledger holds.

use crate::tree;
use flb_audit_core::chain::{ChainId, Run};
use flb_audit_core::hash::Hash;
use flb_audit_core::verify::Sealed;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

/// How many lives are remembered. A record of an earlier one that comes again
/// is stored again, and `verify` counts it as a duplicate.
pub(crate) const LIVES_MAX: usize = 65_536;

/// One life of a filter: a segment of a chain, and its run.
pub type Life = (ChainId, u64, Run);

/// What makes a record the same as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The life that it is of.
    pub life: Life,
    /// Its number in that.
    pub sequence: u64,
    /// Its head; of one that is not as it was sealed the hash of its line, so that
    /// it does not stand for the one that was.
    pub head: Hash,
}

impl Identity {
    /// Of the record on this line.
    pub fn of(sealed: &Sealed, line: &[u8]) -> Self {
        Identity {
            life: (sealed.chain, sealed.place.segment, sealed.place.run),
            sequence: sealed.place.sequence,
            head: if sealed.is_intact { sealed.head } else { tree::leaf(line) },
        }
    }
}

/// The records of one segment file.
pub(crate) type Identities = HashSet<Identity>;

/// A run of records in one segment file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) last: u64,
    /// The segment file.
    pub(crate) file: u64,
}

/// Where records are, by life.
#[derive(Default)]
pub(crate) struct Seen {
    /// By the number of each extent's first record.
    lives: HashMap<Life, BTreeMap<u64, Extent>>,
    /// By when they were first seen.
    order: VecDeque<Life>,
}

impl Seen {
    /// Adds records `first` to `last` of a life. Of two records in one place the
    /// first stays.
    pub(crate) fn add(&mut self, life: Life, first: u64, last: u64, file: u64) {
        if self.find(&life, first).is_some() {
            return;
        }
        let extents = self.lives.entry(life).or_insert_with(|| {
            self.order.push_back(life);
            BTreeMap::new()
        });
        match extents.range_mut(..=first).next_back() {
            Some((_, extent)) if extent.file == file && extent.last.checked_add(1) == Some(first) => {
                extent.last = last;
            }
            _ => drop(extents.insert(first, Extent { last, file })),
        }
        while self.order.len() > LIVES_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.lives.remove(&oldest);
            }
        }
    }

    /// The segment file that has a record of this place.
    pub(crate) fn find(&self, life: &Life, sequence: u64) -> Option<u64> {
        let (_, extent) = self.lives.get(life)?.range(..=sequence).next_back()?;
        (sequence <= extent.last).then_some(extent.file)
    }

    /// What one file holds, in order.
    pub(crate) fn in_file(&self, file: u64) -> impl Iterator<Item = (Life, u64, u64)> + '_ {
        self.order.iter().flat_map(move |life| {
            let extents = self.lives.get(life).into_iter().flatten();
            let extents = extents.filter(move |(_, extent)| extent.file == file);
            extents.map(|(first, extent)| (*life, *first, extent.last))
        })
    }

    /// Forgets a file that is no more.
    pub(crate) fn forget(&mut self, file: u64) {
        self.lives.retain(|_, extents| {
            extents.retain(|_, extent| extent.file != file);
            !extents.is_empty()
        });
        self.order.retain(|life| self.lives.contains_key(life));
    }
}
