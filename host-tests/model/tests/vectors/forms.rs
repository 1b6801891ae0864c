//! Vectors of single records: the forms of their members, their keys, and how they must
//! be read.

use super::*;

/// Adds forms of members. The hash is that of the altered record.
pub(super) fn forms(all: &mut All) {
    let forms = [
        (
            "seq",
            &[
                "5.0",
                "5e0",
                "0.5e1",
                "50e-1",
                "-0",
                "\"5\"",
                "null",
                "18446744073709551616",
                "-9223372036854775809",
                "[5]",
                "true",
            ][..],
        ),
        ("seg", &["3.0", "3e0", "0", "-3", "\"3\"", "null", "18446744073709551616", "{}"]),
        (
            "time",
            &[
                "1795161605.000000005",
                "1795161605",
                "\"1795161605\"",
                "\"1795161605.\"",
                "\"1795161605.0\"",
                "\"1795161605.0000000050\"",
                "\"01795161605.000000005\"",
                "\"1795161605.00000000x\"",
                "\"-1.000000005\"",
                "\"+1.000000005\"",
                "\" 1.000000005\"",
                "\"18446744073709551616.000000005\"",
                "\"253402300800.0\"",
                "\".000000005\"",
                "null",
            ],
        ),
        ("tag", &["7", "null", "[]", "{}", "true"]),
        ("run", &["\"run-3\"", "\"run---3\"", "\"run+-3\"", "null", "3"]),
        (
            "chain",
            &[
                "\"vectors-001\"",
                "\"vectors-00001\"",
                "\"vectors/0001\"",
                "\"vect~rs-0001\"",
                "\"~ectors/0001\"",
                "null",
                "1",
            ],
        ),
        (
            "v",
            &[
                "1.2",
                "\"1\"",
                "\"1.2.\"",
                "\"1.2.AAAAAAA\"",
                "\"1.2.AAAAAAAAA\"",
                "\"1.3\"",
                "\"2.2\"",
                "null",
                "[]",
            ],
        ),
        ("notes", &["{}", "\"rounded\"", "null", "[1]", "[null]", "[[]]"]),
        ("redacted", &["{}", "\"email mask a\"", "null", "[1]"]),
        ("invalid", &["\"# type #\"", "null", "[{}]"]),
        ("renamed", &["null", "1", "[]"]),
        ("schema", &["null", "1"]),
        ("disposition", &["null", "[]"]),
        ("unchecked", &["null", "true"]),
        ("error", &["null", "{}"]),
        ("raw_bytes", &["null", "\"7\"", "7.0", "-7"]),
        ("invalid_count", &["null", "\"9\"", "9.5"]),
        ("policy", &["null", "\"short\"", "7"]),
        ("link", &["null", "{}", "[]", "\"1.run--1.0\""]),
        ("key", &["null", "{}", "[]", "1"]),
        ("sig", &["null", "\"\"", "1"]),
    ];
    for (name, values) in forms {
        for text in values {
            let value = Value::parse(text).expect("JSON");
            add(all, format!("`{name}` is {text}"), base().set(LAST, name, value).rehash(LAST));
        }
    }
    for name in ["v", "chain", "seg", "run", "seq", "time", "tag", "prev", "head"] {
        let case = base().without(LAST, name);
        add(all, format!("no `{name}`"), if name == "head" { case } else { case.rehash(LAST) });
    }
    add(all, "a member of `audit` that nobody knows", {
        let mut case = base();
        case.records.pop();
        case.forge.place.2 = 5;
        case.forge.head = flb_audit_model::forge::head_of(&case.records[LAST - 1]).expect("a head");
        let record = case.forge.seal("{}", false, &[("zone", Value::Array(vec![]))]);
        case.records.push(record);
        case
    });
    for name in ["prev", "head"] {
        let mut case = base();
        let text = case.records[LAST].get("audit").and_then(|audit| audit.get(name)).expect("text").clone();
        let padded = string(&format!("{}=", text.as_str().expect("text")));
        add(
            all,
            format!("`{name}` with bits of padding"),
            case.clone().set(LAST, name, with_padding_bits(&text)),
        );
        add(all, format!("`{name}` with a padding character"), case.clone().set(LAST, name, padded));
        set(case.audit(LAST), name, string(&text.as_str().expect("text")[..42]));
        add(all, format!("`{name}` too short"), case);
    }
}

