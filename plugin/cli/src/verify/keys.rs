//! The keys of one chain, as the good checkpoints state them, in any order of reading.

use super::bytes::{Bytes, Damaged};
use super::chain_log::BATCH_ROWS_MAX;
use super::rows::{RowFile, Rows, Stored};
use super::signatures::GoodCheckpoint;
use super::spool::Fingerprint;
use flb_audit_core::chain::certificate::Handover;
use flb_audit_core::chain::checkpoint::Checkpoint;
use flb_audit_core::chain::{ChainId, Life, Place, Position};
use std::iter::Peekable;
use std::ops::RangeInclusive;
use std::vec::IntoIter;

/// A head that is signed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Signed {
    /// The record's number in its life.
    pub(super) sequence: u64,
    pub(super) head: Fingerprint,
    pub(super) by: Authority,
}

/// A key of a chain.
#[derive(Clone, Default)]
struct Key {
    /// The first record under the key, and the head before that record. A key that came
    /// into force twice has two.
    since: Vec<(Place, Fingerprint)>,
    /// The last record that the key has signed.
    last: Option<Position>,
}

/// The keys of a chain that have signed something.
pub(super) struct Keys {
    file: RowFile,
    keys: Rows<u32, Key>,
    /// The last signed record.
    pub(super) last_signed: Option<Position>,
    /// The signed heads: life, record, head, key, and the first record under the key as
    /// its checkpoint states it.
    signed: Rows<SignedHead, ()>,
}

/// Life, record, head, key, and the first record under the key as its checkpoint states it.
type SignedHead = (Life, u64, Fingerprint, u32, Position);

impl Stored for Key {
    fn put(&self, out: &mut Vec<u8>) {
        (self.last, self.since.clone()).put(out);
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damaged> {
        let (last, since) = Stored::take(from)?;
        Ok(Key { since, last })
    }

    fn is_small(&self) -> bool {
        self.since.is_small()
    }
}

/// The key by which a signature counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Authority {
    index: u32,
    /// The first record that the key can have signed.
    pub(super) since: Position,
}

/// The records from which each key of a chain is in force.
pub(super) struct Authorities<'a> {
    keys: &'a Rows<u32, Key>,
    /// The first record under each key. A key is never in force before the keys with
    /// lower numbers.
    since: Rows<u32, Position>,
}

impl Authorities<'_> {
    /// Returns the authority of a key whose checkpoint states `since` as the first record
    /// under it.
    fn of(&self, index: u32, since: Position) -> Authority {
        let before = self.since.before(&index);
        Authority { index, since: before.map_or(since, |(_, before)| since.max(before)) }
    }

    /// Returns the authority of a key that has handed over after `last`. If its own
    /// beginning is unknown, only `last` is known to be its own.
    fn that_handed_over(&self, index: u32, last: Position) -> Authority {
        let since = if index == 0 { Some(Position::default()) } else { self.since.get(&index) };
        Authority { index, since: since.unwrap_or(last) }
    }

    /// Returns the authority by which a signature also covers the record `to`, whose head
    /// is `head`. Returns `None` if the signature does not reach it, because the key
    /// before has not signed the head.
    pub(super) fn over(&self, from: Authority, head: Fingerprint, to: Position) -> Option<Authority> {
        let mut by = from;
        while by.since > to {
            let handed_over = self.keys.get(&by.index).unwrap_or_default();
            if !handed_over
                .since
                .iter()
                .any(|(place, before)| place.position() == by.since && *before == head)
            {
                return None;
            }
            let index = by.index.checked_sub(1)?;
            by = match index {
                0 => Authority { index, since: Position::default() },
                _ => Authority { index, since: self.since.get(&index)? },
            };
        }
        Some(by)
    }
}

/// Keys that have signed records which are in a span.
#[derive(Clone, Copy)]
pub(super) struct Listed {
    pub(super) first: u32,
    pub(super) last: u32,
    /// The first record of the span.
    pub(super) place: Place,
    /// The last record that they have signed.
    pub(super) signed: Position,
}

/// The keys of a chain in their order, up to some key.
struct Succession {
    /// The listed keys that are not reached yet, in the order of their first ones.
    listed: Peekable<IntoIter<Listed>>,
    /// The listed keys that are not in `used` yet, in the order of their last ones.
    last: Peekable<IntoIter<Listed>>,
    /// The last key that was handed over to, or is listed.
    known: u32,
    /// The last place of a handover.
    since: Position,
    /// The last record that one of these keys has signed, and which one.
    used: Option<(Position, u32)>,
}

impl Succession {
    fn new(mut listed: Vec<Listed>) -> Succession {
        listed.sort_unstable_by_key(|of| (of.first, of.place.position(), *of.place.run.as_bytes()));
        let mut last = listed.clone();
        last.sort_unstable_by_key(|of| of.last);
        let (listed, last) = (listed.into_iter().peekable(), last.into_iter().peekable());
        Succession { listed, last, known: 0, since: Position::default(), used: None }
    }

