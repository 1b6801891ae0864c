//! Finds what signatures, anchors and the roster leave unproven in each chain.

use super::Verdict;
use super::chain_log::{ChainLog, Start};
use super::chains::{Chains, Followed, KeptAnchor};
use super::gaps::{BEGINNING, Cause};
use super::history::{STOPPED, count};
use super::ranges;
use super::segment::Stretch;
use super::signatures::Flaw;
use super::spans::Why;
use super::spool::Fingerprint;
use super::wording::{extent, named};
use crate::report::Finding;
use flb_audit_core::chain::checkpoint::CHECKPOINT_RECORDS_MAX;
use flb_audit_core::chain::{ChainId, Life, Place, Position};
use flb_audit_core::record::notes::Notes;
use std::cell::LazyCell;
use std::collections::BTreeMap;
use std::io;
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::time::Duration;

impl Chains<'_> {
    /// Compares the checkpoints that were kept elsewhere with the records that are here.
    pub(super) fn check_anchors(&mut self, followed: &mut BTreeMap<ChainId, Followed>) -> io::Result<()> {
        for anchor in std::mem::take(&mut self.anchors) {
            self.check_anchor(&anchor, followed)?;
        }
        self.report_cut_off(followed);
        Ok(())
    }

    fn check_anchor(
        &mut self,
        anchor: &KeptAnchor,
        followed: &BTreeMap<ChainId, Followed>,
    ) -> io::Result<()> {
        let position = anchor.place.position();
        let life = anchor.place.life(anchor.chain);
        let head = anchor.head;
        let sequence = position.sequence;
        let start = self.starts.get(&anchor.chain).map(|start| Start {
            place: start.place,
            head,
            is_checkpoint: true,
        });
        let is_looked_for = start.and_then(|start| start.end(&life)).is_none_or(|end| end < sequence);
        let Some(chain) = self.chains.get_mut(&anchor.chain) else {
            if !is_looked_for {
                return Ok(());
            }
            let what = format!("an anchor proves it up to {}, and nothing of it is here", named(position));
            self.findings.add_at(Verdict::Gap, anchor.chain, position, None, what);
            return Ok(());
        };
        chain.anchors_reach = chain.anchors_reach.max(Some(position));
        let here = match chain.segments.get(&life) {
            Some(segment) => segment.head(sequence, &mut self.spool)?,
            None => None,
        };
        match here {
            Some(here) if here == head => chain.add_anchor(anchor.place),
            Some(_) => {
                let what = format!("{} is not the one that an anchor proves", named(position));
                self.findings.add_at(Verdict::Tampered, anchor.chain, position, None, what);
            }
            None if !is_looked_for => {}
            None => {
                let known = followed.get(&anchor.chain).and_then(|followed| followed.ends.get(&life));
                if known.is_none_or(|end| end < sequence) {
                    chain.cut_off.entry(life).or_default().push(sequence);
                }
            }
        }
        Ok(())
    }

    /// Reports the ends of lives that anchors prove and that are not here, once for each
    /// life.
    fn report_cut_off(&mut self, followed: &mut BTreeMap<ChainId, Followed>) {
        for (id, chain) in &mut self.chains {
            let Some(followed) = followed.get_mut(id) else { continue };
            for (life, sequences) in std::mem::take(&mut chain.cut_off) {
                let here = followed.stretches.get(&life).map(|stretches| (life, stretches));
                let before = here.or_else(|| followed.stretches.before(&life));
                let before =
                    before.and_then(|(life, stretches)| Some((life, *stretches.last()?.records.end())));
                let is_here = before.is_some_and(|(here, _)| here == life);
                let last = sequences.into_iter().max().unwrap_or(0);
                let first = followed.ends.get(&life).map_or(0, |end| end.saturating_add(1));
                let after = before.map_or(BEGINNING, |(life, sequence)| Place {
                    segment: life.segment,
                    run: life.run,
                    sequence,
                });
                let Life { segment, run, .. } = life;
                for (part, is_stop) in followed.stops.parts(&life, &(first..=last), &self.spans) {
                    let (first, last) = (*part.start(), *part.end());
                    let to = Position { segment, sequence: last };
                    let proven = extent(first, last);
                    let what = format!("an anchor proves {proven} of segment {segment} (run {run})");
                    let (verdict, cause, why) = match is_stop {
                        true => (Verdict::UncleanStop, Cause::Stop, STOPPED),
                        false if is_here => (Verdict::Gap, Cause::Unknown, ": its end is cut off"),
                        false => (Verdict::Gap, Cause::Unknown, ": which is not here"),
                    };
                    count(if is_stop { &mut chain.undelivered } else { &mut chain.missing }, first, last);
                    followed.gaps.push(after, first, to, cause);
                    let from = Position { segment, sequence: first };
                    self.findings.add_at(verdict, *id, from, None, what + why);
                }
            }
        }
    }

    /// Judges the records that no signature reaches, of the chains that somebody vouches for.
    pub(super) fn check_unreached(&mut self, followed: &BTreeMap<ChainId, Followed>) {
        for (id, chain) in &self.chains {
            let Some(followed) = followed.get(id).filter(|_| self.is_known(id)) else { continue };
            for (verdict, at, what) in unreached(chain, followed) {
                self.findings.add_at(verdict, *id, at, None, what);
            }
        }
    }

    /// Checks that the records of a chain that no signature reaches are the rest of what a
    /// ledger has deleted, and that there are some.
    fn is_end_of_deleted(&self, id: &ChainId, followed: &BTreeMap<ChainId, Followed>) -> bool {
        let (Some(chain), Some(followed)) =
            (self.chains.get(id).filter(|_| self.is_known(id)), followed.get(id))
        else {
            return false;
        };
        let mut unreached = followed.unreached().peekable();
        unreached.peek().is_some() && unreached.all(|records| is_end_of_deleted(chain, followed, &records))
    }

    /// Reports for each chain what keeps its end from being proven. In a chain with an
    /// anchor, the last `unanchored_max` seconds need no anchor.
    pub(super) fn check_ends(&mut self, followed: &BTreeMap<ChainId, Followed>, unanchored_max: Option<u64>) {
        for (id, start) in self.starts.iter().filter(|(id, _)| !self.chains.contains_key(id)) {
            let what = format!("nothing of it is here, from {} on", named(start.place.position()));
            self.findings.add_at(Verdict::TailUnanchored, *id, start.place.position(), None, what);
        }
        for (id, chain) in &self.chains {
            let Some(end) = followed.get(id).and_then(Followed::end) else {
                continue;
            };
            let is_known = self.is_known(id);
            // A chain that nobody vouches for has no name, so the report says where it was read.
            let (position, at) = match &chain.first_read {
                Some((source, number, position)) if self.roster.is_some() && !is_known => {
                    (*position, Some((source.clone(), *number)))
                }
                _ => (end.position(), None),
            };
            let finding = |verdict, what| {
                let at = at.clone();
                Finding { verdict, chain: Some(*id), node: None, position: Some(position), at, what }
            };
            if let Some(flaw) = chain.without_roster {
                let mut what = flaw.what(0);
                if flaw == Flaw::NoEnrollment && chain.notes.contains_key(ENROLLMENT_DAMAGED) {
                    what += "; a first record says enrollment-damaged, so its node's chain.enrollment may be damaged";
                }
                self.findings.push(finding(flaw.verdict(), what));
                if !is_known {
                    continue;
                }
            }
            let (verdict, what) = match chain.keys.last_signed {
                None if self.is_end_of_deleted(id, followed) => {
                    let what = "a ledger has deleted its last checkpoint, and what is here is not signed yet";
                    (Verdict::TailUnanchored, what.to_owned())
                }
                // Each of its checkpoints has a finding of its own.
                None if self.roster.is_some() && !is_known && chain.has_checkpoint => continue,
                None => (Verdict::Unsigned, "it has no checkpoints".to_owned()),
                Some(signed) if chain.anchored.is_none_or(|anchored| anchored < end) => {
                    let seconds = chain.unanchored_seconds();
                    if unanchored_max.is_some_and(|max| seconds <= max && chain.anchored.is_some()) {
                        continue;
                    }
                    let shown = named(end.position());
                    let what = if signed < end.position() {
                        format!(
                            "what comes after {} is not signed yet, and no anchor reaches {shown}",
                            named(signed)
                        )
                    } else {
                        format!("no anchor reaches {shown}, its end")
                    };
                    let age = humantime::format_duration(Duration::from_secs(seconds));
                    (
                        Verdict::TailUnanchored,
                        format!("{what}: {age} are not anchored, by the times of checkpoints"),
                    )
                }
                _ => continue,
            };
            self.findings.push(finding(verdict, what));
        }
    }
}

