//! What was read of one chain.
//!
//! Only intact records are in here, apart from the numbers of altered ones. Who
//! has sealed them is for `coverage` to say.

use super::keys::Keys;
use super::segment::Segment;
use super::signatures::Flaw;
use super::spool::Fingerprint;
use flb_audit_core::chain::{Life, Place, Position};
use flb_audit_core::hash::Hash;
use flb_audit_core::record::notes::Notes;
use flb_audit_core::schema::Disposition;
use flb_audit_core::verify::{Sealed, Validity};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Where the records of a chain were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Store {
    /// Nowhere yet.
    #[default]
    None,
    /// Only in the files of this ledger.
    Ledger(usize),
    /// In other files, or in more than one ledger.
    Mixed,
}

impl Store {
    /// Adds a place where a record was read: a ledger, or none.
    pub(super) fn add(&mut self, ledger: Option<usize>) {
        *self = match (*self, ledger) {
            (Store::None, Some(ledger)) => Store::Ledger(ledger),
            (Store::Ledger(before), Some(ledger)) if before == ledger => *self,
            _ => Store::Mixed,
        };
    }
}

/// A good checkpoint with which the log of a chain begins: what is before it is not
/// looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    pub(super) place: Place,
    pub(super) head: Fingerprint,
}

impl Start {
    /// Returns the last record of a life that is not looked for, if there is one.
    pub(super) fn end(&self, life: &Life) -> Option<u64> {
        match () {
            () if life.segment < self.place.segment => Some(u64::MAX),
            () if self.place.life(life.chain) == *life => Some(self.place.sequence),
            () => None,
        }
    }
}

/// What was read of one chain.
#[derive(Default)]
pub(super) struct ChainLog {
    pub(super) segments: BTreeMap<Life, Segment>,
    /// The records that lives go on from, as their first records say.
    pub(super) links: BTreeMap<Life, Place>,
    /// From which record on records before a life may never have been delivered, and
    /// the head before that record, as the life's first record says.
    pub(super) unsettled: BTreeMap<Life, (Place, Fingerprint)>,
    /// What the first records of lives say of the node's state.
    pub(super) state_notes: BTreeMap<Life, Notes>,
    /// The checkpoint with which the log begins, if that is not the chain's beginning.
    pub(super) start: Option<Start>,
    pub(super) keys: Keys,
    /// The policies that signed checkpoints name by their digests, with the first
    /// such checkpoint and the last: some of them, where there are very many.
    pub(super) policies: BTreeMap<Hash, (Position, Position)>,
    /// The times of signed checkpoints, in seconds since 1970.
    pub(super) checkpoint_times: BTreeMap<Position, u64>,
    /// How many records are not the ones that were sealed.
    pub(super) altered: u64,
    /// Why its first checkpoint proves nothing: those that have no key of the
    /// roster's all do so alike.
    pub(super) without_roster: Option<Flaw>,
    /// The last record that an anchor proves, and that is here.
    pub(super) anchored: Option<Place>,
    /// Records that anchors prove, and that are here: some of them, where there are very
    /// many.
    pub(super) anchors: BTreeSet<Position>,
    /// The last record that an anchor proves, here or not.
    pub(super) anchors_reach: Option<Position>,
    /// Records that anchors prove behind the ends of lives that are here.
    pub(super) cut_off: BTreeMap<Life, Vec<u64>>,
    pub(super) store: Store,
    /// Different intact records.
    pub(super) records: u64,
    /// Records that are here more than once.
    pub(super) duplicates: u64,
    /// Records that the filter could not read and sealed as raw text.
    pub(super) raw: u64,
    /// Records that have a schema, by what their seals say of it.
    pub(super) checked: SchemaCounts,
    /// How many records have a note, by its word.
    pub(super) notes: BTreeMap<&'static str, u64>,
    /// Records that are not here, and nothing accounts for them.
    pub(super) missing: u64,
    /// Records that are not here, and were sealed shortly before a stop.
    pub(super) undelivered: u64,
    /// The time of the earliest record, in seconds since 1970.
    pub(super) from: u64,
    /// The time of the latest record, in seconds since 1970.
    pub(super) to: u64,
}

/// How many policies of a chain are listed.
const POLICIES_MAX: usize = 100;
/// The number of anchors of a chain that are listed.
const ANCHORS_MAX: usize = 1000;

impl ChainLog {
    /// Returns how many seconds lie between the last record that an anchor proves and
    /// the latest one, by the times of the records.
    pub(super) fn unanchored_seconds(&self) -> u64 {
        let anchored = self.anchored.and_then(|place| self.checkpoint_times.get(&place.position()));
        self.to.saturating_sub(*anchored.unwrap_or(&self.from))
    }

    /// Adds a record that an anchor proves, and that is here.
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

/// Records by what their seals say of their schemas.
#[derive(Clone, Copy, Default, Serialize)]
pub(super) struct SchemaCounts {
    pub(super) valid: u64,
    pub(super) invalid: u64,
    /// Of the invalid ones, those whose text is in quarantine.
    pub(super) quarantined: u64,
    /// Of the invalid ones, those of which only the seal is left.
    pub(super) dropped: u64,
    /// Those that could not be checked.
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
