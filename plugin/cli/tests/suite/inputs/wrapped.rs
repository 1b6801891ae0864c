//! Whole logs as stores return them: every form is read, and named.

use super::{Bench, WHOLE, lines, log, string, verdict};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;
use std::io::Write;

fn each(wrap: impl Fn(&str) -> String, between: &str) -> String {
    lines().iter().map(|line| wrap(line)).collect::<Vec<_>>().join(between)
}

pub(super) fn pretty(line: &str) -> String {
    let value: Value = serde_json::from_str(line).expect("JSON");
    serde_json::to_string_pretty(&value).expect("JSON")
}

/// A form of logs: the templates that are applied to each record, the texts around and
/// between records, and the expected line of the report.
#[derive(Deserialize)]
struct Form {
    name: String,
    each: Vec<String>,
    #[serde(default = "line_break")]
    between: String,
    #[serde(default)]
    before: String,
    #[serde(default)]
    after: String,
    whole: Option<String>,
    said: String,
}

fn line_break() -> String {
    "\n".to_owned()
}

impl Form {
    fn log(&self) -> Vec<u8> {
        let wrap =
            |line: &str| self.each.iter().fold(line.to_owned(), |text, template| filled(template, &text));
        let log = format!("{}{}{}", self.before, each(wrap, &self.between), self.after);
        self.whole.as_ref().map_or(log.clone(), |template| filled(template, &log)).into_bytes()
    }
}

/// Fills a text into a template: unchanged, as a JSON string, with its quotes doubled…
fn filled(template: &str, text: &str) -> String {
    let Some((before, rest)) = template.split_once("{{") else { return template.to_owned() };
    let (name, after) = rest.split_once("}}").expect("a name");
    let value = match name {
        "text" => text.to_owned(),
        "string" => string(text),
        "doubled" => text.replace('"', "\"\""),
        "apostrophes" => text.replace('\'', "''"),
        "backslashes" => text.replace('\\', "\\\\"),
        "bytes" => serde_json::to_string(text.as_bytes()).expect("numbers"),
        "pretty" => pretty(text),
        "length" => text.len().to_string(),
        "base64" => STANDARD.encode(text),
        "gzip" => STANDARD.encode(gzip(text)),
        other => panic!("{other} in {template}"),
    };
    [before, &value, &filled(after, text)].concat()
}

/// Returns every form of text. `wrapped.ndjson` has one on each line.
fn texts() -> impl Iterator<Item = (String, Vec<u8>, String)> {
    let forms = include_str!("wrapped.ndjson").lines();
    let forms = forms.map(|line| serde_json::from_str::<Form>(line).expect(line));
    forms.map(|form| (form.name.clone(), form.log(), form.said))
}

/// Returns every form of bytes.
fn encodings() -> [(&'static str, Vec<u8>, &'static str); 12] {
    let members = |between: &[u8]| {
        let members: Vec<_> = lines().iter().map(|line| gzip(&format!("{line}\n"))).collect();
        members.join(between)
    };
    let streams = |compress: fn(&str) -> Vec<u8>| {
        lines().iter().flat_map(|line| compress(&format!("{line}\n"))).collect::<Vec<u8>>()
    };
    let utf16_in_zstd = zstd::encode_all(&utf16(u16::to_le_bytes, "")[..], 3).expect("zstd");
    [
        ("UTF-16 LE", utf16(u16::to_le_bytes, "\u{feff}"), "1 input read as UTF-16"),
        ("UTF-16 BE", utf16(u16::to_be_bytes, "\u{feff}"), "1 input read as UTF-16"),
        ("UTF-16 LE without a mark", utf16(u16::to_le_bytes, ""), "1 input read as UTF-16"),
        ("UTF-16 BE without a mark", utf16(u16::to_be_bytes, ""), "1 input read as UTF-16"),
        ("gzip, with line breaks", [members(b"\n"), b"\n".to_vec()].concat(), ""),
        ("gzip, with zeros", [members(&[0; 100]), vec![0; 70_000]].concat(), ""),
        ("gzip, twice", gzip_bytes(&gzip(&log())), ""),
        ("bzip2", bzip2(&log()), "1 input read as bzip2"),
        ("bzip2, of several streams", streams(bzip2), "1 input read as bzip2"),
        ("xz", xz(&log()), "1 input read as xz"),
        ("xz, of several streams", streams(xz), "1 input read as xz"),
        ("zstd of UTF-16", utf16_in_zstd, "1 input read as UTF-16"),
    ]
}

