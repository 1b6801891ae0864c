//! The way from a record to a checkpoint: the records between them, found in logs of any size and
//! order.
//!
//! Only the next records in the order of positions are kept. If the way leads further, the logs
//! are read again from there. Of checkpoints, only the first one is kept, since certificates are
//! long.
//!
//! Anybody can make other versions of a record, and of the records behind it. So all versions are
//! followed at the same time, until one of them leads to a checkpoint.

use crate::ignored::IgnoredKeys;
use crate::input::{self, Seen};
use crate::terminal;
use anyhow::{Context, Result, bail};
use flb_audit_core::chain::checkpoint::Checkpoint;
use flb_audit_core::chain::{ChainId, Position, Run};
use flb_audit_core::hash::Hash;
use flb_audit_core::verify::{Checked, Checker, Sealed, SealedRecord};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

/// The maximum number of records that are kept at a time. Each takes some 200 bytes.
const RECORDS_MAX: usize = 1 << 17;

/// The logs, and the record in them from which the way begins.
pub(super) struct Logs<'a> {
    pub(super) files: &'a [PathBuf],
    pub(super) ignored: &'a IgnoredKeys,
    pub(super) chain: ChainId,
    pub(super) first: Position,
    pub(super) run: Option<Run>,
}

/// The first record.
pub(super) struct Found {
    pub(super) text: String,
    pub(super) sealed: Sealed,
    checkpoint: Option<Checkpoint>,
}

impl Found {
    fn of(text: &[u8], sealed: &SealedRecord<'_>) -> Found {
        let checkpoint = sealed.checkpoint();
        Found { text: String::from_utf8_lossy(text).trim().to_owned(), sealed: **sealed, checkpoint }
    }
}

/// The findings of one reading of the logs.
pub(super) struct Reading {
    /// One version of the first record.
    pub(super) first: Option<Found>,
    /// Two runs that have sealed a record with the first one's number.
    pub(super) runs: Option<(Run, Run)>,
    /// The heads of all versions of the first record, each with whether it is a checkpoint.
    versions: BTreeMap<Hash, bool>,
    /// The next records, in their order.
    kept: BTreeMap<Key, (Hash, bool)>,
    /// True if there are more records than are kept.
    is_cut: bool,
    /// The first checkpoint behind the position from which on records are kept.
    checkpoint: Option<Checkpoint>,
}

/// The order of records: by position, and of one position by the head before the record and its
/// leaf.
pub(super) type Key = (Position, Hash, Hash);

/// The records after another, in their order, up to a number of them. Each has its head, and whether it
/// is a checkpoint.
struct Window {
    after: Key,
    kept: BTreeMap<Key, (Hash, bool)>,
    is_cut: bool,
    checkpoint: Option<(Position, Checkpoint)>,
}

impl Window {
    fn add(&mut self, sealed: &Sealed, leaf: Hash, checkpoint: Option<Checkpoint>) {
        let at = sealed.place.position();
        let key = (at, sealed.previous, leaf);
        if key <= self.after {
            return;
        }
        self.kept.insert(key, (sealed.head, checkpoint.is_some()));
        if self.checkpoint.as_ref().is_none_or(|(first, _)| at < *first) {
            self.checkpoint = checkpoint.map(|checkpoint| (at, checkpoint)).or(self.checkpoint.take());
        }
        if self.kept.len() > RECORDS_MAX {
            self.kept.pop_last();
            self.is_cut = true;
        }
    }
}

impl Logs<'_> {
    /// Returns the order's last key with the first record's position.
    pub(super) fn first_key(&self) -> Key {
        (self.first, [u8::MAX; 32], [u8::MAX; 32])
    }

    /// Reads the logs. Keeps the first record, and records after another.
    pub(super) fn read(&self, after: Key) -> Result<Reading> {
        let mut checker = Checker::new(self.ignored.clone().all());
        let (mut first, mut runs, mut versions) = (None::<Found>, None, BTreeMap::new());
        let mut window = Window { after, kept: BTreeMap::new(), is_cut: false, checkpoint: None };
        input::read_in_order(self.files.to_vec(), terminal::progress, |text| {
            let sealed = match checker.check(text) {
                Ok(Checked::Sealed(sealed)) if sealed.chain == self.chain => sealed,
                Ok(Checked::Unsealed) | Err(_) => return Seen::Other(()),
                Ok(_) => return Seen::Record(()),
            };
            let Some(leaf) = sealed.leaf() else { return Seen::Record(()) };
            let run = sealed.place.run;
            if sealed.place.position() == self.first && self.run.is_none_or(|of| of == run) {
                let before = first.as_ref().map(|before| before.sealed.place.run);
                runs = runs.or(before.filter(|before| *before != run).map(|before| (before, run)));
                versions.insert(sealed.head, sealed.checkpoint().is_some());
                if versions.len() > RECORDS_MAX {
                    versions.pop_last();
                }
                first = Some(Found::of(text, &sealed));
            } else {
                window.add(&sealed, leaf, sealed.checkpoint());
            }
            Seen::Record(())
        })?;
        let is_cut = window.is_cut;
        let checkpoint = window.checkpoint.take().map(|(_, checkpoint)| checkpoint);
        Ok(Reading { first, runs, versions, kept: window.kept, is_cut, checkpoint })
    }

    /// Returns a record with this head.
    pub(super) fn with_head(&self, head: &Hash) -> Result<Found> {
        let mut checker = Checker::new(self.ignored.clone().all());
        let mut found = None;
        input::read_in_order(self.files.to_vec(), terminal::progress, |text| {
            let sealed = match checker.check(text) {
                Ok(Checked::Sealed(sealed)) => sealed,
                Ok(Checked::Unsealed) | Err(_) => return Seen::Other(()),
                Ok(_) => return Seen::Record(()),
            };
            if sealed.is_intact && sealed.chain == self.chain && sealed.head == *head && found.is_none() {
                found = Some(Found::of(text, &sealed));
            }
            Seen::Record(())
        })?;
        found.context("the logs have changed while they were read")
    }
}

