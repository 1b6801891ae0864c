//! The result of a verification, by the section *Verification* of docs/seal-format.md.

mod coverage;
mod ends;
mod files;
mod fitting;
mod keys;
mod ledgers;
mod links;
mod missing;
mod nodes;

use crate::seal::{self, Bad, Good, Place, Read, Record};
pub use files::refuses;
use ledgers::Extent;
use nodes::{Claim, Trusted};
use std::collections::{BTreeMap, BTreeSet};

/// The findings, from the best to the worst, as reports name them.
pub const VERDICTS: [&str; 16] = [
    "intact",
    "tail_unanchored",
    "unsigned",
    "encrypted",
    "unclean_stop",
    "state_damaged",
    "silent",
    "unexpected",
    "unsealed",
    "gap",
    "link_broken",
    "conflict",
    "nothing_found",
    "unreadable",
    "key_not_certified",
    "tampered",
];

/// A log, and what is known about it from elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// The lines of all files that are in no ledger's directory
    pub lines: Vec<String>,
    /// The directories of ledgers
    pub ledgers: Vec<Ledger>,
    /// The roster, if there is one
    pub roster: Option<String>,
    /// The fleet's file, if there is one
    pub fleet: Option<String>,
    /// The nodes that should be there, if they are known
    pub expected: Option<Vec<String>>,
    /// The lines of the anchors, if there are any
    pub anchors: Option<Vec<String>>,
    /// The checkpoints with which the log begins, if there are any
    pub from: Option<Vec<String>>,
    /// The period in which nodes must have been heard, in seconds since 1970
    pub heard: Option<(u64, u64)>,
}

/// The directory of a ledger that has deleted all its closed files.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// The lines of its manifests and tombstones, in order
    pub manifests: Vec<String>,
    /// The number of the open file
    pub number: u64,
    /// The lines of the open file
    pub open: Vec<String>,
}

/// The result of verifying a log.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The findings: for each kind, what was found and where
    pub findings: BTreeMap<&'static str, BTreeSet<String>>,
    /// Chain, place and head of each covered record
    pub covered: BTreeSet<(String, Place, [u8; 32])>,
    /// Missing records: chain, segment, run, first and last number
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

/// The maximum number of chains that are followed although they are not known.
const UNKNOWN_CHAINS_MAX: usize = 10_000;

/// The kind of records that are missing before the log begins, which is no finding.
const BEFORE: &str = "before the start";
/// The kind of records that the ledger of their chain has deleted, which is no finding.
const DELETED: &str = "deleted";

/// Returns the finding that missing records of a kind make, if they make one.
fn finding(kind: &'static str) -> Option<&'static str> {
    match kind {
        BEFORE | DELETED => None,
        kind => Some(kind),
    }
}

/// A range of numbers in a segment and run.
type Range = (u64, u64);

/// The parts of one chain in the log.
#[derive(Default)]
struct Chain {
    /// Intact records, without duplicates
    records: BTreeMap<Place, Vec<Record>>,
    /// Places of altered records
    altered: BTreeSet<Place>,
    /// Valid checkpoints
    good: Vec<(Place, [u8; 32], Good)>,
    anchors: Vec<(Place, [u8; 32])>,
    /// The last record of each segment and run that a valid anchor says was delivered
    delivered: BTreeMap<(u64, String), u64>,
    /// The checkpoint with which the log begins
    start: Option<(Place, [u8; 32], Good)>,
    has_checkpoint: bool,
    /// The enrollments in good checkpoints
    claims: Vec<Claim>,
    /// True if a good checkpoint says that it is a ledger's
    is_ledger: bool,
    /// True if a good checkpoint is a statement of a ledger
    is_stating: bool,
    /// True if there is a roster or a fleet
    is_trusting: bool,
    /// True if the roster or a fleet vouches for it
    is_known: bool,
    covered: BTreeSet<(Place, [u8; 32])>,
    /// The ledgers in which its records are, and `None` for all other files
    stores: BTreeSet<Option<usize>>,
    /// The records that the ledger of the chain has deleted
    extents: Vec<Extent>,
    /// The records that any ledger has deleted
    listed: Vec<Extent>,
    /// The stops, from the first record that each may have lost to the last
    stops: Vec<(Place, Place)>,
    /// The missing records, and the finding that they make
    missing: BTreeMap<(u64, String), Vec<(Range, &'static str)>>,
}

/// The key that a signature counts as, and the first place that this key can have signed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    n: u64,
    since: (u64, u64),
}

/// A record that two records continue, or with which the chain begins again.
struct Fork {
    at: (u64, u64),
    /// The finding that it makes
    kind: &'static str,
    /// True if both sides are covered
    are_covered: bool,
    /// True for the first record of a segment that continues no other segment
    is_restart: bool,
}

/// Returns the finding for what is wrong at a place, if there are forks before it.
fn fork_before<'a>(forks: impl Iterator<Item = &'a Fork>, place: &Place) -> Option<&'static str> {
    let is_between =
        |fork: &Fork| if fork.is_restart { fork.at > position(place) } else { fork.at < position(place) };
    let kinds: BTreeSet<&str> = forks.filter(|fork| is_between(fork)).map(|fork| fork.kind).collect();
    match () {
        () if kinds.contains("conflict") => Some("conflict"),
        () if kinds.contains("state_damaged") => Some("state_damaged"),
        () => None,
    }
}

