//! `flb-audit doctor`: finds settings that lose, alter or duplicate records.

use crate::stdout::{print, shown};
use crate::terminal::print_result;
use crate::verdict::Level;
use crate::{exit, whole};
use anyhow::{Context, Result, bail};
use clap::Args;
use flb_audit_doctor::{Examination, Finding, Host, Options, Severity, Version};
use serde::Serialize;
use std::collections::HashMap;
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Find settings in a Fluent Bit configuration that lose, alter or duplicate records
///
/// docs/doctor.md lists all checks.
#[derive(Args)]
pub(crate) struct Doctor {
    /// Configurations in either of Fluent Bit's formats. Each is examined separately,
    /// with the files that it includes
    #[arg(required = true, value_name = "CONFIG")]
    configs: Vec<PathBuf>,
    /// Examine only the configuration, and not the directories and files of this machine
    #[arg(long)]
    config_only: bool,
    /// The user that Fluent Bit runs as, by name or number [default: the user of this
    /// command]
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Look up absolute paths below this directory, for example in an image
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// The version of Fluent Bit, such as 5.1.1
    #[arg(long, value_name = "VERSION")]
    fluent_bit: Option<Version>,
    /// A further parsers file, as Fluent Bit's own option
    #[arg(long, value_name = "FILE")]
    parser: Vec<PathBuf>,
    /// A further plugins file
    #[arg(long, value_name = "FILE")]
    plugin: Vec<PathBuf>,
    /// Write corrected copies of the changed files into this directory, and report the
    /// remaining findings
    #[arg(long, value_name = "DIR")]
    fix: Option<PathBuf>,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

/// The findings of all configurations. Serialized, it is the JSON report.
#[derive(Serialize)]
struct Report {
    exit_code: u8,
    errors: usize,
    warnings: usize,
    notes: usize,
    /// The number of properties that were corrected.
    fixed: usize,
    /// The corrected files.
    written: Vec<String>,
    findings: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    check: &'static str,
    severity: &'static str,
    file: String,
    line: usize,
    message: String,
    why: &'static str,
    remedy: &'static str,
    /// The lines to write into the configuration.
    lines: Vec<String>,
}

impl Doctor {
    pub(crate) fn run(self) -> Result<u8> {
        let options = self.options()?;
        let (mut rows, mut fixed, mut written) = (Vec::new(), 0, Vec::new());
        let mut worst = None;
        for config in &self.configs {
            let read = || format!("{}: cannot be examined", config.display());
            let examination = match &self.fix {
                None => flb_audit_doctor::examine(config, &options).with_context(read)?,
                Some(directory) => {
                    let new = flb_audit_doctor::fix(config, &options).with_context(read)?;
                    fixed += new.count;
                    written.extend(write_copies(config, directory, &new.files)?);
                    new.examination
                }
            };
            worst = worst.max(examination.worst());
            rows.extend(self.rows(&examination));
        }
        let count =
            |severity: Severity| rows.iter().filter(|row: &&Row| row.severity == severity.name()).count();
        let report = Report {
            exit_code: match worst {
                Some(Severity::Error) => exit::ERRORS,
                Some(Severity::Warning) => exit::WARNINGS,
                Some(Severity::Note) | None => exit::HEALTHY,
            },
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            notes: count(Severity::Note),
            fixed,
            written,
            findings: rows,
        };
        if self.json {
            print(&(serde_json::to_string_pretty(&report)? + "\n"))?;
        } else {
            let level = match worst {
                Some(Severity::Error) => Level::Bad,
                Some(Severity::Warning) => Level::Open,
                Some(Severity::Note) | None => Level::Good,
            };
            print_result(&report.to_text()?, level)?;
        }
        Ok(report.exit_code)
    }

