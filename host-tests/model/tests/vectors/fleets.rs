//! Vectors of chains that a fleet has enrolled, and of nodes that are expected.

use super::*;
use flb_audit_model::forge::head_of;

/// The time of the first record of each segment.
const FROM: u64 = 1_795_161_600;
/// An hour before it: when chains are enrolled.
const ENROLLED: u64 = FROM - 3600;

fn fleet() -> Enroller {
    Enroller::fleet(101)
}

/// The fleet's public part, as a verifier has it.
fn known() -> Option<Value> {
    Some(object([("fleet", string(&fleet().public()))]))
}

fn retired(node: &str, at: &str) -> Option<Value> {
    let retired = object([("node", string(node)), ("at", string(at))]);
    Some(object([("fleet", string(&fleet().public())), ("retired", Value::Array(vec![retired]))]))
}

/// Three segments of a chain that was enrolled.
fn enrolled(salt: u8, by: &Enroller, node: &str, since: u64, until: Option<u64>) -> Case {
    let mut forge = Forge::named_after_key(salt);
    forge.enroll(by, node, since, until);
    Case { roster: None, fleet: known(), ..sealed_by(forge) }
}

/// Three segments of the chain of node `n1`.
fn member() -> Case {
    enrolled(21, &fleet(), "n1", ENROLLED, None)
}

/// A chain with another enrollment in all of its checkpoints, sealed by who has its keys.
fn stating(enrollment: Option<Value>) -> Case {
    let mut forge = Forge::named_after_key(21);
    forge.enrollment = enrollment;
    Case { roster: None, fleet: known(), ..sealed_by(forge) }
}

fn with(mut case: Case, other: Case) -> Case {
    case.records.extend(other.records);
    case
}

/// Alters a member of the enrollments of all checkpoints.
fn altered(name: &str, value: Option<Value>) -> Case {
    let mut enrollment = member().forge.enrollment.expect("an enrollment");
    let members = enrollment.members_mut().expect("members");
    members.retain(|(other, _)| other != name);
    members.extend(value.map(|value| (name.to_owned(), value)));
    stating(Some(enrollment))
}

fn heard(case: Case, from: u64, to: u64) -> Case {
    Case { heard: Some((FROM + from, FROM + to)), ..case }
}

