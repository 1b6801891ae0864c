//! Components on the host that ships, with a driver that plays chunks, brings
//! again what was not answered with ok, and kills the process.

#[allow(dead_code)]
#[path = "../../plugin/ledger/tests/support/mod.rs"]
mod support;

use flb_audit_host::component::{Answer, Level, Limits};
use flb_audit_host::output::{self, Output, Reply};
use host_tests::root;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use support::{Filter, chunk, numbers, plain};

fn faulty() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target.join("wasm32-wasip2/guest/out_faulty.wasm")
}

fn ledger() -> PathBuf {
    root().join("dist/out_audit.wasm")
}

fn limits() -> Limits {
    Limits {
        memory_bytes_max: 64 << 20,
        deadline: Duration::from_secs(60),
        directory: None,
        is_writable: true,
    }
}

fn start(component: &Path, limits: Limits, failures_max: Option<u32>) -> Output {
    let (output, _) = output::start(component, limits, failures_max, |_| None).expect("started");
    output
}

fn lines(reply: &Reply) -> Vec<&str> {
    reply.lines.iter().map(|(_, line)| line.as_str()).collect()
}

fn reason(answer: &Answer) -> (&str, &str) {
    match answer {
        Answer::Ok => ("ok", ""),
        Answer::Retry(reason) => ("retry", reason),
        Answer::Refuse(reason) => ("refuse", reason),
    }
}

#[test]
fn faults_end_an_instance_and_no_more() {
    let cases = [
        ("panic", "unreachable` instruction executed; it had printed"),
        ("memory", "the memory limit of 67108864 bytes was reached"),
        // Its own stack is in its memory.
        ("stack", "out of bounds memory access"),
        ("exit", "exit"),
    ];
    let output = start(&faulty(), limits(), None);
    for (tag, expected) in cases {
        let reply = output.flush(tag.as_bytes(), b"chunk");
        let (answer, why) = reason(&reply.answer);
        assert_eq!(answer, "retry", "{tag}: {why}");
        assert!(why.contains(expected), "{tag}: {why}");
        assert!(reply.lines.iter().any(|(level, line)| *level == Level::Error && line.contains(expected)));
        assert_eq!(lines(&output.flush(b"fine", b"chunk")), ["chunk 1"], "after {tag}");
        assert_eq!(lines(&output.flush(b"fine", b"chunk")), ["chunk 2"], "after {tag}");
    }
}

#[test]
fn a_call_that_hangs_is_interrupted() {
    let limits = Limits { deadline: Duration::from_millis(200), ..limits() };
    let output = start(&faulty(), limits, None);
    for _ in 0..2 {
        let reply = output.flush(b"hang", b"chunk");
        assert_eq!(reason(&reply.answer), ("retry", "the deadline was exceeded"));
        assert_eq!(reason(&output.flush(b"fine", b"chunk").answer), ("ok", ""));
    }
}

#[test]
fn a_chunk_that_ends_instances_is_refused_in_the_end() {
    let output = start(&faulty(), limits(), Some(3));
    let answers = |tag: &[u8], chunk: &[u8]| reason(&output.flush(tag, chunk).answer).0.to_owned();
    assert_eq!(answers(b"panic", b"one"), "retry");
    assert_eq!(answers(b"panic", b"two"), "retry");
    assert_eq!(answers(b"panic", b"one"), "retry");
    assert_eq!(answers(b"panic", b"one"), "refuse");
    assert_eq!(answers(b"panic", b"one"), "retry");
    assert_eq!(answers(b"panic", b"two"), "retry");
}

#[test]
fn answers_are_handed_on() {
    let output = start(&faulty(), limits(), None);
    assert_eq!(reason(&output.flush(b"retry", b"").answer), ("retry", "as it was told"));
    assert_eq!(reason(&output.flush(b"refuse", b"").answer), ("refuse", "as it was told"));
    let reply = output.flush(b"chatter", b"");
    assert_eq!(reply.lines.len(), 256);
    assert!(reply.lines.iter().all(|(_, line)| line.len() == 4096));
    assert!(output.drain().iter().any(|(_, line)| line == "drain: as it was told"));
}

