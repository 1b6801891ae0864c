//! Components on the host that ships. `driver.rs` tests a ledger whose process ends or
//! whose disk fails.

use flb_audit_host::component::{Answer, Level, Limits};
use flb_audit_host::log::LINE_BYTES_MAX;
use flb_audit_host::network::Network;
use flb_audit_host::output::{self, Output, Reply};
use host_tests::program::dist;
use host_tests::root;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

fn faulty() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target.join("wasm32-wasip2/guest/out_faulty.wasm")
}

fn older() -> PathBuf {
    faulty().with_file_name("out_older.wasm")
}

fn ledger() -> PathBuf {
    dist("out_audit.wasm")
}

fn limits() -> Limits {
    Limits {
        memory_bytes_max: 64 << 20,
        deadline: Duration::from_secs(60),
        directory: None,
        is_writable: true,
        network: Network::default(),
    }
}

fn start(component: &Path, limits: Limits, failures_max: Option<u32>) -> Output {
    output::start(component, limits, failures_max, |_| None, &mut Vec::new()).expect("started")
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
        ("panic", "unreachable` instruction executed"),
        ("memory", "the memory limit of 67108864 bytes was reached"),
        // The component's own stack is part of its memory.
        ("stack", "out of bounds memory access"),
        ("exit", "it exited with status 1"),
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
fn a_call_that_sleeps_is_left() {
    let limits = Limits { deadline: Duration::from_millis(200), ..limits() };
    let output = start(&faulty(), limits, None);
    for _ in 0..2 {
        let start = Instant::now();
        let reply = output.flush(b"sleep", b"chunk");
        assert_eq!(reason(&reply.answer), ("retry", "the deadline was exceeded"));
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        assert_eq!(reason(&output.flush(b"fine", b"chunk").answer), ("ok", ""));
    }
}

#[test]
fn start_and_end_keep_the_deadline() {
    let limits = || Limits { deadline: Duration::from_millis(200), ..limits() };
    let begun = Instant::now();
    let sleep = |name: &str| (name == "config.init").then(|| "sleep".to_owned());
    let error = output::start(&faulty(), limits(), None, sleep, &mut Vec::new()).err();
    let what = error.map(|error| format!("{error:#}")).unwrap_or_default();
    assert_eq!(what, "init: the deadline was exceeded");
    let output = start(&faulty(), limits(), None);
    output.flush(b"drain sleeps", b"");
    let lines = output.drain();
    assert!(lines.iter().any(|(_, line)| line == "drain: the deadline was exceeded"), "{lines:?}");
    // The component has a chunk, and others wait.
    let output = start(&faulty(), limits(), None);
    for chunk in [b"one", b"two"] {
        assert_eq!(reason(&output.offer(b"sleep", chunk).answer).0, "retry");
    }
    output.drain();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

/// Offers a chunk as Fluent Bit does, again after each `retry`. Returns the final answer
/// and all logged lines.
fn offer_again(output: &Output, tag: &[u8], chunk: &[u8]) -> (String, Vec<String>) {
    let mut logged = Vec::new();
    let start = Instant::now();
    loop {
        let reply = output.offer(tag, chunk);
        logged.extend(lines(&reply).into_iter().map(str::to_owned));
        let (answer, why) = reason(&reply.answer);
        if why != "the component is not done with it yet" {
            return (answer.to_owned(), logged);
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{logged:?}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_slow_component_holds_up_its_own_chunks_only() {
    let output = start(&faulty(), limits(), None);
    let offered = Instant::now();
    assert_eq!(reason(&output.offer(b"nap", b"slow").answer).0, "retry");
    let first = offered.elapsed();
    // The chunks after it do not wait for it.
    let behind = Instant::now();
    for chunk in 0..10u8 {
        assert_eq!(reason(&output.offer(b"fine", &[chunk]).answer).0, "retry");
    }
    assert!(behind.elapsed() < Duration::from_millis(200), "{:?}", behind.elapsed());
    assert!(first < Duration::from_millis(1000), "{first:?}");
    let (answer, mut logged) = offer_again(&output, b"nap", b"slow");
    assert_eq!(answer, "ok");
    for chunk in 0..10u8 {
        let (answer, lines) = offer_again(&output, b"fine", &[chunk]);
        assert_eq!(answer, "ok", "chunk {chunk}");
        logged.extend(lines);
    }
    // The component received each chunk once, and each answer was used.
    let expected: Vec<String> = (2..=11).map(|chunk| format!("chunk {chunk}")).collect();
    assert!(logged.contains(&"chunk 1, late".to_owned()), "{logged:?}");
    assert!(expected.iter().all(|line| logged.contains(line)), "{logged:?}");
    assert_eq!(lines(&output.flush(b"fine", &[0])), ["chunk 12"]);
}

#[test]
fn a_late_retry_is_a_retry() {
    let output = start(&faulty(), limits(), None);
    for _ in 0..2 {
        assert_eq!(reason(&output.offer(b"nap, then retry", b"chunk").answer).0, "retry");
        thread::sleep(Duration::from_secs(2));
    }
    let reply = output.flush(b"fine", b"chunk");
    assert_eq!(lines(&reply), ["retry: as it was told", "chunk 3"]);
}

#[test]
fn a_late_chunk_that_ends_instances_is_refused_in_the_end() {
    let limits = Limits { deadline: Duration::from_millis(600), ..limits() };
    let output = start(&faulty(), limits, Some(2));
    let mut answers = Vec::new();
    while answers.last().is_none_or(|answer| answer == "retry") && answers.len() < 100 {
        answers.push(reason(&output.offer(b"sleep", b"chunk").answer).0.to_owned());
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(answers.last().map(String::as_str), Some("refuse"), "{answers:?}");
}

/// Opening a pipe without a writer hangs in the kernel. That thread is abandoned together
/// with the directory.
#[test]
fn what_hangs_in_the_kernel_is_left_behind() {
    let directory = tempfile::tempdir().expect("a directory");
    let pipe = directory.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    let limits = || Limits {
        directory: Some(directory.path().to_path_buf()),
        deadline: Duration::from_millis(200),
        ..limits()
    };
    let output = start(&faulty(), limits(), None);
    assert_eq!(reason(&output.offer(b"pipe", b"").answer).0, "retry");
    let begun = Instant::now();
    let lines = output.drain();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(
        lines.iter().any(|(level, line)| *level == Level::Error && line.contains("hangs outside")),
        "{lines:?}"
    );
    let second = output::start(&faulty(), limits(), None, |_| None, &mut Vec::new()).err();
    let what = second.map(|error| format!("{error:#}")).unwrap_or_default();
    assert!(what.contains("another output writes there"), "{what}");
    fs::OpenOptions::new().write(true).open(&pipe).expect("opened");
}

#[test]
fn last_words_are_errors_line_by_line() {
    let output = start(&faulty(), limits(), None);
    let reply = output.flush(b"talk", b"chunk");
    let errors: Vec<&str> = reply
        .lines
        .iter()
        .filter(|(level, _)| *level == Level::Error)
        .map(|(_, line)| line.as_str())
        .collect();
    assert_eq!(errors[0], "a first line");
    assert!(errors[1].starts_with(r"red: \u{1b}[31m, long "), "{errors:?}");
    assert_eq!(errors.concat().matches("long ").count(), 2000, "{errors:?}");
    assert!(errors.contains(&"as it") && errors.contains(&"was told"), "{errors:?}");
    let last = "the component was ended: wasm trap: wasm `unreachable` instruction executed";
    assert_eq!(errors.last(), Some(&last));
    // The same in `init`.
    let mut lines = Vec::new();
    let trap = |name: &str| (name == "config.init").then(|| "trap".to_owned());
    assert!(output::start(&faulty(), limits(), None, trap, &mut lines).is_err());
    assert!(lines.contains(&(Level::Error, "as it was told".to_owned())), "{lines:?}");
}

#[test]
fn the_first_version_still_runs() {
    let mut begun = Vec::new();
    let greeting = |name: &str| (name == "config.greeting").then(|| "hello".to_owned());
    let output = output::start(&older(), limits(), None, greeting, &mut begun).expect("started");
    assert!(begun.contains(&(Level::Debug, "hello".to_owned())), "{begun:?}");
    assert_eq!(reason(&output.flush(b"retry", b"").answer), ("retry", "as it was told"));
    assert_eq!(reason(&output.flush(b"refuse", b"").answer), ("refuse", "as it was told"));
    let reply = output.flush(b"fine", b"chunk");
    assert_eq!((reason(&reply.answer).0, lines(&reply)), ("ok", vec!["5 bytes"]));
    assert_eq!(output.drain(), [(Level::Error, "drain: as it was told".to_owned())]);
}

/// The id is computed as in wit/delivery.wit, and attempts are counted for each chunk.
#[test]
fn a_chunk_is_known_again() {
    let output = start(&faulty(), limits(), None);
    // `printf '\0\0\0\0\0\0\0\010deliverychunk' | sha256sum`, in octal.
    let id = "ce1739eebd630dd0f273cead385843012078ab4dd6c504ff413625026a0064bf";
    for attempt in 1..=3 {
        let reply = output.flush(b"delivery", b"chunk");
        assert_eq!(lines(&reply)[0], format!("{id} {attempt}"));
        let other = output.flush(b"delivery", &[attempt]);
        assert!(lines(&other)[0].ends_with(" 1"), "{:?}", other.lines);
    }
    // The chunk was delivered. If the same bytes come again, they count as another chunk.
    assert_eq!(lines(&output.flush(b"delivery", b"chunk"))[0], format!("{id} 1"));
}

#[test]
fn ticks_come_between_chunks() {
    let tick = |name: &str| (name == "config.init").then(|| "tick".to_owned());
    let output = output::start(&faulty(), limits(), None, tick, &mut Vec::new()).expect("started");
    thread::sleep(Duration::from_millis(600));
    let reply = output.flush(b"fine", b"");
    let lines = lines(&reply);
    // The third tick asks for a delivery, which ends the instance. There are no ticks
    // until the next chunk.
    assert_eq!(lines[..2], ["tick 1", "tick: as it was told"]);
    assert_eq!(lines[2..4], ["the component was ended: tick: no chunk is being delivered", "chunk 1"]);
    thread::sleep(Duration::from_millis(300));
    assert_eq!(self::lines(&output.flush(b"fine", b""))[0], "tick 1");
}

/// A call that ends the instance changes nothing, and the next instance continues with the
/// same counters. A report comes with the first change, and the next one not within a minute.
#[test]
fn metrics_are_kept_and_reported() {
    let output = start(&faulty(), limits(), None);
    let expected = |counters: &str| format!("metrics {{{counters}}}");
    let reply = output.flush(b"metrics", b"");
    let first = expected(r#""ok":1,"retry":0,"refuse":0,"ended":0,"component":{"chunks":3,"level":0.5}"#);
    let dropped = "the metric `Not a name` is dropped: a name has 1 to 48 of a-z, 0-9 and `_`";
    assert_eq!(lines(&reply), [dropped, &first]);
    assert_eq!(reason(&output.flush(b"metrics, then panic", b"").answer).0, "retry");
    assert_eq!(reason(&output.flush(b"retry", b"").answer).0, "retry");
    assert_eq!(lines(&output.flush(b"metrics", b"")), [dropped]);
    let lines = output.drain();
    let last = expected(r#""ok":2,"retry":1,"refuse":0,"ended":1,"component":{"chunks":6,"level":0.5}"#);
    assert_eq!(lines.last(), Some(&(Level::Info, last)), "{lines:?}");
}

#[test]
fn metrics_are_limited_in_number() {
    let output = start(&faulty(), limits(), None);
    let reply = output.flush(b"many metrics", b"");
    let dropped: Vec<&str> = lines(&reply).into_iter().filter(|line| line.contains("is dropped")).collect();
    assert_eq!(dropped.len(), 8, "{dropped:?}");
    assert_eq!(dropped[0], "the metric `metric_32` is dropped: there are 32 others");
    assert!(lines(&reply).last().is_some_and(|line| line.starts_with("metrics {")), "{:?}", reply.lines);
}

#[test]
fn drain_is_told_how_long_it_has() {
    let output = start(&faulty(), limits(), None);
    let lines = output.drain();
    let left = lines.iter().find_map(|(_, line)| line.strip_suffix(" ms left"));
    let left: u32 = left.expect("a line").parse().expect("a number");
    assert!((59_000..=60_000).contains(&left), "{lines:?}");
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
    assert!(reply.lines.iter().all(|(_, line)| line.len() <= LINE_BYTES_MAX && line.starts_with('x')));
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
    let setting = |value: &'static str| move |name: &str| (name == "config.init").then(|| value.to_owned());
    let nothing = directory.path().join("nothing.wasm");
    let text = directory.path().join("text.wasm");
    fs::write(&text, "text").expect("written");
    type Get = Box<dyn Fn(&str) -> Option<String>>;
    let size = |name: &str| (name == "config.file_size").then(|| "1x".to_owned());
    let recipients = |name: &str| (name == "config.recipients").then(|| "age1nobody".to_owned());
    let cases: [(&Path, Limits, Get, &str); 8] = [
        (&nothing, limits(), Box::new(|_| None), "nothing.wasm: cannot be read"),
        (&text, limits(), Box::new(|_| None), "text.wasm: not a WebAssembly component"),
        (&faulty(), limits(), Box::new(setting("other")), "property config.init: other"),
        (&faulty(), limits(), Box::new(setting("trap")), "init: "),
        (&ledger(), limits(), Box::new(|_| None), "property dir is missing"),
        (&ledger(), with_directory(true), Box::new(|_| None), "flb-audit init"),
        (&ledger(), with_directory(true), Box::new(size), "property config.file_size: `1x` is not a size"),
        (
            &ledger(),
            with_directory(true),
            Box::new(recipients),
            "property config.recipients: `age1nobody` is not an age recipient",
        ),
    ];
    for (component, limits, get, expected) in cases {
        let what = match output::start(component, limits, None, get, &mut Vec::new()) {
            Ok(_) => panic!("started, without {expected}"),
            Err(error) => format!("{error:#}"),
        };
        assert!(what.contains(expected), "{what}, and not {expected}");
    }
}

#[test]
fn the_second_output_on_a_directory_refuses() {
    let directory = ledger_fixtures::directory();
    let with_directory = || Limits { directory: Some(directory.path().to_path_buf()), ..limits() };
    let first = start(&ledger(), with_directory(), None);
    let second = output::start(&ledger(), with_directory(), None, |_| None, &mut Vec::new()).err();
    let what = second.map(|error| format!("{error:#}")).unwrap_or_default();
    assert!(what.contains("another output writes there"), "{what}");
    first.drain();
    start(&ledger(), with_directory(), None);
}
