//! What holds for every policy, and for every record under one.

use super::{Digest, chain, event, intact, is_beyond_serde_json, parse, text};
use flb_audit_core::Sealer;
use flb_audit_core::hash::Algorithm;
use flb_audit_core::policy::Policy;
use flb_audit_core::record::notes::Notes;
use flb_audit_core::redact::{HmacKey, Redactor, UNSCANNED};
use flb_audit_policy::DEFAULT_POLICY;
use serde_json::Value;
use std::sync::LazyLock;

/// A policy with every detector and every action.
pub(crate) const EVERYTHING: &str = include_str!("everything.yaml");

pub(crate) static DEFAULT_TABLE: LazyLock<Vec<u8>> = LazyLock::new(|| table(DEFAULT_POLICY));
pub(crate) static EVERYTHING_TABLE: LazyLock<Vec<u8>> = LazyLock::new(|| table(EVERYTHING));

/// Compiles a policy that is right.
#[track_caller]
pub(crate) fn table(policy: &str) -> Vec<u8> {
    let policy = flb_audit_policy::Policy::read(policy).unwrap_or_else(|problem| panic!("{problem}"));
    flb_audit_policy::compile(&policy).unwrap_or_else(|problem| panic!("{problem}"))
}

/// The policy in a table that is sound.
#[track_caller]
pub(crate) fn checked(table: &[u8]) -> Policy<'_> {
    Policy::check(table).unwrap_or_else(|what| panic!("{what}"))
}

/// A key of documentation's, with the name `k1`.
pub(crate) fn key() -> HmacKey {
    let file = HmacKey::to_file("k1", &[7; 32]).expect("a name");
    HmacKey::from_file(&file).expect("a key")
}

/// A sealer of a new chain that redacts by this policy.
pub(crate) fn sealer<'p>(policy: Policy<'p>, key: Option<HmacKey>) -> Sealer<'p> {
    let redactor = Redactor::new(policy, key);
    Sealer::new(chain(Algorithm::default()), Notes::NONE, Some(redactor)).expect("memory")
}

/// Reading and compiling never panics; what is wrong has a place; and what is
/// compiled is sound, and the same when it is compiled again.
pub(crate) fn policy(input: &[u8]) {
    let Ok(source) = str::from_utf8(input) else {
        return;
    };
    let compiled = flb_audit_policy::Policy::read(source).and_then(|policy| {
        let first = flb_audit_policy::compile(&policy)?;
        Ok((first, flb_audit_policy::compile(&policy).expect("compiled before")))
    });
    match compiled {
        Ok((table, again)) => {
            assert_eq!(table, again);
            let policy = checked(&table);
            assert_eq!(policy.source, input);
            let record = br#"{"user":{"x":{"email":"a@example.com"}},"body":"{\"card\":[1,\"b\"]}"}"#;
            intact(text(sealer(policy, None).seal(&event(b"tag", record))));
        }
        Err(problem) => {
            // The end of the text may be a line of its own.
            let lines = source.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).count();
            assert!((1..=lines + 1).contains(&problem.line) && problem.column > 0, "{problem}");
            assert!(!problem.message.is_empty());
        }
    }
}

/// Whatever comes in goes out sealed, says what was done to it, and is left
/// alone by the same policy the next time. A damaged table does no harm.
pub(crate) fn redact(input: &[u8]) {
    if is_beyond_serde_json(input) {
        return;
    }
    under(&DEFAULT_TABLE, None, input);
    under(&EVERYTHING_TABLE, None, input);
    under(&EVERYTHING_TABLE, Some(key()), input);
    damaged(&EVERYTHING_TABLE, input);
}

fn under(table: &[u8], key: Option<HmacKey>, input: &[u8]) {
    let policy = checked(table);
    let is_settled = key.is_none() && std::ptr::eq(table, DEFAULT_TABLE.as_slice());
    let mut sealer = sealer(policy, key);
    let out = sealer.seal(&event(b"tag", input)).to_vec();
    let is_raw = intact(text(&out)).is_raw;
    let mut first = parse(text(&out));
    let seal = first.as_object_mut().and_then(|fields| fields.shift_remove("audit")).expect("a seal");
    for entry in seal.get("redacted").and_then(Value::as_array).into_iter().flatten() {
        evidence(&policy, entry.as_str().expect("a text"));
    }
    // What a record of raw text holds was no JSON, and may look like it now.
    if is_raw {
        return;
    }
    let again = sealer.seal(&event(b"tag", first.to_string().as_bytes())).to_vec();
    intact(text(&again));
    if is_settled {
        same(&first, &parse(text(&again)));
    }
}

/// What evidence says: rule, action and how often, path.
fn evidence(policy: &Policy<'_>, entry: &str) {
    let mut parts = entry.splitn(3, ' ');
    let (rule, action, path) = (parts.next(), parts.next(), parts.next());
    let rule = rule.expect("a rule");
    assert!(rule == UNSCANNED || policy.rules().any(|known| known.name == rule.as_bytes()), "{entry}");
    let (action, count) = action.expect("an action").split_once('*').unwrap_or((action.unwrap_or(""), "2"));
    assert!(["mask", "partial", "remove", "hmac", "truncate"].contains(&action), "{entry}");
    assert!(count.parse::<u32>().is_ok_and(|count| count > 1), "{entry}");
    assert!(path.is_some_and(|path| !path.is_empty()), "{entry}");
}

/// What has no token in it came through the first time, and does again.
fn same(first: &Value, again: &Value) {
    match (first, again) {
        (Value::String(one), other) if !one.contains('[') => assert_eq!(Some(&**one), other.as_str()),
        (Value::Array(ones), Value::Array(others)) => {
            assert_eq!(ones.len(), others.len());
            ones.iter().zip(others).for_each(|(one, other)| same(one, other));
        }
        (Value::Object(ones), Value::Object(others)) => {
            for (key, one) in ones.iter().filter(|(key, _)| !key.contains('[')) {
                same(one, &others[key]);
            }
        }
        _ => {}
    }
}

/// Some bytes of the table are others; those of its header stay.
fn damaged(table: &[u8], input: &[u8]) {
    let mut table = table.to_vec();
    let digest = Digest::of(input).0;
    for at in 0..=digest % 8 {
        let place = digest.rotate_left(7 * at as u32 + 3) as usize % (table.len() - 16);
        table[16 + place] = (digest >> (8 * (at % 8))) as u8;
    }
    let _ = Policy::check(&table);
    if let Some(policy) = Policy::read(&table) {
        sealer(policy, Some(key())).seal(&event(b"tag", input));
    }
}
