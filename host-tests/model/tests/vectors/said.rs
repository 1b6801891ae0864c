//! Vectors of what the first record of a segment said, after a ledger has deleted it.

use super::damaged::{going_on, segments, six};
use super::rules::stopped;
use super::store::{ALL, FIRST, Store, head, in_extent, key_numbers, second, text};
use super::*;
use flb_audit_model::forge::head_of;
use std::ops::Range;
use std::slice::from_ref;

pub(super) fn said(all: &mut All) {
    stops(all);
    set_back(all);
    damaged(all);
    keys(all);
    forms(all);
    made_up(all);
    dated_back(all);
}

/// Segment 4, whose first record says that the records of segment 3 from number 3 on may be lost.
const FOURTH: usize = ALL;

/// Returns the honest log, and two records of segment 4, whose first one states a stop.
fn with_stop() -> Case {
    let mut case = stopped(3);
    let second = case.forge.seal("{}", true, &[]);
    case.records.push(second);
    case
}

/// Returns a ledger that has deleted what came before the stop, and then the record that states it.
fn deleted(before: &[Range<usize>], alter: impl Fn(&mut Value)) -> Store {
    let before = [&[FIRST, second()], before].concat();
    let store = Store::of(with_stop(), 31).close(&before);
    store.close_as(from_ref(&(FOURTH..FOURTH + 1)), alter).delete(1).delete(2)
}

/// Changes `unsettled` in the `link` of a manifest's first extent.
fn in_unsettled(name: &'static str, value: Value) -> impl Fn(&mut Value) {
    let mut link = text(&with_stop().records[FOURTH], "link");
    for (of, unsettled) in link.members_mut().expect("members") {
        if of == "unsettled" {
            set(unsettled.members_mut().expect("members"), name, value.clone());
        }
    }
    in_extent("link", Some(link))
}

