//! Spans: records that are not here to be checked, as the signed manifests of their
//! ledger state them. They were deleted, or they are encrypted.
//!
//! A span has a head at each edge. It explains a gap only if these heads fit the records
//! on both sides of the gap. An attacker who puts records into a ledger that were never
//! at that place of their chain does not know these heads.

use super::beginning::Beginning;
use super::chain_log::ChainLog;
use super::gaps::Cause;
use super::keys::Listed;
use super::ranges::{self, joined};
use super::segment::Stretches;
use super::spool::Fingerprint;
use flb_audit_core::chain::{ChainId, Life, Place, Position};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::RangeInclusive;

/// The reason why records are not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// A tombstone says that the records were deleted.
    Deleted,
    /// The records are in an encrypted file that no decryption key opens.
    Encrypted,
}

/// The part of a span's records that is of the time that is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum When {
    #[default]
    Not,
    /// Some records of their file are of that time, and some may not be.
    Unclear,
    Within,
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
    pub(super) when: When,
    /// The beginnings of the heads of the first records, if the manifest lists them.
    pub(super) inner: Box<str>,
    /// The first and the last key that have signed records, if the span has `signed`.
    pub(super) keys: Option<[u32; 2]>,
    /// True if the life's first record is in the span, and counts as covered.
    pub(super) is_said: bool,
}

impl Span {
    /// Creates a span of which only the records are known.
    pub(super) fn new(records: RangeInclusive<u64>, why: Why) -> Span {
        let (beginning, edges, signed, keys) = (None, None, None, None);
        let (when, inner, is_said) = (When::Not, Box::default(), false);
        Span { records, beginning, edges, signed, why, when, inner, keys, is_said }
    }

    /// Returns the record from which the life continues, if the span has the life's first record.
    pub(super) fn link(&self) -> Option<Place> {
        self.beginning.as_ref()?.link
    }

    /// Returns what the life's first record says, if the span has it, and it counts as covered.
    pub(super) fn said(&self) -> Option<&Beginning> {
        self.beginning.as_deref().filter(|_| self.is_said)
    }

    /// Returns the records that no signature in the span covers.
    pub(super) fn behind_signed(&self) -> RangeInclusive<u64> {
        let (first, last) = (*self.records.start(), *self.records.end());
        self.signed.map_or(first, |signed| first.max(signed.saturating_add(1)))..=last
    }

    /// Takes the records up to this one out of the span, which has no signed ones.
    fn split(&mut self, last: u64, head: Fingerprint) -> Span {
        let before = Span {
            edges: self.edges.map(|(prev, _)| (prev, head)),
            beginning: self.beginning.take(),
            when: self.when,
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
    /// The records of spans that a signature covered when the ledger had them.
    signed: Vec<RangeInclusive<u64>>,
    /// The statements of the life's first record, if it is in spans and counts as covered, and all
    /// such spans agree.
    said: Option<Box<Beginning>>,
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
        let signed = |span: &Span| Some(*span.records.start()..=span.signed?.min(*span.records.end()));
        let signed = joined(spans.iter().filter_map(signed).collect());
        let said = agreed(spans.iter().take_while(|span| *span.records.start() == 0)).cloned().map(Box::new);
        OfLife { spans, by_end, all, deleted, encrypted, signed, said }
    }

    /// Returns the spans that end with this record, from the last first record on.
    fn that_end_with(&self, last: u64) -> impl Iterator<Item = &Span> {
        let end = |at: usize| *self.spans[at].records.end();
        let from = self.by_end.partition_point(|at| end(*at) < last);
        let to = self.by_end.partition_point(|at| end(*at) <= last);
        self.by_end[from..to].iter().rev().map(|at| &self.spans[*at])
    }
}

/// Returns what spans with a life's first record say, as far as it counts as covered. All of them must
/// agree.
fn agreed<'a>(firsts: impl Iterator<Item = &'a Span>) -> Option<&'a Beginning> {
    let mut said = firsts.filter_map(Span::said);
    let first = said.next()?;
    said.all(|other| other.says_as(first)).then_some(first)
}

/// The last record of a stretch or a span: its life and number, and its head.
pub(super) type End = ((Life, u64), Fingerprint);

/// Returns the place before the first of some records of a life: that of the record from which
/// the life continues, if they begin with its first.
pub(super) fn before(life: Life, first: u64, link: Option<Place>) -> Option<(Life, u64)> {
    match first.checked_sub(1) {
        Some(last) => Some((life, last)),
        None => link.map(|link| (link.life(life.chain), link.sequence)),
    }
}

