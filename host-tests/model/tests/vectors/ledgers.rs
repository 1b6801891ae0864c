//! Vectors of ledgers: manifests, and tombstones of the files that were deleted. All closed files
//! are deleted, so nothing has to be compressed.

use super::store::*;
use super::*;
use std::ops::Range;
use std::slice::from_ref;

/// The ledger has deleted segment 1.
fn deleted() -> Store {
    Store::new().close(&[FIRST]).delete(1)
}

pub(super) fn ledgers(all: &mut All) {
    let rest = || at(2, 0)..ALL;
    add(all, "ledger: nothing was closed", Store::new().open(0..ALL));
    add(all, "ledger: a segment was deleted", deleted().open(rest()));
    add(all, "ledger: a segment was deleted, without a roster", {
        let mut case = deleted().open(rest());
        case.roster = None;
        case
    });
    add(all, "ledger: two files were deleted", {
        deleted().close(&[second()]).delete(2).open(at(3, 0)..ALL)
    });
    add(all, "ledger: a file with records of two segments was deleted", {
        Store::new().close(&[FIRST, at(2, 0)..at(2, 2)]).delete(1).open(at(2, 2)..ALL)
    });
    add(all, "ledger: the second of two files was deleted first", {
        let both = Store::new().close(&[FIRST]).close(&[second()]);
        both.delete(2).delete(1).open(at(3, 0)..ALL)
    });
    add(all, "ledger: a segment was deleted, up to an anchor", {
        let anchors = base().anchored(&[0, CHECKPOINT]).anchors;
        Case { anchors, ..deleted().open(at(2, 0)..CHECKPOINT + 1) }
    });
    add(all, "ledger: a manifest comes again", deleted().again(0).open(rest()));
    links_of_deleted(all);
    rests(all);
    forged(all);
    elsewhere(all);
    stopped(all);
    isolated(all);
}

impl Store {
    /// Seals a statement once more.
    fn again(mut self, at: usize) -> Store {
        let mut statement = self.manifests[at].clone();
        statement.members_mut().expect("members").retain(|(name, _)| name != "audit");
        self.state(&statement);
        self
    }
}

/// Adds: a segment was deleted, and only its extent says what its first record links to.
fn links_of_deleted(all: &mut All) {
    let kept = |of: &[Value]| [&of[..at(1, 4)], &of[at(3, 0)..]].concat();
    let deleted = |alter: &dyn Fn(&mut Value)| {
        Store::new().close_as(&[second(), at(1, 4)..at(2, 0)], alter).delete(1).open_of(kept)
    };
    add(all, "ledger: a segment and the end of the one before it were deleted", deleted(&|_| ()));
    add(all, "ledger: a segment was deleted, the records that it links to are missing", {
        Store::new().close(&[second()]).delete(1).open_of(kept)
    });
    add(all, "ledger: a deleted segment links to nothing", deleted(&in_extent("link", None)));
    add(all, "ledger: a deleted segment continues from another head", {
        deleted(&in_extent("prev", Some(head(7))))
    });
    for name in ["prev", "head"] {
        add(all, format!("ledger: a deleted segment has no `{name}`"), deleted(&in_extent(name, None)));
    }
    add(all, "ledger: a deleted record is here with another head", {
        let mut store = Store::new().close(from_ref(&(at(3, 3)..ALL))).delete(1);
        set(store.case.records[LAST].members_mut().expect("members"), "n", number(99));
        rehash(&mut store.case.records[LAST]);
        store.open(0..ALL)
    });
}

