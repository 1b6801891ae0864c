//! The chunks of records without a seal that are about to be stored.
//!
//! Records without a seal have no identity until the ledger has sealed them. So that the
//! ledger recognises a chunk of them that comes again after a crash, it first writes down
//! the chunk's hash and the places that its records will have in the ledger's own chain.
//! The intents are a ring of slots. All integers are little-endian.
//!
//! | bytes | slot |
//! |---|---|
//! | 0..8 | a number that grows with every write; 0: an empty slot |
//! | 8..40 | SHA-256 of the tag's length, the tag and the chunk |
//! | 40..48, 48..54 | segment and run of the places |
//! | 54..56 | zero |
//! | 56..64 | the first sequence number |
//! | 64..72 | how many records |
//! | 72..104 | SHA-256 of the journal's secret, `intent` and bytes 0..72 |

use crate::tail::Secret;
use flb_audit_core::chain::{Place, Run};
use sha2::{Digest, Sha256};

/// The number of chunks that are remembered.
pub(crate) const SLOTS: u64 = 1024;
/// The length of a slot, in bytes.
pub(crate) const SLOT_BYTES: usize = CODE_AT + 32;
const CODE_AT: usize = 72;

/// The hash of a chunk.
pub(crate) type Digested = [u8; 32];

/// A chunk that was about to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Intent {
    pub(crate) digest: Digested,
    /// The place of its first record in the ledger's own chain.
    pub(crate) first: Place,
    /// The number of its records that came without a seal.
    pub(crate) count: u64,
}

/// Returns the hash of a chunk and its tag.
pub(crate) fn digest(tag: &[u8], chunk: &[u8]) -> Digested {
    let mut hash = Sha256::new();
    hash.update((tag.len() as u64).to_le_bytes());
    hash.update(tag);
    hash.update(chunk);
    hash.finalize().into()
}

/// Reads the ring. Returns the number of the last write, and all intents, oldest first.
pub(crate) fn read(secret: &Secret, ring: &[u8]) -> (u64, Vec<Intent>) {
    let slots = ring.as_chunks::<SLOT_BYTES>().0.iter();
    let mut found: Vec<(u64, Intent)> = slots.filter_map(|slot| from_slot(secret, slot)).collect();
    found.sort_unstable_by_key(|(number, _)| *number);
    let last = found.last().map_or(0, |(number, _)| *number);
    (last, found.into_iter().map(|(_, intent)| intent).collect())
}

/// Writes an intent as a slot.
pub(crate) fn to_slot(secret: &Secret, number: u64, intent: &Intent) -> [u8; SLOT_BYTES] {
    let mut slot = [0; SLOT_BYTES];
    slot[..8].copy_from_slice(&number.to_le_bytes());
    slot[8..40].copy_from_slice(&intent.digest);
    slot[40..48].copy_from_slice(&intent.first.segment.to_le_bytes());
    slot[48..54].copy_from_slice(intent.first.run.as_bytes());
    slot[56..64].copy_from_slice(&intent.first.sequence.to_le_bytes());
    slot[64..72].copy_from_slice(&intent.count.to_le_bytes());
    let code = code(secret, &slot[..CODE_AT]);
    slot[CODE_AT..].copy_from_slice(&code);
    slot
}

fn from_slot(secret: &Secret, slot: &[u8; SLOT_BYTES]) -> Option<(u64, Intent)> {
    let number = |at: usize| slot[at..].first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    if number(0)? == 0 || code(secret, &slot[..CODE_AT]) != slot[CODE_AT..] {
        return None;
    }
    let place = Place { segment: number(40)?, run: Run::from_text(&slot[48..54])?, sequence: number(56)? };
    Some((number(0)?, Intent { digest: *slot[8..].first_chunk()?, first: place, count: number(64)? }))
}

/// Returns the code of a slot. All inputs have the same length, so length extension is no
/// attack.
fn code(secret: &Secret, bytes: &[u8]) -> [u8; 32] {
    Sha256::new_with_prefix(secret.as_slice()).chain_update(b"intent").chain_update(bytes).finalize().into()
}
