//! The cost of records, in instructions of the module that ships. Streams have limits per
//! byte. The cost of hostile records must grow in proportion to their length, whatever
//! they contain.

mod events;

use fixtures::policies::{EVERYTHING_TABLE, table};
use fixtures::records;
use flb_audit_host::filter::{Filter, Generation, Limits};
use flb_audit_policy::DEFAULT_POLICY;
use host_tests::guest::{self, FILTER, filter_with, returned};
use host_tests::streams;
use serde_json::Value;

const SHORT_BYTES: usize = 100 << 10;
const LONG_BYTES: usize = 1 << 20;
/// The largest factor by which the cost of the long record may exceed that of the short
/// one: the ratio of their lengths, and the steps in which memory grows.
const GROWTH_MAX: u64 = 12;
/// The factor `GROWTH_MAX` if keys are sorted. The number of sorting steps per key grows by a
/// third, from 10 to 13.6 for the keys in these lengths.
const SORTED_GROWTH_MAX: u64 = 15;
/// The limit for all records, in instructions per byte. Many similar keys cost most: they
/// are sorted, and if the policy has a schema, they are sorted again without duplicates.
const INSTRUCTIONS_PER_BYTE_MAX: u64 = 3210;
/// The limit for texts, whose steps are counted. Half of them are the steps that every
/// record has.
const TEXT_INSTRUCTIONS_PER_BYTE_MAX: u64 = 1870;
/// The length at which the steps for a whole record run out, followed by the limit there.
const LONGEST_BYTES: usize = 4 << 20;
const LONGEST_INSTRUCTIONS_PER_BYTE_MAX: u64 = 720;

/// The limits of streams: the policy, the instructions for the first call, and those per
/// byte for the others.
const STREAMS_MAX: [(&str, &str, u64, f64); 3] = [
    ("kubernetes-audit", "version: 1\n", 114_000, 129.0),
    ("kubernetes-audit", DEFAULT_POLICY, 203_000, 182.0),
    ("cloudtrail", DEFAULT_POLICY, 311_000, 208.5),
];

/// The limits of streams with `normalize: ocsf`, without a state directory.
const EVENTS_MAX: [(&str, u64, f64); 3] =
    [("kubernetes-audit", 254_000, 264.0), ("cloudtrail", 373_000, 276.0), ("sudo", 372_000, 415.0)];

#[test]
fn a_stream_costs_so_much() {
    for (stream, policy, first_max, per_byte_max) in STREAMS_MAX {
        let filter = filter_with(&table(policy));
        let directory = guest::directory(Default::default());
        for limits in [guest::limits(&directory), Limits::default()] {
            check_cost(stream, &filter, limits, first_max, per_byte_max);
        }
    }
}

#[test]
fn a_stream_of_events_costs_so_much() {
    let filter = filter_with(&table(&format!("{DEFAULT_POLICY}\nnormalize: ocsf\n")));
    for (stream, first_max, per_byte_max) in EVENTS_MAX {
        check_cost(stream, &filter, Limits::default(), first_max, per_byte_max);
    }
}

/// Checks the instructions for the first call of a stream, and those per byte of the
/// others.
fn check_cost(stream: &str, filter: &Filter, limits: Limits, first_max: u64, per_byte_max: f64) {
    let calls = streams::calls(stream).expect("a stream");
    let mut host = filter.host(Generation::Lasting, limits);
    let (mut bytes_out, mut cost) = (0, 0);
    let mut first = 0;
    for (at, call) in calls.iter().enumerate() {
        let outcome = host.call(call).expect("a call");
        cost += outcome.instructions;
        bytes_out += returned(outcome).len();
        if at == 0 {
            first = std::mem::take(&mut cost);
        }
    }
    let bytes: usize = calls[1..].iter().map(|call| call.record.len()).sum();
    let per_byte = cost as f64 / bytes as f64;
    let out = bytes_out / calls.len();
    println!("{stream}: {first} instructions, then {per_byte:.1} per byte; {out} bytes a record");
    assert!(first <= first_max && per_byte <= per_byte_max, "{first}, then {per_byte} per byte");
}