/// Returns a log with two records on one line, and one on all others.
fn some_a_line() -> (&'static str, Vec<u8>, &'static str) {
    let log = log();
    let second = log.match_indices('\n').nth(1).expect("a line").0;
    let log = [&log[..second], &log[second + 1..]].concat();
    ("some a line", log.into_bytes(), "2 records in lines with several texts")
}

pub(super) fn gzip(text: &str) -> Vec<u8> {
    gzip_bytes(text.as_bytes())
}

fn gzip_bytes(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

pub(super) fn bzip2(text: &str) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
    encoder.write_all(text.as_bytes()).expect("memory");
    encoder.finish().expect("memory")
}

pub(super) fn xz(text: &str) -> Vec<u8> {
    let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::default()).expect("xz");
    encoder.write_all(text.as_bytes()).expect("memory");
    encoder.finish().expect("memory")
}

fn utf16(unit: fn(u16) -> [u8; 2], mark: &str) -> Vec<u8> {
    format!("{mark}{}", log()).encode_utf16().flat_map(unit).collect()
}

#[test]
fn every_form_is_read_and_named() {
    let bench = Bench::new();
    let encodings = encodings().into_iter().chain([some_a_line()]);
    let encodings = encodings.map(|(name, bytes, said)| (name.to_owned(), bytes, said.to_owned()));
    for (name, bytes, said) in texts().chain(encodings) {
        bench.write("log", &bytes);
        let (code, report) = bench.verify("log");
        assert_eq!(code, Some(3), "{name}: {report}");
        assert!(report.contains(&said), "{name}: {report}");
        assert!(report.contains("  6 records in 1 segments"), "{name}: {report}");
        let is_wide =
            |line: &&str| line.chars().count() > 80 && line.starts_with(|first: char| first.is_ascii_digit());
        assert_eq!(report.lines().find(is_wide), None, "{name}");
        assert_eq!(verdict(&bench.report("log", &bytes)), WHOLE, "{name}");
    }
}

/// A store's response can be longer than the block that is read at once.
#[test]
fn long_inputs_are_read_in_every_framing() {
    let bench = Bench::new();
    let filler = format!("{{\"filler\":\"{}\"}}", "x".repeat(700_000));
    for (name, between, indent) in
        [("pretty", "\n", true), ("concatenated", "", false), ("sequence", "\u{1e}", false)]
    {
        let wrap = |line: &str| if indent { pretty(line) } else { line.to_owned() };
        let text = lines()
            .iter()
            .map(|line| wrap(line))
            .collect::<Vec<_>>()
            .join(&format!("{between}{filler}{between}"));
        let report = bench.report(name, text);
        assert_eq!(
            (report["verdict"].as_str(), &report["counts"]["unsealed"]),
            (Some("unsealed"), &5.into()),
            "{name}"
        );
        assert_eq!(report["records"], 6, "{name}");
    }
}

/// The JSON report counts the places in which records stood.
#[test]
fn the_report_counts_envelopes() {
    let bench = Bench::new();
    let docker = |line: &String| format!("{{\"log\":{}}}\n", string(line));
    let log: String =
        lines()[..4].iter().map(docker).chain(lines()[4..].iter().map(|line| format!("{line}\n"))).collect();
    let report = bench.report("log", log);
    assert_eq!(verdict(&report), WHOLE);
    assert_eq!(report["inputs"]["envelopes"], serde_json::json!({"log, as text (Docker)": 4}));
}

/// A format that is not supported is named, with the remedy, also within gzip.
#[test]
fn archives_are_named() {
    let bench = Bench::new();
    let tar = [&[b'a'; 257][..], b"ustar\0", &[0; 249], log().as_bytes()].concat();
    let zip = [b"PK\x03\x04", log().as_bytes()].concat();
    for (name, bytes) in [("a tar archive", gzip_bytes(&tar)), ("a tar archive", tar), ("a zip archive", zip)]
    {
        bench.write("log", &bytes);
        let (code, report) = bench.verify("log");
        assert_eq!(code, Some(30), "{report}");
        assert!(report.contains(&format!("{name}, which is not read: unpack it")), "{report}");
    }
}
