//! Places of a chain where records are not here, and what accounts for them.

use super::Verdict;
use flb_audit_core::chain::{Place, Position, Run};
use std::collections::BTreeMap;

/// The beginning of a chain, before all of its records.
pub(super) const BEGINNING: Place = Place { segment: 0, run: Run::FIRST, sequence: 0 };

/// Why records are not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cause {
    /// Nothing accounts for them.
    Unknown,
    /// A ledger has deleted some of them, which does not account for what is not
    /// here of another store, or not of this one up to its ends.
    DeletedElsewhere,
    /// They are here, and are not the ones that were sealed.
    Altered,
    /// They were sealed shortly before their life stopped.
    Stop,
    /// A ledger's tombstone says that they were deleted.
    Deleted,
    /// They are before the checkpoint with which the log begins.
    BeforeStart,
    /// They are in an encrypted file that nothing opens.
    Encrypted,
}

/// Records that follow one another and are not here.
#[derive(Clone, Copy, Debug)]
struct Gap {
    /// The record before the first of them, which may itself be missing. Without its first
    /// record nobody knows what a life goes on from: then it is the last one before that
    /// is here.
    before: Position,
    /// The last of them.
    to: Position,
    cause: Cause,
}

/// All gaps of a chain.
#[derive(Default)]
pub(super) struct Gaps {
    /// By the last record before them that is here.
    by_start: BTreeMap<Place, Vec<Gap>>,
    /// The last record that is known not to be here.
    pub(super) last: Option<Position>,
}

impl Gaps {
    /// Adds records of one segment, behind one that is here: `first` and up to `to`.
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

    /// Orders the gaps, to be asked for those between two records.
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

    /// What a record comes to that no signature reaches, by the gap behind it: the
    /// checkpoint that would reach it may be in there. None if no gap is there.
    pub(super) fn verdict_behind(&self, at: Place) -> Option<Verdict> {
        let verdict = |gap: &Gap| match gap.cause {
            Cause::Unknown | Cause::Altered => Verdict::Gap,
            Cause::Stop => Verdict::UncleanStop,
            Cause::Encrypted => Verdict::Encrypted,
            // Of what is before the start nothing is said.
            Cause::BeforeStart => Verdict::Intact,
            // Retention keeps the checkpoint that covers a record that is kept.
            Cause::Deleted | Cause::DeletedElsewhere => Verdict::KeyNotCertified,
        };
        let verdicts = self.by_start.get(&at)?.iter().map(verdict);
        verdicts.min_by_key(|verdict| *verdict == Verdict::KeyNotCertified)
    }
}

/// All gaps of a chain by cause: the record before each, in order, and the last record of
/// all gaps up to that one.
pub(super) struct Between(BTreeMap<Cause, Vec<(Position, Position)>>);

impl Between {
    /// Checks whether records are not here between two that are, for one of these causes.
    pub(super) fn has(&self, one: Position, other: Position, causes: &[Cause]) -> bool {
        causes.iter().filter_map(|cause| self.0.get(cause)).any(|gaps| {
            let begun = gaps.partition_point(|(before, _)| *before <= other);
            begun.checked_sub(1).is_some_and(|at| gaps[at].1 >= one)
        })
    }
}
