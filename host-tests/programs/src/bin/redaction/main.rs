//! `cargo xtask redaction`: makes the tables of `docs/redaction.md`.
//!
//! One table is the catalogue of detectors. Another has how much they find in third-party data
//! that passes through the module that ships. That data is not part of the checkout: it is
//! beside it, or at `FLB_AUDIT_CORPORA`. With the rules of Nosey Parker and gitleaks as arguments,
//! a third one compares them with others.
#![forbid(unsafe_code)]

mod lines;

use anyhow::{Context, Result, bail, ensure};
use fixtures::spans::{self, Count, Hit};
use flb_audit_core::redact::HmacKey;
use flb_audit_host::filter::{Filter, Generation, Limits};
use flb_audit_policy::detectors::detectors;
use host_tests::policy::{self, KEY_ID, Redacted};
use host_tests::{page, root};
use serde_json::{Value, json};
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

/// A policy with all detectors. Its tokens show exactly which part of a text was
/// replaced.
const ALL: &str = "version: 1
redact:
  packs: {secrets: hmac, pii: hmac, network: hmac}
";
/// The number of characters of the HMAC in a token.
const MAC_CHARACTERS: usize = 22;

fn main() -> Result<()> {
    let old = page::read()?;
    let mut new = page::with_table(&old, page::DETECTORS, &page::detectors_table())?;
    let filter = || Filter::from_file(&root().join("dist/filter_audit.wasm"));
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    match &arguments[..] {
        [] => println!("skipped: the lines of others, which RULES and GITLEAKS name"),
        [rules, gitleaks] => {
            let table = lines::table(&filter()?, rules, gitleaks)?;
            print!("{table}");
            new = page::with_table(&new, page::LINES, &table)?;
        }
        _ => bail!("usage: cargo xtask redaction [RULES GITLEAKS]"),
    }
    match (corpus("pii-spans.jsonl")?, corpus("cloudtrail.jsonl")?, corpus("k8s-audit.jsonl")?) {
        (Some(sentences), Some(events), Some(requests)) => {
            let filter = filter()?;
            let figures = labelled(&filter, &sentences)?
                + &cloudtrail(&filter, &events)?
                + &kubernetes(&filter, &requests)?;
            print!("{figures}");
            new = page::with_table(&new, page::FIGURES, &figures)?;
        }
        _ => println!(
            "skipped: no corpora, so the figures stay as they are; FLB_AUDIT_CORPORA=path names them"
        ),
    }
    if new != old {
        fs::write(page::path(), new)?;
    }
    Ok(())
}

/// Returns the lines of a corpus, or none if it is not there.
fn corpus(name: &str) -> Result<Option<Vec<Value>>> {
    let beside = || root().join("../shared/corpora");
    let folder = std::env::var_os("FLB_AUDIT_CORPORA").map_or_else(beside, PathBuf::from);
    let Ok(text) = fs::read_to_string(folder.join(name)) else {
        return Ok(None);
    };
    let lines: Result<_, _> = text.lines().map(serde_json::from_str).collect();
    Ok(Some(lines.with_context(|| name.to_owned())?))
}

/// Returns the figures for sentences with labelled spans.
fn labelled(filter: &Filter, lines: &[Value]) -> Result<String> {
    let directory = policy::directory()?;
    policy::write_policy(directory.path(), ALL)?;
    policy::write_key(directory.path())?;
    let (mut life, key) = (policy::life(filter, &directory), policy::key()?);
    let mut found = Vec::new();
    for line in lines {
        let text = spans::text(line);
        let redacted = Redacted::pass(&mut life, &json!({ "text": text }).to_string())?;
        found.push(tokens(text, redacted.record["text"].as_str().context("no text")?, &key)?);
    }
    let mut table = String::from(
        "| type | detectors | labelled | found | recall | hits | right | precision |\n|---|---|---|---|---|---|---|---|\n",
    );
    for kind in spans::TYPES {
        let count = Count::of(&kind, lines, &found);
        let is_enough = count.recall() >= kind.recall_min && count.precision() >= kind.precision_min;
        ensure!(is_enough, "{}: {count:?}", kind.name);
        let of_class = detectors().filter(|detector| detector.class == kind.class);
        let names: Vec<&str> = of_class.map(|detector| detector.name).collect();
        let ratio = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
        writeln!(
            table,
            "| {} | {} | {} | {} | {:.3} | {} | {} | {:.3} |",
            kind.name,
            names.join(", "),
            count.labelled,
            count.found,
            ratio(count.found, count.labelled),
            count.hits,
            count.right,
            ratio(count.right, count.hits),
        )?;
    }
    Ok(table)
}

