//! `flb-audit check --ocsf`: tries the mappings of a policy on logs at rest.
//!
//! A record without a seal goes through the policy as in the filter. A sealed record is taken in its
//! redacted form. Either becomes an event, which the built-in schema of its class checks, in
//! mode `strict`. An event that the filter has made already is checked as it is.

use super::{Conclusion, Example, Report, keep, violations};
use crate::dry_run::DryRun;
use crate::input::{self, At, Record, Seen, Source};
use crate::stdout::{print, shown};
use crate::terminal::print_result;
use anyhow::{Context, Result, anyhow};
use flb_audit_core::Tape;
use flb_audit_core::policy::Policy;
use flb_audit_core::record::member::AUDIT;
use flb_audit_core::record::tape::Dialect;
use flb_audit_core::schema::{Disposition, Outcome, Program, Validator};
use flb_audit_core::verify::{Checked, Checker};
use flb_audit_policy::catalogue::{self, Mode};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

/// A built-in schema of a class.
struct Schema {
    name: String,
    program: Vec<u8>,
}

/// The result for one record.
enum Event {
    /// An event of this class, and what its schema says of it.
    Of(u64, Conclusion),
    /// No mapping is for the record, for this reason.
    NotMapped(String),
    NotChecked(String),
}

/// The report. Serialized, it is the JSON report.
#[derive(Default, Serialize)]
struct Events {
    /// The number of events, by the uid of their class.
    classes: BTreeMap<u64, u64>,
    without_mapping: u64,
    /// The reasons, each with its number of records and the first of them.
    unmapped: BTreeMap<String, Unmapped>,
    #[serde(flatten)]
    report: Report,
}

#[derive(Default, Serialize)]
struct Unmapped {
    records: u64,
    first: Vec<Example>,
}

/// Checks all records of the sources. Returns the exit code.
pub(super) fn check(
    policy: Policy<'_>,
    tag: Option<&[u8]>,
    ignored: &[String],
    sources: &[Source],
    json: bool,
) -> Result<u8> {
    let mut schemas = BTreeMap::new();
    for (class, name) in catalogue::OCSF_CLASSES {
        let compiled = catalogue::compile(name, Mode::Strict).context("no such schema")?;
        let compiled = compiled.map_err(|error| anyhow!("{name}: {error}"))?;
        schemas.insert(u64::from(class), Schema { name: name.into(), program: compiled.program });
    }
    // An error shows here, and not in each worker.
    DryRun::new(policy, None)?;
    let worker = || {
        let mut records = Records {
            policy,
            tag,
            dry_run: DryRun::new(policy, None).ok(),
            checker: Checker::new(ignored.to_vec()),
            schemas: &schemas,
            validator: Validator::new(),
            tape: Tape::new(),
        };
        move |at: At, record: Result<Record<'_>, String>| match record {
            Ok(record) => records.check(record.text).map(|found| (at, found)),
            Err(reason) => Seen::Record((at, Event::NotChecked(reason))),
        }
    };
    let mut events = Events::default();
    events.report.inputs = input::read(sources, worker, |(at, found)| {
        events.add(at, found, sources);
        Ok(())
    })?;
    events.report.end();
    if json {
        print(&(serde_json::to_string_pretty(&events)? + "\n"))?;
    } else {
        print_result(&events.to_text()?, events.report.level())?;
    }
    Ok(events.report.exit_code)
}

/// Turns records into events, and checks these.
struct Records<'a> {
    policy: Policy<'a>,
    tag: Option<&'a [u8]>,
    /// `None` only if there is no memory for it.
    dry_run: Option<DryRun<'a>>,
    checker: Checker,
    schemas: &'a BTreeMap<u64, Schema>,
    validator: Validator,
    tape: Tape,
}

