//! A sealer, and its output split into parts as text.

use flb_audit_core::chain::{Chain, ChainId, GENESIS, Place, Run};
use flb_audit_core::hash::Algorithm;
use flb_audit_core::record::notes::Notes;
use flb_audit_core::verify::{Checked, Checker, Sealed};
use flb_audit_core::{Event, Sealer};

/// Returns a chain before its first record.
pub(crate) fn chain() -> Chain {
    let run = Run::from_text(b"run-01").expect("a run's name");
    let id = ChainId::from_text(b"chain-000001").expect("a chain's name");
    let next = Place { segment: 1, run, sequence: 0 };
    Chain { id, algorithm: Algorithm::default(), next, head: GENESIS, link: None }
}

/// Returns a record as a host passes it.
pub(crate) fn event(record: &[u8]) -> Event<'_> {
    Event {
        tag: b"t",
        seconds: 1_795_161_600,
        nanoseconds: 5,
        record: Some(record),
        record_len: record.len(),
    }
}

/// A sealed record in parts.
#[derive(Debug)]
pub(crate) struct Parts {
    /// The record without its seal.
    pub(crate) record: String,
    /// The seal.
    pub(crate) seal: String,
    /// The notes, separated by commas.
    pub(crate) notes: String,
    /// The checker's result.
    pub(crate) checked: Sealed,
}

/// Seals the first record of a chain.
pub(crate) fn seal(event: &Event<'_>) -> Parts {
    let mut sealer = Sealer::new(chain(), Notes::NONE, None).expect("memory");
    take_apart(sealer.seal(event))
}

/// Splits the output of a sealer into parts.
pub(crate) fn take_apart(sealed: &[u8]) -> Parts {
    let text = sealed.strip_suffix(b"\0").expect("a NUL at the end");
    let text = String::from_utf8(text.to_vec()).expect("UTF-8");
    assert!(!text.contains('\0'), "a NUL inside: {text}");
    let at = text.rfind("\"audit\":{\"chain\":").expect("a seal");
    let before = text[..at].strip_suffix(',').unwrap_or(&text[..at]);
    let seal = &text[at + "\"audit\":".len()..text.len() - 1];
    let notes = seal.split_once("\"notes\":[").map_or("", |(_, rest)| rest.split(']').next().unwrap_or(""));
    let checked = match Checker::new(Vec::new()).check(text.as_bytes()) {
        Ok(Checked::Sealed(sealed)) => *sealed,
        other => panic!("{other:?}: {text}"),
    };
    assert!(checked.is_intact, "not intact: {text}");
    Parts { record: format!("{before}}}"), seal: seal.to_owned(), notes: notes.replace('"', ""), checked }
}

/// A client of Fluent Bit can send any number of nanoseconds.
#[test]
fn nanoseconds_above_a_second_are_carried() {
    for (seconds, nanoseconds, time) in [
        (7, 999_999_999, "7.999999999"),
        (7, 1_000_000_000, "8.000000000"),
        (7, u32::MAX, "11.294967295"),
        (u32::MAX, 1_000_000_001, "4294967295.000000001"),
    ] {
        let parts = seal(&Event { seconds, nanoseconds, ..event(b"{}") });
        assert!(parts.seal.contains(&format!("\"time\":\"{time}\"")), "{}", parts.seal);
    }
}