fn stops(all: &mut All) {
    let before = || at(3, 0)..at(3, 3);
    let rest = FOURTH + 1..FOURTH + 2;
    let mut add =
        |name: &str, case: Case| add(all, format!("ledger: deleted, a stop was stated: {name}"), case);
    add("the records behind it were lost", deleted(from_ref(&before()), |_| ()).open(rest.clone()));
    add("nothing else is here", {
        let mut case = deleted(from_ref(&before()), |_| ()).open(0..0);
        case.anchors = with_stop().anchored(&[0, FOURTH]).anchors;
        case
    });
    add("the manifest does not say that the record was signed", {
        deleted(from_ref(&before()), in_extent("signed", None)).open(rest.clone())
    });
    add("no signature covers the records before the lost ones, whose head is stated", {
        deleted(&[at(3, 0)..at(3, 1), at(3, 1)..at(3, 3)], |_| ()).open(rest.clone())
    });
    add("no signature covers the records before the lost ones, and another head is stated", {
        let other = in_unsettled("head", head(7));
        deleted(&[at(3, 0)..at(3, 1), at(3, 1)..at(3, 3)], other).open(rest.clone())
    });
    add("a record before the stated place was lost as well", {
        deleted(from_ref(&(at(3, 0)..at(3, 2))), |_| ()).open(rest.clone())
    });
    add("the record before the stated place is here", {
        deleted(from_ref(&(at(3, 0)..at(3, 2))), |_| ())
            .open_of(|records| [&records[at(3, 2)..at(3, 3)], &records[rest.clone()]].concat())
    });
    add("the record before the stated place is here, and another head is stated", {
        let other = in_unsettled("head", head(7));
        deleted(from_ref(&(at(3, 0)..at(3, 2))), other)
            .open_of(|records| [&records[at(3, 2)..at(3, 3)], &records[rest.clone()]].concat())
    });
    add("the place is behind the one after the linked record", {
        deleted(from_ref(&before()), in_unsettled("seq", number(SEGMENT + 1))).open(rest.clone())
    });
    add("the stated head is none", {
        deleted(from_ref(&before()), in_unsettled("head", string("none"))).open(rest.clone())
    });
    add("in a segment that is not higher than the linked one", {
        let mut link = text(&with_stop().records[FOURTH], "link");
        set(link.members_mut().expect("members"), "seg", number(4));
        deleted(from_ref(&before()), in_extent("link", Some(link))).open(rest.clone())
    });
    add("another record follows than the one that the manifest lists", {
        deleted(from_ref(&before()), in_extent("head", Some(head(7)))).open(rest.clone())
    });
    add("more than the signed record was listed, and these do not fit", {
        let mut case = with_stop();
        let third = case.forge.seal("{}", false, &[]);
        case.records.push(third);
        case.forge.restart("run--5", None);
        case.forge.rotate();
        let next = case.forge.seal("{}", true, &[]);
        case.records.push(next);
        let store = Store::of(case, 31).close(&[FIRST, second(), before()]);
        let other = in_extent("head", Some(head(7)));
        store
            .close_as(from_ref(&(FOURTH..FOURTH + 3)), other)
            .delete(1)
            .delete(2)
            .open(FOURTH + 3..FOURTH + 4)
    });
    add("a record in its place is here, which nobody has signed", {
        deleted(from_ref(&before()), |_| ()).open_of(|records| {
            let mut forged = records[FOURTH].clone();
            let seal = audit_mut(&mut forged).expect("a seal");
            seal.retain(|(name, _)| name != "key" && name != "sig");
            rehash(&mut forged);
            vec![forged, records[FOURTH + 1].clone()]
        })
    });
    for (name, from) in [("", 3), (", and its head is not stated", 4)] {
        let name = format!("a record before the lost ones is here, and the one before it was deleted{name}");
        let case = stopped(from).delete(at(3, 3)..at(4, 0));
        let store = Store::of(case, 31).close(&[FIRST, second(), at(3, 0)..at(3, 1), at(3, 1)..at(3, 2)]);
        add(&name, store.delete(1).open(at(3, 2)..at(3, 4)));
    }
    add("a record is here that no signature reaches, and the one before it was deleted", {
        let case = stopped(1).delete(at(3, 3)..at(4, 0));
        let store = Store::of(case, 31).close(&[FIRST, second(), at(3, 0)..at(3, 1), at(3, 1)..at(3, 2)]);
        store.delete(1).open(at(3, 2)..at(3, 4))
    });
    // The stop of segment 4 begins where segment 3 says that its own one began.
    let mut settled = base().cut(at(3, 0));
    settled.forge.place = (2, "run--2".to_owned(), SEGMENT);
    settled.forge.head = head_of(&settled.records[at(2, 5)]).expect("a head");
    settled.forge.handovers.truncate(2);
    settled.forge.key = Some(2);
    settled.forge.restart("run--3", Some(4));
    settled.forge.rotate();
    settled.records.extend((0..SEGMENT).map(|n| settled.forge.seal("{}", n % 3 == 0, &[])));
    settled.forge.restart("run--4", Some(2));
    settled.forge.rotate();
    let mut link = settled.forge.link.clone().expect("a link");
    for (_, from) in link.members_mut().expect("members").iter_mut().filter(|(of, _)| of == "unsettled") {
        let head = text(&settled.records[at(2, 1)], "prev");
        let early = [("seg", number(2)), ("run", string("run--2")), ("seq", number(1)), ("head", head)];
        *from = object(early);
    }
    settled.records.extend([settled.forge.seal("{}", true, &[("link", link)])]);
    let store = Store::of(settled, 31).close(&[FIRST, at(2, 0)..at(2, 1), at(3, 0)..ALL]).delete(1);
    add("an earlier one, which was deleted, settles some of the records", store.open(FOURTH..FOURTH + 1));
}

/// The index of the first record of segment 7.
const SEVENTH: usize = 36;

/// Returns the log with another record of segment 7, which is a checkpoint.
fn covered(mut case: Case) -> Case {
    let third = case.forge.seal("{}", true, &[]);
    case.records.push(third);
    case
}

/// Returns a ledger that has deleted segments 1 to 6, and then the first record of segment 7.
fn all_deleted(case: Case, alter: impl Fn(&mut Value)) -> Store {
    let of: Vec<Range<usize>> = (1..=6).map(|segment| segments(segment..=segment)).collect();
    let store = Store::of(case, 31).close(&of);
    store.close_as(from_ref(&(SEVENTH..SEVENTH + 1)), alter).delete(1).delete(2)
}