/// Adds: the checkpoint that covered the kept records was deleted.
fn rests(all: &mut All) {
    let rest = |alter: &dyn Fn(&mut Value)| {
        let store = Store::new().close(&[FIRST]).close(&[second()]);
        let store = store.close_as(from_ref(&(at(3, 0)..at(3, 4))), alter);
        store.delete(1).delete(2).delete(3).open(at(3, 4)..ALL)
    };
    add(all, "ledger: the last checkpoint was deleted", rest(&|_| ()));
    add(all, "ledger: the last checkpoint was deleted, and the manifest names none", {
        rest(&in_extent("signed", None))
    });
    add(all, "ledger: the last checkpoint was deleted, the manifest names none, and the log has a start", {
        rest(&in_extent("signed", None)).from(&[at(2, 3)])
    });
    add(all, "ledger: the last checkpoint was deleted, and the ledger's chain is anchored", {
        let mut case = rest(&|_| ());
        let last = case.ledgers[0].manifests.last().and_then(|line| Value::parse(line));
        case.anchors = last.and_then(|last| Some(vec![anchor(&last)?.text()]));
        case
    });
    add(all, "ledger: the last checkpoint was deleted, of a chain that is not known", {
        let mut case = rest(&|_| ());
        case.roster.iter_mut().for_each(|roster| drop(roster.remove(0)));
        case
    });
    add(all, "ledger: the last checkpoint was deleted, and the manifest ends with another head", {
        rest(&in_extent("head", Some(string(&seal::text(&[7; 32])))))
    });
    add(all, "ledger: what follows the start was deleted, and unsigned records before it are here", {
        Store::new()
            .close(from_ref(&(at(2, 4)..at(2, 6))))
            .delete(1)
            .open(at(2, 1)..at(2, 3))
            .from(&[at(2, 3)])
    });
    // The chunk with record 2 of segment 2 came late, into a file that is kept.
    let late = |closed: &[Range<usize>]| {
        let store = Store::new().close(&[FIRST]).close(closed).close(from_ref(&(at(2, 3)..at(3, 0))));
        let late = at(2, 2)..at(2, 3);
        store.delete(1).delete(2).delete(3).open_of(|records| [&records[late], &records[at(3, 0)..]].concat())
    };
    add(all, "ledger: a record that came late is left of a segment", late(from_ref(&(at(2, 0)..at(2, 2)))));
    add(
        all,
        "ledger: a record that came late is left of a segment, the ones before it came in two chunks",
        late(&[at(2, 0)..at(2, 1), at(2, 1)..at(2, 2)]),
    );
    let forged = Store::new().close(&[FIRST, second(), at(3, 0)..at(3, 4)]).delete(1);
    add(all, "ledger: the last checkpoint was deleted, and what follows was written anew", {
        forged.open_of(|records| {
            let mut last = records[at(3, 4)..].to_vec();
            set(last[0].members_mut().expect("members"), "n", number(99));
            let head = rehash(&mut last[0]).expect("a head");
            set(audit_mut(&mut last[1]).expect("a seal"), "prev", string(&seal::text(&head)));
            rehash(&mut last[1]);
            last
        })
    });
}