/// Repeats a part up to a length.
fn repeat(part: &str, len: usize) -> String {
    part.repeat(len / part.len())
}

/// Texts, each given as the part that is repeated.
const TEXTS: &[&str] = &[
    "a",
    "a ",
    "1",
    "4111",
    "4111111111111111 ",
    "4111-",
    "1 2-",
    "@",
    "a@",
    "a@a.",
    "a@a.aa",
    "a.",
    "%40",
    "a%40a.a",
    ".-",
    "eyJ",
    "eyJ.",
    "eyJhbGciOiJIUzI1NiJ9.",
    "eyJhbGciOiJIUzI1NiJ9/",
    "ghs_1_eyJa.",
    "ghp_",
    "gho_a-",
    "github_pat_",
    "github_pat_/",
    "glpat-",
    "glpat-.",
    "a-glpat-",
    "xoxb-",
    "xoxb-/",
    "xoxe.xoxb-_",
    "sk_live_",
    "sk_live_a+",
    "AIza",
    "ya29.",
    "npm_",
    "pypi-AgEIcHlwaS5vcmc",
    "FwoGZXIvYXdz",
    "FwoGZXIvYXdz/",
    "FwoGZXIvYXdzA%",
    "IQoJb3JpZ2luX2Vj=",
    "AKIA",
    "AKIAIOSFODNN7EXAMPLE,",
    "-----BEGIN PRIVATE KEY",
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----\\n-",
    "-----END ",
    "PRIVATE KEY ",
    "password=",
    "password=a",
    "password: ",
    "password=\\\"",
    "password=\\\"a",
    "password=null ",
    "password='",
    "pwd=",
    "secret_",
    "secret:",
    "secret=a/",
    "token=a%",
    "token-",
    "?sig=",
    "authorization: ",
    "authorization: digest ",
    "authorization: bearer ",
    "authorization=aws4-hmac-sha256 ",
    "bearer ",
    "Bearer a/",
    "basic ",
    "Basic YQ==",
    "a://b:c@",
    "a://",
    "a://b:",
    "a:",
    "://b:c",
    "IDENTIFIED BY '",
    "PASSWORD ('a''",
    "password '\\\\",
    "by '",
    "--password ",
    "--token a--token ",
    "passwd ",
    "echo a | passwd ",
    "a | chpasswd <<< ",
    "htpasswd -b a ",
    "net user a ",
    "net use ",
    "--user a:",
    "-u a -p ",
    "-p ",
    "sqlplus ",
    "vault login ",
    " /p:",
    "password 'a',",
    "password:\n ",
    "password: |\n ",
    "password =\n\n",
    "password = <<E\n",
    "password: !a ",
    "set token ",
    "ConvertTo-SecureString ",
    "name: token\nvalue: ",
    "cookie: \"",
    "cookie: {",
    "password = 'a' + ",
    "password = a('a','",
    "password for a to ",
    "password for ",
    "password /* ",
    "identified with 'a' ",
    "identified -- ",
    "a://b@c:",
    "['password',",
    "key=",
    "DE89",
    "DE89 3704 ",
    "DE00",
    "de12a",
    "078-05-1120 ",
    "078-05-",
    "+1",
    "+1 ",
    "+1-2(3)",
    "(020) 7946 ",
    "0 1 2 3 ",
    "1.2.3.",
    "1.1.1.1",
    "a/1.2.3.4.",
    ":",
    "::",
    "a:b:c:",
    "1:2:3:4:5:6:7:8 ",
    "00-00-",
    "00:00:5e:00:53:af-",
    "phone: ",
    "phone number is at ",
    "EMP-1",
    "tail-a",
    "join-",
    "word ",
    "last",
    "\u{e9}@",
    "\\u0040",
    "a\\u0040a.aa ",
    "\\\"",
    "\\\\",
    "{",
    "[",
    "[email]",
    "{\\\"a\\\":",
    "[[",
    "~1",
    " -p",
    " -p ",
    "mysql -p",
    "mysql -p a ",
    " -u a:",
    "_pw",
    "key=",
    "a_pass_",
    "passwd-",
    "token=[a] ",
    "token=a&",
    "token=a;a",
    "token=}",
    "token='a','",
    "password=[",
    "password={a",
    "password={a}}",
    "password=f(",
    "password=,a",
    "password=a;b ",
    "password=$a$",
    "password='a'\\''",
    "password=N'",
    "password=      ",
    "passwords are not ",
    "<password>",
    "<password ",
    "<password> <",
    "<password><![CDATA[",
    "name=\\\"password\\\" ",
    "name=\\\"password\\\"\\n\\n",
    "\\\"key\\\":\\\"token\\\",\\\"value\\\":",
    "cookie: ",
    "cookie: a=\\\"",
    "authorization: a=",
    "identified by values ",
    "identified with a as ",
    "set password for ",
    "a:b@tcp(",
    "a/b@//",
    "%25",
    "%2525",
    "%3d+",
    "&amp;",
    "&amp;amp;",
    "&#x41;",
    "&#0",
    "#033",
    "\\u001b[",
    "\\u001b[32m",
    "\\\\u0041",
    "\\\\x41",
    "\\\\\\\\n",
    "?command=",
];

