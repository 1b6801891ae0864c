//! Vectors of statements on the page that a reader has misunderstood.

use super::*;
use flb_audit_model::forge::head_of;

/// Writes the first character of a string as an escape, as a store may do.
fn escaped(text: &str, name: &str) -> String {
    let member = format!("\"{name}\":\"");
    let at = text.find(&member).expect("the member") + member.len();
    let (before, rest) = text.split_at(at);
    let first = rest.chars().next().expect("a character");
    format!("{before}\\u{:04x}{}", u32::from(first), &rest[first.len_utf8()..])
}

pub(super) fn escapes(all: &mut All) {
    for name in ["v", "chain", "run", "time", "tag", "prev", "head"] {
        let line = escaped(&base().records[LAST].text(), name);
        add(all, format!("escapes: in `{name}`"), base().cut(LAST).line(line));
    }
    for name in ["pub", "sig", "head", "run"] {
        let line = escaped(&base().records[CHECKPOINT].text(), name);
        add(all, format!("escapes: in `{name}` of a checkpoint"), base().delete([CHECKPOINT]).line(line));
    }
    let mut order = base();
    let record = order.forge.seal("{\"\u{e000}\":1,\"\u{10000}\":2,\"\u{ff01}\":3}", true, &[]);
    order.records.push(record);
    add(all, "escapes: keys in the order of UTF-16, which is another than that of characters", order);
    let line =
        base().records[at(3, 0)].text().replace("\"link\":{\"run\":\"r", "\"link\":{\"run\":\"\\u0072");
    add(all, "escapes: in a link", base().delete([at(3, 0)]).line(line));
    let mut anchored = base().cut(CHECKPOINT + 1).anchored(&[CHECKPOINT]);
    anchored.anchors.iter_mut().flatten().for_each(|anchor| *anchor = escaped(anchor, "chain"));
    add(all, "escapes: in an anchor", anchored);
    let mut damaged = base();
    damaged.forge.head = seal::GENESIS;
    damaged.forge.restart("run--4", None);
    damaged.forge.link = None;
    damaged.forge.rotate();
    let notes = Value::Array(vec![string("state-damaged")]);
    let line = damaged.forge.seal("{}", true, &[("notes", notes)]).text();
    add(all, "escapes: in a note", damaged.line(line.replace("state-damaged", "state\\u002ddamaged")));
    add(
        all,
        "a version that is not known, with a line break",
        base().set(LAST, "v", string("2.2\n")).rehash(LAST),
    );
}

pub(super) fn what_anchors_and_lines_are(all: &mut All) {
    let mut twice = base().cut(CHECKPOINT + 1).anchored(&[0, CHECKPOINT]);
    let anchors = twice.anchors.as_mut().expect("anchors");
    anchors[1] = anchors[1].replacen("\"seq\":3", "\"seq\":3,\"seq\":3", 1);
    add(all, "anchors: a key twice", twice);
    let mut inside = base().cut(CHECKPOINT + 1).anchored(&[0, CHECKPOINT]);
    let anchors = inside.anchors.as_mut().expect("anchors");
    anchors[1] = anchors[1].replacen("\"certs\":", "\"cert\":", 1);
    add(all, "anchors: a part of `key` is not there", inside);
    let alone = Case { roster: None, ..base().cut(0).anchored_of(&[0]) };
    add(all, "anchors: alone, without a roster", alone);
    let records: Vec<String> = base().records.iter().map(Value::text).collect();
    let (first, rest) = records.split_at(6);
    let both = format!("[{},[{}]]", first.join(","), rest.join(","));
    add(all, "a line that is an array, with an array in it", base().cut(0).line(both));
    let nested = |arrays: usize| format!("{{\"n\":{}1{}}}", "[".repeat(arrays), "]".repeat(arrays));
    let mut deep = base();
    let line = deep.forge.seal(&nested(127), false, &[]).text();
    add(all, "arrays and objects nested 128 deep", deep.clone().line(&line));
    add(all, "arrays and objects nested 129 deep", deep.line(line.replace("[1]", "[[1]]")));
    for line in ["1", "null", "true"] {
        add(all, format!("a line that is no object: {line}"), base().line(line));
    }
    add(all, "forms: `seq` is 2^64-1", base().set(LAST, "seq", number(u64::MAX)).rehash(LAST));
    let mut far = base();
    far.forge.place.2 = u64::MAX - 1;
    let line = far.forge.seal("{}", true, &[]).text();
    add(all, "a checkpoint at 2^64-2", far.line(line));
}

