//! Blocks: the sealed records of a part, in the order of their chains.
//!
//! A block has two columns. Heads are random, and stand one after the other as they are.
//! All else repeats, and is compressed. A record that continues from the one before it
//! takes a fingerprint, and any other takes two.

use super::checkpoint::{checkpoint, put_checkpoint};
use super::said::{put_said, said};
use crate::input::At;
use crate::verify::bytes::{Bytes, Damaged, put_number, put_step, put_text};
use crate::verify::rows::Stored;
use crate::verify::spool::{FINGERPRINT_BYTES, Fingerprint};
use crate::verify::tally::Said;
use flb_audit_core::chain::checkpoint::Checkpoint;
use flb_audit_core::chain::{ChainId, Life, Link, Place, Run, Unsettled};
use flb_audit_core::hash::{Algorithm, Hash};
use flb_audit_core::policy::DIGEST_TEXT_BYTES;
use flb_audit_core::record::notes::Notes;
use flb_audit_core::schema::Disposition;
use flb_audit_core::verify::{Sealed, Validity};
use std::cmp::Reverse;
use std::sync::Arc;

/// A sealed record, with what its checkpoint says if it is one. A checkpoint that cannot
/// be read is `None`.
pub(in crate::verify) struct Sighting {
    pub(in crate::verify) at: At,
    pub(in crate::verify) sealed: Sealed,
    pub(in crate::verify) checkpoint: Option<Option<Box<Checkpoint>>>,
    /// The seal's statements on redactions and its schema, if it has any.
    pub(in crate::verify) said: Option<Arc<Said>>,
}

impl Sighting {
    /// Returns the order in a block. Intact records come first, so that altered ones do
    /// not part them.
    pub(super) fn order(&self) -> (Reverse<bool>, Life, u64, Hash, Hash, At) {
        let Sealed { place, chain, head, previous, is_intact, .. } = &self.sealed;
        (Reverse(*is_intact), place.life(*chain), place.sequence, *head, *previous, self.at)
    }
}

/// The two columns of a block.
#[derive(Default)]
pub(super) struct Block {
    pub(super) said: Vec<u8>,
    pub(super) heads: Vec<u8>,
}

// The parts of a record that do not follow from the record before it in the block.
const LIFE: u8 = 1;
const SEQUENCE: u8 = 1 << 1;
const BEFORE: u8 = 1 << 2;
/// The record has the heads of the one before it in the block.
const REPEATS: u8 = 1 << 3;
const TRAITS: u8 = 1 << 4;
const CHECKPOINT: u8 = 1 << 5;
const LINK: u8 = 1 << 6;
const POLICY: u8 = 1 << 7;

/// The record before in the block.
struct Last {
    life: Option<Life>,
    sequence: u64,
    before: Fingerprint,
    head: Fingerprint,
    at: At,
    seconds: u64,
    traits: Vec<u8>,
    said: Option<Arc<Said>>,
}

impl Last {
    fn new() -> Self {
        let (before, head) = (Fingerprint::FIRST, Fingerprint::FIRST);
        let at = At { source: 0, number: 0 };
        Last { life: None, sequence: 0, before, head, at, seconds: 0, traits: Vec::new(), said: None }
    }
}

impl Block {
    /// Writes records, and forgets them.
    pub(super) fn of(sightings: &mut Vec<Sighting>) -> Block {
        sightings.sort_unstable_by_key(Sighting::order);
        let mut block = Block::default();
        let mut last = Last::new();
        sightings.drain(..).for_each(|sighting| block.add(&sighting, &mut last));
        block
    }

