//! State directories that are wrong: missing, or shared by two filters. No record is lost
//! because of that.

use crate::case::Place;
use crate::pipeline::{Layout, Pipeline};
use crate::process::Process;
use crate::verify::{self, CONFLICT, INTACT, Report, TAIL_UNANCHORED};
use anyhow::{Result, ensure};
use host_tests::config::Section;
use host_tests::streams;
use std::fs;

pub(crate) fn none(place: &Place) -> Result<String> {
    let mut pipeline = Pipeline::new(place)?;
    pipeline.all_outputs();
    // Without an accessible path, Fluent Bit gives access to the directory where it runs,
    // and there is no state.
    pipeline.filter = Section::wasm(verify::module().display(), "audit");
    let records = tail(place, &mut pipeline, "cloudtrail")?;
    let report = verified(&pipeline, pipeline.start()?, &[INTACT], records)?;
    let chains = report.report["chains"].as_array().map(Vec::as_slice).unwrap_or_default();
    ensure!(chains.iter().all(|chain| chain["is_ephemeral"] == true), "a chain that is not ephemeral");
    Ok(format!("{records} records in {} ephemeral chains", chains.len()))
}

pub(crate) fn shared(place: &Place) -> Result<String> {
    let mut pipeline = Pipeline::new(place)?;
    pipeline.all_outputs();
    pipeline.layout = Layout::Processor;
    let records = tail(place, &mut pipeline, "cloudtrail")? + tail(place, &mut pipeline, "kubernetes-audit")?;
    // With a guest for each chunk, the filters take turns, and the chain stays one.
    let code = if place.fluent_bit.is_guest_per_chunk() { INTACT } else { CONFLICT };
    let report = verified(&pipeline, pipeline.start()?, &[code], records)?;
    Ok(format!("{records} records in {} segments, verify ends with {code}", report.segments()?))
}

/// The number of times that two filters with keys are started on one directory.
const LIVES: usize = 4;

/// Two filters put keys into force that the other does not know. The report must not
/// blame somebody else.
pub(crate) fn shared_with_keys(place: &Place) -> Result<String> {
    const STREAMS: [&str; 2] = ["cloudtrail", "kubernetes-audit"];
    let mut pipeline = Pipeline::new(place)?;
    pipeline.all_outputs();
    pipeline.use_keys()?;
    pipeline.layout = Layout::Processor;
    for stream in STREAMS {
        let tail = pipeline.tail(stream, stream);
        pipeline.input(tail);
    }
    let mut records = 0;
    let mut codes = Vec::new();
    for _ in 0..LIVES {
        for stream in STREAMS {
            let calls = streams::calls(stream)?;
            fs::write(place.at(stream), streams::lines(&calls))?;
            records += calls.len();
        }
        let found = verified(&pipeline, pipeline.start()?, &[CONFLICT, TAIL_UNANCHORED], records)?;
        codes.push(found.code);
    }
    // Filters with a guest for each chunk may happen to take turns.
    ensure!(place.fluent_bit.is_guest_per_chunk() || codes.contains(&CONFLICT), "verify ends with {codes:?}");
    Ok(format!("{records} records in {LIVES} lives of both, verify ends with {codes:?}"))
}

/// Two Fluent Bits put keys into force for one chain at the same time.
pub(crate) fn shared_by_processes(place: &Place) -> Result<String> {
    const LIVES: usize = 3;
    const RECORDS: usize = 2_000;
    let places = [place.below("first")?, place.below("second")?];
    let mut pipelines = [Pipeline::new(&places[0])?, Pipeline::new(&places[1])?];
    let state = pipelines[0].use_keys()?;
    let [_, second] = &mut pipelines;
    second.filter = second.filter.clone().with("accessible_paths", state.display());
    for pipeline in &mut pipelines {
        pipeline.http("json_lines");
        let tail = pipeline.tail("some.tag", "log");
        pipeline.input(tail);
    }
    let logs: Vec<_> = pipelines.iter().flat_map(Pipeline::sinks).map(|sink| sink.path.clone()).collect();
    let text = "x".repeat(400);
    let lines: String =
        (0..RECORDS).map(|number| format!("{{\"n\":{number},\"text\":\"{text}\"}}\n")).collect();
    for life in 1..=LIVES {
        let mut processes = Vec::new();
        for (pipeline, place) in pipelines.iter().zip(&places) {
            fs::write(place.at("log"), &lines)?;
            processes.push(pipeline.start()?);
        }
        for (pipeline, process) in pipelines.iter().zip(&mut processes) {
            pipeline.wait_for(process, life * RECORDS)?;
        }
        processes.into_iter().try_for_each(Process::stop)?;
    }
    let report = verify::verify_all(&logs, &[("--roster", &places[0].at("roster.json"))])?;
    report.ensure(&[CONFLICT], 2 * LIVES * RECORDS)?;
    Ok(format!("{} records in {} segments", report.count("records"), report.segments()?))
}

/// Makes the pipeline read a stream. Returns the number of its records.
fn tail(place: &Place, pipeline: &mut Pipeline<'_>, stream: &str) -> Result<usize> {
    let calls = streams::calls(stream)?;
    fs::write(place.at(stream), streams::lines(&calls))?;
    let tail = pipeline.tail(stream, stream);
    pipeline.input(tail);
    Ok(calls.len())
}

fn verified(pipeline: &Pipeline<'_>, mut process: Process, codes: &[i32], records: usize) -> Result<Report> {
    pipeline.wait_for(&mut process, records)?;
    process.stop()?;
    let mut report = None;
    for sink in pipeline.sinks() {
        let found = pipeline.verify(&sink.path)?;
        found.ensure(codes, records)?;
        report = Some(found);
    }
    report.ok_or_else(|| anyhow::anyhow!("a pipeline without outputs"))
}
