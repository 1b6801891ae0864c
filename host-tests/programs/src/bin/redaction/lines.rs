//! How many secrets are found in lines that the rules were not tuned on, next to gitleaks' rules
//! and detect-secrets on the same lines.
//!
//! The lines are the examples of Nosey Parker's rules, which are not part of the checkout.

use anyhow::{Context, Result, ensure};
use flb_audit_core::policy::FILE_NAME;
use flb_audit_host::filter::{Filter, Generation, Host, Limits};
use flb_audit_policy::{Policy, compile};
use host_tests::policy::{self, Redacted};
use regex::Regex;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;
use yaml_rust2::{Yaml, YamlLoader};

/// A line, and the secret in it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    /// The name of the file of rules: a vendor, mostly.
    kind: String,
    text: String,
    secret: String,
}

/// The number of lines of a kind, and of those in which each of the peers finds the secret.
#[derive(Clone, Copy, Default)]
struct Found {
    lines: usize,
    shipped: usize,
    gitleaks: usize,
    detect_secrets: usize,
}

/// Returns the table for the examples of the rules in a folder: the sums, and the kinds of
/// which the shipped policy misses a secret.
pub(crate) fn table(filter: &Filter, rules: &Path, gitleaks: &Path) -> Result<String> {
    let lines = lines(rules)?;
    ensure!(!lines.is_empty(), "{}: no rules with examples", rules.display());
    let shipped = redacted(&mut filter.host(Generation::Lasting, Limits::default()), &lines)?;
    let directory = policy::directory()?;
    fs::write(directory.path().join(FILE_NAME), gitleaks_only(gitleaks)?)?;
    let gitleaks = redacted(&mut policy::life(filter, &directory), &lines)?;
    let detect_secrets = detect_secrets(&lines)?;
    let (mut all, mut kinds) = (Found::default(), BTreeMap::<&str, Found>::new());
    for (at, line) in lines.iter().enumerate() {
        for found in [&mut all, kinds.entry(&line.kind).or_default()] {
            found.lines += 1;
            found.shipped += usize::from(shipped[at]);
            found.gitleaks += usize::from(gitleaks[at]);
            found.detect_secrets += usize::from(detect_secrets[at]);
        }
    }
    let mut table = String::from(
        "| kind | secrets | shipped policy | gitleaks' rules | detect-secrets |\n|---|---|---|---|---|\n",
    );
    let mut row = |kind: &str, of: Found| {
        let Found { lines, shipped, gitleaks, detect_secrets } = of;
        writeln!(table, "| {kind} | {lines} | {shipped} | {gitleaks} | {detect_secrets} |")
    };
    row("all", all)?;
    let (whole, missed): (Vec<_>, Vec<_>) = kinds.into_iter().partition(|(_, of)| of.shipped == of.lines);
    for (kind, of) in missed {
        row(kind, of)?;
    }
    let sum = |number: fn(&Found) -> usize| whole.iter().map(|(_, of)| number(of)).sum();
    let others = Found {
        lines: sum(|of| of.lines),
        shipped: sum(|of| of.shipped),
        gitleaks: sum(|of| of.gitleaks),
        detect_secrets: sum(|of| of.detect_secrets),
    };
    row(&format!("{} other kinds", whole.len()), others)?;
    Ok(table)
}

/// Returns the lines of the examples in which the example's own rule marks one text by one
/// group: the secret. Rules of another category than `secret` are left out.
fn lines(folder: &Path) -> Result<BTreeSet<Line>> {
    let comments = Regex::new(r"\(\?#[^)]*\)")?;
    let mut lines = BTreeSet::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "yml") {
            continue;
        }
        let kind = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let file = YamlLoader::load_from_str(&fs::read_to_string(&path)?).context(kind.clone())?;
        for rule in file.iter().flat_map(|file| elements(&file["rules"])) {
            let is_secret = elements(&rule["categories"]).any(|category| category.as_str() == Some("secret"));
            let Some(pattern) = rule["pattern"].as_str().filter(|_| is_secret) else { continue };
            let pattern =
                Regex::new(comments.replace_all(pattern, "").trim()).with_context(|| kind.clone())?;
            for line in elements(&rule["examples"]).filter_map(Yaml::as_str).flat_map(str::lines) {
                let marked: Vec<&str> = pattern
                    .captures_iter(line)
                    .flat_map(|found| {
                        found.iter().skip(1).flatten().map(|group| group.as_str()).collect::<Vec<_>>()
                    })
                    .collect();
                if let [secret] = marked[..] {
                    lines.insert(Line { kind: kind.clone(), text: line.into(), secret: secret.into() });
                }
            }
        }
    }
    Ok(lines)
}

fn elements(list: &Yaml) -> impl Iterator<Item = &Yaml> {
    list.as_vec().into_iter().flatten()
}

/// Returns the table of a policy that has the rules of a gitleaks configuration, and nothing else.
fn gitleaks_only(configuration: &Path) -> Result<Vec<u8>> {
    let mut files = |_: &str| fs::read_to_string(configuration).map_err(|error| error.to_string());
    let policy = Policy::read_with("version: 1\nredact: {gitleaks: gitleaks.toml}\n", &mut files)?;
    Ok(compile(&policy)?)
}

/// Returns for each line whether its secret is gone from the record.
fn redacted(life: &mut Host<'_>, lines: &BTreeSet<Line>) -> Result<Vec<bool>> {
    let is_gone = |line: &Line| -> Result<bool> {
        let redacted = Redacted::pass(life, &json!({ "log": line.text }).to_string())?;
        Ok(!redacted.record["log"].as_str().context("no text")?.contains(&line.secret))
    };
    lines.iter().map(is_gone).collect()
}

/// Returns for each line whether detect-secrets, from PATH, finds a secret of any kind in it.
/// Each line has a file of its own, since it reports equal secrets of a file once.
fn detect_secrets(lines: &BTreeSet<Line>) -> Result<Vec<bool>> {
    let folder = tempfile::tempdir()?;
    for (at, line) in lines.iter().enumerate() {
        fs::write(folder.path().join(format!("{at}.log")), &line.text)?;
    }
    let mut scan = Command::new("detect-secrets");
    scan.args(["scan", "--all-files", "."]).current_dir(folder.path());
    let output = scan.output().context("detect-secrets: pip install detect-secrets==1.5.0")?;
    ensure!(output.status.success(), "detect-secrets: {}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout)?;
    let found = report["results"].as_object().context("a report without results")?;
    Ok((0..lines.len()).map(|at| found.contains_key(&format!("{at}.log"))).collect())
}
