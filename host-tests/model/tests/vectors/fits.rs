//! Vectors of single rules on which deleted records count, and of single conditions of these rules.

use super::clients::{deleted, joined, own, without};
use super::rules::stopped;
use super::store::{ALL, FIRST, Store, extent, head, in_extent, key_numbers, second, text};
use super::*;
use std::slice::from_ref;

pub(super) fn fits(all: &mut All) {
    stated(all);
    contradicted(all);
    joining(all);
    first_records(all);
}

/// Returns an extent with another member.
fn with(mut extent: Value, name: &str, value: Value) -> Value {
    set(extent.members_mut().expect("members"), name, value);
    extent
}

/// Adds: heads of an extent's records are stated, or some of them are here, or signed in another one.
fn stated(all: &mut All) {
    for (name, last) in [("the last one's place", 3), ("the place of one before the last", 4)] {
        let store = deleted(without(2), &[joined(at(3, 0)..at(3, 1), last, Some(0))]);
        add(
            all,
            format!("fits: records behind a signature were deleted, an anchor has another head at {name}"),
            store.open(0..0).anchored_of(&[CHECKPOINT]),
        );
    }
    add(
        all,
        "fits: records behind a signature were deleted, another extent without heads signed the last one",
        {
            let mut other = own(at(3, 3)..at(3, 4));
            other.members_mut().expect("members").retain(|(name, _)| name != "prev" && name != "head");
            let store = deleted(without(2), &[joined(at(3, 0)..at(3, 1), 3, Some(0))]);
            deleted(store, &[other]).open(at(2, 3)..at(2, 4))
        },
    );
}

/// Adds: the record before an extent has another head than the extent says.
fn contradicted(all: &mut All) {
    add(
        all,
        "fits: records were deleted, up to one behind a signature, with another head before the first",
        {
            let store = deleted(without(2), &[with(joined(at(3, 2)..at(3, 4), 1, Some(3)), "prev", head(9))]);
            store.open_of(|records| [&records[at(3, 0)..at(3, 2)], &records[at(3, 5)..ALL]].concat())
        },
    );
    add(all, "fits: extents without a signature continue one another, another record is between them", {
        let mut case = base();
        let more = (0..2).map(|_| case.forge.seal("{}", false, &[])).collect::<Vec<_>>();
        let store = deleted(without(2), &[own(at(3, 0)..at(3, 4))]);
        let store = deleted(deleted(store, &[own(at(3, 4)..ALL)]), &[extent(&more[..1])]);
        let mut other = base().records[LAST].clone();
        set(other.members_mut().expect("members"), "n", number(99));
        rehash(&mut other);
        store.open_of(|records| [&records[at(2, 3)..at(2, 4)], &[other], &more[1..]].concat())
    });
}

/// Adds: no signature reaches an extent, and it joins others at both ends.
fn joining(all: &mut All) {
    let closed = || deleted(without(2), from_ref(&own(at(3, 0)..at(3, 4))));
    add(all, "fits: a record that no signature reaches was deleted, the ones before and after it fit", {
        deleted(closed(), &[own(at(3, 4)..at(3, 5))])
            .open_of(|records| [&records[at(2, 3)..at(2, 4)], &records[at(3, 5)..ALL]].concat())
    });
    add(
        all,
        "fits: a record that no signature reaches was deleted, and a segment links to the one before it",
        {
            let mut case = base();
            case.forge.place.2 = 4;
            case.forge.head = flb_audit_model::forge::head_of(&case.records[CHECKPOINT]).expect("a head");
            case.forge.restart("run--4", None);
            case.forge.rotate();
            let first = case.forge.seal("{}", true, &[]);
            deleted(closed(), &[own(at(3, 4)..at(3, 5))])
                .open_of(|records| [&records[at(2, 3)..at(2, 4)], &records[at(3, 5)..ALL], &[first]].concat())
        },
    );
    add(all, "fits: two records that no signature reaches were deleted, and the first is here", {
        let mut case = base();
        let next = case.forge.seal("{}", false, &[]);
        deleted(closed(), &[own(at(3, 4)..ALL)])
            .open_of(|records| [&records[at(2, 3)..at(2, 4)], &records[at(3, 4)..at(3, 5)], &[next]].concat())
    });
    add(all, "fits: a record 0 that no signature reaches was deleted, and the next record is here", {
        let mut case = base();
        case.forge.restart("run--4", None);
        let made_up: Vec<Value> = (0..2).map(|_| case.forge.seal("{}", false, &[])).collect();
        let store = deleted(closed(), from_ref(&own(at(3, 4)..ALL)));
        deleted(store, &[extent(&made_up[..1])])
            .open_of(|records| [&records[at(2, 3)..at(2, 4)], &made_up[1..]].concat())
    });
}

/// Adds: a stop is stated by a deleted record 0.
fn first_records(all: &mut All) {
    let lost = |case: Case| {
        let store = Store::of(case, 31).close(&[FIRST, second()]).delete(1);
        store.close(from_ref(&(at(3, 0)..at(3, 3)))).delete(2)
    };
    for (name, from) in [("the same", 3), ("another", 4)] {
        let mut case = stopped(3);
        let first = case.forge.seal("{}", false, &[]);
        case.records.push(first);
        let other = extent(&case.records[ALL..ALL + 1]);
        let other = with(other, "link", text(&stopped(from).records[ALL], "link"));
        let store = deleted(lost(case).close(from_ref(&(ALL..ALL + 1))).delete(3), &[other]);
        add(all, format!("fits: a deleted record 0 states a stop, and another extent states {name} one"), {
            store.open(ALL + 1..ALL + 2)
        });
    }
    for first in [3, 4] {
        let mut case = base();
        case.forge.restart("run--4", Some(3));
        for _ in 0..3 {
            let sealed = case.forge.seal("{}", true, &[]);
            case.records.push(sealed);
            case.forge.rotate();
        }
        let keys = in_extent("keys", Some(key_numbers(first, 4)));
        let store = lost(case).close_as(from_ref(&(ALL..ALL + 2)), keys).delete(3);
        add(
            all,
            format!("fits: a deleted record 0 under key 3 states a stop, its extent says key {first}"),
            store.open(ALL + 2..ALL + 3),
        );
    }
}
