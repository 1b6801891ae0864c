//! What has been seen of all chains, and what that comes to.

use super::keys::{Keys, Misfit, Position};
use super::segment::{Added, Fingerprint, Flaw, Segment, Spool};
use super::signatures::{self, Signed, position};
use super::{At, Seen, Verdict};
use crate::roster::Roster;
use flb_audit_core::check::Sealed;
use flb_audit_core::checkpoint::{CHECKPOINT_RECORDS_MAX, Checkpoint};
use flb_audit_core::hash::Hash;
use flb_audit_core::seal::{ChainId, GENESIS, Place, Run};
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::ops::RangeInclusive;

/// A segment's number and run.
pub(super) type Life = (u64, Run);

/// One thing that is wrong.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) verdict: Verdict,
    pub(super) chain: Option<ChainId>,
    pub(super) at: Option<At>,
    pub(super) what: String,
}

/// How many findings of a kind are kept to be shown; all are counted.
pub(super) const FINDINGS_MAX: usize = 100;

/// What is wrong, by verdict.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) kept: BTreeMap<Verdict, Vec<Finding>>,
    pub(super) counts: BTreeMap<Verdict, u64>,
}

impl Findings {
    pub(super) fn add(
        &mut self,
        verdict: Verdict,
        chain: Option<ChainId>,
        at: Option<At>,
        what: impl Into<String>,
    ) {
        *self.counts.entry(verdict).or_default() += 1;
        let kept = self.kept.entry(verdict).or_default();
        if kept.len() < FINDINGS_MAX {
            kept.push(Finding { verdict, chain, at, what: what.into() });
        }
    }
}

/// What has been seen of one chain.
#[derive(Default)]
pub(super) struct Chain {
    segments: BTreeMap<Life, Segment>,
    links: BTreeMap<Life, Place>,
    pub(super) keys: Keys,
    /// Why its first checkpoint proves nothing: those that have no key of the
    /// roster's all do so alike.
    without_roster: Option<signatures::Flaw>,
    /// Where records are missing, or may be.
    gaps: Vec<RangeInclusive<Position>>,
    /// How far anchors prove it.
    pub(super) anchored: Option<Position>,
    /// Whether it has a record of the time that is asked for.
    pub(super) is_heard: bool,
    /// Different records; those that came again are not in it.
    pub(super) records: u64,
    /// Records that came again.
    pub(super) duplicates: u64,
    /// Records that the filter could not read and sealed as raw text.
    pub(super) raw: u64,
    /// Records that are not there.
    pub(super) missing: u64,
    /// The time of the earliest record, in seconds since 1970.
    pub(super) from: u64,
    /// And of the latest.
    pub(super) to: u64,
}

impl Chain {
    pub(super) fn segments(&self) -> usize {
        self.segments.len()
    }

    /// The chain's last segment that is here, and its last record.
    pub(super) fn end(&self) -> Option<Position> {
        self.segments.last_key_value().map(|((number, _), segment)| (*number, segment.last()))
    }
}

/// What has been seen.
pub(super) struct Chains {
    pub(super) chains: BTreeMap<ChainId, Chain>,
    pub(super) findings: Findings,
    /// Records of which some keys are not under the seal.
    pub(super) with_unsealed_keys: u64,
    /// From when to when nodes have to be heard, in seconds since 1970.
    heard: RangeInclusive<u64>,
    fingerprints: RandomState,
    spool: Spool,
}

impl Chains {
    pub(super) fn new(heard: RangeInclusive<u64>) -> Self {
        Chains {
            heard,
            chains: BTreeMap::new(),
            findings: Findings::default(),
            with_unsealed_keys: 0,
            fingerprints: RandomState::new(),
            spool: Spool::new(),
        }
    }

    /// Adds what became of one record of the input.
    pub(super) fn add(&mut self, at: At, seen: Seen) -> io::Result<()> {
        let (verdict, what) = match seen {
            Seen::Sealed(sealed, signed) => return self.add_sealed(at, &sealed, signed.as_deref()),
            Seen::Unsealed => (Verdict::Unsealed, "a record without a seal".to_owned()),
            Seen::Malformed => (Verdict::Tampered, "a seal that no filter writes".to_owned()),
            Seen::UnknownVersion => (
                Verdict::Unreadable,
                "a seal in a version of the format that this flb-audit does not know; use a later one"
                    .to_owned(),
            ),
            Seen::Unreadable(why) => (Verdict::Unreadable, why),
        };
        self.findings.add(verdict, None, Some(at), what);
        Ok(())
    }

