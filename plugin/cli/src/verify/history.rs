//! Follows the lives of a chain one after the other, and finds missing records.

use super::Verdict;
use super::chain_log::{BATCH_ROWS_MAX, ChainLog};
use super::coverage::Coverage;
use super::forks::Forks;
use super::gaps::{BEGINNING, Cause, Gaps};
use super::rows::Rows;
use super::segment::{Stretch, Stretches};
use super::spans::Spans;
use super::spool::{Fingerprint, Spool};
use super::stops::Stops;
use super::wording::{extent, named};
use flb_audit_core::chain::{ChainId, Life, Place, Position, Run};
use std::collections::BTreeSet;
use std::io;
use std::ops::RangeInclusive;
use std::rc::Rc;

/// All lives of a chain of which anything is known.
pub(super) type Lives = Rows<Life, ()>;

/// Missing records at the end of a life.
pub(super) struct MissingEnd {
    pub(super) life: Life,
    pub(super) records: RangeInclusive<u64>,
    /// True if no record of the life is here.
    pub(super) is_whole: bool,
}

/// The history of one chain while it is put together.
pub(super) struct History<'a, F: FnMut(Verdict, Position, String)> {
    pub(super) id: ChainId,
    pub(super) chain: &'a mut ChainLog,
    pub(super) stretches: &'a Stretches,
    pub(super) coverage: &'a Coverage,
    pub(super) stops: &'a Stops,
    /// The spans of the ledger from which all of the chain's records come.
    pub(super) spans: &'a Spans,
    /// The spans of all ledgers.
    pub(super) all_spans: &'a [Spans],
    /// The fingerprint of the head before a chain's first record.
    pub(super) genesis: Fingerprint,
    pub(super) spool: &'a mut Spool,
    pub(super) gaps: Gaps,
    /// The last record of each life that is here or was reported as missing.
    pub(super) ends: Rows<Life, u64>,
    /// The records from which more than one life continues.
    pub(super) forks: Forks,
    /// The forks of which both sides are covered.
    pub(super) covered_forks: Forks,
    /// The lives whose keys had not been in force before, each with the place from which it goes
    /// on.
    pub(super) too_early: Vec<(Life, Place)>,
    pub(super) add: F,
}

