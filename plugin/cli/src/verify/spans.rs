//! Spans: records that are not here to be checked, as the signed manifests of their
//! ledger state them. They were deleted, or they are encrypted.
//!
//! A span has a head at each edge. It explains a gap only if these heads fit the records
//! on both sides of the gap. An attacker who puts records into a ledger that were never
//! at that place of their chain does not know these heads.

use super::coverage::Coverage;
use super::gaps::Cause;
use super::ranges;
use super::segment::Stretch;
use super::spool::Fingerprint;
use flb_audit_core::chain::{ChainId, Life, Place};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::RangeInclusive;

/// The reason why records are not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// A tombstone says that they were deleted.
    Deleted,
    /// They are in an encrypted file that no decryption key opens.
    Encrypted,
}

/// Consecutive records of one life.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) records: RangeInclusive<u64>,
    /// The record from which the life continues, if the span has the life's first record.
    pub(super) link: Option<Place>,
    /// The head before the first record, and the head of the last record.
    pub(super) edges: Option<(Fingerprint, Fingerprint)>,
    /// The last record with a good signature that the ledger has seen.
    pub(super) signed: Option<u64>,
    pub(super) why: Why,
}

/// All spans of one ledger.
#[derive(Default)]
pub(super) struct Spans {
    lives: BTreeMap<Life, Vec<Span>>,
}

impl Spans {
    pub(super) fn add(&mut self, life: Life, span: Span) {
        let spans = self.lives.entry(life).or_default();
        let at = spans.partition_point(|other| other.records.start() < span.records.start());
        spans.insert(at, span);
    }

    /// Returns the spans of a chain that fit the records that are here, and each other.
    ///
    /// The record after a span states the head with which the span ends. If no record is
    /// known to come after it, the span must not contradict the records before it. If a
    /// span does not fit, only those of its records remain that a signature within it
    /// covers.
    pub(super) fn fitting(
        &self,
        id: ChainId,
        stretches: &BTreeMap<Life, Vec<Stretch>>,
        coverage: &Coverage,
        links: &BTreeMap<Life, Place>,
    ) -> Spans {
        let of_chain = || self.lives.iter().rev().filter(|(life, _)| life.chain == id);
        let before = |life: &Life, first: u64, link: Option<&Place>| match first.checked_sub(1) {
            Some(last) => Some((*life, last)),
            None => link.map(|link| (link.life(id), link.sequence)),
        };
        // The heads of records, as the records after them state them, and as they state
        // themselves.
        let mut wanted: HashMap<(Life, u64), Fingerprint> = HashMap::new();
        let mut ends: HashMap<(Life, u64), HashSet<Fingerprint>> = HashMap::new();
        for (life, stretch) in stretches.iter().flat_map(|(life, all)| all.iter().map(move |one| (life, one)))
        {
            let (first, last) = (*stretch.records.start(), *stretch.records.end());
            if coverage.records == 0 || coverage.has(life, first) {
                let place = before(life, first, links.get(life));
                wanted.extend(place.map(|place| (place, stretch.before)));
            }
            ends.entry((*life, last)).or_default().insert(stretch.head);
        }
        for (life, span) in of_chain().flat_map(|(life, all)| all.iter().map(move |span| (life, span))) {
            ends.entry((*life, *span.records.end())).or_default().extend(span.edges.map(|(_, head)| head));
        }
        let mut fitting = Spans::default();
        for (life, spans) in of_chain() {
            let mut spans = spans.clone();
            spans.sort_by_key(|span| std::cmp::Reverse(*span.records.end()));
            for mut span in spans {
                let (first, last) = (*span.records.start(), *span.records.end());
                if let Some((prev, head)) = span.edges {
                    let place = before(life, first, span.link.as_ref());
                    let is_contradicted =
                        place.and_then(|place| ends.get(&place)).is_some_and(|heads| !heads.contains(&prev));
                    if wanted.get(&(*life, last)).map_or(is_contradicted, |wanted| *wanted != head) {
                        let Some(signed) = span.signed.filter(|signed| *signed >= first) else { continue };
                        (span.records, span.edges) = (first..=signed.min(last), None);
                    }
                    wanted.extend(place.map(|place| (place, prev)));
                }
                fitting.add(*life, span);
            }
        }
        fitting
    }

    /// Returns the spans of a life, in the order of their first records.
    pub(super) fn of(&self, life: &Life) -> &[Span] {
        self.lives.get(life).map_or(&[], Vec::as_slice)
    }

    /// Returns the last record with a good signature that the ledger has seen before
    /// `first`, if the ledger has deleted all records between the two. `head` is the head
    /// before `first`.
    pub(super) fn signed_before(&self, life: &Life, first: u64, head: Fingerprint) -> Option<u64> {
        let (mut first, mut head) = (first, head);
        for span in self.of(life).iter().rev().filter(|span| span.why == Why::Deleted) {
            let Some(edges) = span.edges else { continue };
            if span.records.end().checked_add(1) != Some(first) || edges.1 != head {
                continue;
            }
            if span.signed.is_some() {
                return span.signed;
            }
            (first, head) = (*span.records.start(), edges.0);
        }
        None
    }

    /// Returns the lives that have spans.
    pub(super) fn lives(&self) -> impl Iterator<Item = &Life> {
        self.lives.keys()
    }

    /// Returns the given records that are in no span.
    pub(super) fn without(&self, life: &Life, records: &RangeInclusive<u64>) -> Vec<RangeInclusive<u64>> {
        ranges::without(records, self.of(life).iter().map(|span| &span.records))
    }

    /// Returns the reason why these records, which are in spans, are not here.
    pub(super) fn cause(&self, life: &Life, records: &RangeInclusive<u64>) -> Cause {
        if self.has(life, records, Why::Encrypted) { Cause::Encrypted } else { Cause::Deleted }
    }

    /// Checks whether one of these records is in a span with this reason.
    pub(super) fn has(&self, life: &Life, records: &RangeInclusive<u64>, why: Why) -> bool {
        self.of(life).iter().any(|span| {
            span.why == why && span.records.start() <= records.end() && span.records.end() >= records.start()
        })
    }
}