#[test]
fn nothing_else_is_reachable() {
    let output = start(&faulty(), limits(), None);
    for tag in ["network", "files", "write"] {
        let reply = output.flush(tag.as_bytes(), b"");
        let (answer, why) = reason(&reply.answer);
        assert_eq!(answer, "refuse", "{tag}: {why}");
        assert!(why.parse::<u32>().is_err(), "{tag}: {why} entries");
    }
    let directory = tempfile::tempdir().expect("a directory");
    let readable = Limits { directory: Some(directory.path().to_path_buf()), is_writable: false, ..limits() };
    let output = start(&faulty(), readable, None);
    assert_eq!(reason(&output.flush(b"files", b"").answer), ("refuse", "0"));
    assert_eq!(reason(&output.flush(b"write", b"").answer).0, "refuse");
    assert_eq!(fs::read_dir(directory.path()).expect("read").count(), 0);
}

#[test]
fn what_is_wrong_at_the_start_is_said() {
    let directory = tempfile::tempdir().expect("a directory");
    let with_directory =
        |is_writable| Limits { directory: Some(directory.path().to_path_buf()), is_writable, ..limits() };
    let setting = |value: &'static str| move |_: &str| Some(value.to_owned());
    let nothing = directory.path().join("nothing.wasm");
    let text = directory.path().join("text.wasm");
    fs::write(&text, "text").expect("written");
    type Get = Box<dyn Fn(&str) -> Option<String>>;
    let size = |name: &str| (name == "segment_size").then(|| "1x".to_owned());
    let recipients = |name: &str| (name == "recipients").then(|| "age1nobody".to_owned());
    let cases: [(&Path, Limits, Get, &str); 8] = [
        (&nothing, limits(), Box::new(|_| None), "nothing.wasm: cannot be read"),
        (&text, limits(), Box::new(|_| None), "text.wasm: not a WebAssembly component"),
        (&faulty(), limits(), Box::new(setting("other")), "property config.init: other"),
        (&faulty(), limits(), Box::new(setting("trap")), "init: "),
        (&ledger(), limits(), Box::new(|_| None), "property dir is missing"),
        (&ledger(), with_directory(true), Box::new(|_| None), "flb-audit init"),
        (&ledger(), with_directory(true), Box::new(size), "property config.segment_size: `1x` is not a size"),
        (
            &ledger(),
            with_directory(true),
            Box::new(recipients),
            "property config.recipients: `age1nobody` is not an age recipient",
        ),
    ];
    for (component, limits, get, expected) in cases {
        let what = match output::start(component, limits, None, get) {
            Ok(_) => panic!("started, without {expected}"),
            Err(error) => format!("{error:#}"),
        };
        assert!(what.contains(expected), "{what}, and not {expected}");
    }
}

#[test]
fn the_second_output_on_a_directory_refuses() {
    let directory = support::directory();
    let with_directory = || Limits { directory: Some(directory.path().to_path_buf()), ..limits() };
    let first = start(&ledger(), with_directory(), None);
    let second = output::start(&ledger(), with_directory(), None, |_| None).err();
    let what = second.map(|error| format!("{error:#}")).unwrap_or_default();
    assert!(what.contains("another output writes there"), "{what}");
    first.drain();
    start(&ledger(), with_directory(), None);
}

/// How many chunks the driver plays, and how many records each has.
const CHUNKS: u32 = 400;
const CHUNK_RECORDS: u32 = 5;

/// Where the driver finds its directory, and the chunk to begin with.
const DIRECTORY: &str = "FLB_AUDIT_DRIVER_DIRECTORY";
const FIRST: &str = "FLB_AUDIT_DRIVER_FIRST";
const SEGMENT_SIZE: &str = "FLB_AUDIT_DRIVER_SEGMENT_SIZE";
const RECIPIENTS: &str = "FLB_AUDIT_DRIVER_RECIPIENTS";

/// Even chunks are sealed, odd ones are not.
fn played() -> Vec<Vec<u8>> {
    let mut filter = Filter::new(1);
    let records = |at: u32| {
        let mut records = plain(at * CHUNK_RECORDS, CHUNK_RECORDS);
        records.iter_mut().for_each(|record| record["text"] = "x".repeat(1000).into());
        records
    };
    (0..CHUNKS).map(|at| chunk(&if at % 2 == 0 { filter.seal(&records(at)) } else { records(at) })).collect()
}

/// What the driver does in a process of its own: plays chunks until it has an
/// answer to all of them.
#[test]
#[ignore = "run by others, in a process of its own"]
fn driver() {
    let directory = PathBuf::from(std::env::var_os(DIRECTORY).expect("a directory"));
    let first: usize = std::env::var(FIRST).expect("a number").parse().expect("a number");
    let limits = Limits { directory: Some(directory), ..limits() };
    let segment_size = std::env::var(SEGMENT_SIZE).expect("a size");
    let setting = |name: &str| match name {
        "segment_size" => Some(segment_size.clone()),
        "recipients" => std::env::var(RECIPIENTS).ok(),
        _ => None,
    };
    let (output, _) = output::start(&ledger(), limits, None, setting).expect("started");
    for (at, chunk) in played().iter().enumerate().skip(first) {
        let reply = output.flush(support::TAG, chunk);
        match reply.answer {
            Answer::Ok => println!("\nanswered {at}"),
            answer => println!("\nretry {at}: {}", reason(&answer).1),
        }
    }
}

