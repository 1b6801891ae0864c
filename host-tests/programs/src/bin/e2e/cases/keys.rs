//! Chains with keys: signatures, keys that change, and checkpoints that are sent
//! elsewhere as anchors.

use crate::case::Place;
use crate::pipeline::Pipeline;
use crate::poll;
use crate::private::Private;
use crate::process::Process;
use crate::reference;
use crate::sink::Record;
use crate::verify::{self, ANCHORED, GAP, INTACT, TAIL_UNANCHORED};
use anyhow::{Context, Result, ensure};
use flb_audit_core::chain::anchor::SENT_FILE_NAME;
use flb_audit_core::redact::KEY_FILE_NAME;
use host_tests::config::Section;
use host_tests::{root, streams};
use serde_json::{Value, json};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::TcpListener;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

const TAG: &str = "kube.audit";
const STREAM: &str = "kubernetes-audit";

pub(crate) fn signed(place: &Place) -> Result<String> {
    let mut pipeline = Pipeline::new(place)?;
    pipeline.all_outputs();
    let state = pipeline.use_keys()?;
    let mut private = Private::new(&state)?;
    verify::hmac_key(&state)?;
    let calls = streams::calls(STREAM)?;
    fs::write(place.at("log"), streams::lines(&calls))?;
    let tail = pipeline.tail(TAG, "log");
    pipeline.input(tail);
    let expected = reference::stream(&calls)?;
    let report = pipeline.finish(pipeline.start()?, &expected)?;
    // Without a roster, nothing vouches for the keys.
    for sink in pipeline.sinks() {
        verify::verify(&sink.path)?.ensure(&[INTACT], expected.len())?;
    }
    fs::remove_file(state.join(KEY_FILE_NAME))?;
    private.look()?;
    private.ensure_kept(place)?;
    Ok(format!("{} records in {} segments", expected.len(), report.segments()?))
}

/// Writes small numbered records into a new log. A Fluent Bit that starts reads it from
/// the beginning.
fn write(path: &Path, numbers: Range<usize>) -> Result<()> {
    let lines: String = numbers.map(|number| format!("{}\n", json!({ "number": number }))).collect();
    Ok(fs::write(path, lines)?)
}

/// Returns a pipeline with one output that reads such records.
fn numbered_pipeline(place: &Place) -> Result<Pipeline<'_>> {
    let mut pipeline = Pipeline::new(place)?;
    pipeline.http("json_lines");
    let tail = pipeline.tail(TAG, "log");
    pipeline.input(tail);
    Ok(pipeline)
}

/// Returns the segment, number and key of each checkpoint among the records.
fn checkpoints(records: &[Record]) -> impl Iterator<Item = (u64, u64, u64)> {
    let key = |record: &Record| record.audit.pointer("/key/n").and_then(Value::as_u64);
    records.iter().filter_map(move |record| Some((record.identity.seg, record.identity.seq, key(record)?)))
}

/// The most records for which a key is in force.
const KEY_RECORDS_MAX: usize = 65_536;

/// Changes keys in the middle of a life, and with each life.
pub(crate) fn changed(place: &Place) -> Result<String> {
    const LIVES: usize = 3;
    const RECORDS_A_LIFE: usize = 100;
    let mut pipeline = numbered_pipeline(place)?;
    let mut private = Private::new(&pipeline.use_keys()?)?;
    let sink = pipeline.sinks().next().context("no output")?.clone();
    // With a guest per chunk, no life lasts that long.
    let is_long = !place.fluent_bit.is_guest_per_chunk();
    let mut count = 0;
    for life in 0..LIVES {
        let more = if life == 0 && is_long { KEY_RECORDS_MAX } else { 0 } + RECORDS_A_LIFE;
        write(&place.at("log"), count..count + more)?;
        count += more;
        let mut process = pipeline.start()?;
        sink.wait_for(&mut process, count)?;
        process.stop()?;
        private.look()?;
    }
    let report = pipeline.verify(&sink.path)?;
    report.ensure(&[TAIL_UNANCHORED], count)?;
    let records = sink.records()?;
    let found: Vec<_> = checkpoints(&records).filter(|(_, seq, _)| seq % 65_536 == 0).collect();
    let first_keys: Vec<u64> = found.iter().map(|(_, _, key)| *key).collect();
    ensure!((1..=found.len() as u64).eq(first_keys.iter().copied()), "keys {first_keys:?}");
    ensure!(found.len() as u64 == report.segments()? + u64::from(is_long), "{found:?}");
    ensure!(!is_long || found[..2] == [(1, 0, 1), (1, KEY_RECORDS_MAX as u64, 2)], "{found:?}");
    private.ensure_kept(place)?;
    Ok(format!("{count} records in {} segments under {} keys", report.segments()?, found.len()))
}