    /// Continues with the listed keys that begin with this key or an earlier one. A checkpoint also
    /// has the handover to the key before its own.
    fn list_up_to(&mut self, index: u32, misfits: &mut Vec<Misfit>) {
        while let Some(of) = self.listed.next_if(|of| of.first <= index) {
            self.miss_up_to(of.first.saturating_sub(1), of.place, true, misfits);
            self.known = self.known.max(of.last);
        }
    }

    /// Continues with a key that came into force at a place.
    fn hand_over(&mut self, index: u32, place: Place, misfits: &mut Vec<Misfit>) {
        self.use_below(index);
        if place.position() < self.since {
            misfits.push(Misfit::Backwards { index, place });
        } else if let Some((record, index)) = self.used.filter(|(last, _)| *last >= place.position()) {
            misfits.push(Misfit::Late { index, record, next: place });
        }
        self.miss_up_to(index, place, false, misfits);
        (self.known, self.since) = (self.known.max(index), self.since.max(place.position()));
    }

    /// Finds that the keys before this one, which is known from a place on, have no handover.
    /// `is_listed` says that it is known because a span lists the next one.
    fn miss_up_to(&mut self, index: u32, place: Place, is_listed: bool, misfits: &mut Vec<Misfit>) {
        let first = self.known.saturating_add(1);
        if first < index {
            self.use_below(first);
            let last = self.used.map_or(self.since, |(last, _)| last.max(self.since));
            let count = index - first;
            misfits.push(Misfit::NotHandedOver { index: first, count, last, place, is_listed });
        }
    }

    /// Takes in what listed keys below this one have signed.
    fn use_below(&mut self, index: u32) {
        while let Some(of) = self.last.next_if(|of| of.last < index) {
            self.used = self.used.max(Some((of.signed, of.last)));
        }
    }
}

/// An inconsistency between keys.
pub(super) enum Misfit {
    /// A key that came into force at two places.
    Forked { index: u32, places: [Place; 2] },
    /// A key that has signed a record after the next one was in force.
    Late { index: u32, record: Position, next: Place },
    /// A key that came into force before the one before it.
    Backwards { index: u32, place: Place },
    /// Keys without a handover, beginning with `index`: those before a key that came into force at
    /// `place`, or that is listed from there on. `last` is the last record known to be under an
    /// earlier key.
    NotHandedOver { index: u32, count: u32, last: Position, place: Place, is_listed: bool },
    /// A life that begins under a key older than one that had signed in the life from
    /// which it continues.
    Outdated { index: u32, life: Life },
}

impl Misfit {
    /// Returns the place in the chain where the inconsistency shows.
    pub(super) fn position(&self) -> Position {
        match self {
            Misfit::Forked { places: [one, other], .. } => one.position().min(other.position()),
            Misfit::Late { record, .. } => *record,
            Misfit::Backwards { place, .. } | Misfit::NotHandedOver { place, .. } => place.position(),
            Misfit::Outdated { life, .. } => Position { segment: life.segment, sequence: 0 },
        }
    }
}

impl Keys {
    pub(super) fn new(file: &RowFile) -> Self {
        let keys = Rows::new(file, BATCH_ROWS_MAX);
        let signed = Rows::new(file, BATCH_ROWS_MAX);
        Keys { file: file.clone(), keys, last_signed: None, signed }
    }

    /// Adds a checkpoint's handovers to its key and to the key before it.
    pub(super) fn add_handovers(&mut self, since: &[Handover]) {
        for handover in since {
            let key = self.keys.entry_or(handover.index, Key::default);
            let since = (handover.place, Fingerprint::of(&handover.head));
            if !key.since.contains(&since) {
                // There are very many keys with one place, so no spare capacity is
                // reserved.
                if key.since.is_empty() {
                    key.since.reserve_exact(1);
                }
                key.since.push(since);
            }
        }
    }

    /// Adds the checkpoint with which the log begins. It signs no record of the log.
    pub(super) fn add_start(&mut self, start: &Checkpoint) {
        self.add_handovers(&start.key.since);
        let key = self.keys.entry_or(start.key.index, Key::default);
        key.last = key.last.max(Some(start.place.position()));
    }

    /// Adds a checkpoint at a place.
    pub(super) fn add(
        &mut self,
        chain: ChainId,
        place: &Place,
        head: Fingerprint,
        checkpoint: &GoodCheckpoint,
    ) {
        self.add_handovers(checkpoint.since());
        let (life, index) = (place.life(chain), checkpoint.index());
        let key = self.keys.entry_or(index, Key::default);
        key.last = key.last.max(Some(place.position()));
        self.last_signed = self.last_signed.max(Some(place.position()));
        let since = checkpoint.since().first().map_or(Position::default(), |first| first.place.position());
        self.signed.insert((life, place.sequence, head, index, since), ());
    }

    /// Returns the last record that each key has signed.
    pub(super) fn last_used(&self) -> impl Iterator<Item = (u32, Position)> {
        self.keys.iter().filter_map(|(index, key)| Some((index, key.last?)))
    }

    /// Returns the first record under each key, and the head before that record.
    pub(super) fn since(&self) -> impl Iterator<Item = (u32, Place, Fingerprint)> {
        self.keys
            .iter()
            .flat_map(|(index, key)| key.since.into_iter().map(move |(place, head)| (index, place, head)))
    }

