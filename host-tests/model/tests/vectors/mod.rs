//! The generator of docs/seal-verdicts.json: small logs, each with one thing wrong.

use flb_audit_model::forge::{Forge, anchor, audit_mut, number, object, rehash, set, string};
use flb_audit_model::json::Value;
use flb_audit_model::model::Log;
use flb_audit_model::seal;

/// A log that is being made.
#[derive(Clone)]
struct Case {
    forge: Forge,
    records: Vec<Value>,
    /// Lines beside the records
    lines: Vec<String>,
    roster: Option<Vec<Value>>,
    anchors: Option<Vec<String>>,
}

/// Records of a segment, and which of them are checkpoints.
const SEGMENT: u64 = 6;
/// Where the last checkpoint is: record 3 of segment 3.
const CHECKPOINT: usize = 15;
const LAST: usize = 17;

fn at(segment: usize, sequence: usize) -> usize {
    (segment - 1) * SEGMENT as usize + sequence
}

/// Three segments of six records, with checkpoints at 0 and 3, under keys 1, 2, 3.
fn honest(chain: &str, salt: u8) -> Case {
    let mut forge = Forge::new(chain, salt);
    let mut records = Vec::new();
    for run in ["run--1", "run--2", "run--3"] {
        if !records.is_empty() {
            forge.restart(run, None);
        }
        forge.rotate();
        records.extend((0..SEGMENT).map(|n| forge.seal(&format!("{{\"n\":{n}}}"), n % 3 == 0, &[])));
    }
    let roster = Some(vec![forge.roster()]);
    Case { forge, records, lines: Vec::new(), roster, anchors: None }
}

fn base() -> Case {
    honest("vectors-0001", 1)
}

impl Case {
    fn log(self) -> Log {
        let lines = self.records.iter().map(Value::text).chain(self.lines).collect();
        Log { lines, roster: self.roster.map(|roster| Value::Array(roster).text()), anchors: self.anchors }
    }

    fn audit(&mut self, at: usize) -> &mut Vec<(String, Value)> {
        audit_mut(&mut self.records[at]).expect("a seal")
    }

    /// Sets a member of a seal, as anybody can.
    fn set(mut self, at: usize, name: &str, value: Value) -> Self {
        set(self.audit(at), name, value);
        self
    }

    fn without(mut self, at: usize, name: &str) -> Self {
        self.audit(at).retain(|(key, _)| key != name);
        self
    }

    fn rehash(mut self, at: usize) -> Self {
        rehash(&mut self.records[at]);
        self
    }

    fn resign(mut self, at: usize) -> Self {
        self.forge.clone().resign(&mut self.records[at]);
        self
    }

    fn cut(mut self, len: usize) -> Self {
        self.records.truncate(len);
        self
    }

    fn delete(mut self, gone: impl IntoIterator<Item = usize>) -> Self {
        let gone: Vec<usize> = gone.into_iter().collect();
        let mut at = 0;
        self.records.retain(|_| {
            at += 1;
            !gone.contains(&(at - 1))
        });
        self
    }

    /// Alters what a checkpoint says of its key, and signs it again.
    fn key(mut self, at: usize, alter: impl FnOnce(&mut Vec<(String, Value)>)) -> Self {
        let key = self.audit(at).iter_mut().find(|(name, _)| name == "key").expect("a key");
        alter(key.1.members_mut().expect("members"));
        self.resign(at)
    }

    fn list(self, at: usize, name: &str, alter: impl FnOnce(&mut Vec<Value>)) -> Self {
        self.key(at, |key| {
            if let Some((_, Value::Array(list))) = key.iter_mut().find(|(key, _)| key == name) {
                alter(list);
            }
        })
    }

    fn anchored(mut self, at: &[usize]) -> Self {
        let anchors = at.iter().map(|at| anchor(&self.records[*at]).expect("a checkpoint").text());
        self.anchors = Some(anchors.collect());
        self
    }

    fn line(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }
}

fn flipped(text: &Value) -> Value {
    let text = text.as_str().expect("text");
    let first = if text.starts_with('A') { "B" } else { "A" };
    string(&format!("{first}{}", &text[1..]))
}

/// Sets a bit of the last character that carries no data.
fn with_padding_bits(text: &Value) -> Value {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let text = text.as_str().expect("text");
    let (start, last) = text.split_at(text.len() - 1);
    let value = ALPHABET.iter().position(|byte| last.as_bytes()[0] == *byte).expect("a character");
    string(&format!("{start}{}", char::from(ALPHABET[value + 1])))
}

fn flip(members: &mut Value, name: &str) {
    let value = flipped(members.get(name).expect("a member"));
    set(members.members_mut().expect("members"), name, value);
}

/// All vectors, each with its name.
pub(crate) fn all() -> Vec<(String, Log)> {
    let mut all: Vec<(String, Case)> = Vec::new();
    honest_logs(&mut all);
    forms(&mut all);
    checkpoint_forms(&mut all);
    statements_of_keys(&mut all);
    what_is_read(&mut all);
    members_of_outputs(&mut all);
    missing(&mut all);
    altered(&mut all);
    links(&mut all);
    conflicts(&mut all);
    stops(&mut all);
    anchors(&mut all);
    rosters(&mut all);
    policies(&mut all);
    all.into_iter().map(|(name, case)| (name, case.log())).collect()
}

