//! Spans: records that are not here to be checked, as the signed manifests of their
//! ledger state them. They were deleted, or they are encrypted.
//!
//! A span has a head at each edge. It explains a gap only if these heads fit the records
//! on both sides of the gap. An attacker who puts records into a ledger that were never
//! at that place of their chain does not know these heads.

use super::beginning::Beginning;
use super::chain_log::ChainLog;
use super::chains::KeptAnchor;
use super::coverage::Coverage;
use super::gaps::Cause;
use super::here::{Here, has_one};
use super::in_force::InForce;
use super::ranges::{self, joined};
use super::segment::Stretches;
use super::spool::{Fingerprint, Spool};
use flb_audit_core::chain::{ChainId, Life, Place};
use flb_audit_core::record::notes::Notes;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::ops::RangeInclusive;

/// The reason why records are not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// A tombstone says that the records were deleted.
    Deleted,
    /// The records are in an encrypted file that no decryption key opens.
    Encrypted,
}

/// Consecutive records of one life.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) records: RangeInclusive<u64>,
    /// The statements of the life's first record, if the span has it, as the manifest lists them.
    pub(super) beginning: Option<Box<Beginning>>,
    /// The head before the first record, and the head of the last record, both shortened: where a
    /// span was divided, only the beginning of the head is known.
    pub(super) edges: Option<(Fingerprint, Fingerprint)>,
    /// The last record with a good signature that the ledger has seen.
    pub(super) signed: Option<u64>,
    pub(super) why: Why,
    /// The beginnings of the heads of the first records, if the manifest lists them.
    pub(super) inner: Box<str>,
    /// The number of the key that has signed the life's first record, if the span has it.
    pub(super) key: Option<u32>,
    /// True if the life's first record counts as covered.
    pub(super) is_said: bool,
}

impl Span {
    /// Creates a span of which only the records are known.
    pub(super) fn new(records: RangeInclusive<u64>, why: Why) -> Span {
        let (beginning, edges, signed, key) = (None, None, None, None);
        Span { records, beginning, edges, signed, why, inner: Box::default(), key, is_said: false }
    }

    /// Returns the record from which the life continues, if the span has the life's first record.
    pub(super) fn link(&self) -> Option<Place> {
        self.beginning.as_ref()?.link
    }

    /// Returns what the life's first record says, if the span has it, and it counts as covered.
    fn said(&self) -> Option<&Beginning> {
        self.beginning.as_deref().filter(|_| self.is_said)
    }

    /// Takes the records up to this one out of the span.
    fn split(&mut self, last: u64, head: Fingerprint) -> Span {
        let before = Span {
            edges: self.edges.map(|(prev, _)| (prev, head)),
            beginning: self.beginning.take(),
            signed: self.signed,
            key: self.key.take(),
            ..Span::new(*self.records.start()..=last, self.why)
        };
        self.records = last.saturating_add(1)..=*self.records.end();
        self.edges = self.edges.map(|(_, end)| (head, end));
        before
    }
}

/// The spans of one life. A ledger can have very many, so each question takes the time of
/// a binary search.
#[derive(Default)]
struct OfLife {
    /// In the order of their first records.
    spans: Vec<Span>,
    /// The indexes of the spans, in the order of their last records.
    by_end: Vec<usize>,
    /// The records of all spans, and of those with each reason.
    all: Vec<RangeInclusive<u64>>,
    deleted: Vec<RangeInclusive<u64>>,
    encrypted: Vec<RangeInclusive<u64>>,
}

impl OfLife {
    fn new(mut spans: Vec<Span>) -> OfLife {
        spans.sort_by_key(|span| *span.records.start());
        let mut by_end: Vec<usize> = (0..spans.len()).collect();
        by_end.sort_by_key(|at| *spans[*at].records.end());
        let records = |is_of: &dyn Fn(&Span) -> bool| {
            joined(spans.iter().filter(|span| is_of(span)).map(|span| span.records.clone()).collect())
        };
        let all = records(&|_| true);
        let deleted = records(&|span| span.why == Why::Deleted);
        let encrypted = records(&|span| span.why == Why::Encrypted);
        OfLife { spans, by_end, all, deleted, encrypted }
    }

