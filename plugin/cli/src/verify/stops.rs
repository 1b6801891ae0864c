//! Records at the ends of lives that may never have been delivered, as the first records of later
//! lives state.

use super::beginning::Beginning;
use super::chain_log::{BATCH_ROWS_MAX, ChainLog};
use super::coverage::Coverage;
use super::ranges::{joined, without, without_sorted};
use super::rows::{RowFile, Rows};
use super::segment::{Stretches, has_first};
use super::spans::Spans;
use flb_audit_core::chain::state::LOOK_RECORDS;
use flb_audit_core::chain::{ChainId, Life, Place, Position};
use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

/// The maximum number of records of one life that a stop explains: a filter looks at its
/// clock after half as many, and its state holds the last two looks.
const RECORDS_MAX: u64 = 2 * LOOK_RECORDS;
/// The maximum number of segments before that of the linked record that a stop explains. A
/// segment takes at least 8 ms of processor time, and a stop loses about 20 seconds.
const SEGMENTS_MAX: u64 = 4096;

/// All stops of one chain.
pub(super) struct Stops {
    /// The records whose absence a stop explains, by life.
    lives: Rows<Life, Vec<RangeInclusive<u64>>>,
    /// The segments between the first and the last one of a stop, in order.
    between: Vec<RangeInclusive<u64>>,
    /// The first one of these segments for each life with which a stop ends.
    first_between: Rows<Life, u64>,
    /// The records from the beginning of a stop to its end, in order. No two overlap.
    whole: Vec<RangeInclusive<Position>>,
    /// The last record of each life that an anchor says was delivered.
    delivered: BTreeMap<Life, u64>,
}

impl Stops {
    /// Combines the statements of first records: the range of records, from one place to
    /// another, that may never have been delivered. The first records are covered, or a ledger has
    /// deleted them and they count as covered.
    ///
    /// A stop begins no earlier than the stops that earlier segments state, because what was
    /// settled once stays settled. So whoever has the node's keys cannot explain records
    /// that an earlier segment calls settled.
    pub(super) fn of(
        id: ChainId,
        chain: &ChainLog,
        stretches: &Stretches,
        coverage: &Coverage,
        spans: &Spans,
        delivered: &BTreeMap<Life, u64>,
        file: &RowFile,
    ) -> Stops {
        let of_chain = delivered.range(Life::all_of(id));
        let mut stops = Stops {
            lives: Rows::new(file, BATCH_ROWS_MAX),
            between: Vec::new(),
            first_between: Rows::new(file, BATCH_ROWS_MAX),
            whole: Vec::new(),
            delivered: of_chain.map(|(life, last)| (*life, *last)).collect(),
        };
        let stop = |(life, said): (Life, &Beginning)| {
            let (link, (first, _)) = said.stop(&life)?;
            Some((life, first, link))
        };
        let covered = chain.segments.iter().filter(|(life, _)| coverage.has(life, 0));
        let mut here = covered.filter_map(|(life, of)| stop((life, &of.beginning))).peekable();
        let deleted = spans.beginnings(id).filter(|(life, _)| !has_first(stretches, life));
        let mut deleted = deleted.filter_map(stop).peekable();
        // In the order of the lives that state them.
        let said = std::iter::from_fn(|| match (here.peek(), deleted.peek()) {
            (Some(one), Some(other)) if other.0 < one.0 => deleted.next(),
            (None, _) => deleted.next(),
            _ => here.next(),
        });
        // The latest of the places that earlier segments state, and the latest with those of
        // this one.
        let (mut settled, mut next, mut number): (Option<Place>, Option<Place>, _) = (None, None, None);
        for (life, from, to) in said {
            if number != Some(life.segment) {
                (settled, number) = (next, Some(life.segment));
            }
            stops.add(id, settled.map_or(from, |settled| later(settled, from)), &to);
            next = next.into_iter().chain([from]).reduce(later);
        }
        stops.between = joined(std::mem::take(&mut stops.between));
        stops.whole.sort_unstable_by_key(|records| *records.start());
        for records in std::mem::take(&mut stops.whole) {
            stops.add_whole(records);
        }
        stops
    }

    /// Adds a stop that may have lost the records from one place to another.
    fn add(&mut self, id: ChainId, from: Place, to: &Place) {
        let (first, last) = (from.life(id), to.life(id));
        let least = to.sequence.saturating_sub(RECORDS_MAX - 1);
        if first == last {
            self.explain(first, from.sequence.max(least)..=to.sequence);
            self.add_whole(from.position()..=to.position());
        } else if first.segment < last.segment {
            let oldest = last.segment.saturating_sub(SEGMENTS_MAX);
            if first.segment >= oldest {
                let end = from.sequence.saturating_add(RECORDS_MAX - 1);
                self.explain(first, from.sequence..=end);
            }
            self.explain(last, least..=to.sequence);
            let between = oldest.max(first.segment + 1);
            self.add_between(between..=last.segment - 1);
            let oldest = Position { segment: oldest, sequence: 0 };
            self.add_whole(from.position().max(oldest)..=to.position());
            let known = self.first_between.entry_or(last, || between);
            *known = between.min(*known);
        }
    }

