//! When keys were in force, as far as it is known: which signatures that manifests name count.

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
        let of_spans = spans.of_chain(id).filter_map(|(life, span)| {
            let ([first, last], signed) = span.keys.zip(span.signed)?;
            Some([(first, at(life, *span.records.start())), (last, at(life, signed))])
        });
        let used = chain.keys.last_used().chain(of_spans.flatten()).collect();
        let since = chain.keys.since().map(|(key, place, _)| (key, place.position())).collect();
        InForce { used: up_to(used), since: up_to(since) }
    }

    /// Returns a copy of a span, without its signature if the key may not have been in force there.
    pub(super) fn believed(&self, life: &Life, span: &Span) -> Span {
        let keys = span.keys.zip(span.signed);
        let keys = keys.filter(|([_, last], signed)| self.includes(*last, at(life, *signed)));
        let (keys, signed) = keys.unzip();
        let is_said =
            *span.records.start() == 0 && keys.is_some_and(|[first, _]| self.includes(first, at(life, 0)));
        Span { signed, keys, is_said, ..span.clone() }
    }

    /// Checks that a key may have been in force at a place: nothing there or later is signed by an
    /// earlier key, and neither this key nor an earlier one came into force later.
    fn includes(&self, key: u32, at: Position) -> bool {
        let last = |all: &[(u32, Position)], before: &dyn Fn(u32) -> bool| {
            all[..all.partition_point(|(key, _)| before(*key))].last().map(|(_, last)| *last)
        };
        last(&self.used, &|other| other < key).is_none_or(|last| last < at)
            && last(&self.since, &|other| other <= key).is_none_or(|last| last <= at)
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

fn at(life: &Life, sequence: u64) -> Position {
    Position { segment: life.segment, sequence }
}
