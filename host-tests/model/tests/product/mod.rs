//! The verifier that ships, called in this process: on whole logs, and on their parts.

use flb_audit_model::model::Log;
use serde_json::Value;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// Verifies a log whose lines are spread over `files` files. Checks that merging the parts
/// of the log, one for each file, returns the same report, if `is_merged` asks for it. Returns `null`
/// if the verifier refuses one of the files that it is given.
pub(crate) fn verify(log: &Log, files: usize, is_merged: bool) -> Value {
    let directory = tempfile::tempdir().expect("a directory");
    let mut arguments: Vec<OsString> = Vec::new();
    let mut write = |name: String, lines: &[&str], before: Option<&str>| {
        let path = directory.path().join(name);
        fs::write(&path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).expect("written");
        arguments.extend(before.map(OsString::from));
        arguments.push(path.into());
    };
    let mut logs: Vec<PathBuf> = Vec::new();
    for file in 0..files {
        let lines: String =
            log.lines.iter().skip(file).step_by(files).map(|line| format!("{line}\n")).collect();
        logs.push(directory.path().join(format!("{file}.ndjson")));
        fs::write(&logs[file], lines).expect("written");
    }
    for (number, ledger) in log.ledgers.iter().enumerate() {
        let path = directory.path().join(format!("ledger-{number}"));
        fs::create_dir(&path).expect("a directory");
        let text = |lines: &[String]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        fs::write(path.join("manifests.ndjson"), text(&ledger.manifests)).expect("written");
        let open = path.join(format!("{:08}.ndjson", ledger.number));
        fs::write(open, text(&ledger.open)).expect("written");
        logs.push(path);
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
    let of = |command: &str, paths: &[PathBuf]| {
        let paths = paths.iter().map(OsString::from);
        std::iter::once(command.into()).chain(paths).chain(arguments.iter().cloned()).collect::<Vec<_>>()
    };
    let whole = flb_audit::verify::report(of("verify", &logs));
    if !is_merged || !log.ledgers.is_empty() {
        // A ledger's directory cannot be a part.
        return whole.map_or(Value::Null, |report| serde_json::from_str(&report).expect("JSON"));
    }
    let merged = flb_audit::verify::merged(of("merge", &parts(&logs, directory.path())));
    let (whole, merged) = match (whole, merged) {
        (Ok(whole), Ok(merged)) => (whole, merged),
        (Err(_), Err(_)) => return Value::Null,
        (whole, merged) => panic!("one of both is an error: {whole:?}, {merged:?}"),
    };
    let [whole, merged] = [whole, merged].map(|report| serde_json::from_str(&report).expect("JSON"));
    assert_eq!(comparable(&whole), comparable(&merged), "{}", log.lines.join("\n"));
    whole
}

/// Writes a part for each log. Returns them in the opposite order: the first two are one
/// file, and the last one comes twice.
fn parts(logs: &[PathBuf], directory: &Path) -> Vec<PathBuf> {
    let mut parts: Vec<PathBuf> = Vec::new();
    for (number, log) in logs.iter().enumerate() {
        let path = directory.join(format!("{number}.part"));
        let program = ["flb-audit", "verify", "--part"].map(OsString::from);
        assert_eq!(flb_audit::run(program.into_iter().chain([path.clone().into(), log.into()])), 0);
        parts.insert(0, path);
    }
    if let [last, before, ..] = &parts[..] {
        let both = [fs::read(last).expect("a part"), fs::read(before).expect("a part")].concat();
        fs::write(before, both).expect("written");
    }
    parts.push(parts[0].clone());
    parts
}

/// Returns a report without what depends on the order of reading: of two versions of a
/// record, the report has the place of either.
fn comparable(report: &Value) -> (Value, Vec<String>) {
    let mut report = report.clone();
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
