//! The places that a config has for the filter, and the configs that ship.

use crate::case::Place;
use crate::expected;
use crate::pipeline::{Layout, Pipeline};
use crate::process::Process;
use crate::sink::Sink;
use crate::verify::{self, INTACT};
use anyhow::{Context, Result};
use host_tests::{root, streams};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

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
    let expected = expected::unchanged(&calls)?;
    let report = pipeline.finish(process, &expected)?;
    Ok(format!("{} records in {} segments", expected.len(), report.segments()?))
}

pub(crate) fn shipped_classic(place: &Place) -> Result<String> {
    shipped(place, "filter-audit.conf")
}

pub(crate) fn shipped_yaml(place: &Place) -> Result<String> {
    shipped(place, "filter-audit.yaml")
}

/// Runs a config of `fluent-bit-conf`, with its files below the case's
/// directory.
fn shipped(place: &Place, name: &str) -> Result<String> {
    let below = place.at("");
    let below = below.display().to_string();
    let below = below.trim_end_matches('/');
    for file in [name, "filter-audit-parsers.conf"] {
        let text = fs::read_to_string(root().join("fluent-bit-conf").join(file))?;
        let text =
            text.replace(" /etc/", &format!(" {below}/etc/")).replace(" /var/", &format!(" {below}/var/"));
        fs::write(place.at(file), text)?;
    }
    let module = place.at("etc/fluent-bit/filter_audit.wasm");
    let log = place.at("var/log/kubernetes/audit.log");
    for file in [&module, &log] {
        fs::create_dir_all(file.parent().context("a file at the root")?)?;
    }
    fs::create_dir_all(place.at("var/lib/fluent-bit"))?;
    fs::copy(verify::module(), module)?;
    fs::write(&log, "")?;
    verify::init(&place.at("var/lib/flb-audit/kube"))?;

    let mut process = Process::start(place, Path::new(name))?;
    // What was there before `tail` looked would not be read.
    process.wait_for_log("inotify_fs_add", 1)?;
    let calls = streams::calls(STREAM)?;
    OpenOptions::new().append(true).open(log)?.write_all(streams::lines(&calls).as_bytes())?;
    let expected = expected::unchanged(&calls)?;
    let sink = Sink { name: "file".into(), path: place.at("var/log/sealed/kube.audit"), adds_date: false };
    sink.wait_for(&mut process, expected.len())?;
    process.stop()?;
    expected::check(&sink, &expected)?;
    verify::verify(&sink.path)?.ensure(&[INTACT], expected.len())?;
    Ok(format!("{} records", expected.len()))
}
