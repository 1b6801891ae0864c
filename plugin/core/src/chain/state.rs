//! The file in which a filter remembers its chain.
//!
//! The file has a fixed size and is written in place: a header, which is written once,
//! two slots, and two looks at the clock. Slots are written in turn, and looks likewise,
//! so that a torn write spares the other one of the pair. All integers are little-endian.
//! Times are those of a monotonic clock.
//!
//! | bytes | header |
//! |---|---|
//! | 0..8 | `flbaudit` |
//! | 8 | layout, 1 |
//! | 9 | algorithm |
//! | 10..22 | chain id |
//! | 22..76 | zero |
//! | 76..80 | CRC-32 of bytes 0..76 |
//!
//! | bytes | slot, at 80 and at 160 |
//! |---|---|
//! | 0..8 | the newest segment, counted from 1 |
//! | 8..16 | the segment of the last record |
//! | 16..24 | the number of records in that segment; 0: no record yet |
//! | 24..30 | its run |
//! | 30..62 | head |
//! | 62..70 | the time of the write, in seconds |
//! | 70..76 | zero |
//! | 76..80 | CRC-32 of bytes 0..76 |
//!
//! | bytes | look at the clock, at 240 and at 380: see [`Look`] |
//! |---|---|
//! | 0..8 | its time, in seconds |
//! | 8..16, 16..24, 24..30 | the first place without a record at that time: segment, number, run |
//! | 30..62 | the head before that place |
//! | 62..116 | place and head of the previous look, in the same form |
//! | 116..136 | zero |
//! | 136..140 | CRC-32 of bytes 0..136 |
//!
//! The CRC is that of IEEE 802.3. It detects torn writes; it does not protect against
//! somebody who writes the file on purpose.

use crate::chain::id::{Chain, ChainId, GENESIS, Link, Place, Run, Unsettled};
use crate::chain::keyring::Newest;
use crate::crc::crc32;
use crate::hash::{Algorithm, Hash};
use crate::record::notes::Notes;

/// The file's name in its directory.
pub const FILE_NAME: &str = "chain.state";
/// The length of the file, in bytes.
pub const FILE_BYTES: usize = 3 * SLOT_BYTES + 2 * LOOK_BYTES;
/// The length of the header and of each slot, in bytes.
pub const SLOT_BYTES: usize = 80;
/// The length of each look at the clock, in bytes.
pub const LOOK_BYTES: usize = 140;

const MAGIC: &[u8; 8] = b"flbaudit";
const LAYOUT: u8 = 1;
/// The offset of the first end in a look, and the length of an end, in bytes.
const ENDS_AT: usize = 8;
const END_BYTES: usize = 54;

/// The minimum time between two looks at the clock, in seconds.
pub const LOOK_SECONDS: u64 = 10;
/// The number of records of a life after which there is a look, whatever the clock says.
/// At most twice as many may be lost in a stop.
pub const LOOK_RECORDS: u64 = 32_768;

/// The header: the properties of a chain that never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The chain's name.
    pub id: ChainId,
    /// The chain's hash function.
    pub algorithm: Algorithm,
}

/// A slot: the progress of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The number of the newest segment; 0 before the first.
    pub segment: u64,
    /// The place of the last sealed record.
    pub last: Option<Place>,
    /// The head after that record.
    pub head: Hash,
    /// The time at which the slot was written, in seconds of a monotonic clock.
    pub seconds: u64,
}

/// The clocks of the thread that opens a segment, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clocks {
    /// The time of a monotonic clock.
    pub now: u64,
    /// The processor time that the thread has used, or 0 if it is unknown.
    pub used: u64,
}

const NANOSECONDS_A_SECOND: u64 = 1_000_000_000;

impl Clocks {
    /// Checks that the thread already existed at a time: it has used more processor time
    /// than has passed since.
    fn was_there(&self, seconds: u64) -> bool {
        let since = seconds.checked_mul(NANOSECONDS_A_SECOND).and_then(|then| self.now.checked_sub(then));
        since.is_some_and(|since| self.used > since)
    }
}

/// The progress of the chain at the last two looks at the clock. The looks are at least
/// [`LOOK_SECONDS`] or [`LOOK_RECORDS`] apart.
///
/// Records that were sealed before the earlier look are settled: they were handed on so
/// long ago that a stop of Fluent Bit does not lose them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// The time of the last look, in seconds of a monotonic clock.
    pub seconds: u64,
    /// The first place without a record at that time, and the head before it.
    pub end: Unsettled,
    /// The first place without a record at the previous look, and the head before it.
    pub unsettled: Unsettled,
}

/// The content of a state file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// The chain.
    pub header: Header,
    /// The progress of the chain, or `None` if both slots are damaged.
    pub slot: Option<Slot>,
    /// The slot that holds it, 0 or 1. The other one is written next.
    pub slot_index: usize,
    /// True if a slot is damaged, which may have been the newest.
    pub has_damaged_slot: bool,
    /// The last look at the clock, or `None` if there was none yet or both are damaged.
    pub look: Option<Look>,
    /// The look's number in the file, 0 or 1.
    pub look_index: usize,
}

