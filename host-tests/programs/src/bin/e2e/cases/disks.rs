//! Faults that keep an honest chain's keys from signing: a full disk, kills while a key
//! comes into force, and an outage of the ledger that a kill ends. A report must not
//! blame them on somebody else.

use super::restarts::lasting_pipeline;
use crate::case::Place;
use crate::disk::Disk;
use crate::forward::{Client, Entry};
use crate::process::Process;
use crate::verify::{self, TAIL_UNANCHORED, UNCLEAN_STOP};
use crate::{ledger, poll};
use anyhow::{Context, Result, ensure};
use flb_audit_core::chain::keyring;
use flb_audit_ledger::manifest;
use host_tests::msgpack;
use serde_json::json;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::TcpListener;
use std::ops::Range;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

const TAG: &str = "some.tag";
const MESSAGE_RECORDS: u64 = 20;

/// Sends numbered records without seals.
pub(super) fn send(client: &mut Client, numbers: Range<u64>) -> Result<()> {
    let entry = |number: u64| {
        let record = msgpack::Value::from(&json!({ "number": number, "text": "x".repeat(200) }));
        Entry { seconds: 1_795_161_600, nanoseconds: number as u32, record }
    };
    client.send(TAG, &numbers.map(entry).collect::<Vec<_>>())
}

/// Sends such records to a ledger, and waits until it has them.
pub(super) fn send_and_wait(process: &mut Process, port: u16, dir: &Path, numbers: Range<u64>) -> Result<()> {
    // Fluent Bit listens only after both plugins have started.
    let connected = || {
        process.ensure_running()?;
        Ok(Client::connect(port).ok())
    };
    let mut client = poll::until("a connection", connected, || String::from("refused"))?;
    send(&mut client, numbers.clone())?;
    ledger::wait_for(dir, process, &numbers.collect::<Vec<_>>())
}

/// The time for which the disk is full.
const FULL: Duration = Duration::from_secs(15);

/// Each failed append opens the ledger again, under another key.
pub(crate) fn keyed_ledger(place: &Place) -> Result<String> {
    let (dir, roster) = (place.at("ledger"), place.at("roster.json"));
    fs::create_dir(&dir)?;
    let disk = Disk::mount(&dir, "256k")?;
    verify::init_ledger(&dir, &roster)?;
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let mut process = ledger::start(place, port, &[ledger::output(&dir)])?;
    process.wait_for_log("stream processor started", 1)?;
    let mut client = Client::connect(port)?;
    let mut sent = 0;
    let mut more = |messages: u64| {
        for _ in 0..messages {
            send(&mut client, sent..sent + MESSAGE_RECORDS)?;
            sent += MESSAGE_RECORDS;
        }
        anyhow::Ok(sent)
    };
    more(100)?;
    process.wait_for_log("retry: ", 1)?;
    let start = Instant::now();
    while start.elapsed() < FULL {
        more(1)?;
        thread::sleep(Duration::from_millis(300));
    }
    process.wait_for_log("retry: ", 5)?;
    disk.grow("64m")?;
    let sent = more(1)?;
    ledger::wait_for(&dir, &mut process, &(0..sent).collect::<Vec<_>>())?;
    let retries = process.log()?.matches("retry: ").count();
    process.stop()?;
    let numbers = ledger::numbers(&dir)?;
    ensure!(numbers.values().all(|count| *count == 1), "some are held twice: {numbers:?}");
    let report = verify::verify_all(std::slice::from_ref(&dir), &[("--roster", &roster)])?;
    let findings = &report.report["findings"];
    ensure!(report.code == TAIL_UNANCHORED, "verify ended with {}: {findings:.800}", report.code);
    ensure!(report.count("missing") == 0, "{} records missing", report.count("missing"));
    Ok(format!("{retries} retries; {sent} records held, each once, verify ends with {}", report.code))
}

/// Appends numbered lines to the log.
fn append(place: &Place, numbers: Range<usize>) -> Result<()> {
    let text = "x".repeat(400);
    let lines: String =
        numbers.map(|number| format!("{}\n", json!({ "number": number, "text": text }))).collect();
    Ok(OpenOptions::new().append(true).create(true).open(place.at("log"))?.write_all(lines.as_bytes())?)
}

/// The number of pairs of lives that are killed as soon as the key file changes.
const PAIRS: usize = 5;
/// The longest duration of such a life. `tail` may have recorded lines as read that it
/// has not passed on.
const LIFE_MAX: Duration = Duration::from_secs(15);

