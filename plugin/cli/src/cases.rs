//! `flb-audit test`: runs an operator's cases against a policy.
//!
//! A case goes through the same code as in the filter: its record is redacted, checked
//! against its schema, and sealed.

mod differences;

use crate::build::table;
use crate::dry_run::DryRun;
use crate::exit;
use crate::stdout::{print, shown};
use crate::terminal::print_result;
use crate::verdict::Level;
use crate::whole;
use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::Args;
use flb_audit_core::policy::Policy;
use flb_audit_core::redact::HmacKey;
use flb_audit_policy::values::json_of_yaml;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Run cases against a policy: what must be gone from a record, and what must stay
#[derive(Args)]
pub(crate) struct Test {
    /// The policy, in YAML
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// The key for HMACs. Without it, values with the action hmac are masked
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The cases: lists in YAML, or files with a case in JSON on each line
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// An operator's expectations of a record.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(default)]
    name: Option<String>,
    /// The tag under which the record goes through the filter.
    #[serde(default = "default_tag")]
    tag: String,
    /// The record as JSON, or as a string with its text, which may be broken.
    record: Value,
    /// Texts that must not be in the output.
    #[serde(default)]
    gone: Vec<String>,
    /// Texts that must be in the output.
    #[serde(default)]
    stay: Vec<String>,
    /// The expected validity. The record must have a schema.
    #[serde(default)]
    valid: Option<bool>,
    /// The expected output, without the seal.
    #[serde(default)]
    becomes: Option<Value>,
}

impl Case {
    /// Returns the record's text.
    fn text(&self) -> String {
        match &self.record {
            Value::String(text) => text.clone(),
            record => record.to_string(),
        }
    }
}

fn default_tag() -> String {
    "test".into()
}

/// The report. Serialized, it is the JSON report.
#[derive(Default, Serialize)]
struct Report {
    exit_code: u8,
    cases: u64,
    failed: u64,
    /// The cases that do not hold.
    failures: Vec<Failure>,
}

/// A case that does not hold.
#[derive(Serialize)]
struct Failure {
    source: String,
    /// The number of the line, or of the element of a list, counted from 1.
    number: usize,
    name: String,
    /// The differences from the expectations.
    problems: Vec<String>,
    /// The output, and the statements of its seal.
    record: Value,
    redacted: Value,
}

impl Test {
    pub(crate) fn run(self) -> Result<u8> {
        let table = table(&self.policy)?;
        let policy = Policy::check(&table).map_err(|what| anyhow!("{}: {what}", self.policy.display()))?;
        let key = self.key.as_deref().map(read_key).transpose()?;
        let mut dry_run = DryRun::new(policy, key)?;
        let mut report = Report::default();
        for path in &self.files {
            let source = path.display().to_string();
            for (number, case) in read(path)? {
                let name = case.name.clone().unwrap_or_default();
                let text = case.text();
                let sealed = dry_run
                    .seal(case.tag.as_bytes(), text.as_bytes())
                    .with_context(|| format!("{source}:{number}"))?;
                let problems = differences::problems(&case, &sealed);
                report.cases += 1;
                if !problems.is_empty() {
                    report.failed += 1;
                    let (record, redacted) = (sealed.record, sealed.seal["redacted"].clone());
                    let source = source.clone();
                    report.failures.push(Failure { source, number, name, problems, record, redacted });
                }
            }
        }
        report.exit_code = match () {
            () if report.failed > 0 => exit::CASES_FAILED,
            () if report.cases == 0 => exit::NO_CASES,
            () => exit::CASES_HOLD,
        };
        if self.json {
            print(&(serde_json::to_string_pretty(&report)? + "\n"))?;
        } else {
            let level = match report.exit_code {
                exit::CASES_HOLD => Level::Good,
                exit::CASES_FAILED => Level::Bad,
                _ => Level::Open,
            };
            print_result(&report.to_text()?, level)?;
        }
        Ok(report.exit_code)
    }
}

fn read_key(path: &Path) -> Result<HmacKey> {
    let name = path.display();
    let file = whole::read(path).with_context(|| format!("{name}: cannot be read"))?;
    HmacKey::from_file(&file)
        .with_context(|| format!("{name}: not a key file; `flb-audit hmac-key` makes one"))
}

/// Reads the cases in a file, each with its line or its number in a list.
fn read(path: &Path) -> Result<Vec<(usize, Case)>> {
    let name = path.display();
    let text = whole::read_text(path).with_context(|| format!("{name}: cannot be read"))?;
    let is_yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    let values: Vec<(usize, Value)> = if is_yaml {
        let json = json_of_yaml(&text).map_err(|why| anyhow!("{name}: {why}"))?;
        match serde_json::from_str(&json).with_context(|| name.to_string())? {
            Value::Array(items) => items.into_iter().enumerate().map(|(at, item)| (at + 1, item)).collect(),
            _ => bail!("{name}: must be a list of cases, each of which starts with `- `"),
        }
    } else {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let values: Result<_> = lines
            .map(|(at, line)| {
                let value = serde_json::from_str(line).with_context(|| format!("{name}:{}", at + 1))?;
                Ok((at + 1, value))
            })
            .collect();
        values?
    };
    let case = |(number, value): (usize, Value)| {
        let case: Case = serde_json::from_value(value).with_context(|| format!("{name}:{number}"))?;
        let asks =
            !case.gone.is_empty() || !case.stay.is_empty() || case.valid.is_some() || case.becomes.is_some();
        ensure!(asks, "{name}:{number}: expects nothing: add `gone`, `stay`, `valid` or `becomes`");
        Ok((number, case))
    };
    values.into_iter().map(case).collect()
}

impl Report {
    fn to_text(&self) -> Result<String> {
        let mut out = String::new();
        for failure in &self.failures {
            let Failure { source, number, name, problems, record, redacted } = failure;
            writeln!(out, "{source}:{number}: {}", shown(name))?;
            for problem in problems {
                writeln!(out, "  {}", shown(problem))?;
            }
            writeln!(out, "  comes out as {record}")?;
            if !redacted.is_null() {
                writeln!(out, "  redacted     {redacted}")?;
            }
        }
        writeln!(out, "{} of {} cases fail", self.failed, self.cases)?;
        Ok(out)
    }
}
