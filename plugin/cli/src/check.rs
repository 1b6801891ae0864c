//! `flb-audit check`: runs the schemas of a policy over logs at rest.
//!
//! All cores run the same programs as the filter. The results are put together by schema
//! and by rule. With `--ocsf`, the mappings of the policy are tried instead.

mod ocsf;

use crate::build::table;
use crate::exit;
use crate::ignored::IgnoredKeys;
use crate::input::{self, At, Inputs, Record, Seen, Source};
use crate::stdout::{self, print};
use crate::terminal::print_result;
use crate::verdict::Level;
use anyhow::{Result, anyhow, bail};
use clap::Args;
use flb_audit_core::Tape;
use flb_audit_core::policy::Policy;
use flb_audit_core::record::canonical::Canonical;
use flb_audit_core::record::tape::Dialect;
use flb_audit_core::schema::{self, Disposition, Outcome, Program, Stream, Validator};
use flb_audit_core::verify::{Checked, Checker};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

/// Check logs against the schemas of a policy, or try its mappings into events of OCSF,
/// before it is deployed
#[derive(Args)]
pub(crate) struct Check {
    /// The policy, in YAML
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// The tag of records without a seal
    #[arg(long)]
    tag: Option<String>,
    /// The logs, as outputs wrote them or stores return them. None, or `-`, is standard
    /// input. Sealed records are checked in their redacted form
    files: Vec<PathBuf>,
    #[command(flatten)]
    ignored: IgnoredKeys,
    /// Turn each record into an event of OCSF, as `normalize` in the policy says, and check
    /// the event against the built-in schema of its class
    #[arg(long)]
    ocsf: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// The maximum number of examples for each rule, and for records that could not be
/// checked.
const EXAMPLES_MAX: usize = 3;

/// The reason why a record that may contain others is not checked.
const WRAPPED: &str = "wrapped: the schema is for the records inside this record";

/// Violations: pairs of a rule and a place in the record.
type Violations = Vec<(String, String)>;

/// The result for one record.
enum Conclusion {
    NoSchema,
    /// The record is valid by this schema.
    Valid(String),
    /// The record is invalid by this schema.
    Invalid(String, Violations),
    NotChecked(String),
}

/// The report. Serialized, it is the JSON report.
#[derive(Default, Serialize)]
struct Report {
    exit_code: u8,
    records: u64,
    valid: u64,
    invalid: u64,
    without_schema: u64,
    /// The ways in which inputs were stored, and the places of records in them.
    inputs: Inputs,
    schemas: BTreeMap<String, Counts>,
    not_checked: u64,
    /// The first records that could not be checked.
    not_checked_first: Vec<Example>,
}

#[derive(Default, Serialize)]
struct Counts {
    valid: u64,
    invalid: u64,
    /// The broken rules, by keyword and place in the schema.
    rules: BTreeMap<String, Broken>,
}

/// A rule that records break.
#[derive(Default, Serialize)]
struct Broken {
    /// The number of records that break it. Each record lists only its first eight
    /// violations.
    records: u64,
    first: Vec<Example>,
}

#[derive(Serialize)]
struct Example {
    #[serde(skip)]
    at: At,
    source: String,
    /// The number of the line, or of the element of an array, counted from 1.
    number: u64,
    /// The place in the record, or the reason why it was not checked.
    what: String,
}

impl Check {
    pub(crate) fn run(self) -> Result<u8> {
        let table = table(&self.policy)?;
        let policy = Policy::check(&table).map_err(|what| anyhow!("{}: {what}", self.policy.display()))?;
        let sources = Source::all(self.files)?;
        let tag = self.tag.as_deref().map(str::as_bytes);
        let ignored = self.ignored.all();
        if self.ocsf {
            if !policy.normalizes() {
                bail!("{}: has no mapping; the key `normalize` adds them", self.policy.display());
            }
            return ocsf::check(policy, tag, &ignored, &sources, self.json);
        }
        if policy.streams().next().is_none() {
            bail!("{}: has no schema; the key `schema` adds them", self.policy.display());
        }
        let worker = || {
            let mut records = Records::new(policy, tag, ignored.clone());
            move |at: At, record: Result<Record<'_>, String>| match record {
                Ok(record) => records.check(record.text).map(|found| (at, found)),
                Err(reason) => Seen::Record((at, Conclusion::NotChecked(reason))),
            }
        };
        let mut report = Report::default();
        report.inputs = input::read(&sources, worker, |(at, found)| {
            report.add(at, found, &sources);
            Ok(())
        })?;
        report.end();
        if self.json {
            print(&(serde_json::to_string_pretty(&report)? + "\n"))?;
        } else {
            print_result(&report.to_text()?, report.level())?;
        }
        Ok(report.exit_code)
    }
}