impl Records<'_> {
    fn check(&mut self, text: &[u8]) -> Seen<Event> {
        let mut is_record = true;
        let found = self.try_to_check(text, &mut is_record).unwrap_or_else(Event::NotChecked);
        if is_record { Seen::Record(found) } else { Seen::Other(found) }
    }

    fn try_to_check(&mut self, text: &[u8], is_record: &mut bool) -> Result<Event, String> {
        let sealed = match self.checker.check(text) {
            Ok(Checked::Sealed(sealed)) => sealed,
            Ok(checked) => {
                *is_record = !matches!(checked, Checked::Unsealed);
                let tag = self.tag.ok_or("a record without a seal: --tag says under which tag it went")?;
                return self.normalize(tag, text);
            }
            Err(unreadable) => {
                *is_record = false;
                return Err(unreadable.to_string());
            }
        };
        let tag = sealed.tag().unwrap_or_default();
        match sealed.disposition {
            _ if sealed.is_raw => Err("sealed as raw text, since it could not be read".into()),
            Disposition::Quarantine => {
                let text = sealed.quarantined().ok_or("in quarantine, without its text")?;
                self.normalize(tag.as_bytes(), text.as_bytes())
            }
            Disposition::Drop => Err("dropped: only its seal is left".into()),
            Disposition::Mark => {
                let mut record: Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
                let seal = record.as_object_mut().and_then(|members| members.shift_remove(AUDIT));
                if seal.is_some_and(|seal| seal["normalized"].is_string()) {
                    return self.event(&record);
                }
                self.normalize(tag.as_bytes(), record.to_string().as_bytes())
            }
        }
    }

    /// Turns a record into its event, and checks the event.
    fn normalize(&mut self, tag: &[u8], text: &[u8]) -> Result<Event, String> {
        let dry_run = self.dry_run.as_mut().ok_or("out of memory")?;
        let sealed = dry_run.seal(tag, text).map_err(|error| error.to_string())?;
        if sealed.seal["normalized"].is_string() {
            return self.event(&sealed.record);
        }
        self.tape.read(text, Dialect::FluentBit).map_err(|unreadable| unreadable.to_string())?;
        self.policy.recognize(tag, &mut self.tape, text);
        let why = match self.policy.format(&self.tape) {
            Some(format) => format!("of the format {}", shown(&String::from_utf8_lossy(format))),
            None if self.policy.is_wrapper(&self.tape) => "with other records in them".into(),
            None => "of no known format".into(),
        };
        Ok(Event::NotMapped(why))
    }

    fn event(&mut self, event: &Value) -> Result<Event, String> {
        let class = event["class_uid"].as_u64().ok_or("an event without a class")?;
        let Some(Schema { name, program }) = self.schemas.get(&class) else {
            return Ok(Event::Of(class, Conclusion::NoSchema));
        };
        let text = event.to_string();
        let text = text.as_bytes();
        self.tape.read(text, Dialect::Json).map_err(|unreadable| unreadable.to_string())?;
        let program = Program::read(program).ok_or("the schema is damaged")?;
        let conclusion = match self.validator.check(&program, &self.tape, text) {
            Outcome::Valid => Conclusion::Valid(name.clone()),
            Outcome::NotChecked(cause) => Conclusion::NotChecked(cause.word().into()),
            Outcome::Invalid(report) => {
                Conclusion::Invalid(name.clone(), violations(&program, report, &self.tape, text))
            }
        };
        Ok(Event::Of(class, conclusion))
    }
}

impl Events {
    fn add(&mut self, at: At, found: Event, sources: &[Source]) {
        match found {
            Event::Of(class, conclusion) => {
                *self.classes.entry(class).or_default() += 1;
                self.report.add(at, conclusion, sources);
            }
            Event::NotChecked(why) => self.report.add(at, Conclusion::NotChecked(why), sources),
            Event::NotMapped(why) => {
                self.report.records += 1;
                self.without_mapping += 1;
                let of_kind = self.unmapped.entry(why).or_default();
                of_kind.records += 1;
                let At { source, number } = at;
                let what = "no mapping".into();
                keep(&mut of_kind.first, Example { at, source: sources[source].name(), number, what });
            }
        }
    }

    fn to_text(&self) -> Result<String> {
        let Events { report, .. } = self;
        let mut out = report.inputs.to_string();
        for (class, count) in &self.classes {
            writeln!(out, "class {class}: {count} events")?;
        }
        report.write_schemas(&mut out)?;
        if report.without_schema > 0 {
            writeln!(out, "{} events are of classes without a built-in schema", report.without_schema)?;
        }
        for (why, Unmapped { records, first }) in &self.unmapped {
            writeln!(out, "{records} records {why} have no mapping, or no case of it is for them")?;
            for Example { source, number, .. } in first {
                writeln!(out, "  {source}:{number}")?;
            }
        }
        report.write_not_checked(&mut out)?;
        let events: u64 = self.classes.values().sum();
        writeln!(
            out,
            "{events} of {} records become events; {} events are invalid",
            report.records, report.invalid
        )?;
        Ok(out)
    }
}