/// While files cannot grow, the old key stays in force, and the records say so. When
/// files can grow again, the next key comes into force.
pub(crate) fn not_written(place: &Place) -> Result<String> {
    const RECORDS_A_LIFE: usize = 50;
    let mut pipeline = numbered_pipeline(place)?;
    let private = Private::new(&pipeline.use_keys()?)?;
    let sink = pipeline.sinks().next().context("no output")?.clone();
    write(&place.at("log"), 0..RECORDS_A_LIFE)?;
    let mut process = pipeline.start_in_little_room()?;
    sink.wait_for(&mut process, RECORDS_A_LIFE)?;
    process.stop()?;
    let noted = |record: &&Record| record.audit["notes"] == json!(["key-not-written"]);
    let records = sink.records()?;
    let keys: Vec<_> = checkpoints(&records).map(|(_, _, key)| key).collect();
    ensure!(!keys.is_empty() && keys.iter().all(|key| *key == 0), "keys {keys:?}");
    ensure!(records.iter().filter(noted).count() == keys.len(), "a life without the note");

    write(&place.at("log"), RECORDS_A_LIFE..2 * RECORDS_A_LIFE)?;
    let mut process = pipeline.start()?;
    sink.wait_for(&mut process, 2 * RECORDS_A_LIFE)?;
    process.stop()?;
    let records = sink.records()?;
    let after: Vec<_> = checkpoints(&records).map(|(_, _, key)| key).skip(keys.len()).collect();
    ensure!(after.first() == Some(&1), "keys {after:?}");
    ensure!(records.iter().filter(noted).count() == keys.len(), "a note for a key that was written");
    pipeline.verify(&sink.path)?.ensure(&[TAIL_UNANCHORED], 2 * RECORDS_A_LIFE)?;
    private.ensure_kept(place)?;
    Ok(format!("{} lives under key 0, then {} keys", keys.len(), after.len()))
}

const ANCHOR_TAG: &str = "flb-audit.anchor";

/// The time after which the next record is a checkpoint.
const CHECKPOINT_DUE: Duration = Duration::from_secs(11);

/// Writes checkpoints into a second file, and compares them with the log.
pub(crate) fn anchored(place: &Place) -> Result<String> {
    const RECORDS: usize = 200;
    let mut pipeline = numbered_pipeline(place)?;
    let mut private = Private::new(&pipeline.use_keys()?)?;
    let anchors = place.at("anchors");
    pipeline.input(
        Section::input("exec_wasi")
            .with("tag", ANCHOR_TAG)
            .with("wasi_path", root().join("dist/in_checkpoint.wasm").display())
            .with("accessible_paths", place.at("states").display())
            .with("parser", "json")
            .with("interval_sec", 1)
            .with("buf_size", "16k"),
    );
    pipeline.take_only(TAG);
    pipeline.other_output(
        Section::output("file")
            .with("match", ANCHOR_TAG)
            .with("path", place.at("").display())
            .with("file", "anchors")
            .with("format", "plain"),
    );
    let sink = pipeline.sinks().next().context("no output")?.clone();
    write(&place.at("log"), 0..RECORDS)?;
    let mut process = pipeline.start()?;
    sink.wait_for(&mut process, RECORDS)?;
    thread::sleep(CHECKPOINT_DUE);
    OpenOptions::new().append(true).open(place.at("log"))?.write_all(b"{\"number\":-1}\n")?;
    sink.wait_for(&mut process, RECORDS + 1)?;
    let records = sink.records()?;
    let head = records.last().and_then(|record| record.audit["head"].as_str()).context("no head")?.to_owned();
    wait_for_anchor(&mut process, &anchors, &head)?;
    process.stop()?;
    let check = |log: &Path, code: i32, records: usize| {
        let options = [("--roster", &*place.at("roster.json")), ("--anchors", &*anchors)];
        verify::verify_all(&[log.to_path_buf()], &options)?.ensure(&[code], records)
    };
    check(&sink.path, ANCHORED, RECORDS + 1).context("anchored to its end")?;

    // The next life begins with a checkpoint, so that a later record follows the last
    // one.
    write(&place.at("log"), RECORDS + 1..RECORDS + 6)?;
    let mut process = pipeline.start()?;
    sink.wait_for(&mut process, RECORDS + 6)?;
    process.stop()?;
    check(&sink.path, TAIL_UNANCHORED, RECORDS + 6).context("with an unanchored tail")?;

    // Cuts off records that an anchor proves: the last anchored one, and then half of all
    // records.
    let text = fs::read_to_string(&sink.path)?;
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    for kept in [RECORDS, RECORDS / 2] {
        let cut = place.at("cut");
        fs::write(&cut, lines[..kept].join("\n"))?;
        pipeline.verify(&cut)?.ensure(&[TAIL_UNANCHORED], kept).context("a cut tail, without anchors")?;
        check(&cut, GAP, kept).context("a cut tail")?;
    }
    private.look()?;
    private.ensure_kept(place)?;
    let text = fs::read_to_string(&anchors)?;
    let sent: Vec<&str> = text.lines().collect();
    let repeated = sent.windows(2).find(|pair| pair[0] == pair[1]);
    ensure!(repeated.is_none(), "an anchor was sent again: {repeated:?}");
    Ok(format!("{} records, {} anchors", RECORDS + 6, sent.len()))
}

