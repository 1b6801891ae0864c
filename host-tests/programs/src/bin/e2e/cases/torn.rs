//! A kill during a write leaves half a line in the file of the output `file`. The record
//! after it is read.

use super::restarts::lasting_pipeline;
use crate::case::Place;
use crate::pipeline::Pipeline;
use crate::poll;
use crate::verify::{self, UNREADABLE};
use anyhow::{Context, Result, ensure};
use host_tests::root;
use serde_json::json;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::ops::Range;
use std::path::Path;

const RECORDS: usize = 10;
/// The exit code of `find` if it finds the value, and of `check` for a log that it could
/// not read completely.
const FOUND: i32 = 0;
const NOT_ALL_CHECKED: i32 = 51;
const TORN: &str = "a torn line: half of a record, and a whole one behind it, which was read";

pub(crate) fn behind_a_half_line(place: &Place) -> Result<String> {
    let mut pipeline = lasting_pipeline(place)?;
    pipeline.use_keys()?;
    let file = pipeline.file();
    live(place, &pipeline, &file, 0..RECORDS, RECORDS)?;
    // The state after a kill during the write of the last line.
    let text = fs::read(&file)?;
    let last = text[..text.len() - 1].iter().rposition(|byte| *byte == b'\n').context("one line")? + 1;
    fs::write(&file, &text[..(last + text.len()) / 2])?;
    live(place, &pipeline, &file, RECORDS..2 * RECORDS, 2 * RECORDS - 1)?;

    // The first record after the half line is the checkpoint at the start of the next
    // life.
    let report = pipeline.verify(&file)?;
    report.ensure(&[UNREADABLE], 2 * RECORDS - 1)?;
    report.ensure_findings(&["unreadable", "unclean_stop", "tail_unanchored"])?;
    let counts =
        (report.count("missing"), report.report["inputs"]["torn_lines"].as_u64(), report.segments()?);
    ensure!(counts == (0, Some(1), counts.2), "{:.800}", report.report);

    let keys = place.at("keys");
    verify::hmac_key(&keys)?;
    let number = RECORDS.to_string();
    let options = [("--value", Path::new(&number)), ("--key", &keys.join("hmac.key"))];
    let said = verify::say("find", &options, &file)?;
    ensure!(said.0 == FOUND && said.1.contains(TORN), "find: {said:?}");
    ensure!(said.1.contains(&format!(":{RECORDS}: number in the clear (intact)")), "find: {said:?}");
    let said = verify::say("restore", &[("--roster", &place.at("roster.json"))], &file)?;
    ensure!(said.0 == UNREADABLE && said.1.contains(TORN), "restore: {said:?}");
    let policy = root().join("examples/policies/dead-letter.yaml");
    let said = verify::say("check", &[("--policy", &policy)], &file)?;
    ensure!(said.0 == NOT_ALL_CHECKED && said.1.contains(TORN), "check: {said:?}");
    let all = format!("{} records have no schema", 2 * RECORDS - 1);
    ensure!(said.1.contains(&all), "check: {said:?}");
    Ok(format!("{} of {} records read", 2 * RECORDS - 1, 2 * RECORDS))
}

/// Runs one life with some lines, until the file has the expected number of records.
fn live(
    place: &Place,
    pipeline: &Pipeline<'_>,
    file: &Path,
    numbers: Range<usize>,
    lines: usize,
) -> Result<()> {
    let text: String = numbers.map(|number| format!("{}\n", json!({ "number": number }))).collect();
    OpenOptions::new().append(true).create(true).open(place.at("log"))?.write_all(text.as_bytes())?;
    let mut process = pipeline.start()?;
    let there = || fs::read(file).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count();
    let done = || {
        process.ensure_running()?;
        Ok((there() >= lines).then_some(()))
    };
    poll::until(&format!("{lines} lines"), done, || format!("{} are there", there()))?;
    process.stop()
}
