//! However a log is split, the parts in any order and number are judged as the whole.

use super::{arguments, attacks, log_of};
use host_tests::program::{flb_audit, run_in};
use host_tests::streams;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;
use std::fs;

/// The maximum number of files of a log, and of parts.
const FILES_MAX: usize = 5;

/// Each attack is on one of the streams, and all streams have their turn.
#[test]
fn parts_of_a_log_are_judged_as_the_whole() {
    let streams = streams::names().expect("streams");
    let mut runner = TestRunner::new(Config::default());
    let mut any =
        |strategy: BoxedStrategy<Vec<usize>>| strategy.new_tree(&mut runner).expect("a value").current();
    for (stream, name) in streams.iter().enumerate() {
        let honest = super::Log::of(name);
        for attack in attacks().iter().skip(stream).step_by(streams.len()) {
            let dir = tempfile::tempdir().expect("a directory");
            let lines: Vec<String> = log_of(&honest, attack).text().lines().map(str::to_owned).collect();
            let file_of = any(vec(0..FILES_MAX, lines.len()).boxed());
            let part_of = any(vec(0..FILES_MAX, FILES_MAX).boxed());
            let order = any(Just((0..FILES_MAX).collect::<Vec<_>>()).prop_shuffle().boxed());
            let again = any(vec(0..FILES_MAX, 0..3).boxed());
            for file in 0..FILES_MAX {
                let of_file = lines.iter().zip(&file_of).filter(|(_, of)| **of == file);
                let text = of_file.map(|(line, _)| format!("{line}\n")).collect::<String>();
                fs::write(dir.path().join(format!("{file}.ndjson")), text).expect("written");
            }
            let mut parts = Vec::new();
            for part in order.into_iter().chain(again) {
                let of_part = part_of.iter().enumerate().filter(|(_, of)| **of == part);
                let files: Vec<String> = of_part.map(|(file, _)| format!("{file}.ndjson")).collect();
                if files.is_empty() {
                    continue;
                }
                let name = format!("{part}.part");
                let arguments = [&["verify", "--part", &name], &texts(&files)[..]].concat();
                assert_eq!(run_in(&arguments, dir.path()).status.code(), Some(0));
                parts.push(name);
            }
            let files: Vec<String> = (0..FILES_MAX).map(|file| format!("{file}.ndjson")).collect();
            let judge = |command: &str, of: &[String]| {
                let mut run = flb_audit();
                run.args([command, "--json"]).args(of).args(arguments(&honest, attack, dir.path()));
                comparable(super::run(&mut run, dir.path()))
            };
            let what =
                format!("{name}: {}: files {file_of:?}, parts {part_of:?} as {parts:?}", attack["name"]);
            assert_eq!(judge("merge", &parts), judge("verify", &files), "{what}");
        }
    }
}

fn texts(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// Returns a report without what depends on the order of reading: of two versions of a
/// record, the report has the place of either.
fn comparable(mut report: Value) -> (Value, Vec<String>) {
    let mut findings = report["findings"].take();
    let findings = findings.as_array_mut().expect("findings").iter_mut().map(|finding| {
        if finding["what"].as_str().is_some_and(|what| what.ends_with("is here in two versions")) {
            let finding = finding.as_object_mut().expect("a finding");
            finding.retain(|name, _| name != "source" && name != "number");
        }
        finding.to_string()
    });
    let mut findings: Vec<String> = findings.collect();
    findings.sort_unstable();
    (report, findings)
}
