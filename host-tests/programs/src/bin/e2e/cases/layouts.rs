//! The ways to place the filter in a config, and the configs that ship.

use crate::case::Place;
use crate::expected;
use crate::pipeline::{Layout, Pipeline};
use crate::process::Process;
use crate::reference::{self, Reference};
use crate::sink::Sink;
use crate::verify::{self, INTACT};
use anyhow::{Context, Result, ensure};
use flb_audit_core::redact::KEY_FILE_NAME;
use host_tests::{policy, root, streams};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

const STREAM: &str = "kubernetes-audit";

pub(crate) fn yaml(place: &Place) -> Result<String> {
    laid_out(place, Layout::Yaml, false)
}

pub(crate) fn processor(place: &Place) -> Result<String> {
    laid_out(place, Layout::Processor, false)
}

pub(crate) fn processor_in_a_thread(place: &Place) -> Result<String> {
    laid_out(place, Layout::Processor, true)
}

fn laid_out(place: &Place, layout: Layout, is_threaded: bool) -> Result<String> {
    let mut pipeline = Pipeline::new(place)?;
    pipeline.layout = layout;
    pipeline.all_outputs();
    let tail = pipeline.tail("kube.audit", "log");
    pipeline.input(tail.with("threaded", is_threaded));
    let calls = streams::calls(STREAM)?;
    fs::write(place.at("log"), streams::lines(&calls))?;
    let process = pipeline.start()?;
    let expected = reference::stream(&calls)?;
    let report = pipeline.finish(process, &expected)?;
    Ok(format!("{} records in {} segments", expected.len(), report.segments()?))
}

pub(crate) fn shipped_classic(place: &Place) -> Result<String> {
    shipped(place, "filter-audit.conf", None)
}

pub(crate) fn shipped_yaml(place: &Place) -> Result<String> {
    shipped(place, "filter-audit.yaml", None)
}

/// The policy in the configs that name one.
pub(super) const POLICY: &str = "examples/policies/kubernetes-audit.yaml";

pub(crate) fn shipped_redact_classic(place: &Place) -> Result<String> {
    shipped(place, "filter-redact.conf", Some(POLICY))
}

pub(crate) fn shipped_redact_yaml(place: &Place) -> Result<String> {
    shipped(place, "filter-redact.yaml", Some(POLICY))
}

pub(crate) fn shipped_schema_classic(place: &Place) -> Result<String> {
    shipped_schema(place, "filter-schema.conf")
}

pub(crate) fn shipped_schema_yaml(place: &Place) -> Result<String> {
    shipped_schema(place, "filter-schema.yaml")
}

/// Writes a config of `fluent-bit-conf`, with all its files below the case's directory.
/// Creates these files, except the module. Returns the paths of module and log.
pub(super) fn lay_out(place: &Place, name: &str) -> Result<(PathBuf, PathBuf)> {
    let below = place.at("");
    let below = below.display().to_string();
    let below = below.trim_end_matches('/');
    for file in [name, "filter-audit-parsers.conf"] {
        let mut text = fs::read_to_string(root().join("fluent-bit-conf").join(file))?;
        for (before, top) in [(" ", "/etc/"), (" ", "/var/"), (",", "/etc/")] {
            text = text.replace(&format!("{before}{top}"), &format!("{before}{below}{top}"));
        }
        fs::write(place.at(file), text)?;
    }
    let module = place.at("etc/fluent-bit/filter_audit.wasm");
    let log = place.at("var/log/kubernetes/audit.log");
    for file in [&module, &log] {
        fs::create_dir_all(file.parent().context("a file at the root")?)?;
    }
    fs::create_dir_all(place.at("var/lib/fluent-bit"))?;
    verify::init(&place.at("var/lib/flb-audit/kube"))?;
    fs::write(&log, "")?;
    Ok((module, log))
}

