//! Vectors of the keys that manifests list. They still show that whole segments are missing, after a
//! ledger has deleted the segments around these.

use super::damaged::{going_on, segments, six};
use super::rules::stopped;
use super::store::{ALL, FIRST, Store, head, in_extent, key_numbers, second};
use super::*;
use flb_audit_model::forge::head_of;
use std::ops::Range;
use std::slice::from_ref;

pub(super) fn listed(all: &mut All) {
    missing(all);
    unlisted(all);
    skipped(all);
    late(all);
    forms(all);
    stated_by_deleted(all);
    over_signed(all);
}

/// The index of the first record of segment 7.
const SEVENTH: usize = 36;

/// Returns a ledger with a file for each of these segments, all of which it has deleted.
fn deleted(case: Case, gone: impl IntoIterator<Item = usize>) -> Store {
    let closed = gone
        .into_iter()
        .fold(Store::of(case, 31), |store, segment| store.close(from_ref(&segments(segment..=segment))));
    (1..=closed.files).fold(closed, Store::delete)
}

/// Adds: segments before one that does not link to them are missing, before and after the ledger has
/// deleted the first ones.
fn missing(all: &mut All) {
    for (note, link) in [("state-damaged", None), ("state-set-back", Some(2)), ("rounded", Some(2))] {
        let case = going_on(six(), note, 1, link);
        for last in 2..=5 {
            let name = format!("listed: segments from {} to 6 are missing, segment 7 has {note}", last + 1);
            let rest = SEVENTH..SEVENTH + 2;
            add(all, format!("{name}, all others are here"), {
                let before = 0..at(last + 1, 0);
                Store::of(case.clone(), 31)
                    .open_of(|records| [&records[before], &records[rest.clone()]].concat())
            });
            add(all, format!("{name}, the others before it were deleted"), {
                deleted(case.clone(), 1..=last).open(rest.clone())
            });
            add(all, format!("{name}, the others before the last one were deleted"), {
                let before = segments(last..=last);
                deleted(case.clone(), 1..last)
                    .open_of(|records| [&records[before], &records[rest.clone()]].concat())
            });
        }
    }
    add(
        all,
        "listed: segment 6 is missing, and no signature reaches the end of segment 5, which was deleted",
        {
            let mut gone: Vec<Range<usize>> = (1..=4).map(|segment| segments(segment..=segment)).collect();
            gone.extend([at(5, 0)..at(5, 4), at(5, 4)..at(6, 0)]);
            let store = Store::of(going_on(six(), "state-damaged", 1, None), 31).close(&gone).delete(1);
            store.open(SEVENTH..SEVENTH + 2)
        },
    );
    // Only the first segment under a key that nothing hands over to is left of what came before.
    let case = going_on(six(), "state-damaged", 1, None);
    add(all, "listed: the first six segments are missing, and the seventh was deleted", {
        let store = Store::of(case.clone(), 31).close(from_ref(&(SEVENTH..SEVENTH + 1))).delete(1);
        store.open(SEVENTH + 1..SEVENTH + 2)
    });
    add(all, "listed: the last record before a key has no head in its manifest", {
        let store = Store::of(case, 31).close_as(&[segments(3..=3)], in_extent("head", None)).delete(1);
        store.open(SEVENTH..SEVENTH + 2)
    });
}

/// Adds: keys between listed ones have signed nothing that is here or listed. The key before a listed
/// one needs nothing: the listed one's checkpoints have its handover.
fn unlisted(all: &mut All) {
    let mut case = going_on(six(), "state-damaged", 1, None);
    for run in ["run--8", "run--9"] {
        case.forge.restart(run, None);
        case.forge.rotate();
        case.records.extend((0..2).map(|n| case.forge.seal("{}", n == 0, &[])));
    }
    let rest = SEVENTH + 2..SEVENTH + 6;
    for before in 2..=5 {
        let closed = (1..=before).chain([7]).map(|segment| match segment {
            7 => SEVENTH..SEVENTH + 1,
            _ => segments(segment..=segment),
        });
        let closed: Vec<Range<usize>> = closed.collect();
        let store = Store::of(case.clone(), 31).close(&closed).close(from_ref(&(SEVENTH + 1..SEVENTH + 2)));
        let name = format!("listed: segments 1 to {before} and 7 were deleted, the ones between are missing");
        let case = store.delete(1).delete(2).open(rest.clone());
        add(all, format!("{name}, without a roster"), Case { roster: None, ..case.clone() });
        add(all, name, case);
    }
    // Key 6 was in force, and has signed nothing: segment 7 continues segment 5.
    let mut case = six().cut(at(6, 0));
    case.forge.handovers.truncate(5);
    case.forge.key = Some(5);
    case.forge.head = head_of(&case.records[at(5, 5)]).expect("a head");
    case.forge.place = (5, "run--5".to_owned(), SEGMENT);
    case.forge.restart("run--6", None);
    case.forge.rotate();
    let link = case.forge.link.take();
    case.forge.place = (7, "run--7".to_owned(), 0);
    case.forge.link = link;
    case.forge.rotate();
    case.records.extend((0..4).map(|n| case.forge.seal("{}", n % 3 == 0, &[])));
    let name = "listed: a key has signed nothing, and the next segment continues the one before";
    add(all, format!("{name}, all are here"), Store::of(case.clone(), 31).open(0..at(6, 4)));
    let gone = [segments(1..=1), segments(2..=2), segments(3..=3), segments(4..=4), segments(5..=5)];
    let store = Store::of(case, 31).close(&gone).close(from_ref(&(at(6, 0)..at(6, 1))));
    add(all, format!("{name}, its first record was deleted"), {
        store.delete(1).delete(2).open(at(6, 1)..at(6, 4))
    });
}