/// Waits until a file has an anchor with this head.
fn wait_for_anchor(process: &mut Process, anchors: &Path, head: &str) -> Result<()> {
    let done = || {
        process.ensure_running()?;
        let text = fs::read_to_string(anchors).unwrap_or_default();
        Ok(text.contains(head).then_some(()))
    };
    poll::until("the last checkpoint as an anchor", done, || anchors.display().to_string())
}

/// Runs the shipped `fluent-bit-conf/anchors.*`, and the config of the receiver, in
/// processes of their own.
pub(crate) fn shipped_anchors(place: &Place) -> Result<String> {
    const RECORDS: usize = 20;
    let mut pipeline = numbered_pipeline(place)?;
    let mut private = Private::new(&pipeline.use_keys()?)?;
    let sink = pipeline.sinks().next().context("no output")?.clone();
    // The last life has a single record, which is a checkpoint.
    for numbers in [0..RECORDS, RECORDS..RECORDS + 1] {
        let count = numbers.end;
        write(&place.at("log"), numbers)?;
        let mut process = pipeline.start()?;
        sink.wait_for(&mut process, count)?;
        process.stop()?;
    }
    let records = sink.records()?;
    let head = records.last().and_then(|record| record.audit["head"].as_str()).context("no head")?.to_owned();
    let senders = [&["anchors.yaml"][..], &["anchors.conf", "--parser", "filter-audit-parsers.conf"]];
    for arguments in senders {
        let ([mut sender, receiver], anchors) = start_shipped(place, arguments)?;
        wait_for_anchor(&mut sender, &anchors, &head)?;
        sender.stop()?;
        // Makes the next sender send the checkpoint, too.
        fs::remove_file(place.at("states/keyed").join(SENT_FILE_NAME))?;
        receiver.stop()?;
        let options = [("--roster", &*place.at("roster.json")), ("--anchors", &*anchors)];
        verify::verify_all(std::slice::from_ref(&sink.path), &options)?.ensure(&[ANCHORED], RECORDS + 1)?;
    }
    private.look()?;
    private.ensure_kept(place)?;
    Ok(format!("{} records anchored to their end, by YAML and by the classic format", RECORDS + 1))
}

/// Starts a Fluent Bit with a config of `fluent-bit-conf`, and another that receives its
/// anchors. The environment variables that the configs read point to the case. Returns
/// both, and the file of the received anchors.
fn start_shipped(place: &Place, arguments: &[&str]) -> Result<([Process; 2], PathBuf)> {
    let dir = place.below(&format!("from-{}", arguments[0]))?;
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port().to_string();
    let environment = |command: &mut Command| {
        command.env("ANCHORS_HOST", "127.0.0.1").env("ANCHORS_PORT", &port).env("ANCHORS_TLS", "off");
    };
    let receiver = fs::read_to_string(root().join("fluent-bit-conf/anchors-receiver.yaml"))?;
    // Without TLS, no certificates are needed.
    let lines =
        receiver.lines().filter(|line| !line.contains("ANCHORS_CRT") && !line.contains("ANCHORS_KEY"));
    let below = format!(" {}/var/", dir.at("").display());
    let receiver: String = lines.map(|line| line.replace(" /var/", &below) + "\n").collect();
    for needed in ["var/log", "var/lib/fluent-bit"] {
        fs::create_dir_all(dir.at(needed))?;
    }
    fs::write(dir.at("receiver.yaml"), receiver)?;
    let mut command = Command::new(&place.fluent_bit.path);
    environment(command.args(["--config", "receiver.yaml"]));
    let mut receiver = Process::spawn_in(&dir, &dir.at(""), &mut command)?;
    receiver.wait_for_log("[output:file:file.0]", 1)?;
    let mut command = Command::new(&place.fluent_bit.path);
    environment(command.arg("--config").args(arguments));
    command.env("FLB_AUDIT_MODULES", root().join("dist")).env("FLB_AUDIT_STATES", place.at("states"));
    let sender = Process::spawn_in(place, &root().join("fluent-bit-conf"), &mut command)?;
    Ok(([sender, receiver], dir.at("var/log/anchors/anchors")))
}
