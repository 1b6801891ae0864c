//! The ledger's note of its last append. With it, a ledger that is opened again tells its
//! own records from others'.
//!
//! Anybody who can write to the directory can add records to the open file, or seal its
//! last records anew, and the ledger would then sign them. So before it appends, the
//! ledger writes down how the open file and the manifests end, the last record of its own
//! chain, and a code for each line or frame that follows. All of this is authenticated
//! with a secret from the chain's key file. Lines and frames that do not match are not
//! the ledger's. A chain without keys has no secret: its codes find damage, but stop no
//! attacker.
//!
//! | bytes | slot |
//! |---|---|
//! | 0..8 | a number that grows with every write; 0: an empty slot |
//! | 8..16 | the open file's number |
//! | 16..24, 24..56 | its length, and its [`Mark`] |
//! | 56..64, 64..96 | the length and SHA-256 of the manifests |
//! | 96..104, 104..112, 112..118 | segment, number and run of the own chain's last record; the number is one more, and 0 if there is none |
//! | 118 | what is appended to: 0 the open file, 1 the manifests |
//! | 119 | the own chain's hash function |
//! | 120..152 | the own chain's head |
//! | 152..156, 156..160 | how many codes there are, and stretches |
//! | 160..192 | the code of the slot: of bytes 0..160 and of all behind it that are used |
//! | 192.. | the codes, 8 bytes each |
//! | | the stretches of the manifests that are not the ledger's: where each begins and ends, 16 bytes each |

use crate::tree::Node;
use flb_audit_core::chain::{Place, Run};
use flb_audit_core::hash::{Algorithm, Hash};
use sha2::{Digest, Sha256};
use std::ops::Range;
use zeroize::Zeroizing;

/// The maximum number of lines or frames in one append.
pub(crate) const UNITS_MAX: usize = 2048;
/// The length of a slot, in bytes.
pub(crate) const SLOT_BYTES: usize = CODES_AT + UNITS_MAX * CODE_BYTES + FOREIGN_MAX * STRETCH_BYTES;

/// The number of codes that are tried for a line, behind the last code that matched.
const SKIPPED_MAX: usize = 4;

/// The maximum number of stretches in the manifests that are remembered as not the
/// ledger's.
const FOREIGN_MAX: usize = 64;
const STRETCH_BYTES: usize = 16;

const CODE_AT: usize = 160;
const CODES_AT: usize = 192;
const CODE_BYTES: usize = 8;

type Code = [u8; CODE_BYTES];

/// A record of the chain, with its head: the last one that a file or the journal knows.
pub(crate) type Tail = (Place, Hash);

/// The secret that codes are made with.
pub(crate) type Secret = Zeroizing<[u8; 32]>;

/// A state of a file, by its length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) bytes: u64,
    /// The root of the tree over its lines, the digest of its last frame, or the hash of
    /// the manifests.
    pub(crate) digest: Node,
}

/// The file that bytes are appended to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Open,
    Manifests,
}

/// The state before an append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Before {
    /// The open file's number.
    pub(crate) number: u64,
    pub(crate) open: Mark,
    pub(crate) manifests: Mark,
    /// The stretches of the manifests that the ledger has not written.
    pub(crate) foreign: Vec<Range<u64>>,
    /// The hash function of the own chain.
    pub(crate) algorithm: Algorithm,
    /// The last record of the own chain.
    pub(crate) last: Option<Tail>,
}

/// A slot that was read.
#[derive(Clone, Debug)]
pub(crate) struct Appended {
    pub(crate) count: u64,
    pub(crate) before: Before,
    target: Target,
    codes: Vec<Code>,
}