/// Consecutive records of one stretch that no signature covers.
pub(super) struct Unreached {
    pub(super) life: Life,
    pub(super) first: u64,
    pub(super) last: u64,
    /// The head before the first record, if the stretch begins with it.
    before: Option<Fingerprint>,
    /// The head of the last record, if the stretch ends with it. Otherwise the next record is here, and
    /// has that head before it.
    head: Option<Fingerprint>,
}

impl Unreached {
    fn of(life: Life, stretch: &Stretch, records: &RangeInclusive<u64>) -> Unreached {
        let (first, last) = (*records.start(), *records.end());
        let before = (first == *stretch.records.start()).then_some(stretch.before);
        let head = (last == *stretch.records.end()).then_some(stretch.head);
        Unreached { life, first, last, before, head }
    }
}

impl Followed {
    /// Returns the records that no signature covers, stretch by stretch. A life can have very many
    /// stretches, so each comes with what is asked of its neighbours.
    pub(super) fn unreached(&self) -> impl Iterator<Item = Unreached> + '_ {
        self.stretches.iter().flat_map(|(life, stretches)| {
            let covered = self.coverage.in_life(&life);
            let left = stretches.iter().flat_map(|stretch| {
                let left = ranges::without_sorted(&stretch.records, &covered).into_iter();
                left.map(move |records| Unreached::of(life, stretch, &records))
            });
            left.collect::<Vec<_>>()
        })
    }

    /// Checks whether a record is here.
    pub(super) fn has(&self, life: &Life, sequence: u64) -> bool {
        let stretches = self.stretches.get(life).unwrap_or_default();
        let at = stretches.partition_point(|stretch| *stretch.records.end() < sequence);
        stretches.get(at).is_some_and(|stretch| stretch.records.contains(&sequence))
    }

    /// Returns the chain's last record that is here, in the order of segment, run and
    /// number.
    pub(super) fn end(&self) -> Option<Place> {
        let (life, stretches) = self.stretches.last()?;
        Some(Place { segment: life.segment, run: life.run, sequence: *stretches.last()?.records.end() })
    }
}

