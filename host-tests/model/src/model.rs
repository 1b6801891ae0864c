//! What a log comes to, by the section *Verification* of docs/seal-format.md.

use crate::json::Value;
use crate::seal::{self, Bad, GENESIS, Good, Link, Place, Read, Record};
use std::collections::{BTreeMap, BTreeSet};

/// The findings, from the best to the worst, as reports name them.
pub const VERDICTS: [&str; 15] = [
    "intact",
    "tail_unanchored",
    "unsigned",
    "encrypted",
    "unclean_stop",
    "state_damaged",
    "silent",
    "unsealed",
    "gap",
    "link_broken",
    "conflict",
    "nothing_found",
    "unreadable",
    "key_not_certified",
    "tampered",
];

/// A log, and what is known from elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// The lines of all files
    pub lines: Vec<String>,
    /// The roster, if there is one
    pub roster: Option<String>,
    /// The lines of the anchors, if there are any
    pub anchors: Option<Vec<String>>,
    /// The checkpoints with which the log begins, if there are any
    pub from: Option<Vec<String>>,
    /// From when to when nodes have to be heard, in seconds since 1970
    pub heard: Option<(u64, u64)>,
}

/// What a log comes to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The kinds of findings, each with what was found where
    pub findings: BTreeMap<&'static str, BTreeSet<String>>,
    /// Chain, place and head of the records that are covered
    pub covered: BTreeSet<(String, Place, [u8; 32])>,
    /// Chain, segment, run, first and last number of what is missing
    pub missing: Vec<(String, u64, String, u64, u64)>,
}

impl Report {
    fn add(&mut self, kind: &'static str, what: String) {
        self.findings.entry(kind).or_default().insert(what);
    }

    /// Returns the worst of the findings.
    pub fn verdict(&self) -> &'static str {
        VERDICTS.into_iter().rev().find(|kind| self.findings.contains_key(kind)).unwrap_or("intact")
    }
}

/// The kind of what is missing before the log begins; it makes no finding.
const BEFORE: &str = "before the start";

/// A stretch of numbers in a segment and run.
type Range = (u64, u64);

/// What there is of one chain.
#[derive(Default)]
struct Chain {
    /// Intact records, each once
    records: BTreeMap<Place, Vec<Record>>,
    /// Places of records that are altered
    altered: BTreeSet<Place>,
    /// Good checkpoints
    good: Vec<(Place, [u8; 32], Good)>,
    anchors: Vec<(Place, [u8; 32])>,
    /// The checkpoint with which the log begins
    start: Option<(Place, [u8; 32], Good)>,
    has_checkpoint: bool,
    has_roster: bool,
    is_in_roster: bool,
    covered: BTreeSet<(Place, [u8; 32])>,
    /// What is missing, and the finding that it makes
    missing: BTreeMap<(u64, String), Vec<(Range, &'static str)>>,
}

/// The key that a signature counts as, and the first place that it can have signed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    n: u64,
    since: (u64, u64),
}

/// A record from which the chain has gone on twice.
struct Fork {
    at: (u64, u64),
    /// The finding that it makes
    kind: &'static str,
    /// Whether both sides are covered
    are_covered: bool,
}

/// What forks before a place make of it.
fn fork_before<'a>(forks: impl Iterator<Item = &'a Fork>, place: &Place) -> Option<&'static str> {
    let kinds: BTreeSet<&str> =
        forks.filter(|fork| fork.at < position(place)).map(|fork| fork.kind).collect();
    match () {
        () if kinds.contains("conflict") => Some("conflict"),
        () if kinds.contains("state_damaged") => Some("state_damaged"),
        () => None,
    }
}

fn position(place: &Place) -> (u64, u64) {
    (place.0, place.2)
}

