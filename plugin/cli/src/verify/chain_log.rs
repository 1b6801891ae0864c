//! The records that were read of one chain.
//!
//! A chain log has only intact records, apart from the numbers of altered ones.
//! `coverage` decides who has sealed them.

use super::keys::Keys;
use super::rows::{RowFile, Rows};
use super::segment::Segment;
use super::signatures::Flaw;
use super::spool::{Fingerprint, Version};
use flb_audit_core::chain::{Life, Place, Position};
use flb_audit_core::hash::Hash;
use flb_audit_core::record::notes::Notes;
use flb_audit_core::schema::Disposition;
use flb_audit_core::verify::{Sealed, Validity};
use serde::Serialize;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::sync::Arc;

/// The files in which the records of a chain were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Store {
    /// No record was read yet.
    #[default]
    None,
    /// All records were read in the files of this ledger.
    Ledger(usize),
    /// Records were read in other files, or in more than one ledger.
    Mixed,
}

impl Store {
    /// Adds the file of a record: one of this ledger, or of none.
    pub(super) fn add(&mut self, ledger: Option<usize>) {
        *self = match (*self, ledger) {
            (Store::None, Some(ledger)) => Store::Ledger(ledger),
            (Store::Ledger(before), Some(ledger)) if before == ledger => *self,
            _ => Store::Mixed,
        };
    }
}

/// A record with which the log of a chain begins. Missing records before it make no finding.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    pub(super) place: Place,
    pub(super) head: Fingerprint,
    /// True if it is a good checkpoint that `--from` names. Otherwise it is the first record of
    /// an export, and proves nothing.
    pub(super) is_checkpoint: bool,
}

impl Start {
    /// Returns the last record of a life that the log may lack without a finding, if
    /// there is one.
    pub(super) fn end(&self, life: &Life) -> Option<u64> {
        match () {
            () if life.segment < self.place.segment => Some(u64::MAX),
            () if self.place.life(life.chain) == *life => Some(self.place.sequence),
            () => None,
        }
    }
}

/// The records that were read of one chain.
pub(super) struct ChainLog {
    pub(super) segments: Rows<Life, Rc<Segment>>,
    /// The record with which the log begins, if that is not the chain's beginning.
    pub(super) start: Option<Start>,
    /// The last record of an export. Missing records behind it make no finding.
    pub(super) end: Option<Place>,
    pub(super) keys: Keys,
    /// The policies that signed checkpoints name by their digests, each with the first
    /// and the last such checkpoint. If there are very many, only some are listed.
    pub(super) policies: BTreeMap<Hash, (Position, Position)>,
    /// The times of signed checkpoints, in seconds since 1970.
    pub(super) checkpoint_times: Rows<Position, u64>,
    /// The number of records that are not as they were sealed.
    pub(super) altered: u64,
    /// True if one of its records, intact or not, has a signature, good or not.
    pub(super) has_checkpoint: bool,
    /// The reason why nobody vouches for the keys of one of the chain's checkpoints.
    pub(super) without_roster: Option<Flaw>,
    /// The first of its texts in the inputs, by name and number, and the place of that
    /// record.
    pub(super) first_read: Option<(Arc<str>, u64, Position)>,
    /// The first statement that a good checkpoint makes on what a ledger holds or has
    /// deleted.
    pub(super) states_from: Option<Position>,
    /// The last record that is here and that an anchor proves.
    pub(super) anchored: Option<Place>,
    /// The records that are here and that anchors prove. If there are very many, only
    /// some are listed.
    pub(super) anchors: BTreeSet<Position>,
    /// The last record that an anchor proves, whether it is here or not.
    pub(super) anchors_reach: Option<Position>,
    /// The numbers of records that anchors prove behind the ends of lives.
    pub(super) cut_off: BTreeMap<Life, Vec<u64>>,
    pub(super) store: Store,
    /// All versions of the records of which there is more than one.
    pub(super) versions: BTreeMap<(Life, u64), BTreeSet<Version>>,
    /// The number of findings that a record is here in two versions.
    pub(super) conflicting: u64,
    /// The number of distinct intact records.
    pub(super) records: u64,
    /// The number of repeated records.
    pub(super) duplicates: u64,
    /// The number of records that the filter could not parse and sealed as raw text.
    pub(super) raw: u64,
    /// The numbers of records with a schema, by the result that their seals state.
    pub(super) checked: SchemaCounts,
    /// The number of records with each note.
    pub(super) notes: BTreeMap<&'static str, u64>,
    /// The number of missing records without an explanation.
    pub(super) missing: u64,
    /// The number of missing records that were sealed shortly before a stop.
    pub(super) undelivered: u64,
    /// The time of the earliest record, in seconds since 1970.
    pub(super) from: u64,
    /// The time of the latest record, in seconds since 1970.
    pub(super) to: u64,
}

/// The maximum number of policies that are listed for a chain.
const POLICIES_MAX: usize = 100;
/// The maximum number of anchors that are listed for a chain.
const ANCHORS_MAX: usize = 1000;

