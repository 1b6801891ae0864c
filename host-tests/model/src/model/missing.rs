//! Missing records, and the evidence that explains them.

use super::ledgers::Extent;
use super::{BEFORE, Chain, DELETED, Range};
use crate::seal::Place;
use std::collections::{BTreeMap, BTreeSet};

/// The most records of one segment and run that a stop accounts for.
const STOP_RECORDS_MAX: u64 = 65_536;
/// The most segments before that of the linked record that a stop accounts for.
pub(super) const STOP_SEGMENTS_MAX: u64 = 4096;

impl Chain {
    /// Returns the numbers in a segment and run that have an intact or an altered record.
    pub(super) fn numbers(&self, life: &(u64, String)) -> BTreeSet<u64> {
        let places = self.records.keys().chain(&self.altered);
        places.filter(|place| (place.0, &place.1) == (life.0, &life.1)).map(|place| place.2).collect()
    }

    /// Finds missing records, and the evidence that explains them.
    pub(super) fn find_missing(&mut self) {
        // The first number that need not be here.
        let mut ends: BTreeMap<(u64, String), u128> = BTreeMap::new();
        let mut reach = |place: &Place, end: u128| {
            let known = ends.entry((place.0, place.1.clone())).or_default();
            *known = end.max(*known);
        };
        let mut stated = Vec::new();
        for record in self.all() {
            reach(&record.place, u128::from(record.place.2) + 1);
            let Some((link, unsettled)) = record.link.as_ref().filter(|(link, _)| link.0 < record.place.0)
            else {
                continue;
            };
            reach(link, u128::from(link.2) + 1);
            if let Some((from, _)) = unsettled.as_ref().filter(|_| self.is_covered(record)) {
                reach(from, u128::from(from.2));
                stated.push((record.place.0, from.clone(), link.clone()));
            }
        }
        for (_, place, _) in self.good.iter().flat_map(|(.., good)| &good.since).filter(|since| since.1.2 > 0)
        {
            reach(place, u128::from(place.2));
        }
        for extent in &self.extents {
            let (segment, run) = &extent.life;
            reach(&(*segment, run.clone(), extent.last), u128::from(extent.last) + 1);
        }
        for (place, extent) in self.firsts_of_extents() {
            if let Some(link) = extent.link.as_ref().filter(|link| link.0 < place.0) {
                reach(link, u128::from(link.2) + 1);
            }
            if let Some((from, _, link)) = self.said(&place).and_then(Extent::stop) {
                reach(from, u128::from(from.2));
                stated.push((place.0, from.clone(), link.clone()));
            }
        }
        // A record that was settled once stays settled.
        let stops: Vec<(Place, Place)> = stated
            .iter()
            .map(|(segment, from, to)| {
                let earlier = stated.iter().filter(|(of, ..)| of < segment).map(|(_, from, _)| from);
                (earlier.fold(from, Ord::max).clone(), to.clone())
            })
            .collect();
        if let Some((place, ..)) = &self.start {
            reach(place, u128::from(place.2) + 1);
        }
        let is_in_one = |(from, to): &&(Place, Place)| from.0 < to.0 || (from.0, &from.1) == (to.0, &to.1);
        self.stops = stops.iter().filter(is_in_one).cloned().collect();
        for (life, end) in &ends {
            let ranges = self.absent(life, 0, *end);
            let accounted = ranges.into_iter().flat_map(|range| self.accounted(life, range, &stops));
            let accounted = accounted.collect();
            self.missing.insert(life.clone(), accounted);
        }
        for (place, _) in &self.anchors {
            let life = (place.0, place.1.clone());
            let known = ends.entry(life.clone()).or_default();
            let end = u128::from(place.2) + 1;
            let more = self.absent(&life, *known, end);
            let more: Vec<_> =
                more.into_iter().flat_map(|range| self.accounted(&life, range, &stops)).collect();
            self.missing.entry(life).or_default().extend(more);
            *known = end.max(*known);
        }
    }

    /// Returns the ranges from `from` up to `end` of which no record is here.
    pub(super) fn absent(&self, life: &(u64, String), from: u128, end: u128) -> Vec<Range> {
        let here = self.numbers(life).into_iter().map(u128::from);
        let (mut first, mut ranges) = (from, Vec::new());
        for number in here.filter(|number| (from..end).contains(number)).chain([end]) {
            if first < number {
                ranges.push((first as u64, (number - 1) as u64));
            }
            first = number + 1;
        }
        ranges
    }

