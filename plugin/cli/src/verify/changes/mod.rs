//! Finds out whether an altered record resembles a change that a store is known to make.
//!
//! A candidate change is undone, and the record's head shows whether that was the change.
//! So a resemblance is proven by the hash. Only fractions that were cut to 32 bits cannot
//! be restored. The record counts as altered in any case.

mod altered;
mod candidates;
mod edit;
mod key_value;
mod undo;

pub(super) use altered::Altered;
pub(super) use key_value::may_be as may_be_key_value;

use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// A change that a store has made to records.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    /// Names of top-level members that were added.
    MembersAdded(Vec<String>),
    NullsAdded,
    /// Names of members that were null and were removed.
    NullsRemoved(Vec<String>),
    IntegersAsText,
    IntegersRounded,
    DotsReplaced,
    KeyValue,
    FractionsOf32Bits,
}

impl Change {
    /// Describes the records after the change has been undone.
    fn shown(&self) -> String {
        match self {
            Change::MembersAdded(names) => format!("intact without {}", list(names)),
            Change::NullsAdded => "intact without the members that are null".into(),
            Change::NullsRemoved(names) => format!("intact with {}, as null", list(names)),
            Change::IntegersAsText => "intact with integers in place of text".into(),
            Change::IntegersRounded => "intact with integers that a double cannot hold".into(),
            Change::DotsReplaced => "intact with dots in place of `_` in names".into(),
            Change::KeyValue => "intact once they are JSON again".into(),
            Change::FractionsOf32Bits => "no fraction but those that 32 bits hold".into(),
        }
    }

    /// Names the stores and transports that are known for the change, and the way to
    /// avoid it.
    fn advice(&self) -> String {
        match self {
            Change::MembersAdded(names) => {
                let by = if names.iter().any(|name| name == "_id") {
                    "MongoDB, or a pipeline on the way there,"
                } else {
                    "Logstash, an ingest pipeline or the store"
                };
                let options: Vec<_> = names.iter().map(|name| format!("--ignore-key {name}")).collect();
                format!("{by} has added what the seal does not cover; `{}` leaves it out", options.join(" "))
            }
            Change::NullsAdded => {
                "Parquet, ORC and tables write every column for every record; keep each record as text in one column"
                    .into()
            }
            Change::NullsRemoved(_) => {
                "stores with columns, and serializers that leave out what is null, drop such members; keep each record \
                 as text in one column"
                    .into()
            }
            Change::IntegersAsText => {
                "BigQuery and protobuf write 64-bit integers as text; keep each record as text in one column".into()
            }
            Change::IntegersRounded => {
                "JavaScript, jq before 1.7 and others read integers as doubles; take the records from where they are \
                 stored, not from such a tool"
                    .into()
            }
            Change::DotsReplaced => {
                "`replace_dots` of Fluent Bit's `es` and `opensearch` does that; set it to `off`".into()
            }
            Change::KeyValue => {
                "`line_format key_value` of Fluent Bit's `loki` writes them so; set it to `json`".into()
            }
            Change::FractionsOf32Bits => {
                "a column of 32-bit floats (`float`, `real`, `FLOAT32`) keeps 7 digits; this is no proof, since the \
                 others are lost"
                    .into()
            }
        }
    }
}

fn list(names: &[String]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// The numbers of altered records that resemble each change.
#[derive(Debug, Default, Serialize)]
pub(super) struct Resemblances {
    /// The number of altered records that were examined.
    looked_at: u64,
    changes: Vec<Resemblance>,
}

#[derive(Debug, Serialize)]
struct Resemblance {
    change: Change,
    records: u64,
    what: String,
    advice: String,
}

impl Resemblances {
    fn new(looked_at: u64, counts: BTreeMap<Change, u64>) -> Self {
        let resemblance = |(change, records): (Change, u64)| {
            let (what, advice) = (change.shown(), change.advice());
            Resemblance { change, records, what, advice }
        };
        Resemblances { looked_at, changes: counts.into_iter().map(resemblance).collect() }
    }
}

/// The maximum number of changes that are listed in the report for a person.
const SHOWN_MAX: usize = 5;

impl fmt::Display for Resemblances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Resemblance { records, what, advice, .. } in self.changes.iter().take(SHOWN_MAX) {
            let text = format!("{records} of {} altered records: {what}; {advice}", self.looked_at);
            write_wrapped(f, &crate::stdout::shown(&text))?;
        }
        Ok(())
    }
}

/// The maximum width of a line, in characters.
const LINE_CHARACTERS_MAX: usize = 80;

/// Writes a text in lines, and indents all but the first.
fn write_wrapped(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let mut line = String::new();
    for word in text.split(' ') {
        if line.chars().count() + 1 + word.chars().count() > LINE_CHARACTERS_MAX && !line.trim().is_empty() {
            writeln!(f, "{line}")?;
            line = String::from(" ");
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += word;
    }
    writeln!(f, "{line}")
}
