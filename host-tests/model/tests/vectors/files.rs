//! Vectors of the files that a verifier is given in addition to the log: their forms, and the
//! times in them.

use super::*;

/// The time of the log's first record.
const FROM: u64 = 1_795_161_600;

/// Times in the form that is asked for, each with its seconds since 1970.
const TIMES: [(&str, u64); 6] = [
    ("1970-01-01T00:00:00Z", 0),
    ("2026-11-20T08:00:59Z", FROM + 59),
    ("2026-11-20T08:00:60Z", FROM + 59),
    ("2026-11-20T08:00:59.999999999999Z", FROM + 59),
    ("2026-11-20T08:00:59+00:00", FROM + 59),
    ("2028-02-29T08:00:59Z", 1_835_424_059),
];

/// Texts that are no times in that form.
const NO_TIMES: [&str; 28] = [
    "",
    "now",
    "1795161600",
    "2026-11-20",
    "2026-11-20T08:00Z",
    "2026-11-20T08:00:00",
    "2026-11-20 08:00:00Z",
    "2026-11-20t08:00:00Z",
    "2026-11-20T08:00:00z",
    "2026-11-20T08:00:00ZZ",
    "2026-11-20T08:00:00.Z",
    "2026-11-20T08:00:00.5xZ",
    "2026-11-20T08:00:00.5",
    "2026-11-20T08:00:00-00:00",
    "2026-11-20T09:00:00+01:00",
    "2026-11-20T08:00:00.5+01:00",
    "2026-11-20T08:00:61Z",
    "2026-11-20T08:60:00Z",
    "2026-11-20T24:00:00Z",
    "2026-+1-20T08:00:00Z",
    "2100-02-29T08:00:00Z",
    "2026-11-31T08:00:00Z",
    "2026-02-29T08:00:00Z",
    "2026-13-20T08:00:00Z",
    "2026-00-20T08:00:00Z",
    "1969-12-31T23:59:59Z",
    "02026-11-20T08:00:00Z",
    " 2026-11-20T08:00:00Z",
];

/// A roster that has no other entry than this one, altered.
fn with(alter: impl FnOnce(&mut Vec<(String, Value)>)) -> Case {
    let mut case = base();
    let entry = case.roster.as_mut().and_then(|roster| roster[0].members_mut()).expect("an entry");
    alter(entry);
    case
}

/// The chain has no record here, so its node is silent if it was there in the period: up to the
/// second `last`.
fn created(text: &str, last: u64) -> Case {
    let case = with(|entry| set(entry, "created", string(text))).cut(0);
    Case { heard: Some((0, last)), ..case }
}

pub(super) fn rosters(all: &mut All) {
    for (text, seconds) in TIMES {
        add(all, format!("roster: `created` is {text}: there by then"), created(text, seconds));
        if let Some(before) = seconds.checked_sub(1) {
            add(all, format!("roster: `created` is {text}: not yet there"), created(text, before));
        }
    }
    for text in NO_TIMES {
        add(
            all,
            format!("roster: `created` is {text:?}, no time"),
            with(|entry| set(entry, "created", string(text))),
        );
    }
    add(all, "roster: `created` is no time in the entry of a chain that is not here", {
        let mut case = base();
        let mut entry = Forge::new("vectors-0002", 2).roster();
        set(entry.members_mut().expect("members"), "created", string("x"));
        case.roster.as_mut().expect("a roster").push(entry);
        case
    });
    for name in ["node", "chain", "key", "created"] {
        add(all, format!("roster: no `{name}`"), with(|entry| entry.retain(|(of, _)| of != name)));
        for value in [Value::Null, number(1)] {
            let what = value.text();
            add(all, format!("roster: `{name}` is {what}"), with(|entry| set(entry, name, value)));
        }
    }
    for (name, value) in [("chain", "vectors-001"), ("chain", "vectors/0001"), ("key", "short")] {
        add(all, format!("roster: `{name}` is {value}"), with(|entry| set(entry, name, string(value))));
    }
    add(
        all,
        "roster: `key` with bits of padding",
        with(|entry| {
            let key = entry.iter_mut().find(|(name, _)| name == "key").expect("a key");
            key.1 = with_padding_bits(&key.1);
        }),
    );
    add(all, "roster: a member that nobody knows", with(|entry| set(entry, "zone", number(1))));
    add(all, "roster: a chain twice", {
        let mut case = base();
        let roster = case.roster.as_mut().expect("a roster");
        roster.push(roster[0].clone());
        case
    });
    add(all, "roster: an entry that is no object", Case { roster: Some(vec![number(1)]), ..base() });
}