/// Adds extents without a signature: those of records that a client without keys has made up, and
/// those of records that follow the last checkpoint.
fn isolated(all: &mut All) {
    let made_up = |seg: u64, run: &str, (first, last): (u64, u64), heads: (u8, u8)| {
        let chain = text(&base().records[0], "chain");
        object([
            ("chain", chain),
            ("seg", number(seg)),
            ("run", string(run)),
            ("first", number(first)),
            ("last", number(last)),
            ("prev", head(heads.0)),
            ("head", head(heads.1)),
        ])
    };
    let with = |extents: &[Value]| {
        let store = Store::new().close_as(&[FIRST], |of| {
            let all = of.members_mut().and_then(|all| all.iter_mut().find(|(name, _)| name == "extents"));
            let Some((_, Value::Array(all))) = all else { panic!("no extents") };
            all.extend(extents.iter().cloned());
        });
        store.delete(1).open(at(2, 0)..ALL)
    };
    let run = text(&base().records[at(3, 0)], "run").as_str().expect("a run").to_owned();
    for (name, extent) in [
        ("of a far segment", made_up(9, "zzzzzz", (2, 2), (3, 4))),
        ("that begins a far segment", made_up(1 << 60, "zzzzzz", (0, 0), (3, 4))),
        ("far behind the last one", made_up(3, &run, (1 << 60, 1 << 60), (3, 4))),
        ("behind the last one, with another head before it", made_up(3, &run, (SEGMENT, SEGMENT), (3, 4))),
    ] {
        let name = format!("ledger: a record {name} was deleted, which no signature reaches");
        add(all, name, with(&[extent]));
    }
    let last = &base().records[at(1, SEGMENT as usize - 1)];
    let with_prev = |mut extent: Value| {
        let prev = extent.members_mut().and_then(|all| all.iter_mut().find(|(name, _)| name == "prev"));
        prev.expect("prev").1 = text(last, "head");
        extent
    };
    let own_run = text(last, "run").as_str().expect("a run").to_owned();
    add(
        all,
        "ledger: a record behind the end of an ended segment was deleted, which no signature reaches",
        with(&[with_prev(made_up(1, &own_run, (SEGMENT, SEGMENT), (3, 4)))]),
    );
    let two = [made_up(9, "zzzzzz", (2, 2), (3, 4)), made_up(9, "zzzzzz", (3, 3), (4, 5))];
    add(
        all,
        "ledger: two records were deleted that follow one another, which no signature reaches",
        with(&two),
    );
    let linked = |seg: u64, to: u64, heads: (u8, u8)| {
        let mut extent = made_up(seg, "zzzzzz", (0, 0), heads);
        let link = object([("seg", number(to)), ("run", string("zzzzzz")), ("seq", number(0))]);
        extent.members_mut().expect("members").push(("link".to_owned(), link));
        extent
    };
    add(all, "ledger: two extents that link to each other, and that no signature reaches", {
        with(&[linked(9, 8, (3, 4)), linked(8, 9, (4, 3))])
    });
    let closed = || Store::new().close(&[FIRST, second(), at(3, 0)..at(3, 4)]);
    add(all, "ledger: what follows the last checkpoint was deleted, too", {
        closed().close(from_ref(&(at(3, 4)..ALL))).delete(1).delete(2).open(0..0)
    });
    add(all, "ledger: what follows the last checkpoint was deleted alone", {
        closed().close(from_ref(&(at(3, 4)..ALL))).delete(2).delete(1).open(at(3, 0)..at(3, 4))
    });
    add(all, "ledger: the end was deleted in three files, the middle one does not fit", {
        let three = closed().close_as(from_ref(&(at(3, 4)..at(3, 5))), in_extent("head", Some(head(7))));
        three.close(from_ref(&(at(3, 5)..ALL))).delete(1).delete(2).delete(3).open(0..0)
    });
}