    /// Returns the spans that end with this record, from the last first record on.
    fn that_end_with(&self, last: u64) -> impl Iterator<Item = &Span> {
        let end = |at: usize| *self.spans[at].records.end();
        let from = self.by_end.partition_point(|at| end(*at) < last);
        let to = self.by_end.partition_point(|at| end(*at) <= last);
        self.by_end[from..to].iter().rev().map(|at| &self.spans[*at])
    }
}

/// The last record of a stretch or a span: its life and number, and its head.
pub(super) type End = ((Life, u64), Fingerprint);

/// Returns the place before the first of some records of a life: that of the record from which
/// the life continues, if they begin with its first.
fn before(life: Life, first: u64, link: Option<Place>) -> Option<(Life, u64)> {
    match first.checked_sub(1) {
        Some(last) => Some((life, last)),
        None => link.map(|link| (link.life(life.chain), link.sequence)),
    }
}

/// Returns the heads that signatures state of records, shortened: anchors, the links of covered
/// records 0 to a stop, and handovers.
fn stated(
    id: ChainId,
    stretches: &Stretches,
    coverage: &Coverage,
    chain: &ChainLog,
    anchors: &[KeptAnchor],
) -> BTreeSet<End> {
    let of_anchor =
        |anchor: &KeptAnchor| ((anchor.place.life(id), anchor.place.sequence), anchor.head.shortened());
    let of_handover = |(_, first, head): (u32, Place, Fingerprint)| {
        Some(((first.life(id), first.sequence.checked_sub(1)?), head.shortened()))
    };
    let of_handovers = chain.keys.since().filter_map(of_handover);
    let mut stated: BTreeSet<End> = anchors.iter().map(of_anchor).chain(of_handovers).collect();
    for (life, _) in stretches.iter().filter(|(life, _)| coverage.has(life, 0)) {
        let Some(segment) = chain.segments.get(&life) else { continue };
        stated.extend(settled(&life, &segment.beginning));
    }
    stated
}

/// Notes the head of a record as something that follows it states it.
fn want(
    wanted: &mut HashMap<(Life, u64), Fingerprint>,
    disputed: &mut HashSet<(Life, u64)>,
    place: (Life, u64),
    head: Fingerprint,
) {
    if wanted.insert(place, head).is_some_and(|other| other != head) {
        disputed.insert(place);
    }
}

/// Returns the record before those that a stop may have lost, as a life's first record states it.
fn settled(life: &Life, beginning: &Beginning) -> Option<End> {
    let (first, head) = beginning.stop(life)?.1;
    Some(((first.life(life.chain), first.sequence.checked_sub(1)?), head.shortened()))
}

/// The last record of each life of which is known that it was sealed.
#[derive(Default)]
struct Known(HashMap<Life, u64>);

impl Known {
    fn add(&mut self, (life, sequence): (Life, u64)) {
        let last = self.0.entry(life).or_default();
        *last = sequence.max(*last);
    }

    fn goes_past(&self, life: &Life, sequence: u64) -> bool {
        self.0.get(life).is_some_and(|last| *last > sequence)
    }
}

/// All spans of one ledger.
#[derive(Default)]
pub(super) struct Spans {
    lives: BTreeMap<Life, OfLife>,
}

impl FromIterator<(Life, Span)> for Spans {
    fn from_iter<T: IntoIterator<Item = (Life, Span)>>(all: T) -> Spans {
        let mut lives: BTreeMap<Life, Vec<Span>> = BTreeMap::new();
        for (life, span) in all {
            lives.entry(life).or_default().push(span);
        }
        Spans { lives: lives.into_iter().map(|(life, spans)| (life, OfLife::new(spans))).collect() }
    }
}

