//! Components on the host that ships. What becomes of a ledger when its process
//! ends, or its disk fails, is in `driver.rs`.

use flb_audit_host::component::{Answer, Level, Limits};
use flb_audit_host::output::{self, Output, Reply};
use host_tests::program::dist;
use host_tests::root;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn faulty() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target.join("wasm32-wasip2/guest/out_faulty.wasm")
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
    let size = |name: &str| (name == "file_size").then(|| "1x".to_owned());
    let recipients = |name: &str| (name == "recipients").then(|| "age1nobody".to_owned());
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
        let what = match output::start(component, limits, None, get) {
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
    let second = output::start(&ledger(), with_directory(), None, |_| None).err();
    let what = second.map(|error| format!("{error:#}")).unwrap_or_default();
    assert!(what.contains("another output writes there"), "{what}");
    first.drain();
    start(&ledger(), with_directory(), None);
}
