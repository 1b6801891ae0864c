//! Which of the records that a ledger lists count: the rules of `docs/seal-format.md`, "Extents
//! that fit", on the spans of one chain.

use super::chain_log::ChainLog;
use super::chains::KeptAnchor;
use super::coverage::Coverage;
use super::here::Here;
use super::in_force::InForce;
use super::segment::Stretches;
use super::spans::{End, Span, Spans, before, settled};
use super::spool::{Fingerprint, Spool};
use flb_audit_core::chain::{ChainId, Life, Place};
use flb_audit_core::record::notes::Notes;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;

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
        let in_force = InForce::of(chain, self, id);
        let of_chain = self.of_chain(id).map(|(life, span)| (*life, in_force.believed(life, span)));
        let believed: Spans = of_chain.collect();
        let mut stated = stated(id, stretches, coverage, chain, anchors);
        stated.extend(believed.of_chain(id).filter_map(|(life, span)| before_signed(life, span)));
        let spans = &believed.divided(id, stretches, chain, &stated);
        let is_known = coverage.records > 0 || !anchors.is_empty() || chain.first_checkpoint().is_some();
        let mut evidence = Evidence::new(spans, id, is_known, stated.clone());
        let here_of =
            |life: &Life, spool: &mut Spool| Here::of(life, stretches, coverage, chain, &stated, spool);
        for (life, _) in stretches.iter() {
            let here = here_of(&life, spool)?;
            let first = First {
                link: chain.link(&life),
                is_set_back: chain.state_notes(&life).contains(Notes::STATE_SET_BACK),
            };
            evidence.add_records(&life, &first, &here, spans);
        }
        let start = chain
            .first_checkpoint()
            .map(|start| ((start.place.life(id), start.place.sequence), start.head.shortened()));
        evidence.vouching.extend(start);
        let mut fitting = Vec::new();
        // Spans that only the record before them can vouch for, by that record.
        let mut waiting: HashMap<End, Vec<(Life, Span)>> = HashMap::new();
        let mut here: Option<(Life, Here)> = None;
        for (life, span) in spans.latest_first(id) {
            if here.as_ref().is_none_or(|(of, _)| of != life) {
                here = Some((*life, here_of(life, spool)?));
            }
            let Some((_, here)) = &here else { continue };
            let mut span = span.clone();
            let edges = span.edges;
            match evidence.judge(life, &span, here, spool)? {
                Fit::Whole => {}
                Fit::UpTo(signed) => (span.records, span.edges) = (*span.records.start()..=signed, None),
                Fit::Joined(before) => {
                    evidence.tied.insert(before);
                    waiting.entry(before).or_default().push((*life, span));
                    continue;
                }
                Fit::Not => continue,
            }
            evidence.add_span(life, &span, edges.map(|(prev, _)| prev), spans);
            fitting.push((*life, span));
        }
        evidence.join(waiting, &mut fitting);
        Ok(fitting.into_iter().collect())
    }
}

/// Returns the record before a span with a signature, and its head, if it is of the same life.
fn before_signed(life: &Life, span: &Span) -> Option<End> {
    span.signed?;
    Some((before(*life, *span.records.start(), None)?, span.edges?.0))
}

/// Returns the heads that signatures state of records, shortened: anchors, the links of covered
/// records 0 to a stop, handovers, and covered records that continue none that is here.
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
    for (life, of_life) in stretches.iter() {
        for stretch in of_life.iter().filter(|of| coverage.has(&life, *of.records.start())) {
            let place = before(life, *stretch.records.start(), None);
            stated.extend(place.map(|place| (place, stretch.before.shortened())));
        }
        let segment = chain.segments.get(&life).filter(|_| coverage.has(&life, 0));
        stated.extend(segment.and_then(|segment| settled(&life, &segment.beginning)));
    }
    stated
}

/// Which records of a span count.
enum Fit {
    Whole,
    /// Those up to this one, which is signed.
    UpTo(u64),
    /// All, if the record before them has this place and head, and counts.
    Joined(End),
    Not,
}

impl Fit {
    /// Only the records up to the last signature can count. If the last record has other heads, too,
    /// its signature does not count.
    fn up_to_signed(span: &Span, has_other_end: bool) -> Fit {
        match span.signed.filter(|signed| signed >= span.records.start()) {
            Some(signed) if signed < *span.records.end() => Fit::UpTo(signed),
            Some(_) if !has_other_end => Fit::Whole,
            _ => Fit::Not,
        }
    }
}

/// The statements of the first record of a life, if it is here.
struct First {
    link: Option<Place>,
    is_set_back: bool,
}

/// The records and spans that follow one record.
struct Next {
    /// The head before it. All that follows one record has to state the same.
    prev: Option<Fingerprint>,
    /// True if nothing follows but the first record of a state that was set back: the node went on
    /// before it continued from there.
    is_set_back: bool,
}

