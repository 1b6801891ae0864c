//! Vectors of stops: records that may never have left the node.

use super::*;
use flb_audit_model::forge::head_of;
use std::ops::Range;

pub(super) fn stops(all: &mut All) {
    let stopped = |unsettled: Option<u64>, lost: Range<u64>, is_signed: bool| {
        let mut case = base();
        case.forge.restart("run--4", unsettled);
        case.forge.rotate();
        let more = [case.forge.seal("{}", is_signed, &[]), case.forge.seal("{}", is_signed, &[])];
        case.records.extend(more);
        case.delete(lost.map(|number| at(3, number as usize)))
    };
    add(all, "stops: nothing was lost", stopped(Some(4), 0..0, true));
    add(all, "stops: everything was settled", stopped(Some(SEGMENT), 0..0, true));
    add(all, "stops: what was not settled was lost", stopped(Some(4), 4..6, true));
    add(all, "stops: some of it was lost", stopped(Some(4), 5..6, true));
    add(all, "stops: more was lost", stopped(Some(4), 3..6, true));
    add(all, "stops: something in it was lost", stopped(Some(3), 4..5, true));
    add(all, "stops: nothing is known", stopped(None, 4..6, true));
    add(all, "stops: the whole segment was lost", stopped(Some(0), 0..6, true));
    add(all, "stops: the whole segment was lost, and was settled", stopped(Some(4), 0..6, true));
    for from in [1, 2] {
        let name = format!("stops: from record {from} on, and of these, one is here that nobody has signed");
        add(all, name, stopped(Some(from), 3..6, true).delete([at(3, 1)]));
    }
    add(all, "stops: said by a record that nobody has signed", stopped(Some(4), 4..6, false));
    rewritten(all);
    over_segments(all);
    too_long(all);
    delivered(all);
    other_run(all);
}

/// Adds: segment 4 says that a stop may have lost segment 3, or a part of it. Records of
/// segment 3 were seen in a log.
fn delivered(all: &mut All) {
    let case = |unsettled: u64, at_3: &[usize], said: Value, lost: Range<usize>| {
        let mut case = base();
        case.forge.restart("run--4", Some(unsettled));
        case.forge.rotate();
        case.records.extend([case.forge.seal("{}", true, &[])]);
        let anchored: Vec<usize> = at_3.iter().map(|number| at(3, *number)).collect();
        case.delivered(&anchored, &said).delete(lost.map(|number| at(3, number)))
    };
    let yes = || Value::Bool(true);
    add(all, "stops: what was lost begins with a record that was delivered", case(0, &[0], yes(), 0..6));
    add(all, "stops: a record behind some that were lost was delivered", case(0, &[3], yes(), 0..6));
    add(all, "stops: records were lost behind one that was delivered", case(4, &[3], yes(), 4..6));
    add(all, "stops: nothing of what was delivered is lost", case(0, &[0], yes(), 3..6));
    add(all, "stops: several were delivered", case(0, &[3, 0], yes(), 1..6));
    add(all, "stops: not delivered, says an anchor", case(0, &[3], Value::Bool(false), 0..6));
    add(all, "stops: an anchor says the word", case(0, &[3], string("true"), 0..6));
    add(all, "stops: an anchor says null", case(0, &[3], Value::Null, 0..6));
}

/// Adds: a segment of ten records has no checkpoint after record 3, and the next segment
/// says that records 8 and 9 may not have been delivered. Some records are written again,
/// each with the head of the one before, and some are deleted.
fn rewritten(all: &mut All) {
    let case = |anew: Range<usize>, lost: Range<usize>| {
        let mut case = base();
        case.records.extend((6..10).map(|n| case.forge.seal(&format!("{{\"n\":{n}}}"), false, &[])));
        case.forge.restart("run--4", Some(8));
        case.forge.rotate();
        case.records.extend([case.forge.seal("{}", true, &[])]);
        for sequence in anew {
            let (before, here) = (at(3, sequence - 1), at(3, sequence));
            let prev = head_of(&case.records[before]).expect("a head");
            set(case.records[here].members_mut().expect("members"), "n", number(99));
            case = case.set(here, "prev", string(&seal::text(&prev))).rehash(here);
        }
        case.delete(lost.map(|number| at(3, number)))
    };
    add(all, "stops: no signature reaches what was delivered", case(0..0, 9..10));
    add(all, "stops: what was delivered is written anew", case(4..9, 9..10));
    add(all, "stops: some of what was delivered is written anew", case(4..6, 9..10));
    add(all, "stops: what was delivered is written anew up to a deleted record", case(4..6, 6..10));
    add(all, "stops: what was not settled is written anew", case(8..9, 9..10));
}

