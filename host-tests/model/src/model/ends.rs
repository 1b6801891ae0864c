//! Records that no signature covers, and the ends of segments.

use super::{BEFORE, Chain, DELETED, Fork, Report, fork_before, position};
use crate::seal::{Place, Record};

impl Chain {
    /// Judges records that no signature covers.
    pub(super) fn stretches(&self, name: &str, forks: &[Fork], report: &mut Report) {
        if !self.is_known {
            return;
        }
        for (first, last, count) in self.uncovered() {
            let life = (last.place.0, last.place.1.clone());
            let absent = self.behind(&last.place);
            let is_later = |place: &Place| position(place) > position(&last.place);
            let is_followed = self.covered.iter().any(|(place, _)| is_later(place))
                || self.anchors.iter().any(|(place, _)| is_later(place))
                || self.start.iter().any(|(place, ..)| is_later(place))
                || self.missing.iter().any(|((segment, run), ranges)| {
                    ranges.iter().any(|((_, end), _)| is_later(&(*segment, run.clone(), *end)))
                });
            let is_continued = self.all().any(|next| goes_on(last, next));
            let follows_covered = first.place.2.checked_sub(1).is_some_and(|before| {
                let before = (life.0, life.1.clone(), before);
                self.start.as_ref().is_some_and(|(start, ..)| *start == before)
                    || self.covered.contains(&(before, first.prev))
            });
            let kind = if count >= 1024 || first.place.2 == 0 {
                "key_not_certified"
            } else if absent == Some(BEFORE) {
                "unsigned"
            } else if let Some(DELETED) = absent {
                "key_not_certified"
            } else if let Some(kind) = absent {
                kind
            } else if Chain::first_of(&self.extents, &life, (first.place.2, last.place.2)).is_some() {
                "key_not_certified"
            } else if is_followed {
                let is_of_unknown_key = is_continued && !follows_covered;
                let otherwise = if is_of_unknown_key { "gap" } else { "conflict" };
                fork_before(forks.iter(), &last.place).unwrap_or(otherwise)
            } else if !follows_covered && !self.is_rest_of_deleted(first, last.place.2) {
                "gap"
            } else {
                continue;
            };
            report.add(kind, format!("{name}: {:?} to {} not covered", first.place, last.place.2));
        }
    }

    /// Returns the rows of records that no signature covers: the first and the last one, and the
    /// number of records.
    fn uncovered(&self) -> Vec<(&Record, &Record, u64)> {
        let uncovered = || self.all().filter(|record| !self.is_covered(record));
        let firsts = uncovered().filter(|first| !uncovered().any(|before| goes_on(before, first)));
        let all = firsts.map(|first| {
            let (mut last, mut count) = (first, 1);
            while let Some(next) = uncovered().find(|next| goes_on(last, next)) {
                (last, count) = (next, count + 1);
            }
            (first, last, count)
        });
        all.collect()
    }

    /// Checks anchors, and what is after the last one.
    pub(super) fn ends(&self, name: &str, report: &mut Report) {
        for (place, head) in &self.anchors {
            if self.records.get(place).is_some_and(|here| here.iter().all(|record| record.head != *head)) {
                report.add("tampered", format!("{name}: not what is anchored at {place:?}"));
            }
        }
        if self.records.is_empty() {
            if self.start.is_some() && self.altered.is_empty() {
                report.add("tail_unanchored", name.to_owned());
            }
            return;
        }
        if self.good.is_empty() {
            let uncovered = self.uncovered();
            let is_rest =
                |(first, last, _): &(&Record, &Record, u64)| self.is_rest_of_deleted(first, last.place.2);
            if self.is_known && !uncovered.is_empty() && uncovered.iter().all(is_rest) {
                report.add("tail_unanchored", name.to_owned());
                return;
            }
            let is_strange = self.is_trusting && !self.is_known && self.has_checkpoint;
            if !is_strange {
                report.add("unsigned", name.to_owned());
            }
            return;
        }
        let last = self.all().last();
        if last.is_none_or(|last| !self.anchors.contains(&(last.place.clone(), last.head))) {
            report.add("tail_unanchored", name.to_owned());
        }
    }
}

/// Returns true if a record has the number after another one, and its head before it.
fn goes_on(from: &Record, to: &Record) -> bool {
    (from.place.0, &from.place.1) == (to.place.0, &to.place.1)
        && from.place.2.checked_add(1) == Some(to.place.2)
        && from.head == to.prev
}
