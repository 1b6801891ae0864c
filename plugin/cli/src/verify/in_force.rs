//! When the keys were in force that have signed the first records of lives, as manifests state them.

use super::chain_log::ChainLog;
use super::spans::{Span, Spans};
use flb_audit_core::chain::{ChainId, Life, Position};

/// The places at which the keys of a chain are known to have signed or to have come into force.
pub(super) struct InForce {
    /// For each key, the last place at which it or an earlier one has signed.
    used: Vec<(u32, Position)>,
    /// For each key, the last place at which it or an earlier one came into force.
    since: Vec<(u32, Position)>,
}

impl InForce {
    pub(super) fn of(chain: &ChainLog, spans: &Spans, id: ChainId) -> InForce {
        let of_spans = spans.keys(id).map(|(life, key)| (key, first_of(life)));
        let used = chain.keys.last_used().chain(of_spans).collect();
        let since = chain.keys.since().map(|(key, place, _)| (key, place.position())).collect();
        InForce { used: up_to(used), since: up_to(since) }
    }

    /// Checks that the key which has signed the first record of a life, in a span, may have been in
    /// force there: nothing at or after that record is signed by an earlier key, and neither this key
    /// nor an earlier one came into force later.
    pub(super) fn includes(&self, life: &Life, span: &Span) -> bool {
        let at = first_of(life);
        let last = |all: &[(u32, Position)], before: &dyn Fn(u32) -> bool| {
            all[..all.partition_point(|(key, _)| before(*key))].last().map(|(_, last)| *last)
        };
        span.key.filter(|_| span.signed.is_some()).is_some_and(|key| {
            last(&self.used, &|other| other < key).is_none_or(|last| last < at)
                && last(&self.since, &|other| other <= key).is_none_or(|last| last <= at)
        })
    }
}

/// Returns for each key the last of its places and of those of earlier keys.
fn up_to(mut all: Vec<(u32, Position)>) -> Vec<(u32, Position)> {
    all.sort_unstable();
    let mut last = Position::default();
    for (_, at) in &mut all {
        last = last.max(*at);
        *at = last;
    }
    all
}

fn first_of(life: &Life) -> Position {
    Position { segment: life.segment, sequence: 0 }
}
