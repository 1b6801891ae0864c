//! Spans: records that are not here to be checked, as the signed manifests of their
//! ledger state them. They were deleted, or they are encrypted.
//!
//! A span has a head at each edge. It explains a gap only if these heads fit the records
//! on both sides of the gap. An attacker who puts records into a ledger that were never
//! at that place of their chain does not know these heads.

use super::chain_log::ChainLog;
use super::chains::KeptAnchor;
use super::coverage::Coverage;
use super::gaps::Cause;
use super::ranges::{self, joined};
use super::segment::{Segment, Stretch, Stretches};
use super::spool::{Fingerprint, Spool};
use flb_audit_core::chain::{ChainId, Life, Place};
use flb_audit_core::record::notes::Notes;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::ops::RangeInclusive;
use std::rc::Rc;

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
    /// The record from which the life continues, if the span has the life's first record.
    pub(super) link: Option<Place>,
    /// The head before the first record, and the head of the last record, both shortened: where a
    /// span was divided, only the beginning of the head is known.
    pub(super) edges: Option<(Fingerprint, Fingerprint)>,
    /// The last record with a good signature that the ledger has seen.
    pub(super) signed: Option<u64>,
    pub(super) why: Why,
    /// The beginnings of the heads of the first records, if the manifest lists them.
    pub(super) inner: Box<str>,
}

