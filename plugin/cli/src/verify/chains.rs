//! What has been seen of all chains, and what that comes to.

use super::absent::Absent;
use super::keys::{Keys, Position};
use super::segment::{Added, Fingerprint, Flaw, Segment, Spool};
use super::signatures::{self, Signed, position};
use super::{Seen, Verdict};
use crate::input::At;
use crate::report::Findings;
use flb_audit_core::chain::{ChainId, GENESIS, Place, Run};
use flb_audit_core::hash::Hash;
use flb_audit_core::schema::Disposition;
use flb_audit_core::verify::{Sealed, Validity};
use flb_audit_ledger::frame::Frame;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::ops::RangeInclusive;

/// A segment's number and run.
pub(super) type Life = (u64, Run);

/// What has been seen of one chain.
#[derive(Default)]
pub(super) struct Chain {
    pub(super) segments: BTreeMap<Life, Segment>,
    pub(super) links: BTreeMap<Life, Place>,
    pub(super) keys: Keys,
    /// Why its first checkpoint proves nothing: those that have no key of the
    /// roster's all do so alike.
    pub(super) without_roster: Option<signatures::Flaw>,
    /// Where records are missing, or may be.
    pub(super) gaps: Vec<RangeInclusive<Position>>,
    /// Those of them that are no gaps: see `Absent`.
    pub(super) absent: Vec<RangeInclusive<Position>>,
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
    /// Those of the records that had a schema, by what it says of them.
    pub(super) checked: SchemaCounts,
    /// Records that are not there.
    pub(super) missing: u64,
    /// The time of the earliest record, in seconds since 1970.
    pub(super) from: u64,
    /// And of the latest.
    pub(super) to: u64,
}

/// How many records there are, by what their schemas say of them.
#[derive(Clone, Copy, Default, Serialize)]
pub(super) struct SchemaCounts {
    pub(super) valid: u64,
    pub(super) invalid: u64,
    /// Of the invalid ones, those whose text is in quarantine,
    pub(super) quarantined: u64,
    /// and those of which only the seal is left.
    pub(super) dropped: u64,
    /// Those that could not be checked.
    pub(super) unchecked: u64,
}

impl SchemaCounts {
    fn add(&mut self, sealed: &Sealed) {
        match sealed.validity {
            Validity::NoSchema => {}
            Validity::Valid => self.valid += 1,
            Validity::NotChecked => self.unchecked += 1,
            Validity::Invalid => self.invalid += 1,
        }
        match sealed.disposition {
            Disposition::Mark => {}
            Disposition::Quarantine => self.quarantined += 1,
            Disposition::Drop => self.dropped += 1,
        }
    }
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
    /// Records that are not here to be checked, and are not missing.
    pub(super) absent: Absent,
    /// How many of them are encrypted, and where the first is, by source.
    encrypted: BTreeMap<usize, (u64, u64)>,
    /// The chains of which there may be a record among these of the time that is
    /// asked for.
    pub(super) encrypted_chains: BTreeSet<ChainId>,
    /// From when to when nodes have to be heard, in seconds since 1970.
    heard: RangeInclusive<u64>,
    fingerprints: RandomState,
    pub(super) spool: Spool,
}

impl Chains {
    pub(super) fn new(heard: RangeInclusive<u64>, absent: Absent) -> Self {
        Chains {
            heard,
            chains: BTreeMap::new(),
            findings: Findings::default(),
            with_unsealed_keys: 0,
            absent,
            encrypted: BTreeMap::new(),
            encrypted_chains: BTreeSet::new(),
            fingerprints: RandomState::new(),
            spool: Spool::new(),
        }
    }

