//! Finds the records that signatures cover.
//!
//! A signature is over a head, and a head is over the record and the head before it. So a
//! good checkpoint covers itself, the records before it as long as each head is the one
//! before the next record, and, over a link, the record from which the life continues.
//! Sequence numbers do not matter for this.
//!
//! The holder of a key can sign any head, but the signature only counts for records since
//! the key came into force. So a signature reaches over a handover only if the head that
//! the previous key has signed there is present. From there on it counts as a signature
//! of that key.

use super::chain_log::{BATCH_ROWS_MAX, ChainLog};
use super::keys::{Authorities, Authority, Signed};
use super::rows::Rows;
use super::segment::{Segment, Stretch, Stretches};
use super::spool::Spool;
use flb_audit_core::chain::{ChainId, Life, Place, Position};
use std::collections::BTreeMap;
use std::io;
use std::ops::RangeInclusive;
use std::rc::Rc;

/// The records of a chain that the holders of its keys have sealed.
///
/// Only [`Coverage::of`] makes this type, from intact records and good signatures. So any
/// code that has it can claim that a record was sealed.
pub(super) struct Coverage {
    lives: Rows<Life, Rc<Vec<RangeInclusive<u64>>>>,
    /// The number of covered records.
    pub(super) records: u64,
}

/// The records through which signatures are followed.
struct Walk<'a> {
    life: &'a Life,
    segment: &'a Segment,
    stretch: &'a Stretch,
    authorities: &'a Authorities<'a>,
}

impl Walk<'_> {
    /// Returns the first record that a signature reaches. If that is the first of the
    /// stretch, also returns the authority by which the signature counts there.
    fn reach(&self, signed: &Signed, spool: &mut Spool) -> io::Result<Option<(u64, Option<Authority>)>> {
        let at = |sequence: u64| Position { segment: self.life.segment, sequence };
        let is_here = self.segment.head(signed.sequence, spool)? == Some(signed.head);
        if !is_here || signed.by.since > at(signed.sequence) {
            return Ok(None);
        }
        let first = *self.stretch.records.start();
        let mut by = signed.by;
        while by.since > at(first) {
            let reached = by.since.sequence;
            let before = self.segment.before_record(reached, spool)?;
            let over = before.and_then(|head| self.authorities.over(by, head, at(reached - 1)));
            match over {
                Some(over) => by = over,
                None => return Ok(Some((reached, None))),
            }
        }
        Ok(Some((first, Some(by))))
    }
}

impl Coverage {
    /// Follows all signatures of a chain through its stretches.
    pub(super) fn of(
        id: ChainId,
        chain: &ChainLog,
        stretches: &Stretches,
        spool: &mut Spool,
    ) -> io::Result<Coverage> {
        let mut coverage = Coverage { lives: Rows::new(&spool.rows, BATCH_ROWS_MAX), records: 0 };
        let authorities = chain.keys.authorities();
        // Records whose heads are signed elsewhere: in a handover, or by a link.
        let mut signed: BTreeMap<Life, Vec<Signed>> = BTreeMap::new();
        for (life, handed_over) in chain.keys.heads_handed_over(id, &authorities) {
            signed.entry(life).or_default().push(handed_over);
        }
        // Links lead back, so a life is visited after the lives that continue from it.
        for (life, stretches) in stretches.rev() {
            let here = signed.remove(&life).unwrap_or_default();
            let Some(segment) = chain.segments.get(&life) else { continue };
            for stretch in &*stretches {
                let checkpoints = chain.keys.signed_in(&life, &stretch.records, &authorities);
                let heads = here.iter().copied().filter(|signed| stretch.records.contains(&signed.sequence));
                let mut heads: Vec<Signed> = checkpoints.chain(heads).collect();
                heads.sort_unstable();
                let link = segment.beginning.link.filter(|link| link.segment < life.segment);
                let link = link.filter(|_| *stretch.records.start() == 0);
                let walk = Walk { life: &life, segment: &segment, stretch, authorities: &authorities };
                let linked = coverage.add(&walk, heads, link.as_ref(), spool)?;
                if let (Some(linked), Some(link)) = (linked, link) {
                    signed.entry(link.life(id)).or_default().push(linked);
                }
            }
        }
        Ok(coverage)
    }

    /// Adds the signed records of a stretch. Returns the signature over the record from
    /// which its life continues, if there is one.
    fn add(
        &mut self,
        walk: &Walk<'_>,
        mut heads: Vec<Signed>,
        link: Option<&Place>,
        spool: &mut Spool,
    ) -> io::Result<Option<Signed>> {
        let mut covered: Vec<RangeInclusive<u64>> = Vec::new();
        let mut linked = None;
        // The last signature of a life nearly always covers all of it.
        while let Some(signed) = heads.pop() {
            let is_whole = covered.last().is_some_and(|range| range.start() == walk.stretch.records.start());
            if is_whole && (link.is_none() || linked.is_some()) {
                break;
            }
            let Some((reached, by)) = walk.reach(&signed, spool)? else { continue };
            match covered.last_mut() {
                Some(range) if *range.start() <= signed.sequence.saturating_add(1) => {
                    *range = reached.min(*range.start())..=*range.end();
                }
                _ => covered.push(reached..=signed.sequence),
            }
            if let (Some(link), Some(by)) = (link, by) {
                let head = walk.stretch.before;
                let by = walk.authorities.over(by, head, link.position());
                linked = by.map(|by| Signed { sequence: link.sequence, head, by });
            }
        }
        if covered.is_empty() {
            return Ok(linked);
        }
        let of_life = Rc::make_mut(self.lives.entry_or(*walk.life, Rc::default));
        for range in covered.into_iter().rev() {
            let count = (range.end() - range.start()).saturating_add(1);
            self.records = self.records.saturating_add(count);
            of_life.push(range);
        }
        Ok(linked)
    }

    /// Returns the covered records of a life.
    pub(super) fn in_life(&self, life: &Life) -> Rc<Vec<RangeInclusive<u64>>> {
        self.lives.get(life).unwrap_or_default()
    }

    /// Returns all lives with covered records, and these records.
    pub(super) fn lives(&self) -> impl Iterator<Item = (Life, Rc<Vec<RangeInclusive<u64>>>)> {
        self.lives.iter()
    }

    /// Checks whether a record is covered.
    pub(super) fn has(&self, life: &Life, sequence: u64) -> bool {
        let ranges = self.in_life(life);
        let after = ranges.partition_point(|range| *range.start() <= sequence);
        after.checked_sub(1).is_some_and(|at| ranges[at].contains(&sequence))
    }

    /// Returns the last covered position. The last run of the last segment may have fewer
    /// covered records than another run of that segment.
    pub(super) fn last(&self) -> Option<Position> {
        let (last, _) = self.lives.last()?;
        let of_segment = self.lives.rev().take_while(|(life, _)| life.segment == last.segment);
        let ends = of_segment.filter_map(|(_, ranges)| ranges.last().map(|range| *range.end()));
        Some(Position { segment: last.segment, sequence: ends.max()? })
    }
}
