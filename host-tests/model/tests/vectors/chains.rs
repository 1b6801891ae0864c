//! Vectors of whole logs: honest ones, and records that are missing, altered, or do not
//! follow from one another.

use super::*;
use flb_audit_model::forge::head_of;

pub(super) fn honest_logs(all: &mut All) {
    add(all, "honest", base());
    add(
        all,
        "honest, up to a checkpoint that is anchored",
        base().cut(CHECKPOINT + 1).anchored(&[0, CHECKPOINT]),
    );
    add(all, "honest, without a roster", Case { roster: None, ..base() });
    let mut ephemeral = honest("~ectors-0002", 2);
    add(all, "honest, an ephemeral chain, which the roster has", ephemeral.clone());
    ephemeral.roster = Some(Vec::new());
    add(all, "an ephemeral chain, which the roster lacks", ephemeral);
    let mut plain = Forge { key: None, ..Forge::new("vectors-0002", 2) };
    let records = (0..4).map(|n| plain.seal(&format!("{{\"n\":{n}}}"), false, &[])).collect();
    let unsigned = Case { forge: plain, records, roster: None, ..base() };
    add(all, "honest, a chain without keys", unsigned.clone());
    add(
        all,
        "a chain without keys, beside a roster that lacks it",
        Case { roster: base().roster, ..unsigned.clone() },
    );
    let roster = Some(vec![unsigned.forge.roster()]);
    add(all, "a chain without checkpoints, which the roster has", Case { roster, ..unsigned });
    let mut forge = Forge::new("vectors-0003", 3);
    let records = (0..4).map(|n| forge.seal("{}", n % 2 == 0, &[])).collect();
    let roster = Some(vec![forge.roster()]);
    add(all, "honest, under key 0", Case { forge, records, roster, ..base() });
    let mut forge = Forge { version: "1.1", ..Forge::new("vectors-0004", 4) };
    forge.rotate();
    let mut records: Vec<Value> = (0..2).map(|n| forge.seal("{}", n == 0, &[])).collect();
    forge.restart("run--2", None);
    forge.rotate();
    forge.version = "1.2";
    records.extend((0..2).map(|n| forge.seal("{}", n == 0, &[])));
    let roster = Some(vec![forge.roster()]);
    let changed = Case { forge, records, roster, ..base() };
    add(all, "honest, the hash function changed with a segment", changed);
    let mut forge = Forge::new("vectors-0005", 5);
    let mut records = vec![forge.seal("{}", true, &[])];
    forge.version = "1.1";
    records.push(forge.seal("{}", true, &[]));
    let roster = Some(vec![forge.roster()]);
    add(all, "the hash function changed within a segment", Case { forge, records, roster, ..base() });
    let other = honest("vectors-0006", 6);
    let mut two = base();
    two.records.extend(other.records);
    two.roster.as_mut().expect("a roster").extend(other.roster.into_iter().flatten());
    add(all, "honest, two nodes", two);
    let mut twice = base();
    twice.records.extend(base().records);
    add(all, "honest, every record twice", twice);
}

pub(super) fn missing(all: &mut All) {
    for (name, gone) in [
        ("a record inside", at(1, 1)..at(1, 2)),
        ("a checkpoint inside", at(1, 3)..at(1, 4)),
        ("the first record", at(1, 0)..at(1, 1)),
        ("the start of a later segment", at(2, 0)..at(2, 2)),
        ("the end of a segment", at(1, 4)..at(2, 0)),
        ("a segment in the middle", at(2, 0)..at(3, 0)),
        ("the first segment", at(1, 0)..at(2, 0)),
        ("the first two segments", at(1, 0)..at(3, 0)),
        ("what covers the record before", at(3, 1)..at(3, 4)),
        ("all checkpoints of the last segment but the first", at(3, 3)..at(3, 4)),
        ("all but the unsigned end", at(1, 0)..at(3, 4)),
    ] {
        add(all, format!("missing: {name}"), base().delete(gone));
    }
    add(all, "cut: the unsigned end", base().cut(CHECKPOINT + 1));
    add(all, "cut: the last segment", base().cut(at(3, 0)));
    add(all, "missing: every second record", base().delete((1..18).step_by(2)));
    add(all, "missing: all checkpoints", base().delete((0..18).step_by(3)));
}

