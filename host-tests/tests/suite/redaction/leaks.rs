//! Secrets planted anywhere in records of any form are gone from the output, and nothing
//! else is changed.

use fixtures::policies::{DEFAULT_TABLE, checked, sealer};
use fixtures::records::{event, intact, parse, text};
use flb_audit_core::redact::JSON_IN_STRINGS_DEPTH_MAX;
use flb_audit_host::filter::{Generation, Host, Limits};
use host_tests::guest::{FILTER, returned};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;
use std::cell::RefCell;
use std::fmt::Write;

/// A value of a record, of which the expected output follows.
#[derive(Clone, Debug)]
enum Node {
    Word(String),
    Number(u32),
    Null,
    /// A secret in a text, between two other parts.
    Planted(&'static str, String, &'static str),
    /// A card's number, as a number.
    Card(String),
    Array(Vec<Node>),
    Object(Vec<(Key, Node)>),
    /// JSON in a string, with the text in which it is written there.
    Json(Box<Node>, String),
}

#[derive(Clone, Debug)]
enum Key {
    Plain(String),
    Planted(String),
    /// A key that tells that its value is a secret.
    Telling(&'static str),
}

fn card() -> impl Strategy<Value = String> {
    "4[0-9]{14}".prop_map(|digits| {
        let doubled = digits.bytes().rev().enumerate().map(|(at, digit)| {
            let value = u32::from(digit - b'0') * if at % 2 == 0 { 2 } else { 1 };
            value / 10 + value % 10
        });
        let check = (10 - doubled.sum::<u32>() % 10) % 10;
        format!("{digits}{check}")
    })
}

fn iban() -> impl Strategy<Value = String> {
    "[0-9]{18}".prop_map(|account| {
        // `DE00` after the account, in digits.
        let value: u128 = format!("{account}131400").parse().expect("a number");
        format!("DE{:02}{account}", 98 - value % 97)
    })
}

fn secret() -> impl Strategy<Value = String> {
    prop_oneof![
        card(),
        card().prop_map(|card| [&card[..4], &card[4..8], &card[8..12], &card[12..]].join(" ")),
        iban(),
        "[a-z]{3,12}(\\.[a-z]{2,9})?@[a-z]{3,9}\\.example\\.(com|org)",
        "github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}",
        "eyJhbGciOiJIUzI1NiJ9\\.eyJzdWIiOiIx[A-Za-z0-9]{20}\\.[A-Za-z0-9_]{43}",
    ]
}

fn planted() -> impl Strategy<Value = Node> {
    let left = prop::sample::select(vec!["", "a ", "(", "to: ", "\u{e9} ", "\n", "{", "\"", "\u{1f600}, "]);
    let right = prop::sample::select(vec!["", " b", ")", ", c", " \u{e9}", "\n", "}", "\"", "\u{1f600}"]);
    (left, secret(), right).prop_map(|(left, secret, right)| Node::Planted(left, secret, right))
}

fn node() -> impl Strategy<Value = Node> {
    let word = "[a-f \u{e9}\"\\\\]{0,8}".prop_map(Node::Word);
    let float = (card(), any::<bool>()).prop_map(|(card, is_float)| card + if is_float { ".0" } else { "" });
    let leaf = prop_oneof![
        3 => word,
        2 => any::<u32>().prop_map(Node::Number),
        1 => Just(Node::Null),
        3 => planted(),
        1 => float.prop_map(Node::Card),
    ];
    leaf.prop_recursive(6, 30, 5, |inner| {
        prop_oneof![
            2 => vec(inner.clone(), 0..5).prop_map(Node::Array),
            2 => object(inner.clone()),
            1 => (vec(inner.clone(), 0..4).prop_map(Node::Array), any::<u64>()).prop_map(json),
            2 => (object(inner), any::<u64>()).prop_map(json),
        ]
    })
}

fn object(inner: impl Strategy<Value = Node>) -> impl Strategy<Value = Node> {
    let telling = prop::sample::select(vec!["password", "apiKey", "client-secret", "authToken", "Cookie"]);
    let member = prop_oneof![
        6 => ("[a-f\u{e9}]{0,4}".prop_map(Key::Plain), inner),
        1 => (secret().prop_map(Key::Planted), any::<u32>().prop_map(Node::Number)),
        1 => (telling.prop_map(Key::Telling), "[a-z0-9]{9,20}".prop_map(|it| Node::Planted("", it, ""))),
    ];
    // Keys must be unique, because only one of several equal members would come out.
    vec(member, 0..5).prop_map(|mut members| {
        let mut telling = false;
        members.retain(|(key, _)| match key {
            Key::Telling(_) => !std::mem::replace(&mut telling, true),
            _ => true,
        });
        for (at, (key, _)) in members.iter_mut().enumerate() {
            if let Key::Plain(key) = key {
                *key += &at.to_string();
            }
        }
        Node::Object(members)
    })
}

fn json((node, seed): (Node, u64)) -> Node {
    let mut text = String::new();
    write(&node, &mut Escapes(seed | 1), &mut text);
    Node::Json(Box::new(node), text)
}

/// A source of choices whether the next character is escaped.
struct Escapes(u64);

impl Escapes {
    fn next(&mut self) -> bool {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 60 == 0
    }
}

fn write(node: &Node, escapes: &mut Escapes, out: &mut String) {
    match node {
        Node::Word(word) => string(word, escapes, out),
        Node::Number(number) => *out += &number.to_string(),
        Node::Null => *out += "null",
        Node::Planted(left, secret, right) => string(&[left, &**secret, right].concat(), escapes, out),
        Node::Card(card) => *out += card,
        Node::Array(items) => {
            *out += "[";
            for (at, item) in items.iter().enumerate() {
                *out += if at > 0 { "," } else { "" };
                write(item, escapes, out);
            }
            *out += "]";
        }
        Node::Object(members) => {
            *out += "{";
            for (at, (key, value)) in members.iter().enumerate() {
                *out += if at > 0 { "," } else { "" };
                let key: &str = match key {
                    Key::Plain(key) | Key::Planted(key) => key,
                    Key::Telling(key) => key,
                };
                string(key, escapes, out);
                *out += ":";
                write(value, escapes, out);
            }
            *out += "}";
        }
        Node::Json(_, text) => string(text, escapes, out),
    }
}

fn string(text: &str, escapes: &mut Escapes, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            _ if escapes.next() => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}").expect("a string takes all");
                }
            }
            '"' | '\\' => out.extend(['\\', character]),
            '\n' => *out += "\\n",
            _ => out.push(character),
        }
    }
    out.push('"');
}

