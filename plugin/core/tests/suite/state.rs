//! The state file: torn, damaged, and read again.

use flb_audit_core::chain::state::{
    Clocks, FILE_BYTES, Header, Look, OpenedSegment, SLOT_BYTES, Slot, State, slot_offset,
};
use flb_audit_core::chain::{Chain, ChainId, GENESIS, Link, Place, Run, Unsettled};
use flb_audit_core::hash::Algorithm;
use flb_audit_core::record::notes::Notes;

fn run(name: &[u8; 6]) -> Run {
    Run::from_text(name).expect("a run's name")
}

fn header(algorithm: Algorithm) -> Header {
    Header { id: ChainId::from_text(b"chain-000001").expect("a chain's name"), algorithm }
}

fn slot(segment: u64, last: Option<(u64, u64)>, byte: u8) -> Slot {
    let place = |(segment, sequence)| Place { segment, run: run(b"run-01"), sequence };
    Slot { segment, last: last.map(place), head: [byte; 32], seconds: 0x0809 }
}

/// Returns a file with these slots.
fn file(slots: [Option<Slot>; 2]) -> [u8; FILE_BYTES] {
    let mut file = header(Algorithm::Sha512_256).to_file();
    for (index, slot) in slots.iter().enumerate() {
        if let Some(slot) = slot {
            write(&mut file, index, slot);
        }
    }
    file
}

fn write(file: &mut [u8], index: usize, slot: &Slot) {
    file[slot_offset(index) as usize..][..SLOT_BYTES].copy_from_slice(&slot.to_bytes());
}

#[test]
fn a_new_file_opens_the_first_segment() {
    for algorithm in Algorithm::ALL {
        let state = State::read(&header(algorithm).to_file()).expect("a state");
        assert_eq!(state.header, header(algorithm));
        let OpenedSegment { chain, notes, .. } = state.open_segment(run(b"run-07"), None, Clocks::default());
        let next = Place { segment: 1, run: run(b"run-07"), sequence: 0 };
        assert_eq!(chain, Chain { id: state.header.id, algorithm, next, head: GENESIS, link: None });
        assert_eq!(notes, Notes::NONE);
    }
}

#[test]
fn a_segment_goes_on_from_the_last_record() {
    let state = State::read(&file([Some(slot(4, Some((3, 9)), 7)), None])).expect("a state");
    let OpenedSegment { chain, notes, .. } = state.open_segment(run(b"run-07"), None, Clocks::default());
    assert_eq!(chain.next, Place { segment: 5, run: run(b"run-07"), sequence: 0 });
    let place = Place { segment: 3, run: run(b"run-01"), sequence: 9 };
    assert_eq!(chain.link, Some(Link { place, unsettled: None }));
    assert_eq!((chain.head, notes), ([7; 32], Notes::NONE));
}

/// Tests lives with and without records; each one begins with the state that the one
/// before has left.
#[test]
fn lives_are_linked() {
    let mut file = header(Algorithm::Sha256).to_file();
    let mut last = None;
    let mut head = GENESIS;
    for (segment, records) in [3, 0, 0, 1, 2, 0, 5].into_iter().enumerate() {
        let state = State::read(&file).expect("a state");
        let name = run(format!("run-{segment:02}").as_bytes().try_into().expect("six bytes"));
        let OpenedSegment { mut chain, notes, .. } = state.open_segment(name, None, Clocks::default());
        assert_eq!((chain.next.segment, chain.next.sequence), (segment as u64 + 1, 0));
        assert_eq!((chain.link.map(|link| link.place), chain.head, notes), (last, head, Notes::NONE));
        let mut index = 1 - state.slot_index;
        write(&mut file, index, &Slot::of(&chain, 0));
        for record in 0..records {
            last = Some(chain.next);
            head = [segment as u8 * 16 + record; 32];
            (chain.head, chain.next.sequence) = (head, chain.next.sequence + 1);
            index = 1 - index;
            write(&mut file, index, &Slot::of(&chain, 0));
        }
    }
}

#[test]
fn the_newest_slot_wins() {
    let in_order = [
        slot(0, None, 0),
        slot(1, None, 0),
        slot(1, Some((1, 0)), 1),
        slot(1, Some((1, 1)), 2),
        slot(1, Some((1, 300)), 3),
        slot(2, Some((1, 300)), 3),
        slot(2, Some((2, 0)), 4),
        slot(3, Some((2, 0)), 5),
        slot(256, Some((2, 0)), 5),
        slot(u64::MAX, Some((u64::MAX, 1 << 40)), 6),
    ];
    for (at, older) in in_order.iter().enumerate() {
        for newer in &in_order[at + 1..] {
            for (slots, index) in [([Some(*older), Some(*newer)], 1), ([Some(*newer), Some(*older)], 0)] {
                let state = State::read(&file(slots)).expect("a state");
                assert_eq!((state.slot, state.slot_index), (Some(*newer), index));
            }
        }
    }
}

