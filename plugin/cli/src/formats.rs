//! `flb-audit formats`: lists the catalogue of audit formats, or the formats of the
//! records in logs.

use crate::exit;
use crate::input::{self, At, Inputs, Record, Seen, Source};
use crate::stdout::{print, shown};
use crate::terminal::print_report;
use anyhow::{Result, anyhow};
use clap::Args;
use flb_audit_core::Tape;
use flb_audit_core::policy::Policy;
use flb_audit_core::record::tape::{Dialect, Kind};
use flb_audit_core::text::{Characters, inner};
use flb_audit_policy::formats::{WRAPPERS, formats};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

/// List the known audit formats, or show the formats of the records in logs
#[derive(Args)]
pub(crate) struct FormatsCommand {
    /// The logs, as outputs wrote them or stores return them. `-` is standard input
    files: Vec<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// The formats of one text.
struct Told {
    at: At,
    /// The formats with the places of their records in the text. It is empty if no format
    /// is known.
    formats: Vec<(String, String)>,
    /// The reason why the text cannot be read.
    unreadable: Option<String>,
}

/// The report. Serialized, it is the JSON report.
#[derive(Default, Serialize)]
struct Report {
    exit_code: u8,
    /// The numbers of records by format.
    formats: BTreeMap<String, Counts>,
    unknown: u64,
    unreadable: u64,
    /// The forms in which inputs were stored, and the places of records in them.
    inputs: Inputs,
    /// The first record without a known format.
    #[serde(skip)]
    unknown_first: Option<At>,
    /// The first text that could not be read, and the reason.
    #[serde(skip)]
    unreadable_first: Option<(At, String)>,
}

#[derive(Default, Serialize)]
struct Counts {
    records: u64,
    /// The numbers of records by their place in a wrapping record. The place is empty for
    /// records that are not wrapped.
    places: BTreeMap<String, u64>,
}

impl FormatsCommand {
    pub(crate) fn run(self) -> Result<u8> {
        if self.files.is_empty() {
            if self.json {
                print(&catalogue_as_json()?)?
            } else {
                print_report(&catalogue())?
            }
            return Ok(exit::KNOWN);
        }
        let table = flb_audit_policy::compile_formats().map_err(|problem| anyhow!("{problem}"))?;
        let policy = Policy::check(&table).map_err(|what| anyhow!(what))?;
        let sources = Source::all(self.files)?;
        let worker = || {
            let mut tape = Tape::new();
            move |at: At, record: Result<Record<'_>, String>| match record {
                Ok(record) => tell(&policy, &mut tape, at, record.text),
                Err(reason) => Seen::Record(Told { at, formats: vec![], unreadable: Some(reason) }),
            }
        };
        let mut report = Report::default();
        report.inputs = input::read(&sources, worker, |told| {
            report.add(told);
            Ok(())
        })?;
        report.exit_code = if report.formats.is_empty() { exit::NONE_KNOWN } else { exit::KNOWN };
        if self.json {
            print(&(serde_json::to_string_pretty(&report)? + "\n"))?;
        } else {
            print_report(&report.to_text(&sources)?)?;
        }
        Ok(report.exit_code)
    }
}

/// Finds the formats in a text. A seal in the text does not matter.
fn tell(policy: &Policy<'_>, tape: &mut Tape, at: At, text: &[u8]) -> Seen<Told> {
    if let Err(unreadable) = tape.read(text, Dialect::Json) {
        return Seen::Other(Told { at, formats: vec![], unreadable: Some(unreadable.to_string()) });
    }
    policy.recognize(b"", tape, text);
    let name = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    let mut found = match policy.format(tape) {
        Some(format) => vec![(name(format), String::new())],
        None => Vec::new(),
    };
    if policy.is_wrapper(tape) {
        within(policy, tape, text, &mut |place, format| found.push((name(format), place.to_owned())));
    }
    Seen::Record(Told { at, formats: found, unreadable: None })
}