impl<F: FnMut(Verdict, Position, String)> History<'_, F> {
    /// Follows all lives, including those of which only spans are left.
    pub(super) fn follow(&mut self) -> io::Result<()> {
        let file = &self.spool.rows.clone();
        let spanned = self.spans.lives_of(self.id).copied();
        let started = self.chain.start.map(|start| start.place.life(self.id));
        let mut lives: Lives = Rows::new(file, BATCH_ROWS_MAX);
        let here = self.stretches.iter().map(|(life, _)| life);
        here.chain(spanned).chain(started).for_each(|life| lives.insert(life, ()));
        self.check_start()?;
        let mut next_of = Rows::new(file, BATCH_ROWS_MAX);
        for (life, ()) in lives.iter() {
            self.check_policies(&life);
            self.check_edges(&life)?;
            self.check_within(&life);
            for origin in self.origins(&life) {
                self.check_origin(&life, origin, &lives, &mut next_of)?;
            }
            if let Some(last) = self.last(&life) {
                self.end_at(life, last);
            }
        }
        self.check_handed_over();
        for (life, link) in std::mem::take(&mut self.too_early) {
            self.report_too_early(&life, link);
        }
        Ok(())
    }

    /// Compares the checkpoint with which the log begins with the records that are here.
    fn check_start(&mut self) -> io::Result<()> {
        let Some(start) = self.chain.first_checkpoint() else { return Ok(()) };
        let Some(segment) = self.chain.segments.get(&start.place.life(self.id)) else { return Ok(()) };
        let sequence = start.place.sequence;
        let after = sequence.checked_add(1);
        let before_next = after.map(|after| segment.before_record(after, self.spool)).transpose()?.flatten();
        let is_other = |here: Option<Fingerprint>| here.is_some_and(|here| here != start.head);
        if is_other(segment.head(sequence, self.spool)?) || is_other(before_next) {
            let what = format!("{} is not the one that --from names", named(start.place.position()));
            (self.add)(Verdict::Tampered, start.place.position(), what);
        }
        Ok(())
    }

    /// Returns the part of some missing records that is reported: the records between those with
    /// which the log begins and ends.
    fn looked_for(
        &mut self,
        life: &Life,
        records: RangeInclusive<u64>,
        after: Place,
    ) -> Option<RangeInclusive<u64>> {
        let records = self.chain.up_to_end(life, records)?;
        let Some(end) =
            self.chain.start.and_then(|start| start.end(life)).filter(|end| end >= records.start())
        else {
            return Some(records);
        };
        let to = Position { segment: life.segment, sequence: end.min(*records.end()) };
        self.gaps.push(after, *records.start(), to, Cause::BeforeStart);
        (end < *records.end()).then(|| end + 1..=*records.end())
    }

    /// Checks that all records of a life name one policy, since a filter has only one.
    fn check_policies(&mut self, life: &Life) {
        if self.chain.segments.get(life).is_some_and(|segment| segment.policies.differ) {
            let what =
                format!("records of segment {} (run {}) name different policies", life.segment, life.run);
            (self.add)(Verdict::Tampered, first_of(life), what);
        }
    }

    /// Compares records with the heads that manifests state for them.
    fn check_edges(&mut self, life: &Life) -> io::Result<()> {
        let Some(segment) = self.chain.segments.get(life) else {
            return Ok(());
        };
        for span in self.spans.of(life) {
            let Some((_, head)) = span.edges else { continue };
            let last = *span.records.end();
            if segment.head(last, self.spool)?.is_some_and(|here| here.shortened() != head) {
                let what = format!(
                    "record {last} of segment {} (run {}) is not the one that the ledger's manifest states",
                    life.segment, life.run
                );
                (self.add)(Verdict::Tampered, Position { segment: life.segment, sequence: last }, what);
            }
        }
        Ok(())
    }

    fn end_at(&mut self, life: Life, last: u64) {
        let end = self.ends.entry_or(life, || 0);
        *end = last.max(*end);
    }

    pub(super) fn stretches(&self, life: &Life) -> Rc<Vec<Stretch>> {
        self.stretches.get(life).unwrap_or_default()
    }

    /// Returns the last record of a life: one that is here, in a span, or where the log
    /// begins.
    pub(super) fn last(&self, life: &Life) -> Option<u64> {
        let here = self.stretches(life).last().map(|stretch| *stretch.records.end());
        let spanned = self.spans.last(life);
        let started = self.chain.start.filter(|start| start.place.life(self.id) == *life);
        here.max(spanned).max(started.map(|start| start.place.sequence))
    }

    /// Finds the missing records between the first record of a life and its last.
    fn check_within(&mut self, life: &Life) {
        let mut after = self.last_before(life);
        let mut next: Option<u64> = Some(0);
        let mut is_first = true;
        for stretch in &*self.stretches(life) {
            let (first, last) = (*stretch.records.start(), *stretch.records.end());
            if let Some(from) = next.filter(|from| *from < first) {
                self.check_missing(life, from..=first - 1, after);
            } else if !is_first {
                let what = format!(
                    "record {first} of segment {} (run {}) does not go on from the one before it",
                    life.segment, life.run
                );
                (self.add)(Verdict::Tampered, Position { segment: life.segment, sequence: first }, what);
            }
            (next, after, is_first) = (last.checked_add(1), place(life, last), false);
        }
        // Behind the last record that is here, only spans tell how far the life goes.
        if let (Some(from), Some(last)) = (next, self.last(life))
            && from <= last
        {
            self.check_missing(life, from..=last, after);
        }
    }

    /// Finds the cause of missing records. `after` is the last record before them that is here.
    fn check_missing(&mut self, life: &Life, records: RangeInclusive<u64>, after: Place) {
        let at = |sequence: u64| Position { segment: life.segment, sequence };
        let Some(records) = self.looked_for(life, records, after) else { return };
        let mut next = *records.start();
        for left in self.spans.without(life, &records) {
            if next < *left.start() {
                let stated = next..=*left.start() - 1;
                self.gaps.push(after, next, at(*stated.end()), self.spans.cause(life, &stated));
            }
            next = left.end().saturating_add(1);
            self.check_unstated(life, left, after);
        }
        if next <= *records.end() {
            let cause = self.spans.cause(life, &(next..=*records.end()));
            self.gaps.push(after, next, at(*records.end()), cause);
        }
    }

    /// Reports missing records for which no span has a cause. Altered records may be
    /// among them.
    fn check_unstated(&mut self, life: &Life, records: RangeInclusive<u64>, after: Place) {
        let at = |sequence: u64| Position { segment: life.segment, sequence };
        let altered = self.chain.segments.get(life).map(|segment| segment.altered_in(&records));
        let mut first = Some(*records.start());
        for sequence in altered.into_iter().flatten() {
            if let Some(first) = first.filter(|first| *first < sequence) {
                self.miss(life, first..=sequence - 1, after);
            }
            self.gaps.push(after, sequence, at(sequence), Cause::Altered);
            first = sequence.checked_add(1);
        }
        if let Some(first) = first.filter(|first| first <= records.end()) {
            self.miss(life, first..=*records.end(), after);
        }
    }

    /// Reports missing records within a life. If no record behind them counts, they may be records
    /// that a stop has lost: anybody could have made up the later ones.
    fn miss(&mut self, life: &Life, records: RangeInclusive<u64>, after: Place) {
        let covered = self.coverage.in_life(life).last().map(|covered| *covered.end());
        let is_end = covered.max(self.spans.last(life)) < Some(*records.start());
        let parts = match is_end {
            true => self.stops.parts(life, &records, self.all_spans),
            false => vec![(records, false)],
        };
        for (part, is_stop) in parts {
            let (first, last) = (*part.start(), *part.end());
            let [from, at] = [first, last].map(|sequence| Position { segment: life.segment, sequence });
            let what = format!("segment {} lacks {}", life.segment, extent(first, last));
            if is_stop {
                self.stop(what + STOPPED, after, from, at);
            } else {
                count(&mut self.chain.missing, first, last);
                self.gaps.push(after, first, at, Cause::Unknown);
                (self.add)(Verdict::Gap, from, what);
            }
        }
    }

    /// Reports missing records that were sealed shortly before a stop.
    fn stop(&mut self, what: String, after: Place, from: Position, at: Position) {
        count(&mut self.chain.undelivered, from.sequence, at.sequence);
        self.gaps.push(after, from.sequence, at, Cause::Stop);
        (self.add)(Verdict::UncleanStop, from, what);
    }

    /// Returns the last record that is here of the lives before this one.
    fn last_before(&self, life: &Life) -> Place {
        let before = self.stretches.before(life);
        let last = before.and_then(|(life, of)| Some(place(&life, *of.last()?.records.end())));
        last.unwrap_or(BEGINNING)
    }

    /// Returns the last record that is here of a life, or of the lives before it.
    fn last_up_to(&self, life: &Life) -> Place {
        let last = self.stretches(life).last().map(|stretch| place(life, *stretch.records.end()));
        last.unwrap_or_else(|| self.last_before(life))
    }

    /// Reports a life of which no record is here and from which another life continues.
    pub(super) fn miss_life(&mut self, link: Place) {
        let life = link.life(self.id);
        let first = self.ends.get(&life).map_or(0, |end| end.saturating_add(1));
        if first <= link.sequence {
            self.miss_end(MissingEnd { life, records: first..=link.sequence, is_whole: first == 0 });
        }
    }

    /// Checks the records before changes of keys within a life. The key before the change has signed
    /// them. If the node said later that its state was damaged, no link shows that they existed.
    fn check_handed_over(&mut self) {
        let is_cut = |place: &Place| {
            let end = self.ends.get(&place.life(self.id));
            place.sequence > end.map_or(0, |end| end.saturating_add(1))
        };
        let cut: Vec<Place> = self.chain.keys.since().map(|(_, place, _)| place).filter(is_cut).collect();
        for first in cut {
            self.miss_before(first);
        }
    }

    /// Reports the records of a life before a place, if more of its end is missing than is known.
    pub(super) fn miss_before(&mut self, first: Place) {
        let Some(last) = first.sequence.checked_sub(1) else { return };
        let life = first.life(self.id);
        let end = self.last(&life).max(self.ends.get(&life));
        if end.is_some_and(|end| end >= last) {
            return;
        }
        let missing = MissingEnd {
            life,
            records: end.map_or(0, |end| end.saturating_add(1))..=last,
            is_whole: end.is_none(),
        };
        self.miss_end(missing);
    }

    /// Reports the missing end of a life. Records that were sealed shortly before a stop
    /// may never have left the node.
    pub(super) fn miss_end(&mut self, missing: MissingEnd) {
        let MissingEnd { life, records, is_whole } = missing;
        let after = self.last_up_to(&life);
        self.end_at(life, *records.end());
        let Some(records) = self.looked_for(&life, records, after) else { return };
        let altered = self.chain.segments.get(&life).map(|segment| segment.altered_in(&records));
        if altered.is_some_and(|altered| !altered.is_empty()) {
            return self.check_missing(&life, records, after);
        }
        let Life { segment: number, run, .. } = life;
        let which = if is_whole {
            format!("segment {number} (run {run}), of which nothing is here, lacks")
        } else {
            format!("segment {number} lacks")
        };
        for (part, is_stop) in self.stops.parts(&life, &records, self.all_spans) {
            let (first, last) = (*part.start(), *part.end());
            let [from, at] = [first, last].map(|sequence| Position { segment: number, sequence });
            let what = format!("{which} {}", extent(first, last));
            if is_stop {
                self.stop(what + ", its end" + STOPPED + &self.lost_before(&life), after, from, at);
            } else {
                count(&mut self.chain.missing, first, last);
                self.gaps.push(after, first, at, Cause::Unknown);
                let earlier = if is_whole { ", and what may have been before it" } else { ", its end" };
                (self.add)(Verdict::Gap, from, what + earlier);
            }
        }
    }

    /// Returns the part of a finding on a stop that counts the other segments which the
    /// stop may have lost.
    fn lost_before(&self, life: &Life) -> String {
        let segments = self.stops.before(life);
        let [from, to] =
            [segments.start, segments.end].map(|segment| Life { segment, run: Run::FIRST, ..*life });
        let here = self.stretches.range(from..=to).into_iter().map(|(of, _)| of.segment);
        let here: BTreeSet<u64> = here.filter(|segment| *segment < segments.end).collect();
        match segments.end - segments.start - here.len() as u64 {
            0 => String::new(),
            1 => "; nothing is here of the segment before it, and nobody knows how many records it had"
                .to_owned(),
            count => format!(
                "; nothing is here of {count} segments before it, and nobody knows how many records they had"
            ),
        }
    }
}

/// The part of a finding that explains why records before a stop may be missing.
pub(super) const STOPPED: &str =
    ": sealed shortly before the filter stopped, so they may never have left the node";

/// Returns the beginning of a life.
pub(super) fn first_of(life: &Life) -> Position {
    Position { segment: life.segment, sequence: 0 }
}

fn place(life: &Life, sequence: u64) -> Place {
    Place { segment: life.segment, run: life.run, sequence }
}

/// Adds a number of records. The sum saturates, because an unsealed log may claim any
/// numbers.
pub(super) fn count(records: &mut u64, first: u64, last: u64) {
    *records = records.saturating_add(last - first).saturating_add(1);
}
