//! The sealed records from an output, in a file.

use crate::poll;
use crate::process::Process;
use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

/// A file of records: one record a line, or an array.
#[derive(Clone, Debug)]
pub(crate) struct Sink {
    /// The output and its format.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// True if the output adds a member `date` to records that have none.
    pub(crate) adds_date: bool,
}

/// A sealed record and its parts.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) identity: Identity,
    /// The record without its seal.
    pub(crate) record: Value,
    pub(crate) audit: Value,
}

/// The place of a record in its chain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) struct Identity {
    pub(crate) seg: u64,
    pub(crate) run: String,
    pub(crate) seq: u64,
}

/// The part of a record that distinguishes it from others.
#[derive(Deserialize)]
struct Sealed {
    audit: Identity,
}

impl Sink {
    /// Returns the texts of the records, without an incomplete last line.
    fn texts(&self) -> Result<Vec<String>> {
        let bytes = match fs::read(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            bytes => bytes?,
        };
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let text = str::from_utf8(&bytes[..whole]).context("not UTF-8")?;
        let mut texts = Vec::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            if line.starts_with('[') {
                let elements: Vec<Box<RawValue>> = serde_json::from_str(line)?;
                texts.extend(elements.into_iter().map(|element| element.get().to_owned()));
            } else {
                texts.push(line.to_owned());
            }
        }
        Ok(texts)
    }

    /// Returns the places of all records, without duplicates.
    fn identities(&self) -> Result<BTreeSet<Identity>> {
        let parse = |text: String| {
            let sealed: Sealed =
                serde_json::from_str(&text).with_context(|| format!("not sealed: {text:.300}"))?;
            Ok(sealed.audit)
        };
        self.texts()?.into_iter().map(parse).collect()
    }

    /// Waits until this number of records has come out. Duplicates count once.
    pub(crate) fn wait_for(&self, process: &mut Process, count: usize) -> Result<()> {
        let (mut len, found) = (0, Cell::new(0));
        let done = || {
            process.ensure_running()?;
            let now = fs::metadata(&self.path).map_or(0, |metadata| metadata.len());
            if now != len {
                len = now;
                found.set(self.identities().with_context(|| self.name.clone())?.len());
            }
            Ok((found.get() >= count).then_some(()))
        };
        let what = format!("{count} records from {}", self.name);
        poll::until(&what, done, || format!("{} are there", found.get()))
    }

    /// Returns all records in the order of their places, without duplicates.
    pub(crate) fn records(&self) -> Result<Vec<Record>> {
        let parse = |text: String| {
            Record::parse(&text).with_context(|| format!("no record of {}: {text:.300}", self.name))
        };
        let mut records: Vec<Record> = self.texts()?.into_iter().map(parse).collect::<Result<_>>()?;
        records.sort_by(|a, b| a.identity.cmp(&b.identity));
        records.dedup_by(|a, b| a.identity == b.identity);
        Ok(records)
    }
}

impl Record {
    fn parse(text: &str) -> Result<Self> {
        let mut record: Value = serde_json::from_str(text)?;
        let fields = record.as_object_mut().context("not an object")?;
        let is_last = fields.keys().next_back().is_some_and(|key| key == "audit");
        let audit = fields.remove("audit").filter(|_| is_last).context("its last member is no seal")?;
        let identity = Identity::deserialize(&audit)?;
        Ok(Record { identity, record, audit })
    }
}