/// Adds: segment 6 says that segments 4 and 5, and segment 3 from record 4 on, may not
/// have been delivered.
fn over_segments(all: &mut All) {
    let case = |anchored: &[usize], unsettled: u64| {
        let mut case = base();
        for run in ["run--4", "run--5", "run--6"] {
            let last = (case.forge.place.0, case.forge.place.1.clone(), case.forge.place.2 - 1);
            case.forge.restart(run, None);
            case.forge.rotate();
            let mut link =
                object([("run", string(&last.1)), ("seg", number(last.0)), ("seq", number(last.2))]);
            let before =
                case.records[at(3, unsettled as usize)].get("audit").and_then(|audit| audit.get("prev"));
            let from = [
                ("head", before.expect("a head").clone()),
                ("run", string("run--3")),
                ("seg", number(3)),
                ("seq", number(unsettled)),
            ];
            set(link.members_mut().expect("members"), "unsettled", object(from));
            let more = [case.forge.seal("{}", true, &[("link", link)]), case.forge.seal("{}", false, &[])];
            case.records.extend(more);
        }
        let lost = at(3, 4)..at(3, 6) + 4;
        case.anchored(anchored).delete(lost)
    };
    let (four, five, six) = (at(4, 0), at(4, 2), at(4, 4));
    add(all, "stops: whole segments were lost", case(&[six], 4));
    add(all, "stops: an anchor is in a segment that was lost", case(&[four, six], 4));
    add(all, "stops: an anchor is in the segment linked to, which was lost", case(&[five, six], 4));
    add(all, "stops: whole segments were lost, and more", case(&[four, six], 5));
}

/// Adds: somebody who has the node's keys states a stop for more than a filter can lose,
/// and deletes records.
fn too_long(all: &mut All) {
    // The numbers between record 5 of segment 3 and the end of the segment were never used.
    for (name, last) in [("65,536 records", 5 + 65_536), ("65,537 records", 6 + 65_536)] {
        let mut case = base();
        case.forge.place.2 = last + 1;
        case.forge.restart("run--4", Some(6));
        case.forge.rotate();
        case.records.extend([case.forge.seal("{}", true, &[])]);
        add(all, format!("stops: {name} of a segment were lost"), case);
    }
    // Whoever has key 3 deletes segments 2 and 3. One made-up record, lost in a stop, is to account
    // for the handovers to keys 2 and 3.
    let mut keys = base().cut(at(2, 0));
    keys.forge.place = (4, "run--8".to_owned(), 0);
    keys.forge.head = [1; 32];
    keys.forge.rotate();
    keys.forge.place.2 = 1;
    keys.forge.head = [2; 32];
    let link = object([
        ("run", string("run--8")),
        ("seg", number(4)),
        ("seq", number(0)),
        (
            "unsettled",
            object([
                ("head", string(&seal::text(&[1; 32]))),
                ("run", string("run--8")),
                ("seg", number(4)),
                ("seq", number(0)),
            ]),
        ),
    ]);
    keys.forge.restart("run--9", None);
    keys.forge.rotate();
    keys.records.extend([keys.forge.seal("{}", true, &[("link", link)])]);
    add(all, "stops: more keys than a stop can have lost", keys);
    add(all, "stops: as many keys as a stop can have lost", lost_keys(3));
    add(all, "stops: a key more than a stop can have lost", lost_keys(4));
    // Segment 3 links to segment 2, and says which of its records were settled.
    let settled = |unsettled: Option<u64>| {
        let mut case = base().cut(at(3, 0));
        case.forge.place = (2, "run--2".to_owned(), SEGMENT);
        case.forge.head = head_of(&case.records[at(2, 5)]).expect("a head");
        case.forge.handovers.truncate(2);
        case.forge.key = Some(2);
        case.forge.restart("run--3", unsettled);
        case.forge.rotate();
        case.records.extend((0..SEGMENT).map(|n| case.forge.seal("{}", n % 3 == 0, &[])));
        let link = link_of_stop(&case, ("run--3", 3, 5), (2, 1));
        case.forge.restart("run--4", None);
        case.forge.rotate();
        case.records.extend([case.forge.seal("{}", true, &[("link", link)])]);
        case.delete(at(2, 1)..at(3, 0))
    };
    add(all, "stops: an earlier segment says nothing of a stop", settled(None));
    add(all, "stops: an earlier segment says that the records were settled", settled(Some(4)));
    add(all, "stops: an earlier segment says that they were not settled", settled(Some(1)));
    let mut later = base();
    for (run, unsettled) in [("run--4", 4), ("run--5", 0)] {
        later.forge.restart(run, Some(unsettled));
        later.forge.rotate();
        let first = later.forge.seal("{}", true, &[]);
        later.records.push(first);
    }
    add(all, "stops: a later segment says of a later stop", later.delete(at(3, 4)..at(4, 0)));
    // Record 0 of segment 4 states a head that the record before `unsettled` does not have.
    for (name, segment, is_signed) in [("nobody has signed it", 3, false), ("its link is broken", 9, true)] {
        let mut case = base();
        let mut link = link_of_stop(&case, ("run--3", segment, 5), (3, 4));
        for (_, unsettled) in
            link.members_mut().expect("members").iter_mut().filter(|(of, _)| of == "unsettled")
        {
            set(unsettled.members_mut().expect("members"), "head", string(&seal::text(&[7; 32])));
        }
        case.forge.restart("run--4", None);
        case.forge.rotate();
        case.records.extend([case.forge.seal("{}", is_signed, &[("link", link)])]);
        add(all, format!("stops: the head before what was not settled is another, {name}"), case);
    }
    for (name, segment) in [("4096", 4099), ("4097", 4100)] {
        let mut case = base();
        let link = link_of_stop(&case, ("run--9", segment, 0), (3, 4));
        // Segment 4 links to the records that are deleted.
        case.forge.restart("run--4", None);
        case.forge.rotate();
        case.records.extend([case.forge.seal("{}", true, &[])]);
        case.forge.restart("run--8", None);
        case.forge.place.0 = segment + 1;
        case.forge.rotate();
        case.records.extend([case.forge.seal("{}", true, &[("link", link)])]);
        add(all, format!("stops: over {name} segments"), case.delete(at(3, 4)..at(3, 6)));
    }
}

