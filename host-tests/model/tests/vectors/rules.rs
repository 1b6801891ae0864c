//! Vectors that decide rules which no other vector decides.

use super::readings::forked;
use super::store::{ALL, FIRST, Store, head, in_extent, second, signed_by};
use super::*;
use flb_audit_model::forge::head_of;
use std::slice::from_ref;

fn notes(word: &str) -> [(&'static str, Value); 1] {
    [("notes", Value::Array(vec![string(word)]))]
}

/// Returns the honest log up to the record with this index, and segment 4, which goes on from that
/// record.
fn going_on(from: usize, note: &str) -> Case {
    let mut case = base().cut(from + 1);
    let place = (from as u64 / SEGMENT + 1, from as u64 % SEGMENT);
    case.forge.handovers.truncate(place.0 as usize);
    case.forge.key = Some(place.0);
    case.forge.head = head_of(&case.records[from]).expect("a head");
    case.forge.place = (place.0, format!("run--{}", place.0), place.1 + 1);
    case.forge.restart("run--4", None);
    case.forge.place.0 = 4;
    case.forge.rotate();
    let first = case.forge.seal("{}", true, &notes(note));
    case.records.push(first);
    case
}

pub(super) fn rules(all: &mut All) {
    handovers(all);
    starts(all);
    extents(all);
    forks(all);
    blank(all);
    covered(all);
}

/// Adds: how far signatures reach.
fn covered(all: &mut All) {
    let of_key_0 = |rotated: usize| {
        let mut case = base().cut(0);
        case.forge = Forge::new("vectors-0001", 1);
        for number in 0..6 {
            if number == rotated {
                case.forge.rotate();
            }
            let is_checkpoint = number == 0 || number == rotated || number == 5;
            let record = case.forge.seal(&format!("{{\"n\":{number}}}"), is_checkpoint, &[]);
            case.records.push(record);
        }
        case
    };
    add(
        all,
        "keys: key 0 hands over within a segment, of the record nothing is here",
        of_key_0(3).delete([3]),
    );
    let mut next = of_key_0(9).cut(5);
    next.forge.place.2 = 5;
    next.forge.head = head_of(&next.records[4]).expect("a head");
    next.forge.restart("run--2", None);
    next.forge.rotate();
    let first = next.forge.seal("{}", true, &[]);
    next.records.push(first);
    add(all, "keys: key 0 hands over at the beginning of a segment", next);
    // Key 4 came into force in segment 2, and key 3 later.
    let mut early = base();
    early.forge.place = (2, "run--2".to_owned(), SEGMENT);
    early.forge.head = head_of(&early.records[at(2, 5)]).expect("a head");
    early.forge.rotate();
    let record = early.forge.seal("{}", true, &[]);
    early.records.push(record);
    add(all, "keys: a checkpoint stands before a lower key came into force", early);
    // Key 3 came into force in segment 3, and key 4 in segment 2. Key 3 has signed nothing.
    let mut order = base().cut(at(2, 1));
    let lower = head_of(&order.records[at(2, 0)]).expect("a head");
    order.forge.place = (2, "run--2".to_owned(), 1);
    order.forge.head = lower;
    order.forge.restart("run--3", None);
    order.forge.handovers[2] = (order.forge.place.clone(), lower);
    order.forge.handovers.push(((2, "run--2".to_owned(), 1), lower));
    order.forge.key = Some(4);
    let first = order.forge.seal("{}", true, &[]);
    order.records.push(first);
    add(all, "keys: a key came into force before a lower one, which has signed nothing", order);
    let mut linkless = base();
    linkless.forge.handovers.truncate(1);
    linkless.forge.key = Some(1);
    linkless.forge.restart("run--9", None);
    (linkless.forge.link, linkless.forge.head) = (None, seal::GENESIS);
    linkless.forge.rotate();
    let first = linkless.forge.seal("{}", true, &notes("state-damaged"));
    linkless.records.push(first);
    add(all, "keys: a key came into force again, after the next one, as the state was damaged", linkless);
    let mut skipped = base();
    skipped.forge.restart("run--4", None);
    (0..3).for_each(|_| skipped.forge.rotate());
    let first = skipped.forge.seal("{}", true, &[]);
    skipped.records.push(first);
    add(all, "keys: no handover to a key, and a record is missing long before", skipped.delete([at(1, 1)]));
    // Nothing says that key 4 came into force at record 6 of segment 3.
    let mut unknown = base();
    for number in 6..11 {
        if [6, 9].contains(&number) {
            unknown.forge.rotate();
        }
        unknown.records.push(unknown.forge.seal("{}", false, &[]));
    }
    unknown.forge.restart("run--4", None);
    unknown.forge.rotate();
    let first = unknown.forge.seal("{}", true, &[]);
    unknown.records.push(first);
    add(all, "keys: nothing says since when a key was in force, and nothing else is missing", {
        unknown.delete([at(3, 9)])
    });
    let mut broken = base().cut(at(3, 0));
    broken.forge.place = (2, "run--2".to_owned(), SEGMENT);
    broken.forge.head = [7; 32];
    broken.forge.handovers.truncate(2);
    broken.forge.key = Some(2);
    broken.forge.restart("run--3", None);
    broken.forge.rotate();
    let first = broken.forge.seal("{}", true, &[]);
    broken.records.push(first);
    add(all, "links: with another head than the record's", broken);
    // Segment 3 links to segment 4.
    let mut later = base().cut(at(3, 0));
    later.forge.place = (2, "run--2".to_owned(), SEGMENT);
    later.forge.head = head_of(&later.records[at(2, 5)]).expect("a head");
    later.forge.handovers.truncate(2);
    later.forge.key = Some(2);
    later.forge.restart("run--4", None);
    later.forge.place.0 = 4;
    let more = [later.forge.seal("{}", true, &[]), later.forge.seal("{}", false, &[])];
    later.records.extend(more);
    later.forge.restart("run--3", None);
    later.forge.place.0 = 3;
    let first = later.forge.seal("{}", true, &[]);
    later.records.push(first);
    add(all, "links: to a later segment that is here", later);
}

/// Adds lines that have only white space.
fn blank(all: &mut All) {
    add(all, "a line with only white space", base().line(" \t"));
    let with = |lines: Option<Vec<String>>| lines.map(|lines| [lines, vec![" \t".to_owned()]].concat());
    let anchored = base().cut(CHECKPOINT + 1).anchored(&[CHECKPOINT]);
    add(all, "anchors: a line with only white space", {
        Case { anchors: with(anchored.anchors.clone()), ..anchored }
    });
    let from = base().delete(0..at(2, 3)).from(&[at(2, 3)]);
    add(all, "from: a line with only white space", Case { from: with(from.from.clone()), ..from });
}

/// Adds: a finding stands before or behind a fork.
fn forks(all: &mut All) {
    // The writer of segment 3 goes on after key 4 came into force in segment 4, which is a fork.
    let mut case = forked();
    case.forge.place = (3, "run--3".to_owned(), SEGMENT);
    case.forge.head = head_of(&case.records[LAST]).expect("a head");
    case.forge.key = Some(3);
    case.forge.restart("run--5", None);
    case.forge.place.0 = 5;
    let first = case.forge.seal("{}", true, &[]);
    case.records.push(first);
    add(all, "keys: two writers, and the first goes on under an earlier key", case);
    // Somebody with key 0 has written segment 1 as well, and its end is not signed.
    let mut other = Forge::new("vectors-0001", 1);
    other.place.1 = "run--0".to_owned();
    let more = [other.seal("{\"other\":1}", true, &[]), other.seal("{\"other\":2}", false, &[])];
    let mut before = set_back_to(at(2, 5));
    before.records.extend(more);
    add(all, "conflict: an unsigned end before a state that was set back", before);
    let mut behind = base();
    behind.forge.restart("run--4", None);
    (behind.forge.link, behind.forge.head) = (None, seal::GENESIS);
    behind.forge.rotate();
    let mut other = behind.forge.clone();
    let first = behind.forge.seal("{}", true, &notes("state-damaged"));
    let more = [behind.forge.seal("{}", false, &[]), behind.forge.seal("{}", false, &[])];
    behind.records.extend([first].into_iter().chain(more));
    other.place = (4, "run--0".to_owned(), 9);
    let anchored = anchor(&other.seal("{}", true, &[])).expect("a checkpoint").text();
    behind.anchors = Some(vec![anchored]);
    add(all, "conflict: an unsigned end behind a state that was damaged", behind);
}

/// Returns the honest log, and segment 4, which goes on from this record: the state was set back.
fn set_back_to(from: usize) -> Case {
    let segment = going_on(from, "state-set-back").records.pop().expect("a record");
    let mut case = base();
    case.records.push(segment);
    case
}

/// Adds: only a handover says that records are missing.
fn handovers(all: &mut All) {
    let mut case = base();
    case.forge.place.2 = SEGMENT + 2;
    case.forge.head = [9; 32];
    case.forge.rotate();
    case.forge.restart("run--4", None);
    (case.forge.link, case.forge.head) = (None, seal::GENESIS);
    case.forge.rotate();
    let first = case.forge.seal("{}", true, &notes("state-damaged"));
    case.records.push(first);
    add(all, "missing: the records before a handover, of which nothing else says anything", case);
}

fn starts(all: &mut All) {
    let start = at(2, 3);
    add(
        all,
        "from: it is missing, and unsigned records before it are here",
        base().delete((0..at(2, 1)).chain([start])).from(&[start]),
    );
    let mut other = base().cut(CHECKPOINT + 1);
    set(other.records[CHECKPOINT].members_mut().expect("members"), "n", number(78));
    add(
        all,
        "from: another record is at its place, signed by the holder of the key",
        other.resign(CHECKPOINT).delete(0..CHECKPOINT).from(&[CHECKPOINT]),
    );
    let after = CHECKPOINT + 1;
    add(
        all,
        "from: only the record after it is here, with another head before it",
        base().cut(after + 1).set(after, "prev", head(7)).rehash(after).delete(0..after).from(&[CHECKPOINT]),
    );
    let mut linked = base().cut(CHECKPOINT + 1);
    linked.forge.place.2 = 4;
    linked.forge.head = [7; 32];
    linked.forge.restart("run--4", None);
    linked.forge.rotate();
    let first = linked.forge.seal("{}", true, &[]);
    linked.records.push(first);
    add(all, "from: a segment links to it, with another head before it", {
        linked.delete(0..CHECKPOINT + 1).from(&[CHECKPOINT])
    });
    let set_back = going_on(at(1, 5), "state-set-back").delete(0..at(2, 0));
    add(all, "from: a segment goes on from a record before it, noted by the filter", set_back.from(&[start]));
}

/// Returns the honest log and segment 4, which says that records of segment 3 from this one on may
/// not have been delivered.
pub(super) fn stopped(from: u64) -> Case {
    let mut case = base();
    case.forge.restart("run--4", Some(from));
    case.forge.rotate();
    let first = case.forge.seal("{}", true, &[]);
    case.records.push(first);
    case
}

fn extents(all: &mut All) {
    let kept = |of: &[Value], until: usize| [&of[..until], &of[ALL..]].concat();
    add(all, "ledger: a record before deleted ones is missing, and a stop may have lost them all", {
        let store = Store::of(stopped(3), 31).close(from_ref(&(at(3, 4)..ALL))).delete(1);
        store.open_of(|records| kept(records, at(3, 3)))
    });
    add(all, "ledger: unsigned records are here that a manifest lists as signed and deleted", {
        let store = Store::new().close_as(from_ref(&(at(3, 4)..ALL)), signed_by(3, 5)).delete(1);
        store.open(0..ALL)
    });
    for is_followed in [false, true] {
        let name = "ledger: records were deleted, says a manifest with other heads before and after them";
        let kept = if is_followed { ALL } else { at(3, 4) };
        add(all, if is_followed { format!("{name}, and they are here") } else { name.to_owned() }, {
            let other = |manifest: &mut Value| {
                signed_by(3, 5)(manifest);
                in_extent("prev", Some(head(8)))(manifest);
                in_extent("head", Some(head(7)))(manifest);
            };
            let store = Store::new().close_as(from_ref(&(at(3, 4)..ALL)), other).delete(1);
            store.open(0..kept)
        });
    }
    add(all, "ledger: an unsigned record was deleted, says a manifest with another head before it", {
        let store = Store::new().close(&[FIRST, second(), at(3, 0)..at(3, 4)]);
        let store = store.close_as(from_ref(&(at(3, 4)..at(3, 5))), in_extent("prev", Some(head(7))));
        store.delete(1).delete(2).open(at(3, 5)..ALL)
    });
    for behind in [1023, 1024] {
        let mut case = base().cut(at(3, 4));
        case.forge.place.2 = 3 + behind;
        case.forge.head = [7; 32];
        let last = case.forge.seal("{}", false, &[]);
        case.records.push(last);
        let store = Store::of(case, 31).close(&[FIRST, second()]);
        let store = store.close_as(from_ref(&(at(3, 0)..at(3, 4))), |of| {
            in_extent("last", Some(number(2 + behind)))(of);
            in_extent("head", Some(head(7)))(of);
        });
        let name =
            format!("ledger: a record is here, {behind} behind the last checkpoint, which was deleted");
        add(all, name, store.delete(1).delete(2).open_of(|records| records[at(3, 4)..].to_vec()));
    }
    let first = |name: &'static str, value: Value| {
        let store = Store::new().close_as(&[FIRST], in_extent(name, Some(value))).delete(1);
        store.open(at(2, 0)..ALL)
    };
    add(all, "ledger: `link` is null in an extent", first("link", Value::Null));
    add(all, "ledger: `link` is a number in an extent", first("link", number(1)));
    add(all, "ledger: `signed` is a text in an extent", first("signed", string("3")));
    add(all, "ledger: a deleted segment links to a later one", {
        let link = object([("run", string("run--9")), ("seg", number(9)), ("seq", number(0))]);
        let store = Store::new().close_as(&[second()], in_extent("link", Some(link))).delete(1);
        store.open_of(|records| [&records[..at(2, 0)], &records[at(3, 0)..]].concat())
    });
    add(all, "ledger: two segments go on from one, and the first was deleted", {
        let store = Store::of(forked(), 31).close(from_ref(&(at(3, 0)..ALL))).delete(1);
        store.open_of(|records| kept(records, at(3, 0)))
    });
    add(
        all,
        "ledger: the last checkpoint was deleted, and a record behind it has the note of a statement",
        {
            let mut case = base().cut(at(3, 4));
            case.forge.place.2 = 4;
            case.forge.head = head_of(&case.records[at(3, 3)]).expect("a head");
            let last = case.forge.seal("{}", false, &notes("statement"));
            case.records.push(last);
            let store = Store::of(case, 31).close(&[FIRST, second(), at(3, 0)..at(3, 4)]).delete(1);
            store.open_of(|records| records[at(3, 4)..].to_vec())
        },
    );
}