pub(super) fn fleets(all: &mut All) {
    let public = string(&Enroller::fleet(101).public());
    let of = |fleet: Value| Case { roster: None, fleet: Some(fleet), ..base() };
    let retired = |members: Vec<(String, Value)>| {
        let gone = Value::Array(vec![Value::Object(members)]);
        of(object([("fleet", public.clone()), ("retired", gone)]))
    };
    let gone = |at: Value| vec![("node".to_owned(), string("n1")), ("at".to_owned(), at)];
    for text in NO_TIMES {
        add(all, format!("fleet: `at` is {text:?}, no time"), retired(gone(string(text))));
    }
    add(all, "fleet: `at` is a number", retired(gone(number(1))));
    for name in ["node", "at"] {
        let mut members = gone(string("2026-11-20T08:00:00Z"));
        members.retain(|(of, _)| of != name);
        add(all, format!("fleet: no `{name}` of what was retired"), retired(members));
    }
    let mut members = gone(string("2026-11-20T08:00:00Z"));
    set(&mut members, "node", number(1));
    add(all, "fleet: `node` of what was retired is a number", retired(members));
    let mut members = gone(string("2026-11-20T08:00:00Z"));
    members.push(("why".to_owned(), string("old")));
    add(all, "fleet: a member of what was retired that nobody knows", retired(members));
    for retired in [Value::Null, object([]), Value::Array(vec![number(1)])] {
        let what = retired.text();
        add(
            all,
            format!("fleet: `retired` is {what}"),
            of(object([("fleet", public.clone()), ("retired", retired)])),
        );
    }
    add(all, "fleet: no key", of(object([])));
    add(all, "fleet: a key that is none", of(object([("fleet", string("short"))])));
    add(
        all,
        "fleet: a member that nobody knows",
        of(object([("fleet", public.clone()), ("zone", number(1))])),
    );
}

pub(super) fn empty_ones(all: &mut All) {
    add(all, "files: no line in that of the anchors", Case { anchors: Some(Vec::new()), ..base() });
    let no_anchor = Some(vec!["{}".to_owned()]);
    add(all, "files: no anchor in that of the anchors", Case { anchors: no_anchor.clone(), ..base() });
    add(all, "files: no anchor in that of the starts", Case { from: no_anchor, ..base() });
    add(all, "files: no node is expected", Case { expected: Some(Vec::new()), ..base() });
    let blank = Some(vec![" \t".to_owned()]);
    add(all, "files: only white space in that of the expected nodes", Case { expected: blank, ..base() });
    for (name, line) in [
        ("a quotation mark", "{\"node\":\"n1\"}".to_owned()),
        ("a tab", "n1\tReady".to_owned()),
        ("254 bytes", "n".repeat(254)),
    ] {
        let expected = Some(vec!["n2".to_owned(), line]);
        add(all, format!("files: a line of the expected nodes has {name}"), Case { expected, ..base() });
    }
    let named = |node: &str, line: String| {
        let mut case = Case { expected: Some(vec![line]), ..base() };
        set(case.roster.as_mut().expect("a roster")[0].members_mut().expect("members"), "node", string(node));
        case
    };
    add(all, "files: an expected node has 253 bytes", named("n", "n".repeat(253)));
    add(
        all,
        "files: an expected node of the roster has a quotation mark",
        named("the \"old\" one", "the \"old\" one".to_owned()),
    );
    add(all, "files: an expected node of the roster has a quotation mark, and a chain's name", {
        named("the \"old\" one/app", "node/the \"old\" one".to_owned())
    });
}
