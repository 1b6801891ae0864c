//! Filters that cannot run, in the configs that ship. Nothing comes out unredacted, and
//! no record is lost.

use super::{layouts, ledgers};
use crate::case::Place;
use crate::process::Process;
use crate::verify::{self, INTACT};
use crate::{ledger, poll};
use anyhow::{Context, Result, ensure};
use host_tests::{root, streams};
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// The configs with a filter.
pub(super) const CONFIGS: [&str; 7] = [
    "filter-audit.conf",
    "filter-audit.yaml",
    "filter-redact.conf",
    "filter-redact.yaml",
    "filter-schema.conf",
    "filter-schema.yaml",
    "ledger.yaml",
];
/// Secrets that must not come out.
const SECRETS: [&str; 2] = ["correct-horse-4711", "4111 1111 1111 1111"];
const STATE: &str = "var/lib/flb-audit/kube";
const MODULE: &str = "etc/fluent-bit/filter_audit.wasm";
/// The number of records before something is removed, and again after that.
const RECORDS: usize = 20;

/// The reason why the filter cannot run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    /// There is no state directory.
    Missing,
    /// There is a link to nowhere instead of the state directory.
    Dangling,
    /// There is a file instead of the state directory.
    File,
    /// The state directory is removed while Fluent Bit runs.
    Removed,
    /// The module is removed while Fluent Bit runs.
    NoModule,
}

impl Broken {
    fn is_at_start(self) -> bool {
        matches!(self, Broken::Missing | Broken::Dangling | Broken::File)
    }

    fn apply(self, place: &Place) -> Result<()> {
        let state = place.at(STATE);
        if self == Broken::NoModule {
            return Ok(fs::remove_file(place.at(MODULE))?);
        }
        fs::remove_dir_all(&state)?;
        match self {
            Broken::Dangling => symlink("nowhere", state)?,
            Broken::File => fs::write(state, "")?,
            _ => {}
        }
        Ok(())
    }
}

pub(crate) fn at_the_start(place: &Place) -> Result<String> {
    let broken = [Broken::Missing, Broken::Dangling, Broken::File];
    let seen = broken.map(|broken| run(place, "filter-audit.yaml", broken));
    seen.into_iter().collect::<Result<Vec<_>>>().map(|seen| seen.join("; "))
}

pub(crate) fn removed(place: &Place) -> Result<String> {
    run(place, "filter-audit.yaml", Broken::Removed)
}

pub(crate) fn without_module(place: &Place) -> Result<String> {
    run(place, "filter-audit.yaml", Broken::NoModule)
}

pub(crate) fn every_config(place: &Place) -> Result<String> {
    for name in CONFIGS {
        run(place, name, Broken::Missing).with_context(|| name)?;
    }
    Ok(format!("{} configs", CONFIGS.len()))
}

/// Runs a config whose filter cannot run, from the start or from some point on.
fn run(place: &Place, name: &str, broken: Broken) -> Result<String> {
    let place = &place.below(&format!("{name}-{broken:?}"))?;
    let log = lay_out(place, name)?;
    if broken.is_at_start() {
        broken.apply(place)?;
    }
    let mut process = Process::start(place, Path::new(name))?;
    if broken.is_at_start() && !place.fluent_bit.starts_without_filters() {
        let ended = || Ok(process.ensure_running().is_err().then_some(()));
        poll::until("fluent-bit to end", ended, || String::from("it runs"))?;
        let why = process.log()?;
        ensure!(why.contains("failed to instantiate wasm program"), "{why}");
        return Ok(format!("{broken:?}: it does not start"));
    }
    process.wait_for_log("inotify_fs_add", 1)?;
    append(&log, 0)?;
    wait_for(place, &mut process, RECORDS)?;
    if !broken.is_at_start() {
        broken.apply(place)?;
    }
    append(&log, RECORDS)?;
    let is_lost = broken == Broken::NoModule && place.fluent_bit.is_guest_per_chunk();
    if is_lost {
        // The message of the filter, and that of the second filter for what the first has
        // not sealed.
        process.wait_for_log("Open wasm file", 2)?;
    } else {
        wait_for(place, &mut process, 2 * RECORDS)?;
    }
    process.stop()?;
    let records = if is_lost { RECORDS } else { 2 * RECORDS };
    let files = outputs(place)?;
    for file in &files {
        let text = String::from_utf8_lossy(&fs::read(file)?).into_owned();
        let secret = SECRETS.iter().find(|secret| text.contains(**secret));
        ensure!(secret.is_none(), "{}: {secret:?} in the clear", file.display());
    }
    let report = verify::verify_all(&files, &[])?;
    report.ensure(&[INTACT], records)?;
    ensure!(report.count("missing") == 0, "{} records missing", report.count("missing"));
    let end = if is_lost { ", the others nowhere" } else { "" };
    Ok(format!("{broken:?}: {records} records sealed{end}"))
}

