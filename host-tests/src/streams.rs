//! The recorded calls in `examples/streams`.

use crate::root;
use anyhow::{Context, Result};
use flb_audit_host::stream::{self, Call};
use std::fs::{self, File};
use std::io::BufReader;

/// Returns the calls of a stream.
pub fn calls(name: &str) -> Result<Vec<Call>> {
    let path = root().join("examples/streams").join(name).with_extension("ndjson");
    stream::read(BufReader::new(File::open(&path).with_context(|| path.display().to_string())?)).collect()
}

/// Returns the texts of the records, one a line, like the log that they may have come
/// from.
pub fn lines(calls: &[Call]) -> String {
    calls.iter().map(|call| call.record.clone() + "\n").collect()
}

/// Returns the names of all streams, in order.
pub fn names() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root().join("examples/streams"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "ndjson")
            && let Some(stem) = path.file_stem()
        {
            names.push(stem.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}