/// Returns true if anything in the value must be redacted.
fn is_changed(node: &Node, depth: usize) -> bool {
    match node {
        Node::Word(_) | Node::Number(_) | Node::Null => false,
        Node::Planted(..) | Node::Card(_) => true,
        Node::Array(items) => items.iter().any(|item| is_changed(item, depth)),
        Node::Object(members) => {
            members.iter().any(|(key, value)| !matches!(key, Key::Plain(_)) || is_changed(value, depth))
        }
        Node::Json(json, _) => depth == JSON_IN_STRINGS_DEPTH_MAX || is_changed(json, depth + 1),
    }
}

/// Compares the output with the input.
fn compare(node: &Node, out: &Value, depth: usize) {
    match node {
        Node::Word(word) => assert_eq!(out.as_str(), Some(&**word)),
        Node::Number(number) => assert_eq!(out.to_string(), number.to_string()),
        Node::Null => assert_eq!(out, &Value::Null),
        Node::Planted(left, secret, right) => {
            let out = out.as_str().expect("a string");
            assert!(!out.contains(&**secret) && out.contains('['), "{out}");
            assert!(out.starts_with(left) && out.ends_with(right), "{out}");
        }
        Node::Card(_) => assert!(out.as_str().is_some_and(|out| out.starts_with('[')), "{out}"),
        Node::Array(items) => {
            let outs = out.as_array().expect("an array");
            assert_eq!(items.len(), outs.len());
            items.iter().zip(outs).for_each(|(item, out)| compare(item, out, depth));
        }
        Node::Object(members) => {
            let outs = out.as_object().expect("an object");
            assert_eq!(members.len(), outs.len(), "{outs:?}");
            for ((key, value), (name, out)) in members.iter().zip(outs) {
                match key {
                    Key::Plain(key) => assert_eq!(key, name),
                    Key::Telling(key) => assert_eq!(key, name),
                    // Random text may end like the name of a secret.
                    Key::Planted(_) if out == "[secret-key]" => continue,
                    Key::Planted(secret) => assert!(!name.contains(&**secret), "{name}"),
                }
                compare(value, out, depth);
            }
        }
        Node::Json(..) if depth == JSON_IN_STRINGS_DEPTH_MAX => assert_eq!(out, "[unscanned]"),
        Node::Json(json, text) if !is_changed(json, depth + 1) => assert_eq!(out, text),
        Node::Json(json, _) => {
            compare(json, &parse(out.as_str().expect("a string").as_bytes()), depth + 1);
        }
    }
}

/// Collects all secrets in a value.
fn secrets<'a>(node: &'a Node, found: &mut Vec<&'a str>) {
    match node {
        Node::Word(_) | Node::Number(_) | Node::Null => {}
        Node::Planted(_, secret, _) => found.push(secret),
        Node::Card(card) => found.push(card.trim_end_matches(".0")),
        Node::Array(items) => items.iter().for_each(|item| secrets(item, found)),
        Node::Object(members) => {
            for (key, value) in members {
                found.extend(if let Key::Planted(secret) = key { Some(&**secret) } else { None });
                secrets(value, found);
            }
        }
        Node::Json(json, _) => secrets(json, found),
    }
}

/// Visits every text in the output, and in JSON inside of texts.
fn texts(value: &Value, seen: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => {
            seen(text);
            if let Ok(json @ (Value::Array(_) | Value::Object(_))) = serde_json::from_str(text) {
                texts(&json, seen);
            }
        }
        Value::Number(number) => seen(&number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, seen)),
        Value::Object(members) => {
            for (key, value) in members {
                seen(key);
                texts(value, seen);
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

fn check(record: &Node, sealed: &[u8]) {
    assert!(!intact(sealed).is_raw);
    let mut out = parse(sealed);
    let mut planted = Vec::new();
    secrets(record, &mut planted);
    texts(&out, &mut |text| {
        for secret in &planted {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    });
    out.as_object_mut().expect("an object").shift_remove("audit");
    compare(record, &out, 0);
}

thread_local! {
    /// One guest for all records, so that data left over from one would show in the next.
    static HOST: RefCell<Host<'static>> =
        RefCell::new(FILTER.host(Generation::Lasting, Limits::default()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn what_was_planted_is_gone_and_nothing_else(record in object(node()), seed in any::<u64>()) {
        let mut json = String::new();
        write(&record, &mut Escapes(seed | 1), &mut json);
        let mut sealer = sealer(checked(&DEFAULT_TABLE), None);
        check(&record, text(sealer.seal(&event(b"tag", json.as_bytes()))));
        let guest = HOST.with_borrow_mut(|host| host.call_bytes(b"tag", 0, 0, json.as_bytes()));
        check(&record, &returned(guest.expect("a call")));
    }
}
