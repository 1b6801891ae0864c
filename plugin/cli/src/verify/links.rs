//! Compares the first record of each life with the life from which it continues.

use super::Verdict;
use super::beginning::Beginning;
use super::history::{History, Lives, MissingEnd, first_of};
use super::rows::Rows;
use super::segment::has_first;
use super::spool::Fingerprint;
use super::wording::named;
use flb_audit_core::chain::{Life, Place, Position};
use flb_audit_core::record::notes::Notes;
use std::io;

/// The record from which a life continues.
pub(super) enum Origin {
    /// The life names none: it is the chain's first, or its node had lost its state.
    Nothing(Option<Fingerprint>),
    /// The life continues from this record, which has this head.
    Record(Place, Option<Fingerprint>),
}

/// The last life that continues from each life, and whether one of those that do is covered.
pub(super) type Successors = Rows<Life, (Life, bool)>;

impl<F: FnMut(Verdict, Position, String)> History<'_, F> {
    /// Returns the record from which a life continues, as its first record or each span with that
    /// states it. Returns nothing if the life's first record is neither here nor in a span.
    pub(super) fn origins(&self, life: &Life) -> Vec<Origin> {
        let of = |link: Option<Place>, before| {
            link.map_or(Origin::Nothing(before), |link| Origin::Record(link, before))
        };
        match self.stretches(life).first().filter(|stretch| stretch.is_first()) {
            Some(stretch) => vec![of(self.chain.link(life), Some(stretch.before))],
            None => self.spans.links(life).into_iter().map(|link| of(link, None)).collect(),
        }
    }

    /// Compares the beginning of a life with the end of the life from which it continues.
    pub(super) fn check_origin(
        &mut self,
        life: &Life,
        origin: Origin,
        lives: &Lives,
        next_of: &mut Successors,
    ) -> io::Result<()> {
        let Life { segment: number, run, .. } = *life;
        let is_first = lives.before(life).is_none();
        match origin {
            Origin::Nothing(Some(before)) if before != self.genesis => (self.add)(
                Verdict::LinkBroken,
                first_of(life),
                format!("segment {number} (run {run}) does not say what it goes on from"),
            ),
            Origin::Nothing(_) if is_first => {}
            Origin::Nothing(_) => self.report_new_start(life),
            Origin::Record(link, _) if link.segment >= number => (self.add)(
                Verdict::LinkBroken,
                first_of(life),
                format!(
                    "segment {number} (run {run}) says that it goes on from segment {}, which is not before it",
                    link.segment
                ),
            ),
            Origin::Record(link, before) => {
                let target = link.life(self.id);
                self.check_link_to_start(life, link, before);
                self.check_successor(life, link, next_of);
                if lives.contains_key(&target) {
                    self.check_link(life, link, before)?;
                } else {
                    self.miss_life(link);
                }
                self.check_settled(life)?;
            }
        }
        Ok(())
    }

    /// Compares a link with the checkpoint with which the log begins.
    pub(super) fn check_link_to_start(&mut self, life: &Life, link: Place, before: Option<Fingerprint>) {
        let Some(start) = self.chain.first_checkpoint() else { return };
        let Life { segment, run, .. } = *life;
        if link == start.place && before.is_some_and(|before| before != start.head) {
            let what =
                format!("segment {segment} (run {run}) does not go on from the record that --from names");
            (self.add)(Verdict::LinkBroken, first_of(life), what);
        }
        if link.segment < start.place.segment && segment > start.place.segment {
            let what = format!(
                "segment {segment} (run {run}) goes on from {}, before the record that --from names",
                named(link.position())
            );
            let verdict = self.fork_verdict(life);
            (self.add)(verdict, first_of(life), what);
        }
    }

    /// Returns what a life's first record says. The record is covered, or it is in a span and counts
    /// as covered.
    fn said(&self, life: &Life) -> Option<Beginning> {
        if has_first(self.stretches, life) {
            let segment = self.chain.segments.get(life).filter(|_| self.coverage.has(life, 0));
            return segment.map(|segment| segment.beginning.clone());
        }
        self.spans.beginning(life).cloned()
    }

    /// Checks whether a life's first record, as far as it counts, has this note on the node's state.
    fn says(&self, life: &Life, note: Notes) -> bool {
        self.said(life).is_some_and(|said| said.notes.contains(note))
    }

    /// Returns the verdict on two lives that continue from one record. If the later life
    /// states that its state was older than its keys, no second writer is involved.
    fn fork_verdict(&self, life: &Life) -> Verdict {
        if self.says(life, Notes::STATE_SET_BACK) { Verdict::StateDamaged } else { Verdict::Conflict }
    }

    /// Reports a life that is not the first but continues from no record.
    fn report_new_start(&mut self, life: &Life) {
        let (verdict, why) = if self.says(life, Notes::STATE_DAMAGED) {
            self.forks.add_restart(Position { segment: life.segment, sequence: 0 });
            (Verdict::StateDamaged, "its node found its state damaged, as its seal says")
        } else {
            (Verdict::LinkBroken, "the state file was damaged or replaced")
        };
        let what = format!("segment {} (run {}) starts anew: {why}", life.segment, life.run);
        (self.add)(verdict, first_of(life), what);
    }

    /// Reports a fork: two lives must not continue from the same life.
    fn check_successor(&mut self, life: &Life, link: Place, next_of: &mut Successors) {
        let Life { segment: number, run, .. } = *life;
        let target = link.life(self.id);
        let is_covered = self.said(life).is_some();
        let next = next_of.get(&target);
        next_of.insert(target, (*life, is_covered || next.is_some_and(|(_, is_covered)| is_covered)));
        // The spans of one life may link to several records.
        if let Some((other, is_other_covered)) = next.filter(|(other, _)| other != life) {
            self.add_fork(link.position(), life, is_other_covered);
            let what = format!(
                "segments {} (run {}) and {number} (run {run}) both go on from segment {}: two filters with one state \
                 directory, or a state that was set back",
                other.segment, other.run, link.segment
            );
            let verdict = self.fork_verdict(life);
            (self.add)(verdict, first_of(life), what);
        }
    }

    fn check_link(&mut self, life: &Life, link: Place, before: Option<Fingerprint>) -> io::Result<()> {
        let Life { segment: number, run, .. } = *life;
        let target = link.life(self.id);
        let last = self.last(&target);
        let here = match self.chain.segments.get(&target) {
            Some(segment) => segment.head(link.sequence, self.spool)?,
            None => None,
        };
        let is_spanned = self.spans.has_end(&target, link.sequence);
        match here {
            Some(head) if before.is_some_and(|before| head != before) => (self.add)(
                Verdict::LinkBroken,
                first_of(life),
                format!(
                    "segment {number} (run {run}) does not go on from record {} of segment {} that is here",
                    link.sequence, link.segment
                ),
            ),
            None if !is_spanned && last.is_none_or(|last| link.sequence > last) => {
                let end = MissingEnd {
                    life: target,
                    records: last.map_or(0, |last| last.saturating_add(1))..=link.sequence,
                    is_whole: false,
                };
                self.miss_end(end);
            }
            Some(_) if self.coverage.has(life, 0) && !self.coverage.has(&target, link.sequence) => {
                self.too_early.push((*life, link));
            }
            _ => {}
        }
        if let Some(last) = last.filter(|last| *last > link.sequence) {
            let went_on = self.coverage.in_life(&target).iter().any(|range| *range.end() > link.sequence);
            self.add_fork(link.position(), life, went_on);
            let what = format!(
                "segment {} (run {}) went on to record {last} after segment {number} had taken over at {}: two filters \
                 with one state directory, or a state that was set back, as a loss of power does",
                link.segment, link.run, link.sequence
            );
            let verdict = self.fork_verdict(life);
            (self.add)(verdict, link.position(), what);
        }
        Ok(())
    }

    /// Reports a life whose signature would cover the record from which the life
    /// continues, if its key had been in force then.
    pub(super) fn report_too_early(&mut self, life: &Life, link: Place) {
        // In a state that was set back this is normal: the keys are newer.
        if !self.says(life, Notes::STATE_SET_BACK) {
            let what = format!(
                "segment {} (run {}) goes on from {}, from before its key came into force, and the key before has not \
                 handed over there",
                life.segment,
                life.run,
                named(link.position())
            );
            let (verdict, what) = match self.covered_forks.before(first_of(life)) {
                Some(Verdict::Conflict) => {
                    (Verdict::Conflict, format!("{what}, as two writers of one chain do"))
                }
                _ => (Verdict::KeyNotCertified, what),
            };
            (self.add)(verdict, first_of(life), what);
        }
    }

    /// Checks the record before the first unsettled one. It was sealed and handed on long
    /// before the stop. If it is missing, there may be no other link that shows that it
    /// existed.
    fn check_settled(&mut self, life: &Life) -> io::Result<()> {
        let Some((first, head)) = self.said(life).and_then(|said| said.unsettled) else { return Ok(()) };
        let settled = first.life(self.id);
        if let Some(segment) = self.chain.segments.get(&settled)
            && segment.before_record(first.sequence, self.spool)?.is_some_and(|here| here != head)
        {
            let what = format!(
                "the record before {} is not the one that segment {} (run {}) names",
                named(first.position()),
                life.segment,
                life.run
            );
            (self.add)(Verdict::Tampered, first.position(), what);
        }
        if settled < *life {
            self.miss_before(first);
        }
        Ok(())
    }

    /// Adds a record from which `later` and another life continue.
    fn add_fork(&mut self, at: Position, later: &Life, is_other_covered: bool) {
        let verdict = self.fork_verdict(later);
        self.forks.add(at, verdict);
        if is_other_covered && self.said(later).is_some() {
            self.covered_forks.add(at, verdict);
        }
    }
}
