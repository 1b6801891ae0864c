//! The file in which a filter remembers its chain.
//!
//! Fixed in size and written in place: a header, made once, and two slots that
//! are written in turn, so that a torn write spares the other one. All
//! integers are little-endian.
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
//! | 16..24 | the number of records in that; 0: no record yet |
//! | 24..30 | its run |
//! | 30..62 | head |
//! | 62..70 | how many records of that segment are settled: see [`Link`] |
//! | 70..76 | zero |
//! | 76..80 | CRC-32 of bytes 0..76 |
//!
//! The CRC is that of IEEE 802.3, which finds what is torn. It does not keep
//! anyone from writing the file.

use crate::chain::certificate::Handover;
use crate::chain::id::{Chain, ChainId, GENESIS, Link, Place, Run};
use crate::crc::crc32;
use crate::hash::{Algorithm, Hash};
use crate::record::notes::Notes;

/// The file's name in its directory.
pub const FILE_NAME: &str = "chain.state";
/// Its length, in bytes.
pub const FILE_BYTES: usize = 3 * SLOT_BYTES;
/// The length of the header and of each slot, in bytes.
pub const SLOT_BYTES: usize = 80;

const MAGIC: &[u8; 8] = b"flbaudit";
const LAYOUT: u8 = 1;
const CRC_AT: usize = SLOT_BYTES - 4;

/// The header: what never changes of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The chain's name.
    pub id: ChainId,
    /// Its hash function.
    pub algorithm: Algorithm,
}

/// A slot: how far the chain has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The number of the newest segment; 0 before the first.
    pub segment: u64,
    /// The last record sealed.
    pub last: Option<Place>,
    /// How many records of the segment of `last` are settled.
    pub settled: u64,
    /// The hash over all up to it.
    pub head: Hash,
}

/// What a state file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// The chain.
    pub header: Header,
    /// How far it has come; none if both slots are damaged.
    pub slot: Option<Slot>,
    /// Which of the two slots that is, 0 or 1: the other is the next to write.
    pub slot_index: usize,
}

impl Header {
    /// A new state file of this chain, before its first record.
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
        file[2 * SLOT_BYTES..].copy_from_slice(&fresh);
        file
    }
}

impl Slot {
    /// How far `chain` has come, with so many settled records in its segment.
    pub fn of(chain: &Chain, settled: u64) -> Self {
        let link = chain.link;
        let (last, settled) = match chain.next.sequence.checked_sub(1) {
            Some(sequence) => (Some(Place { sequence, ..chain.next }), settled),
            None => (link.map(|link| link.place), link.and_then(|link| link.settled).unwrap_or(0)),
        };
        Slot { segment: chain.next.segment, last, settled, head: chain.head }
    }

    /// As it is written.
    pub fn to_bytes(&self) -> [u8; SLOT_BYTES] {
        let mut slot = [0; SLOT_BYTES];
        slot[..8].copy_from_slice(&self.segment.to_le_bytes());
        if let Some(last) = &self.last {
            slot[8..16].copy_from_slice(&last.segment.to_le_bytes());
            slot[16..24].copy_from_slice(&(last.sequence + 1).to_le_bytes());
            slot[24..30].copy_from_slice(last.run.as_bytes());
        }
        slot[30..62].copy_from_slice(&self.head);
        slot[62..70].copy_from_slice(&self.settled.to_le_bytes());
        with_crc(slot)
    }
}

/// Where in the file a slot stands.
pub fn slot_offset(index: usize) -> u64 {
    (SLOT_BYTES * (1 + index)) as u64
}

impl State {
    /// Reads a state file; none if it is not one or its header is damaged.
    pub fn read(file: &[u8]) -> Option<State> {
        let (header, slots) = file.split_first_chunk::<SLOT_BYTES>()?;
        let is_ours = has_crc(header) && header.starts_with(MAGIC) && header[8] == LAYOUT;
        let header = Header {
            id: ChainId::from_text(&header[10..22]).filter(|_| is_ours)?,
            algorithm: Algorithm::from_id(header[9])?,
        };
        let mut state = State { header, slot: None, slot_index: 1 };
        for (index, bytes) in slots.as_chunks::<SLOT_BYTES>().0.iter().take(2).enumerate() {
            let age = |slot: Slot| (slot.segment, slot.last.map(|last| (last.segment, last.sequence)));
            if let Some(slot) = read_slot(bytes)
                && state.slot.map(age) < Some(age(slot))
            {
                state.slot = Some(slot);
                state.slot_index = index;
            }
        }
        Some(state)
    }

    /// Opens a new segment. `newest` is the handover to the key that the chain's
    /// key file has in force, if that is not key 0.
    pub fn open_segment(&self, run: Run, newest: Option<&Handover>) -> OpenedSegment {
        let position = |place: &Place| place.position();
        let (slot, notes, is_key_unused) = match self.slot {
            None => {
                // So that no segment's number comes again.
                let segment = newest.map_or(0, |newest| newest.place.segment);
                let fresh = Slot { segment, last: None, settled: 0, head: GENESIS };
                (fresh, Notes::STATE_DAMAGED, false)
            }
            Some(slot) => match newest {
                Some(newest) if slot.last.is_none_or(|last| position(&last) < position(&newest.place)) => {
                    // A record is handed on when the state has it. So a key that
                    // came into force behind the state has sealed nothing, or
                    // this is an older state than the one that was written last.
                    let is_same = newest.head == slot.head;
                    (slot, if is_same { Notes::NONE } else { Notes::STATE_SET_BACK }, is_same)
                }
                _ => (slot, Notes::NONE, false),
            },
        };
        let link = slot.last.map(|place| Link { place, settled: Some(slot.settled) });
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

/// A new segment, as its writer begins it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedSegment {
    /// The chain, before the segment's first record.
    pub chain: Chain,
    /// The notes of the first record.
    pub notes: Notes,
    /// Whether the key in force has sealed nothing that can have been handed on.
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
    Some(Slot { segment: number(0)?, last, settled: number(62)?, head: *bytes[30..].first_chunk()? })
}

fn with_crc(mut block: [u8; SLOT_BYTES]) -> [u8; SLOT_BYTES] {
    let crc = crc32(&block[..CRC_AT]);
    block[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
    block
}

fn has_crc(block: &[u8; SLOT_BYTES]) -> bool {
    with_crc(*block) == *block
}
