//! Vectors of logs that begin with a checkpoint.

use super::*;
use flb_audit_model::forge::{anchor as forge_anchor, head_of};

pub(super) fn starts(all: &mut All) {
    let without = |first: usize| base().delete(0..first);
    let (second, third) = (at(2, 3), at(3, 0));
    add(all, "from: the checkpoint is the first record", without(second).from(&[second]));
    add(all, "from: the record after it is the first", without(second + 1).from(&[second]));
    add(all, "from: records before it are here", without(second - 1).from(&[second]));
    add(all, "from: the first record of a segment", without(third).from(&[third]));
    add(all, "from: the first record of a segment, which is not here", without(third + 1).from(&[third]));
    add(all, "from: all is here", base().from(&[second]));
    add(all, "from: the record after it is missing", without(second + 2).from(&[second]));
    add(all, "from: it and the record after it are missing, and unsigned records before it are here", {
        base().delete((0..at(2, 1)).chain(second..at(2, 5))).from(&[second])
    });
    add(all, "from: nothing is here", base().cut(0).from(&[second]));
    add(all, "from: of two the earlier one counts", without(third).from(&[third, second]));
    add(all, "from: of two in the other order the earlier one counts", without(third).from(&[second, third]));
    add(all, "from: anchors before it", without(second).from(&[second]).anchored_of(&[0, CHECKPOINT]));
    add(
        all,
        "from: of a chain that the roster lacks",
        Case { roster: Some(Vec::new()), ..base().from(&[second]) },
    );
    for name in ["head", "sig"] {
        let mut case = without(second).from(&[second]);
        let mut start = Value::parse(&case.from.expect("a line")[0]).expect("JSON");
        flip(&mut start, name);
        case.from = Some(vec![start.text()]);
        add(all, format!("from: another `{name}`"), case);
    }
    let mut torn = without(second).from(&[second]);
    torn.from.as_mut().expect("lines").push("{\"chain\":".to_owned());
    add(all, "from: a line that is no checkpoint", torn);
    // Whoever has key 3 hands over from it at the start's own place, and goes on from there.
    let mut dated = base();
    dated.forge.place = (2, "run--2".to_owned(), 3);
    dated.forge.head = head_of(&dated.records[second - 1]).expect("a head");
    dated.forge.rotate();
    dated.forge.head = head_of(&dated.records[second]).expect("a head");
    dated.forge.place.2 = 4;
    dated.forge.restart("run--9", None);
    dated.forge.rotate();
    let first = dated.forge.seal("{}", true, &[]);
    dated.records.push(first);
    let last = dated.records.len() - 1;
    add(all, "from: a handover is dated back to its place", dated.from(&[second]).delete(0..last));
    let prev = |case: Case, at: usize| {
        let other =
            flipped(case.records[at].get("audit").and_then(|audit| audit.get("prev")).expect("a head"));
        case.set(at, "prev", other).rehash(at)
    };
    add(
        all,
        "from: the record after it has another head before it",
        prev(base(), at(2, 4)).delete(0..at(2, 4)).from(&[second]),
    );
    let mut early = base();
    early.forge.head = head_of(&early.records[at(1, 5)]).expect("a head");
    early.forge.place = (1, "run--1".to_owned(), 6);
    early.forge.restart("run--9", None);
    early.forge.place.0 = 4;
    early.forge.rotate();
    let first = early.forge.seal("{}", true, &[]);
    early.records.push(first);
    add(all, "from: a segment goes on from a record before it", early.delete(0..second).from(&[second]));
    // The start is record 3 of segment 2, and segment 4 goes on from record 1.
    let mut inside = base().cut(at(2, 2));
    inside.forge.handovers.truncate(2);
    inside.forge.key = Some(2);
    inside.forge.head = head_of(&inside.records[at(2, 1)]).expect("a head");
    inside.forge.place = (2, "run--2".to_owned(), 2);
    inside.forge.restart("run--9", None);
    inside.forge.place.0 = 4;
    inside.forge.rotate();
    let first = inside.forge.seal("{}", true, &[]);
    inside.records.push(first);
    add(all, "from: a segment goes on from a record before it in its segment", inside.from(&[second]));
    // Only the start says what was before the place at which key 3 came into force.
    let mut changed = base().cut(0);
    changed.forge = Forge::new("vectors-0001", 1);
    for number in 0..6 {
        if number == 0 || number == 3 {
            changed.forge.rotate();
        }
        let record = changed.forge.seal(&format!("{{\"n\":{number}}}"), number == 0 || number == 3, &[]);
        changed.records.push(record);
    }
    let start = forge_anchor(&changed.records[3]).expect("a checkpoint").text();
    changed.from = Some(vec![start]);
    add(all, "from: only its handover signs the record before it", changed.delete([0, 3]));
    let mut anew = base();
    anew.forge.restart("run--4", None);
    anew.forge.link = None;
    anew.forge.head = seal::GENESIS;
    anew.forge.rotate();
    let first = anew.forge.seal("{}", true, &[]);
    anew.records.push(first);
    add(all, "from: a segment begins anew", anew.delete(0..at(4, 0)).from(&[CHECKPOINT]));
}
