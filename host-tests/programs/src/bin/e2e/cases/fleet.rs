//! Nodes that a fleet has enrolled: their chains are known without a roster.

use crate::case::Place;
use crate::pipeline::Pipeline;
use crate::sink::Record;
use crate::verify::{self, KEY_NOT_CERTIFIED, SILENT, TAIL_UNANCHORED};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const RECORDS: usize = 60;
const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];

/// Three nodes with one lent key, one that was enrolled and sends nothing, and one whose
/// chain nobody has enrolled.
pub(crate) fn enrolled(place: &Place) -> Result<String> {
    let fleet = place.at("fleet");
    verify::fleet(&["init"], &[&fleet])?;
    let key = place.at("enroll.key");
    verify::fleet(&["lend", "--valid", "1day"], &[&fleet, &key])?;
    let mut pipeline = Pipeline::new(place)?;
    pipeline.http("json_lines");
    let tail = pipeline.tail("kube.audit", "log");
    pipeline.input(tail);
    let sink = pipeline.sinks().next().context("no output")?.clone();
    let mut count = 0;
    for node in NODES.into_iter().chain(["stranger"]) {
        let state = place.at(format!("states/{node}"));
        match node {
            "stranger" => verify::init_with_keys(&state, &place.at("other.json"))?,
            _ => verify::enroll(&state, node, &key)?,
        }
        pipeline.filter = pipeline.filter.clone().with("accessible_paths", state.display());
        let lines = (0..RECORDS).map(|number| format!("{}\n", json!({"node": node, "number": number})));
        fs::write(place.at("log"), lines.collect::<String>())?;
        count += RECORDS;
        let mut process = pipeline.start()?;
        sink.wait_for(&mut process, count)?;
        process.stop()?;
    }
    verify::enroll(&place.at("states/node-4"), "node-4", &key)?;
    let records = sink.records()?;
    let states = |record: &&Record| record.audit.pointer("/key/fleet").is_some();
    let checkpoints = records.iter().filter(|record| record.audit.get("key").is_some()).count();
    let stated = records.iter().filter(states).count();
    ensure!(0 < stated && stated < checkpoints, "{stated} of {checkpoints} checkpoints state an enrollment");
    ensure!(!records.iter().any(|record| record.audit.get("fleet").is_some()), "a statement elsewhere");

    let public = fleet.join("fleet.json");
    let expected = place.at("nodes");
    fs::write(&expected, NODES.map(|node| format!("node/{node}\n")).concat() + "node/node-4\n")?;
    let logs = [sink.path.clone()];
    let report = verify::verify_all(&logs, &[("--fleet", &public)])?;
    report.ensure(&[KEY_NOT_CERTIFIED], count)?;
    report.ensure_findings(&["key_not_certified", "tail_unanchored"])?;
    ensure!(report.finding_count("key_not_certified") == 1, "not the stranger alone: {}", report.report);
    let whose: BTreeMap<&str, u64> = report.report["chains"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|chain| Some((chain["node"].as_str()?, chain["signed"].as_u64()?)))
        .collect();
    ensure!(whose.keys().copied().eq(NODES), "{whose:?}");
    ensure!(whose.values().all(|signed| *signed > 0), "{whose:?}");
    let report = verify::verify_all(&logs, &[("--fleet", &public), ("--expect", &expected)])?;
    report.ensure(&[KEY_NOT_CERTIFIED], count)?;
    report.ensure_findings(&["key_not_certified", "tail_unanchored", "silent"])?;
    ensure!(report.finding_count("silent") == 1, "not node-4 alone: {}", report.report);

    // Without the stranger's records the silent node is the worst that is left.
    let text = fs::read_to_string(&sink.path)?;
    let is_of_node = |line: &&str| !line.contains("stranger");
    let nodes = place.at("of-nodes");
    fs::write(&nodes, text.lines().filter(is_of_node).map(|line| format!("{line}\n")).collect::<String>())?;
    let report =
        verify::verify_all(std::slice::from_ref(&nodes), &[("--fleet", &public), ("--expect", &expected)])?;
    report.ensure(&[SILENT], NODES.len() * RECORDS)?;
    // A node that is no longer on the list is not silent, and one that will be retired is
    // still there.
    verify::fleet(&["retire", "--at", "2126-01-01"], &[&fleet, Path::new(NODES[0]), &nodes])?;
    fs::write(&expected, NODES.map(|node| format!("node/{node}\n")).concat())?;
    let report = verify::verify_all(&[nodes], &[("--fleet", &public), ("--expect", &expected)])?;
    report.ensure(&[TAIL_UNANCHORED], NODES.len() * RECORDS)?;
    let first: Value = report.report["chains"][0]["enrolled"][0].clone();
    ensure!(first["since"].as_u64() > Some(0), "nobody says since when: {first}");
    Ok(format!("{count} records of {} nodes, {stated} checkpoints with an enrollment", NODES.len() + 1))
}
