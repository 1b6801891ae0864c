//! The rule that keys follow one another.

use super::ledgers::{Extent, beginning};
use super::missing::STOP_SEGMENTS_MAX;
use super::{Chain, Fork, Report, finding, fork_before, position};
use crate::seal::{GENESIS, Place};
use std::collections::{BTreeMap, BTreeSet};

impl Chain {
    /// Compares keys with each other.
    pub(super) fn keys(&self, name: &str, forks: &[Fork], report: &mut Report) {
        if !self.is_known {
            return;
        }
        let mut since: BTreeMap<u64, BTreeSet<(Place, [u8; 32])>> = BTreeMap::new();
        for (n, at, head) in self.good.iter().flat_map(|(.., good)| &good.since) {
            since.entry(*n).or_default().insert((at.clone(), *head));
        }
        for (n, at, head) in self.start.iter().flat_map(|(.., good)| &good.since) {
            since.entry(*n).or_default().insert((at.clone(), *head));
        }
        for (at, head) in since.values().flatten() {
            let (segment, run, number) = at;
            let before = number.checked_sub(1).map(|before| (*segment, run.clone(), before));
            let before = before.and_then(|before| self.records.get(&before));
            let is_other = match (self.records.get(at), before) {
                (Some(here), _) => here.iter().any(|record| record.prev != *head),
                (None, Some(before)) => before.iter().any(|record| record.head != *head),
                (None, None) => false,
            };
            if is_other {
                report.add("tampered", format!("{name}: {at:?} is not what key goes on from"));
            }
        }
        let twice = since
            .iter()
            .find(|(_, places)| places.iter().map(|(at, _)| at).collect::<BTreeSet<_>>().len() > 1);
        let end = match twice {
            Some((n, _)) => {
                report.add("conflict", format!("{name}: key {n} in two places"));
                *n
            }
            None => u64::MAX,
        };
        let fork = |at: &Place| fork_before(forks.iter().filter(|fork| fork.are_covered), at);
        let wrong = |at: &Place| fork(at).filter(|kind| *kind == "conflict").unwrap_or("key_not_certified");
        let single: Vec<(u64, &Place)> = since
            .iter()
            .filter(|(n, _)| **n < end)
            .filter_map(|(n, places)| Some((*n, &places.first()?.0)))
            .collect();
        for (at, (n, place)) in single.iter().enumerate() {
            if single[..at].iter().any(|(_, before)| position(before) > position(place)) {
                report.add(wrong(place), format!("{name}: key {n} at {place:?}"));
            }
        }
        for (n, place) in &single {
            let last = self.used_before(*n).max_by_key(position);
            if let Some(here) = last.filter(|here| position(here) >= position(place)) {
                report.add(wrong(&here), format!("{name}: {here:?} is not signed by key {n}"));
            }
        }
        let unknown = |at: &Place| match fork(at) {
            Some("state_damaged") => "gap",
            other => other.unwrap_or("key_not_certified"),
        };
        self.without_handover(name, (&single, end), unknown, report);
        for (n, (at, head)) in since.iter().flat_map(|(n, all)| all.iter().map(move |one| (n, one))) {
            self.head_before(name, (*n, at, head), report);
        }
        for (here, _, good) in self.good.iter().filter(|(here, ..)| here.2 == 0) {
            let links =
                self.records.get(here).into_iter().flatten().filter_map(|record| record.link.as_ref());
            for (link, _) in links {
                let is_before = |at: &Place| (at.0, &at.1) == (link.0, &link.1) && at.2 <= link.2;
                let newest = self.good.iter().filter(|(at, ..)| is_before(at)).map(|(.., good)| good.n).max();
                if newest > Some(good.n) {
                    report.add(wrong(here), format!("{name}: {here:?} begins under an older key"));
                }
            }
        }
    }

    /// Finds keys that have no handover and are not listed.
    pub(super) fn without_handover(
        &self,
        name: &str,
        (single, end): (&[(u64, &Place)], u64),
        unknown: impl Fn(&Place) -> &'static str,
        report: &mut Report,
    ) {
        // The keys that are known: the first and the last of some that follow one another, and whether
        // they are listed, and a place.
        let handed_over = single.iter().map(|(n, place)| (*n, false, (*place).clone(), *n));
        let listed = self.listed().map(|(of, (first, last), _)| {
            // A checkpoint also has the handover to the key before its own.
            (first.saturating_sub(1), true, of.place(of.first), last)
        });
        let mut known: Vec<(u64, bool, Place, u64)> = handed_over.chain(listed).collect();
        known.sort();
        known.retain(|(first, is_listed, ..)| first + u64::from(*is_listed) < end);
        let mut before = 0;
        for (first, is_listed, place, last) in known {
            if first > before + 1 {
                // After the last checkpoint under an earlier key.
                let used = self.used_before(before + 1).map(|at| position(&at)).max();
                let since = single.iter().filter(|(n, _)| *n <= before).map(|(_, at)| position(at)).max();
                let from = used.max(since).unwrap_or_default();
                let kind = match self.between(from, &place) {
                    // More keys than a stop can have lost.
                    Some("unclean_stop") if first - before - 1 > self.keys_in_stops(from, &place) => "gap",
                    None if is_listed => "gap",
                    kind => kind.unwrap_or_else(|| unknown(&place)),
                };
                if self.start.as_ref().is_none_or(|(start, ..)| position(&place) > position(start)) {
                    report.add(kind, format!("{name}: no handover between key {before} and {first}"));
                }
            }
            before = before.max(last);
        }
    }