/// Adds statements that do not count, or not for what is missing.
fn forged(all: &mut All) {
    let rest = || at(2, 0)..ALL;
    let closed = || Store::new().close(&[FIRST]);
    add(all, "ledger: a file is not here, and nothing says that it was deleted", closed().open(rest()));
    add(all, "ledger: no statement says what was deleted", Store::new().open(rest()));
    for (name, value) in [
        ("sha256", string(&"0".repeat(64))),
        ("file", string("00000001.ndjson")),
        ("records", number(5)),
        ("number", number(2)),
    ] {
        add(
            all,
            format!("ledger: a tombstone with another `{name}`"),
            closed().delete_as(1, member(name, value)).open(rest()),
        );
    }
    add(all, "ledger: a tombstone without `by`", {
        closed()
            .delete_as(1, |of| of.members_mut().expect("members").retain(|(name, _)| name != "by"))
            .open(rest())
    });
    add(all, "ledger: a tombstone whose `records` is a text", {
        closed().delete_as(1, member("records", string("6"))).open(rest())
    });
    for (name, value) in [("bytes", string("5400")), ("root", number(1))] {
        let closed = Store::new().close_as(&[FIRST], member(name, value.clone()));
        let name = format!("ledger: a manifest whose `{name}` is {}", value.text());
        add(all, name, closed.delete(1).open(rest()));
    }
    add(all, "ledger: two tombstones for one file", deleted().delete(1).open(rest()));
    add(all, "ledger: a tombstone stands before its manifest", {
        let mut store = deleted();
        store.manifests.reverse();
        store.open(rest())
    });
    add(all, "ledger: a manifest with the highest number that there is", {
        let alter = |of: &mut Value| {
            member("number", number(u64::MAX))(of);
            member("file", string("18446744073709551615.ndjson.zst"))(of);
        };
        Store::new().close_as(&[FIRST], alter).open(0..ALL)
    });
    add(all, "ledger: a manifest with the name of another file", {
        let named = member("file", string("00000002.ndjson.zst"));
        Store::new().close_as(&[FIRST], named).delete(1).open(rest())
    });
    add(all, "ledger: two manifests of one file", {
        let mut store = deleted();
        let mut other = store.manifest(&[second()]);
        member("number", number(1))(&mut other);
        member("file", string("00000001.ndjson.zst"))(&mut other);
        store.state(&other);
        store.open(rest())
    });
    add(all, "ledger: the open file has no number that fits", {
        let mut case = deleted().open(rest());
        case.ledgers[0].number = 4;
        case
    });
    add(all, "ledger: the open file has a lower number than the last one that was deleted", {
        let mut store = deleted().close(&[second()]).delete(2);
        store.manifests.push(store.ledger.seal("{}", true, &[]));
        let mut case = store.open(at(3, 0)..ALL);
        case.ledgers[0].number = 1;
        case
    });
    add(all, "ledger: the manifest is missing", {
        let mut store = deleted();
        store.manifests.remove(0);
        store.open(rest())
    });
    add(all, "ledger: the tombstone is altered", {
        let mut store = deleted();
        member("by", string("keep_size"))(&mut store.manifests[1]);
        store.open(rest())
    });
    add(all, "ledger: the tombstone is altered and hashed anew", {
        let mut store = closed().delete_as(1, member("sha256", string(&"0".repeat(64))));
        member("sha256", string(&format!("{:064x}", 1)))(&mut store.manifests[1]);
        rehash(&mut store.manifests[1]);
        store.open(rest())
    });
    add(all, "ledger: statements without the note", {
        let mut store = Store::new();
        let manifest = store.manifest(&[FIRST]);
        store.manifests.push(store.ledger.seal(&manifest.text(), true, &note("rounded")));
        let tombstone = store.tombstone(1);
        store.manifests.push(store.ledger.seal(&tombstone.text(), true, &note("rounded")));
        store.files += 1;
        store.open(rest())
    });
    add(all, "ledger: statements that nobody has signed", {
        let mut store = Store { ledger: Forge { key: None, ..Store::new().ledger }, ..Store::new() };
        store = store.close(&[FIRST]).delete(1);
        store.open(rest())
    });
    add(all, "ledger: statements of a chain that is not known", {
        let mut case = deleted().open(rest());
        case.roster.iter_mut().for_each(|roster| drop(roster.pop()));
        case
    });
    add(all, "ledger: statements with the key of a node", {
        let mut store = Store::new();
        store.ledger.is_ledger = false;
        store.close(&[FIRST]).delete(1).open(rest())
    });
    add(all, "ledger: two tombstones with the key of a node", {
        let mut store = Store::new();
        store.ledger.is_ledger = false;
        store.close(&[FIRST]).delete(1).delete(1).open(rest())
    });
    add(all, "ledger: a tombstone with the key of a node", {
        let mut store = closed();
        let mut node = Forge::new("vectors-0009", 9);
        node.rotate();
        let tombstone = node.seal(&store.tombstone(1).text(), true, &note("statement"));
        store.manifests.push(tombstone);
        store.case.roster.iter_mut().for_each(|roster| roster.push(node.roster()));
        store.open(rest())
    });
    add(all, "ledger: a tombstone of another ledger", {
        let mut store = closed();
        let mut other = Store::of(base(), 32);
        let tombstone = store.tombstone(1);
        other.state(&tombstone);
        store.manifests.extend(other.manifests);
        store.case.roster.iter_mut().for_each(|roster| roster.push(other.ledger.roster()));
        store.open(rest())
    });
    let other_head = || Some(string(&seal::text(&[7; 32])));
    let whole = || 0..SEGMENT as usize;
    for (name, value) in [("head", other_head()), ("last", Some(number(4))), ("run", Some(string("run--9")))]
    {
        let changed = Store::new().close_as(&[whole()], in_extent(name, value));
        add(
            all,
            format!("ledger: a manifest with another `{name}` in an extent"),
            changed.delete(1).open(rest()),
        );
    }
    add(all, "ledger: a manifest of what begins with another head", {
        let changed = Store::new().close_as(from_ref(&(at(2, 2)..at(2, 5))), in_extent("prev", other_head()));
        changed.delete(1).open_of(|records| [&records[..at(2, 2)], &records[at(2, 5)..]].concat())
    });
    add(all, "ledger: less was deleted than is missing", deleted().open(at(2, 1)..ALL));
    add(all, "ledger: more was deleted than is missing", deleted().open(at(1, 4)..ALL));
    add(all, "ledger: a record that was deleted is here, altered", {
        deleted().open_of(|records| {
            let mut kept = records[at(1, 5)..].to_vec();
            set(kept[0].members_mut().expect("members"), "n", number(99));
            rehash(&mut kept[0]);
            kept
        })
    });
    add(all, "ledger: a record that was deleted is here again, without its checkpoint", {
        deleted().open_of(|records| [&records[at(1, 4)..at(1, 5)], &records[at(2, 0)..]].concat())
    });
    add(all, "ledger: a checkpoint behind the deleted records is missing", {
        deleted().open_of(|records| [&records[at(2, 1)..at(2, 3)], &records[at(2, 4)..]].concat())
    });
}

