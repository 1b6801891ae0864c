//! The effects of a policy on one record, field by field.

use crate::dry_run::DryRun;
use crate::stdout::shown;
use crate::whole;
use anyhow::{Context, Result, anyhow};
use flb_audit_core::Tape;
use flb_audit_core::policy::Policy;
use flb_audit_core::record::tape::Dialect;
use flb_audit_core::redact::{Redactor, Said};
use flb_audit_policy::formats::{self, Format, Holds, formats};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::Read;
use std::path::Path;

/// Reads the record, from standard input if the path is `-`.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    if path.as_os_str() != "-" {
        return whole::read(path).with_context(|| format!("{}: cannot be read", path.display()));
    }
    let mut text = Vec::new();
    let limit = flb_audit_core::RECORD_BYTES_MAX as u64 + 1;
    std::io::stdin().take(limit).read_to_end(&mut text).context("standard input")?;
    Ok(text)
}

/// Describes the effect of a policy on a record with a tag.
pub(super) fn explain(policy: Policy<'_>, tag: &[u8], text: &[u8]) -> Result<String> {
    let text = text.trim_ascii();
    let mut tape = Tape::new();
    tape.read(text, Dialect::FluentBit).map_err(|unreadable| anyhow!("the record: {unreadable}"))?;
    policy.recognize(tag, &mut tape, text);
    let name = policy.format(&tape).map(|name| String::from_utf8_lossy(name).into_owned());
    let format = formats().iter().find(|format| Some(format.name) == name.as_deref());
    let mut said = match format {
        Some(format) => format!("format {}: {}\n", format.name, format.title),
        None if policy.is_wrapper(&tape) => {
            "format unknown: other records may stand in this one, each of its own format\n".into()
        }
        None => "format unknown\n".into(),
    };
    let gone = redacted(policy, tag, text)?;
    let mut lines: Vec<(String, String)> = Vec::new();
    let mut see = |path: &[u8], what: Said| {
        let path = String::from_utf8_lossy(path).into_owned();
        let why = gone.get(&path).cloned().unwrap_or_else(|| reason(&policy, format, &path, what));
        if lines.last() != Some(&(path.clone(), why.clone())) {
            lines.push((path, why));
        }
    };
    let mut redactor = Redactor::new(policy, None);
    redactor.explain(&mut tape, text, &mut see).map_err(|_| anyhow!("out of memory"))?;
    // The remaining paths are of keys, and of JSON in strings.
    let others = gone.into_iter().filter(|(path, _)| !lines.iter().any(|(known, _)| known == path));
    let others: Vec<_> = others.collect();
    lines.extend(others);
    for (path, why) in lines {
        writeln!(said, "  {:<48} {}", shown(&path), shown(&why))?;
    }
    Ok(said)
}

/// Returns the reason why a value stays unchanged.
fn reason(policy: &Policy<'_>, format: Option<&Format>, path: &str, said: Said) -> String {
    let field = format.and_then(|format| formats::field(format, path));
    let listed = |what: &str| match (field, format) {
        (Some(field), Some(format)) => {
            format!("{what}: {} lists it under `{}`", format.name, field.holds.key())
        }
        _ => format!("{what}: by the policy, or by the format of the record that it is in"),
    };
    match said {
        Said::Kept => listed("kept, except secrets in it"),
        Said::Opaque => listed("kept, not searched"),
        Said::Mention => listed("searched, but addresses of the actor stay"),
        Said::Rule(rule) => {
            let rule = policy.rules().nth(rule.into());
            let name = rule.map(|rule| String::from_utf8_lossy(rule.name).into_owned()).unwrap_or_default();
            match field.filter(|field| field.holds == Holds::Secret) {
                Some(_) => listed(&format!("left by the rule {name}")),
                None => format!("left by the rule {name}"),
            }
        }
        Said::Actor => "searched: its key names an actor, so addresses stay".into(),
        Said::Nothing => "searched: nothing found".into(),
    }
}

/// Returns the rules that replaced something, by path.
fn redacted(policy: Policy<'_>, tag: &[u8], text: &[u8]) -> Result<BTreeMap<String, String>> {
    let sealed = DryRun::new(policy, None)?.seal(tag, text)?;
    let mut by_path: BTreeMap<String, String> = BTreeMap::new();
    for entry in sealed.seal["redacted"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let mut parts = entry.splitn(3, ' ');
        let (Some(rule), Some(action), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let action = action.split('*').next().unwrap_or(action);
        let why = by_path.entry(path.into()).or_default();
        *why += &format!("{}{rule}: {action}", if why.is_empty() { "replaced by " } else { ", " });
    }
    Ok(by_path)
}