    fn add(&mut self, sighting: &Sighting, last: &mut Last) {
        let Sighting { at, sealed, checkpoint, .. } = sighting;
        let life = sealed.place.life(sealed.chain);
        let (before, head) = (Fingerprint::of(&sealed.previous), Fingerprint::of(&sealed.head));
        let traits = traits(sealed, sighting.said.as_deref());
        let same_life = last.life == Some(life);
        let next = if same_life { last.sequence.wrapping_add(1) } else { 0 };
        let repeats = (before, head) == (last.before, last.head);
        let mut flags = 0;
        let mut set = |flag, is_set: bool| flags |= if is_set { flag } else { 0 };
        set(LIFE, !same_life);
        set(SEQUENCE, sealed.place.sequence != next);
        set(BEFORE, sealed.is_intact && !repeats && before != last.head);
        set(REPEATS, sealed.is_intact && repeats);
        set(TRAITS, traits != last.traits);
        set(CHECKPOINT, checkpoint.is_some());
        set(LINK, sealed.link.is_some());
        set(POLICY, sealed.policy.is_some());
        let out = &mut self.said;
        out.push(flags);
        put_step(out, last.at.source as u64, at.source as u64);
        put_step(out, last.at.number.wrapping_add(1), at.number);
        put_step(out, last.seconds, sealed.seconds);
        if flags & LIFE != 0 {
            out.extend_from_slice(life.chain.as_bytes());
            put_number(out, life.segment);
            out.extend_from_slice(life.run.as_bytes());
        }
        if flags & SEQUENCE != 0 {
            put_step(out, next, sealed.place.sequence);
        }
        if flags & TRAITS != 0 {
            put_text(out, &traits);
        }
        if let Some(checkpoint) = checkpoint {
            out.push(checkpoint.is_some().into());
            checkpoint.iter().for_each(|checkpoint| put_checkpoint(out, checkpoint));
        }
        if let Some(Link { place, unsettled }) = &sealed.link {
            place.put(out);
            out.push(unsettled.is_some().into());
            if let Some(Unsettled { place, head }) = unsettled {
                place.put(out);
                out.extend_from_slice(&Fingerprint::of(head).0);
            }
        }
        sealed.policy.iter().for_each(|digest| out.extend_from_slice(digest));
        if sealed.is_intact {
            if flags & BEFORE != 0 {
                self.heads.extend_from_slice(&before.0);
            }
            if flags & REPEATS == 0 {
                self.heads.extend_from_slice(&head.0);
            }
            (last.before, last.head) = (before, head);
        }
        (last.life, last.sequence, last.at) = (Some(life), sealed.place.sequence, *at);
        (last.seconds, last.traits) = (sealed.seconds, traits);
    }

    /// Passes the records to `see`. Their sources are less than `sources`.
    pub(super) fn read(
        self,
        sources: usize,
        mut see: impl FnMut(Sighting) -> Result<(), Damaged>,
    ) -> Result<(), Damaged> {
        let mut records = BlockRecords::of(self);
        while let Some(sighting) = records.next()? {
            if sighting.at.source >= sources {
                return Err(Damaged);
            }
            see(sighting)?;
        }
        Ok(())
    }
}

/// The records of a block that are still to be read.
pub(super) struct BlockRecords {
    block: Block,
    /// The number of bytes of each column that were read.
    said: usize,
    heads: usize,
    last: Last,
}

impl BlockRecords {
    pub(super) fn of(block: Block) -> Self {
        BlockRecords { block, said: 0, heads: 0, last: Last::new() }
    }

    /// Returns the next record.
    pub(super) fn next(&mut self) -> Result<Option<Sighting>, Damaged> {
        let Block { said, heads } = &self.block;
        let (mut said_left, mut heads_left) = (Bytes(&said[self.said..]), Bytes(&heads[self.heads..]));
        if said_left.is_empty() {
            return if heads_left.is_empty() { Ok(None) } else { Err(Damaged) };
        }
        let sighting = sighting(&mut said_left, &mut heads_left, &mut self.last)?;
        (self.said, self.heads) = (said.len() - said_left.0.len(), heads.len() - heads_left.0.len());
        Ok(Some(sighting))
    }
}