    fn fingerprint(&self, head: &Hash) -> Fingerprint {
        self.fingerprints.hash_one(head)
    }

    fn add_sealed(&mut self, at: At, sealed: &Sealed, signed: Option<&Signed>) -> io::Result<()> {
        let (before, head) = (self.fingerprint(&sealed.previous), self.fingerprint(&sealed.head));
        let Place { segment: number, run, sequence } = sealed.place;
        let chain =
            self.chains.entry(sealed.chain).or_insert_with(|| Chain { from: u64::MAX, ..Chain::default() });
        let segment = chain.segments.entry((number, run)).or_default();
        if !sealed.is_intact {
            let what = format!("record {sequence} of segment {number} is not the one that was sealed");
            self.findings.add(Verdict::Tampered, Some(sealed.chain), Some(at), what);
        }
        if let Some(signed) = signed {
            use signatures::Flaw;
            let what = || {
                format!(
                    "record {sequence} of segment {number}: {}",
                    signed.flaw.map_or(String::new(), |flaw| flaw.what(signed.index))
                )
            };
            match signed.flaw {
                None => chain.keys.add(&sealed.place, signed, |head| self.fingerprints.hash_one(head)),
                Some(flaw @ (Flaw::NoRoster | Flaw::NotInRoster)) => chain.without_roster = Some(flaw),
                Some(flaw) => self.findings.add(flaw.verdict(), Some(sealed.chain), Some(at), what()),
            }
        }
        chain.is_heard |= self.heard.contains(&sealed.seconds);
        self.with_unsealed_keys += u64::from(sealed.unsealed_keys > 0);
        match segment.add(sequence, before, head, &mut self.spool)? {
            Added::New => {
                chain.records += 1;
                chain.raw += u64::from(sealed.is_raw);
                chain.from = chain.from.min(sealed.seconds);
                chain.to = chain.to.max(sealed.seconds);
                if let Some(link) = sealed.link.filter(|_| sequence == 0) {
                    chain.links.insert((number, run), link);
                }
            }
            Added::Duplicate => chain.duplicates += 1,
            Added::Different => {
                let what = format!("record {sequence} of segment {number} is here in two versions");
                self.findings.add(Verdict::Tampered, Some(sealed.chain), Some(at), what);
            }
        }
        Ok(())
    }

    /// Puts together what has been seen, when all has been.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        let genesis = self.fingerprint(&GENESIS);
        for (id, chain) in &mut self.chains {
            let mut add = |verdict, what: String| self.findings.add(verdict, Some(*id), None, what);
            let mut end_before = (0, 0);
            for ((number, run), segment) in &chain.segments {
                for flaw in segment.flaws() {
                    match flaw {
                        Flaw::Missing(range) => {
                            // Without its first record nobody knows what the
                            // segment goes on from.
                            let first =
                                if *range.start() == 0 { end_before } else { (*number, *range.start()) };
                            chain.gaps.push(first..=(*number, *range.end()));
                            chain.missing += range.end() - range.start() + 1;
                            add(
                                Verdict::Gap,
                                format!("segment {number} lacks {}", extent(*range.start(), *range.end())),
                            );
                        }
                        Flaw::Broken(sequence) => add(
                            Verdict::Tampered,
                            format!(
                                "record {sequence} of segment {number} (run {run}) does not go on from the one before it"
                            ),
                        ),
                    }
                }
                end_before = (*number, segment.last());
            }
            chain.check_links(genesis, &mut self.spool, &mut add)?;
            chain.check_keys(&mut self.spool, &mut add)?;
        }
        Ok(())
    }
}

impl Chains {
    /// Holds a checkpoint that was kept elsewhere against what is here.
    pub(super) fn check_anchor(&mut self, anchor: &Checkpoint) -> io::Result<()> {
        let Place { segment: number, run, sequence } = anchor.place;
        let head = self.fingerprint(&anchor.head);
        let mut add = |verdict, what| self.findings.add(verdict, Some(anchor.chain), None, what);
        let Some(chain) = self.chains.get_mut(&anchor.chain) else {
            add(
                Verdict::Gap,
                format!("an anchor proves it up to {}, and nothing of it is here", named((number, sequence))),
            );
            return Ok(());
        };
        let Some(segment) = chain.segments.get(&(number, run)) else {
            chain.missing += sequence + 1;
            let extent = extent(0, sequence);
            add(
                Verdict::Gap,
                format!("an anchor proves {extent} of segment {number} (run {run}), which is not here"),
            );
            return Ok(());
        };
        match segment.head(sequence, &mut self.spool)? {
            Some(here) if here != head => {
                add(
                    Verdict::Tampered,
                    format!("{} is not the one that an anchor proves", named((number, sequence))),
                );
            }
            Some(_) => chain.anchored = chain.anchored.max(Some((number, sequence))),
            None if sequence > segment.last() => {
                chain.missing += sequence - segment.last();
                let extent = extent(segment.last() + 1, sequence);
                add(
                    Verdict::Gap,
                    format!("an anchor proves {extent} of segment {number} (run {run}): its end is cut off"),
                );
            }
            // One that is missing in the middle, which has been said.
            None => {}
        }
        Ok(())
    }