impl Spans {
    /// Returns the spans of a chain that fit the records that are here, and each other.
    ///
    /// The record after a span states the head with which the span ends. If no record is
    /// known to come after it, the span must not contradict the records that are here, and
    /// without a signature it must continue from them: anybody can send a ledger intact
    /// records that nothing leads to. If a span does not fit, only those of its records
    /// remain that a signature within it covers.
    pub(super) fn fitting(
        &self,
        id: ChainId,
        stretches: &Stretches,
        coverage: &Coverage,
        chain: &ChainLog,
        anchors: &[KeptAnchor],
        spool: &mut Spool,
    ) -> io::Result<Spans> {
        if self.lives_of(id).next().is_none() {
            return Ok(Spans::default());
        }
        let mut stated = stated(id, stretches, coverage, chain, anchors);
        let divided = self.divided(id, stretches, chain, &stated);
        let of_chain = || divided.as_ref().unwrap_or(self).lives.range(Life::all_of(id)).rev();
        let has_signed = |all: &OfLife| all.spans.iter().any(|span| span.signed.is_some());
        let is_known = coverage.records > 0 || !anchors.is_empty() || chain.start.is_some();
        let is_signed = is_known || of_chain().any(|(_, all)| has_signed(all));
        // The heads of records, as the records after them state them, and as they state
        // themselves.
        let mut wanted: HashMap<(Life, u64), Fingerprint> = HashMap::new();
        // The places that are followed by more than the first record of a state that was set back.
        let mut continued: HashSet<(Life, u64)> = HashSet::new();
        // The places of which several heads are wanted.
        let mut disputed: HashSet<(Life, u64)> = HashSet::new();
        // The ends from which intact records continue, whether these count or not.
        let mut tied: HashSet<End> = HashSet::new();
        let mut ends: HashMap<(Life, u64), HashSet<Fingerprint>> = HashMap::new();
        // The records with which lives have ended, as later lives that count say: those that
        // stand before the end of a span.
        let mut ended: BTreeSet<(Life, u64)> = BTreeSet::new();
        let mut known = Known::default();
        stated.iter().for_each(|(place, _)| known.add(*place));
        let is_within = |(life, last): &(Life, u64)| self.last(life).is_some_and(|end| end > *last);
        // The ends of records and spans that count, from which others may continue.
        let start =
            chain.start.map(|start| ((start.place.life(id), start.place.sequence), start.head.shortened()));
        let mut vouching: Vec<End> = start.into_iter().collect();
        for (life, of_life) in stretches.iter() {
            let link = chain.link(&life);
            let here = Here::of(&life, stretches, coverage, chain, &stated, spool)?;
            let is_led = |sequence: u64| has_one(&here.led, &(sequence..=sequence));
            let counts = |sequence: u64| !is_known || is_led(sequence);
            let end = if is_known { here.led.last() } else { of_life.last().map(|last| &last.records) };
            end.iter().for_each(|records| known.add((life, *records.end())));
            for stretch in &*of_life {
                let (first, last) = (*stretch.records.start(), *stretch.records.end());
                tied.extend(before(life, first, None).map(|place| (place, stretch.before.shortened())));
                if counts(first) {
                    let place = before(life, first, link);
                    place.iter().for_each(|place| known.add(*place));
                    // A node whose state was set back went on before it continued from there.
                    let is_set_back = first == 0 && chain.state_notes(&life).contains(Notes::STATE_SET_BACK);
                    continued.extend(place.filter(|_| !is_set_back || !is_led(first)));
                    if let Some(place) = place {
                        want(&mut wanted, &mut disputed, place, stretch.before.shortened());
                    }
                    let is_end = |place: &(Life, u64)| is_led(first) && first == 0 && is_within(place);
                    ended.extend(place.filter(|place| !is_set_back && is_end(place)));
                }
                let head = stretch.head.shortened();
                ends.entry((life, last)).or_default().insert(head);
                vouching.extend(counts(last).then_some(((life, last), head)));
            }
        }
        // Anybody could have made up an end without a signature, unless there are none.
        let has_end = |span: &&Span| !is_signed || span.signed >= Some(*span.records.end());
        for (life, all) in of_chain() {
            for span in all.spans.iter().filter(has_end) {
                let heads = ends.entry((*life, *span.records.end())).or_default();
                heads.extend(span.edges.map(|(_, head)| head));
            }
        }
        let in_force = InForce::of(chain, self, id);
        let checkpoints: BTreeSet<(Life, u64)> = of_chain()
            .flat_map(|(life, all)| all.spans.iter().filter_map(|span| Some((*life, span.signed?))))
            .collect();
        let mut fitting = Vec::new();
        // Spans that only the record before them can vouch for, by that record.
        let mut waiting: HashMap<End, Vec<(Life, Span)>> = HashMap::new();
        for (life, all) in of_chain() {
            let here = Here::of(life, stretches, coverage, chain, &stated, spool)?;
            // From the last record of the life on.
            for mut span in all.by_end.iter().rev().map(|at| all.spans[*at].clone()) {
                span.is_said = in_force.includes(life, &span);
                let (first, last) = (*span.records.start(), *span.records.end());
                if let Some((prev, head)) = span.edges {
                    let place = before(*life, first, span.link());
                    let mut wanted_head = wanted.get(&(*life, last)).copied();
                    if wanted_head.is_none() {
                        // A record within the stretch of another follows as well.
                        wanted_head = here.before_next(last, is_known, spool)?;
                        wanted.extend(wanted_head.map(|head| ((*life, last), head)));
                        continued.extend(wanted_head.map(|_| (*life, last)));
                    }
                    let signed = span.signed.map_or(first, |signed| signed.max(first));
                    let is_past_end = || {
                        signed < last && ended.range((*life, signed)..(*life, last)).next().is_some()
                            || known.goes_past(life, last)
                    };
                    let inside = span.signed.map_or(first, |signed| first.max(signed.saturating_add(1)));
                    let has_within = inside < last
                        && stated
                            .range(((*life, inside), Fingerprint::FIRST)..((*life, last), Fingerprint::FIRST))
                            .next()
                            .is_some();
                    let end = (*life, last);
                    let mut of_end = stated.range((end, Fingerprint::FIRST)..=(end, Fingerprint::LAST));
                    let is_stated = stated.contains(&(end, head));
                    let has_signed =
                        inside <= last && checkpoints.range((*life, inside)..=(*life, last)).next().is_some();
                    let is_denied = wanted_head.is_some_and(|wanted| wanted != head)
                        || disputed.contains(&end)
                        || of_end.any(|(_, stated)| *stated != head)
                        || span.signed.is_none() && has_within
                        || has_signed;
                    let is_replaced = is_denied
                        || wanted_head.is_none()
                            && !is_stated
                            && (is_past_end()
                                || has_within
                                || here.replaces(first, span.signed, last, head, spool)?);
                    if wanted_head.is_none() && !is_stated && is_signed && span.signed.is_none() {
                        // A life begins with a signature.
                        let is_tied = tied.contains(&(end, head));
                        let place =
                            place.filter(|_| first > 0 && is_tied && !is_replaced && !here.has(first));
                        if let Some(place) = place {
                            tied.insert((place, prev));
                            waiting.entry((place, prev)).or_default().push((*life, span));
                        }
                        continue;
                    }
                    let is_contradicted = is_replaced
                        || place
                            .and_then(|place| ends.get(&place))
                            .is_some_and(|heads| !heads.contains(&prev));
                    if is_denied || wanted_head.is_none() && is_contradicted {
                        // Another record has the place of the signed one.
                        let counts = |signed: &u64| *signed >= first && !(is_denied && *signed >= last);
                        let Some(signed) = span.signed.filter(counts) else { continue };
                        (span.records, span.edges) = (first..=signed.min(last), None);
                    }
                    let is_set_back =
                        span.said().is_some_and(|said| said.notes.contains(Notes::STATE_SET_BACK));
                    continued.extend(place.filter(|_| !is_set_back));
                    if let Some(place) = place {
                        want(&mut wanted, &mut disputed, place, prev);
                    }
                }
                let link = before(*life, first, span.link()).filter(|_| first == 0);
                known.add((*life, *span.records.end()));
                link.iter().for_each(|link| known.add(*link));
                let said = span.said();
                let is_set_back = said.is_some_and(|said| said.notes.contains(Notes::STATE_SET_BACK));
                ended.extend(link.filter(|link| is_signed && !is_set_back && is_within(link)));
                stated.extend(said.and_then(|said| settled(life, said)));
                vouching.extend(span.edges.map(|(_, head)| ((*life, last), head)));
                fitting.push((*life, span));
            }
        }
        while let Some(end) = vouching.pop() {
            // Something else follows.
            if continued.contains(&end.0) {
                continue;
            }
            for (life, span) in waiting.remove(&end).into_iter().flatten() {
                vouching.extend(span.edges.map(|(_, head)| ((life, *span.records.end()), head)));
                fitting.push((life, span));
            }
        }
        Ok(fitting.into_iter().collect())
    }