/// The last record of each life of which is known that it was sealed.
#[derive(Default)]
struct Known(HashMap<Life, u64>);

impl Known {
    fn add(&mut self, (life, sequence): (Life, u64)) {
        let last = self.0.entry(life).or_default();
        *last = sequence.max(*last);
    }

    fn goes_past(&self, (life, sequence): &(Life, u64)) -> bool {
        self.0.get(life).is_some_and(|last| last > sequence)
    }
}

/// The evidence on the records next to those in the spans of a chain: from the records that are
/// here, and from the spans that were judged, which goes from the last one on.
struct Evidence {
    /// True if the chain has a covered record, a good anchor or a start.
    is_known: bool,
    /// True if the chain has signatures: it is known, or one of its spans has `signed`.
    is_signed: bool,
    stated: BTreeSet<End>,
    /// What follows records, of that which counts.
    next: HashMap<(Life, u64), Next>,
    /// The ends from which intact records continue, whether these count or not.
    tied: HashSet<End>,
    /// The heads of the last records of stretches and of signed spans.
    ends: HashMap<(Life, u64), HashSet<Fingerprint>>,
    /// The records with which lives have ended, as later lives that count say: those that
    /// stand before the end of a span.
    ended: BTreeSet<(Life, u64)>,
    known: Known,
    /// The records of spans that are `signed`.
    signed: BTreeSet<(Life, u64)>,
    /// The ends of records and spans that count, from which others may continue.
    vouching: Vec<End>,
}

impl Evidence {
    fn new(spans: &Spans, id: ChainId, is_known: bool, stated: BTreeSet<End>) -> Evidence {
        let mut known = Known::default();
        stated.iter().for_each(|(place, _)| known.add(*place));
        let signed: BTreeSet<(Life, u64)> =
            spans.of_chain(id).filter_map(|(life, span)| Some((*life, span.signed?))).collect();
        let is_signed = is_known || !signed.is_empty();
        let mut ends: HashMap<_, HashSet<_>> = HashMap::new();
        // Anybody could have made up an end without a signature, unless there are none.
        let has_end = |span: &Span| !is_signed || span.signed >= Some(*span.records.end());
        for (life, span) in spans.of_chain(id).filter(|(_, span)| has_end(span)) {
            ends.entry((*life, *span.records.end())).or_default().extend(span.edges.map(|(_, head)| head));
        }
        Evidence {
            is_known,
            is_signed,
            stated,
            next: HashMap::new(),
            tied: HashSet::new(),
            ends,
            ended: BTreeSet::new(),
            known,
            signed,
            vouching: Vec::new(),
        }
    }

    /// Takes in the records of a life that are here.
    fn add_records(&mut self, life: &Life, said: &First, here: &Here, spans: &Spans) {
        let is_known = self.is_known;
        let holds = |sequence: u64| !is_known || here.is_led(sequence);
        here.last(is_known).iter().for_each(|last| self.known.add((*life, *last)));
        for stretch in here.stretches() {
            let (first, last) = (*stretch.records.start(), *stretch.records.end());
            let (prev, head) = (stretch.before.shortened(), stretch.head.shortened());
            self.tied.extend(before(*life, first, None).map(|place| (place, prev)));
            if let Some(place) = before(*life, first, said.link).filter(|_| holds(first)) {
                let is_led = here.is_led(first);
                let is_set_back = first == 0 && said.is_set_back && is_led;
                self.known.add(place);
                self.add_next(place, prev, is_set_back);
                if first == 0 && is_led && !is_set_back && spans.go_past(&place) {
                    self.ended.insert(place);
                }
            }
            self.ends.entry((*life, last)).or_default().insert(head);
            self.vouching.extend(holds(last).then_some(((*life, last), head)));
        }
    }

    /// Takes in a span of which records count. `prev` is the head before its first one.
    fn add_span(&mut self, life: &Life, span: &Span, prev: Option<Fingerprint>, spans: &Spans) {
        let (first, last) = (*span.records.start(), *span.records.end());
        let place = before(*life, first, span.link());
        let said = span.said();
        let is_set_back = said.is_some_and(|said| said.notes.contains(Notes::STATE_SET_BACK));
        if let Some((place, prev)) = place.zip(prev) {
            self.add_next(place, prev, is_set_back);
        }
        self.known.add((*life, last));
        if let Some(link) = place.filter(|_| first == 0) {
            self.known.add(link);
            if self.is_signed && !is_set_back && spans.go_past(&link) {
                self.ended.insert(link);
            }
        }
        self.stated.extend(said.and_then(|said| settled(life, said)));
        self.vouching.extend(span.edges.map(|(_, head)| ((*life, last), head)));
    }

