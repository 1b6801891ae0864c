//! What keys, anchors and the roster prove, held against what has been seen.

use super::Verdict;
use super::chains::{Chain, Chains, extent};
use super::keys::{Misfit, Position};
use super::segment::Spool;
use super::signatures::position;
use crate::roster::Roster;
use flb_audit_core::checkpoint::{CHECKPOINT_RECORDS_MAX, Checkpoint};
use flb_audit_core::seal::{Place, Run};
use std::io;

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
    /// Holds what keys say of each other, and of the records, against what is
    /// here; and what is here against what has to be signed.
    pub(super) fn check_keys(
        &mut self,
        spool: &mut Spool,
        add: &mut impl FnMut(Verdict, String),
    ) -> io::Result<()> {
        if self.keys.last_signed.is_none() {
            return Ok(());
        }
        for misfit in self.keys.misfits() {
            let is_missing = |last: Position, place: &Place| {
                self.gaps.iter().any(|gap| *gap.start() <= position(place) && *gap.end() >= last)
            };
            let is_deleted = |last: Position, place: &Place| {
                self.deleted.iter().any(|gap| *gap.start() <= position(place) && *gap.end() >= last)
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
                Misfit::NotHandedOver { last, place, .. } if is_deleted(last, &place) => {}
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
