//! Manipulations of a log as data, and the verdict for each, with every stream, and with
//! the module and the program that ship.
//!
//! `cases/attacks.json` is the table. A record is `[segment, number]`. Each step of `do`
//! alters the log. A finding must say `what`. A row with `is_fine` is no attack: it must
//! give neither `tampered` nor `key_not_certified`, even if somebody set it up on
//! purpose.

mod log;
mod merged;
mod steps;

use host_tests::program::flb_audit;
use host_tests::{cases, streams};
pub(crate) use log::Log;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn every_attack_gets_its_verdict() {
    let attacks = attacks();
    let streams = streams::names().expect("streams");
    assert_eq!(streams.len(), 7);
    let mut wrong = Vec::new();
    for stream in &streams {
        let honest = Log::of(stream);
        for attack in &attacks {
            let name = attack["name"].as_str().expect("a name");
            let report = verify(&honest, attack);
            let verdict = report["verdict"].as_str().expect("a verdict");
            let is_accusation = matches!(verdict, "tampered" | "key_not_certified");
            let found = report["findings"].to_string();
            let says = attack["what"].as_str().is_none_or(|what| found.contains(what));
            if verdict != attack["verdict"] || attack["is_fine"] == true && is_accusation || !says {
                wrong.push(format!("{stream}: {name}: {verdict}, not {}: {found:.300}", attack["verdict"]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Returns the table of attacks.
fn attacks() -> Vec<Value> {
    let table = fs::read_to_string(cases("attacks.json")).expect("a table");
    serde_json::from_str(&table).expect("JSON")
}

/// Applies an attack and verifies the log. Returns the report.
fn verify(honest: &Log, attack: &Value) -> Value {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("log.ndjson"), log_of(honest, attack).text()).expect("a file");
    let mut command = flb_audit();
    command.args(["verify", "--json", "log.ndjson"]).args(arguments(honest, attack, dir.path()));
    run(&mut command, dir.path())
}

/// Returns the log after an attack.
fn log_of(honest: &Log, attack: &Value) -> Log {
    let mut log = honest.clone();
    attack["do"].as_array().into_iter().flatten().for_each(|step| steps::take(&mut log, step));
    log
}

/// Writes the files with which an attack is judged. Returns the arguments that name them.
fn arguments(honest: &Log, attack: &Value, dir: &Path) -> Vec<&'static str> {
    let mut arguments = Vec::new();
    let mut file = |option: &'static str, name: &'static str, text: String| {
        fs::write(dir.join(name), text).expect("a file");
        arguments.extend([option, name]);
    };
    match &attack["roster"] {
        Value::Bool(false) => {}
        Value::String(_) => file("--roster", "roster.json", honest.roster_of_a_stranger()),
        _ => file("--roster", "roster.json", honest.roster()),
    }
    if let Some(place) = attack["anchors"].as_str() {
        file("--anchors", "anchors.ndjson", honest.anchors(place));
    }
    arguments
}

fn run(command: &mut Command, dir: &Path) -> Value {
    let output = command.current_dir(dir).output().expect("flb-audit runs; `cargo xtask build` makes it");
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(report["exit_code"].as_i64(), output.status.code().map(i64::from));
    report
}