/// Verifies a log.
pub fn verify(log: &Log) -> Report {
    let mut report = Report::default();
    let roster = log.roster.as_deref().map(roster);
    let key_of = |chain: &str| roster.as_ref().and_then(|roster| roster.get(chain));
    let mut chains: BTreeMap<String, Chain> = BTreeMap::new();
    for line in log.lines.iter().filter(|line| !line.trim().is_empty()) {
        match seal::read(line) {
            Read::Unreadable => report.add("unreadable", line.clone()),
            Read::Unsealed => report.add("unsealed", line.clone()),
            Read::Malformed => report.add("tampered", line.clone()),
            Read::Sealed(record) => {
                let chain = chains.entry(record.chain.clone()).or_default();
                if record.key.is_some() {
                    chain.has_checkpoint = true;
                    let good = chain.judge(&record, key_of(&record.chain), roster.is_some(), &mut report);
                    chain.good.extend(good.map(|good| (record.place.clone(), record.head, good)));
                }
                if record.is_intact {
                    let here = chain.records.entry(record.place.clone()).or_default();
                    if here.iter().any(|other| (other.prev, other.head) != (record.prev, record.head)) {
                        report.add("tampered", format!("two records at {:?}", record.place));
                    }
                    here.push(*record);
                } else {
                    report.add("tampered", format!("altered: {:?}", record.place));
                    chain.altered.insert(record.place);
                }
            }
        }
    }
    if chains.is_empty() {
        report.add("nothing_found", String::new());
    }
    for line in log.anchors.iter().flatten().filter(|line| !line.trim().is_empty()) {
        let Some(anchor) = seal::read_anchor(line) else {
            report.add("unreadable", line.clone());
            continue;
        };
        let chain = chains.entry(anchor.chain.clone()).or_default();
        if chain.judge(&anchor, key_of(&anchor.chain), roster.is_some(), &mut report).is_some() {
            chain.anchors.push((anchor.place, anchor.head));
        }
    }
    let from = log.from.iter().flatten().filter(|line| !line.trim().is_empty());
    for line in from {
        let Some(start) = seal::read_anchor(line) else {
            report.add("unreadable", line.clone());
            continue;
        };
        let chain = chains.entry(start.chain.clone()).or_default();
        if let Some(good) = chain.judge(&start, key_of(&start.chain), roster.is_some(), &mut report) {
            let before = chain.start.as_ref().map(|(place, ..)| position(place));
            if before.is_none_or(|before| position(&start.place) < before) {
                chain.start = Some((start.place, start.head, good));
            }
        }
    }
    for (name, chain) in &mut chains {
        chain.is_in_roster = key_of(name).is_some();
        chain.has_roster = roster.is_some();
        chain.verify(name, &mut report);
    }
    silent(log, &chains, &mut report);
    report
}

/// Looks for nodes of which no chain has a covered record of the time asked for.
fn silent(log: &Log, chains: &BTreeMap<String, Chain>, report: &mut Report) {
    let Some((from, to)) = log.heard else { return };
    let entries = log.roster.as_deref().and_then(Value::parse).unwrap_or(Value::Null);
    let mut nodes: BTreeMap<String, bool> = BTreeMap::new();
    for entry in entries.as_array().unwrap_or_default() {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
        let is_heard = chains.get(text("chain")).is_some_and(|chain| {
            chain.all().any(|record| chain.is_covered(record) && (from..=to).contains(&record.seconds))
        });
        *nodes.entry(text("node").to_owned()).or_default() |= is_heard;
    }
    for (node, _) in nodes.into_iter().filter(|(_, is_heard)| !is_heard) {
        report.add("silent", node);
    }
}

fn roster(text: &str) -> BTreeMap<String, [u8; 32]> {
    let entries = Value::parse(text).unwrap_or(Value::Null);
    let entry = |entry: &Value| {
        let key = seal::bytes(entry.get("key")?.as_str()?)?;
        Some((entry.get("chain")?.as_str()?.to_owned(), key))
    };
    entries.as_array().unwrap_or_default().iter().filter_map(entry).collect()
}

