//! Checks that each chain's keys are consistent with one another and with the records.

use super::Verdict;
use super::chains::{Chains, Followed};
use super::gaps::{Between, Cause};
use super::keys::Misfit;
use super::wording::named;
use flb_audit_core::chain::{ChainId, Place, Position};
use std::cell::LazyCell;
use std::collections::BTreeMap;
use std::io;

impl Chains<'_> {
    /// Compares the keys with each other and with the records that are here.
    pub(super) fn check_keys(&mut self, followed: &BTreeMap<ChainId, Followed>) -> io::Result<()> {
        for (id, chain) in &self.chains {
            let Some(followed) = followed.get(id) else { continue };
            let start = chain.start.map(|start| start.place.position());
            let between = LazyCell::new(|| followed.gaps.between());
            let links = chain.segments.iter().filter_map(|(life, of)| Some((life, of.beginning.link?)));
            for misfit in chain.keys.misfits(links) {
                let (verdict, what) = judge(&misfit, &between, start);
                // Two writers of one chain use its keys one after the other, and each key
                // twice.
                let fork = followed.covered_forks.before(misfit.position());
                let (verdict, what) = match (verdict, fork) {
                    (None, _) => continue,
                    (Some(Verdict::KeyNotCertified), Some(fork)) => {
                        (fork, format!("{what}, as two writers of one chain do"))
                    }
                    (Some(verdict), _) => (verdict, what),
                };
                self.findings.add_at(verdict, *id, misfit.position(), None, what);
            }
            for (index, place, head) in chain.keys.since() {
                let Some(segment) = chain.segments.get(&place.life(*id)) else { continue };
                let before = segment.before_record(place.sequence, &mut self.spool)?;
                if before.is_some_and(|here| here != head) {
                    let what = format!(
                        "the record before {} is not the one that the handover to key {index} names",
                        named(place.position())
                    );
                    self.findings.add_at(Verdict::Tampered, *id, place.position(), None, what);
                }
            }
        }
        self.spool.rows.check()
    }
}

fn judge(misfit: &Misfit, between: &Between, start: Option<Position>) -> (Option<Verdict>, String) {
    match misfit {
        Misfit::Forked { index, places: [one, other] } => (
            Some(Verdict::Conflict),
            format!(
                "key {index} came into force twice, at segment {} (run {}) and at segment {} (run {}): two filters \
                 with one state directory, or one that was set back",
                one.segment, one.run, other.segment, other.run
            ),
        ),
        Misfit::Late { index, record, next } => (
            Some(Verdict::KeyNotCertified),
            format!(
                "key {index} has signed {} after the next one was in force, from {} on",
                named(*record),
                named(next.position())
            ),
        ),
        Misfit::Backwards { index, place } => (
            Some(Verdict::KeyNotCertified),
            format!("key {index} came into force before the key before it, at {}", named(place.position())),
        ),
        Misfit::Outdated { index, life } => (
            Some(Verdict::KeyNotCertified),
            format!(
                "segment {} (run {}) begins under key {index}, and a later one had signed in the segment that it goes \
                 on from",
                life.segment, life.run
            ),
        ),
        Misfit::NotHandedOver { index, last, place } => {
            judge_handover((*index, place), *last, between, start)
        }
    }
}

/// Judges a key without a handover: the handover may be among the missing records.
fn judge_handover(
    (index, place): (u32, &Place),
    last: Position,
    between: &Between,
    start: Option<Position>,
) -> (Option<Verdict>, String) {
    let is_before_start = start.is_some_and(|start| place.position() <= start);
    let is_between = |causes: &[Cause]| between.has(last, place.position(), causes);
    let what = format!(
        "the handover to key {index} is among the records that are missing between {} and {}",
        named(last),
        named(place.position())
    );
    if is_before_start || is_between(&[Cause::Deleted, Cause::Encrypted]) {
        (None, what)
    } else if is_between(&[Cause::Stop]) {
        (Some(Verdict::UncleanStop), what)
    } else if is_between(&[Cause::Unknown, Cause::DeletedElsewhere, Cause::Altered]) {
        (Some(Verdict::Gap), what)
    } else {
        let what = format!(
            "keys were changed at {}, but nothing hands over to key {index}, and no record is missing",
            named(place.position())
        );
        (Some(Verdict::KeyNotCertified), what)
    }
}