impl Span {
    /// Takes the records up to this one out of the span.
    fn split(&mut self, last: u64, head: Fingerprint) -> Span {
        let before = Span {
            records: *self.records.start()..=last,
            edges: self.edges.map(|(prev, _)| (prev, head)),
            link: self.link.take(),
            inner: Box::default(),
            ..*self
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
type End = ((Life, u64), Fingerprint);

/// Returns the place before the first of some records of a life: that of the record from which
/// the life continues, if they begin with its first.
fn before(life: Life, first: u64, link: Option<Place>) -> Option<(Life, u64)> {
    match first.checked_sub(1) {
        Some(last) => Some((life, last)),
        None => link.map(|link| (link.life(life.chain), link.sequence)),
    }
}

/// Returns the heads that signatures state of records, shortened: anchors, and the links of covered
/// records 0 to a stop.
fn stated(
    id: ChainId,
    stretches: &Stretches,
    coverage: &Coverage,
    chain: &ChainLog,
    anchors: &[KeptAnchor],
) -> BTreeSet<End> {
    let end = |life: Life, sequence: u64, head: Fingerprint| ((life, sequence), head.shortened());
    let of_anchor = |anchor: &KeptAnchor| end(anchor.place.life(id), anchor.place.sequence, anchor.head);
    let mut stated: BTreeSet<End> = anchors.iter().map(of_anchor).collect();
    for (life, _) in stretches.iter().filter(|(life, _)| coverage.has(life, 0)) {
        let Some(segment) = chain.segments.get(&life) else { continue };
        if let (Some(link), Some((first, head))) = (segment.beginning.link, segment.beginning.unsettled)
            && link.segment < life.segment
            && let Some(before) = first.sequence.checked_sub(1)
        {
            stated.insert(end(first.life(id), before, head));
        }
    }
    stated
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
        let stated = stated(id, stretches, coverage, chain, anchors);
        let divided = self.divided(id, stretches, chain, &stated);
        let of_chain = || divided.as_ref().unwrap_or(self).lives.range(Life::all_of(id)).rev();
        let is_covered = coverage.records > 0;
        // The heads of records, as the records after them state them, and as they state
        // themselves.
        let mut wanted: HashMap<(Life, u64), Fingerprint> = HashMap::new();
        let mut ends: HashMap<(Life, u64), HashSet<Fingerprint>> = HashMap::new();
        // The records with which lives have ended, as later lives that count say: those that
        // stand before the end of a span.
        let mut ended: BTreeSet<(Life, u64)> = BTreeSet::new();
        let mut known = Known::default();
        anchors.iter().for_each(|anchor| known.add((anchor.place.life(id), anchor.place.sequence)));
        let is_within = |(life, last): &(Life, u64)| self.last(life).is_some_and(|end| end > *last);
        // The ends of records and spans that count, from which others may continue.
        let mut vouching = Vec::new();
        for (life, of_life) in stretches.iter() {
            let link = chain.link(&life);
            let covered = coverage.in_life(&life);
            let counts = |sequence: u64| !is_covered || has_one(&covered, &(sequence..=sequence));
            let end = if is_covered { covered.last() } else { of_life.last().map(|last| &last.records) };
            end.iter().for_each(|records| known.add((life, *records.end())));
            for stretch in &*of_life {
                let (first, last) = (*stretch.records.start(), *stretch.records.end());
                if counts(first) {
                    let place = before(life, first, link);
                    place.iter().for_each(|place| known.add(*place));
                    wanted.extend(place.map(|place| (place, stretch.before.shortened())));
                    let is_end = |place: &(Life, u64)| is_covered && first == 0 && is_within(place);
                    let place = place.filter(is_end);
                    // A node whose state was set back went on before it continued from there.
                    ended.extend(place.filter(|_| !chain.state_notes(&life).contains(Notes::STATE_SET_BACK)));
                }
                let head = stretch.head.shortened();
                ends.entry((life, last)).or_default().insert(head);
                vouching.extend(counts(last).then_some(((life, last), head)));
            }
        }
        let has_signed = |all: &OfLife| all.spans.iter().any(|span| span.signed.is_some());
        let is_signed = is_covered || of_chain().any(|(_, all)| has_signed(all));
        for (life, span) in of_chain().flat_map(|(life, all)| all.spans.iter().map(move |span| (life, span)))
        {
            ends.entry((*life, *span.records.end())).or_default().extend(span.edges.map(|(_, head)| head));
        }
        let mut fitting = Vec::new();
        // Spans that only the record before them can vouch for, by that record.
        let mut waiting: HashMap<End, Vec<(Life, Span)>> = HashMap::new();
        for (life, all) in of_chain() {
            let here = Here::of(life, stretches, coverage, chain);
            // From the last record of the life on.
            for mut span in all.by_end.iter().rev().map(|at| all.spans[*at].clone()) {
                let (first, last) = (*span.records.start(), *span.records.end());
                if let Some((prev, head)) = span.edges {
                    let place = before(*life, first, span.link);
                    let wanted_head = match wanted.get(&(*life, last)) {
                        Some(wanted) => Some(*wanted),
                        None => here.before_next(last, spool)?,
                    };
                    // A record within the stretch of another follows as well.
                    wanted.extend(wanted_head.map(|head| ((*life, last), head)));
                    let signed = span.signed.map_or(first, |signed| signed.max(first));
                    let is_past_end = || {
                        signed < last && ended.range((*life, signed)..(*life, last)).next().is_some()
                            || known.goes_past(life, last)
                    };
                    let end = (*life, last);
                    let mut of_end = stated.range((end, Fingerprint::FIRST)..=(end, Fingerprint::LAST));
                    let is_stated = stated.contains(&(end, head));
                    let is_denied = wanted_head.is_some_and(|wanted| wanted != head)
                        || !is_stated && of_end.next().is_some();
                    let is_replaced = is_denied
                        || wanted_head.is_none()
                            && !is_stated
                            && (is_past_end() || here.replaces(first, span.signed, last, head, spool)?);
                    if wanted_head.is_none() && !is_stated && is_signed && span.signed.is_none() {
                        // A life begins with a signature.
                        let place = place.filter(|_| first > 0 && !is_replaced && !here.has(first));
                        if let Some(place) = place {
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
                    wanted.extend(place.map(|place| (place, prev)));
                }
                let link = before(*life, first, span.link).filter(|_| first == 0);
                known.add((*life, *span.records.end()));
                link.iter().for_each(|link| known.add(*link));
                ended.extend(link.filter(|link| is_signed && is_within(link)));
                vouching.extend(span.edges.map(|(_, head)| ((*life, last), head)));
                fitting.push((*life, span));
            }
        }
        while let Some(end) = vouching.pop() {
            // Something else follows.
            if wanted.contains_key(&end.0) {
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
                start(before(life, *span.records.start(), span.link), head);
            }
        }
        let mut divided = Vec::new();
        for (life, whole) in spans() {
            let mut span = Span { records: whole.records.clone(), inner: Box::default(), ..*whole };
            let (beginnings, _) = whole.inner.as_bytes().as_chunks();
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

/// The records of one life that are here.
struct Here {
    stretches: Rc<Vec<Stretch>>,
    covered: Rc<Vec<RangeInclusive<u64>>>,
    /// True if a record of the chain is covered. Otherwise, any record counts.
    is_covered: bool,
    segment: Option<Rc<Segment>>,
}

impl Here {
    fn of(life: &Life, stretches: &Stretches, coverage: &Coverage, chain: &ChainLog) -> Here {
        let stretches = stretches.get(life).unwrap_or_default();
        let segment = if stretches.is_empty() { None } else { chain.segments.get(life) };
        Here { stretches, covered: coverage.in_life(life), is_covered: coverage.records > 0, segment }
    }

    /// Returns the head of a record, shortened.
    fn head(&self, sequence: u64, spool: &mut Spool) -> io::Result<Option<Fingerprint>> {
        let head = self.segment.as_ref().map_or(Ok(None), |segment| segment.head(sequence, spool))?;
        Ok(head.map(Fingerprint::shortened))
    }

    fn has(&self, sequence: u64) -> bool {
        let at = self.stretches.partition_point(|stretch| *stretch.records.end() < sequence);
        self.stretches.get(at).is_some_and(|stretch| stretch.records.contains(&sequence))
    }

    /// Checks whether one of these records is covered.
    fn covers(&self, records: &RangeInclusive<u64>) -> bool {
        has_one(&self.covered, records)
    }

    /// Returns the head of a record, as the next record states it. That record counts, and goes on
    /// from a record that is here.
    fn before_next(&self, last: u64, spool: &mut Spool) -> io::Result<Option<Fingerprint>> {
        let at = self.stretches.partition_point(|stretch| *stretch.records.end() <= last);
        let stretch = self.stretches.get(at).filter(|stretch| *stretch.records.start() <= last);
        let counts = !self.is_covered || last.checked_add(1).is_some_and(|next| self.covers(&(next..=next)));
        if stretch.is_some() && counts { self.head(last, spool) } else { Ok(None) }
    }

    /// Checks whether covered records take the place of records of a span that no signature
    /// reaches: of its last one or, if that is not here, of any.
    fn replaces(
        &self,
        first: u64,
        signed: Option<u64>,
        last: u64,
        head: Fingerprint,
        spool: &mut Spool,
    ) -> io::Result<bool> {
        let from = signed.map_or(Some(first), |signed| signed.checked_add(1)).map(|from| from.max(first));
        let is_covered = from.is_some_and(|from| self.covers(&(from..=last)));
        Ok(is_covered && !(self.covers(&(last..=last)) && self.head(last, spool)? == Some(head)))
    }
}

/// Checks whether one of some records is in ranges, which are in order and do not overlap.
fn has_one(ranges: &[RangeInclusive<u64>], records: &RangeInclusive<u64>) -> bool {
    let at = ranges.partition_point(|range| range.end() < records.start());
    !records.is_empty() && ranges.get(at).is_some_and(|range| range.start() <= records.end())
}