/// Adds forms of the members of a checkpoint. The signature fits the altered form.
pub(super) fn checkpoint_forms(all: &mut All) {
    let alone = |case: Case| Case { roster: None, ..case.cut(CHECKPOINT + 1) };
    let part = base().key(CHECKPOINT, |key| key.retain(|(name, _)| name != "certs"));
    add(all, "forms: `key` has no `certs`, without a roster", alone(part));
    let word = base().set(CHECKPOINT, "key", string("key")).rehash(CHECKPOINT);
    add(all, "forms: `key` is no object, without a roster", alone(word));
    let unsigned = base().without(CHECKPOINT, "sig").rehash(CHECKPOINT);
    add(all, "forms: `key` without `sig`, without a roster", alone(unsigned));
    let short = base().set(CHECKPOINT, "sig", string("short"));
    add(all, "forms: `sig` is short, without a roster", alone(short));
    let short = base().list(CHECKPOINT, "certs", |certs| {
        set(certs[0].members_mut().expect("members"), "sig", string("short"));
    });
    add(all, "forms: `sig` is short in a certificate", short.cut(CHECKPOINT + 1));
    for count in [40, 41] {
        let many = base().list(CHECKPOINT, "certs", |certs| {
            let first = certs[0].clone();
            certs.resize(count, first);
        });
        add(all, format!("forms: {count} elements in `certs`"), many.cut(CHECKPOINT + 1));
    }
    let twice = base().cut(LAST).line(base().records[LAST].text().replacen(
        "\"audit\":",
        "\"audit\":{\"v\":\"2.2\"},\"audit\":",
        1,
    ));
    add(all, "forms: two members `audit`, the first of an unknown version", twice);
    let mut twice = base().records[LAST].text();
    twice.insert_str(twice.len() - 1, ",\"audit\":{\"v\":\"2.2\"}");
    add(all, "forms: two members `audit`, the last of an unknown version", base().cut(LAST).line(twice));
    let end = || base().cut(CHECKPOINT + 1);
    for text in ["3.0", "3e0", "\"3\"", "null", "4294967296", "-3", "0", "1", "2", "4"] {
        let value = Value::parse(text).expect("JSON");
        add(all, format!("`key.n` is {text}"), end().key(CHECKPOINT, |key| set(key, "n", value)));
    }
    for name in ["certs", "since"] {
        for text in ["null", "{}", "[]", "[1]", "[null]", "[{}]"] {
            let value = Value::parse(text).expect("JSON");
            add(all, format!("`key.{name}` is {text}"), end().key(CHECKPOINT, |key| set(key, name, value)));
        }
        add(all, format!("no `key.{name}`"), end().key(CHECKPOINT, |key| key.retain(|(key, _)| key != name)));
    }
    add(all, "no `key.n`", end().key(CHECKPOINT, |key| key.retain(|(key, _)| key != "n")));
    add(all, "no `sig`", end().without(CHECKPOINT, "sig"));
    add(all, "no `key`", end().without(CHECKPOINT, "key"));
    add(
        all,
        "neither `key` nor `sig`",
        end().without(CHECKPOINT, "key").without(CHECKPOINT, "sig").rehash(CHECKPOINT),
    );
    let signature =
        end().records[CHECKPOINT].get("audit").and_then(|audit| audit.get("sig")).expect("sig").clone();
    add(all, "another signature", end().set(CHECKPOINT, "sig", flipped(&signature)));
    let padded = string(&format!("{}==", signature.as_str().expect("text")));
    add(all, "`sig` with padding characters", end().set(CHECKPOINT, "sig", padded));
    add(all, "`sig` with bits of padding", end().set(CHECKPOINT, "sig", with_padding_bits(&signature)));
    add(
        all,
        "`key` has a member that nobody knows",
        end().key(CHECKPOINT, |key| set(key, "zone", number(1))),
    );
}

