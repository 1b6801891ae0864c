//! `prove` on logs that are made to take memory. Each runs in a process of its own, whose memory is
//! measured. `CHECKPOINTS` and `RECORDS` are other lengths of these logs.

use flb_audit_model::forge::{Forge, anchor, set};
use flb_audit_model::json::Value;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;

/// The variable with the log for the process that is measured.
const LOG: &str = "FLB_AUDIT_MEMORY_LOG";
/// The variable with the file of the checkpoint, if it is not the first one.
const UNDER: &str = "FLB_AUDIT_MEMORY_UNDER";
/// The memory of a program that reads such a log and keeps little of it.
const MEBIBYTES_MAX: u64 = 64;
/// The most certificates in a checkpoint.
const CERTIFICATES_MAX: usize = 40;
const CHAIN: &str = "memory-00001";

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|number| number.parse().ok()).unwrap_or(default)
}

/// Returns the peak memory of this process, in MiB.
fn mebibytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    let kibibytes = line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok());
    kibibytes.unwrap_or_default() >> 10
}

/// Not a test by itself: the process that is measured.
#[test]
fn prove_here() {
    let Some(log) = std::env::var_os(LOG) else { return };
    let mut arguments: Vec<OsString> =
        ["flb-audit", "prove", "--chain", CHAIN, "--seg", "1", "--seq", "0"].map(OsString::from).into();
    arguments.extend(std::env::var_os(UNDER).into_iter().flat_map(|under| ["--under".into(), under]));
    arguments.push(log);
    assert_eq!(flb_audit::run(arguments), 0);
    eprintln!("MiB {}", mebibytes());
}

/// Proves record 0 of a log. Returns the peak memory in MiB, and the number of leaves.
fn prove(log: &Path, under: Option<&Path>) -> (u64, usize) {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "prove_here", "--nocapture"]).env(LOG, log);
    command.envs(under.map(|under| (UNDER, under)));
    let output = command.output().expect("run");
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{error}");
    let memory = error.lines().find_map(|line| line.strip_prefix("MiB ")?.parse().ok());
    let proof = out.lines().find_map(|line| line.find("{\"record\":").map(|at| &line[at..]));
    let proof: serde_json::Value = serde_json::from_str(proof.expect("a proof")).expect("JSON");
    let leaves = proof["leaves"].as_array().expect("leaves").len();
    let memory = memory.expect("a number");
    println!("{}: {memory} MiB, {leaves} leaves", log.display());
    (memory, leaves)
}

fn write(path: &Path, lines: impl Iterator<Item = String>) {
    let mut out = BufWriter::new(File::create(path).expect("a file"));
    lines.for_each(|line| writeln!(out, "{line}").expect("written"));
    out.flush().expect("written");
}

/// Whoever writes the store can add intact records with any number of certificates.
#[test]
fn many_checkpoints_with_many_certificates_take_little_memory_of_prove() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = directory.path().join("log.ndjson");
    let mut forge = Forge::new(CHAIN, 1);
    let mut key = forge.key(0);
    let certificates = (1..=CERTIFICATES_MAX as u64).map(|n| forge.certificate(n)).collect();
    set(key.members_mut().expect("members"), "certs", Value::Array(certificates));
    let count = number("CHECKPOINTS", 10_000);
    let key = [("key", key)];
    let lines = (0..=count).map(|number| {
        let more = if number == 0 { &[] } else { &key[..] };
        forge.seal("{}", number > 0, more).text()
    });
    write(&log, lines);
    let (memory, leaves) = prove(&log, None);
    assert_eq!(leaves, 1);
    assert!(memory <= MEBIBYTES_MAX, "{memory} MiB");
}

/// The logs are read more than once if the way to the checkpoint is long.
#[test]
fn a_long_way_takes_little_memory_of_prove() {
    let directory = tempfile::tempdir().expect("a directory");
    let (log, under) = (directory.path().join("log.ndjson"), directory.path().join("under"));
    let mut forge = Forge { key: None, ..Forge::new(CHAIN, 1) };
    let count = number("RECORDS", 150_000);
    let mut lines: Vec<String> = (0..count).map(|_| forge.seal("{}", false, &[]).text()).collect();
    forge.key = Some(0);
    let last = forge.seal("{}", true, &[]);
    let checkpoint = anchor(&last).expect("a checkpoint");
    lines.push(last.text());
    lines.reverse();
    fs::write(&under, checkpoint.text()).expect("written");
    write(&log, lines.into_iter());
    let (memory, leaves) = prove(&log, Some(&under));
    assert_eq!(leaves as u64, count);
    assert!(memory <= 2 * MEBIBYTES_MAX, "{memory} MiB");
    let (_, same) = prove(&log, None);
    assert_eq!(same, leaves);
}
