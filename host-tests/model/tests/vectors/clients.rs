//! Vectors of ledgers with records of a client that has no key and can read the ledger. The client
//! makes up records that continue a chain, and retention has deleted them.

use super::ledgers::{ALL, FIRST, Store, extent, head, note, second, text};
use super::*;
use std::ops::Range;
use std::slice::from_ref;

/// The extent of some records of the base log, with `made_up` records of the client behind them.
/// `signed` is its last checkpoint.
fn joined(records: Range<usize>, made_up: u64, signed: Option<u64>) -> Value {
    let mut of = extent(&base().records[records]);
    let members = of.members_mut().expect("members");
    let last = members.iter().find(|(name, _)| name == "last").and_then(|(_, last)| last.as_integer());
    members.retain(|(name, _)| name != "signed");
    set(members, "last", number(last.expect("a number") + made_up));
    set(members, "head", head(7));
    members.extend(signed.map(|signed| ("signed".to_owned(), number(signed))));
    of
}

/// The extent of the client's only record in its file: at this place, after the record with this index.
fn alone((segment, run, sequence): (u64, &str, u64), before: usize, is_linked: bool) -> Value {
    let before = &base().records[before];
    let mut members = vec![
        ("chain", text(before, "chain")),
        ("seg", number(segment)),
        ("run", string(run)),
        ("first", number(sequence)),
        ("last", number(sequence)),
        ("prev", text(before, "head")),
        ("head", head(7)),
    ];
    let link = object(["seg", "run", "seq"].map(|name| (name, text(before, name))));
    members.extend(is_linked.then_some(("link", link)));
    Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Closes and deletes a file with these extents.
fn deleted(store: Store, extents: &[Value]) -> Store {
    let file = store.files + 1;
    let store = store.close_as(&[], |of| {
        set(of.members_mut().expect("members"), "extents", Value::Array(extents.to_vec()));
    });
    store.delete(file)
}

/// The ledger has deleted the first segments.
fn without(segments: usize) -> Store {
    let all = [FIRST, second()];
    all[..segments].iter().fold(Store::new(), |store, segment| {
        let file = store.files + 1;
        store.close(from_ref(segment)).delete(file)
    })
}

pub(super) fn clients(all: &mut All) {
    in_place_of_own(all);
    behind_ends(all);
    unsigned_ends(all);
    stopped(all);
}

/// Adds: the made-up records have the numbers of the node's own records in the next file.
fn in_place_of_own(all: &mut All) {
    for (name, signed) in [("", 3), (", and so was one that no signature reached", 2)] {
        let store = deleted(Store::new(), &[joined(0..at(1, 4), 1, Some(signed))]);
        let name = format!("client: a record was deleted, the node's own of that number is here{name}");
        add(all, name, store.open(at(1, 4)..ALL));
    }
    add(all, "client: a record was deleted, the node's own of that number is the last one", {
        let store = deleted(without(2), &[joined(at(3, 0)..at(3, 3), 1, Some(2))]);
        store.open(at(3, 3)..at(3, 4))
    });
    add(all, "client: more records were deleted than the node has sealed of these numbers", {
        let store = deleted(without(2), &[joined(at(3, 0)..at(3, 3), 3, Some(2))]);
        store.open(at(3, 3)..at(3, 5))
    });
    add(all, "client: records were deleted, a signature reached those of these numbers", {
        let store = deleted(without(2), &[joined(at(3, 0)..at(3, 3), 3, Some(5))]);
        store.open(at(3, 3)..at(3, 4))
    });
    add(all, "client: a record was deleted, the node's own of that number is not signed yet", {
        let store = deleted(without(2), from_ref(&extent(&base().records[at(3, 0)..at(3, 4)])));
        deleted(store, &[alone((3, "run--3", 4), at(3, 3), false)]).open(at(3, 4)..ALL)
    });
    add(all, "client: a record was deleted, without a roster, the node's own of that number is here", {
        let mut case = deleted(Store::new(), &[joined(0..at(1, 4), 1, Some(3))]).open(at(1, 4)..ALL);
        case.roster = None;
        case
    });
}

/// Adds: a made-up record continues a segment that has ended.
fn behind_ends(all: &mut All) {
    for (name, signed) in [("", Some(5)), (", and the end is not signed", Some(3)), (", nor anything", None)]
    {
        let name = format!("client: a record behind the end of a segment was deleted{name}");
        add(all, name, deleted(Store::new(), &[joined(FIRST, 1, signed)]).open(at(2, 0)..ALL));
    }
    add(all, "client: a record behind the end of a segment was deleted, and so was the next segment", {
        let store = deleted(Store::new(), &[joined(FIRST, 1, Some(5))]);
        deleted(store, from_ref(&extent(&base().records[second()]))).open(at(3, 0)..ALL)
    });
    add(all, "client: a signed record behind the end of a segment was deleted", {
        deleted(Store::new(), &[joined(FIRST, 2, Some(6))]).open(at(2, 0)..ALL)
    });
    add(all, "client: records behind the end of a segment were deleted, says a state that was set back", {
        let mut case = honest("vectors-0001", 1).cut(at(2, 0));
        case.forge = Forge::new("vectors-0001", 1);
        case.forge.rotate();
        case.records = (0..SEGMENT).map(|n| case.forge.seal("{}", n % 3 == 0, &[])).collect();
        case.forge.restart("run--2", None);
        case.forge.rotate();
        let first = case.forge.seal("{}", true, &note("state-set-back"));
        case.records.push(first);
        let mut of = extent(&case.records[FIRST]);
        let members = of.members_mut().expect("members");
        set(members, "last", number(SEGMENT));
        set(members, "head", head(7));
        deleted(Store::of(case, 31), &[of]).open(at(2, 0)..at(2, 1))
    });
}

/// Adds: a made-up segment links to a record that no signature follows yet.
fn unsigned_ends(all: &mut All) {
    let closed = || deleted(without(2), from_ref(&extent(&base().records[at(3, 0)..at(3, 4)])));
    let linked = || [alone((900, "zzzzzz", 0), at(3, 3), true)];
    add(all, "client: a segment was deleted that links to a record before the unsigned end", {
        deleted(closed(), &linked()).open(at(3, 4)..ALL)
    });
    add(all, "client: a segment was deleted that links to a record before the deleted, unsigned end", {
        let store = deleted(closed(), from_ref(&extent(&base().records[at(3, 4)..ALL])));
        deleted(store, &linked()).open(0..0)
    });
    add(all, "client: a record behind the unsigned end was deleted", {
        deleted(without(2), &[alone((3, "run--3", 6), LAST, false)]).open(at(3, 0)..ALL)
    });
    add(all, "client: a segment was deleted that links to the last record", {
        deleted(closed(), &linked()).open(0..0)
    });
}

/// Adds: segment 4 says that a stop may have lost the end of segment 3, and made-up records have
/// numbers of the lost ones.
fn stopped(all: &mut All) {
    let store = || {
        let mut case = base();
        case.forge.restart("run--4", Some(3));
        case.forge.rotate();
        let first = case.forge.seal("{}", true, &[]);
        case.records.push(first);
        Store::of(case, 31)
    };
    let kept = |from: usize| move |records: &[Value]| [&records[from..at(3, 3)], &records[ALL..]].concat();
    add(all, "client: a record was deleted in the place of one that a stop has lost", {
        let mut lost = alone((3, "run--3", 4), at(3, 3), false);
        set(lost.members_mut().expect("members"), "prev", head(9));
        deleted(store(), &[lost]).open_of(kept(0))
    });
    for (name, signed) in [("", 2), (", up to one with a signature", 4)] {
        let name = format!("client: records were deleted in the place of those that a stop has lost{name}");
        let store = store().close(&[FIRST, second()]).delete(1);
        let store = deleted(store, &[joined(at(3, 0)..at(3, 3), 3, Some(signed))]);
        add(all, name, store.open_of(|records| records[ALL..].to_vec()));
    }
    add(all, "client: a stop has lost records, another ledger has deleted some that no signature reached", {
        let mut case = store().open_of(kept(0));
        let other = Store::of(base(), 32).close(from_ref(&(at(3, 4)..ALL))).delete(1).open(0..0);
        let more = other.roster.into_iter().flatten().skip(1);
        case.roster.iter_mut().for_each(|roster| roster.extend(more.clone()));
        case.ledgers.extend(other.ledgers);
        case
    });
}
