//! The file in which a filter keeps its keys.
//!
//! The file has a fixed size and is written in place: a header, which is written once,
//! and two slots. A handover writes the empty slot and then overwrites the other one with
//! zeros, which destroys the key that has signed the handover. All integers are
//! little-endian.
//!
//! | bytes | header |
//! |---|---|
//! | 0..8 | `flbakeys` |
//! | 8 | layout, 1 |
//! | 9 | zero |
//! | 10..22 | chain id |
//! | 22..60 | zero |
//! | 60..64 | CRC-32 of bytes 0..60 |
//!
//! | bytes | slot, at 64 and at 9824 |
//! |---|---|
//! | 0..4 | CRC-32 of all used bytes behind it |
//! | 4..8 | the number of the key in force |
//! | 8..10 | the number of entries, at least 1; 0: an empty slot |
//! | 10 | 1 if key 0 has stated that the chain is a ledger's, else 0 |
//! | 11 | the number of the newest segment under the key in force, less that of its handover; at most 255 |
//! | 12..134 | the handover to the key in force |
//! | 134..256 | the handover to the key before it |
//! | 256.. | the entries, by number |
//!
//! | bytes | handover |
//! |---|---|
//! | 0..4 | the key's number; 0: there is no handover |
//! | 4..12, 12..20, 20..26 | segment, sequence, run |
//! | 26..58 | head |
//! | 58..122 | signature |
//!
//! | bytes | entry |
//! |---|---|
//! | 0..4 | the key's number |
//! | 4..36 | its public part |
//! | 36..100 | the signature of its certificate; zero for key 0 |
//! | 100..132 | its private part; zero for destroyed keys |
//!
//! An entry is kept as long as its certificate is needed: until its key has come into
//! force, and while it leads to the key in force or one of the two before it.

use crate::chain::certificate::{Certificate, Handover, KeyStatement};
use crate::chain::checkpoint::Signer;
use crate::chain::enrollment::{Role, chain_of};
use crate::chain::id::{ChainId, Place, Run};
use crate::chain::signature::{PublicKey, SIGNATURE_BYTES, SecretKey, Seed};
use crate::crc::crc32;
use crate::hash::{Algorithm, Hash};
use crate::memory::OutOfMemory;
use alloc::vec::Vec;
use zeroize::Zeroizing;

/// The file's name in its directory.
pub const FILE_NAME: &str = "chain.key";
/// The length of a slot, in bytes.
pub const SLOT_BYTES: usize = ENTRIES_AT + ENTRIES_MAX * ENTRY_BYTES;
/// The length of the file, in bytes.
pub const FILE_BYTES: usize = HEADER_BYTES + 2 * SLOT_BYTES;

const MAGIC: &[u8; 8] = b"flbakeys";
const LAYOUT: u8 = 1;
const HEADER_BYTES: usize = 64;
const HANDOVER_BYTES: usize = 58 + SIGNATURE_BYTES;
const HANDOVERS_AT: usize = 12;
const ENTRIES_AT: usize = HANDOVERS_AT + 2 * HANDOVER_BYTES;
const ENTRY_BYTES: usize = 36 + SIGNATURE_BYTES + 32;
/// The maximum number of entries. At most one key is to come for each bit of a number,
/// and the certificates that lead to three successive keys are at most one for each bit
/// and two more.
const ENTRIES_MAX: usize = 72;

/// A key, with its private part if the key has not been destroyed.
struct Entry {
    certificate: Certificate,
    seed: Option<Seed>,
}

/// The keys of a chain: the one in force and those to come.
pub struct KeyRing {
    chain: ChainId,
    role: Role,
    index: u32,
    /// The number of the newest segment under the key in force, less that of its handover.
    later: u8,
    since: Vec<Handover>,
    entries: Vec<Entry>,
}

/// The newest handover, with the last segment that goes on with its key.
#[derive(Clone, Copy, Debug)]
pub struct Newest {
    /// The handover to the key in force.
    pub handover: Handover,
    /// The number of the newest segment that may have begun under the key.
    pub segment: u64,
}

/// The reason why there is no next key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoNextKey {
    /// There is no memory.
    OutOfMemory,
    /// The system's random source failed.
    NoRandomness,
    /// The numbers are used up, or the file held a key ring that is not possible.
    Exhausted,
}

impl From<OutOfMemory> for NoNextKey {
    fn from(_: OutOfMemory) -> Self {
        NoNextKey::OutOfMemory
    }
}

impl KeyRing {
    /// Creates the keys of a filter's new chain, with key 0 in force. `random` fills its
    /// argument with random bytes, or returns false if it cannot.
    pub fn new(chain: ChainId, random: &mut impl FnMut(&mut [u8; 32]) -> bool) -> Result<Self, NoNextKey> {
        KeyRing::from_seed(Some(chain), Role::Filter, new_seed(random)?, random)
    }