/// Records that are more than one text, each made for a length.
type Record = fn(usize) -> String;
const RECORDS: &[(&str, Record)] = &[
    ("members", |len| format!("{{{}\"z\":1}}", members(len, |at| format!("\"k{at}\":1,")))),
    ("keys that begin alike", |len| {
        format!(
            "{{\"audit\":1,{}\"z\":1}}",
            members(len, |at| format!("\"{}{at:x}\":1,", "\u{e9}".repeat(40)))
        )
    }),
    ("escaped keys that begin alike", |len| {
        format!(
            "{{\"audit\":1,{}\"z\":1}}",
            members(len, |at| format!("\"{}{at:x}\":1,", "\\u00e9".repeat(20)))
        )
    }),
    ("numbers that are hard to print", |len| {
        format!("{{\"audit\":1,\"a\":[{}1]}}", repeat("63e305,76e-295,94e-320,1e+23,", len))
    }),
    ("numbers of many digits", |len| {
        format!(
            "{{\"a\":[{}1]}}",
            repeat("1.8037059850956783e-308,9.32740236731115e-310,6.3342882531530066e-245,", len)
        )
    }),
    ("redacted values", |len| format!("{{{}\"z\":1}}", members(len, |at| format!("\"k{at}\":\"a@b.cd\",")))),
    ("redacted keys", |len| format!("{{{}\"z\":1}}", members(len, |at| format!("\"a{at}@b.cd\":1,")))),
    ("redacted keys further in", |len| {
        format!("{{\"a\":{{{}\"z\":1}}}}", members(len, |at| format!("\"a{at}@b.cd\":1,")))
    }),
    ("redacted keys after many paths", |len| {
        let values = members(len / 4, |at| format!("\"k{at}\":\"a@b.cd\","));
        format!("{{\"a@b.cd\":1,{values}{}\"z\":1}}", members(3 * len / 4, |at| format!("\"a{at}@b.cd\":1,")))
    }),
    ("keys that look redacted", |len| {
        format!("{{{}\"z\":1}}", members(len, |at| format!("\"[email]~{at}\":\"[email]\",")))
    }),
    ("keys that tell", |len| {
        format!("{{{}\"z\":1}}", members(len, |at| format!("\"k{at}password\":\"a\",")))
    }),
    ("a long key", |len| format!("{{\"{}\":1}}", repeat("password_", len))),
    ("a long key of addresses", |len| format!("{{\"{}\":1}}", repeat("a@b.cd ", len))),
    ("one key again and again", |len| format!("{{{}\"a\":1}}", repeat("\"a\":\"a@b.cd\",", len))),
    ("elements", |len| format!("{{\"a\":[{}1]}}", repeat("\"a@b.cd\",", len))),
    ("cards as numbers", |len| format!("{{\"a\":[{}1]}}", repeat("4111111111111111,", len))),
    ("removed elements", |len| format!("{{\"list\":[{}1]}}", repeat("\"a\",", len))),
    ("a secret's elements", |len| format!("{{\"password\":[{}1]}}", repeat("\"a\",", len))),
    ("depth", |len| {
        format!("{{\"a\":[{}1]}}", repeat(&format!("{}1{},", "[".repeat(100), "]".repeat(100)), len))
    }),
    ("depth with secrets", |len| {
        let inner = format!("{}\"a@b.cd\"{},", "{\"aaaaaaaaaaaaaaaaaaaa\":".repeat(60), "}".repeat(60));
        format!("{{\"a\":[{}1]}}", repeat(&inner, len))
    }),
    ("JSON in strings", |len| format!("{{\"a\":[{}1]}}", repeat(r#""{\"a\":\"a@b.cd\"}","#, len))),
    ("JSON in one string", |len| format!("{{\"a\":\"[{}1]\"}}", repeat(r#"{\"a\":\"a@b.cd\"},"#, len))),
    ("JSON in JSON in strings", |len| format!("{{\"a\":{}}}", nested(3, &repeat("a@b.cd ", len / 2)))),
    ("JSON in strings too deep", |len| format!("{{\"a\":{}}}", nested(5, &repeat("a@b.cd ", len / 8)))),
    ("JSON in strings too deep, often", |len| {
        format!("{{\"a\":[{}1]}}", repeat(&format!("{},", nested(4, "a@b.cd")), len))
    }),
    ("broken JSON in strings", |len| format!("{{\"a\":[{}1]}}", repeat(r#""{\"a\":\"a@b.cd\"","#, len))),
    ("broken JSON in one string", |len| format!("{{\"a\":\"[{}\"}}", repeat(r#"{\"a\":\"a@b.cd\"},"#, len))),
    ("a broken record", |len| format!("{{\"a\":\"{}", repeat("a@b.cd ", len))),
    ("stops without an end", |len| format!("{{\"a\":[{}1]}}", repeat("\"a@\",", len))),
    ("arguments beside one command", |len| {
        format!("{{\"command\":\"{}\"{}}}", repeat("x", len / 2), repeat(",\"args\":[\"-a\"]", len / 2))
    }),
    ("arguments", |len| format!("{{\"a\":[{}1]}}", repeat("[\"mysql\",\"-p\",\"a\"],", len))),
    ("lists in lists", |len| {
        let inner = format!("{}{},", "[\"a\",\"-p\",".repeat(60), "1]".to_owned() + &",1]".repeat(59));
        format!("{{\"a\":[{}1]}}", repeat(&inner, len))
    }),
    ("names and values", |len| {
        format!("{{\"a\":[{}1]}}", repeat("{\"name\":\"password\",\"value\":\"a\"},", len))
    }),
    ("many names and values in one", |len| {
        format!("{{{}\"z\":1}}", members(len, |at| format!("\"{at}name\":\"password\",\"{at}value\":\"a\",")))
    }),
    ("names of secrets in a list", |len| format!("{{\"a\":[{}1]}}", repeat("\"cookie\",", len))),
    ("keys of many words", |len| {
        format!("{{{}\"z\":1}}", members(len, |at| format!("\"new_new_new_new_{at}_pass_v\":1,")))
    }),
    ("not finite", |len| format!("{{\"a\":[{}\"a@b.cd\"]}}", repeat("nan,", len))),
];

fn members(len: usize, member: impl Fn(usize) -> String) -> String {
    let mut out = String::new();
    for at in 0.. {
        if out.len() >= len {
            break;
        }
        out += &member(at);
    }
    out
}

/// Returns a text in JSON in a string in JSON in a string …
fn nested(depth: usize, text: &str) -> String {
    let mut json = Value::from(text).to_string();
    for _ in 0..depth {
        json = Value::from(format!("{{\"a\":{json}}}")).to_string();
    }
    json
}

#[track_caller]
fn instructions(filter: &Filter, record: &str) -> u64 {
    let mut host = filter.host(Generation::Lasting, Limits::default());
    returned(host.call_bytes(b"tag", 0, 0, b"{}").expect("a call"));
    let outcome = host.call_bytes(b"tag", 0, 0, record.as_bytes()).expect("a call");
    let instructions = outcome.instructions;
    records::intact(&returned(outcome));
    instructions
}

fn is_linear(filter: &Filter) {
    let everywhere = TEXTS.iter().map(|part| {
        let record = |len| format!("{{\"a\":\"{}\"}}", repeat(part, len));
        (*part, record(SHORT_BYTES), record(LONG_BYTES), GROWTH_MAX, TEXT_INSTRUCTIONS_PER_BYTE_MAX)
    });
    let others = RECORDS.iter().map(|(name, record)| {
        // Names such as `[email]~1` and `[email]~2` have a common beginning, too.
        let is_sorted = name.contains("keys that begin alike")
            || ["keys that look redacted", "arguments beside one command"].contains(name);
        let growth = if is_sorted { SORTED_GROWTH_MAX } else { GROWTH_MAX };
        (*name, record(SHORT_BYTES), record(LONG_BYTES), growth, INSTRUCTIONS_PER_BYTE_MAX)
    });
    let mut wrong = Vec::new();
    let mut worst = (0, "");
    for (name, short, long, growth, limit) in everywhere.chain(others) {
        let (few, many) = (instructions(filter, &short), instructions(filter, &long));
        let per_byte = many / long.len() as u64;
        worst = worst.max((per_byte, name));
        if many > growth * few || per_byte > limit {
            wrong.push(format!("{name}: {few} and {many} instructions, {per_byte} per byte"));
        }
    }
    println!("at most {} instructions per byte: {}", worst.0, worst.1);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn under_the_policy_that_ships_nothing_is_quadratic() {
    is_linear(&FILTER);
}

#[test]
fn under_every_detector_and_action_nothing_is_quadratic() {
    is_linear(&filter_with(&EVERYTHING_TABLE));
}

/// [`flb_audit_core::redact::REDACT_STEPS_MAX`] limits the cost of a record of any
/// length.
#[test]
fn what_a_record_costs_has_a_bound() {
    for part in ["a@", "DE89 3704 ", "4111 1111 1111 1111 ", "secret:", "eyJhbGciOiJIUzI1NiJ9."] {
        let record = format!("{{\"a\":\"{}\"}}", repeat(part, LONGEST_BYTES));
        let per_byte = instructions(&FILTER, &record) / record.len() as u64;
        assert!(per_byte <= LONGEST_INSTRUCTIONS_PER_BYTE_MAX, "{part}: {per_byte} instructions per byte");
    }
}

/// The pattern reads to the end of the text from every place.
#[test]
fn what_would_take_too_long_is_masked() {
    let hungry =
        "version: 1\nredact:\n  patterns:\n    - {name: hungry, pattern: 'ab(.*z)?', action: mask}\n";
    let filter = filter_with(&table(hungry));
    let mut host = filter.host(Generation::Lasting, Limits::default());
    let record = format!(
        "{{\"first\":\"xaby\",\"a\":\"{}\",\"last\":[\"ab\",\"x\",7,{{\"b\":\"ab\"}}]}}",
        "ab".repeat(500_000)
    );
    let outcome = host.call_bytes(b"tag", 0, 0, record.as_bytes()).expect("a call");
    assert!(outcome.instructions < 3_000_000_000, "{}", outcome.instructions);
    let text = returned(outcome);
    records::intact(&text);
    let mut out = records::parse(&text);
    let audit = out.as_object_mut().and_then(|fields| fields.shift_remove("audit")).expect("a seal");
    // The first pass has already shown that the others have nothing.
    let expected =
        r#"{"first":"x[hungry]y","a":"[unscanned]","last":["[unscanned]","x",7,{"b":"[unscanned]"}]}"#;
    assert_eq!(out.to_string(), expected);
    let redacted: Vec<&str> =
        audit["redacted"].as_array().expect("entries").iter().filter_map(Value::as_str).collect();
    assert!(
        redacted.contains(&"unscanned mask a") && redacted.contains(&"unscanned mask last[]"),
        "{redacted:?}"
    );
    // The next record is scanned again.
    let text = returned(host.call_bytes(b"tag", 0, 0, br#"{"a":"xab"}"#).expect("a call"));
    assert_eq!(records::parse(&text)["a"], "x[hungry]");
}
