//! A fleet of fifty chains in a store with Object Lock, with five faults: the report has these
//! five findings, however the objects are read. The order of the work is that of
//! `docs/fleet.md`, and all its commands are run.

use crate::case::{Place, Skipped};
use crate::process::Process;
use crate::{poll, verify};
use anyhow::{Context, Result, bail, ensure};
use host_tests::config::{Config, Section};
use host_tests::s3::{REMEDY, Server};
use host_tests::{program, root};
use serde_json::{Value, json};
use std::cell::Cell;
use std::collections::btree_map::Entry;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions, Permissions};
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

/// The number of chains, with that of the stranger and that of the silent node.
const CHAINS: usize = 50;
/// The number of records of a chain in each round but the last one, which has one record.
const RECORDS: usize = 12;
/// The number of such rounds. The first one is of the day before.
const ROUNDS: usize = 4;
/// The time after which the next record is a checkpoint.
const CHECKPOINT_DUE: Duration = Duration::from_secs(11);

const LOGS: &str = "audit-logs";
const ANCHORS: &str = "anchors";
const ALL: &str = "s3://audit-logs/logs/";
/// The arguments with which all is judged.
const GROUNDS: [&str; 7] =
    ["--json", "--fleet", "fleet/fleet.json", "--expect", "nodes", "--anchors", "s3://anchors/2026/"];
const CUT: &str = "node-01";
const GAP: &str = "node-02";
const TAMPERED: &str = "node-03";
const SILENT: &str = "node-04";
/// The node whose chain nobody has enrolled.
const STRANGER: &str = "stranger";
/// A command of a page, the replacements with which it is run, and the expected exit code.
type OfPage = (&'static str, &'static [(&'static str, &'static str)], i32);

/// The commands of `docs/fleet.md`, in its order. The directory has a copy of `fleet.json`, and
/// keys for tokens.
const PAGE: [OfPage; 18] = [
    ("flb-audit fleet init /srv/fleet", &[("/srv/", "")], 0),
    ("flb-audit fleet lend /srv/fleet enroll.key --valid 90days", &[("/srv/", "")], 0),
    (
        "flb-audit init /var/lib/flb-audit/kube --node node-17 --enroll /run/secrets/enroll.key",
        &[("/var/lib/flb-audit/", ""), ("/run/secrets/", "")],
        0,
    ),
    ("flb-audit fleet lend /srv/fleet ledger.key --ledger", &[("/srv/", "")], 0),
    (
        "flb-audit init /var/lib/flb-audit/ledger --ledger --node node-17/ledger --enroll ledger.key",
        &[("/var/lib/flb-audit/", "")],
        0,
    ),
    (
        "init … --if-missing --node NEW --enroll KEY",
        &[("init …", "flb-audit init kube"), ("NEW", "node-18"), ("KEY", "enroll.key")],
        0,
    ),
    (
        "flb-audit fleet retire /srv/fleet node-17 LOG…",
        &[("/srv/fleet", "../retiring"), ("LOG…", "s3://anchors/2026/")],
        0,
    ),
    ("init … --valid 365days", &[("init …", "flb-audit init year --node y --enroll enroll.key")], 0),
    (
        "flb-audit init /var/lib/flb-audit/kube --node node-17 --roster /mnt/rosters/roster.json",
        &[("/var/lib/flb-audit/kube", "listed"), ("/mnt/rosters/", "")],
        0,
    ),
    ("kubectl get nodes -o name > nodes", &[], 0),
    (
        "flb-audit verify --fleet fleet.json --expect nodes --anchors s3://anchors/2026/ s3://audit-logs/logs/",
        &[],
        verify::TAMPERED,
    ),
    (
        "flb-audit find --value mallory --key keys/hmac.key 's3://audit-logs/logs/kube.audit/2026/11/**'",
        &[("mallory", "node-05"), ("kube.audit/2026/11", "node-05.audit/%Y/%m")],
        0,
    ),
    (
        "flb-audit verify --part parts/1.part 's3://audit-logs/logs/kube.audit/2026/11/20/**'",
        &[("kube.audit/2026/11/20", "node-0*.audit/%Y/%m/%d")],
        0,
    ),
    (
        "flb-audit verify --part parts/2.part 's3://audit-logs/logs/kube.audit/2026/11/21/**'",
        &[("kube.audit/2026/11/21", "*")],
        0,
    ),
    (
        "flb-audit merge --fleet fleet.json --expect nodes --anchors s3://anchors/2026/ parts/*",
        &[],
        verify::TAMPERED,
    ),
    (
        "flb-audit verify --fleet fleet.json --expect nodes --anchors s3://anchors/2026/ --state /srv/fleet/state s3://audit-logs/logs/",
        &[("/srv/fleet/state", "page-state")],
        verify::TAMPERED,
    ),
    ("flb-audit fleet status --state /srv/fleet/state", &[("/srv/fleet/state", "page-state")], 0),
    (
        "s3://BUCKET/KEY?versionId=ID",
        &[("s3://", "flb-audit verify --fleet fleet.json s3://")],
        verify::TAMPERED,
    ),
];

