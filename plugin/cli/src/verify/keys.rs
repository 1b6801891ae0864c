//! What has been seen of one chain's keys, in whatever order it came.

use super::chains::Life;
use super::segment::Fingerprint;
use super::signatures::{Signed, position};
use flb_audit_core::chain::Place;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

/// Segment and number of a record.
pub(super) type Position = (u64, u64);

/// One key.
#[derive(Default)]
struct Key {
    /// The first record under it, and the head before that.
    since: Option<(Place, Fingerprint)>,
    /// The last record that it has signed.
    last: Option<Position>,
}

/// The keys of a chain whose signatures are good.
#[derive(Default)]
pub(super) struct Keys {
    keys: BTreeMap<u32, Key>,
    /// The last record that is signed.
    pub(super) last_signed: Option<Position>,
    /// All records of each life that are.
    signed: BTreeMap<Life, BTreeSet<u64>>,
    /// In each life, which keys have signed, and the first and the last record.
    lives: BTreeMap<Life, BTreeMap<u32, (u64, u64)>>,
    /// The lowest key that was put into force at two places.
    forked: Option<(u32, Place, Place)>,
}

/// Something that does not fit.
pub(super) enum Misfit {
    /// A key that came into force at two places.
    Forked { index: u32, places: [Place; 2] },
    /// A key that has signed a record after the next one was in force.
    Late { index: u32, record: Position, next: Place },
    /// A key that came into force before the one before it.
    Backwards { index: u32, place: Place },
    /// A key that came into force without the one before it having said so,
    /// with the last record known to be under an earlier key.
    NotHandedOver { index: u32, last: Position, place: Place },
}

impl Keys {
    /// Adds a checkpoint whose signatures are good.
    pub(super) fn add(
        &mut self,
        place: &Place,
        signed: &Signed,
        fingerprint: impl Fn(&[u8; 32]) -> Fingerprint,
    ) {
        for handover in &signed.since {
            let key = self.keys.entry(handover.index).or_default();
            let since = (handover.place, fingerprint(&handover.head));
            let (before, _) = *key.since.get_or_insert(since);
            let is_lowest = self.forked.is_none_or(|(index, ..)| handover.index < index);
            if before != handover.place && is_lowest {
                self.forked = Some((handover.index, before, handover.place));
            }
        }
        let life = self.lives.entry((place.segment, place.run)).or_default();
        let range = life.entry(signed.index).or_insert((place.sequence, place.sequence));
        *range = (range.0.min(place.sequence), range.1.max(place.sequence));
        let key = self.keys.entry(signed.index).or_default();
        key.last = key.last.max(Some(position(place)));
        self.last_signed = self.last_signed.max(Some(position(place)));
        self.signed.entry((place.segment, place.run)).or_default().insert(place.sequence);
    }

    /// The first record under each key, and the head before it.
    pub(super) fn since(&self) -> impl Iterator<Item = (u32, Place, Fingerprint)> {
        self.keys.iter().filter_map(|(index, key)| key.since.map(|(place, head)| (*index, place, head)))
    }

    /// The last of some records of a life that is signed.
    pub(super) fn last_signed_in(&self, life: Life, records: &RangeInclusive<u64>) -> Option<u64> {
        self.signed.get(&life)?.range(records.clone()).next_back().copied()
    }

    /// The lives and their records that an older key has signed than the one
    /// that was in force before: in that life, or in the one that it goes on
    /// from.
    pub(super) fn outdated(&self, links: &BTreeMap<Life, Place>) -> Vec<(Life, u32, u64)> {
        let mut outdated = Vec::new();
        for (life, keys) in &self.lives {
            let linked = links.get(life).and_then(|link| {
                let before = self.lives.get(&(link.segment, link.run))?;
                let before = before.iter().filter(|(_, (first, _))| *first <= link.sequence);
                before.map(|(index, _)| *index).max()
            });
            let mut by_record: Vec<_> =
                keys.iter().map(|(index, (first, last))| (*first, *last, *index)).collect();
            by_record.sort_unstable();
            let mut newest = linked.unwrap_or(0);
            let mut end = None;
            for (first, last, index) in by_record {
                if index < newest || end.is_some_and(|end| first <= end) {
                    outdated.push((*life, index, first));
                }
                newest = newest.max(index);
                end = end.max(Some(last));
            }
        }
        outdated
    }

    /// All that does not fit, up to a key that was put into force twice: what
    /// comes after that is two histories, and compares with neither.
    pub(super) fn misfits(&self) -> Vec<Misfit> {
        let mut misfits = Vec::new();
        if let Some((index, one, other)) = self.forked {
            misfits.push(Misfit::Forked { index, places: [one, other] });
        }
        let end = self.forked.map_or(u32::MAX, |(index, ..)| index);
        let mut before: (u32, Position) = (0, (0, 0));
        let mut last_used: Option<(u32, Position)> = None;
        for (&index, key) in self.keys.range(..end) {
            if let Some((place, _)) = key.since {
                if position(&place) < before.1 {
                    misfits.push(Misfit::Backwards { index, place });
                } else if let Some((index, record)) = last_used.filter(|(_, last)| *last >= position(&place))
                {
                    misfits.push(Misfit::Late { index, record, next: place });
                }
                if index != before.0 + 1 {
                    let last = last_used.map_or(before.1, |(_, last)| last.max(before.1));
                    misfits.push(Misfit::NotHandedOver { index: before.0 + 1, last, place });
                }
                before = (index, position(&place));
            }
            let later = key.last.filter(|last| last_used.is_none_or(|(_, before)| before < *last));
            last_used = later.map(|last| (index, last)).or(last_used);
        }
        misfits
    }
}