impl Chain {
    /// Judges a checkpoint or an anchor.
    fn judge(
        &self,
        record: &Record,
        key_0: Option<&[u8; 32]>,
        has_roster: bool,
        report: &mut Report,
    ) -> Option<Good> {
        let judged = match key_0 {
            Some(key) => seal::judge(record, key),
            None if has_roster => Err(Bad::NotCertified),
            None => return None,
        };
        let kind = match judged {
            Ok(good) => return Some(good),
            Err(Bad::NotCertified) => "key_not_certified",
            Err(Bad::Tampered) => "tampered",
        };
        report.add(kind, format!("checkpoint at {:?} of {}", record.place, record.chain));
        None
    }

    fn verify(&mut self, name: &str, report: &mut Report) {
        self.cover();
        self.find_missing();
        for ((segment, run), ranges) in &self.missing {
            for ((first, last), kind) in ranges.iter().filter(|(_, kind)| *kind != BEFORE) {
                report.add(kind, format!("{name}: {segment}.{run} {first} to {last} missing"));
                report.missing.push((name.to_owned(), *segment, run.clone(), *first, *last));
            }
        }
        let forks = self.links(name, report);
        self.policies(name, report);
        self.keys(name, &forks, report);
        self.stretches(name, &forks, report);
        self.ends(name, report);
        let covered = self.covered.iter().map(|(place, head)| (name.to_owned(), place.clone(), *head));
        report.covered.extend(covered);
    }

    fn all(&self) -> impl Iterator<Item = &Record> {
        self.records.values().flatten()
    }

    fn is_covered(&self, record: &Record) -> bool {
        self.covered.contains(&(record.place.clone(), record.head))
    }

    /// Since when each key is in force: not before the keys before it.
    fn in_force(&self) -> BTreeMap<u64, (u64, u64)> {
        let mut first: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        let all = self.good.iter().chain(&self.start);
        for (n, place, _) in all.flat_map(|(.., good)| &good.since) {
            let known = first.entry(*n).or_insert(position(place));
            *known = position(place).min(*known);
        }
        let mut last = (0, 0);
        first.values_mut().for_each(|since| {
            last = last.max(*since);
            *since = last;
        });
        first
    }

    /// The key as which a signature reaches an earlier place, where the head is this.
    fn over(
        &self,
        mut by: Key,
        head: &[u8; 32],
        to: &Place,
        in_force: &BTreeMap<u64, (u64, u64)>,
    ) -> Option<Key> {
        while by.since > position(to) {
            let mut handovers = self.good.iter().chain(&self.start).flat_map(|(.., good)| &good.since);
            if !handovers.any(|(n, place, of)| *n == by.n && position(place) == by.since && of == head) {
                return None;
            }
            let n = by.n - 1;
            by = Key { n, since: if n == 0 { (0, 0) } else { *in_force.get(&n)? } };
        }
        Some(by)
    }

    /// Finds out how far signatures reach.
    fn cover(&mut self) {
        let in_force = self.in_force();
        let mut signed: BTreeSet<(Place, [u8; 32], Key)> = BTreeSet::new();
        for (place, head, good) in &self.good {
            let own = good.since.first().map_or((0, 0), |(_, place, _)| position(place));
            let before = in_force.range(..good.n).next_back().map_or((0, 0), |(_, since)| *since);
            let since = own.max(before);
            if since <= position(place) {
                signed.insert((place.clone(), *head, Key { n: good.n, since }));
            }
            for (n, (segment, run, number), head) in &good.since {
                let Some(before) = number.checked_sub(1) else { continue };
                let since = if *n == 1 { Some((0, 0)) } else { in_force.get(&(n - 1)).copied() };
                let since = since.unwrap_or((*segment, before));
                if since <= (*segment, before) {
                    signed.insert(((*segment, run.clone(), before), *head, Key { n: n - 1, since }));
                }
            }
        }
        loop {
            let mut reached = signed.clone();
            for (place, head, by) in &signed {
                let here = self.records.get(place).into_iter().flatten();
                for record in here.filter(|record| record.head == *head) {
                    let (segment, run, number) = &record.place;
                    let before = match (number.checked_sub(1), &record.link) {
                        (Some(before), _) => Some((*segment, run.clone(), before)),
                        (None, Some((link, _))) if link.0 < *segment => Some(link.clone()),
                        _ => None,
                    };
                    let Some(before) = before else { continue };
                    let over = self.over(*by, &record.prev, &before, &in_force);
                    reached.extend(over.map(|by| (before, record.prev, by)));
                }
            }
            if reached.len() == signed.len() {
                break;
            }
            signed = reached;
        }
        let signed: BTreeSet<(Place, [u8; 32])> =
            signed.into_iter().map(|(place, head, _)| (place, head)).collect();
        self.covered = self
            .all()
            .map(|record| (record.place.clone(), record.head))
            .filter(|at| signed.contains(at))
            .collect();
    }