/// Adds: a manifest names keys that do not fit those around them.
fn skipped(all: &mut All) {
    for (first, last) in [(1, 2), (1, 3), (2, 3), (2, 2), (3, 2), (0, 0)] {
        let keys = in_extent("keys", Some(key_numbers(first, last)));
        let store = Store::new().close(&[FIRST]).close_as(&[second()], keys);
        let name = format!("listed: segment 2, under key 2, is said to be under keys {first} to {last}");
        add(all, name, store.delete(1).delete(2).open(at(3, 0)..ALL));
    }
}

/// Adds: a manifest says that a key has signed records after the next one was in force.
fn late(all: &mut All) {
    for key in [1, 2, 3] {
        let keys = in_extent("keys", Some(key_numbers(key, key)));
        let store = Store::new().close_as(from_ref(&(at(3, 1)..at(3, 4))), keys).delete(1);
        add(all, format!("listed: records of segment 3 are said to be under key {key}"), {
            store.open_of(|records| [&records[..at(3, 1)], &records[at(3, 4)..]].concat())
        });
    }
}

/// Adds: `keys` in all its forms.
fn forms(all: &mut All) {
    let numbers = |all: &[u64]| Value::Array(all.iter().map(|of| number(*of)).collect());
    let forms = [
        ("is missing", None),
        ("is null", Some(Value::Null)),
        ("is empty", Some(numbers(&[]))),
        ("has one number", Some(numbers(&[1]))),
        ("has three numbers", Some(numbers(&[1, 1, 1]))),
        ("is a number", Some(number(1))),
        ("has strings", Some(Value::Array(vec![string("1"), string("1")]))),
        ("has a number of 2^32", Some(numbers(&[1, 1 << 32]))),
        ("has the highest number", Some(numbers(&[1, (1 << 32) - 1]))),
    ];
    for (name, value) in forms {
        let store = Store::new().close_as(&[FIRST], in_extent("keys", value)).delete(1);
        add(all, format!("ledger: a manifest, `keys` {name}"), store.open(at(2, 0)..ALL));
    }
    add(all, "ledger: a manifest has `keys`, and no `signed`", {
        let store = Store::new().close_as(&[FIRST], in_extent("signed", None)).delete(1);
        store.open(at(2, 0)..ALL)
    });
}

/// Adds: a record is here of which only a deleted record states the head. No signature leads to it.
fn stated_by_deleted(all: &mut All) {
    let mut case = stopped(3);
    let last = case.forge.seal("{}", true, &[]);
    case.records.push(last);
    let store = Store::of(case, 31).close(&[FIRST, second()]);
    let unsigned = in_extent("signed", None);
    let store = store.close_as(from_ref(&(at(3, 0)..at(3, 1))), unsigned).close(from_ref(&(ALL..ALL + 1)));
    add(all, "listed: only a deleted record states the head of records that are here", {
        store
            .delete(1)
            .delete(2)
            .delete(3)
            .open_of(|records| [&records[at(3, 1)..at(3, 3)], &records[ALL + 1..ALL + 2]].concat())
    });
}

/// Adds: record 1 of segment 2 is missing. The owner of a later key has had others in the places of
/// records 1 and 2 deleted, and states the head of the last one.
fn over_signed(all: &mut All) {
    let place = || [("seg", number(2)), ("run", string("run--2"))];
    for (name, is_set_back) in [("a stop", false), ("a state that was set back", true)] {
        let mut case = base();
        let note = if is_set_back { "state-set-back" } else { "rounded" };
        if is_set_back {
            case.forge.place = (2, "run--2".to_owned(), 3);
            case.forge.head = [7; 32];
        }
        case.forge.restart("run--4", None);
        case.forge.place.0 = 4;
        if let Some(link) = case.forge.link.as_mut().filter(|_| !is_set_back) {
            let [segment, run] = place();
            let from = object([segment, run, ("seq", number(3)), ("head", head(7))]);
            set(link.members_mut().expect("members"), "unsettled", from);
        }
        case.forge.rotate();
        let notes = Value::Array(vec![string(note)]);
        let fourth = case.forge.seal("{}", true, &[("notes", notes)]);
        case.records.push(fourth);
        let made_up = |manifest: &mut Value| {
            in_extent("signed", None)(manifest);
            in_extent("last", Some(number(2)))(manifest);
            in_extent("head", Some(head(7)))(manifest);
        };
        for is_deleted in [false, true] {
            let store = Store::of(case.clone(), 31).close(&[FIRST, at(2, 0)..at(2, 1), at(2, 2)..at(2, 4)]);
            let store = match is_deleted {
                true => store.close_as(from_ref(&(at(2, 1)..at(2, 2))), made_up).delete(1).delete(2),
                false => store.delete(1),
            };
            let what =
                if is_deleted { "made-up records stand over signed ones" } else { "a record is missing" };
            add(all, format!("listed: {what}, and {name} states the head of the last one"), {
                store.open(at(2, 4)..ALL + 1)
            });
        }
    }
}