    fn options(&self) -> Result<Options> {
        let host = match (self.config_only, &self.user) {
            (true, _) => None,
            (false, Some(user)) => {
                Some(Host { root: self.root.clone(), user: user_number(&self.root, user)? })
            }
            (false, None) => {
                let own = fs::metadata("/proc/self")
                    .context("the user who runs the doctor cannot be determined: name one with --user")?;
                Some(Host { root: self.root.clone(), user: own.uid() })
            }
        };
        let text = |value: std::ffi::OsString| value.into_string().ok();
        Ok(Options {
            host,
            fluent_bit: self.fluent_bit,
            environment: std::env::vars_os()
                .filter_map(|(name, value)| Some((text(name)?, text(value)?)))
                .collect(),
            parsers: self.parser.clone(),
            plugins: self.plugin.clone(),
        })
    }

    fn rows(&self, examination: &Examination) -> Vec<Row> {
        let row = |finding: &Finding| Row {
            check: finding.id,
            severity: finding.severity.name(),
            file: finding.file.display().to_string(),
            line: finding.place.line,
            message: finding.message.clone(),
            why: finding.why,
            remedy: finding.remedy,
            lines: finding.lines.clone(),
        };
        examination.findings.iter().map(row).collect()
    }
}

/// Returns the number of a user. A name is looked up in `/etc/passwd`.
fn user_number(root: &Path, user: &str) -> Result<u32> {
    if let Ok(number) = user.parse() {
        return Ok(number);
    }
    let passwd = root.join("etc/passwd");
    let text = whole::read(&passwd).with_context(|| format!("{}: cannot be read", passwd.display()))?;
    let text = String::from_utf8_lossy(&text);
    let mut users = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let number =
        users.find(|fields| fields.first() == Some(&user)).and_then(|fields| fields.get(2)?.parse().ok());
    number.with_context(|| format!("{}: no user `{user}` in it", passwd.display()))
}

/// Writes the changed files below a directory, under their names relative to the
/// configuration's directory. Returns the written files.
fn write_copies(config: &Path, directory: &Path, files: &HashMap<PathBuf, Vec<u8>>) -> Result<Vec<String>> {
    let root = config.parent().unwrap_or(Path::new(""));
    let mut copies: Vec<(PathBuf, &Vec<u8>)> = Vec::new();
    for (path, bytes) in files {
        let relative = path
            .strip_prefix(root)
            .ok()
            .filter(|path| path.components().all(|part| matches!(part, std::path::Component::Normal(_))));
        let Some(relative) = relative else {
            bail!(
                "{}: is not below the directory of {}, so --fix has no place for its copy",
                path.display(),
                config.display()
            );
        };
        let copy = directory.join(relative);
        if copy.exists() {
            bail!("{}: exists already; --fix writes only new files", copy.display());
        }
        copies.push((copy, bytes));
    }
    copies.sort();
    for (copy, bytes) in &copies {
        let parent = copy.parent().unwrap_or(directory);
        fs::create_dir_all(parent).with_context(|| format!("{}: cannot be made", parent.display()))?;
        fs::write(copy, bytes).with_context(|| format!("{}: cannot be written", copy.display()))?;
    }
    Ok(copies.into_iter().map(|(copy, _)| copy.display().to_string()).collect())
}

impl Report {
    fn to_text(&self) -> Result<String> {
        let mut out = String::new();
        for Row { check, severity, file, line, message, why, remedy, lines } in &self.findings {
            writeln!(out, "{}:{line}: {severity}: {} [{check}]", shown(file), shown(message))?;
            writeln!(out, "    {why}")?;
            writeln!(out, "    {remedy}")?;
            for line in lines {
                writeln!(out, "      | {}", shown(line))?;
            }
        }
        for copy in &self.written {
            writeln!(out, "written: {copy}")?;
        }
        if self.fixed > 0 {
            writeln!(
                out,
                "{} corrected; this is what is left:",
                if self.fixed == 1 { "1 property".into() } else { format!("{} properties", self.fixed) }
            )?;
        }
        let counted =
            |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let (errors, warnings) = (counted(self.errors, "error"), counted(self.warnings, "warning"));
        writeln!(out, "{errors}, {warnings}, {}", counted(self.notes, "note"))?;
        Ok(out)
    }
}