/// Adds records of the chain in other stores, where what the ledger has deleted is missing.
fn elsewhere(all: &mut All) {
    let rest = || at(2, 0)..ALL;
    let line = |mut case: Case, record: usize| {
        case.lines.push(base().records[record].text());
        case
    };
    add(all, "ledger: a kept record is also in another file", line(deleted().open(rest()), LAST));
    add(all, "ledger: a record that was deleted is also in another file", line(deleted().open(rest()), 2));
    add(all, "ledger: all that was deleted is in another file", {
        (0..SEGMENT as usize).fold(deleted().open(rest()), line)
    });
    add(all, "ledger: a copy of the statements beside a copy of the records", {
        let mut case = deleted().open(0..0);
        case.lines = base().records[rest()].iter().map(Value::text).collect();
        case
    });
    add(all, "ledger: two ledgers, each with a part of the records", {
        let mut case = deleted().open(at(2, 0)..at(3, 0));
        let other = Store::of(base(), 32).open(at(3, 0)..ALL);
        case.roster = other.roster.zip(case.roster).map(|(one, two)| {
            let more = two.into_iter().filter(|entry| !one.contains(entry)).collect();
            [one.clone(), more].concat()
        });
        case.ledgers.extend(other.ledgers);
        case
    });
}

/// Adds: segment 4 says that a stop may have lost the end of segment 3.
fn stopped(all: &mut All) {
    let case = || rules::stopped(3);
    let kept = |records: &[Value]| [&records[..at(3, 3)], &records[ALL..]].concat();
    add(all, "ledger: a stop may have lost records", Store::of(case(), 31).open_of(kept));
    add(all, "ledger: a stop may have lost records that a manifest lists", {
        Store::of(case(), 31).close(from_ref(&(at(3, 3)..ALL))).delete(1).open_of(kept)
    });
    add(all, "ledger: a stop may have lost records that the manifest of another ledger lists", {
        let mut case = Store::of(case(), 31).open_of(kept);
        let other = Store::of(base(), 32).close(from_ref(&(at(3, 3)..ALL))).delete(1).open(0..0);
        let more = other.roster.into_iter().flatten().skip(1);
        case.roster.iter_mut().for_each(|roster| roster.extend(more.clone()));
        case.ledgers.extend(other.ledgers);
        case
    });
    let mut damaged = base();
    damaged.forge.restart("run--4", None);
    damaged.forge.link = None;
    damaged.forge.head = seal::GENESIS;
    damaged.forge.rotate();
    let first = damaged.forge.seal("{}", true, &note("state-damaged"));
    damaged.records.push(first);
    let closed =
        || Store::of(damaged.clone(), 31).close(&[FIRST, second()]).close(from_ref(&(at(3, 0)..ALL)));
    let last = |records: &[Value]| records[ALL..].to_vec();
    add(all, "ledger: the state was damaged, and what is before was deleted", {
        closed().delete(1).delete(2).open_of(last)
    });
    add(
        all,
        "ledger: the state was damaged, and what is before is missing",
        closed().delete(1).open_of(last),
    );
}
