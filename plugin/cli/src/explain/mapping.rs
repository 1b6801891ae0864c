//! Mappings into events of OCSF, and their effect on one record.

use crate::dry_run::DryRun;
use crate::stdout::shown;
use anyhow::{Context, Result, anyhow};
use flb_audit_core::normalize::event;
use flb_audit_core::policy::Policy;
use flb_audit_policy::formats::formats;
use flb_audit_policy::normalize::{Class, MappingFile, PROBE, Rule};
use serde_json::Value;
use std::fmt::Write;

/// The member that holds the rest of a record.
const UNMAPPED: &str = "unmapped";
/// The member that holds the redacted record as text.
const RAW_DATA: &str = "raw_data";

/// Returns the built-in mapping of a format.
pub(super) fn built_in(name: &str) -> Result<MappingFile> {
    MappingFile::built_in(name).with_context(|| {
        let known = formats().iter().filter(|format| format.mapping.is_some());
        let known: Vec<&str> = known.map(|format| format.name).collect();
        format!("no mapping `{}`; the built-in ones are {}", shown(name), known.join(", "))
    })
}

/// Lists the entries of a policy's `normalize`.
pub(super) fn entries(policy: &flb_audit_policy::Policy) -> String {
    let mut report = String::new();
    for (tag, name, keeps_text) in policy.normalizations() {
        if report.is_empty() {
            report += "\nnormalize; the first whose tag and format match decides\n";
        }
        let name = name.unwrap_or("(that of the format)");
        let raw_data = if keeps_text { ", with raw_data" } else { "" };
        report += &format!("  {:<24} {}{raw_data}\n", shown(name), shown(tag));
    }
    report
}

/// Lists the rules of a mapping, by case.
pub(super) fn rules(file: &MappingFile) -> Result<String> {
    let mut said = format!("mapping {}, {}\n", shown(&file.name), shown(&file.file));
    for class in file.mapping.explained() {
        writeln!(said, "\nclass {}, line {}: {}", class.uid, class.line, when(&class))?;
        let mut last = "";
        for Rule { target, line, text, .. } in &class.rules {
            let target = if *target == last { "" } else { last_of(&mut last, target) };
            writeln!(said, "  {:<40} {line:>4}  {}", shown(target), shown(text))?;
        }
        for path in &class.dropped {
            writeln!(said, "  {:<40}       dropped: the event has it in another form", shown(path))?;
        }
    }
    Ok(said)
}

/// Remembers a target, and returns it.
fn last_of<'a>(last: &mut &'a str, target: &'a str) -> &'a str {
    *last = target;
    target
}

/// Says which records a case is for.
fn when(class: &Class) -> String {
    match class.conditions.as_str() {
        "" => "all other records".into(),
        conditions => format!("if {}", shown(conditions)),
    }
}

/// Describes the event that a record becomes, and what made each of its members. Empty if the
/// record becomes none.
pub(super) fn of_record(
    policy: Policy<'_>,
    read: Option<&flb_audit_policy::Policy>,
    tag: &[u8],
    text: &[u8],
) -> Result<String> {
    let text = text.trim_ascii();
    let sealed = DryRun::new(policy, None)?.seal(tag, text)?;
    let Some(name) = sealed.seal["normalized"].as_str() else {
        let notes = sealed.seal["notes"].as_array().into_iter().flatten();
        let is_asked = notes.into_iter().any(|note| note == "not-normalized");
        let said = "\nnot normalized: no mapping is for this record, or no case of it holds\n";
        return Ok(if is_asked { said.into() } else { String::new() });
    };
    let file = read.and_then(|read| read.mapping(name)).map_or_else(|| built_in(name), Ok)?;
    let redacted = DryRun::new(policy.without_normalization(), None)?.seal(tag, text)?.record.to_string();
    let makes = |program: Result<Vec<u8>, flb_audit_policy::Problem>| -> Result<Option<Value>> {
        let program = program.map_err(|problem| anyhow!("{}:{problem}", file.file))?;
        let event = event(&program, redacted.as_bytes(), 0).map_err(|what| anyhow!("the record: {what}"))?;
        Ok(event.map(|event| serde_json::from_slice(&event)).transpose()?)
    };
    let mut taken = None;
    for class in file.mapping.explained() {
        if makes(class.program())?.is_some() {
            taken = Some(class);
            break;
        }
    }
    let class = taken.with_context(|| format!("{}: no case holds", file.file))?;
    let mut made: Vec<&Rule> = Vec::new();
    for rule in &class.rules {
        let is_made = made.iter().any(|other| other.target == rule.target);
        if !is_made && makes(rule.program())?.is_some_and(|event| event.get(PROBE).is_some()) {
            made.push(rule);
        }
    }
    let file_name = shown(&file.file);
    let (line, uid) = (class.line, class.uid);
    let name = shown(name);
    let mut said =
        format!("\nevent by the mapping {name}\n{file_name}:{line}: class {uid}, {}\n", when(&class));
    let mut lines = Vec::new();
    members(&sealed.record, String::new(), &made, &mut lines);
    for (path, rule) in lines {
        let why = match rule {
            Some(Rule { line, text, .. }) => format!("{file_name}:{line}: {}", shown(text)),
            None if path == RAW_DATA => "the redacted record, as the policy asks for".into(),
            None if path.starts_with(UNMAPPED) => "no rule takes it".into(),
            None => "in every event".into(),
        };
        writeln!(said, "  {:<48} {why}", shown(&path))?;
    }
    for path in &class.dropped {
        writeln!(
            said,
            "  {:<48} dropped, if the record has it: the event has it in another form",
            shown(path)
        )?;
    }
    Ok(said)
}

/// Lists the members of an event, each with the rule that made it. What a rule made stands as one.
fn members<'r>(value: &Value, path: String, rules: &[&'r Rule], found: &mut Vec<(String, Option<&'r Rule>)>) {
    let rule = rules.iter().find(|rule| rule.target == path).copied();
    match value {
        Value::Object(entries) if rule.is_none() && !entries.is_empty() => {
            for (key, value) in entries {
                let dot = if path.is_empty() { "" } else { "." };
                members(value, format!("{path}{dot}{key}"), rules, found);
            }
        }
        Value::Array(elements) if rule.is_none() && !path.starts_with(UNMAPPED) => {
            for (at, value) in elements.iter().enumerate() {
                members(value, format!("{path}[{at}]"), rules, found);
            }
        }
        _ => found.push((path, rule)),
    }
}