#[test]
fn what_is_written_is_read() {
    for written in [slot(1, None, 0), slot(7, Some((6, u64::MAX - 1)), 0xff), slot(u64::MAX, Some((0, 0)), 1)]
    {
        let state = State::read(&file([Some(written), Some(written)])).expect("a state");
        assert_eq!(state.slot, Some(written));
    }
}

#[test]
fn a_torn_write_spares_the_other_slot() {
    let (older, newer, newest) =
        (slot(2, Some((2, 8)), 8), slot(2, Some((2, 9)), 9), slot(2, Some((2, 10)), 10));
    for index in 0..2 {
        let mut slots = [Some(newer); 2];
        slots[index] = Some(older);
        let whole = file(slots);
        for torn_at in 0..=SLOT_BYTES {
            let mut torn = whole;
            torn[slot_offset(index) as usize..][..torn_at].copy_from_slice(&newest.to_bytes()[..torn_at]);
            let read = State::read(&torn).expect("a state").slot;
            let is_whole = torn
                == file(if index == 0 { [Some(newest), Some(newer)] } else { [Some(newer), Some(newest)] });
            assert_eq!(read, Some(if is_whole { newest } else { newer }), "torn at {torn_at}");
        }
    }
}

#[test]
fn one_bit_anywhere_damages_its_block_alone() {
    let slots = [slot(3, Some((3, 4)), 1), slot(3, Some((3, 5)), 2)];
    let whole = file(slots.map(Some));
    for byte in 0..FILE_BYTES {
        for bit in 0..8 {
            let mut damaged = whole;
            damaged[byte] ^= 1 << bit;
            let state = State::read(&damaged);
            let expected = match byte / SLOT_BYTES {
                0 => None,
                2 => Some((Some(slots[0]), 0)),
                _ => Some((Some(slots[1]), 1)),
            };
            assert_eq!(state.map(|state| (state.slot, state.slot_index)), expected, "byte {byte}, bit {bit}");
        }
    }
}

#[test]
fn without_a_slot_the_damage_is_noted() {
    let mut damaged = file([Some(slot(3, Some((3, 4)), 1)), Some(slot(3, Some((3, 5)), 2))]);
    damaged[SLOT_BYTES] ^= 1;
    damaged[2 * SLOT_BYTES] ^= 1;
    let state = State::read(&damaged).expect("a state");
    assert_eq!(state.slot, None);
    let OpenedSegment { chain, notes, .. } = state.open_segment(run(b"run-07"), None, Clocks::default());
    assert_eq!(notes, Notes::STATE_DAMAGED);
    assert_eq!((chain.next.segment, chain.head, chain.link), (1, GENESIS, None));
}

#[test]
fn a_file_that_is_short_is_read_as_far_as_it_goes() {
    let slots = [slot(3, Some((3, 4)), 1), slot(3, Some((3, 5)), 2)];
    let whole = file(slots.map(Some));
    for len in 0..=FILE_BYTES {
        let slot = State::read(&whole[..len]).map(|state| state.slot);
        let expected = match len / SLOT_BYTES {
            0 => None,
            1 => Some(None),
            2 => Some(Some(slots[0])),
            _ => Some(Some(slots[1])),
        };
        assert_eq!(slot, expected, "{len} bytes");
    }
}

/// Tests the layout in the module's documentation, byte by byte.
#[test]
fn the_layout_does_not_change() {
    let written = file([Some(slot(0x0102, Some((0x0203, 0x0304)), 0xab)), None]);
    assert_eq!(&written[..22], b"flbaudit\x01\x02chain-000001");
    assert!(written[22..76].iter().all(|byte| *byte == 0));
    assert_eq!(written[80..110], *b"\x02\x01\0\0\0\0\0\0\x03\x02\0\0\0\0\0\0\x05\x03\0\0\0\0\0\0run-01");
    assert_eq!(written[110..142], [0xab; 32]);
    assert_eq!(written[142..150], *b"\x09\x08\0\0\0\0\0\0");
    assert!(written[150..156].iter().all(|byte| *byte == 0));
    let end = |segment, sequence, byte| {
        let place = Place { segment, run: run(b"run-02"), sequence };
        Unsettled { place, head: [byte; 32] }
    };
    let (end, unsettled) = (end(0x0506, 0x0607, 0xac), end(0x0708, 0x0809, 0xad));
    let look = Look { seconds: 0x0405, end, unsettled }.to_bytes();
    assert_eq!(look[..30], *b"\x05\x04\0\0\0\0\0\0\x06\x05\0\0\0\0\0\0\x07\x06\0\0\0\0\0\0run-02");
    assert_eq!(look[30..62], [0xac; 32]);
    assert_eq!(look[62..84], *b"\x08\x07\0\0\0\0\0\0\x09\x08\0\0\0\0\0\0run-02");
    assert_eq!(look[84..116], [0xad; 32]);
    assert!(look[116..136].iter().all(|byte| *byte == 0));
    // The CRC-32 of IEEE 802.3 over data and its own CRC is this constant.
    for block in written[..3 * SLOT_BYTES].chunks(SLOT_BYTES).chain([&look[..]]) {
        assert_eq!(crc32(block), 0x2144_df1c);
    }
}

/// Computes the CRC bit by bit, as the standard defines it.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = !0u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}