pub(super) fn altered(all: &mut All) {
    for (name, place) in [
        ("a covered record", at(1, 1)),
        ("a checkpoint", at(1, 3)),
        ("the first record", 0),
        ("the last record", LAST),
        ("the last checkpoint", CHECKPOINT),
    ] {
        let mut case = base();
        set(case.records[place].members_mut().expect("members"), "n", number(77));
        add(all, format!("altered: {name}"), case.clone());
        add(all, format!("altered with its hash: {name}"), case.clone().rehash(place));
        let mut both = case.rehash(place);
        both.records.push(base().records[place].clone());
        add(all, format!("altered with its hash, beside the record: {name}"), both);
    }
    for (name, value) in [
        ("tag", string("other.tag")),
        ("time", string("1.000000000")),
        ("seq", number(7)),
        ("seg", number(4)),
        ("run", string("run--9")),
        ("chain", string("vectors-0009")),
    ] {
        add(all, format!("altered: `{name}` of a covered record"), base().set(at(2, 1), name, value.clone()));
        add(
            all,
            format!("altered with its hash: `{name}` of a covered record"),
            base().set(at(2, 1), name, value.clone()).rehash(at(2, 1)),
        );
        add(
            all,
            format!("altered with its hash: `{name}` of the last record"),
            base().set(LAST, name, value).rehash(LAST),
        );
    }
    add(
        all,
        "two records with their numbers exchanged",
        base().set(at(1, 1), "seq", number(2)).set(at(1, 2), "seq", number(1)),
    );
    let mut resealed = base();
    let mut prev = resealed.records[CHECKPOINT].get("audit").and_then(|audit| audit.get("head")).cloned();
    for place in CHECKPOINT + 1..=LAST {
        set(resealed.records[place].members_mut().expect("members"), "n", number(77));
        resealed = resealed.set(place, "prev", prev.expect("a head")).rehash(place);
        prev = resealed.records[place].get("audit").and_then(|audit| audit.get("head")).cloned();
    }
    add(all, "the unsigned end sealed anew", resealed);
    let mut resealed = base();
    let mut prev = None;
    for place in 0..=LAST {
        let before = prev.unwrap_or_else(|| string(&seal::text(&[0; 32])));
        resealed =
            resealed.set(place, "prev", before).without(place, "key").without(place, "sig").rehash(place);
        prev = resealed.records[place].get("audit").and_then(|audit| audit.get("head")).cloned();
    }
    add(all, "everything sealed anew without keys", resealed);
}

