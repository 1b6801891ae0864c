//! Records from which a chain continues twice.

use super::Verdict;
use flb_audit_core::chain::Position;

/// The first forks of a chain, by verdict.
#[derive(Clone, Copy, Default)]
pub(super) struct Forks {
    conflict: Option<Position>,
    state_damaged: Option<Position>,
    /// The last segment that states that its node found its state damaged, and so
    /// continues from no record.
    restart: Option<Position>,
}

impl Forks {
    /// Adds a record from which a chain continues twice.
    pub(super) fn add(&mut self, at: Position, verdict: Verdict) {
        let first =
            if verdict == Verdict::StateDamaged { &mut self.state_damaged } else { &mut self.conflict };
        *first = Some(first.map_or(at, |first| first.min(at)));
    }

    /// Adds the first record of a segment that continues from no record because its node
    /// found its state damaged.
    pub(super) fn add_restart(&mut self, at: Position) {
        self.restart = self.restart.max(Some(at));
    }

    /// Returns the verdict on a record behind a fork. It is `StateDamaged` if all forks
    /// before it come from a state that was set back, or if a later segment continues
    /// from no record. Otherwise it is a conflict.
    pub(super) fn before(&self, at: Position) -> Option<Verdict> {
        let is_before = |fork: Option<Position>| fork.is_some_and(|fork| fork < at);
        match (is_before(self.conflict), is_before(self.state_damaged) || self.restart > Some(at)) {
            (true, _) => Some(Verdict::Conflict),
            (false, true) => Some(Verdict::StateDamaged),
            (false, false) => None,
        }
    }
}