pub(super) fn fleets(all: &mut All) {
    add(all, "fleet: honest", member());
    add(
        all,
        "fleet: honest, up to a checkpoint that is anchored",
        member().cut(CHECKPOINT + 1).anchored(&[0, CHECKPOINT]),
    );
    add(all, "fleet: honest, without a fleet", Case { fleet: None, ..member() });
    let roster = Some(vec![member().forge.roster()]);
    add(
        all,
        "fleet: a roster alone, which says nothing of enrollments",
        Case { fleet: None, roster, ..member() },
    );
    let lent = fleet().lend(102, ENROLLED - 60, ENROLLED + 60);
    add(all, "fleet: enrolled with a lent key", enrolled(21, &lent, "n1", ENROLLED, None));
    add(
        all,
        "fleet: enrolled with a lent key before its time",
        enrolled(21, &lent, "n1", ENROLLED - 61, None),
    );
    add(
        all,
        "fleet: enrolled with a lent key in its first second",
        enrolled(21, &lent, "n1", ENROLLED - 60, None),
    );
    add(
        all,
        "fleet: enrolled with a lent key that has expired",
        enrolled(21, &lent, "n1", ENROLLED + 60, None),
    );
    add(all, "fleet: the only checkpoint has a certificate that key 0 has not signed", {
        let case = enrolled(21, &fleet(), "n1", ENROLLED, None).cut(2);
        case.list(0, "certs", |certs| flip(&mut certs[0], "sig"))
    });
    for length in [253, 254] {
        let case = enrolled(21, &fleet(), &"n".repeat(length), ENROLLED, None);
        add(all, format!("fleet: enrolled with a name of {length} bytes"), case);
    }
    for node in ["n 1", "n\"1", "n\\1", "n\u{e9}", ""] {
        add(all, format!("fleet: enrolled as {node}"), enrolled(21, &fleet(), node, ENROLLED, None));
    }
    let other = Enroller::fleet(103);
    add(all, "fleet: enrolled by another fleet", enrolled(21, &other, "n1", ENROLLED, None));
    let strange = other.lend(102, 0, FROM);
    add(
        all,
        "fleet: enrolled with a key that another fleet has lent",
        enrolled(21, &strange, "n1", ENROLLED, None),
    );
    add(
        all,
        "fleet: enrolled until after its last record",
        enrolled(21, &fleet(), "n1", ENROLLED, Some(FROM + 6)),
    );
    add(
        all,
        "fleet: enrolled until its second checkpoint",
        enrolled(21, &fleet(), "n1", ENROLLED, Some(FROM + 3)),
    );
    add(
        all,
        "fleet: enrolled until before its first record",
        enrolled(21, &fleet(), "n1", ENROLLED, Some(FROM)),
    );
    add(all, "fleet: never enrolled", stating(None));
    add(all, "fleet: a segment begins without a checkpoint", {
        let mut case = member();
        case.forge.restart("run--4", None);
        let first = case.forge.seal("{}", false, &[]);
        case.records.push(first);
        case
    });
    let stranger = Forge::named_after_key(22);
    let of = fleet().enroll(&stranger.chain, &stranger.public(0), "n1", ENROLLED, None);
    add(all, "fleet: the enrollment of another chain", stating(Some(of)));
    let chain = Forge::named_after_key(21).chain;
    let of = fleet().enroll(&chain, &stranger.public(0), "n1", ENROLLED, None);
    add(all, "fleet: a thief's key enrolled for this chain", stating(Some(of.clone())));
    let mut forged = Forge { enrollment: Some(of), ..Forge::named_after_key(22) };
    forged.chain.clone_from(&chain);
    let forged = Case { roster: None, fleet: known(), ..sealed_by(forged) };
    add(all, "fleet: a chain sealed anew under its name with a thief's key", forged.clone());
    let tail = forged.records.into_iter().skip(at(3, 0));
    let mut mixed = member().cut(at(3, 0));
    mixed.records.extend(tail);
    add(all, "fleet: the end of a chain sealed anew with a thief's key", mixed);
    let mut named = Forge::new("vectors-0021", 21);
    named.enroll(&fleet(), "n1", ENROLLED, None);
    add(
        all,
        "fleet: a chain that is not named after its key",
        Case { roster: None, fleet: known(), ..sealed_by(named) },
    );
    for (name, value) in [
        ("node", Some(string("n2"))),
        ("node", Some(string(""))),
        ("node", Some(number(1))),
        ("node", None),
        ("since", Some(number(ENROLLED + 1))),
        ("since", Some(string("now"))),
        ("until", Some(number(FROM + 9000))),
        ("until", Some(string("later"))),
        ("pub", Some(string(&stranger.public(0)))),
        ("pub", Some(string("short"))),
        ("sig", Some(string("short"))),
        ("sig", None),
        ("by", Some(object([]))),
        ("role", Some(string("ledger"))),
        ("role", Some(string("filter"))),
        ("role", Some(Value::Null)),
        ("more", Some(number(1))),
    ] {
        let what = value.as_ref().map_or("gone".to_owned(), Value::text);
        add(all, format!("fleet: `{name}` is {what:.20}"), altered(name, value));
    }
    let mut flipped = member();
    let enrollment = flipped.forge.enrollment.as_mut().expect("an enrollment");
    flip(enrollment, "sig");
    add(all, "fleet: another `sig`", stating(flipped.forge.enrollment));
    add(all, "fleet: not an object", stating(Some(number(1))));
    let mut late = Forge::named_after_key(21);
    let mut records = Vec::new();
    for run in ["run--1", "run--2", "run--3"] {
        if !records.is_empty() {
            late.restart(run, None);
            late.enroll(&fleet(), "n1", ENROLLED, None);
        }
        late.rotate();
        records.extend((0..SEGMENT).map(|n| late.seal("{}", n % 3 == 0, &[])));
    }
    add(all, "fleet: enrolled late", Case { records, forge: late, ..member() });
    let copied = |mut case: Case, at: usize| {
        // Whoever writes the store can put it there, and can sign nothing.
        let of = member().forge.enrollment.expect("an enrollment");
        let key = case.audit(at).iter_mut().find(|(name, _)| name == "key").expect("a key");
        set(key.1.members_mut().expect("members"), "fleet", of);
        case.rehash(at)
    };
    add(all, "fleet: an enrollment put into one checkpoint", copied(stating(None), CHECKPOINT));
    let mut taken = member();
    let key = taken.audit(0).iter_mut().find(|(name, _)| name == "key").expect("a key");
    key.1.members_mut().expect("members").retain(|(name, _)| name != "fleet");
    add(all, "fleet: an enrollment taken out of a checkpoint", taken.clone());
    add(all, "fleet: an enrollment taken out, and the hash computed anew", taken.rehash(0));
    let unsigned = Case { forge: member().forge, ..member() }.delete([
        at(1, 0),
        at(1, 3),
        at(2, 0),
        at(2, 3),
        at(3, 0),
        at(3, 3),
    ]);
    add(all, "fleet: all checkpoints are gone", unsigned.clone());
    let mut anchored = unsigned;
    anchored.anchors = member().anchored(&[CHECKPOINT]).anchors;
    add(all, "fleet: all checkpoints are gone but for an anchor", anchored);
    let mut anchored = stating(None);
    anchored = anchored.anchored(&[CHECKPOINT]);
    add(all, "fleet: an anchor of a chain that was never enrolled", anchored);
    add(all, "fleet: begins with a checkpoint", member().anchored(&[at(2, 3)]).delete(0..at(2, 3)));
    let mut from = member().anchored(&[at(2, 3)]);
    from.from = from.anchors.take();
    add(all, "fleet: from a checkpoint", from.delete(0..at(2, 3)));

    let mut roster = vec![member().forge.roster()];
    set(roster[0].members_mut().expect("members"), "node", string("n1"));
    add(all, "fleet and roster: both have the chain", Case { roster: Some(roster.clone()), ..member() });
    add(
        all,
        "fleet and roster: only the roster has the chain",
        Case { roster: Some(roster.clone()), ..stating(None) },
    );
    let empty = Some(Vec::new());
    add(all, "fleet and roster: only the fleet has the chain", Case { roster: empty, ..member() });
    let strange = enrolled(21, &other, "n1", ENROLLED, None);
    add(
        all,
        "fleet and roster: another fleet has the chain",
        Case { roster: Some(roster.clone()), ..strange },
    );
    let mut renamed = roster.clone();
    set(renamed[0].members_mut().expect("members"), "node", string("n2"));
    add(all, "fleet and roster: another node", Case { roster: Some(renamed), ..member() });
    set(roster[0].members_mut().expect("members"), "key", string(&stranger.public(0)));
    add(all, "fleet and roster: another key", Case { roster: Some(roster), ..member() });
}

