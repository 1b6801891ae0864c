//! A recorded stream: what Fluent Bit called a filter with, line by line.
//!
//! A line is a JSON object with `tag`, `sec`, `nsec` and `record`. The record
//! is a string that holds the text that the filter was given, since that need
//! not be JSON.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::io::BufRead;

/// One call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The tag under which the record goes.
    pub tag: String,
    /// The record's time, in seconds since 1970.
    pub sec: u32,
    /// And the nanoseconds.
    pub nsec: u32,
    /// The record's text.
    pub record: String,
}

/// Reads a stream. Empty lines are passed over.
pub fn read(lines: impl BufRead) -> impl Iterator<Item = Result<Call>> {
    lines.lines().enumerate().filter_map(|(at, line)| {
        let parsed = line.map_err(anyhow::Error::from).and_then(|line| {
            if line.trim().is_empty() { Ok(None) } else { Ok(Some(serde_json::from_str(&line)?)) }
        });
        let what = || format!("line {}: not a call; a line holds tag, sec, nsec and record", at + 1);
        parsed.with_context(what).transpose()
    })
}
