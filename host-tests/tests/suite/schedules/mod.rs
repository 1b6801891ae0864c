//! `flb-audit verify` on honest ledgers and filters after kills, full disks, failures and
//! clock jumps. It never accuses anybody.

mod filter;
mod node;

use host_tests::program;
use ledger_fixtures::schedule::{Lived, live};
use serde_json::Value;
use std::collections::BTreeMap;

/// The number of schedules in a normal run of the tests.
const SCHEDULES: u64 = 30;

/// Returns the number of schedules to run: that of the variable `SCHEDULES`, or the
/// default.
fn count(default: u64) -> u64 {
    std::env::var("SCHEDULES").ok().and_then(|count| count.parse().ok()).unwrap_or(default)
}

#[test]
fn no_honest_ledger_is_accused() {
    let count = count(SCHEDULES);
    let (mut verdicts, mut injected) = (BTreeMap::<String, u64>::new(), 0);
    let mut accused = Vec::new();
    for seed in 0..count {
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
    }
    println!("{count} schedules with {injected} faults: {verdicts:?}");
    assert_eq!(accused, Vec::<String>::new());
    assert!(injected as u64 > 20 * count);
}

/// Writes the identity file that decrypts the ledger, and returns its path.
fn identity(lived: &Lived) -> std::path::PathBuf {
    let path = lived.directory.path().join("key.txt");
    ledger_fixtures::key_file(&path, ledger_fixtures::key());
    path
}