/// Copies a config and its module into the case's directory. Returns the log that it
/// reads.
pub(super) fn lay_out(place: &Place, name: &str) -> Result<PathBuf> {
    if name.starts_with("ledger") {
        return Ok(ledgers::lay_out(place, name)?.0);
    }
    let (module, log) = layouts::lay_out(place, name)?;
    if name.starts_with("filter-redact") {
        verify::build(&root().join(layouts::POLICY), &module)?;
        let keys = place.at("etc/flb-audit/keys");
        fs::create_dir_all(&keys)?;
        verify::hmac_key(&keys)?;
    } else if name.starts_with("filter-schema") {
        verify::build(&root().join(layouts::DEAD_LETTER_POLICY), &module)?;
    } else {
        fs::copy(verify::module(), module)?;
    }
    Ok(log)
}

/// Appends records with secrets. Some have a member that looks like a seal.
fn append(log: &Path, first: usize) -> Result<()> {
    let calls = streams::calls("kubernetes-audit")?;
    let [password, card] = SECRETS;
    let mut lines = String::new();
    for number in first..first + RECORDS {
        let call = calls.get(number % calls.len()).context("an empty stream")?;
        let rest = call.record.strip_prefix('{').context("no object")?;
        let audit = r#""audit":{"chain":"AAAAAAAAAAAA","head":"x"},"#;
        let audit = if number % 4 == 1 { audit } else { "" };
        lines += &format!(r#"{{"n":{number},{audit}"password":"{password}","text":"card {card}",{rest}"#);
        lines.push('\n');
    }
    Ok(OpenOptions::new().append(true).open(log)?.write_all(lines.as_bytes())?)
}

/// Returns the files that the config's outputs have written.
pub(super) fn outputs(place: &Place) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for dir in ["var/log/sealed", "var/log/dead-letter", "var/lib/flb-audit/ledger"] {
        match fs::read_dir(place.at(dir)) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            entries => {
                for entry in entries? {
                    files.push(entry?.path());
                }
            }
        }
    }
    files.retain(|file| !file.ends_with("roster.json") && !file.to_string_lossy().contains("chain."));
    files.retain(|file| !file.ends_with("ledger.intents"));
    Ok(files)
}

fn wait_for(place: &Place, process: &mut Process, records: usize) -> Result<()> {
    let count = || -> Result<usize> {
        let dir = place.at("var/lib/flb-audit/ledger");
        if dir.exists() {
            return Ok(ledger::lines(&dir)?.len());
        }
        let texts: Vec<_> = outputs(place)?.iter().map(fs::read_to_string).collect::<Result<_, _>>()?;
        Ok(texts.iter().map(|text| text.lines().count()).sum())
    };
    let done = || {
        process.ensure_running()?;
        Ok((count()? >= records).then_some(()))
    };
    poll::until(&format!("{records} records"), done, || format!("{} are there", count().unwrap_or_default()))
}