fn set_back(all: &mut All) {
    let case = |note: &str| covered(going_on(six(), note, 1, Some(4)));
    let rest = SEVENTH + 1..SEVENTH + 3;
    let words = |words: &[&str]| Some(Value::Array(words.iter().map(|word| string(word)).collect()));
    let mut add =
        |name: &str, case: Case| add(all, format!("ledger: deleted, a state was set back: {name}"), case);
    add("the record said so", all_deleted(case("state-set-back"), |_| ()).open(rest.clone()));
    add("the record did not say so", all_deleted(case("rounded"), |_| ()).open(rest.clone()));
    add("the record said so, and no signature reaches what follows", {
        all_deleted(going_on(six(), "state-set-back", 1, Some(4)), |_| ()).open(SEVENTH + 1..SEVENTH + 2)
    });
    add("among other notes", {
        let many = in_extent("notes", words(&["rounded", "state-set-back", "of-a-later-version"]));
        all_deleted(case("state-set-back"), many).open(rest.clone())
    });
    add("the manifest does not say that the record was signed", {
        all_deleted(case("state-set-back"), in_extent("signed", None)).open(rest.clone())
    });
    add("nothing else is here", {
        let mut case = all_deleted(case("state-set-back"), |_| ()).open(0..0);
        case.anchors = going_on(six(), "state-set-back", 1, Some(4)).anchored(&[0, SEVENTH]).anchors;
        case
    });
    add("nothing else is here, and the log begins with an earlier record", {
        let mut log = all_deleted(case("state-set-back"), |_| ()).open(0..0);
        log.from = case("state-set-back").anchored(&[at(5, 3)]).anchors;
        log
    });
    for (name, note) in [("", "state-set-back"), (", and it did not say so", "rounded")] {
        let mut log = all_deleted(case(note), |_| ()).open(rest.clone());
        log.from = case(note).anchored(&[at(5, 3)]).anchors;
        add(&format!("the log begins after the linked record{name}"), log);
    }
    // The extent of segment 4 goes on behind the record that segment 5 links to.
    let within = |note: &str, inner: bool, more: &[Range<usize>]| {
        let mut case = six().cut(at(5, 0));
        case.forge.handovers.truncate(4);
        case.forge.key = Some(4);
        case.forge.head = head_of(&case.records[at(4, 1)]).expect("a head");
        case.forge.place = (4, "run--4".to_owned(), 2);
        case.forge.restart("run--5", None);
        case.forge.rotate();
        let notes = Value::Array(vec![string(note)]);
        let fifth = [case.forge.seal("{}", true, &[("notes", notes)]), case.forge.seal("{}", true, &[])];
        case.records.extend(fifth);
        let listed = text(&case.records[at(4, 1)], "head");
        let listed = listed.as_str().expect("a head")[..16].to_owned();
        let of = [&[at(4, 1)..at(4, 3), FIRST, second(), segments(3..=3), at(4, 0)..at(4, 1)], more].concat();
        let store = Store::of(case, 31);
        let store = store.close_as(&of, in_extent("inner", inner.then(|| string(&listed))));
        store.close(from_ref(&(at(5, 0)..at(5, 1)))).delete(1).delete(2).open(at(5, 1)..at(5, 2))
    };
    for (name, note) in [("", "state-set-back"), (", and the record did not say so", "rounded")] {
        let end = at(4, 3)..at(5, 0);
        add(&format!("to a record within an extent{name}"), within(note, false, &[]));
        add(&format!("to a record within an extent that lists its head{name}"), within(note, true, &[]));
        add(
            &format!("to a record within an extent, which is followed{name}"),
            within(note, false, from_ref(&end)),
        );
    }
}