pub(crate) fn chains(place: &Place) -> Result<String> {
    // There, each chunk is a segment, so a gap may be an unclean stop (docs/threat-model.md).
    if place.fluent_bit.is_guest_per_chunk() {
        bail!(Skipped("Fluent Bit 4.0 makes each chunk a segment"));
    }
    let Some(server) = Server::start()? else { bail!(Skipped(REMEDY)) };
    let python = root().join("target/spark/bin/python");
    if !python.is_file() {
        bail!(Skipped("Spark is not in target/spark; .ci/run installs it"));
    }
    let mut fleet = Fleet::enroll(place, server)?;
    let mut process = fleet.start()?;
    fleet.wait_for_records(&mut process)?;
    let first = fleet.judge(&["verify", "--state", "state"], &[ALL.into()])?;
    ensure!(first["counts"]["changed"].is_null(), "on the first day: {}", first["counts"]);
    for round in 1..=ROUNDS {
        thread::sleep(CHECKPOINT_DUE);
        fleet.write(if round == ROUNDS { 1 } else { RECORDS })?;
        fleet.wait_for_records(&mut process)?;
    }
    fleet.wait_for_anchors(&mut process)?;
    process.stop()?;

    let mut expected = BTreeSet::from([(SILENT, "silent"), (STRANGER, "key_not_certified")]);
    let whole = fleet.judge(&["verify"], &[ALL.into()])?;
    ensure!(found(&whole)? == expected, "without faults: {:?}", found(&whole));

    let (removed, version) = fleet.inject()?;
    // A cut tail leaves a log that ends without an anchor of its own.
    expected.extend([(CUT, "gap"), (CUT, "tail_unanchored"), (GAP, "gap"), (TAMPERED, "tampered")]);
    let whole = fleet.judge(&["verify"], &[ALL.into()])?;
    ensure!(found(&whole)? == expected, "{:?}", found(&whole));
    for (kind, count) in [("silent", 1), ("tail_unanchored", 1), ("tampered", 1)] {
        ensure!(whole["counts"][kind] == count, "{kind}: {}", whole["counts"]);
    }
    ensure!(whole["missing"] == removed, "{} are missing, and {removed} were removed", whole["missing"]);

    let merged = fleet.merge()?;
    ensure!(merged == whole, "merged: {merged}, and not {whole}");
    let by_spark = fleet.judge_with_spark(&python)?;
    ensure!(by_spark == whole, "by Spark: {by_spark}, and not {whole}");
    let second = fleet.judge(&["verify", "--state", "state"], &[ALL.into()])?;
    ensure!(second == whole, "on the second day: {second}, and not {whole}");
    let (_, status) = fleet.run(fleet.program().args(["fleet", "status", "--state", "state"]))?;
    ensure!(status.lines().count() == 1 + CHAINS, "not a line for each chain: {status}");
    fleet.run_page(&version)?;
    let objects = fleet.objects.len();
    Ok(format!("{} records of {CHAINS} chains in {objects} objects, {removed} missing", whole["records"]))
}

/// Returns the kinds of findings of each node.
fn found(report: &Value) -> Result<BTreeSet<(&str, &str)>> {
    let mut found = BTreeSet::new();
    for finding in report["findings"].as_array().context("no findings")? {
        // Nobody vouches for the name of the stranger.
        let node = finding["node"].as_str().unwrap_or(STRANGER);
        found.insert((node, finding["verdict"].as_str().context("no verdict")?));
    }
    Ok(found)
}

/// A stored record.
struct Stored {
    line: String,
    node: String,
    number: usize,
    head: String,
    is_checkpoint: bool,
}

