//! A recorded stream: the calls of a filter by Fluent Bit, one a line.
//!
//! A line is a JSON object with `tag`, `sec`, `nsec` and `record`. The record is a string
//! with the text that the filter was given, because that text need not be JSON.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::io::BufRead;

/// One call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The tag of the record.
    pub tag: String,
    /// The seconds of the record's time since 1970.
    pub sec: u32,
    /// The nanoseconds of the record's time.
    pub nsec: u32,
    /// The record's text.
    pub record: String,
}

/// Reads a stream. Empty lines are skipped.
pub fn read(lines: impl BufRead) -> impl Iterator<Item = Result<Call>> {
    lines.lines().enumerate().filter_map(|(at, line)| {
        let parsed = line.map_err(anyhow::Error::from).and_then(|line| {
            if line.trim().is_empty() { Ok(None) } else { Ok(Some(serde_json::from_str(&line)?)) }
        });
        let what = || format!("line {}: not a call; a line holds tag, sec, nsec and record", at + 1);
        parsed.with_context(what).transpose()
    })
}
