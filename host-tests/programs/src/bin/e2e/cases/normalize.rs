//! Normalization at Fluent Bit's default stack size: third-party corpora and all samples of
//! formats become events of OCSF, which verify and are valid for a third party.

use crate::case::Place;
use crate::expected::Expected;
use crate::forward::Entry;
use crate::pipeline::Pipeline;
use crate::reference::Reference;
use crate::sink::Sink;
use anyhow::{Context, Result, ensure};
use flb_audit_policy::DEFAULT_POLICY;
use host_tests::msgpack::Value;
use host_tests::{policy, root};
use serde_json::json;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;

const TAG: &str = "normalized";
/// The time of all records, in seconds: that of the reference.
const SECONDS: u32 = 1_795_161_600;
/// The number of records in a message of the Forward protocol.
const MESSAGE_RECORDS: usize = 50;
const CORPORA: [&str; 2] = ["cloudtrail.jsonl", "k8s-audit.jsonl"];

/// Returns the records of all samples, and those of the corpora that are there.
fn records() -> Result<Vec<String>> {
    let mut records = Vec::new();
    let mut formats: Vec<PathBuf> = Vec::new();
    for format in fs::read_dir(root().join("plugin/policy/formats"))? {
        formats.push(format?.path());
    }
    formats.sort();
    for file in formats.iter().flat_map(|format| [format.join("samples.ndjson"), format.join("ocsf.ndjson")])
    {
        // A format without a mapping has one of the two.
        for line in fs::read_to_string(file).unwrap_or_default().lines() {
            let sample: serde_json::Value = serde_json::from_str(line)?;
            records.push(sample["record"].to_string());
        }
    }
    let corpora =
        std::env::var_os("FLB_AUDIT_CORPORA").map_or(root().join("../shared/corpora"), PathBuf::from);
    for corpus in CORPORA {
        let text = fs::read_to_string(corpora.join(corpus)).unwrap_or_default();
        records.extend(text.lines().map(str::to_owned));
    }
    Ok(records)
}

pub(crate) fn corpora(place: &Place) -> Result<String> {
    let mut pipeline = Pipeline::new(place)?;
    pipeline.all_outputs();
    let reference = Reference::new()?;
    let normalizing = format!("{DEFAULT_POLICY}\nnormalize: ocsf\n");
    policy::write_policy(&place.at("state"), &normalizing)?;
    policy::write_policy(reference.directory(), &normalizing)?;
    let (process, mut client) = pipeline.start_forward()?;
    let (mut expected, mut life) = (Vec::new(), reference.start());
    for records in records()?.chunks(MESSAGE_RECORDS) {
        let mut entries = Vec::new();
        for record in records {
            expected.push(life.expect(TAG, Some((SECONDS, 0)), record)?);
            let record: serde_json::Value = serde_json::from_str(record)?;
            entries.push(Entry { seconds: SECONDS, nanoseconds: 0, record: Value::from(&record) });
        }
        client.send(TAG, &entries)?;
    }
    pipeline.finish(process, &expected)?;
    let says = |name: &str, value: &str| {
        let has = |expected: &&Expected| {
            expected.remarks.as_ref().is_some_and(|remarks| remarks[name].to_string().contains(value))
        };
        expected.iter().filter(has).count()
    };
    let (events, others) = (says("normalized", "\""), says("notes", "not-normalized"));
    ensure!(events > 100 && events + others == expected.len(), "{events} events, {others} other records");
    let valid = check_events(place, pipeline.sinks().next().context("no output")?)?;
    Ok(format!("{events} events, {others} other records; {valid}"))
}

/// Asks a third party whether the events that came out are valid. Returns a few words about it.
fn check_events(place: &Place, sink: &Sink) -> Result<String> {
    let python = root().join("target/ocsf/bin/python");
    if !python.exists() {
        return Ok("the third party's schemas are not there".into());
    }
    let mut asked = String::new();
    let mut events = Vec::new();
    for record in sink.records()?.into_iter().filter(|record| record.audit["normalized"].is_string()) {
        writeln!(asked, "{}", json!({ "event": record.record }))?;
        events.push(record.record);
    }
    let path = place.at("events.ndjson");
    fs::write(&path, asked)?;
    let output = Command::new(python)
        .arg(root().join("plugin/policy/tests/formats/ocsf.py"))
        .args(std::env::var_os("OCSF_SCHEMA"))
        .stdin(File::open(path)?)
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answers = String::from_utf8(output.stdout)?;
    ensure!(answers.lines().count() == events.len(), "{} answers", answers.lines().count());
    for (answer, event) in answers.lines().zip(&events) {
        ensure!(answer == "[]", "{answer:.600}: {:.600}", event.to_string());
    }
    Ok("all valid for a third party".into())
}