/// Adds: segments 4 and 5 were lost, and with them the handovers to some keys: `four` keys came into
/// force in segment 4, and two in segment 5. The key before the last one is known.
fn lost_keys(four: usize) -> Case {
    let mut case = base();
    let unsettled = object([
        ("head", string(&seal::text(&case.forge.head))),
        ("run", string("run--4")),
        ("seg", number(4)),
        ("seq", number(0)),
    ]);
    case.forge.restart("run--4", None);
    (0..four).for_each(|_| case.forge.rotate());
    (0..SEGMENT).for_each(|_| drop(case.forge.seal("{}", false, &[])));
    case.forge.restart("run--5", None);
    case.forge.rotate();
    (0..3).for_each(|_| drop(case.forge.seal("{}", false, &[])));
    case.forge.rotate();
    (0..3).for_each(|_| drop(case.forge.seal("{}", false, &[])));
    let link = object([
        ("run", string("run--5")),
        ("seg", number(5)),
        ("seq", number(SEGMENT - 1)),
        ("unsettled", unsettled),
    ]);
    case.forge.restart("run--6", None);
    case.forge.rotate();
    let first = case.forge.seal("{}", true, &[("link", link)]);
    case.records.push(first);
    case
}

/// Adds: segment 4 names a place of the same segment in another run.
fn other_run(all: &mut All) {
    let mut case = base();
    let mut link = link_of_stop(&case, ("run--3", 3, 5), (3, 4));
    for (name, unsettled) in link.members_mut().expect("members") {
        if name == "unsettled" {
            set(unsettled.members_mut().expect("members"), "run", string("run--2"));
        }
    }
    case.forge.restart("run--4", None);
    case.forge.rotate();
    case.records.extend([case.forge.seal("{}", true, &[("link", link)])]);
    add(all, "stops: what was not settled is in another run", case.delete(at(3, 4)..at(4, 0)));
}

/// Returns a link to a record, with the number of a segment and of its first record that may
/// not have been delivered.
fn link_of_stop(case: &Case, (run, segment, sequence): (&str, u64, u64), from: (usize, usize)) -> Value {
    let head = case.records[at(from.0, from.1)].get("audit").and_then(|audit| audit.get("prev"));
    let unsettled = object([
        ("head", head.expect("a head").clone()),
        ("run", string(&format!("run--{}", from.0))),
        ("seg", number(from.0 as u64)),
        ("seq", number(from.1 as u64)),
    ]);
    object([
        ("run", string(run)),
        ("seg", number(segment)),
        ("seq", number(sequence)),
        ("unsettled", unsettled),
    ])
}
