//! The test vectors of `docs/seal-format.md`, for the shipping sealer and for a second
//! implementation.
//!
//! With `BLESS=1`, the test writes the results for each vector into the file: the record
//! from the sealer, and the rest from the second implementation.

use flb_audit_core::chain::keyring::KeyRing;
use flb_audit_core::chain::{Chain, ChainId, Link, Place, Run, Unsettled};
use flb_audit_core::hash::Algorithm;
use flb_audit_core::policy;
use flb_audit_core::record::canonical::Canonical;
use flb_audit_core::record::notes::Notes;
use flb_audit_core::record::tape::Dialect;
use flb_audit_core::redact::Redactor;
use flb_audit_core::text::hex;
use flb_audit_core::verify::{Checked, Checker};
use flb_audit_core::{Event, Sealer, Tape};
use flb_audit_policy::{Policy, compile};
use host_tests::{root, specification};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

fn path() -> PathBuf {
    root().join("docs/seal-vectors.json")
}

fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object[name].as_str().unwrap_or_else(|| panic!("{name} in {object}"))
}

fn number(object: &Value, name: &str) -> u64 {
    object[name].as_u64().unwrap_or_else(|| panic!("{name} in {object}"))
}

fn place(object: &Value) -> Place {
    Place {
        segment: number(object, "segment"),
        run: Run::from_text(text(object, "run").as_bytes()).expect("a run's name"),
        sequence: number(object, "sequence"),
    }
}

fn unsettled(object: &Value) -> Unsettled {
    let head = hex::decode(text(object, "head")).expect("hexadecimal").try_into().expect("256 bits");
    Unsettled { place: place(object), head }
}

/// Returns the table of the vector's policy, if it has one. Its schemas are beside it,
/// each with the file name in the policy.
fn table(vector: &Value) -> Option<Vec<u8>> {
    let source = vector.get("policy")?.as_str().expect("a policy");
    let mut files = |name: &str| Ok(text(&vector["schemas"], name).to_owned());
    let policy = Policy::read_with(source, &mut files).and_then(|policy| compile(&policy));
    Some(policy.unwrap_or_else(|problem| panic!("{problem}")))
}

/// Returns the record that the shipped sealer makes from a vector's inputs.
fn sealed(vector: &Value) -> String {
    let algorithm = Algorithm::ALL.into_iter().find(|it| it.name() == text(vector, "algorithm"));
    let chain = Chain {
        id: ChainId::from_text(text(vector, "chain").as_bytes()).expect("a chain's name"),
        algorithm: algorithm.expect("an algorithm"),
        next: place(vector),
        head: hex::decode(text(vector, "previous")).expect("hexadecimal").try_into().expect("256 bits"),
        link: vector
            .get("link")
            .map(|link| Link { place: place(link), unsettled: link.get("unsettled").map(unsettled) }),
    };
    let notes = if chain.id.is_ephemeral() { Notes::NO_STATE } else { Notes::NONE };
    let record = match vector.get("record_in_hex") {
        Some(_) => hex::decode(text(vector, "record_in_hex")).expect("hexadecimal"),
        None => text(vector, "record_in").as_bytes().to_vec(),
    };
    let event = Event {
        tag: text(vector, "tag").as_bytes(),
        seconds: number(vector, "seconds") as u32,
        nanoseconds: number(vector, "nanoseconds") as u32,
        record: Some(&record),
        record_len: record.len(),
    };
    let id = chain.id;
    let (next, head) = (chain.next, chain.head);
    let table = table(vector);
    let redactor = table.as_ref().map(|table| {
        let policy = policy::Policy::check(table).unwrap_or_else(|what| panic!("{what}"));
        Redactor::new(policy, None)
    });
    let mut sealer = Sealer::new(chain, notes, redactor).expect("memory");
    if let Some(index) = vector.get("key") {
        let ring = ring(id, index.as_u64().expect("a number"), next, head);
        sealer.set_signer(ring.signer().expect("a signer")).expect("memory");
        sealer.sign_next();
    }
    let out = sealer.seal(&event).strip_suffix(b"\0").expect("a NUL").to_vec();
    String::from_utf8(out).expect("UTF-8")
}

/// Returns the keys of the vectors' chain, with key `index` in force. The seed of the
/// n-th generated key is the number n, little-endian.
fn ring(id: ChainId, index: u64, place: Place, head: [u8; 32]) -> KeyRing {
    let mut made = 0_u64;
    let mut seeds = |seed: &mut [u8; 32]| {
        made += 1;
        seed[..8].copy_from_slice(&made.to_le_bytes());
        true
    };
    let mut ring = KeyRing::new(id, &mut seeds).expect("keys");
    for _ in 0..index {
        ring = ring.hand_over(place, head, &mut seeds).expect("a key");
    }
    ring
}

/// The vectors, which `BLESS` writes once, though several tests read them.
static VECTORS: LazyLock<Vec<Value>> = LazyLock::new(vectors);

