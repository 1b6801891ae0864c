//! `flb-audit find`: whether a value occurs in sealed logs, as its HMAC.
//!
//! A token names its class and its key. So every token of that key is held
//! against the one that the value would have in the same class.

use crate::exit;
use crate::input::{self, At, Source};
use crate::stdout::{print, shown};
use crate::verify::IgnoredKeys;
use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use flb_audit_core::redact::HmacKey;
use flb_audit_core::verify::{Checked, Checker};
use flb_audit_policy::NAME_BYTES_MAX;
use memchr::memmem;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

/// Look for a value in sealed logs, by the tokens that the action hmac left
///
/// Prints where: file, line or element, path. Exits with 0 if it was found, 40
/// if not, 1 if not all could be read: then nobody can tell.
#[derive(Args)]
pub(crate) struct Find {
    /// The value, as it stood in the record; `-` reads it from the first line
    /// of standard input, so that it shows up in no list of processes
    #[arg(long, allow_hyphen_values = true)]
    value: String,
    /// The key file that the filters had
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The logs: NDJSON or JSON arrays, plain, gzip or zstd
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    ignored: IgnoredKeys,
}

/// A record that has the value in it.
struct Hit {
    at: At,
    paths: Vec<String>,
    is_intact: bool,
}

/// The characters of a token's HMAC.
const MAC_CHARACTERS: usize = 22;

impl Find {
    pub(crate) fn run(self) -> Result<u8> {
        let name = self.key.display();
        let file = fs::read(&self.key).with_context(|| format!("{name}: cannot be read"))?;
        let key = HmacKey::from_file(&file)
            .ok_or_else(|| anyhow!("{name}: not a key file; `flb-audit hmac-key` makes one"))?;
        let value = match &*self.value {
            "-" => std::io::stdin().lines().next().context("no value on standard input")??,
            value => value.to_owned(),
        };
        ensure!(!value.is_empty(), "an empty value is never redacted");
        let sources = Source::all(self.files)?;
        let ignored = self.ignored.all();
        let needle = [b":", key.id(), b":"].concat();
        let worker = || {
            let mut checker = Checker::new(ignored.clone());
            let (key, value, finder) = (&key, value.as_bytes(), memmem::Finder::new(&needle));
            move |at: At, text: Result<&[u8], String>| -> Result<Option<Hit>, (At, String)> {
                let text = text.map_err(|reason| (at, reason))?;
                // As many as there are classes.
                let tokens: BTreeSet<String> =
                    finder.find_iter(text).filter_map(|found| token(text, found, key, value)).collect();
                if tokens.is_empty() {
                    return Ok(None);
                }
                let is_intact =
                    matches!(checker.check(text), Ok(Checked::Sealed(sealed)) if sealed.is_intact);
                Ok(Some(Hit { at, paths: paths(text, &tokens), is_intact }))
            }
        };
        let mut hits = Vec::new();
        input::read(&sources, worker, |made| match made {
            Ok(hit) => {
                hits.extend(hit);
                Ok(())
            }
            Err((at, reason)) => Err(anyhow!("{}: {reason}", sources[at.source].name())),
        })?;
        hits.sort_by_key(|hit| hit.at);
        let mut report = String::new();
        for hit in &hits {
            let seal = if hit.is_intact { "intact" } else { "NOT as it was sealed, or not sealed" };
            let At { source, number } = hit.at;
            let paths = shown(&hit.paths.join(", "));
            report += &format!("{}:{number}: {paths} ({seal})\n", sources[source].name());
        }
        report += &format!("found in {} records\n", hits.len());
        print(&report)?;
        Ok(if hits.is_empty() { exit::NOT_FOUND } else { exit::FOUND })
    }
}

/// The token whose key is named at `at`, if it stands for `value`.
fn token(text: &[u8], at: usize, key: &HmacKey, value: &[u8]) -> Option<String> {
    // No further back than a class's name reaches.
    let first = at.saturating_sub(NAME_BYTES_MAX + 1);
    let start = first + text[first..at].iter().rposition(|byte| *byte == b'[')?;
    let end = at + key.id().len() + 2 + MAC_CHARACTERS + 1;
    let mut token = Vec::new();
    key.write_token(&text[start + 1..at], value, &mut token).ok()?;
    (text.get(start..end)? == token).then(|| String::from_utf8(token).ok())?
}

/// The paths of the values and keys of a record in which a token stands.
fn paths(text: &[u8], tokens: &BTreeSet<String>) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Vec<(String, Value)> = match serde_json::from_slice(text) {
        Ok(record) => vec![(String::new(), record)],
        Err(_) => Vec::new(),
    };
    let has_token = |text: &str| tokens.iter().any(|token| text.contains(token.as_str()));
    while let Some((path, value)) = open.pop() {
        match value {
            Value::String(text) if has_token(&text) => found.push(path),
            Value::Array(items) => {
                open.extend(items.into_iter().enumerate().map(|(at, item)| (format!("{path}[{at}]"), item)));
            }
            Value::Object(members) => {
                for (key, value) in members {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    if has_token(&key) {
                        found.push(path.clone());
                    }
                    open.push((path, value));
                }
            }
            _ => {}
        }
    }
    found.sort();
    found
}