/// The leaves between a record and a checkpoint, and the checkpoint.
pub(super) struct Way {
    pub(super) leaves: Vec<Hash>,
    /// The heads from the record's own to the checkpoint's.
    pub(super) heads: Vec<Hash>,
    pub(super) checkpoint: Checkpoint,
}

impl Way {
    /// Follows the records from the first one of the logs to the checkpoint `under`, or else to the
    /// first checkpoint. The way has at most `leaves_max` leaves.
    pub(super) fn find(
        logs: &Logs<'_>,
        mut reading: Reading,
        under: Option<Checkpoint>,
        leaves_max: usize,
    ) -> Result<Way> {
        let mut reached = Reached::of(&reading.versions, logs.first, leaves_max);
        let is_end =
            |head: &Hash, is_checkpoint| under.as_ref().map_or(is_checkpoint, |under| under.head == *head);
        let at_once = reading.versions.iter().find(|(head, is_checkpoint)| is_end(head, **is_checkpoint));
        let mut end = at_once.map(|(head, _)| *head);
        let head = loop {
            if let Some(head) = end {
                break head;
            }
            let before = reached.records.len();
            end = reached.follow(&reading.kept, is_end)?;
            if end.is_some() {
                continue;
            }
            let is_further = reading.is_cut && reached.records.len() > before;
            let Some((last, _)) = reading.kept.pop_last().filter(|_| is_further) else {
                bail!(reached.why_no_end());
            };
            reading = logs.read(last)?;
        };
        let (leaves, heads) = reached.way_to(&head);
        let checkpoint = match under.or(reading.checkpoint.filter(|checkpoint| checkpoint.head == head)) {
            Some(checkpoint) => checkpoint,
            None => {
                let found = logs.with_head(&head)?;
                found.checkpoint.context("the logs have changed while they were read")?
            }
        };
        Ok(Way { leaves, heads, checkpoint })
    }
}

/// The records to which heads lead from a version of the first record.
struct Reached {
    records: Vec<Step>,
    by_head: HashMap<Hash, usize>,
    leaves_max: usize,
    /// True if a way was longer than it may be.
    is_too_long: bool,
}

/// A record on a way.
struct Step {
    at: Position,
    leaf: Hash,
    head: Hash,
    /// The record before it on the way. The first one of a way has none.
    before: Option<usize>,
    /// The number of leaves up to it.
    leaves: usize,
}

impl Reached {
    fn of(versions: &BTreeMap<Hash, bool>, at: Position, leaves_max: usize) -> Reached {
        let first = |head: &Hash| Step { at, leaf: *head, head: *head, before: None, leaves: 0 };
        let records: Vec<Step> = versions.keys().map(first).collect();
        let by_head = (0..).zip(&records).map(|(number, step)| (step.head, number)).collect();
        Reached { records, by_head, leaves_max, is_too_long: false }
    }

    /// Follows the ways through records in their order. Returns the head of the first end.
    fn follow(
        &mut self,
        next: &BTreeMap<Key, (Hash, bool)>,
        is_end: impl Fn(&Hash, bool) -> bool,
    ) -> Result<Option<Hash>> {
        for ((at, previous, leaf), (head, is_checkpoint)) in next {
            let Some((number, before)) =
                self.by_head.get(previous).map(|number| (*number, &self.records[*number]))
            else {
                continue;
            };
            if before.at >= *at || self.by_head.contains_key(head) {
                continue;
            }
            if before.leaves == self.leaves_max {
                self.is_too_long = true;
                continue;
            }
            // Others can have made very many versions.
            if self.records.len() >= self.leaves_max + 2 * RECORDS_MAX {
                bail!(
                    "too many versions of the records behind this one are here; name an earlier checkpoint with --under"
                );
            }
            let leaves = before.leaves + 1;
            self.by_head.insert(*head, self.records.len());
            self.records.push(Step { at: *at, leaf: *leaf, head: *head, before: Some(number), leaves });
            if is_end(head, *is_checkpoint) {
                return Ok(Some(*head));
            }
        }
        Ok(None)
    }

    fn why_no_end(&self) -> String {
        if self.is_too_long {
            return format!(
                "more than {} records are between this one and the checkpoint; name an earlier checkpoint with --under",
                self.leaves_max
            );
        }
        "the records from this one to a checkpoint are not all in these logs, or are not intact; name all logs up to the \
         next checkpoint"
            .to_owned()
    }

    /// Returns the leaves and the heads of the way to a record, the first version's head first.
    fn way_to(&self, head: &Hash) -> (Vec<Hash>, Vec<Hash>) {
        let (mut leaves, mut heads) = (Vec::new(), Vec::new());
        let mut at = self.by_head.get(head).copied();
        while let Some(step) = at.and_then(|at| self.records.get(at)) {
            heads.push(step.head);
            leaves.extend(step.before.map(|_| step.leaf));
            at = step.before;
        }
        leaves.reverse();
        heads.reverse();
        (leaves, heads)
    }
}
