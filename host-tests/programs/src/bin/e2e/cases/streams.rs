//! The recorded streams: every record comes out, redacted as its policy says.

use crate::case::Place;
use crate::expected::Expected;
use crate::forward::Entry;
use crate::pipeline::Pipeline;
use crate::reference::Reference;
use crate::verify::Report;
use anyhow::{Context, Result};
use flb_audit_host::stream::Call;
use host_tests::msgpack::Value;
use host_tests::{policy, streams};
use std::fs;

/// The number of records in a message of the Forward protocol.
const MESSAGE_RECORDS: usize = 50;

pub(crate) fn through_tail(place: &Place) -> Result<String> {
    let Tailed { expected, report, .. } = tailed(place, None, |_| Ok(()))?;
    Ok(format!("{} records in {} segments", expected.len(), report.segments()?))
}

/// A pipeline that has delivered all streams.
pub(super) struct Tailed<'a> {
    pub(super) pipeline: Pipeline<'a>,
    pub(super) expected: Vec<Expected>,
    pub(super) report: Report,
}

/// Makes `tail` read each stream from a file, changed by `alter`, with a policy that
/// overrides the module's. Compares the output with the reference.
pub(super) fn tailed<'a>(
    place: &'a Place,
    policy: Option<&str>,
    alter: impl Fn(&mut [Call]) -> Result<()>,
) -> Result<Tailed<'a>> {
    let mut pipeline = Pipeline::new(place)?;
    pipeline.all_outputs();
    let reference = Reference::new()?;
    if let Some(policy) = policy {
        policy::write_policy(&place.at("state"), policy)?;
        policy::write_policy(reference.directory(), policy)?;
    }
    let mut expected = Vec::new();
    let mut life = reference.start();
    for name in streams::names()? {
        let mut calls = streams::calls(&name)?;
        alter(&mut calls)?;
        expected.extend(life.expect_stream(&calls)?);
        let file = format!("{name}.log");
        fs::write(place.at(&file), streams::lines(&calls))?;
        let tag = &calls.first().context("an empty stream")?.tag;
        let tail = pipeline.tail(tag, &file);
        pipeline.input(tail);
    }
    let process = pipeline.start()?;
    let report = pipeline.finish(process, &expected)?;
    Ok(Tailed { pipeline, expected, report })
}

pub(crate) fn through_forward(place: &Place) -> Result<String> {
    let mut pipeline = Pipeline::new(place)?;
    pipeline.all_outputs();
    let (process, mut client) = pipeline.start_forward()?;
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