    /// Adds the waiting spans that continue, one after the other, from something that counts. Nothing
    /// else may follow there.
    fn join(&mut self, mut waiting: HashMap<End, Vec<(Life, Span)>>, fitting: &mut Vec<(Life, Span)>) {
        while let Some(end) = self.vouching.pop() {
            if self.next.get(&end.0).is_some_and(|next| !next.is_set_back) {
                continue;
            }
            for (life, span) in waiting.remove(&end).into_iter().flatten() {
                self.vouching.extend(span.edges.map(|(_, head)| ((life, *span.records.end()), head)));
                fitting.push((life, span));
            }
        }
    }

    fn add_next(&mut self, place: (Life, u64), prev: Fingerprint, is_set_back: bool) {
        let next = self.next.entry(place).or_insert(Next { prev: Some(prev), is_set_back });
        next.prev = next.prev.filter(|other| *other == prev);
        next.is_set_back &= is_set_back;
    }

    /// Judges a span. The rules have the numbers of the page.
    fn judge(&self, life: &Life, span: &Span, here: &Here, spool: &mut Spool) -> io::Result<Fit> {
        // Rule 1
        let Some((prev, head)) = span.edges else { return Ok(Fit::Whole) };
        let last = *span.records.end();
        let end = (*life, last);
        let next = match self.next.get(&end) {
            Some(next) => Some(next.prev),
            // A record within the stretch of another follows as well.
            None => here.before_next(last, self.is_known, spool)?.map(Some),
        };
        // Rules 2 to 5
        if next.is_some_and(|prev| prev != Some(head))
            || self.states_another(end, head)
            || span.signed.is_none() && self.states_within(life, span)
            || self.has_signed_behind(life, span)
        {
            return Ok(Fit::up_to_signed(span, true));
        }
        // Rule 6
        if next.is_some() {
            return Ok(Fit::Whole);
        }
        let is_stated = self.stated.contains(&(end, head));
        let has_to_join = self.is_signed && span.signed.is_none() && !is_stated;
        // Rule 7
        let place = before(*life, *span.records.start(), span.link());
        if !has_to_join && place.is_some_and(|place| self.ends_otherwise(&place, &prev)) {
            return Ok(Fit::up_to_signed(span, false));
        }
        // Rule 8
        if is_stated {
            return Ok(Fit::Whole);
        }
        // Rule 9
        if self.known.goes_past(&end)
            || self.states_within(life, span)
            || here.leads_to(&span.behind_signed())
            || self.has_ended_within(life, span)
        {
            return Ok(Fit::up_to_signed(span, false));
        }
        // Rules 10 and 11
        Ok(if has_to_join { self.joined(&end, span, here) } else { Fit::Whole })
    }

    /// Rule 3: whether another head is stated at the place of the last record.
    fn states_another(&self, end: (Life, u64), head: Fingerprint) -> bool {
        self.stated
            .range((end, Fingerprint::FIRST)..=(end, Fingerprint::LAST))
            .any(|(_, other)| *other != head)
    }

    /// Rules 4 and 9: whether a head is stated of a record that no signature in the span covers, and
    /// that is not the last one.
    fn states_within(&self, life: &Life, span: &Span) -> bool {
        let inside = span.behind_signed();
        let places =
            ((*life, *inside.start()), Fingerprint::FIRST)..((*life, *inside.end()), Fingerprint::FIRST);
        !inside.is_empty() && self.stated.range(places).next().is_some()
    }

    /// Rule 5: whether the last signature of another span is at a record that no signature in the
    /// span covers.
    fn has_signed_behind(&self, life: &Life, span: &Span) -> bool {
        let inside = span.behind_signed();
        let places = (*life, *inside.start())..=(*life, *inside.end());
        !inside.is_empty() && self.signed.range(places).next().is_some()
    }

    /// Rule 7: whether the record at a place is known, with other heads only.
    fn ends_otherwise(&self, place: &(Life, u64), head: &Fingerprint) -> bool {
        self.ends.get(place).is_some_and(|heads| !heads.contains(head))
    }

    /// Rule 9: whether a life ended before the last record of the span, and not before `signed`.
    fn has_ended_within(&self, life: &Life, span: &Span) -> bool {
        let (first, last) = (*span.records.start(), *span.records.end());
        let from = span.signed.map_or(first, |signed| signed.max(first));
        from < last && self.ended.range((*life, from)..(*life, last)).next().is_some()
    }

    /// Rule 10: whether the span continues a record, and an intact record continues it. A life begins
    /// with a signature.
    fn joined(&self, end: &(Life, u64), span: &Span, here: &Here) -> Fit {
        let Some((prev, head)) = span.edges else { return Fit::Not };
        let first = *span.records.start();
        let before =
            before(end.0, first, None).filter(|_| self.tied.contains(&(*end, head)) && !here.has(first));
        before.map_or(Fit::Not, |place| Fit::Joined((place, prev)))
    }
}