/// Returns a log in which segment 4 continues segment 2, as segment 3 does.
pub(super) fn forked() -> Case {
    let mut case = base();
    case.forge.head = head_of(&case.records[at(2, 5)]).expect("a head");
    case.forge.place = (2, "run--2".to_owned(), 6);
    case.forge.restart("run--9", None);
    case.forge.place.0 = 4;
    case.forge.rotate();
    let first = case.forge.seal("{}", true, &[]);
    case.records.push(first);
    case
}

pub(super) fn orders(all: &mut All) {
    add(
        all,
        "order: two segments go on from one of which nothing is here",
        forked().delete(at(2, 0)..at(3, 0)),
    );
    let first_of_last = at(3, 5) + 1;
    add(
        all,
        "order: the next segment goes on from one of which nothing is here",
        forked().delete((0..first_of_last).filter(|record| *record != at(3, 1))),
    );
    for run in ["run--0", "run--9"] {
        let mut other = base();
        other.forge.head = head_of(&other.records[at(1, 5)]).expect("a head");
        other.forge.place = (2, run.to_owned(), 0);
        other.forge.seal("{}", false, &[]);
        let line = other.forge.seal("{}", false, &[]).text();
        let kept = [at(2, 1), at(2, 3)];
        add(
            all,
            format!("order: a record of another run, {run}"),
            other.delete((0..=LAST).filter(|record| !kept.contains(record))).line(line),
        );
        for anchored in [false, true] {
            let mut two = base().cut(at(2, 0));
            two.forge = Forge::new("vectors-0001", 1);
            two.forge.place.1 = run.to_owned();
            two.forge.rotate();
            let first = two.forge.seal("{\"other\":1}", true, &[]);
            two.records.push(first);
            let two = two.anchored(&[if anchored { at(2, 0) } else { at(1, 3) }]);
            let which = if anchored { "anchored" } else { "not anchored" };
            add(all, format!("order: another run, {run}, {which}"), two.delete([at(1, 4), at(1, 5)]));
        }
        let mut longer = base().cut(at(1, 4));
        longer.forge = Forge::new("vectors-0001", 1);
        longer.forge.place.1 = run.to_owned();
        longer.forge.rotate();
        let unsigned = ["{\"other\":1}", "{\"other\":2}"].map(|body| {
            let is_first = longer.forge.place.2 == 0;
            longer.forge.seal(body, is_first, &[])
        });
        longer.records.extend(unsigned);
        add(all, format!("order: another run, {run}, with an end that is not signed"), longer);
    }
}

pub(super) fn keys(all: &mut All) {
    let mut twice = base();
    twice.forge.handovers.truncate(1);
    twice.forge.key = Some(1);
    twice.forge.restart("run--9", None);
    twice.forge.rotate();
    let first = twice.forge.seal("{}", true, &[]);
    twice.records.push(first);
    add(all, "keys: a key came into force again, after the next one", twice);
    let within = || {
        let mut case = base().cut(0);
        case.forge = Forge::new("vectors-0001", 1);
        for number in 0..6 {
            if [0, 3, 5].contains(&number) {
                case.forge.rotate();
            }
            let record = case.forge.seal(&format!("{{\"n\":{number}}}"), [0, 3, 5].contains(&number), &[]);
            case.records.push(record);
        }
        case
    };
    add(all, "keys: changed within a segment", within());
    // Nothing says when key 1 came into force. It has signed one record only, by handing
    // over.
    add(all, "keys: a key only hands over", within().delete([0, 3]));
    let mut anew = within();
    set(anew.records[2].members_mut().expect("members"), "n", number(99));
    add(all, "keys: what is before a missing handover's place is written anew", anew.rehash(2).delete([3]));
    unknown(all);
    let mut before = base();
    before.forge.rotate();
    let head = head_of(&before.records[at(2, 0)]).expect("a head");
    before.forge.handovers[3] = ((2, "run--2".to_owned(), 1), head);
    let last = before.forge.seal("{}", true, &[]);
    before.records.push(last);
    add(all, "keys: a key came into force before a lower one", before);
    weak(all);
    let early = base().forge.key(3);
    add(
        all,
        "keys: a bad signature of a key that was not in force yet",
        base().set(at(2, 3), "key", early).rehash(at(2, 3)),
    );
}