fn vectors() -> Vec<Value> {
    let file = fs::read_to_string(path()).expect("docs/seal-vectors.json");
    let mut vectors: Vec<Value> = serde_json::from_str(&file).expect("vectors");
    if std::env::var_os("BLESS").is_some() {
        let mut last = Value::Null;
        for vector in &mut vectors {
            if goes_on(vector) {
                vector["previous"] = last;
            }
            if let Some(table) = table(vector) {
                vector["policy_digest"] = json!(hex::encode(&specification::policy_digest(&table)));
            }
            let record = sealed(vector);
            let seal = specification::seal(&record);
            vector["canonical"] = json!(seal.canonical);
            vector["leaf"] = json!(hex::encode(&seal.leaf));
            vector["head"] = json!(hex::encode(&seal.head));
            if vector.get("key").is_some() {
                let chain = ChainId::from_text(text(vector, "chain").as_bytes()).expect("a chain's name");
                let root = ring(chain, 0, place(vector), [0; 32]).public().expect("a key");
                vector["key_0"] = json!(root.to_string());
            }
            vector["record_out"] = json!(record);
            last = vector["head"].clone();
        }
        let blessed = serde_json::to_string_pretty(&vectors).expect("JSON");
        fs::write(path(), blessed + "\n").expect("docs/seal-vectors.json");
    }
    vectors
}

#[test]
fn the_record_on_the_page_is_the_first_vector() {
    let page = fs::read_to_string(root().join("docs/seal-format.md")).expect("the page");
    let record = text(&VECTORS[0], "record_out").to_owned();
    assert!(page.contains(&format!("```json\n{record}\n```")), "the page has to show {record}");
}

/// Returns true if a vector's record continues the one of the vector before.
fn goes_on(vector: &Value) -> bool {
    vector.get("link").is_some() || number(vector, "sequence") > 0
}

#[test]
fn both_implementations_agree_with_the_vectors() {
    for vector in &*VECTORS {
        let name = text(vector, "name");
        let record = text(vector, "record_out");
        let seal = specification::seal(record);
        assert_eq!(seal.canonical, text(vector, "canonical"), "{name}");
        assert_eq!(hex::encode(&seal.leaf), text(vector, "leaf"), "{name}");
        assert_eq!(hex::encode(&seal.head), text(vector, "head"), "{name}");
        let parsed: Value = serde_json::from_str(record).expect("JSON");
        assert_eq!(text(&parsed["audit"], "head"), specification::base64url(&seal.head), "{name}");
        assert_eq!(
            text(&parsed["audit"], "prev"),
            specification::base64url(&hex::decode(text(vector, "previous")).expect("hexadecimal")),
            "{name}"
        );
        assert_eq!(sealed(vector), record, "{name}");
        if let Some(table) = table(vector) {
            let digest = specification::policy_digest(&table);
            assert_eq!(hex::encode(&digest), text(vector, "policy_digest"), "{name}");
            let version = text(&parsed["audit"], "v");
            assert_eq!(version[4..], specification::base64url(&digest[..6]), "{name}");
        }
        if vector.get("key").is_some() {
            specification::verify_checkpoint(&parsed["audit"], text(vector, "key_0"));
        }
        let mut checker = Checker::default();
        let checked = checker.check(record.as_bytes());
        assert!(matches!(&checked, Ok(Checked::Sealed(sealed)) if sealed.is_intact), "{name}: {checked:?}");
    }
    // Each record continues the one before, if its vector says so.
    for pair in VECTORS.windows(2) {
        if goes_on(&pair[1]) {
            assert_eq!(text(&pair[1], "previous"), text(&pair[0], "head"), "{}", text(&pair[1], "name"));
        }
    }
    let all = fs::read_to_string(path()).expect("docs/seal-vectors.json");
    for part in [
        "sha-256",
        "sha-512/256",
        "\\\"link\\\"",
        "\\\"notes\\\"",
        "\\\"renamed\\\"",
        "\\\"error\\\"",
        "raw_base64",
        "\\\"certs\\\"",
        "\\\"redacted\\\"",
        "hmac-key-missing",
        "\\\"schema\\\"",
        "\\\"invalid\\\"",
        "\\\"invalid_count\\\"",
        "\\\"disposition\\\"",
        "\\\"quarantine\\\"",
        "\\\"unchecked\\\"",
        "[unscanned]",
    ] {
        assert!(all.contains(part), "no vector has {part}");
    }
}

/// Compares the canonical forms of numbers, as they would be sealed or may come from
/// elsewhere.
#[test]
fn both_implementations_print_the_same_numbers() {
    let (mut tape, mut canonical) = (Tape::new(), Canonical::new());
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let random = std::iter::from_fn(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        Some(state)
    });
    let powers = (0..2047)
        .flat_map(|exponent: u64| (0..4).map(move |low| (exponent << 52).wrapping_add(low).wrapping_sub(2)));
    // Numbers halfway between two texts: n + 1/4, 1/8, 1/16 … with few bits to spare.
    let ties = (2..20).flat_map(|bits| {
        let unit = f64::from(1 << bits).recip();
        (44..53).flat_map(move |size: u64| {
            (1..200_u64).map(move |at| (at * ((1_u64 << size) / 211)) as f64 + unit)
        })
    });
    let ties = ties.map(f64::to_bits);
    let decimals = (-330..309).flat_map(|exponent| {
        (1..40).map(move |digits| format!("{digits}e{exponent}").parse().unwrap_or(0.0)).map(f64::to_bits)
    });
    let all = random.take(50_000).chain(powers).chain(ties).chain(decimals).map(f64::from_bits);
    for value in all.filter(|value| value.is_finite()) {
        for token in [format!("{value:e}"), format!("{value}")] {
            let record = format!("{{\"a\":{token}}}");
            tape.read(record.as_bytes(), Dialect::Json).expect("a record");
            canonical.write(&mut tape, record.as_bytes()).expect("memory");
            let expected = specification::canonical(&serde_json::from_str(&record).expect("JSON"));
            assert_eq!(String::from_utf8_lossy(canonical.text()), expected);
        }
    }
}
