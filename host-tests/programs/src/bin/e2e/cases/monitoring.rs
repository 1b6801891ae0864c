//! The shipped counters and alerts, through a real Prometheus: each alert fires for what
//! it is about, and no other does.

use super::layouts::lay_out;
use crate::case::Place;
use crate::poll;
use crate::process::Process;
use crate::prometheus::{Prometheus, free_port, serve};
use crate::verify;
use anyhow::{Context, Result, ensure};
use flb_audit_core::policy::FILE_NAME;
use host_tests::{policy, root};
use serde_json::{Value, json};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

const CONFIG: &str = "metrics.yaml";
const STATE: &str = "var/lib/flb-audit/kube";
/// The number of records that come at a time.
const RECORDS: usize = 50;

/// A node with Fluent Bit, and the place where its log is verified.
struct Node<'a> {
    place: &'a Place,
    log: PathBuf,
    sealed: PathBuf,
    roster: PathBuf,
    metrics: PathBuf,
    count: usize,
}

impl Node<'_> {
    /// Has some records sealed.
    fn log(&mut self, process: &mut Process, member: &str) -> Result<()> {
        let mut file = OpenOptions::new().append(true).open(&self.log)?;
        for at in 0..RECORDS {
            writeln!(file, "{}", json!({ member: at.to_string(), "n": self.count + at }))?;
        }
        if member != DROPPED {
            self.count += RECORDS;
        }
        let lines = || fs::read_to_string(&self.sealed).map_or(0, |text| text.lines().count());
        poll::until(
            "the records to be sealed",
            || {
                process.ensure_running()?;
                Ok((lines() >= self.count).then_some(()))
            },
            || format!("{} of {}", lines(), self.count),
        )
    }

    /// Verifies a log, as a timer does.
    fn verify(&self, log: &Path) -> Result<i32> {
        let options = [
            ("--roster", self.roster.as_path()),
            ("--metrics", self.metrics.as_path()),
            ("--since", Path::new("2020-01-01")),
        ];
        Ok(verify::verify_all(&[log.to_path_buf()], &options)?.code)
    }
}

/// The member of records that a filter drops.
const DROPPED: &str = "dropped";

/// Writes the shipped config, with one filter more that drops some records.
fn lay_out_metrics(place: &Place, port: u16) -> Result<PathBuf> {
    let (module, log) = lay_out(place, "filter-audit.yaml")?;
    fs::copy(verify::module(), module)?;
    let text = fs::read_to_string(root().join("fluent-bit-conf").join(CONFIG))?;
    let drops = "  filters:\n    - {name: grep, match: '*.audit', exclude: $dropped .}\n";
    let below = place.at("").display().to_string();
    let text = text
        .replace("port: 2021", &format!("port: {port}"))
        .replace("interval_sec: 30", "interval_sec: 1")
        .replace("accessible_paths: ", &format!("accessible_paths: {}", below.trim_end_matches('/')))
        .replace("/etc/fluent-bit/in_health.wasm", &root().join("dist/in_health.wasm").display().to_string())
        .replacen("  filters:\n", drops, 1);
    fs::write(place.at(CONFIG), text)?;
    Ok(log)
}