    /// Holds the roster's nodes against what is here.
    pub(super) fn check_roster(&mut self, roster: &Roster, is_limited: bool) {
        for entry in &roster.entries {
            let chain = self.chains.get(&entry.chain);
            let mut add = |verdict, what| self.findings.add(verdict, Some(entry.chain), None, what);
            if is_limited && !chain.is_some_and(|chain| chain.is_heard) {
                add(Verdict::Silent, format!("nothing came from node {} in that time", entry.node));
            }
            if chain.is_some_and(|chain| chain.keys.last_signed.is_none()) {
                let what = format!(
                    "the roster has a key for node {}, but nothing here is signed with it",
                    entry.node
                );
                add(Verdict::KeyNotCertified, what);
            }
        }
    }

    /// Says of each chain what keeps its end from being proven.
    pub(super) fn check_ends(&mut self) {
        for (id, chain) in &self.chains {
            let end = chain.end().unwrap_or_default();
            let (verdict, what) = match (chain.without_roster, chain.keys.last_signed) {
                (Some(flaw), _) => (flaw.verdict(), flaw.what(0)),
                (None, None) => (Verdict::Unsigned, "it has no checkpoints".to_owned()),
                (None, Some(signed)) if chain.anchored.is_none_or(|anchored| anchored < end) => {
                    let what = if signed < end {
                        format!(
                            "what comes after {} is not signed yet, and no anchor reaches {}",
                            named(signed),
                            named(end)
                        )
                    } else {
                        format!("no anchor reaches {}, its end", named(end))
                    };
                    (Verdict::TailUnanchored, what)
                }
                _ => continue,
            };
            self.findings.add(verdict, Some(*id), None, what);
        }
    }
}

impl Chain {
    /// Holds every segment's beginning against the end of the one that it
    /// goes on from.
    fn check_links(
        &mut self,
        genesis: Fingerprint,
        spool: &mut Spool,
        add: &mut impl FnMut(Verdict, String),
    ) -> io::Result<()> {
        let mut next_of: HashMap<Life, Life> = HashMap::new();
        let mut is_first = true;
        for (&life, segment) in &self.segments {
            let (number, run) = life;
            let Some(before) = segment.before() else {
                is_first = false;
                continue;
            };
            let Some(link) = self.links.get(&life) else {
                if before != genesis {
                    add(
                        Verdict::LinkBroken,
                        format!("segment {number} (run {run}) does not say what it goes on from"),
                    );
                } else if !is_first {
                    add(
                        Verdict::LinkBroken,
                        format!(
                            "segment {number} (run {run}) starts anew: the state file was damaged or replaced"
                        ),
                    );
                }
                is_first = false;
                continue;
            };
            is_first = false;
            let target_life = (link.segment, link.run);
            let Some(target) = self.segments.get(&target_life) else {
                self.missing += link.sequence + 1;
                let end_before = self.segments.range(..life).next_back();
                let end_before =
                    end_before.map_or((0, 0), |((number, _), segment)| (*number, segment.last()));
                self.gaps.push(end_before..=position(link));
                let what = format!(
                    "segment {} (run {}), which segment {number} goes on from, is not here: {}, and what may \
                     have been before it",
                    link.segment,
                    link.run,
                    extent(0, link.sequence)
                );
                add(Verdict::Gap, what);
                continue;
            };
            if let Some(other) = next_of.insert(target_life, life) {
                let what = format!(
                    "segments {} (run {}) and {number} (run {run}) both go on from segment {}: two filters with one \
                     state directory, or a state that was set back",
                    other.0, other.1, link.segment
                );
                add(Verdict::Conflict, what);
            }
            match target.head(link.sequence, spool)? {
                Some(head) if head != before => add(
                    Verdict::LinkBroken,
                    format!(
                        "segment {number} (run {run}) does not go on from record {} of segment {} that is here",
                        link.sequence, link.segment
                    ),
                ),
                None if link.sequence > target.last() => {
                    self.missing += link.sequence - target.last();
                    self.gaps.push((link.segment, target.last() + 1)..=position(link));
                    let missing = extent(target.last() + 1, link.sequence);
                    add(Verdict::Gap, format!("segment {} lacks {missing}, its end", link.segment));
                }
                _ => {}
            }
            if target.last() > link.sequence {
                let what = format!(
                    "segment {} (run {}) went on to record {} after segment {number} had taken over at {}: two \
                     filters with one state directory, or a state that was set back, as a loss of power does",
                    link.segment,
                    link.run,
                    target.last(),
                    link.sequence
                );
                add(Verdict::Conflict, what);
            }
        }
        Ok(())
    }
}

