//! The file in which a filter leaves its last checkpoint for others to read, and the file
//! in which the sender of checkpoints remembers what it has sent.
//!
//! The checkpoint's file has two slots, which are written in turn, so that a torn write
//! spares the other slot. All integers are little-endian.
//!
//! | bytes | slot, at 0 and at 8192 |
//! |---|---|
//! | 0..4 | CRC-32 of all used bytes behind it |
//! | 4..8 | the length of the text |
//! | 8..16 | a number that grows with every write |
//! | 16.. | the checkpoint, a line of JSON |
//!
//! | bytes | the sender's file |
//! |---|---|
//! | 0..4 | CRC-32 of all bytes behind it |
//! | 4..8 | CRC-32 of the checkpoint's text |
//! | 8..16 | the number of the checkpoint's write |
//! | 16..24 | the time of sending, in seconds since 1970 |

use crate::crc::crc32;
use crate::memory::{OutOfMemory, put};
use alloc::vec::Vec;

/// The name of the checkpoint's file in its directory.
pub const FILE_NAME: &str = "chain.checkpoint";
/// The length of the file, in bytes.
pub const FILE_BYTES: usize = 2 * SLOT_BYTES;
/// The length of a slot, in bytes. A checkpoint with a certificate for each bit of a
/// key's number takes less.
pub const SLOT_BYTES: usize = 8192;

const TEXT_AT: usize = 16;

/// Returns the used part of a slot for a checkpoint. Fails if the text is too long for a
/// slot.
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

/// Returns the offset in the file of the slot for the write with this number.
pub fn slot_offset(count: u64) -> u64 {
    count % 2 * SLOT_BYTES as u64
}

/// Returns the last checkpoint in a file, and the number of its write.
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

/// The name of the sender's file, in the same directory.
pub const SENT_FILE_NAME: &str = "chain.sent";
/// The length of the sender's file, in bytes.
pub const SENT_FILE_BYTES: usize = 24;
/// The time after which an unchanged checkpoint is sent again, in seconds. It shows that
/// the filter is alive, and an earlier delivery may have failed.
pub const RESEND_SECONDS: u64 = 3600;

/// Checks whether a checkpoint has to be sent: it differs from the last one sent, or that
/// was sent an hour ago. A clock that was set back does not delay it.
pub fn is_due(sent: &[u8], count: u64, text: &[u8], now_seconds: u64) -> bool {
    let sent_at =
        sent.get(16..24).and_then(|bytes| bytes.first_chunk()).map(|bytes| u64::from_le_bytes(*bytes));
    let age = sent_at.and_then(|sent_at| now_seconds.checked_sub(sent_at));
    let is_recent = age.is_some_and(|age| age < RESEND_SECONDS);
    !is_recent || sent_at.is_none_or(|sent_at| sent != to_sent(count, text, sent_at))
}

/// Returns the content of the sender's file after a checkpoint was sent.
pub fn to_sent(count: u64, text: &[u8], now_seconds: u64) -> [u8; SENT_FILE_BYTES] {
    let mut file = [0; SENT_FILE_BYTES];
    file[4..8].copy_from_slice(&crc32(text).to_le_bytes());
    file[8..16].copy_from_slice(&count.to_le_bytes());
    file[16..].copy_from_slice(&now_seconds.to_le_bytes());
    let crc = crc32(&file[4..]);
    file[..4].copy_from_slice(&crc.to_le_bytes());
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_sent_when_it_is_new_and_once_an_hour() {
        let sent = to_sent(7, b"{}", 10_000);
        let due = |sent: &[u8], count, text: &[u8], now| is_due(sent, count, text, now);
        assert!(!due(&sent, 7, b"{}", 10_000));
        assert!(!due(&sent, 7, b"{}", 10_000 + RESEND_SECONDS - 1));
        assert!(due(&sent, 7, b"{}", 10_000 + RESEND_SECONDS), "after an hour");
        assert!(due(&sent, 7, b"{}", 9_999), "the clock was set back");
        assert!(due(&sent, 8, b"{}", 10_001), "another write");
        assert!(due(&sent, 7, b"[]", 10_001), "another chain in its place");
    }

    #[test]
    fn a_damaged_file_holds_nothing_up() {
        let sent = to_sent(7, b"{}", 10_000);
        for bytes in 0..sent.len() {
            assert!(is_due(&sent[..bytes], 7, b"{}", 10_000), "cut at {bytes}");
            let mut damaged = sent;
            damaged[bytes] ^= 1;
            assert!(is_due(&damaged, 7, b"{}", 10_000), "damaged at {bytes}");
        }
        assert!(is_due(&[&sent[..], b"x"].concat(), 7, b"{}", 10_000));
    }
}