fn sighting(text: &mut Bytes<'_>, heads: &mut Bytes<'_>, last: &mut Last) -> Result<Sighting, Damaged> {
    let flags = text.byte()?;
    let source = usize::try_from(text.step(last.at.source as u64)?).map_err(|_| Damaged)?;
    let number = text.step(last.at.number.wrapping_add(1))?;
    let seconds = text.step(last.seconds)?;
    let mut next = last.sequence.wrapping_add(1);
    if flags & LIFE != 0 {
        let chain = ChainId::from_text(&text.array::<12>()?).ok_or(Damaged)?;
        last.life = Some(Life { chain, segment: text.number()?, run: Run::take(text)? });
        next = 0;
    }
    let life = last.life.ok_or(Damaged)?;
    let sequence = if flags & SEQUENCE != 0 { text.step(next)? } else { next };
    if flags & TRAITS != 0 {
        last.traits = text.text()?.to_vec();
        last.said = said_of(&last.traits)?;
    }
    let place_of = Place { segment: life.segment, run: life.run, sequence };
    let mut sealed = Sealed {
        chain: life.chain,
        algorithm: Algorithm::default(),
        place: place_of,
        previous: Hash::default(),
        head: Hash::default(),
        link: None,
        seconds,
        policy_prefix: None,
        policy: None,
        notes: Notes::NONE,
        is_raw: false,
        is_intact: false,
        unsealed_keys: 0,
        ignored_limit_hit: false,
        is_checkpoint: flags & CHECKPOINT != 0,
        validity: Validity::NoSchema,
        disposition: Disposition::Mark,
    };
    set_traits(&mut sealed, &mut Bytes(&last.traits))?;
    let mut claimed = None;
    if flags & CHECKPOINT != 0 {
        let is_read = text.byte()? == 1;
        claimed = Some(if is_read { Some(Box::new(checkpoint(text, life.chain, place_of)?)) } else { None });
    }
    if flags & LINK != 0 {
        let to = Place::take(text)?;
        let unsettled = match text.byte()? {
            1 => Some(Unsettled { place: Place::take(text)?, head: whole(Fingerprint(text.array()?)) }),
            _ => None,
        };
        sealed.link = Some(Link { place: to, unsettled });
    }
    if flags & POLICY != 0 {
        sealed.policy = Some(text.array()?);
    }
    if sealed.is_intact {
        if flags & REPEATS == 0 {
            last.before = if flags & BEFORE != 0 {
                Fingerprint(heads.array::<FINGERPRINT_BYTES>()?)
            } else {
                last.head
            };
            last.head = Fingerprint(heads.array()?);
        }
        (sealed.previous, sealed.head) = (whole(last.before), whole(last.head));
    } else if let Some(Some(checkpoint)) = &claimed {
        sealed.head = checkpoint.head;
    }
    last.at = At { source, number };
    (last.sequence, last.seconds) = (sequence, seconds);
    Ok(Sighting { at: last.at, sealed, checkpoint: claimed, said: last.said.clone() })
}

/// Returns a head with this fingerprint. Only the fingerprint counts.
fn whole(fingerprint: Fingerprint) -> Hash {
    let mut head = Hash::default();
    head[..FINGERPRINT_BYTES].copy_from_slice(&fingerprint.0);
    head
}

/// Writes what many records of a life have in common.
fn traits(sealed: &Sealed, said: Option<&Said>) -> Vec<u8> {
    let validity = match sealed.validity {
        Validity::NoSchema => 0,
        Validity::Valid => 1,
        Validity::Invalid => 2,
        Validity::NotChecked => 3,
    };
    let flags = [
        u8::from(sealed.is_intact),
        u8::from(sealed.is_raw) << 1,
        u8::from(sealed.unsealed_keys > 0) << 2,
        u8::from(sealed.ignored_limit_hit) << 3,
        validity << 4,
        (sealed.disposition as u8) << 6,
    ];
    let mut traits = vec![flags.iter().sum(), sealed.policy_prefix.is_some().into()];
    traits.extend(sealed.policy_prefix.into_iter().flatten());
    put_number(&mut traits, sealed.notes.words().count() as u64);
    for word in sealed.notes.words() {
        put_text(&mut traits, word.as_bytes());
    }
    said.iter().for_each(|said| put_said(&mut traits, said));
    traits
}

/// Reads the statements behind the traits.
fn said_of(traits: &[u8]) -> Result<Option<Arc<Said>>, Damaged> {
    let mut traits = Bytes(traits);
    traits.byte()?;
    if traits.byte()? == 1 {
        traits.array::<DIGEST_TEXT_BYTES>()?;
    }
    for _ in 0..traits.number()? {
        traits.text()?;
    }
    if traits.is_empty() { Ok(None) } else { said(&mut traits).map(|said| Some(Arc::new(said))) }
}

fn set_traits(sealed: &mut Sealed, traits: &mut Bytes<'_>) -> Result<(), Damaged> {
    let flags = traits.byte()?;
    let has = |bit: u8| flags >> bit & 1 == 1;
    (sealed.is_intact, sealed.is_raw) = (has(0), has(1));
    (sealed.unsealed_keys, sealed.ignored_limit_hit) = (has(2).into(), has(3));
    sealed.validity = match flags >> 4 & 3 {
        0 => Validity::NoSchema,
        1 => Validity::Valid,
        2 => Validity::Invalid,
        _ => Validity::NotChecked,
    };
    sealed.disposition = match flags >> 6 {
        0 => Disposition::Mark,
        1 => Disposition::Quarantine,
        2 => Disposition::Drop,
        _ => return Err(Damaged),
    };
    if traits.byte()? == 1 {
        sealed.policy_prefix = Some(traits.array::<DIGEST_TEXT_BYTES>()?);
    }
    for _ in 0..traits.number()? {
        sealed.notes.insert(Notes::from_word(traits.text()?));
    }
    Ok(())
}