    /// Adds records of a life whose absence a stop explains.
    fn explain(&mut self, life: Life, records: RangeInclusive<u64>) {
        let of_life = self.lives.entry_or(life, Vec::new);
        of_life.push(records);
        *of_life = joined(std::mem::take(of_life));
    }

    /// Adds segments between the first and the last one of a stop. Those of one stop after
    /// the other nearly always overlap.
    fn add_between(&mut self, segments: RangeInclusive<u64>) {
        match self.between.last_mut() {
            _ if segments.is_empty() => {}
            Some(last) if last.start() <= segments.start() && segments.start() <= last.end() => {
                *last = *last.start()..=*last.end().max(segments.end());
            }
            _ => self.between.push(segments),
        }
    }

    /// Adds the records from the beginning of a stop to its end. Those of one stop after the other
    /// nearly always overlap.
    fn add_whole(&mut self, records: RangeInclusive<Position>) {
        match self.whole.last_mut() {
            _ if records.is_empty() => {}
            Some(last) if last.start() <= records.start() && records.start() <= last.end() => {
                *last = *last.start()..=*last.end().max(records.end());
            }
            _ => self.whole.push(records),
        }
    }

    /// Returns the number of keys that may have come into force behind a record and before another
    /// one, at records that stops explain: one at a segment's record 0, and one later in it. A filter
    /// loses no more than [`RECORDS_MAX`] records of a segment, or about 20 seconds, in which the key
    /// changes once at most.
    pub(super) fn keys_between(&self, behind: Position, before: Position) -> u64 {
        let behind = Position { sequence: behind.sequence.saturating_add(1), ..behind };
        // The number behind the last segment with a record 0, or with a later record, before a position.
        let begun = |at: Position| if at.sequence > 0 { at.segment + 1 } else { at.segment };
        let later = |at: Position| if at.sequence > 1 { at.segment + 1 } else { at.segment };
        let at = self.whole.partition_point(|records| *records.end() < behind);
        // The first segment whose later records are not counted yet.
        let (mut next, mut keys) = (0, 0u64);
        for records in self.whole[at..].iter().take_while(|records| *records.start() < before) {
            let first = behind.max(*records.start());
            let end =
                before.min(Position { sequence: records.end().sequence.saturating_add(1), ..*records.end() });
            if first >= end {
                continue;
            }
            keys = keys.saturating_add(begun(end).saturating_sub(begun(first)));
            keys = keys.saturating_add(later(end).saturating_sub(next.max(first.segment)));
            next = next.max(later(end));
        }
        keys
    }

    /// Returns the segments that the stops which end with a life may have lost as a whole,
    /// so that nobody knows how many records they had.
    pub(super) fn before(&self, life: &Life) -> Range<u64> {
        self.first_between.get(life).map_or(0..0, |first| first..life.segment)
    }

    /// Splits missing records at the end of a life into parts, each with whether a stop
    /// explains it. A stop does not explain records that were delivered: those that a
    /// ledger's manifests state up to a signature, and those up to a record that an anchor was
    /// taken from. Behind the signature, anybody could have made them up.
    pub(super) fn parts(
        &self,
        life: &Life,
        records: &RangeInclusive<u64>,
        held: &[Spans],
    ) -> Vec<(RangeInclusive<u64>, bool)> {
        let at = self.between.partition_point(|range| *range.end() < life.segment);
        let is_between = self.between.get(at).is_some_and(|range| range.contains(&life.segment));
        let mut own = self.lives.get(life).unwrap_or_default();
        own.extend(is_between.then_some(0..=RECORDS_MAX - 1));
        let mut others = without(records, &joined(own));
        let delivered = self.delivered.get(life).map(|last| 0..=*last);
        // A ledger can have very many records of the life: only those of the gap are looked at.
        let of_ledgers = held.iter().map(|spans| spans.signed(life));
        for held in of_ledgers.chain(delivered.as_ref().map(std::slice::from_ref)) {
            let not_held = without_sorted(records, held);
            others.extend(without(records, &not_held));
        }
        let others = joined(others);
        let stopped = without(records, &others).into_iter().map(|part| (part, true));
        let mut parts: Vec<_> = stopped.chain(others.iter().map(|part| (part.clone(), false))).collect();
        parts.sort_unstable_by_key(|(part, _)| *part.start());
        parts
    }
}

/// Returns the later of two places.
fn later(one: Place, other: Place) -> Place {
    let order = |place: &Place| (place.segment, *place.run.as_bytes(), place.sequence);
    if order(&one) < order(&other) { other } else { one }
}