fn damaged(all: &mut All) {
    let case = |note: &str| covered(going_on(six(), note, 1, None));
    let rest = SEVENTH + 1..SEVENTH + 3;
    let mut add =
        |name: &str, case: Case| add(all, format!("ledger: deleted, a state was damaged: {name}"), case);
    add("the record said so", all_deleted(case("state-damaged"), |_| ()).open(rest.clone()));
    add("the record did not say so", all_deleted(case("rounded"), |_| ()).open(rest.clone()));
    add("the manifest does not say that the record was signed", {
        all_deleted(case("state-damaged"), in_extent("signed", None)).open(rest.clone())
    });
    add("the manifest has the word, and the record links to another", {
        let word = in_extent("notes", Some(Value::Array(vec![string("state-damaged")])));
        all_deleted(covered(going_on(six(), "rounded", 1, Some(6))), word).open(rest.clone())
    });
    add("nothing was before it", {
        let store = Store::of(case("state-damaged"), 31).close(from_ref(&(SEVENTH..SEVENTH + 1)));
        store.delete(1).open(rest.clone())
    });
    // No signature covers the last record of segment 6, and nothing that is left says that others were
    // sealed.
    let ended = |alter: &dyn Fn(&mut Value)| {
        all_deleted(case("state-damaged"), alter)
            .open_of(|records| [&records[at(6, 4)..at(6, 5)], &records[rest.clone()]].concat())
    };
    add("records before it are here that no signature covers", ended(&|_| ()));
    add("records before it are here that no signature covers, and nothing says so", {
        ended(&in_extent("notes", None))
    });
}

/// Adds: keys without a handover, behind forks of which the later side was deleted.
fn keys(all: &mut All) {
    let rest = SEVENTH + 1..SEVENTH + 3;
    for (note, keys) in [("state-set-back", 2), ("rounded", 2), ("state-set-back", 1)] {
        let case = covered(going_on(six(), note, keys, Some(2)));
        let of = [1..=1, 2..=2].map(segments);
        let third = segments(3..=3);
        let later = SEVENTH..SEVENTH + 1;
        let store = Store::of(case.clone(), 31).close(&of).close(from_ref(&later)).delete(1).delete(2);
        let kept = |records: &[Value]| [&records[third.clone()], &records[rest.clone()]].concat();
        let name = format!("ledger: deleted, {note}, and {keys} keys came into force");
        add(all, format!("{name}, a segment is here"), store.open_of(kept));
        let store = Store::of(case, 31).close(&[&of[..], &[third]].concat()).close(from_ref(&later));
        add(all, format!("{name}, a segment was deleted"), store.delete(1).delete(2).open(rest.clone()));
    }
}

/// Adds manifests in which the members are not as the rules have them.
fn forms(all: &mut All) {
    let rest = FOURTH + 1..FOURTH + 2;
    let mut add = |name: &str, alter: &dyn Fn(&mut Value)| {
        let case = deleted(from_ref(&(at(3, 0)..at(3, 3))), alter).open(rest.clone());
        add(all, format!("ledger: a manifest, {name}"), case);
    };
    add("`notes` is null", &in_extent("notes", Some(Value::Null)));
    add("`notes` is empty", &in_extent("notes", Some(Value::Array(Vec::new()))));
    add("`notes` is a string", &in_extent("notes", Some(string("state-damaged"))));
    add("`notes` has a number", &in_extent("notes", Some(Value::Array(vec![number(1)]))));
    let mut link = text(&with_stop().records[FOURTH], "link");
    set(link.members_mut().expect("members"), "unsettled", Value::Null);
    add("`unsettled` is null", &in_extent("link", Some(link.clone())));
    set(link.members_mut().expect("members"), "unsettled", string("none"));
    add("`unsettled` is a string", &in_extent("link", Some(link)));
    add("`unsettled` has a number as its `head`", &in_unsettled("head", number(1)));
    add("`unsettled` has a string as its `seq`", &in_unsettled("seq", string("3")));
}

/// Returns what alters a manifest's first extent into one of records that somebody without a key has made
/// up: they end with this number, and with a head that no record has.
fn forged(last: u64) -> impl Fn(&mut Value) {
    move |manifest| {
        ["signed", "keys", "link"].into_iter().for_each(|name| in_extent(name, None)(manifest));
        in_extent("last", Some(number(last)))(manifest);
        in_extent("head", Some(head(7)))(manifest);
    }
}