    /// Computes the records from which each key is in force.
    pub(super) fn authorities(&self) -> Authorities<'_> {
        let mut since = Rows::new(&self.file, BATCH_ROWS_MAX);
        let mut last = Position::default();
        for (index, key) in self.keys.iter() {
            if let Some(first) = key.since.iter().map(|(place, _)| place.position()).min() {
                last = last.max(first);
                since.insert(index, last);
            }
        }
        Authorities { keys: &self.keys, since }
    }

    /// Returns the last records before changes of keys, where they are in the same life,
    /// with their heads. The key before the change has signed each head.
    pub(super) fn heads_handed_over(
        &self,
        chain: ChainId,
        authorities: &Authorities<'_>,
    ) -> impl Iterator<Item = (Life, Signed)> {
        self.since().filter_map(move |(index, place, head)| {
            let sequence = place.sequence.checked_sub(1)?;
            let last = Position { segment: place.segment, sequence };
            let by = authorities.that_handed_over(index.checked_sub(1)?, last);
            Some((place.life(chain), Signed { sequence, head, by }))
        })
    }

    /// Returns the signed heads among some records of a life.
    pub(super) fn signed_in(
        &self,
        life: &Life,
        records: &RangeInclusive<u64>,
        authorities: &Authorities<'_>,
    ) -> impl Iterator<Item = Signed> {
        let first = (*life, *records.start(), Fingerprint::FIRST, 0, Position::default());
        let last = Position { segment: u64::MAX, sequence: u64::MAX };
        let last = (*life, *records.end(), Fingerprint::LAST, u32::MAX, last);
        self.signed.range(first..=last).into_iter().map(move |((_, sequence, head, index, since), ())| {
            Signed { sequence, head, by: authorities.of(index, since) }
        })
    }

    /// Returns all inconsistencies. After a key that came into force twice there are two
    /// histories, so later keys are not compared.
    pub(super) fn misfits(
        &self,
        links: impl Iterator<Item = (Life, Place)>,
        listed: Vec<Listed>,
    ) -> Vec<Misfit> {
        let mut misfits = self.outdated(links);
        let forked = self.forked();
        if let Some((index, one, other)) = forked {
            misfits.push(Misfit::Forked { index, places: [one, other] });
        }
        let end = forked.map_or(u32::MAX, |(index, ..)| index);
        let mut succession = Succession::new(listed);
        for (index, key) in self.keys.iter().take_while(|(index, _)| *index < end) {
            succession.list_up_to(index, &mut misfits);
            if let Some((place, _)) = key.since.first().copied() {
                succession.hand_over(index, place, &mut misfits);
            }
            succession.used = succession.used.max(key.last.map(|last| (last, index)));
        }
        succession.list_up_to(end.saturating_sub(1), &mut misfits);
        misfits
    }

    /// Returns the lowest key that came into force at two places, and the first two of
    /// these places.
    fn forked(&self) -> Option<(u32, Place, Place)> {
        self.keys.iter().find_map(|(index, key)| {
            let mut places: Vec<Place> = key.since.iter().map(|(place, _)| *place).collect();
            places.sort_unstable_by_key(|place| (place.position(), *place.run.as_bytes()));
            places.dedup();
            match places[..] {
                [one, other, ..] => Some((index, one, other)),
                _ => None,
            }
        })
    }

    /// Finds lives that begin under a key older than one of the life from which they
    /// continue. An honest node that continues there has the newer key.
    fn outdated(&self, links: impl Iterator<Item = (Life, Place)>) -> Vec<Misfit> {
        let mut by_linked: Rows<(Life, u64, Life), ()> = Rows::new(&self.file, BATCH_ROWS_MAX);
        for (life, link) in links {
            by_linked.insert((link.life(life.chain), link.sequence, life), ());
        }
        let mut outdated = Vec::new();
        // The newest key that has signed in a linked life, up to a record.
        let mut signed = Vec::new().into_iter().peekable();
        let (mut of, mut newest) = (None, None);
        for ((linked, sequence, life), ()) in by_linked.iter() {
            if of != Some(linked) {
                signed = self.signed_of(linked, u64::MAX).into_iter().peekable();
                (of, newest) = (Some(linked), None);
            }
            while let Some(((.., index, _), ())) = signed.next_if(|((_, at, ..), ())| *at <= sequence) {
                newest = newest.max(Some(index));
            }
            let begins = self.signed_of(life, 0).into_iter().map(|((.., index, _), ())| index);
            let older = begins.filter(|index| Some(*index) < newest);
            outdated.extend(older.map(|index| Misfit::Outdated { index, life }));
        }
        outdated
    }

    /// Returns the signed heads of a life, up to a record.
    fn signed_of(&self, life: Life, to: u64) -> Vec<(SignedHead, ())> {
        let last = Position { segment: u64::MAX, sequence: u64::MAX };
        let first = (life, 0, Fingerprint::FIRST, 0, Position::default());
        self.signed.range(first..=(life, to, Fingerprint::LAST, u32::MAX, last))
    }
}
