//! The logs of honest filters.

use super::node::{Kind, Lived, live};
use super::{keep_if_alone, schedules};
use host_tests::program;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The number of schedules in a normal run of the tests.
const SCHEDULES: u64 = 60;

/// The verdicts that a kind of schedule may have, apart from those on missing records.
fn allowed(lived: &Lived) -> &'static [&'static str] {
    match lived.kind {
        Kind::Kills | Kind::Outputs => &[],
        // A state that cannot be written is older than the log, and a half-written one is
        // noted; without one, chains are ephemeral.
        Kind::Disk => &["state_damaged", "conflict", "unsigned"],
        // Keys that cannot be read sign nothing.
        Kind::Broken => &["conflict", "unsigned", "key_not_certified"],
        Kind::Restored => &["state_damaged", "conflict"],
        Kind::Shared | Kind::Cloned => &["conflict"],
    }
}

#[test]
fn no_honest_filter_is_accused_and_each_record_is_found() {
    let schedules = schedules(SCHEDULES);
    let mut verdicts = BTreeMap::<(Kind, String), u64>::new();
    let (mut accused, mut records, mut happened) = (Vec::new(), 0, 0);
    for seed in schedules.clone() {
        let lived = live(seed);
        let report = verify(lived.directory.path(), lived.has_anchors);
        let verdict = report["verdict"].as_str().expect("a verdict").to_owned();
        let number = |name: &str| report[name].as_u64().expect("a number") as usize;
        let lost = lived.called - lived.delivered;
        let is_quiet = match &*verdict {
            "intact" | "tail_unanchored" => true,
            "unclean_stop" | "gap" => lost > 0,
            other => allowed(&lived).contains(&other),
        };
        // If a chain continues twice, one place may be missing in both.
        let is_forked = ["state_damaged", "conflict"].contains(&&*verdict);
        let is_missing = number("missing") + number("undelivered");
        let all_found = number("records") == lived.delivered && (is_missing <= lost || is_forked);
        if !is_quiet || !all_found {
            accused.push(format!(
                "{seed}: {:?}, {:?}: {} delivered, {} lost, report: {} records, {} missing, {} undelivered: {:#}: {:#?}",
                lived.kind,
                lived.generation,
                lived.delivered,
                lost,
                number("records"),
                number("missing"),
                number("undelivered"),
                report["findings"],
                lived.happened,
            ));
        }
        *verdicts.entry((lived.kind, verdict)).or_default() += 1;
        (records, happened) = (records + lived.delivered, happened + lived.happened.len() as u64);
        keep_if_alone(&schedules, lived.directory);
    }
    let count = schedules.end - schedules.start;
    println!("{count} schedules of filters with {happened} faults and {records} records: {verdicts:#?}");
    assert!(accused.is_empty(), "{} schedules:\n{}", accused.len(), accused.join("\n"));
    assert!(count == 1 || happened > 10 * count);
}

/// Returns the report of `verify` on the log in a directory.
pub(super) fn verify(home: &Path, has_anchors: bool) -> Value {
    let mut command = program::flb_audit();
    command.current_dir(home);
    command.args(["verify", "--json", "--roster", "roster.json", "log.ndjson"]);
    if has_anchors {
        command.args(["--anchors", "anchors.ndjson"]);
    }
    let output = command.output().expect("dist/flb-audit");
    serde_json::from_slice(&output.stdout).expect("a report")
}