pub(super) fn links(all: &mut All) {
    let link = |segment: u64, run: &str, sequence: u64| {
        object([("run", string(run)), ("seg", number(segment)), ("seq", number(sequence))])
    };
    // Somebody with the keys seals the end of the chain again.
    let linked = |to: Option<Value>, notes: &[&str]| {
        let mut case = base().cut(at(3, 0));
        case.forge.place = (3, "run--3".to_owned(), 0);
        case.forge.head = head_of(&case.records[at(2, 5)]).expect("a head");
        if to.is_none() {
            case.forge.head = seal::GENESIS;
        }
        case.forge.key = Some(2);
        case.forge.handovers.truncate(2);
        case.forge.rotate();
        case.forge.link = to;
        let notes = Value::Array(notes.iter().map(|note| string(note)).collect());
        let first = case.forge.seal("{}", true, &[("notes", notes)]);
        case.records.push(first);
        case
    };
    add(all, "links: as it should be", linked(Some(link(2, "run--2", 5)), &[]));
    add(all, "links: none", linked(None, &[]));
    add(all, "links: none, the state was damaged", linked(None, &["state-damaged"]));
    add(all, "links: to a record before the last", linked(Some(link(2, "run--2", 4)), &[]));
    add(all, "links: to a record behind the last", linked(Some(link(2, "run--2", 6)), &[]));
    add(all, "links: to another run", linked(Some(link(2, "run--8", 5)), &[]));
    add(all, "links: to itself", linked(Some(link(3, "run--3", 0)), &[]));
    add(all, "links: to a later segment", linked(Some(link(4, "run--4", 0)), &[]));
    let mut two = linked(Some(link(4, "run--4", 0)), &[]);
    two.forge.place = (4, "run--4".to_owned(), 1);
    two.forge.restart("run--5", None);
    two.forge.rotate();
    let first = two.forge.seal("{}", true, &[]);
    two.records.push(first);
    add(all, "links: two to one segment, which is not lower than one of them", two);
    let mut headed = base().cut(0);
    headed.forge = Forge { head: [7; 32], ..Forge::new("vectors-0001", 1) };
    let first = headed.forge.seal("{}", true, &[]);
    headed.records.push(first);
    add(all, "links: none, and a head before the first record", headed);
    add(all, "links: on a later record", base().set(LAST, "link", link(2, "run--2", 5)).rehash(LAST));
    add(all, "links: to 2^64-1", linked(Some(link(2, "run--2", u64::MAX)), &[]));
    for (name, text) in [
        ("without `seq`", "{\"run\":\"run--2\",\"seg\":2}"),
        ("`seq` is 5.0", "{\"run\":\"run--2\",\"seg\":2,\"seq\":5.0}"),
        ("`unsettled` has no `head`", UNSETTLED),
        ("`unsettled` is after the record behind the linked one", UNSETTLED_7),
        ("`unsettled` is null", "{\"run\":\"run--2\",\"seg\":2,\"seq\":5,\"unsettled\":null}"),
    ] {
        add(all, format!("links: {name}"), linked(Value::parse(text), &[]));
    }
}

const UNSETTLED: &str =
    "{\"run\":\"run--2\",\"seg\":2,\"seq\":5,\"unsettled\":{\"run\":\"run--2\",\"seg\":2,\"seq\":5}}";

const UNSETTLED_7: &str = "{\"run\":\"run--2\",\"seg\":2,\"seq\":5,\"unsettled\":{\"run\":\"run--2\",\"seg\":2,\"seq\":7,\"head\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}}";

pub(super) fn conflicts(all: &mut All) {
    for (name, notes) in [("", &[][..]), (", noted by the filter", &["state-set-back"][..])] {
        let forked = |from: usize| {
            let mut case = base();
            case.forge.handovers.truncate(2);
            case.forge.key = Some(2);
            case.forge.head = head_of(&case.records[from]).expect("a head");
            case.forge.place = (2, "run--2".to_owned(), (from - at(2, 0)) as u64 + 1);
            case.forge.restart("run--9", None);
            case.forge.place.0 = 4;
            case.forge.rotate();
            let notes = Value::Array(notes.iter().map(|note| string(note)).collect());
            let more = [case.forge.seal("{}", true, &[("notes", notes)]), case.forge.seal("{}", false, &[])];
            case.records.extend(more);
            case
        };
        add(all, format!("conflict: two segments go on from one record{name}"), forked(at(2, 5)));
        add(
            all,
            format!("conflict: a segment has gone on after the record that another links to{name}"),
            forked(at(2, 3)),
        );
    }
    let mut case = base();
    case.forge.key = Some(2);
    case.forge.handovers.truncate(2);
    case.forge.restart("run--8", None);
    let first = case.forge.seal("{}", true, &[]);
    case.records.push(first);
    add(all, "keys: a later segment under an earlier key", case);
    let mut case = base();
    case.forge.restart("run--8", None);
    let first = case.forge.seal("{}", true, &[]);
    case.records.push(first);
    add(all, "keys: a segment under the key of the one before", case);
    let mut case = base();
    case.forge.restart("run--8", None);
    let first = case.forge.seal("{}", false, &[]);
    case.records.push(first);
    add(all, "keys: a segment that begins without a checkpoint", case);
}