    /// The numbers of a segment and run where an intact record is, or an altered one.
    fn numbers(&self, life: &(u64, String)) -> BTreeSet<u64> {
        let places = self.records.keys().chain(&self.altered);
        places.filter(|place| (place.0, &place.1) == (life.0, &life.1)).map(|place| place.2).collect()
    }

    fn last(&self, life: &(u64, String)) -> Option<u64> {
        let here = self.records.keys().filter(|place| (place.0, &place.1) == (life.0, &life.1));
        here.map(|place| place.2).max()
    }

    /// Finds what is missing, and what accounts for it.
    fn find_missing(&mut self) {
        // The first number that need not be here.
        let mut ends: BTreeMap<(u64, String), u128> = BTreeMap::new();
        let mut reach = |place: &Place, end: u128| {
            let known = ends.entry((place.0, place.1.clone())).or_default();
            *known = end.max(*known);
        };
        let mut stops = Vec::new();
        for record in self.all() {
            reach(&record.place, u128::from(record.place.2) + 1);
            let Some((link, unsettled)) = record.link.as_ref().filter(|(link, _)| link.0 < record.place.0)
            else {
                continue;
            };
            reach(link, u128::from(link.2) + 1);
            if let Some((from, _)) = unsettled.as_ref().filter(|_| self.is_covered(record)) {
                reach(from, u128::from(from.2));
                stops.push((from.clone(), link.clone()));
            }
        }
        if let Some((place, ..)) = &self.start {
            reach(place, u128::from(place.2) + 1);
        }
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

    /// The numbers from one on, up to another, of which no record is here.
    fn absent(&self, life: &(u64, String), from: u128, end: u128) -> Vec<Range> {
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

    /// Parts what is missing into what a stop accounts for, and the rest.
    fn accounted(
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
        let is_end = self.last(life).is_none_or(|last| last < range.0);
        let of = |place: &Place| (place.0, &place.1) == (life.0, &life.1);
        let stopped = stops.iter().filter(|_| is_end).filter_map(|(from, to)| {
            let first = if of(from) { from.2 } else { 0 };
            let last = if of(to) { to.2 } else { u64::MAX };
            let starts = of(from) || from.0 < life.0;
            let ends = of(to) || life.0 < to.0;
            (starts && ends).then_some((first.max(range.0), last.min(range.1)))
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

    /// Returns the finding for what stands between a record and the next one that is
    /// here, and is missing or altered.
    fn behind(&self, place: &Place) -> Option<&'static str> {
        let here = self.records.keys().find(|next| *next > place);
        let is_next = |at: &Place| at > place && here.is_none_or(|here| at < here);
        if self.altered.iter().any(|altered| !self.records.contains_key(altered) && is_next(altered)) {
            return Some("gap");
        }
        let all = self.missing.iter().flat_map(|((segment, run), ranges)| {
            ranges.iter().map(move |((first, _), kind)| ((*segment, run.clone(), *first), *kind))
        });
        let next = all.filter(|(first, _)| is_next(first)).map(|(_, kind)| kind);
        next.max_by_key(|kind| (*kind == "gap", *kind != BEFORE))
    }

    /// Checks heads and links. Returns the records from which the chain has gone on twice.
    fn links(&self, name: &str, report: &mut Report) -> Vec<Fork> {
        let mut forks = Vec::new();
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
                    report.add("key_not_certified", format!("{here}: its key was not in force before"));
                }
                if link.0 >= *segment
                    || linked.is_some_and(|linked| linked.iter().all(|linked| linked.head != record.prev))
                {
                    report.add("link_broken", here);
                }
            } else if record.notes.iter().any(|note| note == "state-damaged") && self.is_covered(record) {
                report.add("state_damaged", here);
            } else if record.prev != GENESIS || self.is_later(&record.place) {
                report.add("link_broken", here);
            }
        }
        self.link_to_start(name, report);
        let firsts: Vec<&Record> = self.all().filter(|record| record.link.is_some()).collect();
        for record in &firsts {
            let Some((link, _)) = record.link.as_ref().filter(|(link, _)| link.0 < record.place.0) else {
                continue;
            };
            let goes_on =
                self.records.keys().any(|place| (place.0, &place.1) == (link.0, &link.1) && place.2 > link.2);
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
                forks.push(Fork { at: position(link), kind, are_covered });
            }
        }
        forks
    }

