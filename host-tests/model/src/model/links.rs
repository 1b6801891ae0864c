//! Heads, links and policies that must fit together.

use super::ledgers::{Extent, beginning};
use super::{Chain, Fork, Report, fork_before, position};
use crate::seal::{GENESIS, Place, Record};
use std::collections::{BTreeMap, BTreeSet};

/// The first record of a segment that links to a lower one.
struct First {
    place: Place,
    link: Place,
    is_covered: bool,
    is_set_back: bool,
}

impl Chain {
    /// Checks heads and links. Returns the records that two others continue, and those
    /// with which the chain begins again.
    pub(super) fn links(&self, name: &str, report: &mut Report) -> Vec<Fork> {
        let mut forks = Vec::new();
        let mut too_early = Vec::new();
        for record in self.all() {
            let (segment, run, number) = &record.place;
            let here = format!("{name}: {:?}", record.place);
            if let Some(before) = number.checked_sub(1) {
                let before = self.records.get(&(*segment, run.clone(), before));
                if before.is_some_and(|before| before.iter().all(|before| before.head != record.prev)) {
                    report.add("tampered", format!("{here}: the head before it"));
                }
            } else if let Some((link, unsettled)) = &record.link {
                let linked = self.records.get(link);
                let stop = self.is_covered(record) && link.0 < *segment;
                if let Some((first, head)) = unsettled.as_ref().filter(|_| stop) {
                    self.settled(first, head, &here, report);
                }
                let is_too_early = link.0 < *segment
                    && self.is_covered(record)
                    && linked.is_some_and(|linked| {
                        linked.iter().any(|linked| linked.head == record.prev && !self.is_covered(linked))
                    });
                if is_too_early && !record.notes.iter().any(|note| note == "state-set-back") {
                    too_early.push((&record.place, format!("{here}: its key was not in force before")));
                }
                if link.0 >= *segment
                    || linked.is_some_and(|linked| linked.iter().all(|linked| linked.head != record.prev))
                {
                    report.add("link_broken", here);
                }
            } else if record.prev != GENESIS {
                report.add("link_broken", here);
            } else if self.is_later(&record.place) {
                let is_damaged =
                    record.notes.iter().any(|note| note == "state-damaged") && self.is_covered(record);
                report.add(if is_damaged { "state_damaged" } else { "link_broken" }, here);
                if is_damaged {
                    let at = position(&record.place);
                    forks.push(Fork { at, kind: "state_damaged", are_covered: false, is_restart: true });
                }
            }
        }
        self.deleted_links(name, &mut forks, report);
        self.link_to_start(name, report);
        let firsts = self.firsts();
        for First { place, link, is_covered, is_set_back } in &firsts {
            let is_same = |of: &Place| (of.0, &of.1) == (link.0, &link.1);
            let start = self.start.as_ref().map(|(start, ..)| start);
            let goes_on = self.records.keys().chain(start).any(|place| is_same(place) && place.2 > link.2)
                || self
                    .extents
                    .iter()
                    .any(|of| (of.life.0, &of.life.1) == (link.0, &link.1) && of.last > link.2);
            let is_before = |other: &&First| is_same(&other.link) && other.place < *place;
            if goes_on || firsts.iter().any(|other| is_before(&other)) {
                let is_other_covered =
                    self.covered.iter().any(|(place, _)| is_same(place) && place.2 > link.2)
                        || firsts.iter().filter(is_before).any(|other| other.is_covered);
                let kind = if *is_set_back && *is_covered { "state_damaged" } else { "conflict" };
                report.add(kind, format!("{name}: {place:?} goes on from {link:?}"));
                let are_covered = is_other_covered && *is_covered;
                forks.push(Fork { at: position(link), kind, are_covered, is_restart: false });
            }
        }
        for (place, what) in too_early {
            let covered = forks.iter().filter(|fork| fork.are_covered);
            let fork = fork_before(covered, place).filter(|kind| *kind == "conflict");
            report.add(fork.unwrap_or("key_not_certified"), what);
        }
        forks
    }

    /// Returns the first records that link to a lower segment. Of those that a ledger has deleted,
    /// its manifests have the links.
    fn firsts(&self) -> Vec<First> {
        let here = self.all().filter_map(|record| {
            let (link, _) = record.link.clone()?;
            let is_set_back = record.notes.iter().any(|note| note == "state-set-back");
            Some(First {
                place: record.place.clone(),
                link,
                is_covered: self.is_covered(record),
                is_set_back,
            })
        });
        let deleted = self.firsts_of_extents().filter_map(|(place, extent)| {
            let (link, said) = (extent.link.clone()?, self.said(&place));
            let is_set_back = said.is_some_and(|said| said.says("state-set-back"));
            Some(First { place, link, is_covered: said.is_some(), is_set_back })
        });
        here.chain(deleted).filter(|first| first.link.0 < first.place.0).collect()
    }

