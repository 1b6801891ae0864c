//! `flb-audit verify` on honest ledgers and filters after kills, full disks, failures and
//! clock jumps. It never accuses anybody.

mod filter;
mod node;

use host_tests::program;
use ledger_fixtures::schedule::{Lived, live};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::Range;
use tempfile::TempDir;

/// The number of schedules in a normal run of the tests.
const SCHEDULES: u64 = 30;

/// Returns the schedules to run: the one that the variable `SCHEDULE` names, or the first
/// ones, as many as the variable `SCHEDULES` says, or the default.
fn schedules(default: u64) -> Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|number| number.parse().ok());
    match number("SCHEDULE") {
        Some(one) => one..one + 1,
        None => 0..number("SCHEDULES").unwrap_or(default),
    }
}

/// Keeps the directory of a schedule that is run alone, so that its log can be read.
fn keep_if_alone(schedules: &Range<u64>, directory: TempDir) {
    if schedules.end - schedules.start == 1 {
        println!("{}", directory.keep().display());
    }
}

#[test]
fn no_honest_ledger_is_accused() {
    let schedules = schedules(SCHEDULES);
    let (mut verdicts, mut injected) = (BTreeMap::<String, u64>::new(), 0);
    let mut accused = Vec::new();
    for seed in schedules.clone() {
        let lived = live(seed);
        let directory = lived.directory.path();
        let output = program::flb_audit()
            .args(["verify", "--json", "--roster"])
            .arg(directory.join("roster.json"))
            .arg("--identity")
            .arg(identity(&lived))
            .arg(directory)
            .output()
            .expect("dist/flb-audit");
        let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
        let verdict = report["verdict"].as_str().expect("a verdict").to_owned();
        let is_quiet = ["tail_unanchored", "unclean_stop"].contains(&&*verdict) && report["missing"] == 0;
        if !is_quiet {
            accused.push(format!("{seed}: {}: {:#?}", report["findings"], lived.injected));
        }
        *verdicts.entry(verdict).or_default() += 1;
        injected += lived.injected.len();
        keep_if_alone(&schedules, lived.directory);
    }
    let count = schedules.end - schedules.start;
    println!("{count} schedules with {injected} faults: {verdicts:?}");
    assert_eq!(accused, Vec::<String>::new());
    assert!(count == 1 || injected as u64 > 20 * count);
}

/// Writes the identity file that decrypts the ledger, and returns its path.
fn identity(lived: &Lived) -> std::path::PathBuf {
    let path = lived.directory.path().join("key.txt");
    ledger_fixtures::key_file(&path, ledger_fixtures::key());
    path
}