    /// Returns the keys of a new chain that is named after its key 0, as a fleet wants it.
    pub fn named_after_key(
        role: Role,
        random: &mut impl FnMut(&mut [u8; 32]) -> bool,
    ) -> Result<Self, NoNextKey> {
        KeyRing::from_seed(None, role, new_seed(random)?, random)
    }

    /// Returns the statements that the chain may make, as key 0 has certified it.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Returns the ring with which the chain is a ledger's: key 0 certifies the keys to come
    /// again. Returns `None` if key 0 is no longer in force. Then the chain stays what it is.
    pub fn of_ledger(&self) -> Result<Option<Self>, NoNextKey> {
        if self.index > 0 {
            return Ok(None);
        }
        let key = self.secret(0)?;
        let mut ring = KeyRing {
            chain: self.chain,
            role: Role::Ledger,
            index: 0,
            later: 0,
            since: Vec::new(),
            entries: Vec::new(),
        };
        for Entry { certificate, seed } in &self.entries {
            let mut certificate = *certificate;
            if certificate.index > 0 {
                certificate.role = Role::Ledger;
                certificate.signature = key.sign(&certificate.message(&self.chain)?);
            }
            ring.push(Entry { certificate, seed: seed.clone() })?;
        }
        Ok(Some(ring))
    }

    fn from_seed(
        chain: Option<ChainId>,
        role: Role,
        seed: Seed,
        random: &mut impl FnMut(&mut [u8; 32]) -> bool,
    ) -> Result<Self, NoNextKey> {
        let root = SecretKey::from_seed(&seed);
        let chain = chain.unwrap_or_else(|| chain_of(&root.public()));
        let certificate = Certificate {
            index: 0,
            public: root.public(),
            role: Role::Filter,
            signature: [0; SIGNATURE_BYTES],
        };
        let mut ring = KeyRing { chain, role, index: 0, later: 0, since: Vec::new(), entries: Vec::new() };
        ring.push(Entry { certificate, seed: Some(seed) })?;
        for bit in 0..u32::BITS {
            ring.add_child(&root, 1 << bit, random)?;
        }
        Ok(ring)
    }

    /// Returns the chain's name.
    pub fn chain(&self) -> ChainId {
        self.chain
    }

    /// Returns the number of the key in force.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Returns the handover to the key in force, or `None` for key 0.
    pub fn newest(&self) -> Option<Newest> {
        let handover = *self.since.first().filter(|handover| handover.index == self.index)?;
        Some(Newest { handover, segment: handover.place.segment.saturating_add(self.later.into()) })
    }

    /// Notes that a segment goes on with the key in force. Numbers of more than 255 segments
    /// behind the handover's are not kept.
    pub fn go_on_in(&mut self, segment: u64) {
        let handover = self.since.first().map_or(segment, |handover| handover.place.segment);
        self.later = segment.saturating_sub(handover).min(u8::MAX.into()) as u8;
    }

    /// Returns the public part of the key in force.
    pub fn public(&self) -> Option<PublicKey> {
        self.entry(self.index).map(|entry| entry.certificate.public)
    }

    /// Returns a secret for a purpose other than signing. Nobody can know it without the
    /// key ring. It is derived from the last key that is to come, and stays the same
    /// until that key comes into force: for 2³¹ keys.
    pub fn secret_for(&self, purpose: &[u8]) -> Option<Zeroizing<Hash>> {
        let last = self.entries.last()?;
        let seed = last.seed.as_ref().filter(|_| last.certificate.index > self.index)?;
        Some(Zeroizing::new(Algorithm::Sha512_256.digest(&[purpose, seed.as_slice()])))
    }

    /// Returns a signer with the key in force.
    pub fn signer(&self) -> Result<Signer, NoNextKey> {
        let mut certificates = Vec::new();
        let needed = self.entries.iter().map(|entry| entry.certificate);
        certificates.try_reserve(self.entries.len()).map_err(|_| OutOfMemory)?;
        certificates.extend(needed.filter(|certificate| (1..=self.index).contains(&certificate.index)));
        let mut since = Vec::new();
        since.try_reserve(self.since.len()).map_err(|_| OutOfMemory)?;
        since.extend_from_slice(&self.since);
        let statement = KeyStatement { index: self.index, certificates, enrollment: None, since };
        Ok(Signer::new(self.secret(self.index)?, &statement)?)
    }

