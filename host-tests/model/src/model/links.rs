//! Heads, links and policies that must fit together.

use super::{Chain, Fork, Report, fork_before, position};
use crate::seal::{GENESIS, Link, Place, Record};
use std::collections::{BTreeMap, BTreeSet};

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
            } else if let Some((link, _)) = &record.link {
                let linked = self.records.get(link);
                self.settled(record, &here, report);
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
        self.link_to_start(name, report);
        let is_back =
            |record: &&Record| record.link.as_ref().is_some_and(|(link, _)| link.0 < record.place.0);
        let firsts: Vec<&Record> = self.all().filter(is_back).collect();
        for record in &firsts {
            let Some((link, _)) = &record.link else { continue };
            let start = self.start.as_ref().map(|(start, ..)| start);
            let goes_on = self
                .records
                .keys()
                .chain(start)
                .any(|place| (place.0, &place.1) == (link.0, &link.1) && place.2 > link.2);
            let is_second = firsts.iter().any(|other| {
                let is_same = |(of, _): &(Place, _)| (of.0, &of.1) == (link.0, &link.1);
                other.link.as_ref().is_some_and(is_same) && other.place < record.place
            });
            if goes_on || is_second {
                let is_other_covered = self
                    .covered
                    .iter()
                    .any(|(place, _)| (place.0, &place.1) == (link.0, &link.1) && place.2 > link.2)
                    || firsts.iter().any(|other| {
                        let is_same = |(of, _): &Link| (of.0, &of.1) == (link.0, &link.1);
                        other.link.as_ref().is_some_and(is_same)
                            && other.place < record.place
                            && self.is_covered(other)
                    });
                let is_set_back =
                    record.notes.iter().any(|note| note == "state-set-back") && self.is_covered(record);
                let kind = if is_set_back { "state_damaged" } else { "conflict" };
                report.add(kind, format!("{name}: {:?} goes on from {link:?}", record.place));
                let are_covered = is_other_covered && self.is_covered(record);
                forks.push(Fork { at: position(link), kind, are_covered, is_restart: false });
            }
        }
        for (place, what) in too_early {
            let covered = forks.iter().filter(|fork| fork.are_covered);
            report.add(fork_before(covered, place).unwrap_or("key_not_certified"), what);
        }
        forks
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
            if link.0 < start.0 && *segment > start.0 {
                let is_set_back =
                    record.notes.iter().any(|note| note == "state-set-back") && self.is_covered(record);
                report.add(if is_set_back { "state_damaged" } else { "conflict" }, here);
            }
        }
    }

    /// Compares the head before records that may not have been delivered with the records
    /// here.
    pub(super) fn settled(&self, record: &Record, here: &str, report: &mut Report) {
        let Some((link, Some(((segment, run, number), head)))) = &record.link else { return };
        if link.0 >= record.place.0 || !self.is_covered(record) {
            return;
        }
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
        self.records.keys().chain(start).any(|other| (other.0, &other.1) < (place.0, &place.1))
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
