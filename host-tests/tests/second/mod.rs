//! The format once more, from its specification: nothing here comes from
//! flb-audit. JSON is read by serde_json, numbers are printed by ryu-js,
//! base64url is written out, and the hash functions are ring's.

use ring::digest;
use serde_json::{Map, Value};

/// What a seal says, worked out again.
pub(crate) struct Seal {
    /// The text that the leaf is the hash of.
    pub(crate) canonical: String,
    pub(crate) leaf: [u8; 32],
    pub(crate) head: [u8; 32],
}

/// Works a sealed record's hashes out.
pub(crate) fn seal(record: &str) -> Seal {
    let mut record: Value = serde_json::from_str(record).expect("JSON");
    let audit = record["audit"].as_object_mut().expect("a seal");
    audit.remove("head").expect("a head");
    let previous = audit.remove("prev").expect("a head before it");
    let previous = from_base64url(previous.as_str().expect("a string"));
    let algorithm = match audit["v"].as_str() {
        Some("1.1") => &digest::SHA256,
        Some("1.2") => &digest::SHA512_256,
        other => panic!("version {other:?}"),
    };
    let canonical = canonical(&record);
    let leaf = hash(algorithm, &[b"flb-audit leaf v1\n", canonical.as_bytes()]);
    let head = hash(algorithm, &[b"flb-audit head v1\n", &previous, &leaf]);
    Seal { canonical, leaf, head }
}

fn hash(algorithm: &'static digest::Algorithm, parts: &[&[u8]]) -> [u8; 32] {
    digest::digest(algorithm, &parts.concat()).as_ref().try_into().expect("256 bits")
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// RFC 4648, section 5, without padding.
pub(crate) fn base64url(bytes: &[u8]) -> String {
    let bits = |at: usize| (0..6).fold(0, |value, bit| value << 1 | bit_of(bytes, at + bit));
    (0..8 * bytes.len()).step_by(6).map(|at| ALPHABET[bits(at)] as char).collect()
}

fn bit_of(bytes: &[u8], at: usize) -> usize {
    bytes.get(at / 8).map_or(0, |byte| usize::from(byte >> (7 - at % 8) & 1))
}

fn from_base64url(text: &str) -> [u8; 32] {
    let value = |byte| ALPHABET.iter().position(|letter| *letter == byte).expect("base64url");
    let sixes: Vec<usize> = text.bytes().map(value).collect();
    let bit = |at: usize| (sixes[at / 6] >> (5 - at % 6) & 1) as u8;
    let bytes = std::array::from_fn(|at| (0..8).fold(0, |byte, next| byte << 1 | bit(8 * at + next)));
    assert_eq!(base64url(&bytes), text);
    bytes
}

/// RFC 8785, with integers from −2⁶³ to 2⁶⁴−1 exact.
pub(crate) fn canonical(value: &Value) -> String {
    match value {
        Value::Object(fields) => object(fields),
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        Value::String(text) => string(text),
        Value::Number(token) => number(token.as_str()),
        Value::Bool(_) | Value::Null => value.to_string(),
    }
}

fn object(fields: &Map<String, Value>) -> String {
    let mut fields: Vec<_> = fields.iter().collect();
    fields.sort_by_key(|(key, _)| key.encode_utf16().collect::<Vec<_>>());
    let fields: Vec<_> =
        fields.into_iter().map(|(key, value)| format!("{}:{}", string(key), canonical(value))).collect();
    format!("{{{}}}", fields.join(","))
}

fn string(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|character| match character {
            '"' => "\\\"".into(),
            '\\' => "\\\\".into(),
            '\u{8}' => "\\b".into(),
            '\u{9}' => "\\t".into(),
            '\u{a}' => "\\n".into(),
            '\u{c}' => "\\f".into(),
            '\u{d}' => "\\r".into(),
            ..'\u{20}' => format!("\\u{:04x}", character as u32),
            _ => character.into(),
        })
        .collect();
    format!("\"{escaped}\"")
}

fn number(token: &str) -> String {
    if !token.contains(['.', 'e', 'E'])
        && let Ok(integer) = token.parse::<i128>()
        && (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&integer)
    {
        return integer.to_string();
    }
    let value: f64 = token.parse().expect("a number");
    if value.fract() == 0.0 && (-9_223_372_036_854_775_808.0..18_446_744_073_709_551_616.0).contains(&value) {
        return (value as i128).to_string();
    }
    ryu_js::Buffer::new().format_finite(value).to_owned()
}