type All = Vec<(String, Case)>;

fn add(all: &mut All, name: impl Into<String>, case: Case) {
    all.push((name.into(), case));
}

fn honest_logs(all: &mut All) {
    add(all, "honest", base());
    add(
        all,
        "honest, up to a checkpoint that is anchored",
        base().cut(CHECKPOINT + 1).anchored(&[0, CHECKPOINT]),
    );
    add(all, "honest, without a roster", Case { roster: None, ..base() });
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

/// Forms of members: the hash is that of the altered record.
fn forms(all: &mut All) {
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
            &["\"vectors-001\"", "\"vectors-00001\"", "\"vectors/0001\"", "\"vect~rs-0001\"", "null", "1"],
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

/// Forms of the members of a checkpoint, signed as they stand.
fn checkpoint_forms(all: &mut All) {
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
fn statements_of_keys(all: &mut All) {
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

fn what_is_read(all: &mut All) {
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
        ("two seals", "\"audit\":", "\"audit\":{},\"audit\":"),
        ("a duplicate key, escaped", "{\"n\":5,", "{\"n\":5,\"\\u006e\":5,"),
    ] {
        let line = base().records[LAST].text().replace(from, to);
        add(all, name, base().cut(LAST).line(line));
    }
}

/// Adds a last record with this body, and changes its text.
fn last(body: &str, change: impl Fn(String) -> String) -> Case {
    let mut case = base();
    let text = case.forge.seal(body, false, &[]).text();
    case.line(change(text))
}

fn members_of_outputs(all: &mut All) {
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

fn missing(all: &mut All) {
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

fn altered(all: &mut All) {
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

fn links(all: &mut All) {
    let link = |segment: u64, run: &str, sequence: u64| {
        object([("run", string(run)), ("seg", number(segment)), ("seq", number(sequence))])
    };
    // The end of the chain is sealed anew by the holder of its keys.
    let linked = |to: Option<Value>, notes: &[&str]| {
        let mut case = base().cut(at(3, 0));
        case.forge.place = (3, "run--3".to_owned(), 0);
        case.forge.head = flb_audit_model::forge::head_of(&case.records[at(2, 5)]).expect("a head");
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
    add(all, "links: on a later record", base().set(LAST, "link", link(2, "run--2", 5)).rehash(LAST));
    add(all, "links: to 2^64-1", linked(Some(link(2, "run--2", u64::MAX)), &[]));
    for (name, text) in [
        ("without `seq`", "{\"run\":\"run--2\",\"seg\":2}"),
        ("`seq` is 5.0", "{\"run\":\"run--2\",\"seg\":2,\"seq\":5.0}"),
        ("`unsettled` is null", "{\"run\":\"run--2\",\"seg\":2,\"seq\":5,\"unsettled\":null}"),
    ] {
        add(all, format!("links: {name}"), linked(Value::parse(text), &[]));
    }
}

fn conflicts(all: &mut All) {
    for (name, notes) in [("", &[][..]), (", noted by the filter", &["state-set-back"][..])] {
        let forked = |from: usize| {
            let mut case = base();
            case.forge.handovers.truncate(2);
            case.forge.key = Some(2);
            case.forge.head = flb_audit_model::forge::head_of(&case.records[from]).expect("a head");
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

fn stops(all: &mut All) {
    let stopped = |unsettled: Option<u64>, lost: std::ops::Range<u64>, is_signed: bool| {
        let mut case = base();
        case.forge.restart("run--4", unsettled);
        case.forge.rotate();
        let more = [case.forge.seal("{}", is_signed, &[]), case.forge.seal("{}", is_signed, &[])];
        case.records.extend(more);
        case.delete(lost.map(|number| at(3, number as usize)))
    };
    add(all, "stops: nothing was lost", stopped(Some(4), 0..0, true));
    add(all, "stops: what was not settled was lost", stopped(Some(4), 4..6, true));
    add(all, "stops: some of it was lost", stopped(Some(4), 5..6, true));
    add(all, "stops: more was lost", stopped(Some(4), 3..6, true));
    add(all, "stops: something in it was lost", stopped(Some(3), 4..5, true));
    add(all, "stops: nothing is known", stopped(None, 4..6, true));
    add(all, "stops: the whole segment was lost", stopped(Some(0), 0..6, true));
    add(all, "stops: the whole segment was lost, and was settled", stopped(Some(4), 0..6, true));
    add(all, "stops: said by a record that nobody has signed", stopped(Some(4), 4..6, false));
}

fn anchors(all: &mut All) {
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

fn rosters(all: &mut All) {
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

fn policies(all: &mut All) {
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
    add(all, "policies: two with the same start", with(["1.2.AAAAAAAA"; 2], [one(), Some(twin)]));
    add(all, "policies: not named in `v`", with(["1.2"; 2], [one(), one()]));
    add(all, "policies: missing on one checkpoint", with(["1.2.AAAAAAAA"; 2], [one(), None]));
}