    /// Holds the checkpoint with which the log begins against what is here.
    fn link_to_start(&self, name: &str, report: &mut Report) {
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

    /// Holds the head before what may not have been delivered against what is here.
    fn settled(&self, record: &Record, here: &str, report: &mut Report) {
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

    /// Whether a segment begins after another one of its chain.
    fn is_later(&self, place: &Place) -> bool {
        let start = self.start.as_ref().map(|(start, ..)| start);
        self.records.keys().chain(start).any(|other| (other.0, &other.1) < (place.0, &place.1))
    }

    fn policies(&self, name: &str, report: &mut Report) {
        let mut versions: BTreeMap<(u64, String), BTreeSet<&str>> = BTreeMap::new();
        let mut wholes: BTreeMap<(u64, String), BTreeSet<&str>> = BTreeMap::new();
        for record in self.all() {
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

    /// Holds keys against each other.
    fn keys(&self, name: &str, forks: &[Fork], report: &mut Report) {
        let mut since: BTreeMap<u64, BTreeSet<(Place, [u8; 32])>> = BTreeMap::new();
        for (n, at, head) in self.good.iter().flat_map(|(.., good)| &good.since) {
            since.entry(*n).or_default().insert((at.clone(), *head));
        }
        for (n, at, head) in self.start.iter().flat_map(|(.., good)| &good.since) {
            since.entry(*n).or_default().insert((at.clone(), *head));
        }
        for (at, head) in since.values().flatten() {
            if self.records.get(at).is_some_and(|here| here.iter().any(|record| record.prev != *head)) {
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
        let wrong = |at: &Place| {
            fork_before(forks.iter().filter(|fork| fork.are_covered), at).unwrap_or("key_not_certified")
        };
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
            let before = self.good.iter().filter(|(.., good)| good.n < *n);
            let last = before.map(|(here, ..)| here).max_by_key(|here| position(here));
            if let Some(here) = last.filter(|here| position(here) >= position(place)) {
                report.add(wrong(here), format!("{name}: {here:?} is not signed by key {n}"));
            }
        }
        self.without_handover(name, &single, end, report);
    }

    /// Looks for keys that nobody has handed over to.
    fn without_handover(&self, name: &str, single: &[(u64, &Place)], end: u64, report: &mut Report) {
        let mut before: (u64, Option<&Place>) = (0, None);
        for (n, place) in single.iter().filter(|(n, _)| *n < end) {
            if *n > before.0 + 1 {
                // After the last checkpoint under an earlier key.
                let used = self.good.iter().filter(|(.., good)| good.n <= before.0);
                let used = used.map(|(at, ..)| position(at)).filter(|at| *at < position(place)).max();
                let from = used.max(before.1.map(position)).unwrap_or_default();
                let is_between =
                    |first: &Place, end: (u64, u64)| self.before(first) <= position(place) && end >= from;
                let missing = self.missing.iter().flat_map(|((segment, run), ranges)| {
                    ranges.iter().map(move |((first, last), kind)| {
                        ((*segment, run.clone(), *first), (*segment, *last), *kind)
                    })
                });
                let altered = self.altered.iter().filter(|place| !self.records.contains_key(*place));
                let altered = altered.map(|place| (place.clone(), position(place), "gap"));
                let kinds: Vec<&str> = missing
                    .chain(altered)
                    .filter(|(first, end, _)| is_between(first, *end))
                    .map(|(.., kind)| kind)
                    .collect();
                let kind = match kinds.contains(&"gap") {
                    true => "gap",
                    false => {
                        kinds.iter().copied().find(|kind| *kind != BEFORE).unwrap_or("key_not_certified")
                    }
                };
                if self.start.as_ref().is_some_and(|(start, ..)| position(place) <= position(start)) {
                    before = (*n, Some(place));
                    continue;
                }
                report.add(kind, format!("{name}: no handover between key {} and {n}", before.0));
            }
            before = (*n, Some(place));
        }
    }

    /// Where what is missing from a place on may begin: without its first record nobody
    /// knows what a segment goes on from.
    fn before(&self, first: &Place) -> (u64, u64) {
        match first.2 {
            0 => self.records.keys().filter(|here| *here < first).map(position).max().unwrap_or_default(),
            number => (first.0, number - 1),
        }
    }

    /// Judges records that no signature reaches.
    fn stretches(&self, name: &str, forks: &[Fork], report: &mut Report) {
        if !self.is_in_roster {
            return;
        }
        for first in self.all().filter(|record| !self.is_covered(record)) {
            let goes_on = |from: &Record, to: &Record| {
                (from.place.0, &from.place.1) == (to.place.0, &to.place.1)
                    && from.place.2.checked_add(1) == Some(to.place.2)
                    && from.head == to.prev
            };
            if self.all().any(|before| !self.is_covered(before) && goes_on(before, first)) {
                continue;
            }
            let (mut last, mut count) = (first, 1);
            while let Some(next) = self.all().find(|next| !self.is_covered(next) && goes_on(last, next)) {
                (last, count) = (next, count + 1);
            }
            let life = (last.place.0, last.place.1.clone());
            let absent = self.behind(&last.place);
            let is_later = |place: &Place| position(place) > position(&last.place);
            let is_followed = self.covered.iter().any(|(place, _)| is_later(place))
                || self.anchors.iter().any(|(place, _)| is_later(place))
                || self.start.iter().any(|(place, ..)| is_later(place))
                || self.missing.iter().any(|((segment, run), ranges)| {
                    ranges.iter().any(|((_, end), _)| is_later(&(*segment, run.clone(), *end)))
                });
            let follows_covered = first.place.2.checked_sub(1).is_some_and(|before| {
                let before = (life.0, life.1.clone(), before);
                self.start.as_ref().is_some_and(|(start, ..)| *start == before)
                    || self.covered.contains(&(before, first.prev))
            });
            let kind = if count >= 1024 || first.place.2 == 0 {
                "key_not_certified"
            } else if absent == Some(BEFORE) {
                continue;
            } else if let Some(kind) = absent {
                kind
            } else if is_followed {
                fork_before(forks.iter(), &last.place).unwrap_or("conflict")
            } else if !follows_covered {
                "gap"
            } else {
                continue;
            };
            report.add(kind, format!("{name}: {:?} to {} not covered", first.place, last.place.2));
        }
    }

    /// Checks anchors, and what is behind the last one.
    fn ends(&self, name: &str, report: &mut Report) {
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
            let is_strange = self.has_roster && !self.is_in_roster && self.has_checkpoint;
            if !is_strange {
                report.add("unsigned", name.to_owned());
            }
            return;
        }
        let last = self.all().max_by_key(|record| position(&record.place));
        if last.is_none_or(|last| !self.anchors.contains(&(last.place.clone(), last.head))) {
            report.add("tail_unanchored", name.to_owned());
        }
    }
}
