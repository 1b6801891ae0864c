//! Corrected copies: the lines that findings ask for are written, and every other byte
//! stays unchanged.

use crate::Options;
use crate::checks::Set;
use crate::config::{Anchor, Kind, Section};
use crate::report::{self, Examination, yaml_scalar};
use crate::source::{Format, Place, Refused, Source};
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// The maximum number of properties that are set. Each one is examined separately.
const EDITS_MAX: usize = 300;

/// A configuration with the corrections that were possible.
pub struct Fixed {
    /// The remaining findings.
    pub examination: Examination,
    /// The changed files, by the paths under which they were read.
    pub files: HashMap<PathBuf, Vec<u8>>,
    /// The number of properties that were set.
    pub count: usize,
}

/// Sets the properties that findings ask for, one after the other. A change without the
/// intended effect is undone, and its finding remains.
pub fn fix(main: &Path, options: &Options) -> Result<Fixed, Refused> {
    let mut files = HashMap::new();
    let mut examination = report::examine(main, options, HashMap::new())?;
    let (mut tried, mut count) = (BTreeSet::new(), 0);
    while tried.len() < EDITS_MAX {
        let sets = examination.findings.iter().flat_map(|finding| &finding.set);
        let next = sets.map(|set| (examination.name(set.step), set)).find(|(name, set)| {
            let is_step = set.step.is_some_and(|step| step.processor.is_some());
            !is_step && !tried.contains(&(*name, set.key))
        });
        let Some((name, set)) = next.map(|(name, set)| (name, set.clone())) else { break };
        tried.insert((name, set.key));
        let Some((path, bytes)) = edited(&examination, name, &set) else { continue };
        let mut again = files.clone();
        again.insert(path, bytes);
        let after = report::examine(main, options, again.clone())?;
        let is_set =
            || section(&after, name).and_then(|section| section.text(set.key)) == Some(set.value.as_str());
        let is_readable = after.config.problems.len() <= examination.config.problems.len();
        if is_readable && after.config.sections.len() >= examination.config.sections.len() && is_set() {
            (examination, files, count) = (after, again, count + 1);
        }
    }
    Ok(Fixed { examination, files, count })
}

fn section(examination: &Examination, (kind, nth): (Kind, usize)) -> Option<&Section> {
    examination.config.all(kind).nth(nth).map(|(_, section)| section)
}

/// Returns the changed file with the property set.
fn edited(examination: &Examination, name: (Kind, usize), set: &Set) -> Option<(PathBuf, Vec<u8>)> {
    let sources = &examination.sources;
    let Some(section) = section(examination, name) else {
        let main = sources.first().filter(|_| name.0 == Kind::Service)?;
        return Some((main.path.clone(), with_service(main, &indent(examination), set)));
    };
    if let Some(property) = section.property(set.key) {
        let source = sources.get(property.place.source)?;
        let replace = |line: &str| replaced(line, source.format, set);
        return Some((source.path.clone(), with_line(source, property.place, replace)?));
    }
    let anchor = section.anchor?;
    let source = sources.get(anchor.place.source)?;
    let insert = |line: &str| inserted(line, anchor, source.format, set);
    Some((source.path.clone(), with_line(source, anchor.place, insert)?))
}

/// Returns a file with one line replaced.
fn with_line(source: &Source, place: Place, edit: impl Fn(&str) -> Option<String>) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(source.bytes.len() + 80);
    let mut is_done = false;
    for (at, line) in source.lines().enumerate() {
        if at + 1 == place.line {
            out.extend(edit(std::str::from_utf8(line).ok()?)?.into_bytes());
            is_done = true;
        } else {
            out.extend(line);
        }
    }
    is_done.then_some(out)
}

/// Returns the property in the syntax of the file.
fn written(format: Format, set: &Set) -> String {
    match format {
        Format::Yaml => format!("{}: {}", set.key, yaml_scalar(&set.value)),
        Format::Classic => format!("{} {}", set.key, set.value),
    }
}

/// Returns the line followed by a line with the property. Returns `None` if the line has
/// anything else beside one property.
fn inserted(line: &str, anchor: Anchor, format: Format, set: &Set) -> Option<String> {
    let (text, end) = split_end(line);
    let indent: String = match format {
        Format::Classic => text.chars().take(anchor.column).collect(),
        Format::Yaml => {
            let rest: String = text.chars().skip(anchor.column).collect();
            let is_plain = !rest.contains(['{', '}', '[', '|', '>']) && rest.contains(": ");
            let before: String = text.chars().take(anchor.column).collect();
            if !is_plain || !before.chars().all(|c| c == ' ' || c == '-') {
                return None;
            }
            " ".repeat(anchor.column)
        }
    };
    let end = if end.is_empty() { "\n" } else { end };
    let is_last = line.len() == text.len();
    Some(format!("{text}{end}{indent}{}{}", written(format, set), if is_last { "" } else { end }))
}

/// Returns the line with another value for its property. Its comment is kept.
fn replaced(line: &str, format: Format, set: &Set) -> Option<String> {
    let (text, end) = split_end(line);
    let start = match format {
        Format::Yaml => text.find(": ")? + 2,
        Format::Classic => {
            let indent = text.len() - text.trim_start().len();
            indent + text[indent..].find(' ')? + 1
        }
    };
    let value = text[start..].trim_start();
    let start = text.len() - value.len();
    let length = match (format, value.chars().next()?) {
        (Format::Classic, _) => value.len(),
        (Format::Yaml, quote @ ('\'' | '"')) => value[1..].find(quote)? + 2,
        (Format::Yaml, '[' | '{' | '|' | '>' | '&' | '!' | '#') => return None,
        (Format::Yaml, _) => value.find(" #").unwrap_or(value.len()),
    };
    let new = match format {
        Format::Yaml => yaml_scalar(&set.value),
        Format::Classic => set.value.clone(),
    };
    let length = value[..length].trim_end().len();
    Some(format!("{}{new}{}{end}", &text[..start], &value[length..]))
}

fn split_end(line: &str) -> (&str, &str) {
    let text = line.trim_end_matches(['\n', '\r']);
    (text, &line[text.len()..])
}

/// Returns the indentation of the properties in the main file. In the classic format, all
/// properties have the same as the first.
fn indent(examination: &Examination) -> String {
    let mut anchors = examination.config.sections.iter().filter_map(|section| section.anchor);
    let of_main = anchors.find(|anchor| anchor.place.source == 0);
    let line = of_main.and_then(|anchor| examination.sources.first()?.lines().nth(anchor.place.line - 1));
    let is_blank = |byte: &&u8| matches!(**byte, b' ' | b'\t');
    let own =
        line.map(|line| line.iter().take_while(is_blank).map(|byte| char::from(*byte)).collect::<String>());
    own.filter(|own| !own.is_empty()).unwrap_or_else(|| "    ".into())
}

/// Returns the main file with a service section before everything else except comments.
fn with_service(source: &Source, indent: &str, set: &Set) -> Vec<u8> {
    let own = match source.format {
        Format::Yaml => format!("service:\n  {}\n\n", written(source.format, set)),
        Format::Classic => format!("[SERVICE]\n{indent}{}\n\n", written(source.format, set)),
    };
    let mut out = Vec::new();
    let mut is_done = false;
    for line in source.lines() {
        let is_before = line.starts_with(b"#")
            || line.trim_ascii().is_empty()
            || line.starts_with(b"---")
            || line.starts_with(b"%");
        if !is_before && !is_done {
            out.extend(own.as_bytes());
            is_done = true;
        }
        out.extend(line);
    }
    if !is_done {
        out.extend(own.as_bytes());
    }
    out
}
