//! The way from a record to a checkpoint: the records between them, found in logs of any size and
//! order.
//!
//! Only the next records in the order of positions are kept. If the way leads further, the logs
//! are read again from there. Of checkpoints, only the first one is kept, since certificates are
//! long.

use crate::ignored::IgnoredKeys;
use crate::input::{self, Seen};
use crate::terminal;
use anyhow::{Context, Result, bail};
use flb_audit_core::chain::checkpoint::Checkpoint;
use flb_audit_core::chain::{ChainId, Position, Run};
use flb_audit_core::hash::Hash;
use flb_audit_core::verify::{Checked, Checker, Sealed};
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

/// The findings of one reading of the logs.
pub(super) struct Reading {
    pub(super) first: Option<Found>,
    /// Two runs that have sealed a record with the first one's number.
    pub(super) runs: Option<(Run, Run)>,
    /// The next records, by the heads before them.
    next_of: HashMap<Hash, Next>,
    /// True if there are more records than are kept.
    is_cut: bool,
    /// The first checkpoint behind the position from which on records are kept.
    checkpoint: Option<Checkpoint>,
}

/// The record after a head.
struct Next {
    at: Position,
    leaf: Hash,
    head: Hash,
    is_checkpoint: bool,
}

/// The records after a position, in the order of positions, up to a number of them.
struct Window {
    after: Position,
    kept: BTreeMap<(Position, Hash, Hash), (Hash, bool)>,
    is_cut: bool,
    checkpoint: Option<(Position, Checkpoint)>,
}

impl Window {
    fn add(&mut self, sealed: &Sealed, leaf: Hash, checkpoint: Option<Checkpoint>) {
        let at = sealed.place.position();
        if at <= self.after {
            return;
        }
        self.kept.insert((at, sealed.previous, leaf), (sealed.head, checkpoint.is_some()));
        if self.checkpoint.as_ref().is_none_or(|(first, _)| at < *first) {
            self.checkpoint = checkpoint.map(|checkpoint| (at, checkpoint)).or(self.checkpoint.take());
        }
        if self.kept.len() > RECORDS_MAX {
            self.kept.pop_last();
            self.is_cut = true;
        }
    }

    /// Returns the records by the heads before them. Of several, the first counts.
    fn into_next_of(self) -> HashMap<Hash, Next> {
        let mut next_of = HashMap::with_capacity(self.kept.len());
        for ((at, previous, leaf), (head, is_checkpoint)) in self.kept {
            next_of.entry(previous).or_insert(Next { at, leaf, head, is_checkpoint });
        }
        next_of
    }
}

impl Logs<'_> {
    /// Reads the logs. Keeps the first record, and records after a position.
    pub(super) fn read(&self, after: Position) -> Result<Reading> {
        let mut checker = Checker::new(self.ignored.clone().all());
        let (mut first, mut runs) = (None::<Found>, None);
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
                let (text, checkpoint) = (String::from_utf8_lossy(text), sealed.checkpoint());
                first = Some(Found { text: text.trim().to_owned(), sealed: *sealed, checkpoint });
            } else {
                window.add(&sealed, leaf, sealed.checkpoint());
            }
            Seen::Record(())
        })?;
        let is_cut = window.is_cut;
        let checkpoint = window.checkpoint.take().map(|(_, checkpoint)| checkpoint);
        Ok(Reading { first, runs, next_of: window.into_next_of(), is_cut, checkpoint })
    }

    /// Returns the checkpoint in the record with this head.
    fn checkpoint(&self, head: &Hash) -> Result<Option<Checkpoint>> {
        let mut checker = Checker::new(self.ignored.clone().all());
        let mut found = None;
        input::read_in_order(self.files.to_vec(), terminal::progress, |text| {
            let sealed = match checker.check(text) {
                Ok(Checked::Sealed(sealed)) => sealed,
                Ok(Checked::Unsealed) | Err(_) => return Seen::Other(()),
                Ok(_) => return Seen::Record(()),
            };
            if sealed.is_intact && sealed.chain == self.chain && sealed.head == *head && found.is_none() {
                found = sealed.checkpoint();
            }
            Seen::Record(())
        })?;
        Ok(found)
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
        first: &Found,
        under: Option<Checkpoint>,
        leaves_max: usize,
    ) -> Result<Way> {
        let (mut head, mut at) = (first.sealed.head, logs.first);
        let mut is_checkpoint = first.checkpoint.is_some();
        let (mut leaves, mut heads) = (Vec::new(), vec![head]);
        // True until a record of this reading was followed.
        let mut is_first = true;
        loop {
            let is_end = under.as_ref().map_or(is_checkpoint, |under| under.head == head);
            if is_end {
                break;
            }
            let Some(next) = reading.next_of.get(&head).filter(|next| next.at > at) else {
                if reading.is_cut && !is_first {
                    reading = logs.read(at)?;
                    is_first = true;
                    continue;
                }
                bail!(
                    "the records from this one to a checkpoint are not all in these logs, or are not intact; name all logs \
                     up to the next checkpoint"
                );
            };
            if leaves.len() == leaves_max {
                bail!(
                    "more than {leaves_max} records are between this one and the checkpoint; name an earlier checkpoint with \
                     --under"
                );
            }
            leaves.push(next.leaf);
            (head, at, is_checkpoint) = (next.head, next.at, next.is_checkpoint);
            heads.push(head);
            is_first = false;
        }
        let mut read = [first.checkpoint.clone(), reading.checkpoint].into_iter().flatten();
        let checkpoint = match under.or(read.find(|checkpoint| checkpoint.head == head)) {
            Some(checkpoint) => checkpoint,
            None => logs.checkpoint(&head)?.context("the logs have changed while they were read")?,
        };
        Ok(Way { leaves, heads, checkpoint })
    }
}