impl Stored {
    fn of(line: &str) -> Result<Stored> {
        let record: Value = serde_json::from_str(line)?;
        let text = |value: &Value| value.as_str().map(str::to_owned).with_context(|| line.to_owned());
        Ok(Stored {
            line: line.to_owned(),
            node: text(&record["node"])?,
            number: record["number"].as_u64().context("no number")? as usize,
            head: text(&record["audit"]["head"])?,
            is_checkpoint: record["audit"].get("key").is_some(),
        })
    }
}

/// The nodes, and what they have stored.
struct Fleet<'a> {
    place: &'a Place,
    server: Server,
    /// The nodes that write, and the stranger.
    writers: Vec<String>,
    /// The number of records that each of them has written.
    written: usize,
    objects: BTreeMap<String, Vec<Stored>>,
}

impl<'a> Fleet<'a> {
    /// Makes the fleet's key, and enrolls all nodes but the stranger.
    fn enroll(place: &'a Place, mut server: Server) -> Result<Self> {
        for bucket in [LOGS, ANCHORS] {
            server.bucket(bucket, true, true)?;
        }
        let (directory, key, states) = (place.at("fleet"), place.at("enroll.key"), place.at("states"));
        verify::fleet(&["init"], &[&directory])?;
        verify::fleet(&["lend", "--valid", "90days"], &[&directory, &key])?;
        let nodes: Vec<String> = (1..CHAINS).map(|number| format!("node-{number:02}")).collect();
        nodes.iter().try_for_each(|node| verify::enroll(&states.join(node), node, &key))?;
        fs::write(place.at("nodes"), nodes.iter().map(|node| format!("node/{node}\n")).collect::<String>())?;
        verify::init_with_keys(&states.join(STRANGER), &place.at("other.json"))?;
        let writers = nodes.into_iter().filter(|node| node != SILENT).chain([STRANGER.to_owned()]).collect();
        Ok(Fleet { place, server, writers, written: 0, objects: BTreeMap::new() })
    }

    /// Starts one Fluent Bit with a filter for each chain, each with a state of its own.
    fn start(&mut self) -> Result<Process> {
        let place = self.place;
        fs::create_dir(place.at("logs"))?;
        self.write(RECORDS)?;
        fs::write(place.at("parsers.conf"), "[PARSER]\n    Name json\n    Format json\n")?;
        let tail = Section::input("tail")
            .with("path", place.at("logs/*.log").display())
            .with("tag_regex", r"(?<node>[^/]+)\.log$")
            .with("tag", "<node>.audit")
            .with("read_from_head", "true")
            .with("parser", "json");
        let anchors = Section::input("exec_wasi")
            .with("tag", "anchor")
            .with("wasi_path", root().join("dist/in_checkpoint.wasm").display())
            .with("accessible_paths", place.at("states").display())
            .with("parser", "json")
            .with("interval_sec", 1)
            .with("buf_size", "16k");
        let mut config = Config::default()
            .service("flush", "0.2")
            .service("parsers_file", place.at("parsers.conf").display().to_string())
            .section(tail)
            .section(anchors);
        for node in &self.writers {
            let filter = Section::wasm(verify::module().display(), "audit");
            let state = place.at("states").join(node);
            config = config.section(
                filter.with("match", format!("{node}.audit")).with("accessible_paths", state.display()),
            );
        }
        for (tags, bucket, keys) in [
            ("*.audit", LOGS, "/logs/$TAG/%Y/%m/%d/%H/%M%S-$UUID.ndjson.gz"),
            ("anchor", ANCHORS, "/2026/%m/%d/%H%M%S-$UUID.ndjson.gz"),
        ] {
            let output = Section::output("s3")
                .with("match", tags)
                .with("bucket", bucket)
                .with("region", "us-east-1")
                .with("endpoint", format!("http://127.0.0.1:{}", self.server.port()))
                .with("s3_key_format", keys)
                .with("send_content_md5", "true")
                .with("upload_timeout", "2s")
                .with("total_file_size", "50M")
                .with("use_put_object", "true")
                .with("compression", "gzip")
                .with("store_dir", place.at(bucket).display())
                .with("retry_limit", 1_000_000);
            config = config.section(output);
        }
        let path = place.at("fleet.conf");
        fs::write(&path, config.classic())?;
        let mut command = Command::new(&place.fluent_bit.path);
        command.arg("--config").arg(path).envs(self.server.environment());
        Process::spawn_in(place, &place.at(""), &mut command)
    }

