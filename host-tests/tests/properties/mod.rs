//! What holds for every input: shared by the tests and, by path, by the fuzz
//! targets.
//!
//! `far_end` is Fluent Bit after the filter: it parses what the filter has
//! returned and prints it again, in an output's way.

pub(crate) mod far_end;
pub(crate) mod policies;

use far_end::{Choices, Digest};
use flb_audit_core::chain::{Chain, ChainId, GENESIS, Place, Run};
use flb_audit_core::hash::Algorithm;
use flb_audit_core::record::canonical::Canonical;
use flb_audit_core::record::notes::Notes;
use flb_audit_core::record::tape::Dialect;
use flb_audit_core::verify::{Checked, Checker, Sealed};
use flb_audit_core::{Event, Sealer, Tape};
use serde_json::Value;

/// The keys that an output may add.
pub(crate) const ADDED: [&str; 2] = ["date", "@timestamp"];

/// A chain before its first record.
pub(crate) fn chain(algorithm: Algorithm) -> Chain {
    let run = Run::from_text(b"run-01").expect("a run's name");
    let id = ChainId::from_text(b"chain-000001").expect("a chain's name");
    Chain { id, algorithm, next: Place { segment: 1, run, sequence: 0 }, head: GENESIS, link: None }
}

/// A sealer of that chain.
pub(crate) fn sealer(algorithm: Algorithm) -> Sealer<'static> {
    Sealer::new(chain(algorithm), Notes::NONE, None).expect("memory")
}

/// A record as the host passes it.
pub(crate) fn event<'a>(tag: &'a [u8], record: &'a [u8]) -> Event<'a> {
    Event { tag, seconds: 1_795_161_600, nanoseconds: 5, record: Some(record), record_len: record.len() }
}

/// A checker that tolerates [`ADDED`].
pub(crate) fn checker() -> Checker {
    Checker::new(ADDED.map(String::from).to_vec())
}

/// The text before the NUL that ends what a sealer gives.
pub(crate) fn text(sealed: &[u8]) -> &[u8] {
    let text = sealed.strip_suffix(b"\0").expect("no NUL at the end");
    assert!(!text.contains(&0), "a NUL inside");
    text
}

/// Parses, however deep it is.
pub(crate) fn parse(text: &[u8]) -> Value {
    let mut parser = serde_json::Deserializer::from_slice(text);
    parser.disable_recursion_limit();
    let value: Result<Value, _> = serde::Deserialize::deserialize(&mut parser);
    let value = value.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(text)));
    parser.end().expect("more than one value");
    value
}

/// The seal of a record that has one and is as it was sealed.
pub(crate) fn intact(text: &[u8]) -> Sealed {
    match checker().check(text) {
        Ok(Checked::Sealed(sealed)) if sealed.is_intact => *sealed,
        other => panic!("{other:?}: {}", String::from_utf8_lossy(text)),
    }
}

/// Reading never panics, and what is read has a canonical form that is its
/// own canonical form. As Fluent Bit's text only what was so before: there,
/// numbers settle.
pub(crate) fn tape(input: &[u8]) {
    let _ = checker().check(input);
    if is_beyond_serde_json(input) {
        return;
    }
    let both = [Dialect::Json, Dialect::FluentBit];
    for (dialect, readers) in [(Dialect::Json, &both[..1]), (Dialect::FluentBit, &both[..])] {
        let Some(first) = canonical(input, dialect) else {
            continue;
        };
        parse(&first);
        for again in readers {
            let second = canonical(&first, *again);
            let shown = String::from_utf8_lossy(&first).into_owned();
            assert_eq!(second.as_deref().map(String::from_utf8_lossy).as_deref(), Some(&*shown));
        }
    }
}

/// The second opinion, serde_json with numbers of any precision, takes an
/// object with a key of this name for a number of its own.
fn is_beyond_serde_json(input: &[u8]) -> bool {
    input.windows(20).any(|part| part == b"$serde_json::private")
}

/// The canonical form of a text, if it can be read.
pub(crate) fn canonical(text: &[u8], dialect: Dialect) -> Option<Vec<u8>> {
    let (mut tape, mut canonical) = (Tape::new(), Canonical::new());
    tape.read(text, dialect).ok()?;
    canonical.write(&mut tape, text).expect("memory");
    Some(canonical.text().to_vec())
}

/// Whatever comes in goes out sealed, and stays intact on its way through
/// Fluent Bit.
pub(crate) fn call(input: &[u8]) {
    if is_beyond_serde_json(input) {
        return;
    }
    let digest = Digest::of(input);
    let algorithm = Algorithm::ALL[(digest.0 & 1) as usize];
    let mut sealer = sealer(algorithm);
    let tag = &input[..input.len().min(8)];
    let mut previous = GENESIS;
    // The second time, the sealer's memory holds what the first has left.
    for sequence in 0..2 {
        let out = sealer.seal(&event(tag, input)).to_vec();
        let sealed = intact(text(&out));
        assert_eq!((sealed.place.sequence, sealed.previous), (sequence, previous));
        assert_eq!(sealer.chain().head, sealed.head);
        previous = sealed.head;
        let value = parse(text(&out));
        let fields = value.as_object().expect("an object");
        if !sealed.is_raw && sequence == 1 {
            let (printed, added) = far_end::print(fields, &mut Choices::new(digest));
            let sealed = intact(printed.as_bytes());
            assert_eq!(sealed.unsealed_keys, added, "{printed}");
        }
    }
}
