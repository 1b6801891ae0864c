//! Records from nearly empty ones to five megabytes.

use crate::case::Place;
use crate::expected::Expected;
use crate::forward::Entry;
use crate::pipeline::Pipeline;
use anyhow::Result;
use host_tests::config::Section;
use host_tests::msgpack::Value;
use serde_json::json;
use std::fmt::Write;
use std::fs;

/// Lengths of a text in bytes: around the block sizes of host, guest and hash, and up to
/// the default limit of `forward`.
const TEXT_BYTES: [usize; 22] = [
    0, 1, 2, 3, 10, 100, 127, 128, 1_000, 4_096, 8_191, 8_192, 8_193, 10_000, 65_535, 65_536, 100_000,
    1_000_000, 2_000_000, 2_097_152, 3_000_000, 5_000_000,
];

/// An ASCII character, and a character of two bytes that reaches the filter as six.
const CHARACTERS: [&str; 2] = ["x", "é"];

fn texts() -> impl Iterator<Item = String> {
    let of = |len| CHARACTERS.map(|character: &str| character.repeat(len / character.len()));
    // Small texts follow the large ones, so that leftovers of the large ones would show.
    TEXT_BYTES.into_iter().chain(TEXT_BYTES.into_iter().take(9)).flat_map(of)
}

pub(crate) fn through_forward(place: &Place) -> Result<String> {
    let mut pipeline = Pipeline::new(place)?;
    pipeline.all_outputs();
    let (process, mut client) = pipeline.start_forward()?;
    let (mut expected, mut seconds) = (Vec::new(), 0);
    for text in texts() {
        let record = json!({ "v": text });
        seconds += 1;
        client.send("sizes", &[Entry { seconds, nanoseconds: 0, record: Value::from(&record) }])?;
        expected.push(Expected::unchanged("sizes", Some((seconds, 0)), record));
    }
    pipeline.finish(process, &expected)?;
    Ok(format!("{} records", expected.len()))
}

pub(crate) fn through_tail(place: &Place) -> Result<String> {
    let mut pipeline = Pipeline::new(place)?;
    pipeline.all_outputs();
    // A parser would be another program that must handle these sizes.
    let tail = Section::input("tail")
        .with("tag", "sizes")
        .with("path", place.at("log").display())
        .with("read_from_head", "true")
        .with("buffer_max_size", "8M");
    pipeline.input(tail);
    let (mut log, mut expected) = (String::new(), Vec::new());
    // `tail` reads no record from an empty line.
    for text in texts().filter(|text| !text.is_empty()) {
        writeln!(log, "{text}")?;
        expected.push(Expected::unchanged("sizes", None, json!({ "log": text })));
    }
    fs::write(place.at("log"), log)?;
    let process = pipeline.start()?;
    pipeline.finish(process, &expected)?;
    Ok(format!("{} records", expected.len()))
}