    /// Returns the key ring after a handover: the next key is in force from the record at
    /// `place` on. This ring has to be overwritten before that key is used.
    pub fn hand_over(
        &self,
        place: Place,
        head: Hash,
        random: &mut impl FnMut(&mut [u8; 32]) -> bool,
    ) -> Result<KeyRing, NoNextKey> {
        let index = self.index.checked_add(1).ok_or(NoNextKey::Exhausted)?;
        let message = Handover::message(&self.chain, index, &place, &head)?;
        let signature = self.secret(self.index)?.sign(&message);
        let mut since = Vec::new();
        since.try_reserve(2).map_err(|_| OutOfMemory)?;
        since.push(Handover { index, place, head, signature });
        since.extend(self.since.first().copied());
        let mut ring =
            KeyRing { chain: self.chain, role: self.role, index, later: 0, since, entries: Vec::new() };
        let (done, to_come) =
            self.entries.split_at(self.entries.partition_point(|entry| entry.certificate.index <= index));
        for Entry { certificate, seed } in done {
            if leads_to_one_of(certificate.index, index) {
                let seed = seed.clone().filter(|_| certificate.index == index);
                ring.push(Entry { certificate: *certificate, seed })?;
            }
        }
        // The new keys come before the remaining ones, which do not have this bit.
        if index.is_multiple_of(2) {
            let key = self.secret(index)?;
            for bit in 0..index.trailing_zeros() {
                ring.add_child(&key, index + (1 << bit), random)?;
            }
        }
        for Entry { certificate, seed } in to_come {
            ring.push(Entry { certificate: *certificate, seed: seed.clone() })?;
        }
        Ok(ring)
    }

    fn entry(&self, index: u32) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.certificate.index == index)
    }

    fn secret(&self, index: u32) -> Result<SecretKey, NoNextKey> {
        let entry = self.entry(index).ok_or(NoNextKey::Exhausted)?;
        let seed = entry.seed.as_ref().ok_or(NoNextKey::Exhausted)?;
        SecretKey::from_parts(seed, &entry.certificate.public).ok_or(NoNextKey::Exhausted)
    }

    fn push(&mut self, entry: Entry) -> Result<(), NoNextKey> {
        if self.entries.len() == ENTRIES_MAX {
            return Err(NoNextKey::Exhausted);
        }
        self.entries.try_reserve(1).map_err(|_| OutOfMemory)?;
        self.entries.push(entry);
        Ok(())
    }

    /// Creates the key with this number, certified by `signer`.
    fn add_child(
        &mut self,
        signer: &SecretKey,
        index: u32,
        random: &mut impl FnMut(&mut [u8; 32]) -> bool,
    ) -> Result<(), NoNextKey> {
        let seed = new_seed(random)?;
        let public = SecretKey::from_seed(&seed).public();
        let role = role_in(index, self.role);
        let mut certificate = Certificate { index, public, role, signature: [0; SIGNATURE_BYTES] };
        certificate.signature = signer.sign(&certificate.message(&self.chain)?);
        self.push(Entry { certificate, seed: Some(seed) })
    }
}

/// Returns what the certificate of a key states of the chain's role: only those that key 0
/// signs state it.
fn role_in(index: u32, role: Role) -> Role {
    if index > 0 && Certificate::signer(index) == 0 { role } else { Role::Filter }
}

fn new_seed(random: &mut impl FnMut(&mut [u8; 32]) -> bool) -> Result<Seed, NoNextKey> {
    let mut seed = Zeroizing::new([0; 32]);
    if random(&mut seed) { Ok(seed) } else { Err(NoNextKey::NoRandomness) }
}

/// Checks whether the certificate of a key is needed for key `index` or one of the two
/// before it. Key 0 has no certificate.
fn leads_to_one_of(certificate: u32, index: u32) -> bool {
    let is_on_the_way = |mut to: u32| {
        while to > certificate {
            to = Certificate::signer(to);
        }
        to == certificate
    };
    certificate > 0 && (0..3).filter_map(|before| index.checked_sub(before)).any(is_on_the_way)
}

