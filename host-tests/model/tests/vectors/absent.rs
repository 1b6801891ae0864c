//! Vectors of chains of which no record is left, only anchors or the beginning of the log.

use super::store::{ALL, FIRST, Store, head, in_extent, second};
use super::*;
use std::ops::Range;
use std::slice::from_ref;

/// Adds: a ledger has deleted all records of a chain, of which anchors are left.
pub(super) fn absent(all: &mut All) {
    let anchored = |store: Store| {
        let mut case = store.open(0..0);
        case.anchors = base().anchored(&[0, CHECKPOINT]).anchors;
        case
    };
    let whole = || Store::new().close(&[FIRST, second(), at(3, 0)..ALL]).delete(1);
    add(all, "ledger: all records were deleted, anchors are left", anchored(whole()));
    add(all, "ledger: all records were deleted, also by their own extents, anchors are left", {
        anchored(
            Store::new()
                .close(&[FIRST])
                .close(&[second()])
                .close(from_ref(&(at(3, 0)..ALL)))
                .delete(1)
                .delete(2)
                .delete(3),
        )
    });
    add(all, "ledger: all records were deleted except some that never came, anchors are left", {
        anchored(Store::new().close(&[0..at(1, 2), at(1, 4)..at(2, 0), second(), at(3, 0)..ALL]).delete(1))
    });
    add(all, "ledger: all records of the first segments were deleted, an anchor proves a later one", {
        anchored(Store::new().close(&[FIRST, second()]).delete(1))
    });
    add(all, "ledger: a file with all records is not here, anchors are left", {
        anchored(Store::new().close(&[FIRST, second(), at(3, 0)..ALL]))
    });
    add(all, "ledger: all records were deleted by two ledgers, anchors are left", {
        let mut case = anchored(whole());
        let other = Store::of(base(), 32).close(&[FIRST]).delete(1).open(0..0);
        case.ledgers.extend(other.ledgers);
        case.roster.iter_mut().zip(other.roster).for_each(|(all, of)| all.extend(of.last().cloned()));
        case
    });
    let by_two = |of: Case, listed: &[Range<usize>], alter: &dyn Fn(&mut Value)| {
        let mut case = anchored(Store::new().close(&[FIRST, second()]).delete(1));
        let other = Store::of(of, 32).close_as(listed, alter).delete(1).open(0..0);
        case.ledgers.extend(other.ledgers);
        case.roster.iter_mut().zip(other.roster).for_each(|(all, of)| all.extend(of.last().cloned()));
        case
    };
    let third = at(3, 0)..ALL;
    add(all, "ledger: two ledgers have deleted parts of a chain, anchors are left", {
        by_two(base(), from_ref(&third), &|_| ())
    });
    add(all, "ledger: two ledgers have deleted parts of a chain, and one lists another head", {
        by_two(base(), from_ref(&third), &in_extent("head", Some(head(7))))
    });
    add(all, "ledger: two ledgers have deleted parts of a chain, one segment came to neither", {
        let mut case = by_two(base(), from_ref(&third), &|_| ());
        case.ledgers.remove(0);
        case
    });
    add(all, "ledger: two ledgers have deleted parts of a chain, and one a record that was made up", {
        let mut case = anchored(whole());
        let made_up = by_two(base(), from_ref(&(at(2, 2)..at(2, 3))), &in_extent("head", Some(head(7))));
        case.ledgers.extend(made_up.ledgers.into_iter().skip(1));
        case.roster = made_up.roster;
        case
    });
    add(all, "ledger: all records were deleted, the log begins with one of them", {
        let mut case = anchored(whole());
        case.from = case.anchors.take().map(|all| all[..1].to_vec());
        case
    });
}