impl Header {
    /// Returns a new state file for this chain, before its first record.
    pub fn to_file(&self) -> [u8; FILE_BYTES] {
        let mut header = [0; SLOT_BYTES];
        header[..8].copy_from_slice(MAGIC);
        header[8] = LAYOUT;
        header[9] = self.algorithm as u8;
        header[10..22].copy_from_slice(self.id.as_bytes());
        let mut file = [0; FILE_BYTES];
        file[..SLOT_BYTES].copy_from_slice(&with_crc(header));
        let fresh = with_crc([0; SLOT_BYTES]);
        file[SLOT_BYTES..2 * SLOT_BYTES].copy_from_slice(&fresh);
        file[2 * SLOT_BYTES..3 * SLOT_BYTES].copy_from_slice(&fresh);
        file
    }
}

impl Slot {
    /// Returns the progress of `chain` at a time of a monotonic clock, in seconds.
    pub fn of(chain: &Chain, seconds: u64) -> Self {
        let last = match chain.next.sequence.checked_sub(1) {
            Some(sequence) => Some(Place { sequence, ..chain.next }),
            None => chain.link.map(|link| link.place),
        };
        Slot { segment: chain.next.segment, last, head: chain.head, seconds }
    }

    /// Returns the bytes of the slot in the file.
    pub fn to_bytes(&self) -> [u8; SLOT_BYTES] {
        let mut slot = [0; SLOT_BYTES];
        slot[..8].copy_from_slice(&self.segment.to_le_bytes());
        if let Some(last) = &self.last {
            slot[8..16].copy_from_slice(&last.segment.to_le_bytes());
            slot[16..24].copy_from_slice(&(last.sequence + 1).to_le_bytes());
            slot[24..30].copy_from_slice(last.run.as_bytes());
        }
        slot[30..62].copy_from_slice(&self.head);
        slot[62..70].copy_from_slice(&self.seconds.to_le_bytes());
        with_crc(slot)
    }
}

impl Look {
    /// Returns the first look of a writer that knows of no earlier one.
    pub fn first(chain: &Chain, seconds: u64) -> Self {
        let end = Unsettled { place: chain.end(), head: chain.head };
        Look { seconds, end, unsettled: end }
    }

    /// Returns the next look if it is due and the chain has progressed. Without progress
    /// there is none, so that the later of two looks can be told by its place. If the
    /// clock is behind this look, the machine was restarted; then the look is due at
    /// once, and the unsettled records stay the same.
    pub fn next(&self, chain: &Chain, seconds: u64) -> Option<Self> {
        let end = Unsettled { place: chain.end(), head: chain.head };
        let is_same_life = (end.place.segment, end.place.run) == (self.end.place.segment, self.end.place.run);
        let before = if is_same_life { self.end.place.sequence } else { 0 };
        if end.place.sequence.saturating_sub(before) >= LOOK_RECORDS {
            return Some(Look { seconds, end, unsettled: self.end });
        }
        match seconds.checked_sub(self.seconds) {
            _ if end == self.end => None,
            None => Some(Look { seconds, end, ..*self }),
            Some(LOOK_SECONDS..) => Some(Look { seconds, end, unsettled: self.end }),
            Some(_) => None,
        }
    }

    /// Returns the bytes of the look in the file.
    pub fn to_bytes(&self) -> [u8; LOOK_BYTES] {
        let mut look = [0; LOOK_BYTES];
        look[..8].copy_from_slice(&self.seconds.to_le_bytes());
        for (at, Unsettled { place, head }) in [(ENDS_AT, &self.end), (ENDS_AT + END_BYTES, &self.unsettled)]
        {
            look[at..at + 8].copy_from_slice(&place.segment.to_le_bytes());
            look[at + 8..at + 16].copy_from_slice(&place.sequence.to_le_bytes());
            look[at + 16..at + 22].copy_from_slice(place.run.as_bytes());
            look[at + 22..at + END_BYTES].copy_from_slice(head);
        }
        with_crc(look)
    }
}

/// Returns the offset of a slot in the file.
pub fn slot_offset(index: usize) -> u64 {
    (SLOT_BYTES * (1 + index)) as u64
}

/// Returns the offset of a look at the clock in the file.
pub fn look_offset(index: usize) -> u64 {
    (3 * SLOT_BYTES + LOOK_BYTES * index) as u64
}

impl State {
    /// Returns the state of a chain of which only the header is known.
    pub fn without_slots(header: Header) -> State {
        State { header, slot: None, slot_index: 1, has_damaged_slot: false, look: None, look_index: 1 }
    }