/// Returns the used part of a slot. `units` are the hashes of the appended lines or
/// frames, at most [`UNITS_MAX`].
pub(crate) fn to_slot(
    secret: &Secret,
    count: u64,
    before: &Before,
    target: Target,
    units: &[Node],
) -> Vec<u8> {
    let mut slot = vec![0; CODES_AT];
    let mut put = |at: usize, bytes: &[u8]| slot[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &count.to_le_bytes());
    put(8, &before.number.to_le_bytes());
    put(16, &before.open.bytes.to_le_bytes());
    put(24, &before.open.digest);
    put(56, &before.manifests.bytes.to_le_bytes());
    put(64, &before.manifests.digest);
    if let Some((place, head)) = &before.last {
        put(96, &place.segment.to_le_bytes());
        put(104, &place.sequence.saturating_add(1).to_le_bytes());
        put(112, place.run.as_bytes());
        put(120, head);
    }
    put(118, &[u8::from(target == Target::Manifests), before.algorithm as u8]);
    put(152, &(units.len() as u32).to_le_bytes());
    let foreign = &before.foreign[..before.foreign.len().min(FOREIGN_MAX)];
    put(156, &(foreign.len() as u32).to_le_bytes());
    for (at, unit) in units.iter().enumerate() {
        slot.extend_from_slice(&code(secret, count, at, unit));
    }
    for stretch in foreign {
        slot.extend_from_slice(&stretch.start.to_le_bytes());
        slot.extend_from_slice(&stretch.end.to_le_bytes());
    }
    let whole = code_of_slot(secret, &slot);
    slot[CODE_AT..CODES_AT].copy_from_slice(&whole);
    slot
}

/// Reads a slot. Returns `None` if the bytes are not a slot, or were not written with
/// this secret.
pub(crate) fn from_slot(secret: &Secret, slot: &[u8]) -> Option<Appended> {
    let number = |at: usize| slot.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    let node = |at: usize| slot.get(at..)?.first_chunk().copied();
    let small = |at: usize, max: usize| {
        let number = slot.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes) as usize);
        number.filter(|number| *number <= max)
    };
    let foreign_at = CODES_AT + small(152, UNITS_MAX)? * CODE_BYTES;
    let used = slot.get(..foreign_at + small(156, FOREIGN_MAX)? * STRETCH_BYTES)?;
    if number(0)? == 0 || code_of_slot(secret, used) != used[CODE_AT..CODES_AT] {
        return None;
    }
    let last = match number(104)?.checked_sub(1) {
        Some(sequence) => {
            let run = Run::from_text(slot.get(112..118)?)?;
            Some((Place { segment: number(96)?, run, sequence }, node(120)?))
        }
        None => None,
    };
    Some(Appended {
        count: number(0)?,
        before: Before {
            number: number(8)?,
            open: Mark { bytes: number(16)?, digest: node(24)? },
            manifests: Mark { bytes: number(56)?, digest: node(64)? },
            foreign: used[foreign_at..]
                .as_chunks::<8>()
                .0
                .as_chunks::<2>()
                .0
                .iter()
                .map(|[start, end]| u64::from_le_bytes(*start)..u64::from_le_bytes(*end))
                .collect(),
            algorithm: Algorithm::from_id(*slot.get(119)?)?,
            last,
        },
        target: if slot.get(118) == Some(&0) { Target::Open } else { Target::Manifests },
        codes: used[CODES_AT..foreign_at].as_chunks().0.to_vec(),
    })
}

fn code_of_slot(secret: &Secret, used: &[u8]) -> [u8; 32] {
    let hash = Sha256::new_with_prefix(secret.as_slice()).chain_update(b"slot");
    let inner = hash.chain_update(&used[..CODE_AT]).chain_update(&used[CODES_AT..]).finalize();
    // The outer hash prevents length extension.
    Sha256::new_with_prefix(secret.as_slice()).chain_update(b"outer").chain_update(inner).finalize().into()
}