    /// Checks what manifests say of deleted records against the records here.
    fn deleted_links(&self, name: &str, forks: &mut Vec<Fork>, report: &mut Report) {
        for (place, extent) in self.firsts_of_extents() {
            let here = format!("{name}: {place:?}, which was deleted");
            match &extent.link {
                Some(link) if link.0 >= place.0 => report.add("link_broken", here),
                Some(_) => {
                    let stop = self.said(&place).and_then(Extent::stop);
                    stop.iter().for_each(|(first, head, _)| self.settled(first, head, &here, report));
                }
                None if !self.is_later(&place) => {}
                None if self.said(&place).is_some_and(|said| said.says("state-damaged")) => {
                    let at = position(&place);
                    forks.push(Fork { at, kind: "state_damaged", are_covered: false, is_restart: true });
                    report.add("state_damaged", here);
                }
                None => report.add("link_broken", here),
            }
        }
        for extent in &self.extents {
            let last = (extent.life.0, extent.life.1.clone(), extent.last);
            let here = self.records.get(&last).into_iter().flatten();
            if here
                .into_iter()
                .any(|record| extent.heads.is_some_and(|(_, head)| head != beginning(&record.head)))
            {
                report.add("tampered", format!("{name}: {last:?} is not what a manifest states"));
            }
        }
    }

    /// Compares the checkpoint with which the log begins with the records here.
    pub(super) fn link_to_start(&self, name: &str, report: &mut Report) {
        let Some((start, head, _)) = &self.start else { return };
        for record in self.all() {
            let (segment, run, number) = &record.place;
            let before = number.checked_sub(1).map(|before| (*segment, run.clone(), before));
            let here = format!("{name}: {:?}", record.place);
            if record.place == *start && record.head != *head
                || before.as_ref() == Some(start) && record.prev != *head
            {
                report.add("tampered", format!("{here}: not what the log begins with"));
            }
            let Some((link, _)) = record.link.as_ref().filter(|(link, _)| link.0 < *segment) else {
                continue;
            };
            if link == start && record.prev != *head {
                report.add("link_broken", here.clone());
            }
        }
        for First { place, link, is_covered, is_set_back } in self.firsts() {
            if link.0 < start.0 && place.0 > start.0 {
                let kind = if is_set_back && is_covered { "state_damaged" } else { "conflict" };
                report.add(kind, format!("{name}: {place:?} goes on from {link:?}"));
            }
        }
    }

    /// Compares the head before records that may not have been delivered with the records
    /// here.
    fn settled(&self, first: &Place, head: &[u8; 32], here: &str, report: &mut Report) {
        let (segment, run, number) = first;
        let first = self.records.get(&(*segment, run.clone(), *number)).into_iter().flatten();
        let before = number.checked_sub(1);
        let before = before.and_then(|before| self.records.get(&(*segment, run.clone(), before)));
        let mut heads =
            first.map(|record| record.prev).chain(before.into_iter().flatten().map(|record| record.head));
        if heads.any(|of| of != *head) {
            report.add("tampered", format!("{here}: the head of what was settled"));
        }
    }

    /// Returns true if a segment begins after another segment of its chain.
    pub(super) fn is_later(&self, place: &Place) -> bool {
        let start = self.start.as_ref().map(|(start, ..)| start);
        let is_before = |segment: u64, run: &String| (segment, run) < (place.0, &place.1);
        self.records.keys().chain(start).any(|other| is_before(other.0, &other.1))
            || self.extents.iter().any(|extent| is_before(extent.life.0, &extent.life.1))
    }

    pub(super) fn policies(&self, name: &str, report: &mut Report) {
        let mut versions: BTreeMap<(u64, String), BTreeSet<&str>> = BTreeMap::new();
        let mut wholes: BTreeMap<(u64, String), BTreeSet<&str>> = BTreeMap::new();
        let is_statement = |record: &&Record| record.notes.iter().any(|note| note == "statement");
        for record in self.all().filter(|record| !is_statement(record)) {
            let life = (record.place.0, record.place.1.clone());
            let short = record.version.get(4..).unwrap_or_default();
            versions.entry(life.clone()).or_default().insert(short);
            if let Some(policy) = &record.policy {
                wholes.entry(life).or_default().insert(policy);
                if !policy.starts_with(short) || short.is_empty() {
                    report.add("tampered", format!("{name}: {:?}: the policy", record.place));
                }
            }
        }
        for (life, found) in versions.iter().chain(&wholes) {
            if found.len() > 1 {
                report.add("tampered", format!("{name}: {life:?} has two policies"));
            }
        }
    }
}