/// Runs the driver, under a shell's limits, and has `see` look at each of its
/// lines; it is killed where that gives false.
fn drive(
    directory: &Path,
    first: usize,
    segment_size: &str,
    limits: &str,
    mut see: impl FnMut(&str) -> bool,
) {
    let program = std::env::current_exe().expect("a path");
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(format!("{limits}\nexec \"$0\" --exact driver --ignored --nocapture"))
        .arg(program)
        .env(DIRECTORY, directory)
        .env(FIRST, first.to_string())
        .env(SEGMENT_SIZE, segment_size)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    for line in lines.map_while(Result::ok) {
        if !see(&line) {
            child.kill().expect("killed");
            break;
        }
    }
    child.wait().expect("ended");
}

fn answered(line: &str) -> Option<usize> {
    line.strip_prefix("answered ")?.parse().ok()
}

/// Everything is held once, and verifies.
fn check(directory: &tempfile::TempDir) {
    check_with(directory, &[]);
}

fn check_with(directory: &tempfile::TempDir, arguments: &[&str]) {
    assert_eq!(numbers(directory), (0..u64::from(CHUNKS * CHUNK_RECORDS)).collect::<Vec<_>>());
    let verify = Command::new(root().join("dist/flb-audit"))
        .args(["verify", "--json"])
        .args(arguments)
        .arg(directory.path())
        .output()
        .expect("verified");
    let report: serde_json::Value = serde_json::from_slice(&verify.stdout).expect("a report");
    assert_eq!(report["verdict"], "unsigned", "{report}");
    assert_eq!((&report["missing"], &report["duplicates"]), (&0.into(), &0.into()), "{report}");
}

#[test]
fn kills_lose_nothing_and_double_nothing() {
    let directory = support::directory();
    kill_often(&directory, "");
    check(&directory);
}

/// The same, to somebody who has nothing to do with it.
#[test]
fn kills_lose_nothing_and_double_nothing_that_is_encrypted() {
    let directory = support::directory();
    kill_often(&directory, &format!("export {RECIPIENTS}={}", support::recipient()));
    let closed = support::names(&directory).iter().filter(|name| name.ends_with(".frames")).count();
    assert!(closed > 10, "{closed} segments");
    let key = tempfile::NamedTempFile::new().expect("a file");
    support::key_file(key.path(), support::key());
    check_with(&directory, &["--identity", &key.path().to_string_lossy()]);
}

/// It is killed after an answer, or, every other time, before the next one.
fn kill_often(directory: &tempfile::TempDir, environment: &str) {
    let (mut first, mut round) = (0, 0u32);
    while first < CHUNKS as usize {
        round += 1;
        let mut budget = 1 + round % 7;
        drive(directory.path(), first, "50k", environment, |line| {
            if let Some(at) = answered(line) {
                // Every third time, the answer is lost.
                first = if budget == 1 && round.is_multiple_of(3) { at } else { at + 1 };
                budget -= 1;
            }
            budget > 0
        });
    }
    assert!(round > 90, "{round} kills");
}

/// No file may be longer than one or two MiB, as if the disk were full; then it has room
/// again.
#[test]
fn a_full_disk_is_retry_and_nothing_is_lost() {
    let directory = support::directory();
    let (mut first, mut retries) = (0, 0);
    // What is compiled is longer: the cache is another, too.
    let cache = tempfile::tempdir().expect("a directory");
    let limits = format!("trap '' XFSZ; ulimit -f 2000; export XDG_CACHE_HOME={}", cache.path().display());
    drive(directory.path(), first, "8M", &limits, |line| {
        if let Some(at) = answered(line) {
            assert_eq!(retries, 0, "an answer behind a retry");
            first = at + 1;
        }
        retries += u32::from(line.starts_with("retry "));
        retries < 5
    });
    assert!(retries == 5 && first > 0, "{retries} retries, from {first} on");
    drive(directory.path(), first, "8M", "", |line| {
        first = answered(line).map_or(first, |at| at + 1);
        true
    });
    assert_eq!(first, CHUNKS as usize);
    check(&directory);
}