    /// Returns the spans of a chain, divided where a record that is here, or that begins
    /// another span, continues from within them, and where a head is stated. Returns `None` if no
    /// span lists heads.
    fn divided(
        &self,
        id: ChainId,
        stretches: &Stretches,
        chain: &ChainLog,
        stated: &BTreeSet<End>,
    ) -> Option<Spans> {
        let spans = || {
            let of_chain = self.lives.range(Life::all_of(id));
            of_chain.flat_map(|(life, all)| all.spans.iter().map(|span| (*life, span)))
        };
        if spans().all(|(_, span)| span.inner.is_empty()) {
            return None;
        }
        // The heads from which records and spans continue, by place and beginning.
        let mut starts = HashMap::new();
        let mut start = |place: Option<(Life, u64)>, head: Fingerprint| {
            starts.extend(place.map(|place| ((place, head.beginning()), head)));
        };
        for (life, of_life) in stretches.iter() {
            for stretch in &*of_life {
                start(before(life, *stretch.records.start(), chain.link(&life)), stretch.before.shortened());
            }
        }
        stated.iter().for_each(|(place, head)| start(Some(*place), *head));
        for (life, span) in spans() {
            if let Some((head, _)) = span.edges {
                start(before(life, *span.records.start(), span.link()), head);
            }
            if let Some((place, head)) = span.beginning.as_ref().and_then(|said| settled(&life, said)) {
                start(Some(place), head);
            }
        }
        let mut divided = Vec::new();
        for (life, whole) in spans() {
            let mut span = whole.clone();
            let inner = std::mem::take(&mut span.inner);
            let (beginnings, _) = inner.as_bytes().as_chunks();
            for (number, beginning) in span.records.clone().zip(beginnings) {
                let head = starts.get(&((life, number), *beginning));
                if let Some(head) = head.filter(|_| span.signed.is_none() && number < *span.records.end()) {
                    divided.push((life, span.split(number, *head)));
                }
            }
            divided.push((life, span));
        }
        Some(divided.into_iter().collect())
    }

