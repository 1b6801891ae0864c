//! Records that are not here to be checked, as the signed manifests of the
//! ledger that held them state: they were deleted, or they are encrypted.
//!
//! Manifests state places and no heads, so a span accounts for a gap by numbers.

use super::gaps::Cause;
use flb_audit_core::chain::{Life, Place};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Why records are not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// A tombstone says that they were deleted.
    Deleted,
    /// They are in an encrypted file that nothing opens.
    Encrypted,
}

/// Records of one life that follow one another.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) records: RangeInclusive<u64>,
    /// The record that the life goes on from, if the first record is in the span.
    pub(super) link: Option<Place>,
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

    /// The spans of a life, by their first record.
    pub(super) fn of(&self, life: &Life) -> &[Span] {
        self.lives.get(life).map_or(&[], Vec::as_slice)
    }

    /// The lives that have spans.
    pub(super) fn lives(&self) -> impl Iterator<Item = &Life> {
        self.lives.keys()
    }

    /// Returns which of these records are in no span.
    pub(super) fn without(&self, life: &Life, records: RangeInclusive<u64>) -> Vec<RangeInclusive<u64>> {
        let mut left = Vec::new();
        let mut next = Some(*records.start());
        for span in self.of(life) {
            let Some(from) = next.filter(|from| *from <= *records.end()) else { break };
            if *span.records.end() < from || span.records.start() > records.end() {
                continue;
            }
            if *span.records.start() > from {
                left.push(from..=*span.records.start() - 1);
            }
            next = span.records.end().checked_add(1);
        }
        left.extend(next.filter(|from| from <= records.end()).map(|from| from..=*records.end()));
        left
    }

    /// Why these records, which are in spans, are not here.
    pub(super) fn cause(&self, life: &Life, records: &RangeInclusive<u64>) -> Cause {
        if self.has(life, records, Why::Encrypted) { Cause::Encrypted } else { Cause::Deleted }
    }

    /// Whether one of these records is in a span of this kind.
    pub(super) fn has(&self, life: &Life, records: &RangeInclusive<u64>, why: Why) -> bool {
        self.of(life).iter().any(|span| {
            span.why == why && span.records.start() <= records.end() && span.records.end() >= records.start()
        })
    }
}