/// Chains whose third segment has a ledger's statement.
pub(super) fn roles(all: &mut All) {
    let statement = [("notes", Value::Array(vec![string("statement")]))];
    let stating = |forge: Forge| {
        let mut forge = forge;
        forge.rotate();
        let records = (0..SEGMENT)
            .map(|n| forge.seal("{}", n % 3 == 0, if n == 3 { &statement[..] } else { &[] }))
            .collect();
        Case { records, ..sealed_by(forge) }
    };
    let listed = |is_ledger: bool| {
        let forge = Forge { is_ledger, ..Forge::new("vectors-0001", 1) };
        let roster = Some(vec![forge.roster()]);
        Case { roster, ..stating(forge) }
    };
    add(all, "roles: a ledger", listed(true));
    add(all, "roles: a filter makes a ledger's statement", listed(false));
    add(all, "roles: a statement without a roster", Case { roster: None, ..listed(false) });
    add(
        all,
        "roles: a statement that is not signed",
        listed(false).without(3, "key").without(3, "sig").rehash(3),
    );
    add(all, "roles: a filter's checkpoint with the note added", {
        let mut plain = Forge::new("vectors-0001", 1);
        plain.rotate();
        let records = (0..SEGMENT).map(|n| plain.seal("{}", n % 3 == 0, &[])).collect();
        let case = Case { records, ..sealed_by(plain) };
        case.set(3, "notes", Value::Array(vec![string("statement")])).rehash(3)
    });
    for role in [None, Some(string("ledger")), Some(string("filter")), Some(Value::Null)] {
        for is_ledger in [false, true] {
            let what = role.as_ref().map_or("gone".to_owned(), Value::text);
            let of = if is_ledger { "ledger" } else { "filter" };
            let altered = listed(is_ledger).list(3, "certs", |certs| {
                let members = certs[0].members_mut().expect("members");
                members.retain(|(name, _)| name != "role");
                members.extend(role.clone().map(|role| ("role".to_owned(), role)));
            });
            add(all, format!("roles: the role in the certificate of a {of} is {what}"), altered);
        }
    }
    let mut thief = Forge::new("vectors-0001", 1);
    (0..3).for_each(|_| thief.rotate());
    add(all, "roles: a later key of a filter calls the chain a ledger's", {
        let certificate = thief.certificate_as(true, 3);
        let case = stating(Forge { key: Some(2), handovers: thief.handovers[..2].to_vec(), ..thief });
        case.list(3, "certs", |certs| {
            let last = certs.last_mut().expect("a certificate");
            *last = certificate;
        })
        .cut(4)
    });
    let may = fleet().lend_as(true, 102, ENROLLED - 60, ENROLLED + 60);
    let may_not = fleet().lend(102, ENROLLED - 60, ENROLLED + 60);
    let filter = enrolled(21, &may, "n1", ENROLLED, None);
    add(all, "roles: a filter, enrolled with a key that was lent for ledgers", filter);
    let enrolled = |is_ledger: bool, is_enrolled_as_ledger: bool, by: &Enroller| {
        let mut forge = Forge { is_ledger, ..Forge::named_after_key(21) };
        let of = (&*forge.chain.clone(), &*forge.public(0));
        forge.enrollment = Some(by.enroll_as(is_enrolled_as_ledger, of, "n1", ENROLLED, None));
        Case { roster: None, fleet: known(), ..stating(forge) }
    };
    add(all, "roles: a ledger that the fleet has enrolled", enrolled(true, true, &fleet()));
    add(all, "roles: a ledger that the fleet has enrolled as a filter", enrolled(true, false, &fleet()));
    add(all, "roles: a filter that the fleet has enrolled as a ledger", enrolled(false, true, &fleet()));
    add(
        all,
        "roles: a filter that the fleet has enrolled makes a statement",
        enrolled(false, false, &fleet()),
    );
    add(all, "roles: a ledger, enrolled with a key that was lent for ledgers", enrolled(true, true, &may));
    add(
        all,
        "roles: a ledger, enrolled with a key that was lent for filters",
        enrolled(true, true, &may_not),
    );
    let both = |is_enrolled_as_ledger: bool| {
        let case = enrolled(true, is_enrolled_as_ledger, &fleet());
        let mut roster = case.forge.roster();
        set(roster.members_mut().expect("members"), "node", string("n1"));
        Case { roster: Some(vec![roster]), ..case }
    };
    add(all, "roles: the roster and the fleet have a ledger", both(true));
    add(all, "roles: the roster has a ledger, and the fleet has enrolled a filter", both(false));
    let unfleeted = Case { fleet: None, ..both(false) };
    add(all, "roles: a ledger that a fleet has enrolled as a filter, with a roster only", unfleeted);
}