    /// Returns the spans of a life, in the order of their first records.
    pub(super) fn of(&self, life: &Life) -> &[Span] {
        self.lives.get(life).map_or(&[], |of| &of.spans)
    }

    /// Returns the last record of a life that is in a span.
    pub(super) fn last(&self, life: &Life) -> Option<u64> {
        Some(*self.lives.get(life)?.all.last()?.end())
    }

    /// Checks whether a span ends with this record.
    pub(super) fn has_end(&self, life: &Life, last: u64) -> bool {
        self.lives.get(life).is_some_and(|of| of.that_end_with(last).next().is_some())
    }

    /// Returns the records of a life that are in spans.
    pub(super) fn records(&self, life: &Life) -> &[RangeInclusive<u64>] {
        self.lives.get(life).map_or(&[], |of| &of.all)
    }

    /// Returns the records of a life in spans that a signature covered when the ledger had them.
    pub(super) fn signed(&self, life: &Life) -> impl Iterator<Item = RangeInclusive<u64>> + use<'_> {
        let signed = |span: &Span| Some(*span.records.start()..=span.signed?.min(*span.records.end()));
        self.of(life).iter().filter_map(signed)
    }

    /// Returns the last record with a good signature that the ledger has seen before
    /// `first`, if the ledger has deleted all records between the two. `head` is the head
    /// before `first`.
    pub(super) fn signed_before(&self, life: &Life, first: u64, head: Fingerprint) -> Option<u64> {
        let of = self.lives.get(life)?;
        let (mut first, mut head) = (first, head.shortened());
        loop {
            let fits =
                |span: &&Span| span.why == Why::Deleted && span.edges.is_some_and(|(_, end)| end == head);
            let span = of.that_end_with(first.checked_sub(1)?).find(fits)?;
            if span.signed.is_some() {
                return span.signed;
            }
            (first, head) = (*span.records.start(), span.edges?.0);
        }
    }

    /// Returns the records that the first record of a life links to, as the spans with that record
    /// state it.
    pub(super) fn links(&self, life: &Life) -> BTreeSet<Option<Place>> {
        self.firsts(life).map(Span::link).collect()
    }

    fn firsts(&self, life: &Life) -> impl Iterator<Item = &Span> {
        self.of(life).iter().take_while(|span| *span.records.start() == 0)
    }

    /// Returns what the first record of a life says, if it is in a span and counts as covered. All
    /// such spans must agree.
    pub(super) fn beginning(&self, life: &Life) -> Option<&Beginning> {
        let mut said = self.firsts(life).filter_map(Span::said);
        let first = said.next()?;
        said.all(|other| other.says_as(first)).then_some(first)
    }

    /// Returns the lives of a chain whose first records say so, in order.
    pub(super) fn beginnings(&self, chain: ChainId) -> impl Iterator<Item = (Life, &Beginning)> {
        let of_chain = self.lives.range(Life::all_of(chain));
        of_chain.filter_map(|(life, _)| Some((*life, self.beginning(life)?)))
    }

    /// Returns the keys that have signed the first records of lives of a chain.
    pub(super) fn keys(&self, chain: ChainId) -> impl Iterator<Item = (&Life, u32)> {
        let lives = self.lives.range(Life::all_of(chain));
        lives.flat_map(|(life, all)| all.spans.iter().filter_map(move |span| Some((life, span.key?))))
    }

    /// Returns copies of all spans of a chain.
    pub(super) fn of_chain(&self, chain: ChainId) -> impl Iterator<Item = (Life, Span)> {
        let lives = self.lives.range(Life::all_of(chain));
        lives.flat_map(|(life, all)| all.spans.iter().map(|span| (*life, span.clone())))
    }

    /// Returns the lives of a chain that have spans.
    pub(super) fn lives_of(&self, chain: ChainId) -> impl Iterator<Item = &Life> {
        self.lives.range(Life::all_of(chain)).map(|(life, _)| life)
    }

    /// Returns the given records that are in no span.
    pub(super) fn without(&self, life: &Life, records: &RangeInclusive<u64>) -> Vec<RangeInclusive<u64>> {
        let all = self.records(life);
        ranges::without(records, &all[all.partition_point(|range| range.end() < records.start())..])
    }

    /// Returns the reason why these records, which are in spans, are not here.
    pub(super) fn cause(&self, life: &Life, records: &RangeInclusive<u64>) -> Cause {
        if self.has(life, records, Why::Encrypted) { Cause::Encrypted } else { Cause::Deleted }
    }

    /// Checks whether one of these records is in a span with this reason.
    pub(super) fn has(&self, life: &Life, records: &RangeInclusive<u64>, why: Why) -> bool {
        let Some(of) = self.lives.get(life) else { return false };
        let ranges = match why {
            Why::Deleted => &of.deleted,
            Why::Encrypted => &of.encrypted,
        };
        let at = ranges.partition_point(|range| range.end() < records.start());
        ranges.get(at).is_some_and(|range| range.start() <= records.end())
    }
}
