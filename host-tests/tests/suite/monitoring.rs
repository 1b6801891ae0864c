//! The metrics of `verify`, and the alerts for them.

use crate::attacks::Log;
use host_tests::program::flb_audit;
use host_tests::root;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Verifies a log and returns the metrics.
fn metrics(directory: &Path, log: &str, roster: Option<&str>) -> String {
    let (file, target) = (directory.join("log.ndjson"), directory.join("metrics.prom"));
    fs::write(&file, log).expect("written");
    let mut verify = flb_audit();
    verify.arg("verify").arg(&file).arg("--metrics").arg(&target);
    if let Some(roster) = roster {
        fs::write(directory.join("roster.json"), roster).expect("written");
        verify.arg("--roster").arg(directory.join("roster.json"));
    }
    verify.output().expect("dist/flb-audit");
    fs::read_to_string(target).expect("metrics")
}

/// Returns the value of a sample.
fn value(metrics: &str, sample: &str) -> Option<f64> {
    metrics.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')?.parse().ok())
}

#[test]
fn metrics_say_what_the_report_says() {
    let dir = tempfile::tempdir().expect("a directory");
    let honest = Log::of("sshd");
    let text = honest.text();
    let chain = honest.records[0]["audit"]["chain"].as_str().expect("a chain").to_owned();
    let found = metrics(dir.path(), &text, Some(&honest.roster()));
    let labels = format!("{{node=\"the chain\",chain=\"{chain}\"}}");
    let of_chain = |metrics: &str, name: &str| value(metrics, &format!("flb_audit_chain_{name}{labels}"));
    assert_eq!(value(&found, "flb_audit_verify_exit_code"), Some(3.0), "{found}");
    assert_eq!(value(&found, "flb_audit_findings{verdict=\"tampered\"}"), Some(0.0));
    assert_eq!(of_chain(&found, "records"), Some(honest.records.len() as f64), "{found}");
    assert_eq!(of_chain(&found, "missing_records"), Some(0.0));

    // The tenth record is missing, and the twentieth is altered.
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines[20] = lines[20].replacen("\"tag\":\"", "\"tag\":\"x", 1);
    lines.remove(10);
    let found = metrics(dir.path(), &lines.join("\n"), Some(&honest.roster()));
    assert_eq!(value(&found, "flb_audit_verify_exit_code"), Some(20.0), "{found}");
    assert_eq!(of_chain(&found, "missing_records"), Some(1.0), "{found}");
    assert_eq!(of_chain(&found, "altered_records"), Some(1.0), "{found}");
    let tampered = format!("{},verdict=\"tampered\"}}", labels.trim_end_matches('}'));
    assert_eq!(value(&found, &format!("flb_audit_chain_findings{tampered}")), Some(1.0), "{found}");
    assert!(value(&found, "flb_audit_findings{verdict=\"gap\"}") >= Some(1.0), "{found}");
}

/// Somebody who can write the store cannot add series or lines.
#[test]
fn chains_that_the_roster_does_not_name_are_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = Log::of("sshd");
    let mut text = log.text();
    for record in log.other.iter() {
        text.push_str(&format!("{record}\n"));
    }
    let found = metrics(dir.path(), &text, None);
    let records = "flb_audit_chain_records";
    let of_chains: Vec<&str> = found.lines().filter(|line| line.starts_with(records)).collect();
    let count = log.records.len() + log.other.len();
    assert_eq!(of_chains, [format!("{records}{{node=\"\",chain=\"\"}} {count}")]);
    let samples: Vec<&str> =
        found.lines().filter_map(|line| line.split_once(' ')).map(|pair| pair.0).collect();
    let samples: Vec<&&str> = samples.iter().filter(|name| **name != "#").collect();
    assert_eq!(samples.len(), samples.iter().collect::<BTreeSet<_>>().len(), "{found}");
    assert!(found.ends_with("# EOF\n"));
}

