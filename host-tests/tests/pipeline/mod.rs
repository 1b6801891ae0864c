//! The very module that ships, in a pipeline, and what comes out of it.

use flb_audit_core::chain::state::{FILE_NAME, Header};
use flb_audit_core::chain::{ChainId, GENESIS};
use flb_audit_core::hash::Algorithm;
use flb_audit_core::verify::{Checked, Checker, Sealed};
use flb_audit_host::filter::{Filter, Host, Limits, Outcome};
use flb_audit_host::stream::{self, Call};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use tempfile::TempDir;

/// A place in the checkout.
pub(crate) fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Where the module is.
pub(crate) fn module() -> PathBuf {
    let path = root("dist/filter_audit.wasm");
    assert!(path.is_file(), "{}: no such file; run `cargo xtask build` first", path.display());
    path
}

/// The module, compiled once.
pub(crate) static FILTER: LazyLock<Filter> =
    LazyLock::new(|| Filter::from_file(&module()).expect("the module cannot be compiled"));

/// The recorded calls.
pub(crate) fn stream(name: &str) -> Vec<Call> {
    let text = fs::read(root("examples/streams").join(name)).expect("a stream");
    stream::read(&text[..]).collect::<Result<_, _>>().expect("a stream")
}

/// All of them.
pub(crate) fn streams() -> Vec<Call> {
    let calls = [stream("cloudtrail.ndjson"), stream("kubernetes-audit.ndjson")].concat();
    assert!(calls.len() >= 600);
    calls
}

/// A state directory with a new chain.
pub(crate) fn directory(algorithm: Algorithm) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let header = Header { id: ChainId::from_random(*b"nine byte"), algorithm };
    fs::write(directory.path().join(FILE_NAME), header.to_file()).expect("a file");
    directory
}

/// A filter that may reach it.
pub(crate) fn limits(directory: &TempDir) -> Limits {
    Limits { directory: Some(directory.path().to_path_buf()), ..Limits::default() }
}

/// What a call has returned.
#[track_caller]
pub(crate) fn returned(outcome: Outcome) -> Vec<u8> {
    assert_eq!(outcome.trap, None);
    outcome.returned.expect("a record")
}

/// Passes a small record.
#[track_caller]
pub(crate) fn pass(host: &mut Host<'_>) -> Vec<u8> {
    returned(host.call_bytes(b"tag", 1_795_161_600, 0, br#"{"a":1}"#).expect("a call"))
}

/// The seal of a record that is intact.
#[track_caller]
pub(crate) fn intact(text: &[u8]) -> Sealed {
    match Checker::new(Vec::new()).check(text) {
        Ok(Checked::Sealed(sealed)) if sealed.is_intact => *sealed,
        other => panic!("{other:?}: {}", String::from_utf8_lossy(text)),
    }
}

/// The notes of a sealed record.
pub(crate) fn notes(text: &[u8]) -> Vec<String> {
    let record: Value = serde_json::from_slice(text).expect("JSON");
    let notes = record["audit"]["notes"].as_array().cloned().unwrap_or_default();
    notes.iter().filter_map(|note| note.as_str().map(String::from)).collect()
}

/// A leaf in which two records differ.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) path: String,
    pub(crate) before: String,
    pub(crate) after: String,
}

/// Where `out`, a record without its seal, is not what came. That it holds the
/// token of a rule in each of these places, and what was done nowhere else, is
/// checked.
#[track_caller]
pub(crate) fn changes(came: &Value, out: &Value, audit: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    compare("", came, out, &mut found);
    let entries = audit["redacted"].as_array().cloned().unwrap_or_default();
    let rules: Vec<&str> = entries.iter().filter_map(|entry| entry.as_str()?.split(' ').next()).collect();
    assert_eq!(rules.is_empty(), found.is_empty(), "{entries:?} {found:?}");
    for change in &found {
        let has_token = |rule: &&str| change.after.contains(&format!("[{rule}"));
        assert!(rules.iter().any(has_token), "{change:?} by {rules:?}");
    }
    found
}

#[track_caller]
fn compare(path: &str, came: &Value, out: &Value, found: &mut Vec<Change>) {
    match (came, out) {
        (Value::Object(ones), Value::Object(others)) => {
            assert_eq!(ones.len(), others.len(), "{path}");
            for (key, one) in ones {
                let other = others.get(key).unwrap_or_else(|| panic!("{path}.{key} is gone"));
                compare(&format!("{path}.{key}"), one, other, found);
            }
        }
        (Value::Array(ones), Value::Array(others)) => {
            assert_eq!(ones.len(), others.len(), "{path}");
            ones.iter().zip(others).for_each(|(one, other)| compare(&format!("{path}[]"), one, other, found));
        }
        _ if came == out => {}
        _ => {
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), String::from);
            found.push(Change { path: path.into(), before: text(came), after: text(out) });
        }
    }
}

/// Follows one chain by hand, without the verifier.
#[derive(Default)]
pub(crate) struct Follower {
    last: Option<Sealed>,
}

impl Follower {
    /// Takes the next record, of the same segment or of one that opens.
    #[track_caller]
    pub(crate) fn follow(&mut self, text: &[u8]) -> Sealed {
        let sealed = intact(text);
        match &self.last {
            None => {
                assert_eq!((sealed.place.segment, sealed.place.sequence), (1, 0));
                assert_eq!((sealed.previous, sealed.link), (GENESIS, None));
            }
            Some(last) => {
                assert_eq!((sealed.chain, sealed.previous), (last.chain, last.head));
                if sealed.place.sequence > 0 {
                    assert_eq!(
                        (sealed.place.segment, sealed.place.run),
                        (last.place.segment, last.place.run)
                    );
                    assert_eq!(sealed.place.sequence, last.place.sequence + 1);
                    assert_eq!(sealed.link, None);
                } else {
                    assert_eq!(sealed.place.segment, last.place.segment + 1);
                    assert_ne!(sealed.place.run, last.place.run);
                    assert_eq!(sealed.link.map(|link| link.place), Some(last.place));
                }
            }
        }
        self.last = Some(sealed);
        sealed
    }
}
