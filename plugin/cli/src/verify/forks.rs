//! Places from which a chain has gone on twice.

use super::Verdict;
use flb_audit_core::chain::Position;

/// The first such places of a chain, by what they come to.
#[derive(Clone, Copy, Default)]
pub(super) struct Forks {
    conflict: Option<Position>,
    state_damaged: Option<Position>,
    /// The last segment that says that its node found its state damaged, and so goes on
    /// from nowhere.
    restart: Option<Position>,
}

impl Forks {
    /// Adds the record after which a chain has gone on twice.
    pub(super) fn add(&mut self, at: Position, verdict: Verdict) {
        let first =
            if verdict == Verdict::StateDamaged { &mut self.state_damaged } else { &mut self.conflict };
        *first = Some(first.map_or(at, |first| first.min(at)));
    }

    /// Adds the first record of a segment that goes on from nowhere, since its node found
    /// its state damaged.
    pub(super) fn add_restart(&mut self, at: Position) {
        self.restart = self.restart.max(Some(at));
    }

    /// Returns what a record comes to that is behind such a place: all of them are of a
    /// state that was set back, or it is a conflict. Before a segment that goes on from
    /// nowhere it is the damaged state.
    pub(super) fn before(&self, at: Position) -> Option<Verdict> {
        let is_before = |fork: Option<Position>| fork.is_some_and(|fork| fork < at);
        match (is_before(self.conflict), is_before(self.state_damaged) || self.restart > Some(at)) {
            (true, _) => Some(Verdict::Conflict),
            (false, true) => Some(Verdict::StateDamaged),
            (false, false) => None,
        }
    }
}
