//! Lives of Fluent Bit that end in the middle of a stream, by a kill or by a hot reload.

use crate::case::Place;
use crate::pipeline::Pipeline;
use crate::poll;
use crate::private::Private;
use crate::process::Process;
use crate::sink::Record;
use crate::verify::{GAP, UNCLEAN_STOP};
use anyhow::{Context, Result, ensure};
use host_tests::streams;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

const TAG: &str = "aws.cloudtrail";

/// A growing log: numbered records in the form of CloudTrail's, without anything to
/// redact.
struct Log {
    path: PathBuf,
    events: Vec<Value>,
    written: usize,
}

impl Log {
    fn new(path: PathBuf) -> Result<Self> {
        let parse = |call: flb_audit_host::stream::Call| Ok(serde_json::from_str(&call.record)?);
        let events = streams::calls("cloudtrail")?.into_iter().map(parse).collect::<Result<_>>()?;
        Ok(Log { path, events, written: 0 })
    }

    fn record(&self, number: usize) -> Value {
        json!({ "number": number, "event": self.events[number % self.events.len()] })
    }

    fn append(&mut self, count: usize) -> Result<()> {
        let lines: String =
            (self.written..self.written + count).map(|number| format!("{}\n", self.record(number))).collect();
        OpenOptions::new().append(true).create(true).open(&self.path)?.write_all(lines.as_bytes())?;
        self.written += count;
        Ok(())
    }
}

/// Returns a pipeline that outlives its processes: `tail` stores its position, and chunks
/// are on disk.
pub(super) fn lasting_pipeline(place: &Place) -> Result<Pipeline<'_>> {
    let mut pipeline = Pipeline::new(place)?;
    pipeline.service("storage.path", place.at("storage").display());
    let tail = pipeline.tail(TAG, "log");
    pipeline.input(tail.with("db", place.at("tail.db").display()).with("storage.type", "filesystem"));
    Ok(pipeline)
}

/// The number of records that a life can read before it is killed.
const RECORDS_A_KILL: usize = 3_000;
/// The number of records that have come out when the life is killed.
const KILLED_AFTER: [usize; 4] = [0, 1, 700, 2_500];

pub(crate) fn killed(place: &Place) -> Result<String> {
    kill(place, lasting_pipeline(place)?)
}

pub(crate) fn killed_with_keys(place: &Place) -> Result<String> {
    let mut pipeline = lasting_pipeline(place)?;
    let state = pipeline.use_keys()?;
    let mut private = Private::new(&state)?;
    let seen = kill(place, pipeline)?;
    private.look()?;
    private.ensure_kept(place)?;
    Ok(seen)
}

fn kill(place: &Place, mut pipeline: Pipeline<'_>) -> Result<String> {
    // A kill may leave half a line at the end of a file, but no half request.
    pipeline.http("json");
    pipeline.http("json_lines");
    let sink = pipeline.sinks().next().context("no output")?.clone();
    let mut log = Log::new(place.at("log"))?;
    for out in KILLED_AFTER {
        let before = sink.records()?.len();
        log.append(RECORDS_A_KILL / 2)?;
        let mut process = pipeline.start()?;
        sink.wait_for(&mut process, before + out.min(RECORDS_A_KILL / 4))?;
        log.append(RECORDS_A_KILL / 2)?;
        sink.wait_for(&mut process, before + out)?;
        process.kill()?;
    }
    // A record that was sealed, but not yet on disk at the kill, is missing. It is sealed
    // again, with another number.
    let codes = [pipeline.intact(), UNCLEAN_STOP, GAP];
    drain(place, &pipeline, pipeline.start()?, &log, KILLED_AFTER.len(), &codes)
}

const RELOADS: usize = 3;
const RECORDS_A_RELOAD: usize = 500;

pub(crate) fn reloaded(place: &Place) -> Result<String> {
    reload(place, lasting_pipeline(place)?)
}

pub(crate) fn reloaded_with_keys(place: &Place) -> Result<String> {
    let mut pipeline = lasting_pipeline(place)?;
    pipeline.use_keys()?;
    reload(place, pipeline)
}