/// Uses Prometheus' own tool, if it is installed.
#[test]
fn promtool_takes_metrics_and_alerts() {
    if Command::new("promtool").arg("--version").output().is_err() {
        eprintln!("skipped: promtool is not installed (Debian: prometheus)");
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let log = Log::of("sshd");
    metrics(dir.path(), &log.text(), Some(&log.roster()));
    let metrics = fs::File::open(dir.path().join("metrics.prom")).expect("metrics");
    run(Command::new("promtool").args(["check", "metrics"]).stdin(metrics));
    let examples = root().join("examples/monitoring");
    run(Command::new("promtool").args(["test", "rules", "rules_test.yaml"]).current_dir(examples));
}

fn run(command: &mut Command) {
    let output = command.output().expect("promtool");
    let (said, why) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && why.is_empty(), "{command:?}: {said}{why}");
}

/// Returns the dashboard's queries, with a node in place of the variable.
fn queries() -> Vec<String> {
    let text = fs::read_to_string(root().join("examples/monitoring/grafana-dashboard.json")).expect("a file");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.map(|target| target["expr"].as_str().expect("a query").replace("$node", ".*")).collect()
}

/// Returns the names of our metrics in a text.
fn names(text: &str) -> BTreeSet<String> {
    let is_of_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let words = text.split(|character| !is_of_name(character));
    words.filter(|word| word.starts_with("flb_audit_")).map(str::to_owned).collect()
}

#[test]
fn alerts_and_dashboard_name_what_there_is() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = Log::of("sshd");
    let mut written = names(&metrics(dir.path(), &log.text(), Some(&log.roster())));
    let live = fs::read_to_string(root().join("fluent-bit-conf/metrics.yaml")).expect("a file");
    let counters = live.lines().filter_map(|line| line.trim().strip_prefix("metric_name: "));
    written.extend(counters.map(|name| format!("flb_audit_live_{name}")));
    let rules = fs::read_to_string(root().join("examples/monitoring/rules.yaml")).expect("a file");
    let wanted = names(&(queries().join("\n") + &rules));
    assert!(wanted.len() > 15, "{wanted:?}");
    let missing: Vec<&String> = wanted.difference(&written).collect();
    assert!(missing.is_empty(), "nothing writes {missing:?}");
}

/// Returns the verdicts in the labels of a text's queries and samples.
fn verdicts(text: &str) -> BTreeSet<&str> {
    let labels = text.split("verdict=").skip(1);
    labels.filter_map(|rest| rest.split('"').nth(1)).flat_map(|value| value.split('|')).collect()
}

#[test]
fn alerts_and_dashboard_name_verdicts_that_there_are() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = Log::of("sshd");
    let metrics = metrics(dir.path(), &log.text(), Some(&log.roster()));
    let rules = fs::read_to_string(root().join("examples/monitoring/rules.yaml")).expect("a file");
    let queries = queries().join("\n") + &rules;
    let (written, wanted) = (verdicts(&metrics), verdicts(&queries));
    assert!(wanted.len() > 8, "{wanted:?}");
    let missing: Vec<&&str> = wanted.difference(&written).collect();
    assert!(missing.is_empty(), "no verdict is called {missing:?}");
}

/// Returns the id of a heading, as the site of all pages and GitHub make it.
fn id_of(heading: &str) -> String {
    let is_kept = |character: &char| character.is_alphanumeric() || [' ', '-', '_'].contains(character);
    heading.to_lowercase().chars().filter(is_kept).collect::<String>().replace(' ', "-")
}

#[test]
fn each_alert_says_what_to_do_and_is_tried_both_ways() {
    let read = |name: &str| fs::read_to_string(root().join(name)).expect("a file");
    let (rules, tests) =
        (read("examples/monitoring/rules.yaml"), read("examples/monitoring/rules_test.yaml"));
    let alerts: Vec<&str> = rules.split("      - alert: ").skip(1).collect();
    assert!(alerts.len() > 15, "{} alerts", alerts.len());
    for alert in alerts {
        let name = alert.lines().next().unwrap_or_default();
        let value = |key: &str| {
            let found = alert.lines().find_map(|line| line.trim().strip_prefix(key));
            found.unwrap_or_else(|| panic!("{name} has no {key}")).trim_matches(['"', ' '])
        };
        assert!(value("labels: {severity:").ends_with('}'), "{name}");
        assert!(value("summary:").len() > 20 && value("remedy:").len() > 20, "{name}");
        let (page, id) = value("runbook:").split_once('#').unwrap_or_else(|| panic!("{name}: no section"));
        let page = read(page);
        let mut headings = page.lines().filter_map(|line| line.strip_prefix('#'));
        assert!(
            headings.any(|heading| id_of(heading.trim_start_matches('#').trim()) == id),
            "{name}: {page:.20} has no #{id}"
        );
        assert!(tests.contains(&format!("        alertname: {name}\n        exp_alerts:\n")), "{name} fires");
        assert!(tests.contains(&format!("alertname: {name}}}\n")), "{name} does not fire");
    }
}

