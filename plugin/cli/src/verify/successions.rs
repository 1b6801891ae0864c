//! Checks that each chain's keys are consistent with one another and with the records.

use super::Verdict;
use super::chain_log::{BATCH_ROWS_MAX, ChainLog};
use super::chains::{Chains, Followed};
use super::gaps::{Between, Cause};
use super::keys::Misfit;
use super::rows::{RowFile, Rows};
use super::spans::Spans;
use super::spool::Fingerprint;
use super::wording::named;
use flb_audit_core::chain::{ChainId, Place, Position};
use flb_audit_ledger::manifest::BEGINNING_LEN;
use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;

impl Chains<'_> {
    /// Compares the keys with each other and with the records that are here.
    pub(super) fn check_keys(&mut self, followed: &BTreeMap<ChainId, Followed>) -> io::Result<()> {
        let file = self.spool.rows.clone();
        // Without a roster or a fleet, manifests list keys, and no checkpoint says when these came into force.
        let known: BTreeSet<ChainId> = self.chains.keys().filter(|id| self.is_known(id)).copied().collect();
        for (id, chain) in self.chains.iter().filter(|(id, _)| known.contains(id)) {
            let Some(followed) = followed.get(id) else { continue };
            let start = chain.start.map(|start| start.place.position());
            let between = LazyCell::new(|| followed.gaps.between());
            let links = chain.segments.iter().filter_map(|(life, of)| Some((life, of.beginning.link?)));
            for misfit in chain.keys.misfits(links, followed.spans.listed(*id).collect()) {
                let (verdict, what) = judge(&misfit, followed, &between, start);
                let fork = followed.covered_forks.before(misfit.position());
                let (verdict, what) = match (verdict, fork, &misfit) {
                    (None, ..) => continue,
                    // Two writers of one chain use its keys one after the other, and each key
                    // twice.
                    (Some(Verdict::KeyNotCertified), Some(Verdict::Conflict), _) => {
                        (Verdict::Conflict, format!("{what}, as two writers of one chain do"))
                    }
                    // A state that was set back does not set back the keys, so it explains nothing
                    // but records that did not arrive.
                    (Some(Verdict::KeyNotCertified), Some(_), Misfit::NotHandedOver { .. }) => {
                        (Verdict::Gap, format!("{what} in the segments that are here"))
                    }
                    (Some(verdict), ..) => (verdict, what),
                };
                self.findings.add_at(verdict, *id, misfit.position(), None, what);
            }
            let heads = LazyCell::new(|| Heads::of(*id, chain, followed, &self.spans, &file));
            for (index, place, head) in chain.keys.since() {
                let Some(segment) = chain.segments.get(&place.life(*id)) else {
                    let since = Since { id: *id, index, place, head };
                    if let Some((verdict, what)) = since.judge(followed, &between, start, &heads) {
                        self.findings.add_at(verdict, *id, place.position(), None, what);
                    }
                    continue;
                };
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

/// Heads of which is known which record they are of.
struct Heads {
    /// The heads before the segments that are here, or that begin a span that counts, shortened.
    before: Rows<Fingerprint, ()>,
    /// The heads before keys that manifests list as those of records, whether these count or not: nobody
    /// can make up a record with a given head. Only their beginnings are listed.
    listed: HashSet<[u8; BEGINNING_LEN]>,
}

impl Heads {
    fn of(id: ChainId, chain: &ChainLog, followed: &Followed, spans: &[Spans], file: &RowFile) -> Heads {
        let mut before = Rows::new(file, BATCH_ROWS_MAX);
        for (_, stretches) in followed.stretches.iter() {
            if let Some(first) = stretches.first().filter(|first| *first.records.start() == 0) {
                before.insert(first.before.shortened(), ());
            }
        }
        for (_, span) in followed.spans.of_chain(id).filter(|(_, span)| *span.records.start() == 0) {
            span.edges.iter().for_each(|(head, _)| before.insert(*head, ()));
        }
        let of_keys: HashSet<_> = chain.keys.since().map(|(.., head)| head.beginning()).collect();
        let all = spans.iter().flat_map(|spans| spans.of_chain(id));
        let heads = all.flat_map(|(_, span)| {
            let last = span.edges.map(|(_, head)| head.beginning());
            span.inner.as_bytes().as_chunks().0.iter().copied().chain(last)
        });
        Heads { before, listed: heads.filter(|head| of_keys.contains(head)).collect() }
    }

    fn have(&self, head: Fingerprint) -> bool {
        self.before.contains_key(&head.shortened()) || self.listed.contains(&head.beginning())
    }
}

/// A handover to a record of a segment of which nothing is here.
struct Since {
    id: ChainId,
    index: u32,
    place: Place,
    /// The head before the record.
    head: Fingerprint,
}

impl Since {
    /// Judges whether the record with the head before the place is missing. If a segment that is
    /// here begins with this head, its link says where that record is. Otherwise nothing else may
    /// say that it was sealed: whoever has the key can go on without a link.
    fn judge(
        &self,
        followed: &Followed,
        between: &Between,
        start: Option<Position>,
        heads: &Heads,
    ) -> Option<(Verdict, String)> {
        let (at, life) = (self.place.position(), self.place.life(self.id));
        if self.place.sequence > 0
            || self.head == Fingerprint::FIRST
            || start.is_some_and(|start| at <= start)
            || followed.ends.contains_key(&life)
            || heads.have(self.head)
        {
            return None;
        }
        let here = followed.stretches.before(&life).and_then(|(life, stretches)| {
            let last = stretches.last()?;
            Some(((life, *last.records.end()), last.head))
        });
        let last = here.map(|(place, _)| place).max(followed.spans.last_before(&life));
        if here.is_some_and(|here| Some(here.0) == last && here.1 == self.head) {
            return None;
        }
        let last =
            last.map_or(Position::default(), |(life, sequence)| Position { segment: life.segment, sequence });
        let (verdict, _) = judge_handover((self.index, &self.place), last, between, start);
        let what = format!(
            "the last record before {} is missing: the handover to key {} names its head",
            named(at),
            self.index
        );
        // If no record is known to be missing, this one is.
        Some((verdict?.min(Verdict::Gap), what))
    }
}

fn judge(
    misfit: &Misfit,
    followed: &Followed,
    between: &Between,
    start: Option<Position>,
) -> (Option<Verdict>, String) {
    match misfit {
        Misfit::Forked { index, places: [one, other] } => (
            Some(Verdict::Conflict),
            format!(
                "key {index} came into force twice, at segment {} (run {}) and at segment {} (run {}): two filters \
                 with one state directory, one that was set back, or copied keys",
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
        Misfit::NotHandedOver { index, count, last, place, is_listed } => {
            match judge_handover((*index, place), *last, between, start) {
                // A handover that showed that records are missing may have been deleted.
                (Some(Verdict::KeyNotCertified), what) if *is_listed => (Some(Verdict::Gap), what),
                // Each of these keys has sealed a record, and a stop has lost only so many.
                (Some(Verdict::UncleanStop), what)
                    if u64::from(*count) > followed.stops.keys_between(*last, place.position()) =>
                {
                    let what = format!("{what}: {count} keys, more than a stop can have lost");
                    (Some(Verdict::Gap), what)
                }
                judged => judged,
            }
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
    if is_before_start {
        (None, what)
    } else if is_between(&[Cause::Stop]) {
        (Some(Verdict::UncleanStop), what)
    } else if is_between(&[Cause::Unknown, Cause::Altered]) {
        (Some(Verdict::Gap), what)
    } else {
        let what = format!(
            "keys were changed at {}, but nothing hands over to key {index}, and no record is missing",
            named(place.position())
        );
        (Some(Verdict::KeyNotCertified), what)
    }
}
