//! How far signatures reach.
//!
//! A signature is over a head, and a head is over the record and the head before
//! it. So a good checkpoint vouches for itself, for the records before it as far
//! as each head is the one before the next record, and over a link for the record
//! that the life goes on from. Numbers play no part in it.

use super::chain_log::ChainLog;
use super::segment::Stretch;
use super::spool::{Fingerprint, Spool};
use flb_audit_core::chain::{ChainId, Life, Position};
use std::collections::BTreeMap;
use std::io;
use std::ops::RangeInclusive;

/// The records of a chain that the holders of its keys have sealed.
///
/// Only [`Coverage::of`] makes it, out of intact records and good signatures:
/// whoever asks for it can claim that a record was sealed.
#[derive(Default)]
pub(super) struct Coverage {
    lives: BTreeMap<Life, Vec<RangeInclusive<u64>>>,
    /// How many records it has.
    pub(super) records: u64,
}

impl Coverage {
    /// Follows all signatures of a chain, of which these are the stretches.
    pub(super) fn of(
        id: ChainId,
        chain: &ChainLog,
        stretches: &BTreeMap<Life, Vec<Stretch>>,
        spool: &mut Spool,
    ) -> io::Result<Coverage> {
        let mut coverage = Coverage::default();
        // Records whose heads are signed elsewhere: in a handover, or by a link.
        let mut signed: BTreeMap<Life, Vec<(u64, Fingerprint)>> = BTreeMap::new();
        for (life, sequence, head) in chain.keys.heads_handed_over(id) {
            signed.entry(life).or_default().push((sequence, head));
        }
        // Links lead back, so what goes on from a life is seen before it.
        for (life, stretches) in stretches.iter().rev() {
            let here = signed.remove(life).unwrap_or_default();
            for stretch in stretches {
                let checkpoints = chain.keys.signed_in(life, &stretch.records);
                let heads = here.iter().copied().filter(|(at, _)| stretch.records.contains(at));
                let mut heads: Vec<_> = checkpoints.chain(heads).collect();
                heads.sort_unstable();
                let mut reached = None;
                for (sequence, head) in heads.into_iter().rev() {
                    if chain.segments[life].head(sequence, spool)? == Some(head) {
                        reached = Some(sequence);
                        break;
                    }
                }
                let Some(last) = reached else { continue };
                let first = *stretch.records.start();
                coverage.records = coverage.records.saturating_add(last - first).saturating_add(1);
                coverage.lives.entry(*life).or_default().push(first..=last);
                if let Some(link) =
                    chain.links.get(life).filter(|link| first == 0 && link.segment < life.segment)
                {
                    signed.entry(link.life(id)).or_default().push((link.sequence, stretch.before));
                }
            }
        }
        Ok(coverage)
    }

    /// The covered records of a life.
    pub(super) fn in_life(&self, life: &Life) -> &[RangeInclusive<u64>] {
        self.lives.get(life).map_or(&[], Vec::as_slice)
    }

    /// The covered records that begin at this one.
    pub(super) fn from(&self, life: &Life, first: u64) -> Option<&RangeInclusive<u64>> {
        let ranges = self.in_life(life);
        ranges.binary_search_by_key(&first, |range| *range.start()).ok().map(|at| &ranges[at])
    }

    /// All covered records, by life.
    pub(super) fn ranges(&self) -> impl Iterator<Item = (&Life, &RangeInclusive<u64>)> {
        self.lives.iter().flat_map(|(life, ranges)| ranges.iter().map(move |range| (life, range)))
    }

    /// Whether a record is covered.
    pub(super) fn has(&self, life: &Life, sequence: u64) -> bool {
        let ranges = self.in_life(life);
        let after = ranges.partition_point(|range| *range.start() <= sequence);
        after.checked_sub(1).is_some_and(|at| ranges[at].contains(&sequence))
    }

    /// The last covered record.
    pub(super) fn last(&self) -> Option<Position> {
        let (life, ranges) = self.lives.last_key_value()?;
        Some(Position { segment: life.segment, sequence: *ranges.last()?.end() })
    }
}