fn code(secret: &Secret, count: u64, at: usize, unit: &Node) -> Code {
    let hash =
        Sha256::new_with_prefix(secret.as_slice()).chain_update(b"unit").chain_update(count.to_le_bytes());
    let hash: Node = hash.chain_update((at as u64).to_le_bytes()).chain_update(unit).finalize().into();
    hash.first_chunk().copied().unwrap_or_default()
}

/// The state that a file should have, as far as it is known.
pub(crate) struct Expected {
    secret: Secret,
    count: u64,
    mark: Mark,
    codes: Vec<Code>,
    /// The index of the code behind the last one that matched.
    next: usize,
    /// The number of lines or frames since the mark.
    units: usize,
    /// True if the file has been read up to the mark and was unchanged there.
    is_reached: bool,
    /// The stretches before the mark that the ledger has not written.
    foreign: Vec<Range<u64>>,
}

impl Expected {
    /// Returns the state that the open file of this number should have. Returns `None` if
    /// that is not known.
    pub(crate) fn open(appended: Option<&Appended>, secret: &Secret, number: u64) -> Option<Expected> {
        let appended = appended?;
        if appended.before.number == number {
            return Some(Expected::new(appended, secret, appended.before.open, Target::Open));
        }
        // Nothing has been appended yet to the file after the one in the journal.
        let is_next = appended.before.number.checked_add(1) == Some(number);
        is_next.then(|| Expected::next(secret))
    }

    /// Returns the state of a file to which nothing has been appended.
    pub(crate) fn next(secret: &Secret) -> Expected {
        let (mark, codes) = (Mark::default(), Vec::new());
        Expected {
            secret: secret.clone(),
            count: 0,
            mark,
            codes,
            next: 0,
            units: 0,
            is_reached: true,
            foreign: Vec::new(),
        }
    }

    /// Returns the state that the manifests should have.
    pub(crate) fn manifests(appended: &Appended, secret: &Secret) -> Expected {
        let foreign = appended.before.foreign.clone();
        Expected { foreign, ..Expected::new(appended, secret, appended.before.manifests, Target::Manifests) }
    }

    fn new(appended: &Appended, secret: &Secret, mark: Mark, target: Target) -> Expected {
        let codes = if appended.target == target { appended.codes.clone() } else { Vec::new() };
        let (secret, count) = (secret.clone(), appended.count);
        Expected { secret, count, mark, codes, next: 0, units: 0, is_reached: false, foreign: Vec::new() }
    }

    /// Notes that the file has been read up to this byte, with this digest.
    pub(crate) fn reach(&mut self, bytes: u64, digest: impl FnOnce() -> Node) {
        if bytes == self.mark.bytes && self.units == 0 {
            self.is_reached |= digest() == self.mark.digest;
        }
    }

    /// Checks whether the ledger appended the line or frame that begins at this byte.
    /// Returns `None` for a byte before the mark, unless it is in a stretch that is known
    /// not to be the ledger's.
    pub(crate) fn is_appended(&mut self, at: u64, unit: &Node) -> Option<bool> {
        if at < self.mark.bytes {
            return self.foreign.iter().any(|stretch| stretch.contains(&at)).then_some(false);
        }
        let is_code = |at: usize| {
            let expected = self.codes.get(at).filter(|_| self.is_reached);
            expected.is_some_and(|expected| *expected == code(&self.secret, self.count, at, unit))
        };
        // Lines may have been added, joined, or replaced by others, so a few codes are
        // tried.
        let mut near = (self.next..self.next + SKIPPED_MAX).chain([self.units]);
        let found = near.find(|at| *at >= self.next && is_code(*at));
        self.units += 1;
        self.next = found.map_or(self.next, |at| at + 1);
        Some(found.is_some())
    }

    /// Returns the length that the file had, at least, at the last append.
    pub(crate) fn bytes(&self) -> u64 {
        self.mark.bytes
    }

    /// Checks whether the file was unchanged up to the mark.
    pub(crate) fn is_reached(&self) -> bool {
        self.is_reached
    }
}
