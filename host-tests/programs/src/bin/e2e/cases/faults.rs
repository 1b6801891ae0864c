//! Faults around the filter: failing deliveries, and a stack on which the filter cannot
//! run.

use crate::case::Place;
use crate::expected::Expected;
use crate::forward::{Client, Entry};
use crate::http::Fault;
use crate::pipeline::{Layout, Pipeline};
use crate::poll;
use crate::reference;
use anyhow::{Result, ensure};
use host_tests::msgpack::Value;
use host_tests::streams;
use serde_json::json;
use std::fs;
use std::thread;
use std::time::Duration;

/// The faults in answer to the first requests, one each.
const FAULTS: [Fault; 4] = [Fault::Lost, Fault::KeptAndFailed, Fault::KeptAndClosed, Fault::Lost];

pub(crate) fn deliveries(place: &Place) -> Result<String> {
    let mut pipeline = Pipeline::new(place)?;
    pipeline.http("json");
    pipeline.server.fail(&FAULTS);
    let calls = streams::calls("cloudtrail")?;
    fs::write(place.at("log"), streams::lines(&calls))?;
    let tail = pipeline.tail("aws.cloudtrail", "log");
    pipeline.input(tail);
    let expected = reference::stream(&calls)?;
    let mut process = pipeline.start()?;
    pipeline.wait_for(&mut process, expected.len())?;
    process.stop()?;
    let report = pipeline.check(&expected)?;
    ensure!(report.count("duplicates") > 0, "nothing was delivered twice");
    Ok(format!("{} records, {} came again", expected.len(), report.count("duplicates")))
}

/// The number of requests that are refused.
const REFUSED: usize = 20;

/// Few chunks fit into memory, and the output accepts none for a while. The waiting
/// chunks are on the disk, and nothing is lost.
pub(crate) fn back_pressure(place: &Place) -> Result<String> {
    let mut pipeline = Pipeline::new(place)?;
    pipeline.service("storage.path", place.at("storage").display());
    pipeline.service("storage.max_chunks_up", 2);
    pipeline.http("json_lines");
    pipeline.server.fail(&[Fault::Lost; REFUSED]);
    let calls = streams::calls("kubernetes-audit")?;
    fs::write(place.at("log"), streams::lines(&calls))?;
    let tail = pipeline.tail("kube.audit", "log");
    pipeline.input(tail.with("storage.type", "filesystem").with("buffer_chunk_size", "32k"));
    let expected = reference::stream(&calls)?;
    let mut process = pipeline.start()?;
    pipeline.wait_for(&mut process, expected.len())?;
    process.stop()?;
    pipeline.check(&expected)?;
    Ok(format!("{} records after {REFUSED} refused requests", expected.len()))
}

/// Pins down a fault of Fluent Bit, so that a fix is noticed: if a WASM module is the
/// processor of a threaded input, no other WASM module can run.
pub(crate) fn threads(place: &Place) -> Result<String> {
    const LINES: usize = 100;
    let mut pipeline = Pipeline::new(place)?;
    pipeline.layout = Layout::Processor;
    for file in ["one", "two"] {
        fs::write(place.at(file), "{\"a\":1}\n".repeat(LINES))?;
        let tail = pipeline.tail(file, file);
        pipeline.input(tail.with("threaded", "true"));
    }
    pipeline.http("json_lines");
    let mut process = pipeline.start()?;
    if place.fluent_bit.starts_without_filters() {
        // 4.0 behaves differently from run to run: it runs, it aborts, or it cannot load
        // the module for a chunk, which then passes unchanged.
        thread::sleep(Duration::from_secs(5));
        let has_ended = process.ensure_running().is_err();
        let is_loaded = !process.log()?.contains("Load wasm module failed");
        return Ok(format!("Fluent Bit has ended: {has_ended}, and could load the module: {is_loaded}"));
    }
    let ended = || Ok(process.ensure_running().is_err().then_some(()));
    poll::until("fluent-bit to end", ended, || String::from("it runs"))?;
    let log = process.log()?;
    ensure!(log.contains("thread signal env not inited"), "{log}");
    Ok("with two of them Fluent Bit does not start".into())
}

/// Pins down a fault of Fluent Bit, so that a fix is noticed. If an input collects in a
/// coroutine, WAMR reports an overflow of the thread's stack for every module, and Fluent
/// Bit drops the record. `forward` does this from 5.1 on, unless it is threaded.
pub(crate) fn coroutine(place: &Place) -> Result<String> {
    const OVERFLOW: &str = "Exception: native stack overflow";
    let mut pipeline = Pipeline::new(place)?;
    pipeline.all_outputs();
    let (forward, port) = Pipeline::forward()?;
    pipeline.input(forward.with("threaded", "false"));
    let mut process = pipeline.start()?;
    let record = json!({ "a": 1 });
    Client::connect(port)?
        .send("forward", &[Entry { seconds: 1, nanoseconds: 0, record: Value::from(&record) }])?;
    if place.fluent_bit.version < (5, 1, 0) {
        pipeline.finish(process, &[Expected::unchanged("forward", Some((1, 0)), record)])?;
        return Ok("a record comes out of a forward input that is not threaded".into());
    }
    process.wait_for_log(OVERFLOW, 1)?;
    process.stop()?;
    for sink in pipeline.sinks() {
        ensure!(sink.records()?.is_empty(), "{} has the record all the same", sink.name);
    }
    Ok("Fluent Bit 5.1 loses what comes through a forward input that is not threaded".into())
}
