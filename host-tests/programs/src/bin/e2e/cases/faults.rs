//! What goes wrong around the filter: deliveries that fail, and a stack on
//! which it cannot run.

use crate::case::Place;
use crate::expected::Expected;
use crate::forward::{Client, Entry};
use crate::http::Fault;
use crate::pipeline::Pipeline;
use crate::reference;
use anyhow::{Result, ensure};
use host_tests::msgpack::Value;
use host_tests::streams;
use serde_json::json;
use std::fs;

/// What the first requests get, one each.
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

/// Pins a fault of Fluent Bit, so that its end is noticed: where an input
/// collects in a coroutine, WAMR takes that for an overflow of the thread's
/// stack, whatever the module, and Fluent Bit drops the record. `forward` does
/// so from 5.1 on, unless it is threaded.
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