/// Adds: somebody who has a key from segment 3 on puts a record into segment 2, and makes
/// a segment of their own link to it.
pub(super) fn stolen_keys(all: &mut All) {
    let stolen = |segment: u64| {
        let mut case = base().cut(at(2, 3));
        case.forge.head = head_of(&case.records[at(2, 2)]).expect("a head");
        case.forge.place = (2, "run--2".to_owned(), 3);
        let forged = case.forge.seal("{\"n\":3}", false, &[]);
        case.records.push(forged);
        case.forge.restart("run--9", None);
        case.forge.place.0 = segment;
        case
    };
    let mut one = stolen(4);
    one.forge.rotate();
    let first = one.forge.seal("{}", true, &[]);
    one.records.push(first);
    add(all, "stolen keys: a segment goes on from a record of before", one);
    let mut forked = stolen(4);
    forked.forge.rotate();
    let first = forked.forge.seal("{}", true, &[]);
    forked.forge.head = head_of(&forked.records[at(1, 5)]).expect("a head");
    forked.forge.place = (1, "run--1".to_owned(), SEGMENT);
    forked.forge.restart("run--8", None);
    forked.forge.place.0 = 5;
    forked.forge.rotate();
    let second = forked.forge.seal("{}", true, &[]);
    forked.records.extend([first, second]);
    add(all, "stolen keys: a segment goes on from a record of before, behind a fork", forked);
    let mut same = stolen(4);
    let first = same.forge.seal("{}", true, &[]);
    same.records.push(first);
    add(all, "stolen keys: a segment under the stolen key goes on from a record of before", same);
    let mut early = stolen(4);
    let before = head_of(&early.records[at(2, 2)]).expect("a head");
    early.forge.handovers.push(((2, "run--2".to_owned(), 3), before));
    early.forge.key = Some(4);
    early.records.push(early.forge.clone().seal("{}", true, &[]));
    add(all, "stolen keys: the next key comes into force before the stolen one", early);
    let mut hidden = base();
    hidden.forge.restart("run--4", None);
    hidden.forge.rotate();
    hidden.records = vec![hidden.forge.seal("{}", true, &[])];
    let first = (1, "run--1".to_owned(), 0);
    hidden.forge.handovers[2..].fill((first.clone(), seal::GENESIS));
    (hidden.forge.place, hidden.forge.head, hidden.forge.link) = (first, seal::GENESIS, None);
    hidden.records.push(hidden.forge.seal("{\"n\":0}", true, &[]));
    add(all, "stolen keys: later keys come into force twice, and the stolen one has no handover", hidden);
}