impl KeyRing {
    /// Returns a new key file with this ring.
    pub fn to_file(&self) -> Zeroizing<Vec<u8>> {
        let mut file = Zeroizing::new(alloc::vec![0; FILE_BYTES]);
        file[..8].copy_from_slice(MAGIC);
        file[8] = LAYOUT;
        file[10..22].copy_from_slice(self.chain.as_bytes());
        let crc = crc32(&file[..HEADER_BYTES - 4]);
        file[HEADER_BYTES - 4..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
        self.write_slot(&mut file[HEADER_BYTES..HEADER_BYTES + SLOT_BYTES]);
        file
    }

    /// Reads a key file. Returns the ring and the slot that holds it, 0 or 1. Returns
    /// `None` if it is not a key file or holds no complete ring.
    pub fn from_file(file: &[u8]) -> Option<(KeyRing, usize)> {
        let (header, slots) = file.split_at_checked(HEADER_BYTES)?;
        let (header, crc) = header.split_at_checked(HEADER_BYTES - 4)?;
        if !header.starts_with(MAGIC) || header[8] != LAYOUT || crc != crc32(header).to_le_bytes() {
            return None;
        }
        let chain = ChainId::from_text(&header[10..22])?;
        let rings = slots.chunks_exact(SLOT_BYTES).take(2).enumerate();
        let rings = rings.filter_map(|(at, slot)| Some((KeyRing::from_slot(chain, slot)?, at)));
        rings.max_by_key(|(ring, _)| ring.index)
    }

    /// Returns the offset of a slot in the file.
    pub fn slot_offset(index: usize) -> u64 {
        (HEADER_BYTES + SLOT_BYTES * index) as u64
    }

    /// Writes the ring into a slot that is all zeros.
    pub fn write_slot(&self, slot: &mut [u8]) {
        let mut put = |at: usize, bytes: &[u8]| {
            if let Some(place) = slot.get_mut(at..at + bytes.len()) {
                place.copy_from_slice(bytes);
            }
        };
        put(4, &self.index.to_le_bytes());
        put(8, &(self.entries.len() as u16).to_le_bytes());
        put(10, &[u8::from(self.role == Role::Ledger), self.later]);
        for (at, handover) in (HANDOVERS_AT..).step_by(HANDOVER_BYTES).zip(&self.since) {
            put(at, &handover.index.to_le_bytes());
            put(at + 4, &handover.place.segment.to_le_bytes());
            put(at + 12, &handover.place.sequence.to_le_bytes());
            put(at + 20, handover.place.run.as_bytes());
            put(at + 26, &handover.head);
            put(at + 58, &handover.signature);
        }
        for (at, Entry { certificate, seed }) in (ENTRIES_AT..).step_by(ENTRY_BYTES).zip(&self.entries) {
            put(at, &certificate.index.to_le_bytes());
            put(at + 4, certificate.public.as_bytes());
            put(at + 36, &certificate.signature);
            put(at + 100, seed.as_ref().map_or(&[0; 32], |seed| &**seed));
        }
        let used = ENTRIES_AT + ENTRY_BYTES * self.entries.len();
        let crc = crc32(slot.get(4..used).unwrap_or_default());
        if let Some(place) = slot.first_chunk_mut() {
            *place = crc.to_le_bytes();
        }
    }

    fn from_slot(chain: ChainId, slot: &[u8]) -> Option<KeyRing> {
        let [low, high, role, later] = number(slot, 8)?.to_le_bytes();
        let count = usize::from(u16::from_le_bytes([low, high]));
        let role = if role == 1 { Role::Ledger } else { Role::Filter };
        if count == 0 || count > ENTRIES_MAX {
            return None;
        }
        let used = slot.get(4..ENTRIES_AT + ENTRY_BYTES * count)?;
        if number(slot, 0)? != crc32(used) {
            return None;
        }
        let index = number(slot, 4)?;
        let handovers = slot.get(HANDOVERS_AT..ENTRIES_AT)?.chunks_exact(HANDOVER_BYTES);
        let mut ring = KeyRing { chain, role, index, later, since: Vec::new(), entries: Vec::new() };
        ring.since.try_reserve(2).ok()?;
        ring.since.extend(handovers.filter_map(read_handover));
        ring.entries.try_reserve(count).ok()?;
        for entry in slot.get(ENTRIES_AT..)?.chunks_exact(ENTRY_BYTES).take(count) {
            ring.entries.push(read_entry(entry, index, role)?);
        }
        Some(ring)
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

fn read_handover(bytes: &[u8]) -> Option<Handover> {
    let long = |at: usize| bytes.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    let run = Run::from_text(bytes.get(20..26)?)?;
    Some(Handover {
        index: number(bytes, 0).filter(|index| *index > 0)?,
        place: Place { segment: long(4)?, run, sequence: long(12)? },
        head: *bytes.get(26..)?.first_chunk()?,
        signature: *bytes.get(58..)?.first_chunk()?,
    })
}

fn read_entry(bytes: &[u8], in_force: u32, role: Role) -> Option<Entry> {
    let index = number(bytes, 0)?;
    let certificate = Certificate {
        index,
        role: role_in(index, role),
        public: PublicKey::from_bytes(*bytes.get(4..)?.first_chunk()?),
        signature: *bytes.get(36..)?.first_chunk()?,
    };
    let seed = Zeroizing::new(*bytes.get(100..)?.first_chunk()?);
    Some(Entry { certificate, seed: (certificate.index >= in_force).then_some(seed) })
}