    /// Splits missing records into those that a stop explains, and the others.
    pub(super) fn accounted(
        &self,
        life: &(u64, String),
        range: Range,
        stops: &[(Place, Place)],
    ) -> Vec<(Range, &'static str)> {
        let before = self.start.as_ref().and_then(|(start, ..)| match () {
            () if life.0 < start.0 => Some(u64::MAX),
            () if (life.0, &life.1) == (start.0, &start.1) => Some(start.2),
            () => None,
        });
        if let Some(end) = before.filter(|end| *end >= range.0) {
            let mut parts = vec![((range.0, end.min(range.1)), BEFORE)];
            if end < range.1 {
                parts.extend(self.accounted(life, (end + 1, range.1), stops));
            }
            return parts;
        }
        if let Some((first, last)) = Chain::first_of(&self.extents, life, range) {
            let before = (range.0 < first).then(|| self.accounted(life, (range.0, first - 1), stops));
            let after = (last < range.1).then(|| self.accounted(life, (last + 1, range.1), stops));
            let deleted = vec![((first, last), DELETED)];
            return before.into_iter().chain([deleted]).chain(after).flatten().collect();
        }
        if let Some((first, last)) = Chain::first_of(&Chain::signed(&self.listed, life), life, range) {
            let before = (range.0 < first).then(|| self.accounted(life, (range.0, first - 1), stops));
            let after = (last < range.1).then(|| self.accounted(life, (last + 1, range.1), stops));
            // They were delivered, so no stop has lost them.
            let deleted = vec![((first, last), "gap")];
            return before.into_iter().chain([deleted]).chain(after).flatten().collect();
        }
        if let Some(end) = self.delivered.get(life).copied().filter(|end| *end >= range.0) {
            let mut parts = vec![((range.0, end.min(range.1)), "gap")];
            if end < range.1 {
                parts.extend(self.accounted(life, (end + 1, range.1), stops));
            }
            return parts;
        }
        let is_end = self.is_end(life, range);
        let of = |place: &Place| (place.0, &place.1) == (life.0, &life.1);
        let stopped = stops.iter().filter(|_| is_end).filter_map(|(from, to)| {
            let mut first = if of(from) { from.2 } else { 0 };
            let mut last = first.saturating_add(STOP_RECORDS_MAX - 1);
            if of(to) {
                first = first.max(to.2.saturating_sub(STOP_RECORDS_MAX - 1));
                last = to.2;
            }
            let starts = of(from) || from.0 < life.0;
            let ends = of(to) || life.0 < to.0;
            let is_near = to.0 - life.0.min(to.0) <= STOP_SEGMENTS_MAX;
            (starts && ends && is_near).then_some((first.max(range.0), last.min(range.1)))
        });
        let mut stopped: Vec<Range> = stopped.filter(|(first, last)| first <= last).collect();
        stopped.sort_unstable();
        let (mut next, mut parts) = (u128::from(range.0), Vec::new());
        for (first, last) in stopped {
            if next < u128::from(first) {
                parts.push(((next as u64, first - 1), "gap"));
            }
            if next <= u128::from(last) {
                parts.push(((first.max(next as u64), last), "unclean_stop"));
            }
            next = next.max(u128::from(last) + 1);
        }
        if next <= u128::from(range.1) {
            parts.push(((next as u64, range.1), "gap"));
        }
        parts
    }

    /// Returns true if no record of a segment and run counts behind some that are missing.
    fn is_end(&self, life: &(u64, String), range: Range) -> bool {
        let deleted = self.extents.iter().filter(|extent| extent.life == *life).map(|extent| extent.last);
        let covered = self.covered.iter().filter(|(place, _)| (place.0, &place.1) == (life.0, &life.1));
        covered.map(|(place, _)| place.2).chain(deleted).all(|last| last < range.0)
    }

    /// Returns the first places of segments that ledgers have deleted, each with the extents that
    /// begin there.
    pub(super) fn firsts_of_extents(&self) -> impl Iterator<Item = (Place, &Extent)> {
        let of = self.extents.iter().filter(|extent| extent.first == 0);
        let of = of.map(|extent| ((extent.life.0, extent.life.1.clone(), 0), extent));
        of.filter(|(place, _)| !self.records.contains_key(place))
    }

    /// Returns the extent that has what a deleted record 0 said, if the record counts as covered. All
    /// such extents must agree.
    pub(super) fn said(&self, place: &Place) -> Option<&Extent> {
        let all = || self.firsts_of_extents().filter(|(of, extent)| of == place && extent.is_said);
        let said = |extent: &Extent| {
            let notes = ["state-damaged", "state-set-back"].map(|note| extent.says(note));
            (extent.link.clone(), extent.unsettled.clone(), notes)
        };
        let (_, first) = all().next()?;
        all().all(|(_, extent)| said(extent) == said(first)).then_some(first)
    }

    /// Returns the finding for the missing or altered records between a record and the
    /// next one here.
    pub(super) fn behind(&self, place: &Place) -> Option<&'static str> {
        let here = self.records.keys().find(|next| *next > place);
        let is_next = |at: &Place| at > place && here.is_none_or(|here| at < here);
        if self.altered.iter().any(|altered| !self.records.contains_key(altered) && is_next(altered)) {
            return Some("gap");
        }
        let all = self.missing.iter().flat_map(|((segment, run), ranges)| {
            ranges.iter().map(move |((first, _), kind)| ((*segment, run.clone(), *first), *kind))
        });
        let next = all.filter(|(first, _)| is_next(first)).map(|(_, kind)| kind);
        let rank = |kind: &&str| match *kind {
            "gap" => 3,
            DELETED => 1,
            BEFORE => 0,
            _ => 2,
        };
        next.max_by_key(rank)
    }
}