fn position(place: &Place) -> (u64, u64) {
    (place.0, place.2)
}

/// Verifies a log, if its files are not [refused](refuses).
pub fn verify(log: &Log) -> Report {
    let mut report = Report::default();
    let trusted = Trusted::of(log);
    let mut chains: BTreeMap<String, Chain> = BTreeMap::new();
    let deleted: Vec<Vec<Extent>> =
        log.ledgers.iter().map(|ledger| ledgers::deleted(ledger, &trusted, &mut report)).collect();
    let of_ledgers = log.ledgers.iter().enumerate().flat_map(|(number, ledger)| {
        ledger.manifests.iter().chain(&ledger.open).map(move |line| (Some(number), line))
    });
    let lines = log.lines.iter().map(|line| (None, line)).chain(of_ledgers);
    let lines = lines.filter(|(_, line)| !line.trim().is_empty());
    let elements =
        lines.flat_map(|(store, line)| seal::elements(line).into_iter().map(move |of| (store, of)));
    for (store, line) in elements {
        let line = &line;
        match seal::read(line) {
            Read::Unreadable => report.add("unreadable", line.clone()),
            Read::Unsealed => report.add("unsealed", line.clone()),
            Read::Malformed => report.add("tampered", line.clone()),
            Read::Sealed(record) => {
                let chain = chains.entry(record.chain.clone()).or_default();
                chain.stores.insert(store);
                if record.key.is_some() {
                    chain.has_checkpoint = true;
                    let good = chain.judge(&record, true, &trusted, &mut report);
                    chain.good.extend(good.map(|good| (record.place.clone(), record.head, good)));
                }
                if record.is_intact {
                    chain.records.entry(record.place.clone()).or_default().push(*record);
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
        if !trusted.is_any() {
            report.add("unsigned", format!("anchor of {}", anchor.chain));
        }
        let chain = chains.entry(anchor.chain.clone()).or_default();
        if chain.judge(&anchor, false, &trusted, &mut report).is_some() {
            if seal::is_delivered(line) {
                let (segment, run, number) = anchor.place.clone();
                let last = chain.delivered.entry((segment, run)).or_default();
                *last = number.max(*last);
            }
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
        if let Some(good) = chain.judge(&start, false, &trusted, &mut report) {
            let before = chain.start.as_ref().map(|(place, ..)| position(place));
            if before.is_none_or(|before| position(&start.place) < before) {
                chain.start = Some((start.place, start.head, good));
            }
        }
    }
    for (name, chain) in &mut chains {
        chain.is_known = trusted.has(name) || !chain.claims.is_empty();
        if chain.is_stating && !chain.is_ledger {
            report.add("key_not_certified", format!("{name} is no ledger's, and makes statements"));
        }
        chain.is_trusting = trusted.is_any();
        let of_chain =
            |all: &[Extent]| all.iter().filter(|of| of.chain == *name).cloned().collect::<Vec<_>>();
        chain.listed = deleted.iter().flat_map(|all| of_chain(all)).collect();
        chain.extents = match (chain.stores.len(), chain.stores.first()) {
            (1, Some(Some(number))) => of_chain(&deleted[*number]),
            (0, _) if !chain.anchors.is_empty() => chain.listed.clone(),
            _ => Vec::new(),
        };
    }
    let has_records = |chain: &Chain| !chain.records.is_empty() || !chain.altered.is_empty();
    let unknown = chains.values().filter(|chain| !chain.is_known && has_records(chain)).count();
    if unknown > UNKNOWN_CHAINS_MAX {
        chains.retain(|_, chain| chain.is_known || !has_records(chain));
        let kind = if trusted.is_any() { "key_not_certified" } else { "unreadable" };
        report.add(kind, "too many chains that are not known".to_owned());
    }
    for (name, chain) in &mut chains {
        chain.verify(name, &mut report);
    }
    nodes::check(log, &chains, &mut report);
    report
}

impl Chain {
    /// Judges a checkpoint of the log, or an anchor.
    fn judge(
        &mut self,
        record: &Record,
        is_here: bool,
        trusted: &Trusted,
        report: &mut Report,
    ) -> Option<Good> {
        if !trusted.is_any() {
            return None;
        }
        let kind = match trusted.judge(record, is_here) {
            Ok(good) => {
                let at = (is_here && record.is_intact).then_some(record.seconds);
                self.is_stating |= at.is_some() && record.notes.iter().any(|note| note == "statement");
                self.is_ledger |= trusted.is_of_ledger(&good);
                self.claims.extend(
                    good.enrollment.as_ref().filter(|_| trusted.has_fleet()).map(|of| Claim::of(of, at)),
                );
                return Some(good);
            }
            Err(Bad::NotCertified) => "key_not_certified",
            Err(Bad::Tampered) => "tampered",
        };
        report.add(kind, format!("checkpoint at {:?} of {}", record.place, record.chain));
        None
    }

    fn verify(&mut self, name: &str, report: &mut Report) {
        for (place, here) in &self.records {
            if here.iter().any(|one| (one.prev, one.head) != (here[0].prev, here[0].head)) {
                report.add("tampered", format!("{name}: two records at {place:?}"));
            }
        }
        self.cover();
        self.extents = self.fitting();
        self.find_missing();
        for ((segment, run), ranges) in &self.missing {
            for ((first, last), kind) in ranges.iter().filter_map(|(of, kind)| Some((of, finding(kind)?))) {
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
}
