//! Which records the ledger holds.

use crate::tree;
use flb_audit_core::chain::Life;
use flb_audit_core::hash::Hash;
use flb_audit_core::verify::Sealed;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

/// How many lives are remembered. A record of an earlier one that comes again
/// is stored again, and `verify` counts it as a duplicate.
pub(crate) const LIVES_MAX: usize = 65_536;

/// What makes a record the same as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RecordId {
    /// The life that it is of.
    pub life: Life,
    /// Its number in that.
    pub sequence: u64,
    /// Its head; of one that is not as it was sealed the hash of its line, so that
    /// it does not stand for the one that was.
    pub head: Hash,
}

impl RecordId {
    /// Of the record on this line.
    pub fn of(sealed: &Sealed, line: &[u8]) -> Self {
        RecordId {
            life: sealed.place.life(sealed.chain),
            sequence: sealed.place.sequence,
            head: if sealed.is_intact { sealed.head } else { tree::leaf(line) },
        }
    }
}

/// The records of one file.
pub(crate) type RecordIds = HashSet<RecordId>;

/// Records of one life that follow one another in one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) last: u64,
    /// The file.
    pub(crate) file: u64,
}

/// Where records are, by life.
#[derive(Default)]
pub(crate) struct RecordIndex {
    /// By the number of each stretch's first record.
    lives: HashMap<Life, BTreeMap<u64, Stretch>>,
    /// By when they were first seen.
    order: VecDeque<Life>,
}

impl RecordIndex {
    /// Adds records `first` to `last` of a life. Of two records in one place the
    /// first stays.
    pub(crate) fn add(&mut self, life: Life, first: u64, last: u64, file: u64) {
        if self.find(&life, first).is_some() {
            return;
        }
        let stretches = self.lives.entry(life).or_insert_with(|| {
            self.order.push_back(life);
            BTreeMap::new()
        });
        match stretches.range_mut(..=first).next_back() {
            Some((_, stretch)) if stretch.file == file && stretch.last.checked_add(1) == Some(first) => {
                stretch.last = last;
            }
            _ => drop(stretches.insert(first, Stretch { last, file })),
        }
        while self.order.len() > LIVES_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.lives.remove(&oldest);
            }
        }
    }

    /// The file that has a record of this place.
    pub(crate) fn find(&self, life: &Life, sequence: u64) -> Option<u64> {
        let (_, stretch) = self.lives.get(life)?.range(..=sequence).next_back()?;
        (sequence <= stretch.last).then_some(stretch.file)
    }

    /// What one file holds, in order.
    pub(crate) fn in_file(&self, file: u64) -> impl Iterator<Item = (Life, u64, u64)> + '_ {
        self.order.iter().flat_map(move |life| {
            let stretches = self.lives.get(life).into_iter().flatten();
            let stretches = stretches.filter(move |(_, stretch)| stretch.file == file);
            stretches.map(|(first, stretch)| (*life, *first, stretch.last))
        })
    }

    /// Forgets a file that is no more.
    pub(crate) fn forget(&mut self, file: u64) {
        self.lives.retain(|_, stretches| {
            stretches.retain(|_, stretch| stretch.file != file);
            !stretches.is_empty()
        });
        self.order.retain(|life| self.lives.contains_key(life));
    }
}