/// The maximum number of lives in a batch of rows, which may have 2 KB each.
const BATCH_LIVES_MAX: usize = 16;
/// The maximum number of rows in a batch of smaller rows.
pub(super) const BATCH_ROWS_MAX: usize = 64;

impl ChainLog {
    pub(super) fn new(file: &RowFile) -> Self {
        ChainLog {
            segments: Rows::new(file, BATCH_LIVES_MAX),
            start: None,
            end: None,
            keys: Keys::new(file),
            policies: BTreeMap::new(),
            checkpoint_times: Rows::new(file, BATCH_ROWS_MAX),
            altered: 0,
            has_checkpoint: false,
            without_roster: None,
            first_read: None,
            states_from: None,
            anchored: None,
            anchors: BTreeSet::new(),
            anchors_reach: None,
            cut_off: BTreeMap::new(),
            store: Store::None,
            versions: BTreeMap::new(),
            conflicting: 0,
            records: 0,
            duplicates: 0,
            raw: 0,
            checked: SchemaCounts::default(),
            notes: BTreeMap::new(),
            missing: 0,
            undelivered: 0,
            from: u64::MAX,
            to: 0,
        }
    }

    /// Checks that a record of the time that is asked for is here.
    pub(super) fn has_records_of_the_time(&self) -> bool {
        self.segments.iter().any(|(_, segment)| segment.is_heard_in(&(0..=u64::MAX)))
    }

    /// Returns the seconds between the last anchored record and the latest good checkpoint,
    /// by their times. Records behind the last checkpoint do not count, because anybody can
    /// forge those. In a chain without good checkpoints, all records count.
    pub(super) fn unanchored_seconds(&self) -> u64 {
        let anchored = self.anchored.and_then(|place| self.checkpoint_times.get(&place.position()));
        let last = self.checkpoint_times.iter().map(|(_, time)| time).max().unwrap_or(self.to);
        last.saturating_sub(anchored.unwrap_or(self.from))
    }

    /// Adds a text of the inputs that is a record of this chain.
    pub(super) fn add_text(&mut self, source: &Arc<str>, number: u64, position: Position) {
        let is_first = self.first_read.as_ref().is_none_or(|(first, of, at)| {
            let is_same = Arc::ptr_eq(source, first) || source == first;
            if is_same { (number, position) < (*of, *at) } else { source < first }
        });
        if is_first {
            self.first_read = Some((source.clone(), number, position));
        }
    }

    /// Returns the checkpoint with which the log begins, if there is one.
    pub(super) fn first_checkpoint(&self) -> Option<Start> {
        self.start.filter(|start| start.is_checkpoint)
    }

    /// Returns those of some records of a life that are not behind the end of the log.
    pub(super) fn up_to_end(&self, life: &Life, records: RangeInclusive<u64>) -> Option<RangeInclusive<u64>> {
        let Some(end) = self.end else { return Some(records) };
        let last = match end.life(life.chain).cmp(life) {
            Ordering::Less => return None,
            Ordering::Equal => end.sequence.min(*records.end()),
            Ordering::Greater => *records.end(),
        };
        (*records.start() <= last).then(|| *records.start()..=last)
    }

    /// Returns the record from which a life continues, as its first record states it.
    pub(super) fn link(&self, life: &Life) -> Option<Place> {
        self.segments.get(life)?.beginning.link
    }

    /// Returns the notes on the node's state in a life's first record.
    pub(super) fn state_notes(&self, life: &Life) -> Notes {
        self.segments.get(life).map_or(Notes::NONE, |segment| segment.beginning.notes)
    }

    /// Adds a record that is here and that an anchor proves.
    pub(super) fn add_anchor(&mut self, at: Place) {
        self.anchored = self.anchored.max(Some(at));
        if self.anchors.len() < ANCHORS_MAX {
            self.anchors.insert(at.position());
        }
    }

    /// Adds a policy that a signed checkpoint names.
    pub(super) fn add_policy(&mut self, digest: Hash, at: Position) {
        if self.policies.len() < POLICIES_MAX || self.policies.contains_key(&digest) {
            let (first, last) = self.policies.entry(digest).or_insert((at, at));
            (*first, *last) = ((*first).min(at), (*last).max(at));
        }
    }
}

/// The numbers of records by the schema results that their seals state.
#[derive(Clone, Copy, Default, Serialize)]
pub(super) struct SchemaCounts {
    pub(super) valid: u64,
    pub(super) invalid: u64,
    /// The number of invalid records whose text is in quarantine.
    pub(super) quarantined: u64,
    /// The number of invalid records that were dropped, so that only the seal is left.
    pub(super) dropped: u64,
    /// The number of records that could not be checked.
    pub(super) unchecked: u64,
}

impl SchemaCounts {
    pub(super) fn add(&mut self, sealed: &Sealed) {
        match sealed.validity {
            Validity::NoSchema => {}
            Validity::Valid => self.valid += 1,
            Validity::NotChecked => self.unchecked += 1,
            Validity::Invalid => self.invalid += 1,
        }
        match sealed.disposition {
            Disposition::Mark => {}
            Disposition::Quarantine => self.quarantined += 1,
            Disposition::Drop => self.dropped += 1,
        }
    }
}