pub(super) fn anchors(all: &mut All) {
    let with = |case: Case, alter: &dyn Fn(&mut Value)| {
        let mut anchor = anchor(&base().records[CHECKPOINT]).expect("a checkpoint");
        alter(&mut anchor);
        Case {
            anchors: Some(vec![base().anchored(&[0]).anchors.expect("an anchor")[0].clone(), anchor.text()]),
            ..case
        }
    };
    let end = || base().cut(CHECKPOINT + 1);
    add(all, "anchors: good", with(end(), &|_| {}));
    add(
        all,
        "anchors: good, with a member of an output",
        with(end(), &|anchor| set(anchor.members_mut().expect("members"), "date", number(1))),
    );
    add(all, "anchors: not the last record", with(base(), &|_| {}));
    add(all, "anchors: beyond the end", with(base().cut(CHECKPOINT), &|_| {}));
    add(all, "anchors: beyond the end of the last segment", with(base().cut(at(3, 0)), &|_| {}));
    add(
        all,
        "anchors: two beyond the end of one segment",
        Case { anchors: base().anchored(&[at(3, 0), CHECKPOINT]).anchors, ..base().cut(at(3, 0)) },
    );
    add(all, "anchors: beyond an empty log", with(base().cut(0), &|_| {}));
    for name in ["head", "sig"] {
        add(all, format!("anchors: another `{name}`"), with(end(), &|anchor| flip(anchor, name)));
    }
    for name in ["chain", "seg", "run", "seq", "head", "key", "sig"] {
        add(
            all,
            format!("anchors: no `{name}`"),
            with(end(), &|anchor| anchor.members_mut().expect("members").retain(|(key, _)| key != name)),
        );
    }
    add(
        all,
        "anchors: another number",
        with(end(), &|anchor| set(anchor.members_mut().expect("members"), "seq", number(2))),
    );
    let alter_key = |name: &'static str, at: usize| {
        move |anchor: &mut Value| {
            let key = anchor
                .members_mut()
                .expect("members")
                .iter_mut()
                .find(|(key, _)| key == "key")
                .expect("a key");
            let list = key
                .1
                .members_mut()
                .expect("members")
                .iter_mut()
                .find(|(key, _)| key == name)
                .expect("a list");
            if let Value::Array(list) = &mut list.1 {
                flip(&mut list[at], "sig");
            }
        }
    };
    for at in 0..3 {
        add(all, format!("anchors: a bad certificate {at}"), with(end(), &alter_key("certs", at)));
    }
    for at in 0..2 {
        add(all, format!("anchors: a bad handover {at}"), with(end(), &alter_key("since", at)));
    }
    let good = anchor(&base().records[CHECKPOINT]).expect("a checkpoint").text();
    add(
        all,
        "anchors: a torn line, and a good one",
        Case { anchors: Some(vec![good[..40].to_owned(), good.clone()]), ..end() },
    );
    add(all, "anchors: without a roster", Case { roster: None, ..with(end(), &|_| {}) });
    let mut forged = base();
    set(forged.records[CHECKPOINT].members_mut().expect("members"), "n", number(78));
    let forged = forged.resign(CHECKPOINT).cut(CHECKPOINT + 1);
    add(
        all,
        "anchors: of another record at the place, signed by the holder of the key",
        Case { anchors: Some(vec![good]), ..forged },
    );
}

pub(super) fn rosters(all: &mut All) {
    let other = honest("vectors-0007", 7);
    add(all, "rosters: without the chain", Case { roster: other.roster.clone(), ..base() });
    add(all, "rosters: empty", Case { roster: Some(Vec::new()), ..base() });
    let mut wrong = base();
    let entry = &mut wrong.roster.as_mut().expect("a roster")[0];
    set(entry.members_mut().expect("members"), "key", string(&other.forge.public(0)));
    add(all, "rosters: another key for the chain", wrong);
    let mut mixed = base();
    mixed.records.extend(other.records.clone());
    add(all, "rosters: one of two chains", mixed.clone());
    mixed.roster = None;
    add(all, "rosters: none for two chains", mixed);
    let mut copied = base();
    let mut stolen = other.records[0].clone();
    set(audit_mut(&mut stolen).expect("a seal"), "chain", string("vectors-0001"));
    set(audit_mut(&mut stolen).expect("a seal"), "run", string("run--7"));
    rehash(&mut stolen);
    copied.records.push(stolen);
    add(all, "rosters: a checkpoint of another chain under the name of this one", copied);
}