    /// Adds records to the log of each node.
    fn write(&mut self, records: usize) -> Result<()> {
        for node in &self.writers {
            let path = self.place.at("logs").join(format!("{node}.log"));
            let numbers = self.written..self.written + records;
            let lines = numbers.map(|number| format!("{}\n", json!({"node": node, "number": number})));
            let mut file = OpenOptions::new().append(true).create(true).open(path)?;
            file.write_all(lines.collect::<String>().as_bytes())?;
        }
        self.written += records;
        Ok(())
    }

    /// Waits until all records are stored, and an anchor.
    fn wait_for_records(&mut self, process: &mut Process) -> Result<()> {
        let (all, stored) = (self.written * self.writers.len(), Cell::new(0));
        let done = || {
            process.ensure_running()?;
            for key in self.server.keys(LOGS)? {
                if !self.objects.contains_key(&key) {
                    let text = self.server.get(LOGS, &key)?;
                    self.objects.insert(key, text.lines().map(Stored::of).collect::<Result<_>>()?);
                }
            }
            let records = self.objects.values().flatten().map(|record| (&record.node, record.number));
            stored.set(records.collect::<BTreeSet<_>>().len());
            Ok((stored.get() >= all && !self.server.keys(ANCHORS)?.is_empty()).then_some(()))
        };
        poll::until(&format!("{all} records in the store"), done, || format!("{} are", stored.get()))
    }

    /// Waits until the last record of each chain is stored as an anchor.
    fn wait_for_anchors(&mut self, process: &mut Process) -> Result<()> {
        let is_last = |record: &&Stored| record.number + 1 == self.written;
        let last = self.objects.values().flatten().filter(is_last);
        let heads: Vec<&str> = last.map(|record| record.head.as_str()).collect();
        let mut anchors: BTreeMap<String, String> = BTreeMap::new();
        let missing = Cell::new(0);
        let done = || {
            process.ensure_running()?;
            for key in self.server.keys(ANCHORS)? {
                if let Entry::Vacant(anchor) = anchors.entry(key) {
                    let text = self.server.get(ANCHORS, anchor.key())?;
                    anchor.insert(text);
                }
            }
            let is_missing = |head: &&&str| !anchors.values().any(|text| text.contains(**head));
            missing.set(heads.iter().filter(is_missing).count());
            Ok((missing.get() == 0).then_some(()))
        };
        poll::until("an anchor for each chain", done, || format!("{} have none", missing.get()))
    }

    /// Hides and replaces objects, as whoever may write to a store with Object Lock can. Returns
    /// the number of hidden records, and the address of the replacement's version.
    fn inject(&mut self) -> Result<(usize, String)> {
        let mut removed = 0;
        for (node, numbers) in [(CUT, (ROUNDS - 1) * RECORDS..self.written), (GAP, 2 * RECORDS..3 * RECORDS)]
        {
            let is_of = |record: &Stored| record.node == node && numbers.contains(&record.number);
            for (key, records) in self.objects.iter().filter(|(_, records)| records.iter().all(is_of)) {
                ensure!(self.server.delete(LOGS, key, None)?, "{key} cannot be deleted");
                removed += records.len();
            }
        }
        // The checkpoint before this record signs all earlier ones, and the next one all
        // later ones.
        let is_it = |record: &Stored| record.node == TAMPERED && record.number == RECORDS + 1;
        let (key, records) =
            self.objects.iter().find(|(_, records)| records.iter().any(is_it)).context("no such record")?;
        let before = |record: &Stored| record.node == TAMPERED && record.number == RECORDS;
        ensure!(self.objects.values().flatten().any(|it| before(it) && it.is_checkpoint), "no checkpoint");
        let text = records.iter().map(|record| match is_it(record) {
            true => record.line.replacen(&format!("\"number\":{}", record.number), "\"number\":0", 1) + "\n",
            false => record.line.clone() + "\n",
        });
        let object = self.place.at("tampered.ndjson");
        fs::write(&object, text.collect::<String>())?;
        let version = self.server.put(LOGS, key, &object)?.context("no versions")?;
        ensure!(!self.server.delete(LOGS, key, Some(&version))?, "the store does not keep {key}");
        Ok((removed, format!("{LOGS}/{key}?versionId={version}")))
    }