/// The panel with the verdict names every exit code of the table in docs/operating.md.
#[test]
fn the_dashboard_names_every_verdict() {
    let page = fs::read_to_string(root().join("docs/operating.md")).expect("a page");
    let rows = page.lines().skip_while(|line| !line.starts_with("| exit code | verdict |")).skip(2);
    let codes: Vec<&str> = rows.map_while(|line| line.strip_prefix("| ")?.split(" | ").next()).collect();
    assert!(codes.len() > 10, "{codes:?}");
    let dashboard = fs::read(root().join("examples/monitoring/grafana-dashboard.json")).expect("a file");
    let dashboard: Value = serde_json::from_slice(&dashboard).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let verdict = panels.iter().find(|panel| panel["title"] == "Verdict").expect("a panel");
    let names = &verdict["fieldConfig"]["defaults"]["mappings"][0]["options"];
    let missing: Vec<&&str> = codes.iter().filter(|code| !names[**code].is_object()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The alert names the node, and not only a chain that nobody knows.
#[test]
fn silent_nodes_have_their_names() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = Log::of("sshd");
    fs::write(dir.path().join("log.ndjson"), log.text()).expect("written");
    let mut roster: Value = serde_json::from_str(&log.roster()).expect("JSON");
    let mut absent = roster[0].clone();
    absent["node"] = json!("absent");
    absent["chain"] = json!("AAAAAAAAAAAA");
    roster.as_array_mut().expect("a roster").push(absent);
    fs::write(dir.path().join("roster.json"), roster.to_string()).expect("written");
    fs::write(dir.path().join("nodes"), "the chain\nabsent\nnever seen\n").expect("written");
    let mut verify = flb_audit();
    verify.current_dir(dir.path()).args([
        "verify",
        "log.ndjson",
        "--roster",
        "roster.json",
        "--expect",
        "nodes",
    ]);
    verify.args(["--metrics", "metrics.prom"]).output().expect("dist/flb-audit");
    let found = fs::read_to_string(dir.path().join("metrics.prom")).expect("metrics");
    for labels in ["node=\"absent\",chain=\"AAAAAAAAAAAA\"", "node=\"never seen\",chain=\"\""] {
        let sample = format!("flb_audit_chain_findings{{{labels},verdict=\"silent\"}}");
        assert_eq!(value(&found, &sample), Some(1.0), "{sample}: {found}");
    }
}

#[test]
fn the_operators_rules_are_the_rules() {
    let read =
        |name: &str| fs::read_to_string(root().join("examples/monitoring").join(name)).expect("a file");
    let (rules, operators) = (read("rules.yaml"), read("kubernetes.yaml"));
    let groups = &rules[rules.find("groups:").expect("groups")..];
    let indented: String = groups
        .lines()
        .map(|line| if line.is_empty() { "\n".into() } else { format!("  {line}\n") })
        .collect();
    assert!(operators.ends_with(&format!("spec:\n{indented}")), "examples/monitoring/kubernetes.yaml");
}

#[test]
fn promtool_takes_the_dashboards_queries() {
    if Command::new("promtool").arg("--version").output().is_err() {
        eprintln!("skipped: promtool is not installed (Debian: prometheus)");
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let rule = |(at, query): (usize, String)| json!({"record": format!("q{at}"), "expr": query});
    let rules: Vec<Value> = queries().into_iter().enumerate().map(rule).collect();
    assert!(rules.len() > 20, "{} queries", rules.len());
    // JSON is valid YAML.
    let file = dir.path().join("rules.yaml");
    fs::write(&file, json!({"groups": [{"name": "dashboard", "rules": rules}]}).to_string())
        .expect("written");
    run(Command::new("promtool").args(["check", "rules"]).arg(file));
}
