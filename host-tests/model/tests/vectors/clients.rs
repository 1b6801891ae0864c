//! Vectors of ledgers with records of a client that has no key and can read the ledger. The client
//! makes up records that continue a chain, and retention has deleted them.

use super::store::{ALL, FIRST, Store, extent, head, note, second, text};
use super::*;
use std::ops::Range;
use std::slice::from_ref;

/// The extent of some records of the base log, with `made_up` records of the client behind them.
/// `signed` is its last checkpoint.
pub(super) fn joined(records: Range<usize>, made_up: u64, signed: Option<u64>) -> Value {
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
pub(super) fn alone((segment, run, sequence): (u64, &str, u64), before: usize, is_linked: bool) -> Value {
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

/// The extent of some records of the base log.
pub(super) fn own(records: Range<usize>) -> Value {
    extent(&base().records[records])
}

/// Closes and deletes a file with these extents.
pub(super) fn deleted(store: Store, extents: &[Value]) -> Store {
    let file = store.files + 1;
    let store = store.close_as(&[], |of| {
        set(of.members_mut().expect("members"), "extents", Value::Array(extents.to_vec()));
    });
    store.delete(file)
}

/// The ledger has deleted the first segments.
pub(super) fn without(segments: usize) -> Store {
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
    listed(all);
    stopped(all);
    among_missing(all);
    before_deleted(all);
    withheld(all);
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

/// The beginnings of the heads of some records of the base log, as an extent lists them.
fn beginnings(records: Range<usize>) -> String {
    let heads = base().records[records].iter().map(|record| text(record, "head")).collect::<Vec<_>>();
    heads.iter().filter_map(|head| head.as_str()?.get(..16)).collect()
}

/// Adds: made-up records continue one behind the last checkpoint of a file, and the node's own
/// records come into later files. `inner` is the list of the extent that has the made-up ones.
fn listed(all: &mut All) {
    let tail = |own: Range<usize>, made_up: u64, inner: &str| {
        let mut of = joined(own, made_up, None);
        set(of.members_mut().expect("members"), "inner", string(inner));
        of
    };
    let closed = |inner: &str| deleted(Store::new(), &[own(0..at(1, 3)), tail(at(1, 3)..at(1, 5), 2, inner)]);
    let rest = || at(1, 5)..ALL;
    let whole = beginnings(at(1, 3)..at(1, 5));
    for (name, inner) in [
        ("lists the node's own", whole.clone()),
        ("lists nothing", String::new()),
        ("lists other heads", beginnings(at(2, 3)..at(2, 5))),
        ("lists the heads in another order", [&whole[16..], &whole[..16]].concat()),
        ("lists too few", whole[..16].to_owned()),
        ("lists one in part", whole[..31].to_owned()),
        ("lists one in part behind the node's own", format!("{whole}AAAAAAA")),
        ("lists more than it has", format!("{whole}{}", "A".repeat(160))),
        ("lists what is no beginning of a head", format!("{}{}", "\u{e9}".repeat(8), &whole[16..])),
    ] {
        let name = format!("client: records were deleted that continue an unsigned one, the manifest {name}");
        add(all, name, closed(&inner).open(rest()));
    }
    add(all, "client: records were deleted that continue an unsigned one, with a list that is a number", {
        let mut of = tail(at(1, 3)..at(1, 5), 2, "");
        set(of.members_mut().expect("members"), "inner", number(7));
        deleted(Store::new(), &[own(0..at(1, 3)), of]).open(rest())
    });
    add(all, "client: records were deleted that continue an unsigned one, without a roster", {
        let mut case = closed(&whole).open(rest());
        case.roster = None;
        case
    });
    add(all, "client: records were deleted that continue an unsigned one, and so were the node's own", {
        deleted(closed(&whole), &[own(at(1, 5)..at(2, 0))]).open(at(2, 0)..ALL)
    });
    add(all, "client: records were deleted that continue an unsigned one, as others do that are here", {
        let store = deleted(closed(&whole), &[alone((1, "run--1", 5), at(1, 4), false)]);
        deleted(store, &[alone((1, "run--1", 4), at(1, 3), false)]).open(rest())
    });
    for (name, first, rest_of_prev) in [
        ("a deleted one states", (1, "run--1", 5), "A"),
        ("a deleted one states, which ends higher,", (1, "run--1", 5), "w"),
        ("a deleted segment states", (9, "run--9", 0), "w"),
    ] {
        let name = format!(
            "client: records were deleted that continue an unsigned one, {name} a head with that one's beginning"
        );
        add(all, name, {
            let mut of = alone(first, at(1, 4), first.2 == 0);
            let prev = format!("{}{}", &whole[16..], rest_of_prev.repeat(27));
            set(of.members_mut().expect("members"), "prev", string(&prev));
            deleted(closed(&whole), &[of]).open(rest())
        });
    }
    add(all, "client: records were deleted that continue an unsigned end, to which a segment links", {
        let end = tail(at(1, 3)..at(2, 0), 2, &beginnings(at(1, 3)..at(2, 0)));
        deleted(Store::new(), &[own(0..at(1, 3)), end]).open(at(2, 0)..ALL)
    });
    add(
        all,
        "client: records were deleted that continue an unsigned end, to which a deleted segment links",
        {
            let end = tail(at(1, 3)..at(2, 0), 2, &beginnings(at(1, 3)..at(2, 0)));
            let store = deleted(Store::new(), &[own(0..at(1, 3)), end]);
            deleted(store, &[own(second())]).open(at(3, 0)..ALL)
        },
    );
    let unsigned = |made_up: u64| {
        let end = tail(at(3, 3)..at(3, 4), made_up, &beginnings(at(3, 3)..at(3, 4)));
        deleted(without(2), &[own(at(3, 0)..at(3, 3)), end])
    };
    for (name, store) in [("one", unsigned(1)), ("more", unsigned(3))] {
        let name =
            format!("client: {name} deleted, the node's own of that number is not signed yet, by a list");
        add(all, name, store.clone().open(at(3, 4)..at(3, 5)));
    }
    add(all, "client: a deleted record continues one within a deleted, unsigned end", {
        let end = tail(at(3, 3)..at(3, 5), 1, &beginnings(at(3, 3)..at(3, 5)));
        let store = deleted(without(2), &[own(at(3, 0)..at(3, 3)), end]);
        deleted(store, &[alone((3, "run--3", 5), at(3, 4), false)]).open(0..0)
    });
    add(all, "client: an extent with a signature lists heads", {
        let mut of = joined(0..at(1, 5), 2, Some(3));
        let inner = beginnings(0..at(1, 5));
        set(of.members_mut().expect("members"), "inner", string(&inner));
        deleted(Store::new(), &[of]).open(rest())
    });
}

/// Adds: segment 4 says that a stop may have lost the end of segment 3, and made-up records have
/// numbers of the lost ones.
fn stopped(all: &mut All) {
    let store = || Store::of(rules::stopped(3), 31);
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

/// Adds: the records behind unsigned ones are missing, and a made-up record has one of their numbers.
/// Nothing leads to it.
fn among_missing(all: &mut All) {
    let store = || {
        let mut lost = alone((2, "run--2", 4), at(2, 3), false);
        set(lost.members_mut().expect("members"), "prev", head(9));
        deleted(without(1), &[lost])
    };
    for (name, next) in [("", at(2, 5)), (", up to the end of their segment", at(3, 0))] {
        let name = format!("client: a record was deleted in the place of one that is missing{name}");
        add(all, name, store().open_of(|records| [&records[at(2, 0)..at(2, 3)], &records[next..]].concat()));
    }
}

/// Adds: the records behind unsigned ones were deleted, and those behind them are missing.
fn before_deleted(all: &mut All) {
    let signed = |records: Range<usize>| {
        let mut of = extent(&base().records[records]);
        set(of.members_mut().expect("members"), "signed", number(3));
        of
    };
    for (name, gone, next) in [
        ("of the segment", at(2, 3)..at(2, 5), at(3, 0)),
        ("of the next segment", at(2, 3)..at(3, 0), at(3, 3)),
    ] {
        let store = deleted(Store::new(), &[signed(gone)]);
        let case = store.open_of(|records| [&records[..at(2, 3)], &records[next..]].concat());
        add(
            all,
            format!("ledger: behind unsigned records some were deleted, and others {name} are missing"),
            case,
        );
    }
    add(all, "ledger: behind unsigned records some were deleted, and a stop has lost others", {
        let store = deleted(Store::of(rules::stopped(5), 31), &[signed(at(3, 3)..at(3, 5))]);
        store.open_of(|records| [&records[..at(3, 3)], &records[ALL..]].concat())
    });
}

/// Adds: records never came, and others were made up in their places and deleted. The node has sealed
/// more behind them.
fn withheld(all: &mut All) {
    let restarted = |unsettled: u64| Store::of(rules::stopped(unsettled), 31);
    let made_up = |last: u64, signed: Option<u64>| {
        let mut of = joined(at(3, 1)..at(3, 2), last - 1, signed);
        let members = of.members_mut().expect("members");
        set(members, "prev", text(&base().records[at(3, 0)], "head"));
        of
    };
    let file = |of: Value| [own(FIRST), own(second()), own(at(3, 0)..at(3, 1)), of];
    for (name, missing, is_signed) in [
        ("the last of them is missing", 1, false),
        ("all of them have been made up", 0, false),
        ("all of them have been made up, and signed", 0, true),
    ] {
        let end = |last: u64| file(made_up(last - missing, is_signed.then_some(last)));
        add(all, format!("withheld: the end of a segment, {name}"), {
            deleted(restarted(5), &end(5)).open_of(|records| records[ALL..].to_vec())
        });
        let mut case = deleted(Store::new(), &end(3)).open(0..0);
        case.anchors = base().anchored(&[CHECKPOINT]).anchors;
        add(all, format!("withheld: the end of a log, {name}, an anchor proves it"), case);
    }
    let unsigned = |records: Range<usize>| {
        let mut of = own(records.clone());
        let members = of.members_mut().expect("members");
        members.retain(|(name, _)| name != "signed");
        set(members, "inner", string(&beginnings(records.start..records.end - 1)));
        of
    };
    for (name, unsettled) in
        [("behind which a stop has lost others", 3), ("the last of which a stop may have lost as well", 2)]
    {
        let store = deleted(restarted(unsettled), &file(unsigned(at(3, 1)..at(3, 3))));
        add(all, format!("withheld: nothing, unsigned records were deleted, {name}"), {
            store.open_of(|records| records[ALL..].to_vec())
        });
    }
    add(all, "withheld: nothing, an anchor proves the last deleted record", {
        let mut case = deleted(Store::new(), &file(own(at(3, 1)..at(3, 4)))).open(0..0);
        case.anchors = base().anchored(&[CHECKPOINT]).anchors;
        case
    });
}
