//! The recorded streams: what went in comes out, redacted where that is due.

use crate::case::Place;
use crate::forward::{Client, Entry};
use crate::msgpack::Value;
use crate::pipeline::Pipeline;
use crate::reference::Reference;
use anyhow::{Context, Result};
use host_tests::streams;
use std::fs;

/// Records a message of the Forward protocol.
const MESSAGE_RECORDS: usize = 50;

pub(crate) fn through_tail(place: &Place) -> Result<String> {
    let mut pipeline = Pipeline::new(place)?;
    pipeline.all_outputs();
    let mut expected = Vec::new();
    let reference = Reference::new()?;
    let mut life = reference.start();
    for name in streams::names()? {
        let calls = streams::calls(&name)?;
        expected.extend(life.expect_stream(&calls)?);
        let file = format!("{name}.log");
        fs::write(place.at(&file), streams::lines(&calls))?;
        let tag = &calls.first().context("an empty stream")?.tag;
        let tail = pipeline.tail(tag, &file);
        pipeline.input(tail);
    }
    let process = pipeline.start()?;
    let report = pipeline.finish(process, &expected)?;
    Ok(format!("{} records in {} segments", expected.len(), report.segments()?))
}

pub(crate) fn through_forward(place: &Place) -> Result<String> {
    let mut pipeline = Pipeline::new(place)?;
    pipeline.all_outputs();
    let (forward, port) = Pipeline::forward()?;
    pipeline.input(forward);
    let process = pipeline.start()?;
    let mut client = Client::connect(port)?;
    let mut expected = Vec::new();
    let reference = Reference::new()?;
    let mut life = reference.start();
    for name in streams::names()? {
        for calls in streams::calls(&name)?.chunks(MESSAGE_RECORDS) {
            let mut entries = Vec::new();
            for call in calls {
                let record: serde_json::Value = serde_json::from_str(&call.record)?;
                entries.push(Entry {
                    seconds: call.sec,
                    nanoseconds: call.nsec,
                    record: Value::from(&record),
                });
                expected.push(life.expect(&call.tag, Some((call.sec, call.nsec)), &call.record)?);
            }
            client.send(&calls[0].tag, &entries)?;
        }
    }
    let report = pipeline.finish(process, &expected)?;
    Ok(format!("{} records in {} segments", expected.len(), report.segments()?))
}
