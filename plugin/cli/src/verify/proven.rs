//! What keys, anchors and the roster prove, held against what has been seen.

use super::Verdict;
use super::chains::{Chain, Chains, Life, count, extent};
use super::keys::{Misfit, Position};
use super::segment::Spool;
use super::signatures::position;
use crate::roster::Roster;
use flb_audit_core::chain::Place;
use flb_audit_core::chain::checkpoint::{CHECKPOINT_RECORDS_MAX, Checkpoint};
use std::collections::BTreeMap;
use std::io;

impl Chains {
    /// Holds a checkpoint that was kept elsewhere against what is here.
    pub(super) fn check_anchor(&mut self, anchor: &Checkpoint) -> io::Result<()> {
        let Place { segment: number, run, sequence } = anchor.place;
        let head = self.fingerprint(&anchor.head);
        let mut add = |verdict, what| self.findings.add(verdict, Some(anchor.chain), None, what);
        // What is absent for a reason is neither proven nor missing.
        let is_absent = self.absent.without(anchor.chain, (number, run), sequence..=sequence).is_empty();
        let Some(chain) = self.chains.get_mut(&anchor.chain) else {
            if is_absent {
                return Ok(());
            }
            add(
                Verdict::Gap,
                format!("an anchor proves it up to {}, and nothing of it is here", named((number, sequence))),
            );
            return Ok(());
        };
        let Some(segment) = chain.segments.get(&(number, run)) else {
            if is_absent {
                return Ok(());
            }
            count(&mut chain.missing, 0, sequence);
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
            None if sequence > segment.last() && !is_absent => {
                count(&mut chain.missing, segment.last() + 1, sequence);
                let extent = extent(segment.last() + 1, sequence);
                add(
                    Verdict::Gap,
                    format!("an anchor proves {extent} of segment {number} (run {run}): its end is cut off"),
                );
            }
            // One that is missing in the middle, which has been said, or absent.
            None => {}
        }
        Ok(())
    }

    /// Holds the roster's nodes against what is here.
    pub(super) fn check_roster(&mut self, roster: &Roster, is_limited: bool) {
        for entry in &roster.entries {
            let chain = self.chains.get(&entry.chain);
            let mut add = |verdict, what| self.findings.add(verdict, Some(entry.chain), None, what);
            let is_heard =
                chain.is_some_and(|chain| chain.is_heard) || self.encrypted_chains.contains(&entry.chain);
            if is_limited && !is_heard {
                add(Verdict::Silent, format!("nothing came from node {} in that time", entry.node));
            }
            if let Some(chain) = chain {
                chain.check_reach(&mut add);
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
    /// Holds what keys say of each other, and of the records, against what is
    /// here; and what is here against what has to be signed.
    pub(super) fn check_keys(
        &mut self,
        spool: &mut Spool,
        add: &mut impl FnMut(Verdict, String),
    ) -> io::Result<()> {
        for misfit in self.keys.misfits() {
            let is_missing = |last: Position, place: &Place| {
                self.gaps.iter().any(|gap| *gap.start() <= position(place) && *gap.end() >= last)
            };
            let is_absent = |last: Position, place: &Place| {
                self.absent.iter().any(|gap| *gap.start() <= position(place) && *gap.end() >= last)
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
                Misfit::NotHandedOver { last, place, .. } if is_absent(last, &place) => {}
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
        Ok(())
    }

    /// A life begins with a checkpoint, and has one every so many records. So
    /// what no signature reaches is not the filter's, but for the end, and but
    /// for what would have been reached over records that are missing.
    pub(super) fn check_reach(&self, add: &mut impl FnMut(Verdict, String)) {
        // Up to which record others go on from a life, if they are reached.
        let mut linked: BTreeMap<Life, u64> = BTreeMap::new();
        let lost_up_to = self.gaps.iter().map(|gap| gap.end().0).max();
        // Links lead back: what goes on from a life is seen before it.
        for (life, segment) in self.segments.iter().rev() {
            let (number, run) = *life;
            let is_lost_later = lost_up_to.is_some_and(|last| last > number);
            for stretch in segment.stretches() {
                let link = linked.get(life).copied().filter(|record| stretch.contains(record));
                let reached = self.keys.last_signed_in(*life, &stretch).max(link);
                if let Some(link) = self.links.get(life).filter(|link| link.segment < number)
                    && *stretch.start() == 0
                    && reached.is_some()
                {
                    let to = linked.entry((link.segment, link.run)).or_default();
                    *to = link.sequence.max(*to);
                }
                let first = reached.map_or(*stretch.start(), |reached| reached.saturating_add(1));
                if first > *stretch.end() {
                    continue;
                }
                let is_due = stretch.end() - first >= CHECKPOINT_RECORDS_MAX - 1;
                let verdict = if is_due || first == 0 && !is_lost_later {
                    Verdict::KeyNotCertified
                } else if reached.is_none() || *stretch.end() < segment.last() || is_lost_later {
                    Verdict::Gap
                } else {
                    continue;
                };
                let what = extent(first, *stretch.end());
                add(verdict, format!("no signature reaches {what} of segment {number} (run {run})"));
            }
        }
    }
}

fn named((segment, sequence): Position) -> String {
    format!("record {sequence} of segment {segment}")
}