/// Certificates and handovers.
pub(super) fn statements_of_keys(all: &mut All) {
    let end = || base().cut(CHECKPOINT + 1);
    for (name, count) in [("certs", 3), ("since", 2)] {
        for at in 0..count {
            add(
                all,
                format!("`{name}` lacks entry {at}"),
                end().list(CHECKPOINT, name, |list| drop(list.remove(at))),
            );
            add(
                all,
                format!("`{name}` has entry {at} twice"),
                end().list(CHECKPOINT, name, |list| list.insert(at, list[at].clone())),
            );
            add(
                all,
                format!("`{name}` has a bad signature in entry {at}"),
                end().list(CHECKPOINT, name, |list| flip(&mut list[at], "sig")),
            );
            for member in ["n", "sig"] {
                let drop_it = |list: &mut Vec<Value>| {
                    list[at].members_mut().expect("members").retain(|(key, _)| key != member)
                };
                add(
                    all,
                    format!("`{name}` lacks `{member}` in entry {at}"),
                    end().list(CHECKPOINT, name, drop_it),
                );
            }
        }
        add(all, format!("`{name}` reversed"), end().list(CHECKPOINT, name, |list| list.reverse()));
    }
    add(
        all,
        "another public key in a certificate",
        end().list(CHECKPOINT, "certs", |list| flip(&mut list[2], "pub")),
    );
    add(
        all,
        "another head in a handover",
        end().list(CHECKPOINT, "since", |list| flip(&mut list[0], "head")),
    );
    for (name, more) in
        [("a certificate that is not needed", 4), ("certificates that are not needed, out of order", 5)]
    {
        let certificate = base().forge.certificate(more);
        let four = base().forge.certificate(4);
        add(
            all,
            name,
            end().list(CHECKPOINT, "certs", |list| {
                list.push(certificate);
                if more == 5 {
                    list.push(four)
                }
            }),
        );
    }
    let forge = base().forge;
    let (place, head) = forge.handovers[0].clone();
    let first = forge.handover(1, &place, &head);
    add(all, "a handover that is not needed", end().list(CHECKPOINT, "since", |list| list.push(first)));
    let late = forge.handover(3, &(3, "run--3".to_owned(), 4), &head);
    add(
        all,
        "a handover to a place after the checkpoint",
        end().list(CHECKPOINT, "since", |list| list[0] = late),
    );
    let elsewhere = forge.handover(3, &(3, "run--3".to_owned(), 1), &head);
    add(
        all,
        "a handover to another place than other checkpoints say",
        end().list(CHECKPOINT, "since", |list| list[0] = elsewhere),
    );
    let mut stranger = forge.clone();
    stranger.salt = 9;
    let other = stranger.key(3);
    add(all, "keys of somebody else", {
        let mut case = end().set(CHECKPOINT, "key", other);
        case.forge = stranger;
        case.resign(CHECKPOINT)
    });
    let two = forge.key(2);
    add(all, "a checkpoint under the key before", end().set(CHECKPOINT, "key", two).resign(CHECKPOINT));
}

pub(super) fn what_is_read(all: &mut All) {
    // A record that is not JSON is unreadable, and never one that was altered.
    for text in ["\\x", "\\u12", "\\ud800", "a\tb", "\\\\ \\q", "\\\\\" \\n"] {
        let body = format!("{{\"x\":\"{text}\",\"n\":");
        let line = base().records[LAST].text().replacen("{\"n\":", &body, 1);
        add(all, format!("no JSON: {}", text.escape_debug()), base().cut(LAST).line(line));
    }
    for line in [
        "{",
        "nonsense",
        "{\"a\":01}",
        "{\"a\":1.}",
        "{\"a\":.5}",
        "{\"a\":+1}",
        "{\"a\":1}}",
        "{\"a\":1,}",
        "{'a':1}",
        "[1",
        "{\"a\":\"\\x\"}",
        "{\"a\":NaN}",
    ] {
        add(all, format!("a line that is not JSON: {line}"), base().line(line));
    }
    for line in ["{}", "{\"a\":1}", "{\"Audit\":{}}"] {
        add(all, format!("a record without a seal: {line}"), base().line(line));
    }
    for line in ["{\"audit\":{}}", "{\"audit\":null}", "{\"audit\":1}", "{\"audit\":[]}", "{\"audit\":\"x\"}"]
    {
        add(all, format!("a seal that is none: {line}"), base().line(line));
    }
    add(all, "nothing", base().cut(0));
    add(all, "nothing but a record without a seal", base().cut(0).line("{}"));
    for (name, from, to) in [
        ("a duplicate key", "{\"n\":5,", "{\"n\":5,\"n\":5,"),
        ("a duplicate key, deeper", "{\"n\":5,", "{\"n\":5,\"deep\":[{\"a\":1,\"a\":1}],"),
        ("a duplicate key in the seal", "\"seq\":5,", "\"seq\":5,\"seq\":5,"),
        ("a duplicate `v`, the second of an unknown version", "\"v\":\"1.2\"", "\"v\":\"1.2\",\"v\":\"2.2\""),
        ("a duplicate `v`, the first of an unknown version", "\"v\":\"1.2\"", "\"v\":\"2.2\",\"v\":\"1.2\""),
        ("two seals", "\"audit\":", "\"audit\":{},\"audit\":"),
        ("a duplicate key, escaped", "{\"n\":5,", "{\"n\":5,\"\\u006e\":5,"),
    ] {
        let line = base().records[LAST].text().replace(from, to);
        add(all, name, base().cut(LAST).line(line));
    }
}

/// Adds a last record with this body, and then changes its text.
fn last(body: &str, change: impl Fn(String) -> String) -> Case {
    let mut case = base();
    let text = case.forge.seal(body, false, &[]).text();
    case.line(change(text))
}