impl Chain {
    /// Holds what keys say of each other, and of the records, against what is
    /// here; and what is here against what has to be signed.
    fn check_keys(&mut self, spool: &mut Spool, add: &mut impl FnMut(Verdict, String)) -> io::Result<()> {
        if self.keys.last_signed.is_none() {
            return Ok(());
        }
        for misfit in self.keys.misfits() {
            let is_missing = |last: Position, place: &Place| {
                self.gaps.iter().any(|gap| *gap.start() <= position(place) && *gap.end() >= last)
            };
            match misfit {
                Misfit::Forked { index, places: [one, other] } => add(
                    Verdict::Conflict,
                    format!(
                        "key {index} came into force twice, at segment {} (run {}) and at segment {} (run {}): two \
                         filters with one state directory, or one that was set back",
                        one.segment, one.run, other.segment, other.run
                    ),
                ),
                Misfit::Late { index, record, next } => add(
                    Verdict::KeyNotCertified,
                    format!(
                        "key {index} has signed {} after the next one was in force, from {} on",
                        named(record),
                        named(position(&next))
                    ),
                ),
                Misfit::Backwards { index, place } => add(
                    Verdict::KeyNotCertified,
                    format!(
                        "key {index} came into force before the key before it, at {}",
                        named(position(&place))
                    ),
                ),
                Misfit::NotHandedOver { index, last, place } if is_missing(last, &place) => add(
                    Verdict::Gap,
                    format!(
                        "who handed over to key {index}, and where, is among what is missing between {} and {}",
                        named(last),
                        named(position(&place))
                    ),
                ),
                Misfit::NotHandedOver { index, place, .. } => add(
                    Verdict::KeyNotCertified,
                    format!(
                        "keys were changed at {}, but key {index} was never handed over to, and no record is missing",
                        named(position(&place))
                    ),
                ),
            }
        }
        for ((number, run), index, sequence) in self.keys.outdated(&self.links) {
            let what = format!(
                "record {sequence} of segment {number} (run {run}) is signed by key {index}, after a later key had \
                 come into force"
            );
            add(Verdict::KeyNotCertified, what);
        }
        for (index, place, head) in self.keys.since() {
            let Some(segment) = self.segments.get(&(place.segment, place.run)) else {
                continue;
            };
            if segment.before_record(place.sequence, spool)?.is_some_and(|here| here != head) {
                let what = format!(
                    "what is before {} is not what it was when key {index} came into force there",
                    named(position(&place))
                );
                add(Verdict::Tampered, what);
            }
        }
        self.check_tail(add);
        Ok(())
    }

    /// A segment begins with a checkpoint, and has one every so many records.
    /// What is before a signature is under it, all the same.
    fn check_tail(&self, add: &mut impl FnMut(Verdict, String)) {
        let Some(signed) = self.keys.last_signed else {
            return;
        };
        for ((number, run), segment) in self.segments.range((signed.0, Run::FIRST)..) {
            if (*number, 0) > signed && segment.before().is_some() {
                let what =
                    format!("segment {number} (run {run}) opens without a checkpoint, after the last one");
                add(Verdict::KeyNotCertified, what);
            } else if *number == signed.0 && segment.last() > signed.1.saturating_add(CHECKPOINT_RECORDS_MAX)
            {
                let what = format!(
                    "after record {} of segment {number} there is no checkpoint, up to record {}; the filter makes \
                     one every {CHECKPOINT_RECORDS_MAX} records",
                    signed.1,
                    segment.last()
                );
                add(Verdict::KeyNotCertified, what);
            }
        }
    }
}

fn named((segment, sequence): Position) -> String {
    format!("record {sequence} of segment {segment}")
}

fn extent(first: u64, last: u64) -> String {
    if first == last {
        format!("record {first}")
    } else {
        format!("records {first} to {last} ({})", last - first + 1)
    }
}
