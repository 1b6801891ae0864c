//! Vectors of states that were damaged or set back, and of a thief who says so: somebody who has
//! the keys of a node from segment 6 on, and writes the store.

use super::*;
use flb_audit_model::forge::head_of;

/// Six segments of six records, under keys 1 to 6.
pub(super) fn six() -> Case {
    let mut case = base();
    for run in ["run--4", "run--5", "run--6"] {
        case.forge.restart(run, None);
        case.forge.rotate();
        let sealed = (0..SEGMENT).map(|n| case.forge.seal(&format!("{{\"n\":{n}}}"), n % 3 == 0, &[]));
        case.records.extend(sealed);
    }
    case
}

pub(super) fn segments(all: std::ops::RangeInclusive<usize>) -> std::ops::Range<usize> {
    at(*all.start(), 0)..at(*all.end() + 1, 0)
}

/// Adds segment 7 under the next key, or a later one, whose first record has a note and links to the
/// last record of a segment.
pub(super) fn going_on(mut case: Case, note: &str, keys: usize, link: Option<usize>) -> Case {
    case.forge.head =
        link.map_or(seal::GENESIS, |segment| head_of(&case.records[at(segment, 5)]).expect("a head"));
    case.forge.place = (link.unwrap_or(6) as u64, format!("run--{}", link.unwrap_or(6)), SEGMENT);
    case.forge.restart("run--7", None);
    case.forge.place.0 = 7;
    if link.is_none() {
        case.forge.link = None;
    }
    (0..keys).for_each(|_| case.forge.rotate());
    let notes = Value::Array(vec![string(note)]);
    let first = case.forge.seal("{}", true, &[("notes", notes)]);
    let second = case.forge.seal("{}", false, &[]);
    case.records.extend([first, second]);
    case
}

pub(super) fn states(all: &mut All) {
    let damaged = |keys: usize| going_on(six(), "state-damaged", keys, None);
    add(all, "damaged: all is here", damaged(1));
    add(all, "damaged: the segment under the key in force is deleted", damaged(1).delete(segments(6..=6)));
    for first in 2..=5 {
        for keys in [1, 2] {
            add(
                all,
                format!("damaged: segments {first} to 6 are deleted, and {keys} keys came into force"),
                damaged(keys).delete(segments(first..=6)),
            );
        }
    }
    let end = at(5, 2)..at(6, 0);
    add(all, "damaged: the end of segment 5 is deleted", damaged(1).delete(end.clone()));
    add(
        all,
        "damaged: segment 6 and the end of segment 5 are deleted",
        damaged(1).delete(end.chain(segments(6..=6))),
    );
    add(
        all,
        "damaged: segment 6 is deleted, and segment 5 is altered at its end",
        damaged(1).set(at(5, 5), "tag", string("x")).delete(segments(6..=6)),
    );
    let mut started = damaged(1);
    let start = anchor(&started.records[at(6, 3)]).expect("a checkpoint").text();
    started.from = Some(vec![start]);
    add(all, "damaged: the log begins in segment 6", started.delete(0..at(6, 4)));

    let set_back = |keys: usize, link: usize| going_on(six(), "state-set-back", keys, Some(link));
    add(all, "set back: all is here", set_back(1, 4));
    add(
        all,
        "set back: the segment under the key in force is deleted",
        set_back(1, 4).delete(segments(6..=6)),
    );
    for keys in [1, 2] {
        add(
            all,
            format!("set back: segments 4 to 6 are deleted, and {keys} keys came into force"),
            set_back(keys, 2).delete(segments(4..=6)),
        );
        add(
            all,
            format!("set back: segments 3 to 6 are deleted, and {keys} keys came into force"),
            set_back(keys, 2).delete(segments(3..=6)),
        );
    }
    // The thief dates the next key back, and puts other records in the place of the deleted ones.
    for (note, kept) in [("state-set-back", 3..=3), ("state-set-back", 3..=6), ("rounded", 3..=3)] {
        let mut forged = six();
        forged.forge.head = head_of(&forged.records[at(2, 5)]).expect("a head");
        forged.forge.place = (2, "run--2".to_owned(), SEGMENT);
        forged.forge.restart("run--X", None);
        forged.forge.place.0 = 4;
        forged.forge.rotate();
        let notes = Value::Array(vec![string(note)]);
        let first = forged.forge.seal("{\"made\":\"up\"}", true, &[("notes", notes)]);
        let gone = segments(*kept.end() + 1..=6);
        forged.records.push(first);
        add(
            all,
            format!("set back: segment 4 is written anew, {note}, with segments up to {} kept", kept.end()),
            forged.delete(gone),
        );
    }
    // Nothing covers the record that segment 7 links to: segment 6 and record 0 of segment 5 are deleted.
    for note in ["state-set-back", "rounded"] {
        let case = going_on(six(), note, 1, Some(4));
        let gone = segments(6..=6).chain([at(5, 0)]);
        add(all, format!("set back: to a record that is not covered, {note}"), case.delete(gone));
    }
    add(all, "damaged: not by the note of the first record", going_on(six(), "rounded", 1, None));
    let mut unsigned = six();
    unsigned.forge.restart("run--7", None);
    (unsigned.forge.link, unsigned.forge.head) = (None, seal::GENESIS);
    let notes = Value::Array(vec![string("state-damaged")]);
    let first = unsigned.forge.seal("{}", false, &[("notes", notes)]);
    unsigned.records.push(first);
    add(all, "damaged: says a record that nobody has signed", unsigned);
    unused_keys(all);
}

/// The filter stopped after key 7 came into force, and before it sealed anything.
fn unused_keys(all: &mut All) {
    let unused = |has_link: bool, keys: usize, unsettled: Option<u64>| {
        let mut case = six();
        case.forge.restart("run--7", unsettled);
        let (link, head) = (case.forge.link.clone(), case.forge.head);
        case.forge.rotate();
        case.forge.restart("run--8", None);
        (case.forge.link, case.forge.head) = (link.filter(|_| has_link), head);
        if !has_link {
            case.forge.head = seal::GENESIS;
        }
        (0..keys).for_each(|_| case.forge.rotate());
        let notes = Value::Array(vec![string(if has_link { "rounded" } else { "state-damaged" })]);
        let first = case.forge.seal("{}", true, &[("notes", notes)]);
        case.records.push(first);
        case
    };
    let end = |from: usize| at(6, from)..at(7, 0);
    add(all, "unused key: it stays in force", unused(true, 0, None));
    add(all, "unused key: the next one comes into force", unused(true, 1, None));
    add(all, "unused key: the last records were not delivered", unused(true, 0, Some(4)).delete(end(4)));
    add(all, "unused key: the last records are deleted", unused(true, 0, None).delete(end(4)));
    add(all, "unused key: the state was damaged", unused(false, 1, None));
    add(all, "unused key: the state was damaged, and the key stays in force", unused(false, 0, None));
    add(
        all,
        "unused key: the state was damaged, and the last records are deleted",
        unused(false, 1, None).delete(end(4)),
    );
}