pub(super) fn expected(all: &mut All) {
    let expected = |case: Case, nodes: &[&str]| Case {
        expected: Some(nodes.iter().map(|node| (*node).to_owned()).collect()),
        ..case
    };
    add(all, "expected: all", expected(member(), &["node/n1"]));
    add(all, "expected: without what kubectl puts before it", expected(member(), &["n1"]));
    add(all, "expected: another one, too", expected(member(), &["node/n1", "node/n2"]));
    add(all, "expected: none of these", expected(member(), &["node/n2"]));
    add(all, "expected: not in the time that is asked for", heard(expected(member(), &["node/n2"]), 9, 99));
    add(
        all,
        "expected: silent in the time that is asked for",
        heard(expected(member(), &["node/n1"]), 9, 99),
    );
    let late = || enrolled(21, &fleet(), "n1", FROM + 1000, None);
    add(all, "expected: its records are older than its enrollment", heard(expected(late(), &["n1"]), 9, 99));
    add(
        all,
        "expected: before it was enrolled, and no record is here",
        heard(expected(late().anchored(&[CHECKPOINT]).cut(0), &["n1"]), 9, 99),
    );
    add(
        all,
        "expected: before the node was there",
        Case { heard: Some((1, ENROLLED - 1)), ..expected(member(), &["n1"]) },
    );
    add(
        all,
        "expected: in the second in which the node came",
        Case { heard: Some((1, ENROLLED)), ..expected(member(), &["n1"]) },
    );
    let named = || enrolled(23, &fleet(), "n1/ledger", ENROLLED, None);
    add(all, "expected: a node with one of its chains by name", expected(named(), &["node/n1"]));
    for node in ["n1", "n1/ledger", "n1/filter"] {
        let mut forge = Forge { is_ledger: true, ..Forge::named_after_key(23) };
        let of = (&*forge.chain.clone(), &*forge.public(0));
        forge.enrollment = Some(fleet().enroll_as(true, of, "n1/ledger", ENROLLED, None));
        let ledger = || Case { roster: None, fleet: known(), ..sealed_by(forge.clone()) };
        let name = format!("expected: {node}, of which the ledger's chain is here");
        add(all, name.clone(), expected(ledger(), &[node]));
        let filter = enrolled(24, &fleet(), "n1/filter", ENROLLED, None);
        add(all, format!("{name}, and a filter's"), expected(with(ledger(), filter), &[node]));
        let filter = enrolled(24, &fleet(), "n1/filter", ENROLLED, Some(FROM + 3)).cut(3);
        let before = expected(with(ledger(), filter), &[node]);
        add(all, format!("{name}, and a filter's, from before that time"), heard(before, 3, 99));
    }
    add(all, "expected: another node than the one with this chain by name", {
        expected(named(), &["node/n2"])
    });
    add(
        all,
        "expected: a name that only begins so",
        expected(enrolled(23, &fleet(), "n10", ENROLLED, None), &["node/n1"]),
    );
    let roster = Some(vec![member().forge.roster()]);
    add(all, "expected: only an enrollment has the name, without a fleet", {
        expected(Case { fleet: None, roster, ..member() }, &["n1"])
    });
    add(all, "expected: by a chain that was never enrolled", expected(stating(None), &["node/n1"]));
    let roster = Some(vec![base().forge.roster()]);
    let mut of_roster = expected(base(), &["vectors-0001"]);
    of_roster.roster = roster;
    add(all, "expected: a node of the roster", of_roster.clone());
    add(
        all,
        "expected: a node of the roster, before it was there",
        Case { heard: Some((1, 2)), ..of_roster.clone() },
    );
    add(all, "expected: not a node of the roster", expected(of_roster, &["n1"]));
    let anchored = Case { anchors: member().anchored(&[CHECKPOINT]).anchors, ..member().cut(0) };
    add(all, "expected: an anchor is all that is here of a node", expected(anchored, &["n1"]));
}