/// Runs such a config.
fn shipped(place: &Place, name: &str, policy: Option<&str>) -> Result<String> {
    let (module, log) = lay_out(place, name)?;
    let reference = Reference::new()?;
    match policy.map(|policy| root().join(policy)) {
        None => _ = fs::copy(verify::module(), module)?,
        Some(policy) => {
            verify::build(&policy, &module)?;
            let keys = place.at("etc/flb-audit/keys");
            fs::create_dir_all(&keys)?;
            verify::hmac_key(&keys)?;
            fs::copy(keys.join(KEY_FILE_NAME), reference.directory().join(KEY_FILE_NAME))?;
            policy::write_policy(reference.directory(), &fs::read_to_string(policy)?)?;
        }
    }
    let mut process = Process::start(place, Path::new(name))?;
    // `tail` does not read lines that were there before it looked.
    process.wait_for_log("inotify_fs_add", 1)?;
    let calls = streams::calls(STREAM)?;
    OpenOptions::new().append(true).open(log)?.write_all(streams::lines(&calls).as_bytes())?;
    let expected = reference.start().expect_stream(&calls)?;
    let sink = Sink { name: "file".into(), path: place.at("var/log/sealed/kube.audit"), adds_date: false };
    sink.wait_for(&mut process, expected.len())?;
    process.stop()?;
    expected::check(&sink, &expected)?;
    verify::verify(&sink.path)?.ensure(&[INTACT], expected.len())?;
    Ok(format!("{} records", expected.len()))
}

/// The policy in the configs with a dead-letter output.
pub(super) const DEAD_LETTER_POLICY: &str = "examples/policies/dead-letter.yaml";

/// Runs such a config with a log that has some invalid records.
fn shipped_schema(place: &Place, name: &str) -> Result<String> {
    let (module, log) = lay_out(place, name)?;
    let policy = root().join(DEAD_LETTER_POLICY);
    verify::build(&policy, &module)?;
    let reference = Reference::new()?;
    policy::write_policy(reference.directory(), &fs::read_to_string(policy)?)?;
    let mut calls = streams::calls(STREAM)?;
    for call in calls.iter_mut().step_by(5) {
        call.record = call.record.replacen("\"level\":", "\"lvl\":", 1);
    }

    let mut process = Process::start(place, Path::new(name))?;
    process.wait_for_log("inotify_fs_add", 1)?;
    OpenOptions::new().append(true).open(log)?.write_all(streams::lines(&calls).as_bytes())?;
    let expected = reference.start().expect_stream(&calls)?;
    let (dead, good): (Vec<_>, Vec<_>) =
        expected.into_iter().partition(|expected| expected.record.get("quarantine").is_some());
    ensure!(dead.len() == calls.len().div_ceil(5), "{} records in quarantine", dead.len());
    let mut logs = Vec::new();
    for (file, expected) in [("sealed/kube.audit", &good), ("dead-letter/dead-letter.kube.audit", &dead)] {
        let path = place.at("var/log").join(file);
        let sink = Sink { name: file.into(), path: path.clone(), adds_date: false };
        sink.wait_for(&mut process, expected.len())?;
        expected::check(&sink, expected)?;
        logs.push(path);
    }
    process.stop()?;
    let report = verify::verify_all(&logs, &[])?;
    report.ensure(&[INTACT], calls.len())?;
    let (good, dead) = (good.len() as u64, dead.len() as u64);
    ensure!(report.schema()? == [good, dead, dead, 0, 0], "verify counts {:?}", report.schema()?);
    let restored = verify::restore(&logs)?;
    ensure!(restored.len() as u64 == dead, "{} records restored", restored.len());
    for (restored, call) in restored.iter().zip(calls.iter().step_by(5)) {
        let came: serde_json::Value = serde_json::from_str(&call.record)?;
        // Redaction does not change the ids.
        ensure!(restored["auditID"] == came["auditID"], "{restored} for {came}");
    }
    Ok(format!("{good} records, and {dead} in the dead-letter output, restored"))
}