/// Adds: the roster has a key 0 with which anybody can sign, and somebody does. A verifier that is not
/// strict accepts such a signature for every text.
fn weak(all: &mut All) {
    const P_AND_1: u8 = 0xee;
    let mut point = [0; 32];
    point[0] = 1;
    let mut other = [0xff; 32];
    (other[0], other[31]) = (P_AND_1, 0x7f);
    for (name, key) in [("of small order", point), ("of small order, not in canonical form", other)] {
        let mut case = base().cut(0);
        case.forge = Forge::new("vectors-0001", 1);
        case.records.extend((0..SEGMENT).map(|n| case.forge.seal("{}", n % 3 == 0, &[])));
        for checkpoint in [at(1, 0), at(1, 3)] {
            case = case.set(checkpoint, "sig", string(&seal::text(&[point, [0; 32]].concat())));
        }
        for of in case.roster.iter_mut().flatten() {
            set(of.members_mut().expect("members"), "key", string(&seal::text(&key)));
        }
        add(all, format!("keys: key 0 is {name}"), case);
    }
}

/// Adds: in segment 3, key 4 is in force from record 6 on, and key 5 from record 9 on. The
/// checkpoints with the handover to key 4 are missing, as if outputs had dropped their chunks.
/// The handover to key 5 covers record 8 only.
fn unknown(all: &mut All) {
    let case = || {
        let mut case = base();
        for number in 6..11 {
            if [6, 9].contains(&number) {
                case.forge.rotate();
            }
            let is_first = [6, 9].contains(&number);
            case.records.push(case.forge.seal(&format!("{{\"n\":{number}}}"), is_first, &[]));
        }
        case.forge.restart("run--4", None);
        case.forge.rotate();
        case.records.push(case.forge.seal("{}", true, &[]));
        case
    };
    let lost = [at(3, 6), at(3, 9)];
    add(all, "keys: nothing says since when a key was in force", case().delete(lost));
    add(all, "keys: nothing says it, and the record before is here", case().delete([at(3, 9)]));
    let mut anew = case();
    set(anew.records[at(3, 7)].members_mut().expect("members"), "n", number(99));
    add(all, "keys: nothing says it, and a record is written anew", anew.rehash(at(3, 7)).delete(lost));
    // Another writer goes on from record 5 of segment 2.
    let mut forked = case();
    let mut other = base().cut(at(3, 0)).forge;
    other.place = (2, "run--2".to_owned(), SEGMENT);
    other.head = head_of(&forked.records[at(2, 5)]).expect("a head");
    other.handovers.truncate(2);
    other.key = Some(2);
    other.restart("run--9", None);
    other.rotate();
    forked.records.push(other.seal("{\"n\":9}", true, &[]));
    add(all, "keys: nothing says it, and there are two writers", forked.delete(lost));
}

pub(super) fn state_damaged(all: &mut All) {
    let damaged = |case: &mut Case| {
        let notes = Value::Array(vec![string("state-damaged")]);
        let record = case.forge.seal("{}", true, &[("notes", notes)]);
        case.records.push(record);
    };
    let mut linkless = base();
    linkless.forge.restart("run--4", None);
    linkless.forge.link = None;
    linkless.forge.rotate();
    damaged(&mut linkless);
    add(all, "links: none, with a head before it, and the state was damaged", linkless);
    let mut first = base().cut(0);
    first.forge = Forge::new("vectors-0001", 1);
    damaged(&mut first);
    add(all, "links: none, and the state was damaged before the first record", first);
}
