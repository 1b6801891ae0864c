//! The expected records, and the first difference from the records that came out.

use crate::sink::{Record, Sink};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Number, Value, json};
use std::collections::HashMap;

/// A record as it has to come out.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub(crate) tag: String,
    /// Seconds and nanoseconds; none where Fluent Bit gives the time.
    pub(crate) time: Option<(u32, u32)>,
    pub(crate) record: Value,
    /// The expected remarks of the seal; none if they are left open.
    pub(crate) remarks: Option<Value>,
    /// The largest deviation of a double, as a part of itself.
    pub(crate) tolerance: f64,
}

/// The deviation that sixteen digits tell apart, and a half.
const SIXTEEN_DIGITS: f64 = 1e-15;

/// The members of a seal that say something of its record.
const REMARKS: [&str; 11] = [
    "notes",
    "normalized",
    "redacted",
    "renamed",
    "error",
    "raw_bytes",
    "schema",
    "disposition",
    "invalid",
    "invalid_count",
    "unchecked",
];

impl Expected {
    /// A record that comes out as it went in.
    pub(crate) fn unchanged(tag: &str, time: Option<(u32, u32)>, record: Value) -> Self {
        Expected { tag: tag.to_owned(), time, record, remarks: Some(json!({})), tolerance: 0.0 }
    }

    /// Values stay equal, except that doubles may change in their last digit.
    pub(crate) fn alike(self) -> Self {
        Expected { remarks: None, tolerance: SIXTEEN_DIGITS, ..self }
    }

    fn check(&self, mut found: Record, adds_date: bool) -> Result<()> {
        if let Some(fields) =
            found.record.as_object_mut().filter(|_| adds_date && self.record.get("date").is_none())
        {
            fields.shift_remove("date");
        }
        let audit = &found.audit;
        ensure!(audit["tag"] == *self.tag, "its tag is {}, not {}", audit["tag"], self.tag);
        if let Some((seconds, nanoseconds)) = self.time {
            let time = format!("{seconds}.{nanoseconds:09}");
            ensure!(audit["time"] == *time, "its time is {}, not {time}", audit["time"]);
        }
        let remarks = remarks(audit);
        if let Some(expected) = &self.remarks {
            ensure!(remarks == *expected, "its seal says {remarks}, not {expected}");
        }
        match difference("", &self.record, &found.record, self.tolerance) {
            Some(what) => bail!("{what:.600}"),
            None => Ok(()),
        }
    }
}

/// Returns the remarks of a seal on its record.
pub(crate) fn remarks(audit: &Value) -> Value {
    let remark = |name: &str| Some((name.to_owned(), audit.get(name)?.clone()));
    Value::Object(REMARKS.into_iter().filter_map(remark).collect::<Map<_, _>>())
}

/// Holds what came out of an output against what had to, tag by tag, each in
/// the order of the chain.
pub(crate) fn check(sink: &Sink, expected: &[Expected]) -> Result<()> {
    let mut found: HashMap<String, Vec<Record>> = HashMap::new();
    for record in sink.records()? {
        let tag = record.audit["tag"].as_str().context("a seal without a tag")?.to_owned();
        found.entry(tag).or_default().push(record);
    }
    let count: usize = found.values().map(Vec::len).sum();
    let mut found: HashMap<String, _> =
        found.into_iter().map(|(tag, records)| (tag, records.into_iter())).collect();
    for (at, expected) in expected.iter().enumerate() {
        let record = found.get_mut(&expected.tag).and_then(Iterator::next);
        let record = record.with_context(|| format!("no record for {:.200}", expected.record.to_string()))?;
        expected.check(record, sink.adds_date).with_context(|| format!("record {at}"))?;
    }
    ensure!(count == expected.len(), "{count} records for {}", expected.len());
    Ok(())
}

/// Describes the first difference of `found` from `expected`, and its place. The
/// order of members and the kind of a number count.
fn difference(at: &str, expected: &Value, found: &Value, tolerance: f64) -> Option<String> {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            let (keys, other): (Vec<_>, Vec<_>) = (expected.keys().collect(), found.keys().collect());
            if keys != other {
                return Some(format!("{at}: members {other:?}, not {keys:?}"));
            }
            let inner = |(key, value)| difference(&format!("{at}/{key}"), value, &found[key], tolerance);
            expected.iter().find_map(inner)
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            let pairs = expected.iter().zip(found).enumerate();
            pairs
                .map(|(index, (expected, found))| {
                    difference(&format!("{at}/{index}"), expected, found, tolerance)
                })
                .find_map(|difference| difference)
        }
        (Value::Number(expected), Value::Number(found)) if is_same(expected, found, tolerance) => None,
        _ if expected == found => None,
        _ => Some(format!("{at}: {found}, not {expected}")),
    }
}

fn is_same(expected: &Number, found: &Number, tolerance: f64) -> bool {
    let is_double = |number: &Number| number.as_str().contains(['.', 'e', 'E']);
    // Without its last digit a double may have no fraction, and then Fluent
    // Bit prints it as it prints integers.
    if !is_double(expected) || (!is_double(found) && tolerance == 0.0) {
        return expected == found;
    }
    let (Some(expected), Some(found)) = (expected.as_f64(), found.as_f64()) else {
        return false;
    };
    (expected - found).abs() <= tolerance * expected.abs()
}
