//! The file in which a filter leaves its last checkpoint, for others to read.
//!
//! Two slots, written in turn, so that a torn write spares the other one. All
//! integers are little-endian.
//!
//! | bytes | slot, at 0 and at 8192 |
//! |---|---|
//! | 0..4 | CRC-32 of all that is used behind it |
//! | 4..8 | the length of the text |
//! | 8..16 | a number that grows with every write |
//! | 16.. | the checkpoint, a line of JSON |

use crate::crc::crc32;
use crate::memory::{OutOfMemory, put};
use alloc::vec::Vec;

/// The file's name in its directory.
pub const FILE_NAME: &str = "chain.checkpoint";
/// The length of the file, in bytes.
pub const FILE_BYTES: usize = 2 * SLOT_BYTES;
/// The length of a slot, in bytes: a checkpoint with a certificate for each
/// bit of a key's number takes less.
pub const SLOT_BYTES: usize = 8192;

const TEXT_AT: usize = 16;

/// A slot, as far as it is used.
pub fn to_slot(count: u64, text: &[u8]) -> Result<Vec<u8>, OutOfMemory> {
    let mut slot = Vec::new();
    put(&mut slot, &[0; 4])?;
    put(&mut slot, &(text.len() as u32).to_le_bytes())?;
    put(&mut slot, &count.to_le_bytes())?;
    put(&mut slot, text)?;
    let crc = crc32(&slot[4..]);
    slot[..4].copy_from_slice(&crc.to_le_bytes());
    if slot.len() > SLOT_BYTES { Err(OutOfMemory) } else { Ok(slot) }
}

/// Where in the file a slot stands: the one for a write of this number.
pub fn slot_offset(count: u64) -> u64 {
    count % 2 * SLOT_BYTES as u64
}

/// The last checkpoint in a file, and the number of its write.
pub fn from_file(file: &[u8]) -> Option<(u64, &[u8])> {
    let slots = file.chunks(SLOT_BYTES).take(2).filter_map(|slot| {
        let len = u32::from_le_bytes(*slot.get(4..)?.first_chunk()?) as usize;
        let used = slot.get(4..TEXT_AT.checked_add(len)?)?;
        let is_whole = len > 0 && *slot.first_chunk()? == crc32(used).to_le_bytes();
        let count = u64::from_le_bytes(*slot.get(8..)?.first_chunk()?);
        is_whole.then(|| (count, &slot[TEXT_AT..TEXT_AT + len]))
    });
    slots.max_by_key(|(count, _)| *count)
}