    /// Runs all commands of the page, in a shell.
    fn run_page(&self, version: &str) -> Result<()> {
        let text = fs::read_to_string(root().join("docs/fleet.md"))?;
        let blocks: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
        if let Some(other) = blocks.iter().find(|of| !PAGE.iter().any(|(command, ..)| command == *of)) {
            bail!("docs/fleet.md has a command that this case does not run: {other}");
        }
        let page = self.place.at("page");
        fs::create_dir_all(page.join("parts"))?;
        fs::create_dir(page.join("bin"))?;
        fs::create_dir(self.place.at("retiring"))?;
        for to in [page.join("fleet.json"), self.place.at("retiring/fleet.json")] {
            fs::copy(self.place.at("fleet/fleet.json"), to)?;
        }
        // A cluster with these nodes.
        let kubectl = page.join("bin/kubectl");
        fs::write(&kubectl, "#!/bin/sh\n[ \"$*\" = 'get nodes -o name' ] && cat ../nodes\n")?;
        fs::set_permissions(&kubectl, Permissions::from_mode(0o755))?;
        let programs = program::dist("flb-audit").parent().context("no directory")?.display().to_string();
        let path = format!("{programs}:{}:{}", page.join("bin").display(), std::env::var("PATH")?);
        let shell = |command: &str| {
            let mut shell = Command::new("sh");
            shell.args(["-c", command]).current_dir(&page).envs(self.server.environment()).env("PATH", &path);
            shell
        };
        self.run(&mut shell("flb-audit hmac-key keys --id k1"))?;
        for (command, replacements, expected) in PAGE {
            let is_there = blocks.contains(&command) || text.contains(&format!("`{command}"));
            ensure!(is_there, "docs/fleet.md does not have `{command}`");
            let replaced = |command: String, (from, to): &(&str, &str)| command.replace(from, to);
            let command = replacements.iter().fold(command.to_owned(), replaced);
            let command = command.replace("BUCKET/KEY?versionId=ID", version);
            let output = shell(&command).output()?;
            ensure!(
                output.status.code() == Some(expected),
                "{command}: ended with {:?}: {}{}",
                output.status.code(),
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(())
    }

    /// Writes parts of the objects in shares that chance makes, and merges them in the order
    /// that chance makes, one of them twice.
    fn merge(&mut self) -> Result<Value> {
        const SHARES: u64 = 7;
        let mut shares: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        for key in self.server.keys(LOGS)? {
            shares.entry(chance(&key) % SHARES).or_default().push(format!("s3://{LOGS}/{key}"));
        }
        fs::create_dir(self.place.at("parts"))?;
        let mut parts = Vec::new();
        for (share, logs) in shares {
            let part = format!("parts/{share}.part");
            let (code, said) = self.run(self.program().args(["verify", "--part", &part]).args(&logs))?;
            ensure!(code == 0, "verify --part ended with {code}: {said}");
            parts.push((chance(&logs[0]), part));
        }
        parts.sort();
        parts.extend(parts.first().cloned());
        let parts: Vec<String> = parts.into_iter().map(|(_, part)| part).collect();
        self.judge(&["merge"], &parts)
    }

    /// Judges the objects with the Spark job.
    fn judge_with_spark(&mut self, python: &Path) -> Result<Value> {
        let logs = self.server.keys(LOGS)?.into_iter().map(|key| format!("s3://{LOGS}/{key}\n"));
        fs::write(self.place.at("list"), logs.collect::<String>())?;
        let mut job = Command::new(python);
        job.arg(root().join("examples/fleet/spark/job.py"));
        job.args(["--logs", "list", "--shares", "4", "--program"]).arg(program::dist("flb-audit"));
        job.current_dir(self.place.at("")).envs(self.server.environment());
        self.report(job.args(GROUNDS))
    }

    /// Judges logs or parts, and returns the report.
    fn judge(&self, command: &[&str], what: &[String]) -> Result<Value> {
        self.report(self.program().args(command).args(GROUNDS).args(what))
    }

    fn report(&self, command: &mut Command) -> Result<Value> {
        let (code, said) = self.run(command)?;
        let report: Value = serde_json::from_str(&said).with_context(|| format!("no report: {said}"))?;
        ensure!(report["exit_code"] == code, "it ended with {code}: {said}");
        Ok(report)
    }

    fn program(&self) -> Command {
        let mut program = program::flb_audit();
        program.current_dir(self.place.at("")).envs(self.server.environment());
        program
    }

    /// Runs a command. Returns its exit code and what it prints.
    fn run(&self, command: &mut Command) -> Result<(i32, String)> {
        let output = command.output()?;
        let code = output.status.code().context("killed")?;
        ensure!(code != 1, "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok((code, String::from_utf8(output.stdout)?))
    }
}

/// Returns a number that differs with each run, since keys have random parts.
fn chance(key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}
