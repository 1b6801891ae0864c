//! What the good checkpoints of one chain say of its keys, in whatever order
//! they were read.

use super::signatures::GoodCheckpoint;
use super::spool::Fingerprint;
use flb_audit_core::chain::{ChainId, Life, Place, Position};
use flb_audit_core::hash::Hash;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// One key.
#[derive(Default)]
struct Key {
    /// The first record under it, and the head before that. Of a key that came into
    /// force twice, both.
    since: Vec<(Place, Fingerprint)>,
    /// The last record that it has signed.
    last: Option<Position>,
}

/// The keys of a chain that have signed something.
#[derive(Default)]
pub(super) struct Keys {
    keys: BTreeMap<u32, Key>,
    /// The last record that is signed.
    pub(super) last_signed: Option<Position>,
    /// The heads that are signed, by life and record.
    signed: BTreeMap<Life, BTreeMap<u64, Fingerprint>>,
    /// In each life, which keys have signed, and the first and the last record.
    lives: BTreeMap<Life, BTreeMap<u32, (u64, u64)>>,
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
    /// A record that an older key has signed than the one that was in force
    /// before it: in its life, or in the one that the life goes on from.
    Outdated { index: u32, life: Life, sequence: u64 },
}

impl Misfit {
    /// Where in the chain it shows.
    pub(super) fn position(&self) -> Position {
        match self {
            Misfit::Forked { places: [one, other], .. } => one.position().min(other.position()),
            Misfit::Late { record, .. } => *record,
            Misfit::Backwards { place, .. } | Misfit::NotHandedOver { place, .. } => place.position(),
            Misfit::Outdated { life, sequence, .. } => {
                Position { segment: life.segment, sequence: *sequence }
            }
        }
    }
}

impl Keys {
    /// Adds a checkpoint at a place.
    pub(super) fn add(
        &mut self,
        chain: ChainId,
        place: &Place,
        head: Fingerprint,
        checkpoint: &GoodCheckpoint,
        fingerprint: impl Fn(&Hash) -> Fingerprint,
    ) {
        for handover in checkpoint.since() {
            let key = self.keys.entry(handover.index).or_default();
            let since = (handover.place, fingerprint(&handover.head));
            if !key.since.contains(&since) {
                key.since.push(since);
            }
        }
        let (life, index) = (place.life(chain), checkpoint.index());
        let range = self.lives.entry(life).or_default().entry(index);
        let range = range.or_insert((place.sequence, place.sequence));
        *range = (range.0.min(place.sequence), range.1.max(place.sequence));
        let key = self.keys.entry(index).or_default();
        key.last = key.last.max(Some(place.position()));
        self.last_signed = self.last_signed.max(Some(place.position()));
        self.signed.entry(life).or_default().insert(place.sequence, head);
    }

    /// The first record under each key, and the head before it.
    pub(super) fn since(&self) -> impl Iterator<Item = (u32, Place, Fingerprint)> {
        self.keys
            .iter()
            .flat_map(|(index, key)| key.since.iter().map(|(place, head)| (*index, *place, *head)))
    }

    /// The records before those that keys came into force with, in the same life,
    /// and their heads, which the keys before have signed.
    pub(super) fn heads_handed_over(&self, chain: ChainId) -> impl Iterator<Item = (Life, u64, Fingerprint)> {
        let since = self.since();
        since.filter_map(move |(_, place, head)| {
            Some((place.life(chain), place.sequence.checked_sub(1)?, head))
        })
    }

    /// The signed heads among some records of a life.
    pub(super) fn signed_in(
        &self,
        life: &Life,
        records: &RangeInclusive<u64>,
    ) -> impl Iterator<Item = (u64, Fingerprint)> {
        let signed = self.signed.get(life).into_iter();
        signed.flat_map(|signed| signed.range(records.clone())).map(|(sequence, head)| (*sequence, *head))
    }

    /// Returns all that does not fit. After a key that was put into force twice
    /// there are two histories, and its successors are not compared.
    pub(super) fn misfits(&self, links: &BTreeMap<Life, Place>) -> Vec<Misfit> {
        let mut misfits = self.outdated(links);
        let forked = self.forked();
        if let Some((index, one, other)) = forked {
            misfits.push(Misfit::Forked { index, places: [one, other] });
        }
        let end = forked.map_or(u32::MAX, |(index, ..)| index);
        let mut before: (u32, Position) = (0, Position::default());
        let mut last_used: Option<(u32, Position)> = None;
        for (&index, key) in self.keys.range(..end) {
            if let Some((place, _)) = key.since.first().copied() {
                if place.position() < before.1 {
                    misfits.push(Misfit::Backwards { index, place });
                } else if let Some((index, record)) = last_used.filter(|(_, last)| *last >= place.position())
                {
                    misfits.push(Misfit::Late { index, record, next: place });
                }
                if index != before.0 + 1 {
                    let last = last_used.map_or(before.1, |(_, last)| last.max(before.1));
                    misfits.push(Misfit::NotHandedOver { index: before.0 + 1, last, place });
                }
                before = (index, place.position());
            }
            let later = key.last.filter(|last| last_used.is_none_or(|(_, before)| before < *last));
            last_used = later.map(|last| (index, last)).or(last_used);
        }
        misfits
    }

    /// Returns the lowest key that was put into force at two places, and the first two
    /// of them.
    fn forked(&self) -> Option<(u32, Place, Place)> {
        self.keys.iter().find_map(|(index, key)| {
            let mut places: Vec<Place> = key.since.iter().map(|(place, _)| *place).collect();
            places.sort_unstable_by_key(|place| (place.position(), *place.run.as_bytes()));
            places.dedup();
            match places[..] {
                [one, other, ..] => Some((*index, one, other)),
                _ => None,
            }
        })
    }

    fn outdated(&self, links: &BTreeMap<Life, Place>) -> Vec<Misfit> {
        let mut outdated = Vec::new();
        for (life, keys) in &self.lives {
            let linked = links.get(life).and_then(|link| {
                let before = self.lives.get(&link.life(life.chain))?;
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
                    outdated.push(Misfit::Outdated { index, life: *life, sequence: first });
                }
                newest = newest.max(index);
                end = end.max(Some(last));
            }
        }
        outdated
    }
}