/// Checks records one by one.
struct Records<'a> {
    policy: Policy<'a>,
    tag: Option<&'a [u8]>,
    checker: Checker,
    validator: Validator,
    /// A record without a seal, or the text of one in quarantine.
    tape: Tape,
    canonical: Canonical,
}

impl<'a> Records<'a> {
    fn new(policy: Policy<'a>, tag: Option<&'a [u8]>, ignored: Vec<String>) -> Self {
        Records {
            policy,
            tag,
            checker: Checker::new(ignored),
            validator: Validator::new(),
            tape: Tape::new(),
            canonical: Canonical::new(),
        }
    }

    fn check(&mut self, text: &[u8]) -> Seen<Conclusion> {
        let mut is_record = true;
        let found = self.try_to_check(text, &mut is_record).unwrap_or_else(Conclusion::NotChecked);
        if is_record { Seen::Record(found) } else { Seen::Other(found) }
    }

    fn try_to_check(&mut self, text: &[u8], is_record: &mut bool) -> Result<Conclusion, String> {
        let memory = |_| String::from("out of memory");
        let mut sealed = match self.checker.check(text) {
            Ok(Checked::Sealed(sealed)) => sealed,
            Ok(checked) => {
                *is_record = !matches!(checked, Checked::Unsealed);
                let tag = self.tag.ok_or("a record without a seal: --tag says under which tag it went")?;
                self.tape.read(text, Dialect::Json).map_err(|unreadable| unreadable.to_string())?;
                self.canonical.write(&mut self.tape, text).map_err(memory)?;
                return Ok(seen(&self.policy, &mut self.validator, tag, &mut self.tape, text));
            }
            Err(unreadable) => {
                *is_record = false;
                return Err(unreadable.to_string());
            }
        };
        let tag = sealed.tag().unwrap_or_default();
        match sealed.disposition {
            _ if sealed.is_raw => Err("sealed as raw text, since it could not be read".into()),
            Disposition::Mark => {
                let tape = sealed.record_tape().map_err(memory)?;
                Ok(seen(&self.policy, &mut self.validator, tag.as_bytes(), tape, text))
            }
            Disposition::Quarantine => {
                let text = sealed.quarantined().ok_or("in quarantine, without its text")?;
                let text = text.as_bytes();
                self.tape.read(text, Dialect::Json).map_err(|unreadable| unreadable.to_string())?;
                self.canonical.write(&mut self.tape, text).map_err(memory)?;
                Ok(seen(&self.policy, &mut self.validator, tag.as_bytes(), &mut self.tape, text))
            }
            Disposition::Drop => Err("dropped: only its seal is left".into()),
        }
    }
}

fn seen(
    policy: &Policy<'_>,
    validator: &mut Validator,
    tag: &[u8],
    tape: &mut Tape,
    text: &[u8],
) -> Conclusion {
    policy.recognize(tag, tape, text);
    let wrapped = || Conclusion::NotChecked(WRAPPED.into());
    let Some(stream) = policy.stream(tag, tape, text) else {
        return if policy.is_wrapped(tag, tape) { wrapped() } else { Conclusion::NoSchema };
    };
    let Stream { name, program, .. } = stream;
    let report = match validator.check(&program, tape, text) {
        Outcome::Valid => return Conclusion::Valid(shown(name)),
        Outcome::NotChecked(cause) => return Conclusion::NotChecked(cause.word().into()),
        Outcome::Invalid(_) if policy.is_wrapper(tape) && stream.is_built_in() => return wrapped(),
        Outcome::Invalid(report) => report,
    };
    Conclusion::Invalid(shown(name), violations(&program, report, tape, text))
}