/// Adds: somebody without a key makes up records at the places of missing ones, of which signatures
/// state heads.
fn made_up(all: &mut All) {
    let name = |what: &str| format!("ledger: made-up records were deleted, {what}");
    for (last, what) in [(6, "past an anchor"), (3, "up to an anchor")] {
        let store = Store::new().close_as(from_ref(&(at(3, 0)..at(3, 1))), forged(last)).delete(1);
        let mut case = store.open(0..0);
        case.anchors = base().anchored(&[0, CHECKPOINT]).anchors;
        add(all, name(&format!("{what}, and nothing else is here")), case);
        for is_here in [false, true] {
            let mut before = vec![FIRST, second()];
            before.extend((!is_here).then_some(at(3, 0)..at(3, 1)));
            let store = Store::new().close(&before);
            let store = store.close_as(from_ref(&(at(3, 1)..at(3, 2))), forged(last)).delete(1).delete(2);
            let mut case = store.open(if is_here { at(3, 0)..at(3, 1) } else { 0..0 });
            case.anchors = base().anchored(&[0, CHECKPOINT]).anchors;
            let which = if is_here { "is here" } else { "was deleted" };
            add(all, name(&format!("{what}, and the record before them {which}")), case);
        }
    }
    for last in [2, 3] {
        let store = Store::of(with_stop(), 31).close(&[FIRST, second(), at(3, 0)..at(3, 1)]);
        let store = store.close_as(from_ref(&(at(3, 1)..at(3, 2))), forged(last)).delete(1).delete(2);
        let what = format!("up to {last}, and a stop states the head of record 2");
        add(all, name(&what), store.open(FOURTH..FOURTH + 2));
    }
    // A key came into force at record 3, and the state was damaged later.
    let mut case = base().cut(0);
    case.forge = Forge::new("vectors-0001", 1);
    for number in 0..5 {
        if number == 3 {
            case.forge.rotate();
        }
        case.records.push(case.forge.seal("{}", number % 3 == 0, &[]));
    }
    case.forge.restart("run--2", None);
    (case.forge.link, case.forge.head) = (None, seal::GENESIS);
    case.forge.rotate();
    let notes = Value::Array(vec![string("state-damaged")]);
    case.records.push(case.forge.seal("{}", true, &[("notes", notes)]));
    for last in [2, 3] {
        let store = Store::of(case.clone(), 31).close(from_ref(&(0..1)));
        let store = store.close_as(from_ref(&(1..2)), forged(last)).delete(1).delete(2);
        let what = format!("up to {last}, and a handover states the head of record 2");
        add(all, name(&what), store.open(5..6));
    }
}

/// Adds: the first record of another run of segment 2 was deleted. It states a stop in segment 1. Whoever
/// has key 3 can date a later key back.
fn dated_back(all: &mut All) {
    for (key, is_signed) in [(2, true), (3, true), (4, true), (2, false)] {
        let case = base();
        let mut link = text(&case.records[at(2, 0)], "link");
        let from = &case.records[at(1, 4)];
        let of = ["seg", "run", "seq"].map(|name| (name, text(from, name)));
        let [seg, run, seq] = of;
        let from = object([seg, run, seq, ("head", text(from, "prev"))]);
        set(link.members_mut().expect("members"), "unsettled", from);
        let alter = |manifest: &mut Value| {
            in_extent("run", Some(string("run--x")))(manifest);
            in_extent("link", Some(link.clone()))(manifest);
            in_extent("head", Some(head(9)))(manifest);
            in_extent("keys", is_signed.then(|| key_numbers(key, key)))(manifest);
        };
        let store = Store::of(case, 31).close(&[0..at(1, 4), second()]);
        let store = store.close_as(from_ref(&(at(2, 0)..at(2, 1))), alter).delete(1).delete(2);
        let who = if is_signed { format!("key {key}") } else { "no key that is named".to_owned() };
        let name = format!("ledger: deleted, another run states a stop, signed by {who}");
        add(all, name, store.open(at(3, 0)..ALL));
    }
}
