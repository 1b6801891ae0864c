//! Records at the ends of lives that may never have been delivered, as the covered first
//! records of later lives state.

use super::coverage::Coverage;
use super::ranges::{joined, without};
use super::spans::Spans;
use flb_audit_core::chain::{ChainId, Life, Place};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// All stops of one chain.
#[derive(Default)]
pub(super) struct Stops {
    /// The records whose absence a stop explains, by life.
    lives: BTreeMap<Life, Vec<RangeInclusive<u64>>>,
    /// The segments between the first and the last one of a stop, in order.
    between: Vec<RangeInclusive<u64>>,
    /// The last record of each life that an anchor says was delivered.
    delivered: BTreeMap<Life, u64>,
}

impl Stops {
    /// Combines the statements of first records: the range of records, from one place to
    /// another, that may never have been delivered.
    pub(super) fn of(
        id: ChainId,
        coverage: &Coverage,
        said: impl Iterator<Item = (Life, Place, Place)>,
        delivered: &BTreeMap<Life, u64>,
    ) -> Stops {
        let of_chain = delivered.iter().filter(|(life, _)| life.chain == id);
        let delivered = of_chain.map(|(life, last)| (*life, *last)).collect();
        let mut stops = Stops { delivered, ..Stops::default() };
        let mut between: Vec<RangeInclusive<u64>> = Vec::new();
        for (_, from, to) in said.filter(|(life, _, to)| coverage.has(life, 0) && to.segment < life.segment) {
            let (first, last) = (from.life(id), to.life(id));
            if first == last {
                stops.lives.entry(first).or_default().push(from.sequence..=to.sequence);
            } else if first.segment < last.segment {
                stops.lives.entry(first).or_default().push(from.sequence..=u64::MAX);
                stops.lives.entry(last).or_default().push(0..=to.sequence);
                between.push(first.segment + 1..=last.segment - 1);
            }
        }
        stops.lives.values_mut().for_each(|ranges| *ranges = joined(std::mem::take(ranges)));
        stops.between = joined(between);
        stops
    }

    /// Splits missing records at the end of a life into parts, each with whether a stop
    /// explains it. A stop does not explain records that were delivered: those that a
    /// ledger's manifests state, and those up to a record that an anchor was taken from.
    pub(super) fn parts(
        &self,
        life: &Life,
        records: &RangeInclusive<u64>,
        held: &[Spans],
    ) -> Vec<(RangeInclusive<u64>, bool)> {
        let at = self.between.partition_point(|range| *range.end() < life.segment);
        let is_between = self.between.get(at).is_some_and(|range| range.contains(&life.segment));
        let own = self.lives.get(life).map_or(&[][..], Vec::as_slice);
        let mut others = if is_between { Vec::new() } else { without(records, own) };
        let delivered = self.delivered.get(life).map(|last| 0..=*last);
        let held =
            held.iter().flat_map(|spans| spans.of(life)).map(|span| span.records.clone()).chain(delivered);
        let not_held = without(records, &joined(held.collect()));
        others.extend(without(records, &not_held));
        let others = joined(others);
        let stopped = without(records, &others).into_iter().map(|part| (part, true));
        let mut parts: Vec<_> = stopped.chain(others.iter().map(|part| (part.clone(), false))).collect();
        parts.sort_unstable_by_key(|(part, _)| *part.start());
        parts
    }
}