    /// Reads a state file. Returns `None` if it is not one or its header is damaged.
    pub fn read(file: &[u8]) -> Option<State> {
        let (header, blocks) = file.split_first_chunk::<SLOT_BYTES>()?;
        let is_ours = has_crc(header) && header.starts_with(MAGIC) && header[8] == LAYOUT;
        let header = Header {
            id: ChainId::from_text(&header[10..22]).filter(|_| is_ours)?,
            algorithm: Algorithm::from_id(header[9])?,
        };
        let mut state = State::without_slots(header);
        let (slots, looks) = blocks.split_at_checked(2 * SLOT_BYTES).unwrap_or((blocks, &[]));
        for (index, bytes) in slots.as_chunks().0.iter().enumerate() {
            let age = |slot: Slot| (slot.segment, slot.last.map(|last| (last.segment, last.sequence)));
            let slot = read_slot(bytes);
            state.has_damaged_slot |= slot.is_none();
            if let Some(slot) = slot
                && state.slot.map(age) < Some(age(slot))
            {
                state.slot = Some(slot);
                state.slot_index = index;
            }
        }
        for (index, bytes) in looks.as_chunks().0.iter().take(2).enumerate() {
            if let Some(look) = read_look(bytes)
                && state.look.is_none_or(|other| other.end.place.position() < look.end.place.position())
            {
                (state.look, state.look_index) = (Some(look), index);
            }
        }
        Some(state)
    }

    /// Opens a new segment. `newest` is the handover to the key in force by the chain's
    /// key file, unless that is key 0. The link says which records may have been lost in
    /// a stop, unless the clocks show that there was no stop.
    pub fn open_segment(&self, run: Run, newest: Option<&Newest>, clocks: Clocks) -> OpenedSegment {
        let position = |place: &Place| place.position();
        // A slot without a record beside a damaged one does not tell whether there was a record.
        let readable = self.slot.filter(|slot| slot.last.is_some() || !self.has_damaged_slot);
        let (slot, notes, is_key_unused) = match readable {
            None => {
                // No segment's number is used twice.
                let opened = self.slot.map_or(0, |slot| slot.segment);
                let segment = newest.map_or(0, |newest| newest.segment).max(opened);
                let fresh = Slot { segment, last: None, head: GENESIS, seconds: 0 };
                (fresh, Notes::STATE_DAMAGED, false)
            }
            Some(slot) => match newest {
                Some(Newest { handover, segment })
                    if slot.last.is_none_or(|last| position(&last) < position(&handover.place)) =>
                {
                    // A record is handed on only when the state contains it, and a
                    // segment is saved before its key comes into force. So if a key came
                    // into force after the last record of the state, either the key has
                    // sealed nothing, or this is an older state than the one that was
                    // written last.
                    let is_same = handover.head == slot.head
                        && handover.place.segment <= slot.segment
                        && !self.has_damaged_slot;
                    let slot = Slot { segment: slot.segment.max(*segment), ..slot };
                    (slot, if is_same { Notes::NONE } else { Notes::STATE_SET_BACK }, is_same)
                }
                _ => (slot, Notes::NONE, false),
            },
        };
        let link = slot.last.map(|place| {
            let unsettled = self.look.map(|look| look.unsettled).filter(|_| !clocks.was_there(slot.seconds));
            Link {
                place,
                unsettled: unsettled.filter(|first| first.place.position() <= place.after().position()),
            }
        });
        let chain = Chain {
            id: self.header.id,
            algorithm: self.header.algorithm,
            next: Place { segment: slot.segment.saturating_add(1), run, sequence: 0 },
            head: slot.head,
            link,
        };
        OpenedSegment { chain, notes, is_key_unused }
    }
}

/// A new segment, ready for its first record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedSegment {
    /// The chain, before the segment's first record.
    pub chain: Chain,
    /// The notes of the first record.
    pub notes: Notes,
    /// True if the key in force has sealed nothing that may have been handed on.
    pub is_key_unused: bool,
}

fn read_slot(bytes: &[u8; SLOT_BYTES]) -> Option<Slot> {
    if !has_crc(bytes) {
        return None;
    }
    let number = |at: usize| bytes[at..].first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    let last = match number(16)?.checked_sub(1) {
        Some(sequence) => Some(Place { segment: number(8)?, run: Run::from_text(&bytes[24..30])?, sequence }),
        None => None,
    };
    Some(Slot { segment: number(0)?, last, head: *bytes[30..].first_chunk()?, seconds: number(62)? })
}

fn read_look(bytes: &[u8; LOOK_BYTES]) -> Option<Look> {
    if !has_crc(bytes) {
        return None;
    }
    let number = |at: usize| bytes[at..].first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    let end = |at: usize| {
        let run = Run::from_text(&bytes[at + 16..at + 22])?;
        let place = Place { segment: number(at)?, sequence: number(at + 8)?, run };
        Some(Unsettled { place, head: *bytes[at + 22..].first_chunk()? })
    };
    Some(Look { seconds: number(0)?, end: end(ENDS_AT)?, unsettled: end(ENDS_AT + END_BYTES)? })
}

fn with_crc<const BYTES: usize>(mut block: [u8; BYTES]) -> [u8; BYTES] {
    if let Some((contents, crc)) = block.split_last_chunk_mut() {
        *crc = crc32(contents).to_le_bytes();
    }
    block
}

fn has_crc<const BYTES: usize>(block: &[u8; BYTES]) -> bool {
    block.split_last_chunk().is_some_and(|(contents, crc)| crc32(contents) == u32::from_le_bytes(*crc))
}
