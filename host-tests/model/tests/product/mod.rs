//! The verifier that ships, called in this process.

use flb_audit_model::model::Log;
use serde_json::Value;
use std::ffi::OsString;
use std::fs;
use std::time::{Duration, UNIX_EPOCH};

/// Verifies a log whose lines are spread over `files` files.
pub(crate) fn verify(log: &Log, files: usize) -> Value {
    let directory = tempfile::tempdir().expect("a directory");
    let mut arguments: Vec<OsString> = vec!["verify".into()];
    let mut write = |name: String, lines: &[&str], before: Option<&str>| {
        let path = directory.path().join(name);
        fs::write(&path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).expect("written");
        arguments.extend(before.map(OsString::from));
        arguments.push(path.into());
    };
    for file in 0..files {
        let lines: Vec<&str> = log.lines.iter().skip(file).step_by(files).map(String::as_str).collect();
        write(format!("{file}.ndjson"), &lines, None);
    }
    if let Some(roster) = &log.roster {
        write("roster.json".to_owned(), &[roster], Some("--roster"));
    }
    if let Some(fleet) = &log.fleet {
        write("fleet.json".to_owned(), &[fleet], Some("--fleet"));
    }
    if let Some(expected) = &log.expected {
        let lines: Vec<&str> = expected.iter().map(String::as_str).collect();
        write("expected".to_owned(), &lines, Some("--expect"));
    }
    if let Some(anchors) = &log.anchors {
        let lines: Vec<&str> = anchors.iter().map(String::as_str).collect();
        write("anchors.ndjson".to_owned(), &lines, Some("--anchors"));
    }
    if let Some(from) = &log.from {
        let lines: Vec<&str> = from.iter().map(String::as_str).collect();
        write("from.ndjson".to_owned(), &lines, Some("--from"));
    }
    if let Some((from, to)) = log.heard {
        let time = |seconds: u64| {
            humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string().into()
        };
        arguments.extend(["--since".into(), time(from), "--until".into(), time(to + 1)]);
    }
    let report = flb_audit::verify::report(arguments).expect("a report");
    serde_json::from_str(&report).expect("JSON")
}