/// The violations in a report on a record.
fn violations(program: &Program<'_>, report: &schema::Report, tape: &Tape, text: &[u8]) -> Violations {
    let violations = report.violations().iter().map(|violation| {
        let (mut rule, mut instance) = (Vec::new(), Vec::new());
        // If memory runs out, the place is left out.
        let _ = violation.write_rule(program, &mut rule);
        let _ = violation.write_missing(program, &mut rule);
        let _ = report.write_instance(violation, tape, text, &mut instance);
        (shown(&rule), shown(&instance))
    });
    violations.collect()
}

fn shown(text: &[u8]) -> String {
    stdout::shown(&String::from_utf8_lossy(text))
}

impl Report {
    fn add(&mut self, at: At, found: Conclusion, sources: &[Source]) {
        let example = |what: String| {
            let At { source, number } = at;
            Example { at, source: sources[source].name(), number, what }
        };
        self.records += 1;
        match found {
            Conclusion::NoSchema => self.without_schema += 1,
            Conclusion::Valid(name) => {
                self.schemas.entry(name).or_default().valid += 1;
                self.valid += 1;
            }
            Conclusion::Invalid(name, violations) => {
                let counts = self.schemas.entry(name).or_default();
                counts.invalid += 1;
                let mut by_rule = BTreeMap::new();
                for (rule, instance) in violations {
                    by_rule.entry(rule).or_insert(instance);
                }
                for (rule, instance) in by_rule {
                    let broken = counts.rules.entry(rule).or_default();
                    broken.records += 1;
                    keep(&mut broken.first, example(instance));
                }
                self.invalid += 1;
            }
            Conclusion::NotChecked(why) => {
                self.not_checked += 1;
                keep(&mut self.not_checked_first, example(why));
            }
        }
    }

    /// Sets the exit code after all records were added.
    fn end(&mut self) {
        self.exit_code = match () {
            () if self.invalid > 0 => exit::INVALID,
            () if self.not_checked > 0 => exit::NOT_CHECKED,
            () if self.valid == 0 => exit::NOTHING_CHECKED,
            () => exit::ALL_VALID,
        };
    }

    fn level(&self) -> Level {
        match self.exit_code {
            exit::ALL_VALID => Level::Good,
            exit::INVALID => Level::Bad,
            _ => Level::Open,
        }
    }

    fn to_text(&self) -> Result<String> {
        let mut out = self.inputs.to_string();
        self.write_schemas(&mut out)?;
        if self.without_schema > 0 {
            writeln!(out, "{} records have no schema", self.without_schema)?;
        }
        self.write_not_checked(&mut out)?;
        writeln!(out, "{} of {} records are invalid", self.invalid, self.records)?;
        Ok(out)
    }

    fn write_schemas(&self, out: &mut String) -> Result<()> {
        for (name, counts) in &self.schemas {
            writeln!(out, "{name}: {} valid, {} invalid", counts.valid, counts.invalid)?;
            let mut rules: Vec<_> = counts.rules.iter().collect();
            rules.sort_by_key(|(_, broken)| std::cmp::Reverse(broken.records));
            for (rule, broken) in rules {
                writeln!(out, "  {} records: {rule}", broken.records)?;
                for Example { source, number, what, .. } in &broken.first {
                    writeln!(out, "    {source}:{number}: {what}")?;
                }
            }
        }
        Ok(())
    }

    fn write_not_checked(&self, out: &mut String) -> Result<()> {
        if self.not_checked > 0 {
            writeln!(out, "{} records could not be checked", self.not_checked)?;
            for Example { source, number, what, .. } in &self.not_checked_first {
                writeln!(out, "  {source}:{number}: {what}")?;
            }
        }
        Ok(())
    }
}

/// Keeps the first examples, whatever their order of arrival.
fn keep(examples: &mut Vec<Example>, example: Example) {
    let place = examples.partition_point(|other| other.at < example.at);
    examples.insert(place, example);
    examples.truncate(EXAMPLES_MAX);
}