/// Finds records of known formats inside a record of unknown format, at the places where
/// the filter looks for them.
fn within(policy: &Policy<'_>, tape: &Tape, text: &[u8], found: &mut dyn FnMut(&str, &[u8])) {
    for path in WRAPPERS {
        let is_json = path.ends_with('|');
        let is_list = path.ends_with("[]");
        let mut value = Some(0);
        for name in path.trim_end_matches(['|', '[', ']']).split('.') {
            value = value.and_then(|object| member(tape, text, object, name));
        }
        let Some(value) = value else { continue };
        let kind = tape.nodes()[value].kind();
        let mut see = |object: usize| {
            if tape.nodes()[object].kind() == Kind::Object
                && let Some(format) = policy.format_within(b"", tape, text, object)
            {
                found(path, format);
            }
        };
        match kind {
            Kind::Array if is_list => {
                let mut element = value + 1;
                while element < tape.after(value) {
                    see(element);
                    element = tape.after(element);
                }
            }
            Kind::Object if !is_list && !is_json => see(value),
            Kind::String if is_json => {
                let json: String = Characters::of(inner(tape.text(&tape.nodes()[value], text))).collect();
                let mut inside = Tape::new();
                if inside.read(json.as_bytes(), Dialect::Json).is_ok()
                    && let Some(format) = policy.format_within(b"", &inside, json.as_bytes(), 0)
                {
                    found(path, format);
                }
            }
            _ => {}
        }
    }
}

/// Returns the value of an object's member.
fn member(tape: &Tape, text: &[u8], object: usize, name: &str) -> Option<usize> {
    if tape.nodes().get(object)?.kind() != Kind::Object {
        return None;
    }
    let is_it = |key: &usize| inner(tape.text(&tape.nodes()[*key], text)) == name.as_bytes();
    tape.keys(object).find(is_it).map(|key| key + 1)
}

impl Report {
    fn add(&mut self, told: Told) {
        if let Some(reason) = told.unreadable {
            self.unreadable += 1;
            if self.unreadable_first.as_ref().is_none_or(|(first, _)| told.at < *first) {
                self.unreadable_first = Some((told.at, reason));
            }
            return;
        }
        if told.formats.is_empty() {
            self.unknown += 1;
            self.unknown_first = Some(self.unknown_first.map_or(told.at, |first| first.min(told.at)));
        }
        for (format, place) in told.formats {
            let counts = self.formats.entry(format).or_default();
            counts.records += 1;
            *counts.places.entry(place).or_default() += 1;
        }
    }

    fn to_text(&self, sources: &[Source]) -> Result<String> {
        let mut out = self.inputs.to_string();
        for (format, counts) in &self.formats {
            writeln!(out, "{format}: {} records", counts.records)?;
            for (place, count) in counts.places.iter().filter(|(place, _)| !place.is_empty()) {
                writeln!(out, "  {count} of them in `{}`", shown(place))?;
            }
        }
        let place = |at: &At| format!("{}:{}", sources[at.source].name(), at.number);
        if let Some(first) = &self.unknown_first {
            writeln!(out, "unknown: {} records\n  {}", self.unknown, place(first))?;
        }
        if let Some((first, reason)) = &self.unreadable_first {
            writeln!(out, "not read: {} records\n  {}: {}", self.unreadable, place(first), shown(reason))?;
        }
        Ok(out)
    }
}

/// Returns the catalogue, one line for each format.
fn catalogue() -> String {
    formats().iter().map(|format| format!("{:<18} {}\n", format.name, format.title)).collect()
}

fn catalogue_as_json() -> Result<String> {
    let entries: Vec<_> = formats()
        .iter()
        .map(|format| {
            serde_json::json!({
                "name": format.name,
                "title": format.title,
                "schema": format.schema,
                "sources": format.sources,
            })
        })
        .collect();
    Ok(serde_json::to_string_pretty(&entries)? + "\n")
}