pub(super) fn policies(all: &mut All) {
    let digest = |byte: u8| seal::text(&[byte; 32]);
    let with = |versions: [&str; 2], policies: [Option<String>; 2]| {
        let mut forge = Forge::new("vectors-0008", 8);
        forge.rotate();
        let mut records = Vec::new();
        for (version, policy) in versions.into_iter().zip(policies) {
            let mut more = vec![("v", string(version))];
            more.extend(policy.map(|policy| ("policy", string(&policy))));
            records.push(forge.seal("{}", true, &more));
        }
        Case { roster: Some(vec![forge.roster()]), forge, records, ..base() }
    };
    let one = || Some(digest(0));
    add(all, "policies: one", with(["1.2.AAAAAAAA"; 2], [one(), one()]));
    add(all, "policies: two", with(["1.2.AAAAAAAA", "1.2.BBBBBBBB"], [one(), Some(digest(4))]));
    add(all, "policies: one, that stops", with(["1.2.AAAAAAAA", "1.2"], [one(), None]));
    add(all, "policies: another than `v` names", with(["1.2.AAAAAAAA"; 2], [one(), Some(digest(9))]));
    let twin = seal::text(&{
        let mut bytes = [0; 32];
        bytes[31] = 1;
        bytes
    });
    let short = || Some("AAAAAAAA".to_owned());
    add(all, "policies: no whole digest", with(["1.2.AAAAAAAA"; 2], [short(), short()]));
    add(all, "policies: two with the same start", with(["1.2.AAAAAAAA"; 2], [one(), Some(twin)]));
    add(all, "policies: both another than `v` names", {
        with(["1.2.AAAAAAAA"; 2], [Some(digest(9)), Some(digest(9))])
    });
    let mut noted = with(["1.2.AAAAAAAA"; 2], [one(), one()]);
    let notes = Value::Array(vec![string("rounded")]);
    let record = noted.forge.seal("{}", true, &[("notes", notes)]);
    noted.records.push(record);
    add(all, "policies: one, which a checkpoint with a note does not name", noted);
    add(all, "policies: not named in `v`", with(["1.2"; 2], [one(), one()]));
    let mut on_others = with(["1.2.AAAAAAAA"; 2], [one(), one()]);
    let record =
        on_others.forge.seal("{}", false, &[("v", string("1.2.AAAAAAAA")), ("policy", string(&digest(0)))]);
    on_others.records.push(record);
    add(all, "policies: the whole digest on a record that is no checkpoint", on_others);
    let mut statement = with(["1.2.AAAAAAAA"; 2], [one(), one()]);
    let notes = Value::Array(vec![string("statement")]);
    let record = statement.forge.seal("{}", true, &[("notes", notes)]);
    statement.records.push(record);
    add(all, "policies: a statement names none", statement);
    add(all, "policies: missing on one checkpoint", with(["1.2.AAAAAAAA"; 2], [one(), None]));
}

pub(super) fn silent(all: &mut All) {
    const FROM: u64 = 1_795_161_600;
    let heard = |case: Case, from: u64, to: u64| Case { heard: Some((FROM + from, FROM + to)), ..case };
    add(all, "silent: the node is heard", heard(base(), 5, 9));
    add(all, "silent: only before the time", heard(base(), 6, 99));
    add(all, "silent: nothing is here of the node", heard(base().cut(0), 0, 99));
    let made_late = |mut case: Case| {
        let entry = case.roster.as_mut().and_then(|roster| roster[0].members_mut()).expect("an entry");
        set(entry, "created", string("2026-11-21T00:00:00Z"));
        case
    };
    add(all, "silent: its records are older than its chain", heard(made_late(base()), 6, 99));
    add(all, "silent: before its chain was made", heard(made_late(base().cut(0)), 6, 99));
    let before = Some((0, FROM - 1));
    add(all, "silent: before its first record", Case { heard: before, ..made_late(base()) });
    let before = Some((FROM - 3600, FROM - 1800));
    add(all, "silent: before its first record, after its chain was made", Case { heard: before, ..base() });
    let mut forged = base();
    forged.forge.place.2 = 50;
    let record = forged.forge.seal("{}", false, &[]);
    forged.records.push(record);
    add(all, "silent: heard by a record that nobody has signed", heard(forged, 40, 99));
    let mut other = base();
    let Some(roster) = &mut other.roster else { return };
    let mut entry = Forge::new("vectors-0009", 9).roster();
    set(entry.members_mut().expect("members"), "node", string("another"));
    roster.push(entry);
    add(all, "silent: one of two nodes", heard(other.clone(), 0, 99));
    let Some(entry) = other.roster.as_mut().and_then(|roster| roster[1].members_mut()) else { return };
    set(entry, "node", string("vectors-0001"));
    add(all, "silent: heard by another chain of the node", heard(other, 0, 99));
}