/// Returns the record before those that a stop may have lost, as a life's first record states it.
pub(super) fn settled(life: &Life, beginning: &Beginning) -> Option<End> {
    let (first, head) = beginning.stop(life)?.1;
    Some(((first.life(life.chain), first.sequence.checked_sub(1)?), head.shortened()))
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
    /// Divides the spans of a chain where a record that is here, or that begins another span,
    /// continues from within them, and where a head is stated.
    pub(super) fn divided(
        self,
        id: ChainId,
        stretches: &Stretches,
        chain: &ChainLog,
        stated: &BTreeSet<End>,
    ) -> Spans {
        if self.of_chain(id).all(|(_, span)| span.inner.is_empty()) {
            return self;
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
        for (life, span) in self.of_chain(id) {
            if let Some((head, _)) = span.edges {
                start(before(*life, *span.records.start(), span.link()), head);
            }
            if let Some((place, head)) = span.beginning.as_ref().and_then(|said| settled(life, said)) {
                start(Some(place), head);
            }
        }
        let mut divided = Vec::new();
        for (life, mut span) in self.into_spans() {
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
        divided.into_iter().collect()
    }

    fn into_spans(self) -> impl Iterator<Item = (Life, Span)> {
        self.lives.into_iter().flat_map(|(life, all)| all.spans.into_iter().map(move |span| (life, span)))
    }

    /// Returns the records from which spans continue, with their heads.
    pub(super) fn starts(&self) -> HashSet<End> {
        let all = self.lives.iter().flat_map(|(life, all)| all.spans.iter().map(move |span| (life, span)));
        let start = |(life, span): (&Life, &Span)| {
            Some((before(*life, *span.records.start(), span.link())?, span.edges?.0))
        };
        all.filter_map(start).collect()
    }

    /// Returns the last record before a life that is in a span of its chain.
    pub(super) fn last_before(&self, life: &Life) -> Option<(Life, u64)> {
        let before = self.lives.range(*Life::all_of(life.chain).start()..*life).rev();
        before.filter_map(|(life, of)| Some((*life, *of.all.last()?.end()))).next()
    }

    /// Returns the keys that have signed records of a chain in spans.
    pub(super) fn listed(&self, chain: ChainId) -> impl Iterator<Item = Listed> {
        self.of_chain(chain).filter_map(|(life, span)| {
            let ([first, last], signed) = span.keys.zip(span.signed)?;
            let place = Place { segment: life.segment, run: life.run, sequence: *span.records.start() };
            Some(Listed { first, last, place, signed: Position { segment: life.segment, sequence: signed } })
        })
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

    /// Returns the records of a life in spans that a signature covered when the ledger had them, in
    /// order.
    pub(super) fn signed(&self, life: &Life) -> &[RangeInclusive<u64>] {
        self.lives.get(life).map_or(&[], |of| &of.signed)
    }

    /// Returns the last record with a good signature that the ledger has seen before
    /// `first`, if all records between the two are in spans. `head` is the head
    /// before `first`.
    pub(super) fn signed_before(&self, life: &Life, first: u64, head: Fingerprint) -> Option<u64> {
        let of = self.lives.get(life)?;
        let (mut first, mut head) = (first, head.shortened());
        loop {
            let fits = |span: &&Span| span.edges.is_some_and(|(_, end)| end == head);
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
        self.of(life).iter().take_while(|span| *span.records.start() == 0).map(Span::link).collect()
    }

    /// Returns what the first record of a life says, if it is in a span and counts as covered. All
    /// such spans must agree.
    pub(super) fn beginning(&self, life: &Life) -> Option<&Beginning> {
        self.lives.get(life)?.said.as_deref()
    }

    /// Returns the lives of a chain whose first records say so, in order.
    pub(super) fn beginnings(&self, chain: ChainId) -> impl Iterator<Item = (Life, &Beginning)> {
        let of_chain = self.lives.range(Life::all_of(chain));
        of_chain.filter_map(|(life, _)| Some((*life, self.beginning(life)?)))
    }

    /// Returns all spans of a chain.
    pub(super) fn of_chain(&self, chain: ChainId) -> impl Iterator<Item = (&Life, &Span)> {
        let lives = self.lives.range(Life::all_of(chain));
        lives.flat_map(|(life, all)| all.spans.iter().map(move |span| (life, span)))
    }

    /// Returns all spans of a chain, by their last records, from the last one on.
    pub(super) fn latest_first(&self, chain: ChainId) -> impl Iterator<Item = (&Life, &Span)> {
        let lives = self.lives.range(Life::all_of(chain)).rev();
        lives.flat_map(|(life, all)| all.by_end.iter().rev().map(move |at| (life, &all.spans[*at])))
    }

    /// Checks whether a record is in a span, or before one, of its life.
    pub(super) fn go_past(&self, (life, sequence): &(Life, u64)) -> bool {
        self.last(life).is_some_and(|last| last > *sequence)
    }

    /// Returns the lives of a chain that have spans.
    pub(super) fn lives_of(&self, chain: ChainId) -> impl Iterator<Item = &Life> {
        self.lives.range(Life::all_of(chain)).map(|(life, _)| life)
    }

    /// Returns the given records that are in no span.
    pub(super) fn without(&self, life: &Life, records: &RangeInclusive<u64>) -> Vec<RangeInclusive<u64>> {
        ranges::without_sorted(records, self.records(life))
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