/// Returns the parts of a text that tokens replaced.
fn tokens(text: &str, redacted: &str, key: &HmacKey) -> Result<Vec<Hit>> {
    let id = format!(":{KEY_ID}:");
    let (mut found, mut at, mut rest) = (Vec::new(), 0, redacted);
    while let Some(colon) = rest.find(&id) {
        let open = rest[..colon].rfind('[').context("a token without a bracket")?;
        let class = &rest[open + 1..colon];
        let end = colon + id.len() + MAC_CHARACTERS + 1;
        at += open;
        let stands_for = |end: &usize| {
            let mut token = Vec::new();
            let is_written = key.write_token(class.as_bytes(), &text.as_bytes()[at..*end], &mut token);
            is_written.is_ok() && rest.as_bytes()[open..].starts_with(&token)
        };
        let part_end =
            (at + 1..=text.len()).find(stands_for).with_context(|| format!("{rest}: of nothing"))?;
        found.push(Hit { class: class.to_owned(), part: at..part_end });
        at = part_end;
        rest = &rest[end..];
    }
    ensure!(rest == &text[at..], "{rest:?} is left of {text:?}");
    Ok(found)
}

/// Keys of identifiers that must stay.
const IDENTIFIERS: [&str; 4] = ["accessKeyId", "eventID", "requestID", "requestId"];

/// The number of values, and of unchanged values.
#[derive(Default)]
struct Kept {
    all: usize,
    kept: usize,
}

impl Kept {
    fn count(&mut self, is_kept: bool) {
        self.all += 1;
        self.kept += usize::from(is_kept);
    }
}

/// Returns the figures for CloudTrail's records, with the policy that ships.
fn cloudtrail(filter: &Filter, events: &[Value]) -> Result<String> {
    let mut life = filter.host(Generation::Lasting, Limits::default());
    let (mut tokens, mut identifiers, mut uuids, mut others) =
        (Kept::default(), Kept::default(), Kept::default(), Kept::default());
    for event in events {
        let redacted = Redacted::pass(&mut life, &event.to_string())?;
        pairs(event, &redacted.record, "", &mut |key, before, after| {
            let is_kept = after == before;
            let is_uuid = before.as_str().is_some_and(has_uuid);
            match key {
                "sessionToken" => tokens.count(is_kept),
                _ if IDENTIFIERS.contains(&key) => identifiers.count(is_kept),
                _ if is_uuid => uuids.count(is_kept),
                _ => others.count(is_kept),
            }
        });
    }
    let mut table =
        format!("\n| in {} records of CloudTrail | values | as they were |\n|---|---|---|\n", events.len());
    for (what, kept) in [
        ("session tokens".to_owned(), tokens),
        (IDENTIFIERS.map(|key| format!("`{key}`")).join(", "), identifiers),
        ("other values with a UUID in them".to_owned(), uuids),
        ("all others".to_owned(), others),
    ] {
        writeln!(table, "| {what} | {} | {} |", kept.all, kept.kept)?;
    }
    Ok(table)
}

/// Returns the figures for Kubernetes' records, with the policy that ships.
fn kubernetes(filter: &Filter, requests: &[Value]) -> Result<String> {
    let mut life = filter.host(Generation::Lasting, Limits::default());
    let (mut secrets, mut others) = (Kept::default(), Kept::default());
    for request in requests {
        let redacted = Redacted::pass(&mut life, &request.to_string())?;
        pairs(request, &redacted.record, "", &mut |_, before, after| {
            let is_secret = before.as_str().is_some_and(|text| text.contains("aws_secret_access_key = "));
            if is_secret { &mut secrets } else { &mut others }.count(after == before);
        });
    }
    Ok(format!(
        "\n| in {} records of Kubernetes | values | as they were |\n|---|---|---|\n\
         | files with a secret key of AWS | {} | {} |\n| all others | {} | {} |\n",
        requests.len(),
        secrets.all,
        secrets.kept,
        others.all,
        others.kept,
    ))
}

/// Calls `visit` for every value without values inside, with its key and with the value
/// at the same place afterwards.
fn pairs(before: &Value, after: &Value, key: &str, visit: &mut impl FnMut(&str, &Value, &Value)) {
    match before {
        Value::Object(members) => {
            members.iter().for_each(|(key, before)| pairs(before, &after[key], key, visit));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, before)| pairs(before, &after[at], key, visit));
        }
        _ => visit(key, before, after),
    }
}

/// Returns true if a text contains a UUID (RFC 9562 section 4).
fn has_uuid(text: &str) -> bool {
    text.as_bytes().windows(36).any(|window| {
        window.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
    })
}
