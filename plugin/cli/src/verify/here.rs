//! The records of a life that are here, as its spans see them.

use super::chain_log::ChainLog;
use super::coverage::Coverage;
use super::ranges::joined;
use super::segment::{Segment, Stretch, Stretches};
use super::spans::End;
use super::spool::{Fingerprint, Spool};
use flb_audit_core::chain::Life;
use std::collections::BTreeSet;
use std::io;
use std::ops::RangeInclusive;
use std::rc::Rc;

/// The records of one life that are here.
pub(super) struct Here {
    stretches: Rc<Vec<Stretch>>,
    /// The records that are covered, or from which the heads lead to a stated one.
    led: Vec<RangeInclusive<u64>>,
    segment: Option<Rc<Segment>>,
}

impl Here {
    pub(super) fn of(
        life: &Life,
        stretches: &Stretches,
        coverage: &Coverage,
        chain: &ChainLog,
        stated: &BTreeSet<End>,
        spool: &mut Spool,
    ) -> io::Result<Here> {
        let stretches = stretches.get(life).unwrap_or_default();
        let segment = if stretches.is_empty() { None } else { chain.segments.get(life) };
        let mut here = Here { stretches, led: coverage.in_life(life).to_vec(), segment };
        let of_life = ((*life, 0), Fingerprint::FIRST)..=((*life, u64::MAX), Fingerprint::LAST);
        for ((_, sequence), head) in stated.range(of_life) {
            if here.head(*sequence, spool)? == Some(*head)
                && let Some(stretch) = here.stretch(*sequence)
            {
                let led = *stretch.records.start()..=*sequence;
                here.led.push(led);
            }
        }
        here.led = joined(here.led);
        Ok(here)
    }

    /// Returns the stretch with a record.
    fn stretch(&self, sequence: u64) -> Option<&Stretch> {
        let at = self.stretches.partition_point(|stretch| *stretch.records.end() < sequence);
        self.stretches.get(at).filter(|stretch| stretch.records.contains(&sequence))
    }

    /// Returns the head of a record, shortened.
    fn head(&self, sequence: u64, spool: &mut Spool) -> io::Result<Option<Fingerprint>> {
        let head = self.segment.as_ref().map_or(Ok(None), |segment| segment.head(sequence, spool))?;
        Ok(head.map(Fingerprint::shortened))
    }

    pub(super) fn has(&self, sequence: u64) -> bool {
        self.stretch(sequence).is_some()
    }

    pub(super) fn stretches(&self) -> &[Stretch] {
        &self.stretches
    }

    /// Returns the last record or, if the chain is known, the last one that a signature leads to.
    pub(super) fn last(&self, is_known: bool) -> Option<u64> {
        let end = if is_known { self.led.last() } else { self.stretches.last().map(|last| &last.records) };
        end.map(|records| *records.end())
    }

    /// Checks whether a signature leads to a record.
    pub(super) fn is_led(&self, sequence: u64) -> bool {
        self.leads_to(&(sequence..=sequence))
    }

    /// Checks whether a signature leads to one of these records.
    pub(super) fn leads_to(&self, records: &RangeInclusive<u64>) -> bool {
        has_one(&self.led, records)
    }

    /// Returns the head of a record, as the next record states it. That record counts, and goes on
    /// from a record that is here.
    pub(super) fn before_next(
        &self,
        last: u64,
        is_known: bool,
        spool: &mut Spool,
    ) -> io::Result<Option<Fingerprint>> {
        let at = self.stretches.partition_point(|stretch| *stretch.records.end() <= last);
        let stretch = self.stretches.get(at).filter(|stretch| *stretch.records.start() <= last);
        let is_led = last.checked_add(1).is_some_and(|next| self.is_led(next));
        if stretch.is_some() && (is_led || !is_known) { self.head(last, spool) } else { Ok(None) }
    }
}

/// Checks whether one of some records is in ranges, which are in order and do not overlap.
fn has_one(ranges: &[RangeInclusive<u64>], records: &RangeInclusive<u64>) -> bool {
    let at = ranges.partition_point(|range| range.end() < records.start());
    !records.is_empty() && ranges.get(at).is_some_and(|range| range.start() <= records.end())
}
