//! Ledgers in a pipeline, and readers for their contents.

use crate::case::Place;
use crate::process::Process;
use crate::{poll, verify};
use anyhow::{Context, Result, ensure};
use flb_audit_core::chain::ChainId;
use flb_audit_ledger::{manifest, roster};
use host_tests::config::{Config, Section};
use host_tests::root;
use ruzstd::decoding::StreamingDecoder;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Returns the path of the plugin that ships.
pub(crate) fn object() -> PathBuf {
    root().join("dist/out_wasm.so")
}

/// Returns an output that runs a component.
pub(crate) fn wasm(component: &Path) -> Section {
    Section::output("wasm").with("component", component.display()).with("retry_limit", "no_limits")
}

/// Returns an output that keeps a ledger in a directory with a chain.
pub(crate) fn output(dir: &Path) -> Section {
    wasm(&root().join("dist/out_audit.wasm")).with("dir", dir.display()).with("failure_limit", "no_limits")
}

/// Returns the path of the component that does what its chunks' tags say.
pub(crate) fn faulty() -> PathBuf {
    component("out_faulty.wasm")
}

/// A component that does not ship.
pub(crate) fn component(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target.join("wasm32-wasip2/guest").join(name)
}

/// Makes a ledger trust the seals of a chain.
pub(crate) fn believe(dir: &Path, chain: ChainId) -> Result<()> {
    let roster = format!(
        r#"[{{"node":"e2e","chain":"{chain}","key":"{}","created":"2026-11-20T08:00:00Z"}}]"#,
        "A".repeat(43)
    );
    Ok(fs::write(dir.join(roster::FILE_NAME), roster)?)
}

/// Writes a plugins file with the plugin.
pub(crate) fn plugins_file(place: &Place) -> Result<PathBuf> {
    let plugins = place.at("plugins.conf");
    fs::write(&plugins, format!("[PLUGINS]\n    Path {}\n", object().display()))?;
    Ok(plugins)
}

/// Starts a Fluent Bit with a `forward` input whose chunks are on disk.
pub(crate) fn start(place: &Place, port: u16, outputs: &[Section]) -> Result<Process> {
    Process::start(place, &write_config(place, port, outputs)?)
}

/// Writes the configuration of such a Fluent Bit.
pub(crate) fn write_config(place: &Place, port: u16, outputs: &[Section]) -> Result<PathBuf> {
    let plugins = plugins_file(place)?;
    let mut config = Config::default()
        .service("flush", "0.1")
        .service("hot_reload", "on")
        .service("storage.path", place.at("storage").display())
        .service("scheduler.base", 1)
        .service("scheduler.cap", 1)
        .service("plugins_file", plugins.display())
        .section(
            Section::input("forward")
                .with("listen", "127.0.0.1")
                .with("port", port)
                .with("storage.type", "filesystem"),
        );
    for output in outputs {
        config = config.section(output.clone());
    }
    let path = place.at("ledger.conf");
    fs::write(&path, config.classic())?;
    Ok(path)
}

/// Returns the lines of all files.
pub(crate) fn lines(dir: &Path) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_records = name.ends_with(".ndjson") && name != manifest::FILE_NAME;
        // A file may be closed during the read.
        let Ok(bytes) = fs::read(&path) else {
            continue;
        };
        let mut text = String::new();
        if is_records {
            text = String::from_utf8_lossy(&bytes).into_owned();
        } else if name.ends_with(".zst") {
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let mut frame =
                    StreamingDecoder::new(&mut rest).map_err(|error| anyhow::anyhow!("{error}"))?;
                frame.read_to_string(&mut text)?;
            }
        }
        lines.extend(text.lines().map(str::to_owned));
    }
    Ok(lines)
}

/// Returns how often each number is in the ledger.
pub(crate) fn numbers(dir: &Path) -> Result<BTreeMap<u64, u32>> {
    numbers_in(lines(dir)?)
}

/// Returns the same for an encrypted ledger, which it exports.
pub(crate) fn exported(dir: &Path, identity: &Path, output: &Path) -> Result<BTreeMap<u64, u32>> {
    let _ = fs::remove_dir_all(output);
    verify::export(dir, identity, output)?;
    let records = fs::read_to_string(output.join("records.ndjson"))?;
    numbers_in(records.lines().map(str::to_owned).collect())
}

fn numbers_in(lines: Vec<String>) -> Result<BTreeMap<u64, u32>> {
    let mut numbers = BTreeMap::new();
    for line in lines {
        // The last line may be incomplete.
        let record: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        if let Some(number) = record["number"].as_u64() {
            *numbers.entry(number).or_default() += 1;
        }
    }
    Ok(numbers)
}

/// Waits until all these records are there.
pub(crate) fn wait_for(dir: &Path, process: &mut Process, acknowledged: &[u64]) -> Result<()> {
    let missing = || -> Result<usize> {
        let numbers = numbers(dir)?;
        Ok(acknowledged.iter().filter(|number| !numbers.contains_key(number)).count())
    };
    let done = || {
        process.ensure_running()?;
        Ok((missing()? == 0).then_some(()))
    };
    poll::until("all records in the ledger", done, || format!("{} missing", missing().unwrap_or_default()))
}

/// Checks that every acknowledged record is there, that none is there twice, and that
/// `verify` finds nothing wrong.
pub(crate) fn check(dir: &Path, acknowledged: &[u64]) -> Result<verify::Report> {
    let numbers = numbers(dir)?;
    let missing: Vec<_> = acknowledged.iter().filter(|number| !numbers.contains_key(number)).collect();
    ensure!(missing.is_empty(), "{} records missing: {missing:?}", missing.len());
    let twice: Vec<_> = numbers.iter().filter(|(_, count)| **count > 1).collect();
    ensure!(twice.is_empty(), "{} records twice: {twice:?}", twice.len());
    let report = verify::verify(dir)?;
    ensure!(
        report.code == verify::INTACT,
        "verify ended with {}: {:.800}",
        report.code,
        report.report["findings"]
    );
    ensure!(report.count("missing") + report.count("duplicates") == 0, "{:.800}", report.report);
    Ok(report)
}

/// Returns the number of closed files.
pub(crate) fn closed(dir: &Path) -> Result<usize> {
    let path = dir.join(manifest::FILE_NAME);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    Ok(text.lines().count())
}
