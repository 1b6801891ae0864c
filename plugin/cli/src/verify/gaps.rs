//! Gaps of a chain: places where records are missing, and the cause of each.

use super::Verdict;
use flb_audit_core::chain::{Place, Position, Run};
use std::collections::BTreeMap;

/// The beginning of a chain, before all of its records.
pub(super) const BEGINNING: Place = Place { segment: 0, run: Run::FIRST, sequence: 0 };

/// The reason why records are missing. The first reason in this order decides about a record that
/// no signature covers, if the records behind it are missing for several reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cause {
    /// There is no explanation.
    Unknown,
    /// The records are here, but are not as they were sealed.
    Altered,
    /// The records were sealed shortly before their life stopped.
    Stop,
    /// The records are in an encrypted file that no decryption key opens.
    Encrypted,
    /// A ledger's tombstone says that they were deleted.
    Deleted,
    /// The records are before the checkpoint with which the log begins.
    BeforeStart,
}

/// Consecutive records that are missing.
#[derive(Clone, Copy, Debug)]
struct Gap {
    /// The record before the gap, which may itself be missing. If a life's first record
    /// is missing, the record from which the life continues is unknown; then this is the
    /// last record before it that is here.
    before: Position,
    /// The last record of the gap.
    to: Position,
    cause: Cause,
}

/// All gaps of a chain.
#[derive(Default)]
pub(super) struct Gaps {
    /// The gaps by the last record before them that is here.
    by_start: BTreeMap<Place, Vec<Gap>>,
    /// The last record that is known to be missing.
    pub(super) last: Option<Position>,
}

impl Gaps {
    /// Adds missing records of one segment, from `first` to `to`. `after` is the last
    /// record before them that is here.
    pub(super) fn push(&mut self, after: Place, first: u64, to: Position, cause: Cause) {
        let before = first.checked_sub(1);
        let before = before.map_or(after.position(), |sequence| Position { segment: to.segment, sequence });
        self.by_start.entry(after).or_default().push(Gap { before, to, cause });
        self.last = self.last.max(Some(to));
    }

    /// Returns every gap: the last record before it, its own last record, and its cause.
    pub(super) fn all(&self) -> impl Iterator<Item = (Position, Position, Cause)> {
        self.by_start
            .iter()
            .flat_map(|(after, gaps)| gaps.iter().map(|gap| (after.position(), gap.to, gap.cause)))
    }

    /// Orders the gaps, so that those between two records can be looked up.
    pub(super) fn between(&self) -> Between {
        let mut by_cause = BTreeMap::<Cause, Vec<(Position, Position)>>::new();
        for gap in self.by_start.values().flatten() {
            by_cause.entry(gap.cause).or_default().push((gap.before, gap.to));
        }
        for gaps in by_cause.values_mut() {
            gaps.sort_unstable();
            let mut last = Position::default();
            for (_, to) in gaps {
                last = last.max(*to);
                *to = last;
            }
        }
        Between(by_cause)
    }

    /// Returns the verdict on a record that no signature covers, by the gap behind it:
    /// the checkpoint that would cover the record may be in the gap. Returns `None` if
    /// there is no gap.
    pub(super) fn verdict_behind(&self, at: Place) -> Option<Verdict> {
        let cause = self.by_start.get(&at)?.iter().map(|gap| gap.cause).min()?;
        Some(match cause {
            Cause::Unknown | Cause::Altered => Verdict::Gap,
            Cause::Stop => Verdict::UncleanStop,
            Cause::Encrypted => Verdict::Encrypted,
            // Whoever keeps the start vouches for what comes after it, and for nothing else.
            Cause::BeforeStart => Verdict::Unsigned,
            // Retention keeps the checkpoint that covers a record that is kept.
            Cause::Deleted => Verdict::KeyNotCertified,
        })
    }
}

/// All gaps of a chain by cause, in order. Each has the record before it, and the last
/// record of all gaps up to it.
pub(super) struct Between(BTreeMap<Cause, Vec<(Position, Position)>>);

impl Between {
    /// Checks whether records between two others are missing for one of these causes.
    pub(super) fn has(&self, one: Position, other: Position, causes: &[Cause]) -> bool {
        causes.iter().filter_map(|cause| self.0.get(cause)).any(|gaps| {
            let begun = gaps.partition_point(|(before, _)| *before <= other);
            begun.checked_sub(1).is_some_and(|at| gaps[at].1 >= one)
        })
    }
}