pub(super) fn nodes(all: &mut All) {
    let second = |since: u64| enrolled(24, &fleet(), "n1", since, None);
    add(all, "nodes: two chains claim one node", with(member(), second(ENROLLED + 60)));
    add(all, "nodes: two chains claim one node, of the later one only an anchor is here", {
        Case { anchors: second(ENROLLED + 60).anchored(&[0]).anchors, ..member() }
    });
    add(all, "nodes: two chains were enrolled for one node at once", with(member(), second(ENROLLED)));
    add(all, "nodes: a chain starts after another ended", with(member(), second(FROM + 3)));
    add(all, "nodes: a chain starts a second before another ended", with(member(), second(FROM + 2)));
    let ledger = enrolled(24, &fleet(), "n1/ledger", ENROLLED, None);
    add(all, "nodes: two chains of one node by name", with(member(), ledger));
    let rename = |since: u64| {
        let mut forge = Forge::named_after_key(21);
        let mut records = Vec::new();
        for (run, node, since) in [("run--1", "n1", ENROLLED), ("run--2", "n2", since)] {
            if !records.is_empty() {
                forge.restart(run, None);
            }
            forge.enroll(&fleet(), node, since, None);
            forge.rotate();
            records.extend((0..SEGMENT).map(|n| forge.seal("{}", n % 3 == 0, &[])));
        }
        Case { records, forge, ..member() }
    };
    add(all, "nodes: renamed", rename(FROM + 4));
    add(all, "nodes: renamed, and another has the name", with(rename(FROM + 4), second(FROM + 4)));
    add(all, "nodes: renamed, after which only the new name is asked for", heard(rename(FROM + 4), 9, 99));
    let asked = |case: Case, node: &str| Case { expected: Some(vec![node.to_owned()]), ..heard(case, 9, 99) };
    add(all, "nodes: renamed, after which only the old name is asked for", asked(rename(FROM + 4), "n1"));
    add(all, "nodes: renamed at the end of what is asked for", asked(rename(FROM + 9), "n1"));
    add(all, "nodes: renamed a second later", asked(rename(FROM + 10), "n1"));
    let until = |until: u64| heard(enrolled(21, &fleet(), "n1", ENROLLED, Some(FROM + until)), 9, 99);
    add(all, "nodes: the enrollment ends before what is asked for", until(6));
    add(all, "nodes: the enrollment ends as what is asked for begins", until(9));
    add(all, "nodes: the enrollment ends a second later", until(10));
    let gone = |case: Case, at: &str| Case { fleet: retired("n1", at), ..case };
    add(all, "nodes: retired after its last record", gone(member(), "2026-11-20T08:00:06Z"));
    add(
        all,
        "nodes: renamed, and retired under the old name later",
        gone(rename(FROM + 1), "2026-11-20T08:00:09Z"),
    );
    add(all, "nodes: retired before it was enrolled", gone(member(), "2026-11-20T06:00:00Z"));
    add(all, "nodes: another one was retired", {
        Case { fleet: retired("n2", "2026-11-20T08:00:03Z"), ..member() }
    });
    add(all, "nodes: enrolled until some time, and later without an end", {
        let mut case = enrolled(21, &fleet(), "n1", ENROLLED, Some(FROM + 6)).cut(at(2, 0));
        case.forge.place = (1, "run--1".to_owned(), SEGMENT);
        case.forge.head = head_of(&case.records[at(1, 5)]).expect("a head");
        case.forge.handovers.truncate(1);
        case.forge.key = Some(1);
        case.forge.restart("run--2", None);
        case.forge.enroll(&fleet(), "n1", ENROLLED, None);
        case.forge.rotate();
        let first = case.forge.seal("{}", true, &[]);
        case.records.push(first);
        heard(case, 9, 99)
    });
    add(all, "nodes: renamed later than what is asked for, by the new name", {
        Case { expected: Some(vec!["n2".to_owned()]), ..heard(rename(FROM + 50), 9, 20) }
    });
    add(all, "nodes: retired, and goes on", gone(member(), "2026-11-20T08:00:03Z"));
    add(
        all,
        "nodes: retired, and not silent afterwards",
        heard(gone(member(), "2026-11-20T08:00:06Z"), 9, 99),
    );
    add(
        all,
        "nodes: retired later than that it is silent",
        heard(gone(member(), "2026-11-20T09:00:00Z"), 9, 99),
    );
    let expected = Case { expected: Some(vec!["n2".to_owned()]), ..member() };
    add(all, "nodes: retired, and not expected any more", gone(expected, "2026-11-20T08:00:06Z"));
    add(
        all,
        "nodes: retired, and another has its name",
        gone(with(member(), second(FROM + 7)), "2026-11-20T08:00:06Z"),
    );
}