    /// Returns the extents that count up to `signed`, with their keys, and that place.
    fn listed(&self) -> impl Iterator<Item = (&Extent, (u64, u64), Place)> {
        self.extents.iter().filter_map(|of| Some((of, of.keys?, of.place(of.signed?))))
    }

    /// Returns the places of the good checkpoints under lower keys, of the start, and of those that
    /// extents list as signed.
    fn used_before(&self, n: u64) -> impl Iterator<Item = Place> {
        let start = self.start.iter().map(|(place, _, good)| (place.clone(), good.n));
        let good = self.good.iter().map(|(place, _, good)| (place.clone(), good.n)).chain(start);
        let all = good.chain(self.listed().map(|(_, (_, last), signed)| (signed, last)));
        all.filter(move |(_, key)| *key < n).map(|(place, _)| place)
    }

    /// Returns the number of keys that may have come into force after `from` and before `place`, at
    /// records that stops account for: one at record 0 of a segment, and one at a later record.
    fn keys_in_stops(&self, from: (u64, u64), place: &Place) -> u64 {
        let mut keys = BTreeSet::new();
        for (first, last) in &self.stops {
            let first = position(first).max((last.0.saturating_sub(STOP_SEGMENTS_MAX), 0));
            let is_lost =
                |at: (u64, u64)| (first..=position(last)).contains(&at) && from < at && at < position(place);
            for segment in first.0..=last.0 {
                let least =
                    [(first, 0), (from, 1)].map(|(of, more)| if of.0 == segment { of.1 + more } else { 0 });
                let later = least.into_iter().fold(1, u64::max);
                keys.extend(is_lost((segment, 0)).then_some((segment, false)));
                keys.extend(is_lost((segment, later)).then_some((segment, true)));
            }
        }
        keys.len() as u64
    }

    /// Returns the finding for the records that are missing between two places, if there are any.
    fn between(&self, from: (u64, u64), place: &Place) -> Option<&'static str> {
        let is_between =
            |first: &Place, end: (u64, u64)| self.before(first) <= position(place) && end >= from;
        let missing = self.missing.iter().flat_map(|((segment, run), ranges)| {
            ranges
                .iter()
                .map(move |((first, last), kind)| ((*segment, run.clone(), *first), (*segment, *last), *kind))
        });
        let altered = self.altered.iter().filter(|place| !self.records.contains_key(*place));
        let altered = altered.map(|place| (place.clone(), position(place), "gap"));
        let kinds: Vec<&str> = missing
            .chain(altered)
            .filter(|(first, end, _)| is_between(first, *end))
            .map(|(.., kind)| kind)
            .collect();
        ["unclean_stop", "gap"].into_iter().find(|kind| kinds.contains(kind))
    }

    /// Looks for the record with the head that a handover names, if nothing is known of the
    /// segment and run that begins after it.
    fn head_before(&self, name: &str, (n, at, head): (u64, &Place, &[u8; 32]), report: &mut Report) {
        let is_of = |place: &Place| (place.0, &place.1) == (at.0, &at.1);
        let is_known = self.records.keys().chain(&self.altered).any(is_of)
            || self.extents.iter().any(|extent| (extent.life.0, &extent.life.1) == (at.0, &at.1))
            || self
                .missing
                .iter()
                .any(|((segment, run), ranges)| (*segment, run) == (at.0, &at.1) && !ranges.is_empty())
            || self.start.as_ref().is_some_and(|(start, ..)| position(at) <= position(start));
        let is_continued = self.all().any(|record| record.place.2 == 0 && record.prev == *head);
        let begins = |extent: &Extent| extent.heads.is_some_and(|(prev, _)| prev == beginning(head));
        let is_listed = self.extents.iter().any(|extent| extent.first == 0 && begins(extent));
        if at.2 > 0 || *head == GENESIS || is_known || is_continued || is_listed {
            return;
        }
        // Nobody can make up a record with a given head.
        if self.listed.iter().any(|extent| extent.lists(&beginning(head))) {
            return;
        }
        let here = self.records.range(..at).next_back();
        let before = |extent: &&Extent| {
            extent.first <= extent.last && extent.place(extent.last) < *at && !is_of(&extent.place(0))
        };
        let last = self.extents.iter().filter(before).map(|extent| extent.place(extent.last));
        let last = last.chain(here.map(|(place, _)| place.clone())).max();
        let here = here.filter(|(place, _)| Some(*place) == last.as_ref());
        if here.is_some_and(|(_, here)| here.iter().any(|record| record.head == *head)) {
            return;
        }
        let from = last.as_ref().map(position).unwrap_or_default();
        let kind = finding(self.between(from, at).unwrap_or("gap"));
        let Some(kind) = kind else { return };
        report.add(kind, format!("{name}: what is before {at:?}, where key {n} came into force"));
    }

    /// Returns the first place that may be missing before `first`. If a segment's first
    /// record is missing, nobody knows which record the segment continues.
    pub(super) fn before(&self, first: &Place) -> (u64, u64) {
        match first.2 {
            0 => self.records.range(..first).next_back().map(|(here, _)| position(here)).unwrap_or_default(),
            number => (first.0, number - 1),
        }
    }
}
