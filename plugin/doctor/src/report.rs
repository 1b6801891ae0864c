//! The report of an examination: its findings, by severity and place.

use crate::Options;
use crate::checks::{Scene, Set, Severity, checks};
use crate::config::{Config, Kind, ProblemKind};
use crate::flow::{self, Flows, Step};
use crate::read::{self, Given};
use crate::source::{Format, Place, Refused, Source};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The result of an examination.
pub struct Examination {
    /// The findings, by file and line.
    pub findings: Vec<Finding>,
    /// The files of the configuration, the main file first.
    pub sources: Vec<Source>,
    pub(crate) config: Config,
}

/// A finding: something that is wrong, or worth knowing.
pub struct Finding {
    /// The name of the check.
    pub id: &'static str,
    /// The severity.
    pub severity: Severity,
    /// The place in the configuration.
    pub place: Place,
    /// The path of the file.
    pub file: PathBuf,
    /// The finding, in one sentence.
    pub message: String,
    /// The consequence.
    pub why: &'static str,
    /// The remedy.
    pub remedy: &'static str,
    /// The lines to write, in the format of the file.
    pub lines: Vec<String>,
    pub(crate) set: Vec<Set>,
}

/// Reads a configuration, with other contents for some of its files, and runs all checks.
pub(crate) fn examine(
    main: &Path,
    options: &Options,
    replaced: HashMap<PathBuf, Vec<u8>>,
) -> Result<Examination, Refused> {
    let given = Given {
        environment: &options.environment,
        parsers: &options.parsers,
        plugins: &options.plugins,
        host_root: options.host.as_ref().map_or_else(|| PathBuf::from("/"), |host| host.root.clone()),
    };
    let config = read::read(main, &given, replaced)?;
    let is_readable = config.problems.iter().all(|problem| problem.kind != ProblemKind::Syntax);
    let flows = if is_readable { flow::follow(&config) } else { Flows::default() };
    let scene = Scene::new(&config, &flows, options);
    let mut findings = Vec::new();
    for check in checks().filter(|check| is_readable || check.is_of_text()) {
        for hit in check.find(&scene) {
            let mut lines: Vec<String> =
                hit.set.iter().flat_map(|set| written(&config, hit.place, set)).collect();
            lines.extend(hit.lines);
            findings.push(Finding {
                id: check.id,
                severity: hit.severity.unwrap_or(check.severity),
                place: hit.place,
                file: config
                    .sources
                    .get(hit.place.source)
                    .map(|source| source.path.clone())
                    .unwrap_or_default(),
                message: hit.message,
                why: check.why,
                remedy: check.remedy,
                lines,
                set: hit.set,
            });
        }
    }
    findings.sort_by_key(|finding| finding.place);
    Ok(Examination { findings, sources: config.sources.clone(), config })
}

/// Returns a property as lines in the file's format.
fn written(config: &Config, place: Place, set: &Set) -> Vec<String> {
    let Set { step, key, value } = set;
    let line = match config.format(place) {
        Format::Yaml => format!("{key}: {}", yaml_scalar(value)),
        Format::Classic => format!("{key} {value}"),
    };
    match (step, config.format(place)) {
        (Some(_), _) => vec![line],
        (None, Format::Yaml) => vec!["service:".into(), format!("  {line}")],
        (None, Format::Classic) => vec!["[SERVICE]".into(), format!("    {line}")],
    }
}

/// Returns a value in a form that YAML reads as a text.
pub(crate) fn yaml_scalar(value: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_./-,[]* ".contains(c);
    let starts_plain = value.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/' || c == '_');
    if starts_plain && value.chars().all(is_plain) && !value.ends_with(' ') {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', "''"))
    }
}

impl Examination {
    /// Returns the worst severity. Returns `None` if there are no findings.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }

    /// Names a section so that it can be found again after lines were written: its kind,
    /// and the number of sections of that kind before it.
    pub(crate) fn name(&self, step: Option<Step>) -> (Kind, usize) {
        let Some(Step { section, .. }) = step else { return (Kind::Service, 0) };
        let kind = self.config.sections[section].kind;
        (kind, self.config.sections[..section].iter().filter(|section| section.kind == kind).count())
    }
}