fn reload(place: &Place, mut pipeline: Pipeline<'_>) -> Result<String> {
    pipeline.all_outputs();
    pipeline.service("hot_reload", "on");
    let mut log = Log::new(place.at("log"))?;
    log.append(RECORDS_A_RELOAD)?;
    let mut process = pipeline.start()?;
    let sink = pipeline.sinks().next().context("no output")?.clone();
    for reload in 1..=RELOADS {
        sink.wait_for(&mut process, log.written - RECORDS_A_RELOAD / 2)?;
        // Writes into the end of one life and the start of the next.
        log.append(RECORDS_A_RELOAD / 2)?;
        process.signal("HUP")?;
        log.append(RECORDS_A_RELOAD / 2)?;
        process.wait_for_log("stream processor started", reload + 1)?;
    }
    drain(place, &pipeline, process, &log, RELOADS, &[pipeline.intact()])
}

/// Waits for the whole log to come out, and accounts for every line.
fn drain(
    place: &Place,
    pipeline: &Pipeline<'_>,
    mut process: Process,
    log: &Log,
    restarts: usize,
    codes: &[i32],
) -> Result<String> {
    let torn_max = if place.fluent_bit.tears_lines() { restarts } else { 0 };
    for sink in pipeline.sinks() {
        let count = || anyhow::Ok(Read::of(&sink.records()?).numbers.len());
        let done = || {
            process.ensure_running()?;
            Ok((count()? + torn_max >= log.written).then_some(()))
        };
        let progress = || format!("{} came out", count().unwrap_or_default());
        poll::until(&format!("all of {} lines from {}", log.written, sink.name), done, progress)?;
    }
    // Records that are still on their way come out at the stop.
    process.stop()?;
    let mut seen = String::new();
    for sink in pipeline.sinks() {
        let records = sink.records()?;
        let report = pipeline.verify(&sink.path)?;
        report.ensure(codes, records.len())?;
        let segments = report.segments()?;
        ensure!(segments > restarts as u64 / 2, "{segments} segments after {restarts} restarts");
        let read = Read::of(&records);
        let torn = read.check(log, torn_max).with_context(|| sink.name.clone())?;
        if !codes.contains(&GAP) {
            let count = log.written - torn + read.others.len();
            ensure!(records.len() == count, "{} records, not {count}", records.len());
        }
        seen = format!(
            "{} lines, {torn} of them torn by tail; {} records in {segments} segments, {} missing, {} came again",
            log.written,
            records.len(),
            report.count("missing"),
            report.count("duplicates")
        );
    }
    Ok(seen)
}

/// The records that have come out for a log.
struct Read<'a> {
    numbers: BTreeMap<usize, &'a Value>,
    /// Records without a number: ends of lines.
    others: Vec<&'a Value>,
}

impl<'a> Read<'a> {
    fn of(records: &'a [Record]) -> Self {
        let mut read = Read { numbers: BTreeMap::new(), others: Vec::new() };
        for Record { record, .. } in records {
            match record["number"].as_u64() {
                Some(number) => _ = read.numbers.insert(number as usize, record),
                None => read.others.push(record),
            }
        }
        read
    }

    /// Fails if something came out that was not in the log, or if more than `torn_max`
    /// lines did not come out. Returns the number of torn lines.
    fn check(&self, log: &Log, torn_max: usize) -> Result<usize> {
        for (&number, record) in &self.numbers {
            let (came, went) = (&record["event"], &log.record(number)["event"]);
            ensure!(came == went, "line {number} came out as {came:.600}");
        }
        let torn: Vec<_> = (0..log.written).filter(|number| !self.numbers.contains_key(number)).collect();
        ensure!(torn.len() <= torn_max, "lines {torn:?} did not come out");
        for record in &self.others {
            // If such an end begins with an object, the parser reads only that object. The line
            // may also come out whole, when it is read again after the kill.
            let part = record["log"].as_str().map_or_else(|| record.to_string(), str::to_owned);
            let is_part = (0..log.written).any(|number| log.record(number).to_string().contains(&part));
            ensure!(is_part, "no part of a line of the log: {part}");
        }
        Ok(torn.len())
    }
}