    /// Adds what became of one record of the input.
    pub(super) fn add(&mut self, at: At, seen: Seen) -> io::Result<()> {
        let (verdict, what) = match seen {
            Seen::Sealed(sealed, signed) => return self.add_sealed(at, &sealed, signed.as_deref()),
            Seen::Encrypted(frame) => {
                self.add_encrypted(at, &frame);
                return Ok(());
            }
            Seen::Altered(why) => (Verdict::Tampered, why),
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

    fn add_encrypted(&mut self, at: At, frame: &Frame) {
        frame.header.extents.iter().for_each(|extent| self.absent.add(extent));
        let (records, first) = self.encrypted.entry(at.source).or_insert((0, at.number));
        *records += frame.records.len() as u64;
        *first = at.number.min(*first);
        let (from, to) = (frame.header.from, frame.header.to);
        if from <= *self.heard.end() && to >= *self.heard.start() {
            self.encrypted_chains.extend(frame.records.iter().map(|record| record.life.chain));
        }
    }

    /// How many records could not be read, since they are encrypted.
    pub(super) fn encrypted(&self) -> u64 {
        self.encrypted.values().map(|(records, _)| records).sum()
    }

    /// Says of each source what could not be read of it.
    pub(super) fn report_encrypted(&mut self, has_identities: bool) {
        for (&source, &(records, number)) in &self.encrypted {
            let why =
                if has_identities { "none of the identities opens them" } else { "no --identity was given" };
            let what = format!("{records} records not checked, from here on: they are encrypted, and {why}");
            self.findings.add(Verdict::Encrypted, None, Some(At { source, number }), what);
        }
    }

    pub(super) fn fingerprint(&self, head: &Hash) -> Fingerprint {
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
                if sealed.is_intact {
                    chain.checked.add(sealed);
                }
                chain.from = chain.from.min(sealed.seconds);
                chain.to = chain.to.max(sealed.seconds);
                if let Some(link) = sealed.link.map(|link| link.place).filter(|_| sequence == 0) {
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
                            let gap = first..=(*number, *range.end());
                            chain.gaps.push(gap.clone());
                            let left = self.absent.without(*id, (*number, *run), range);
                            chain.absent.extend(Some(gap).filter(|_| left.is_empty()));
                            for range in left {
                                count(&mut chain.missing, *range.start(), *range.end());
                                let missing = extent(*range.start(), *range.end());
                                add(Verdict::Gap, format!("segment {number} lacks {missing}"));
                            }
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
            chain.check_links(*id, genesis, &self.absent, &mut self.spool, &mut add)?;
            chain.check_keys(&mut self.spool, &mut add)?;
        }
        Ok(())
    }
}

impl Chain {
    /// Holds every segment's beginning against the end of the one that it
    /// goes on from.
    fn check_links(
        &mut self,
        id: ChainId,
        genesis: Fingerprint,
        absent: &Absent,
        spool: &mut Spool,
        add: &mut impl FnMut(Verdict, String),
    ) -> io::Result<()> {
        let mut next_of: HashMap<Life, Life> = HashMap::new();
        // Lives, and what they go on from, which is not here.
        let mut gaps: Vec<(Life, Place)> = Vec::new();
        let mut is_first = true;
        for (&life, segment) in &self.segments {
            let (number, run) = life;
            let Some(before) = segment.before() else {
                if let Some(link) = absent.link(id, life)
                    && !self.segments.contains_key(&(link.segment, link.run))
                {
                    gaps.push((life, link));
                }
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
            if link.segment >= number {
                let what = format!(
                    "segment {number} (run {run}) says that it goes on from segment {}, which is not before it",
                    link.segment
                );
                add(Verdict::LinkBroken, what);
                continue;
            }
            let target_life = (link.segment, link.run);
            let Some(target) = self.segments.get(&target_life) else {
                gaps.push((life, *link));
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
                    let gap = (link.segment, target.last() + 1)..=position(link);
                    self.gaps.push(gap.clone());
                    let left = absent.without(id, target_life, target.last() + 1..=link.sequence);
                    self.absent.extend(Some(gap).filter(|_| left.is_empty()));
                    for range in left {
                        count(&mut self.missing, *range.start(), *range.end());
                        let missing = extent(*range.start(), *range.end());
                        add(Verdict::Gap, format!("segment {} lacks {missing}, its end", link.segment));
                    }
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
        for (life, link) in gaps {
            self.check_gap(id, life, link, absent, add);
        }
        Ok(())
    }

    /// A life goes on from a record of one that is not here: back to what is
    /// here, or to the chain's beginning, all of it has to be absent for a reason.
    fn check_gap(
        &mut self,
        id: ChainId,
        life: Life,
        link: Place,
        absent: &Absent,
        add: &mut impl FnMut(Verdict, String),
    ) {
        let end_before = self.segments.range(..life).next_back();
        let end_before = end_before.map_or((0, 0), |((number, _), segment)| (*number, segment.last()));
        let gap = end_before..=position(&link);
        self.gaps.push(gap.clone());
        let (mut at, mut next) = (link, life);
        while !self.segments.contains_key(&(at.segment, at.run)) {
            let missing = (at.segment, at.run);
            let left = absent.without(id, missing, 0..=at.sequence);
            for range in &left {
                let what = format!(
                    "segment {} (run {}), which segment {} goes on from, is not here: {}, and what may have been \
                     before it",
                    at.segment,
                    at.run,
                    next.0,
                    extent(*range.start(), *range.end())
                );
                count(&mut self.missing, *range.start(), *range.end());
                add(Verdict::Gap, what);
            }
            if !left.is_empty() {
                return;
            }
            // Whatever a forged tombstone says, this ends.
            match absent.link(id, missing).filter(|link| link.segment < at.segment) {
                Some(link) => (at, next) = (link, missing),
                None => break,
            }
        }
        self.absent.push(gap);
    }
}

/// Counts records. A log that nobody has sealed may claim any number of them.
pub(super) fn count(records: &mut u64, first: u64, last: u64) {
    *records = records.saturating_add(last - first).saturating_add(1);
}

pub(super) fn extent(first: u64, last: u64) -> String {
    if first == last {
        format!("record {first}")
    } else {
        format!("records {first} to {last} ({})", (last - first).saturating_add(1))
    }
}
