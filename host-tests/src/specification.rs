//! A second implementation of the format, from its specification. It uses nothing of
//! flb-audit: serde_json reads JSON, ryu-js prints numbers, base64url is written here,
//! and ring has the hash functions and signatures.

use ring::digest;
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The computed hashes of a seal.
pub struct Seal {
    /// The text whose hash is the leaf.
    pub canonical: String,
    /// The hash of the record.
    pub leaf: [u8; 32],
    /// The hash of the chain up to the record.
    pub head: [u8; 32],
}

/// Computes the hashes of a sealed record.
pub fn seal(record: &str) -> Seal {
    let mut record: Value = serde_json::from_str(record).expect("JSON");
    let audit = record["audit"].as_object_mut().expect("a seal");
    audit.remove("head").expect("a head");
    audit.remove("sig");
    let previous = audit.remove("prev").expect("a head before it");
    let previous = from_base64url(previous.as_str().expect("a string"));
    let version = audit["v"].as_str().expect("a version");
    let algorithm = match version.split('.').collect::<Vec<_>>()[..] {
        ["1", "1"] | ["1", "1", _] => &digest::SHA256,
        ["1", "2"] | ["1", "2", _] => &digest::SHA512_256,
        _ => panic!("version {version:?}"),
    };
    let canonical = canonical(&record);
    let leaf = hash(algorithm, &[b"flb-audit leaf v1\n", canonical.as_bytes()]);
    let head = hash(algorithm, &[b"flb-audit head v1\n", &previous, &leaf]);
    Seal { canonical, leaf, head }
}

/// Returns the digest of a policy's table.
pub fn policy_digest(table: &[u8]) -> [u8; 32] {
    hash(&digest::SHA512_256, &[b"flb-audit policy v1\n", &table[48..]])
}

fn hash(algorithm: &'static digest::Algorithm, parts: &[&[u8]]) -> [u8; 32] {
    digest::digest(algorithm, &parts.concat()).as_ref().try_into().expect("256 bits")
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Encodes bytes in base64url (RFC 4648 section 5) without padding.
pub fn base64url(bytes: &[u8]) -> String {
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

/// Returns the canonical form of RFC 8785, but with exact integers from −2⁶³ to 2⁶⁴−1.
pub fn canonical(value: &Value) -> String {
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

/// Verifies a checkpoint by the specification. Its key must lead to `root`, the public
/// part of key 0.
pub fn verify_checkpoint(audit: &Value, root: &str) {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let number = |value: &Value| value.as_u64().expect("a number");
    let (chain, key) = (text(&audit["chain"]), &audit["key"]);
    let mut keys = BTreeMap::from([(0, root.to_owned())]);
    for certificate in key["certs"].as_array().expect("certificates") {
        let (n, public) = (number(&certificate["n"]), text(&certificate["pub"]));
        let role = certificate.get("role").map_or_else(String::new, |role| format!("{}\n", text(role)));
        let signed = format!("flb-audit key v1\n{chain}\n{n}\n{public}\n{role}");
        verify_signature(&keys[&(n & (n - 1))], &signed, &text(&certificate["sig"]));
        keys.insert(n, public);
    }
    let n = number(&key["n"]);
    let since = key["since"].as_array().expect("handovers");
    assert_eq!(since.len() as u64, n.min(2));
    for (handover, n) in since.iter().zip((1..=n).rev()) {
        assert_eq!(number(&handover["n"]), n);
        let place = format!("{}.{}.{}", handover["seg"], text(&handover["run"]), handover["seq"]);
        let signed = format!("flb-audit handover v1\n{chain}\n{n}\n{place}\n{}\n", text(&handover["head"]));
        verify_signature(&keys[&(n - 1)], &signed, &text(&handover["sig"]));
    }
    let place = format!("{}.{}\n{}", audit["seg"], text(&audit["run"]), number(&audit["seq"]) + 1);
    // 32 bytes are base64 with one padding character, in the other alphabet.
    let head = text(&audit["head"]).replace('-', "+").replace('_', "/") + "=";
    let signed = format!("flb-audit/{chain}/{place}\n{head}\nkey {n}\n");
    verify_signature(&keys[&n], &signed, &text(&audit["sig"]));
}

fn verify_signature(public: &str, signed: &str, signature: &str) {
    let public = from_base64url(public);
    let bits: Vec<usize> = signature
        .bytes()
        .map(|byte| ALPHABET.iter().position(|letter| *letter == byte).expect("base64url"))
        .flat_map(|six| (0..6).rev().map(move |bit| six >> bit & 1))
        .collect();
    let bytes: Vec<u8> =
        bits.chunks_exact(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | *bit as u8)).collect();
    UnparsedPublicKey::new(&ED25519, public)
        .verify(signed.as_bytes(), &bytes)
        .unwrap_or_else(|_| panic!("{signed}"));
}