pub(crate) fn kills_at_keys(place: &Place) -> Result<String> {
    let mut pipeline = lasting_pipeline(place)?;
    let key = pipeline.use_keys()?.join(keyring::FILE_NAME);
    pipeline.http("json_lines");
    let sink = pipeline.sinks().next().context("no output")?.clone();
    let (mut written, mut killed) = (0, 0);
    for pair in 0..=PAIRS {
        for _ in 0..2 {
            append(place, written..written + 1)?;
            written += 1;
            let before = fs::read(&key)?;
            let process = pipeline.start()?;
            let start = Instant::now();
            // A life that seals nothing makes no key.
            while fs::read(&key)? == before && start.elapsed() < LIFE_MAX {
                thread::sleep(Duration::from_micros(50));
            }
            killed += usize::from(fs::read(&key)? != before);
            process.kill()?;
        }
        append(place, written..written + 10)?;
        written += 10;
        let before = sink.records()?.len();
        let mut process = pipeline.start()?;
        sink.wait_for(&mut process, before + 10).with_context(|| format!("after pair {pair}"))?;
        process.stop()?;
    }
    let records = sink.records()?;
    let report = pipeline.verify(&sink.path)?;
    report.ensure(&[TAIL_UNANCHORED, UNCLEAN_STOP], records.len())?;
    ensure!(report.count("missing") == 0, "{} records missing", report.count("missing"));
    ensure!(killed > PAIRS, "{killed} lives were killed while a key came into force");
    Ok(format!("{killed} kills, {} records, verify ends with {}", records.len(), report.code))
}

/// The ledger accepts nothing at the time when Fluent Bit is killed. So after the next
/// start, newly sealed records reach the ledger before the chunks of the earlier life.
/// Meanwhile retention deletes the oldest files.
pub(crate) fn backlog(place: &Place) -> Result<String> {
    const ROUND: usize = 200;
    const ROUNDS: usize = 30;
    // A few thousand records, which is more than there are between two checkpoints.
    const KEPT: &str = "200k";
    let mut pipeline = lasting_pipeline(place)?;
    pipeline.use_keys()?;
    let dir = place.at("ledger");
    verify::init_ledger(&dir, &place.at("roster.json"))?;
    pipeline.service("plugins_file", ledger::plugins_file(place)?.display());
    let output = ledger::output(&dir).with("config.file_size", "64k").with("config.keep_size", KEPT);
    pipeline.other_output(output);
    // Blocks the name of the second file.
    let obstacle = dir.join(manifest::open_name(2));
    fs::create_dir(&obstacle)?;
    let mut written = 0;
    let mut more = || {
        append(place, written..written + ROUND)?;
        written += ROUND;
        anyhow::Ok(written as u64 - 1)
    };
    more()?;
    let process = pipeline.start()?;
    while process.log()?.matches("retry: ").count() == 0 {
        more()?;
        thread::sleep(Duration::from_millis(500));
    }
    more()?;
    thread::sleep(Duration::from_secs(2));
    process.kill()?;
    fs::remove_dir(&obstacle)?;
    more()?;
    let mut process = pipeline.start()?;
    for _ in 0..ROUNDS {
        let last = more()?;
        wait_for_number(&mut process, &dir, last)?;
    }
    // Chunks of the earlier life may come late.
    thread::sleep(Duration::from_secs(3));
    let last = more()?;
    wait_for_number(&mut process, &dir, last)?;
    process.stop()?;
    ensure!(!dir.join("00000001.ndjson.zst").exists(), "retention has deleted nothing");
    let report = pipeline.verify(&dir)?;
    let findings = &report.report["findings"];
    ensure!(
        [TAIL_UNANCHORED, UNCLEAN_STOP].contains(&report.code) && report.count("missing") == 0,
        "verify ended with {}: {findings:.800}",
        report.code
    );
    Ok(format!(
        "{} records kept, {} deleted, verify ends with {}",
        report.count("records"),
        report.count("deleted"),
        report.code
    ))
}

fn wait_for_number(process: &mut Process, dir: &Path, number: u64) -> Result<()> {
    let done = || {
        process.ensure_running()?;
        Ok(ledger::numbers(dir)?.contains_key(&number).then_some(()))
    };
    poll::until("the last record in the ledger", done, || format!("record {number}"))
}