pub(crate) fn alerts(place: &Place) -> Result<String> {
    let (live, own) = (free_port()?, free_port()?);
    let log = lay_out_metrics(place, live)?;
    let roster = place.at("roster.json");
    fs::remove_dir_all(place.at(STATE))?;
    verify::init_with_keys(&place.at(STATE), &roster)?;
    let mut node = Node {
        place,
        log,
        sealed: place.at("var/log/sealed/kube.audit"),
        roster,
        metrics: place.at("flb_audit.prom"),
        count: 0,
    };
    let start = || -> Result<Process> {
        let mut process = Process::start_with_server(place, Path::new(CONFIG), own)?;
        process.wait_for_log("inotify_fs_add", 1)?;
        Ok(process)
    };
    let mut process = start()?;
    node.log(&mut process, "a")?;
    node.verify(&node.sealed)?;
    let textfile = serve(node.metrics.clone())?;
    let own_path = "/api/v2/metrics/prometheus";
    let targets =
        [("textfile", textfile, "/metrics"), ("live", live, "/metrics"), ("fluent-bit", own, own_path)];
    let prometheus = Prometheus::start(place, &targets)?;

    prometheus.wait_for_alerts(&[]).context("all is well")?;
    ensure_live(&prometheus, "flb_audit_live_sealed_records_total", RECORDS)?;
    ensure_live(&prometheus, "flb_audit_live_chain_state_usable", 1)?;
    ensure_live(&prometheus, "flb_audit_live_chain_segment", 1)?;
    let queries = ask_dashboard(&prometheus)?;

    let tampered = place.at("tampered.ndjson");
    fs::write(&tampered, with_last_altered(&fs::read_to_string(&node.sealed)?)?)?;
    node.verify(&tampered)?;
    prometheus.wait_for_alerts(&["AuditLogTampered"]).context("a tampered sink")?;
    node.verify(&node.sealed)?;
    prometheus.wait_for_alerts(&[]).context("all is well again")?;

    let whole = fs::read_to_string(&node.roster)?;
    verify::init_with_keys(&place.at("silent"), &node.roster)?;
    rename_last(&node.roster)?;
    node.verify(&node.sealed)?;
    prometheus.wait_for_alerts(&["AuditNodeSilent"]).context("a silent node")?;
    fs::write(&node.roster, whole)?;

    process.stop()?;
    let mut table = policy::table("version: 1")?;
    let last = table.len() - 1;
    table[last] ^= 1;
    fs::write(place.at(STATE).join(FILE_NAME), &table)?;
    process = start()?;
    node.log(&mut process, "b")?;
    node.verify(&node.sealed)?;
    let damaged_policy = ["AuditPolicyNotApplied", "AuditPolicyNotAppliedNow"];
    prometheus.wait_for_alerts(&damaged_policy).context("a damaged policy")?;
    ensure_live(&prometheus, "flb_audit_live_noted_records_total", RECORDS)?;

    node.log(&mut process, DROPPED)?;
    // A counter with an alert has to grow between two scrapes.
    thread::sleep(Duration::from_secs(3));
    node.log(&mut process, DROPPED)?;
    prometheus
        .wait_for_alerts(&["AuditFilterDropsRecords", "AuditPolicyNotApplied", "AuditPolicyNotAppliedNow"])
        .context("a filter that drops records")?;

    let damaged = place.at("var/lib/flb-audit/damaged");
    fs::create_dir(&damaged)?;
    fs::write(damaged.join(flb_audit_core::chain::state::FILE_NAME), [0; 100])?;
    let with_damaged_state = [
        "AuditChainUnusable",
        "AuditFilterDropsRecords",
        "AuditPolicyNotApplied",
        "AuditPolicyNotAppliedNow",
    ];
    prometheus.wait_for_alerts(&with_damaged_state).context("a damaged state")?;
    process.stop()?;
    Ok(format!("6 states of {}, {queries} queries of the dashboard", node.place.at("").display()))
}

/// Waits until a counter of Fluent Bit says so.
fn ensure_live(prometheus: &Prometheus, counter: &str, least: usize) -> Result<()> {
    let value = || -> Result<f64> {
        let answer = prometheus.query(&format!("sum({counter})"))?;
        let value = answer["data"]["result"][0]["value"][1].as_str().unwrap_or("0").parse()?;
        Ok(value)
    };
    poll::until(counter, || Ok((value()? >= least as f64).then_some(())), || format!("{:?}", value()))
}

/// Asks every query of the dashboard. All are answered; the most have a value, too.
fn ask_dashboard(prometheus: &Prometheus) -> Result<usize> {
    let text = fs::read_to_string(root().join("examples/monitoring/grafana-dashboard.json"))?;
    let dashboard: Value = serde_json::from_str(&text)?;
    let panels = dashboard["panels"].as_array().context("no panels")?;
    let targets: Vec<&Value> =
        panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten().collect();
    let mut empty = Vec::new();
    for target in &targets {
        let query = target["expr"].as_str().context("no query")?.replace("$node", "e2e");
        let answer = prometheus.query(&query).with_context(|| query.clone())?;
        if answer["data"]["result"].as_array().is_none_or(Vec::is_empty) {
            empty.push(query);
        }
    }
    // A healthy fleet has nothing redacted, invalid, noted or lost, and no policy.
    ensure!(empty.len() <= 10, "without a value: {empty:#?}");
    Ok(targets.len())
}

/// Returns a log of which the last record is altered.
fn with_last_altered(text: &str) -> Result<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let last = lines.last_mut().context("an empty log")?;
    *last = last.replacen("\"n\":", "\"m\":", 1);
    Ok(lines.join("\n") + "\n")
}

/// Renames the last node of a roster.
fn rename_last(roster: &Path) -> Result<()> {
    let mut entries: Value = serde_json::from_str(&fs::read_to_string(roster)?)?;
    let last = entries.as_array_mut().and_then(|entries| entries.last_mut()).context("an empty roster")?;
    last["node"] = json!("another");
    Ok(fs::write(roster, entries.to_string())?)
}