/// Checks that signatures reach a record of the time that is asked for.
pub(super) fn is_heard(chain: Option<&ChainLog>, followed: Option<&Followed>) -> bool {
    let is_in = |(life, covered): (Life, Rc<Vec<RangeInclusive<u64>>>)| {
        let segment = chain.and_then(|chain| chain.segments.get(&life));
        segment.is_some_and(|segment| covered.iter().any(|records| segment.is_heard_in(records)))
    };
    followed.is_some_and(|followed| followed.coverage.lives().any(is_in))
}

/// Checks that records which no signature covers are the rest of what a ledger has
/// deleted: the ledger has seen a signature, and no other was due since.
fn is_end_of_deleted(chain: &ChainLog, followed: &Followed, records: &Unreached) -> bool {
    // The ledger's next manifest covers the records that the ledger seals itself.
    let is_of_ledger = chain.notes.contains_key(STATEMENT);
    let before = records.before.filter(|_| !is_of_ledger);
    let signed = before.and_then(|head| followed.spans.signed_before(&records.life, records.first, head));
    signed.is_some_and(|signed| records.last.saturating_sub(signed) < CHECKPOINT_RECORDS_MAX)
}

/// The note on a chain whose enrollment cannot be used.
const ENROLLMENT_DAMAGED: &str = "enrollment-damaged";
/// The notes on a first record that is not signed, and what a finding says of them.
const WITHOUT_KEY: [(Notes, &str); 2] = [
    (Notes::KEY_DAMAGED, "; its first record says key-damaged, so its node may have lost its keys"),
    (
        Notes::KEY_NOT_WRITTEN,
        "; its first record says key-not-written, so its node may not have been able to read its keys",
    ),
];
/// The note of a ledger's statements.
const STATEMENT: &str = "statement";

/// Judges the records that no signature covers, apart from the end of the chain.
///
/// A life begins with a checkpoint and has one at regular intervals. So such records are
/// not the filter's, unless the checkpoint that would cover them is missing.
fn unreached(chain: &ChainLog, followed: &Followed) -> Vec<(Verdict, Position, String)> {
    let start = chain.start.map(|start| start.place);
    let known_end = followed.coverage.last().max(chain.anchors_reach).max(followed.gaps.last);
    let known_end = known_end.max(start.map(|start| start.position()));
    // A checkpoint in an encrypted file covers only records that the file's records continue.
    let starts = LazyCell::new(|| followed.spans.starts());
    let goes_on_in_span = |Unreached { life, last, head, .. }: &Unreached| {
        head.is_some_and(|head| starts.contains(&((*life, *last), head.shortened())))
    };
    let mut found = Vec::new();
    for records in followed.unreached() {
        let Unreached { life, first, last, .. } = records;
        let at = Position { segment: life.segment, sequence: last };
        let follows_covered = first.checked_sub(1).is_some_and(|before| {
            let is_start = start.is_some_and(|of| of.life(life.chain) == life && of.sequence == before);
            is_start || followed.coverage.has(&life, before)
        });
        let verdict = if last - first >= CHECKPOINT_RECORDS_MAX - 1 || first == 0 {
            Verdict::KeyNotCertified
        } else if let Some(verdict) = followed
            .gaps
            .verdict_behind(Place { segment: life.segment, run: life.run, sequence: last })
            .filter(|verdict| *verdict != Verdict::Encrypted || goes_on_in_span(&records))
        {
            verdict
        } else if followed.spans.has(&life, &(first..=last), Why::Deleted) {
            // The checkpoint that covered them was deleted with them.
            Verdict::KeyNotCertified
        } else if known_end.is_some_and(|end| end > at) {
            // The chain continues from elsewhere, unless its next record continues from here. Then
            // the handover to the key of that record is missing, and with it the record before.
            let otherwise =
                if records.head.is_none() && !follows_covered { Verdict::Gap } else { Verdict::Conflict };
            followed.forks.before(at).unwrap_or(otherwise)
        } else if !follows_covered && !is_end_of_deleted(chain, followed, &records) {
            Verdict::Gap
        } else {
            continue;
        };
        let mut what = format!(
            "no signature reaches {} of segment {} (run {})",
            extent(first, last),
            life.segment,
            life.run
        );
        if first == 0 {
            let notes = chain.state_notes(&life);
            what += WITHOUT_KEY.iter().find(|(note, _)| notes.contains(*note)).map_or("", |(_, why)| why);
        }
        found.push((verdict, Position { segment: life.segment, sequence: first }, what));
    }
    found
}
