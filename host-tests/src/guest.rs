//! The module that ships, called like a filter, and the records that it returns.

use crate::program::dist;
use flb_audit_core::chain::ChainId;
use flb_audit_core::chain::state::{FILE_NAME, Header};
use flb_audit_core::hash::Algorithm;
use flb_audit_core::verify::{Checked, Checker, Sealed};
use flb_audit_host::filter::{Filter, Host, Limits, Outcome};
use flb_audit_policy::module::with_table;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;
use tempfile::TempDir;

/// Returns the path of the module.
pub fn module() -> PathBuf {
    dist("filter_audit.wasm")
}

/// The module, which is compiled once.
pub static FILTER: LazyLock<Filter> =
    LazyLock::new(|| Filter::from_file(&module()).expect("the module cannot be compiled"));

/// Returns the module with another policy in it.
pub fn filter_with(table: &[u8]) -> Filter {
    let module = with_table(&fs::read(module()).expect("the module"), table).expect("a module");
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), module).expect("a file");
    Filter::from_file(file.path()).expect("a module")
}

/// Creates a state directory with a new chain.
pub fn directory(algorithm: Algorithm) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let header = Header { id: ChainId::from_random(*b"nine byte"), algorithm };
    fs::write(directory.path().join(FILE_NAME), header.to_file()).expect("a file");
    directory
}

/// Returns limits for a filter with an accessible directory.
pub fn limits(directory: &TempDir) -> Limits {
    Limits { directory: Some(directory.path().to_path_buf()), ..Limits::default() }
}

/// Returns the record that a call has returned.
#[track_caller]
pub fn returned(outcome: Outcome) -> Vec<u8> {
    assert_eq!(outcome.trap, None);
    outcome.returned.expect("a record")
}

/// Passes a small record.
#[track_caller]
pub fn pass(host: &mut Host<'_>) -> Vec<u8> {
    returned(host.call_bytes(b"tag", 1_795_161_600, 0, br#"{"a":1}"#).expect("a call"))
}

/// Returns the seal of a record, which must be intact.
#[track_caller]
pub fn intact(text: &[u8]) -> Sealed {
    match Checker::new(Vec::new()).check(text) {
        Ok(Checked::Sealed(sealed)) if sealed.is_intact => *sealed,
        other => panic!("{other:?}: {}", String::from_utf8_lossy(text)),
    }
}

/// Returns the notes of a sealed record.
pub fn notes(text: &[u8]) -> Vec<String> {
    let record: Value = serde_json::from_slice(text).expect("JSON");
    let notes = record["audit"]["notes"].as_array().cloned().unwrap_or_default();
    notes.iter().filter_map(|note| note.as_str().map(String::from)).collect()
}