pub(super) fn members_of_outputs(all: &mut All) {
    let before = |added: &'static str| move |text: String| format!("{{{added}{}", &text[1..]);
    for (name, body, added) in [
        ("an output has added `date`", "{\"n\":6}", "\"date\":1.5,"),
        ("an output has added `date` to a record with one", "{\"date\":6}", "\"date\":1.5,"),
        (
            "an output has added six members to a record with `date`",
            "{\"date\":6}",
            "\"date\":1,\"date\":2,\"date\":3,\"date\":4,\"date\":5,\"date\":7,",
        ),
        (
            "an output has added five members to a record with `date`",
            "{\"date\":6}",
            "\"date\":1,\"date\":2,\"date\":3,\"date\":4,\"date\":5,",
        ),
        (
            "an output has added all three",
            "{\"n\":6}",
            "\"date\":1.5,\"@timestamp\":\"x\",\"_flb-key\":null,",
        ),
        ("an output has added a member of another name", "{\"n\":6}", "\"zone\":1,"),
        (
            "an output has added seven members",
            "{\"n\":6}",
            "\"date\":1,\"date\":2,\"date\":3,\"date\":4,\"date\":5,\"date\":6,\"date\":7,",
        ),
        (
            "an output has added eight members",
            "{\"n\":6}",
            "\"date\":1,\"date\":2,\"date\":3,\"date\":4,\"date\":5,\"date\":6,\"date\":7,\"date\":8,",
        ),
        (
            "an output has added seven members to a record with `date`",
            "{\"date\":6}",
            "\"date\":1,\"date\":2,\"date\":3,\"date\":4,\"date\":5,\"date\":7,\"date\":8,",
        ),
        ("an output has added a double that is none", "{\"n\":6}", "\"date\":1e999,"),
        ("an output has added a duplicate key in a member", "{\"n\":6}", "\"date\":{\"a\":1,\"a\":1},"),
        ("an output has added half a surrogate pair", "{\"n\":6}", "\"date\":\"\\ud83d\","),
    ] {
        add(all, name, last(body, before(added)));
    }
    let behind = |text: String| format!("{},\"date\":6}}", &text[..text.len() - 1]);
    add(all, "an output has added `date` behind the seal", last("{\"n\":6}", behind));
    add(all, "somebody has added `date` behind the record's own", last("{\"date\":5}", behind));
    for (name, from, to) in [
        ("2^64-1", "18446744073709551615", "18446744073709551615"),
        ("2^64-1 becomes 2^64", "18446744073709551615", "18446744073709551616"),
        ("2^64 is a double", "18446744073709551616", "18446744073709552000"),
        ("2^64 becomes 2^64-1", "18446744073709551616", "18446744073709551615"),
        ("-2^63 as a double", "-9223372036854775808", "-9.223372036854775808e18"),
        ("-2^63 becomes -2^63-1", "-9223372036854775808", "-9223372036854775809"),
        ("-2^63 becomes -2^63+1", "-9223372036854775808", "-9223372036854775807"),
        ("an integer as a double", "100", "1.0e2"),
        ("minus zero", "0", "-0.0"),
        ("zero becomes small", "0", "5e-324"),
        ("digits that no double has", "0.1", "0.1000000000000000055511151231257827"),
        ("a double becomes its neighbour", "0.1", "0.10000000000000002"),
        ("a number becomes a string", "100", "\"100\""),
        ("null becomes false", "null", "false"),
        ("past the range of a double", "1e308", "1e309"),
    ] {
        let change = |text: String| text.replace(&format!("\"x\":{from},"), &format!("\"x\":{to},"));
        add(all, format!("numbers: {name}"), last(&format!("{{\"x\":{from}}}"), change));
    }
    for depth in [20, 100] {
        let body = format!("{{\"x\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
        add(all, format!("honest, {depth} arrays deep"), last(&body, |text| text));
    }
    for (name, from, to) in [
        ("an escape that need not be", "\"x\":\"a/é\"", "\"x\":\"\\u0061\\/\\u00e9\""),
        ("a pair of surrogates", "\"x\":\"😀\"", "\"x\":\"\\ud83d\\ude00\""),
        ("another form of the same letter", "\"x\":\"é\"", "\"x\":\"e\u{301}\""),
    ] {
        add(all, format!("strings: {name}"), last(&format!("{{{from}}}"), |text| text.replace(from, to)));
    }
    add(all, "members in another order", {
        let mut case = base();
        case.records[LAST].members_mut().expect("members").reverse();
        case.audit(LAST).reverse();
        case
    });
}
