//! `flb-audit replay --output` and `flb-audit new-output`.

use super::Place;
use host_tests::{languages, root};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

pub(super) fn component(name: &str) -> String {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target.join("wasm32-wasip2/guest").join(name).display().to_string()
}

const STREAM: &str = r#"{"tag":"fine","sec":1,"nsec":0,"record":"{\"a\":1}"}
{"tag":"fine","sec":2,"nsec":0,"record":"{\"a\":2}"}
{"tag":"other","sec":3,"nsec":0,"record":"{\"a\":3}"}
"#;

/// Returns the printed calls as `call answer`, and the parsed lines.
fn calls(printed: &str) -> (Vec<String>, Vec<Value>) {
    let lines: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let call = |line: &Value| {
        format!("{} {}", line["call"].as_str().unwrap_or("-"), line["answer"].as_str().unwrap_or("-"))
    };
    (lines.iter().map(call).collect(), lines)
}

#[test]
fn a_component_without_fluent_bit() {
    let place = Place::new();
    place.write("stream.ndjson", STREAM);
    let printed = place.ok(&["replay", "--output", &component("out_faulty.wasm"), "stream.ndjson"]);
    let (calls, lines) = calls(&printed);
    assert_eq!(calls, ["init ok", "flush ok", "flush ok", "drain refuse"]);
    assert_eq!(lines[1]["tag"], "fine");
    // Two records: header, time, and a body of a key and an integer.
    assert_eq!(lines[1]["bytes"], 2 * (12 + 1 + 5 + 6 + 9));
    assert_eq!(lines[1]["log"][0]["line"], "chunk 1");
    assert!(lines[1]["fuel"].as_u64() > Some(100), "{printed}");
    assert!(lines[1]["memory_bytes"].as_u64() >= Some(1 << 20), "{printed}");
}

#[test]
fn metrics_of_a_call_are_printed() {
    let place = Place::new();
    for tag in ["metrics", "metrics, then panic"] {
        place.write(&format!("one.{tag}.msgpack"), "chunk");
    }
    let files = ["one.metrics.msgpack", "one.metrics, then panic.msgpack"];
    let faulty = component("out_faulty.wasm");
    let printed = place.ok(&["replay", "--attempts", "1", "--output", &faulty, files[0], files[1]]);
    let (calls, lines) = calls(&printed);
    assert_eq!(calls[..3], ["init ok", "flush ok", "flush ended"]);
    assert_eq!(lines[1]["metrics"], serde_json::json!({ "chunks": 3, "level": 0.5 }));
    assert_eq!(lines[2]["metrics"], Value::Null);
}

#[test]
fn retries_kills_and_deadlines_by_script() {
    let place = Place::new();
    // Not a record: a map with a key and no value. This component does not decode it.
    for tag in ["delivery", "sleep", "panic", "a%2Fb%25"] {
        place.write(&format!("one.{tag}.msgpack"), "chunk");
    }
    place.write(
        "script",
        "retry one.delivery.msgpack # three attempts\nkill\nflush one.sleep.msgpack within 200ms\n\
         flush one.panic.msgpack\nflush one.a%2Fb%25.msgpack\ntick\ndrain within 2s\n",
    );
    let printed = place.ok(&["replay", "--output", &component("out_faulty.wasm"), "--script", "script"]);
    let (calls, lines) = calls(&printed);
    assert_eq!(
        calls,
        [
            "init ok",
            "flush retry",
            "flush retry",
            "flush ok",
            "kill -",
            "init ok",
            "flush ended",
            "init ok",
            "flush ended",
            "init ok",
            "flush ok",
            "tick ok",
            "drain refuse"
        ]
    );
    assert_eq!(lines[3]["attempt"], 3);
    assert_eq!(lines[6]["reason"], "the deadline was exceeded");
    assert!(
        lines[8]["log"].as_array().is_some_and(|log| log.iter().any(|line| line["line"] == "as it was told"))
    );
    assert_eq!(lines[10]["tag"], "a/b%");
    let left = lines[12]["log"][0]["line"].as_str().unwrap_or_default();
    assert_eq!(left, "2000 ms left");
}

#[test]
fn what_is_wrong_is_said() {
    let place = Place::new();
    place.write("stream.ndjson", STREAM);
    place.write("script", "flush stream.ndjson soon\n");
    let faulty = component("out_faulty.wasm");
    let error = place.fails(&["replay", "--output", &faulty, "--script", "script"]);
    assert!(error.contains("line 1: `soon`: `within TIME` is expected"), "{error}");
    let error = place.fails(&["replay", "--output", &faulty, "--config", "nothing=1", "stream.ndjson"]);
    assert!(error.contains("property config.nothing does not exist; there are: init"), "{error}");
    let output = place.run(&["replay", "--output", &faulty, "--config", "init=other", "stream.ndjson"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("init has failed"));
    assert!(String::from_utf8_lossy(&output.stdout).contains("property config.init: other"));
}

#[test]
fn components_are_checked() {
    let place = Place::new();
    let faulty = component("out_faulty.wasm");
    let printed = place.ok(&["component", "check", &faulty]);
    assert!(printed.contains(": an output\n  config.init: what init does\n"), "{printed}");
    let error = place.fails(&["component", "check", &faulty, "--config", "init=other"]);
    assert!(error.contains("init: property config.init: other"), "{error}");
    let error = place.fails(&["component", "check", &faulty, "--config", "init=trap"]);
    assert!(error.contains("as it was told\n") && error.contains("init: wasm trap"), "{error}");
    let error = place.fails(&["component", "check", &faulty, "--config", "other=1"]);
    assert!(error.contains("property config.other does not exist"), "{error}");
    // A component that consists of one import and cannot be compiled.
    let mut file = b"\0asm\x0d\0\x01\0\x0a".to_vec();
    let name = "wasi:keyvalue/store@0.2.0";
    file.extend([name.len() as u8 + 5, 1, 0, name.len() as u8]);
    file.extend(name.as_bytes());
    file.extend([5, 0]);
    fs::write(place.path("store.wasm"), file).expect("a file");
    let error = place.fails(&["component", "check", "store.wasm"]);
    assert!(error.contains("it imports wasi:keyvalue/store@0.2.0, which outputs do not have"), "{error}");
}

/// Chunks that one output has recorded are replayed to another, with the same tags and lengths.
#[test]
fn recorded_chunks_are_replayed() {
    let place = Place::new();
    place.write("stream.ndjson", &STREAM.replace("other", "a/b ü"));
    fs::create_dir(place.path("chunks")).expect("a directory");
    let record = ["replay", "--output", &component("out_record.wasm"), "--dir", "chunks", "stream.ndjson"];
    // The numbers go on.
    let (came, recorded) = calls(&place.ok(&record));
    assert_eq!(came[..3], ["init ok", "flush ok", "flush ok"]);
    place.ok(&record);
    let mut names: Vec<String> = fs::read_dir(place.path("chunks"))
        .expect("a directory")
        .map(|entry| format!("chunks/{}", entry.expect("an entry").file_name().to_string_lossy()))
        .collect();
    names.sort();
    assert_eq!(names.len(), 4);
    assert_eq!(names[1], "chunks/00000001.a%2Fb%20%C3%BC.msgpack");
    let faulty = component("out_faulty.wasm");
    let mut arguments = vec!["replay", "--output", &faulty];
    arguments.extend(names.iter().map(String::as_str));
    let (_, replayed) = calls(&place.ok(&arguments));
    for (one, other) in [(1, 1), (2, 2), (1, 3), (2, 4)] {
        assert_eq!(recorded[one]["tag"], replayed[other]["tag"]);
        assert_eq!(recorded[one]["bytes"], replayed[other]["bytes"]);
    }
}

/// The example counts each chunk once, in spite of retries and kills.
#[test]
fn an_exact_counter() {
    let place = Place::new();
    place.write("stream.ndjson", STREAM);
    fs::create_dir(place.path("dir")).expect("a directory");
    let count = component("out_count.wasm");
    place.write(
        "script",
        "flush stream.ndjson\ntick\nkill\nflush stream.ndjson\nflush stream.ndjson\ndrain\n",
    );
    let printed = place.ok(&["replay", "--output", &count, "--dir", "dir", "--script", "script"]);
    let counts = String::from_utf8(place.read("dir/counts")).expect("UTF-8");
    assert!(counts.starts_with("fine 2\nother 1\n"), "{counts}");
    let (_, lines) = calls(&printed);
    let tick = lines.iter().find(|line| line["call"] == "tick").expect("a tick");
    assert_eq!(tick["log"][0]["line"], "fine: 2");
    assert_eq!(tick["log"][1]["line"], "other: 1");
    assert_eq!(lines.last().map(|line| line["files"][0]["name"].clone()), Some("counts".into()));
}

/// The example in JavaScript counts each chunk once, and no group as a record, in both forms
/// of headers that Fluent Bit writes. It warns of bytes that are no records.
#[test]
fn the_example_in_javascript_counts() {
    let place = Place::new();
    let Some(count) = languages::javascript(&place.path("")).expect("a component") else {
        eprintln!("skipped: jco is not installed (.ci/run installs it in target/jco)");
        return;
    };
    fs::write(place.path("groups.group.msgpack"), groups()).expect("a file");
    fs::write(place.path("text.wrong.msgpack"), b"chunk\xc1").expect("a file");
    place.write("stream.ndjson", STREAM);
    place.write(
        "script",
        "flush stream.ndjson\nflush stream.ndjson\nflush groups.group.msgpack\n\
         flush text.wrong.msgpack\ntick\ndrain\n",
    );
    let count = count.display().to_string();
    let printed = place.ok(&["replay", "--output", &count, "--script", "script"]);
    let (calls, lines) = calls(&printed);
    let answers = ["flush ok", "flush ok", "flush ok", "flush ok", "flush ok", "flush ok", "tick ok"];
    assert_eq!(calls[1..8], answers);
    let logged = |call: usize| -> Vec<&str> {
        lines[call]["log"].as_array().into_iter().flatten().filter_map(|line| line["line"].as_str()).collect()
    };
    assert_eq!(logged(6), ["wrong: 6 bytes are no records"]);
    assert_eq!(logged(7), ["fine: 2", "other: 1", "group: 4", "wrong: 0"]);
}

/// A chunk with two groups, with short headers and with long ones. Each group is of one record,
/// and a record with the time of a group's beginning follows.
fn groups() -> Vec<u8> {
    let (empty, metadata) = (&[0x80][..], &[0x81, 0xa1, b'a', 1][..]);
    let mut chunk = Vec::new();
    for header in [&[0x92][..], &[0xdd, 0, 0, 0, 2]] {
        for (seconds, metadata) in
            [(u32::MAX, metadata), (7, empty), (u32::MAX - 1, empty), (u32::MAX, empty)]
        {
            chunk.extend([header, header, &[0xd7, 0]].concat());
            chunk.extend(seconds.to_be_bytes());
            chunk.extend([&[0; 4][..], metadata, empty].concat());
        }
    }
    chunk
}

/// The new directory has everything of the crate and of the interface.
#[test]
fn a_new_output_is_complete() {
    let place = Place::new();
    place.ok(&["new-output", "my-output"]);
    for (from, to) in [("plugin/sdk/src", "flb-audit-output/src"), ("wit", "flb-audit-output/wit")] {
        for entry in fs::read_dir(root().join(from)).expect("a directory") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_file() && name != "README.md" {
                let copy = place.read(&format!("my-output/{to}/{name}"));
                assert_eq!(copy, fs::read(&path).expect("a file"), "{name}");
            }
        }
    }
    let manifest = String::from_utf8(place.read("my-output/Cargo.toml")).expect("UTF-8");
    assert!(manifest.contains("name = \"my-output\""), "{manifest}");
    let printed = place.ok(&["new-output", "sender", "--from", "http"]);
    assert!(printed.contains("sender.wasm --allow http://HOST:PORT --config url="), "{printed}");
    let source = fs::read(root().join("examples/http/src/lib.rs")).expect("a file");
    assert_eq!(place.read("sender/src/lib.rs"), source);
    let error = place.fails(&["new-output", "my-output"]);
    assert!(error.contains("exists already"), "{error}");
    let error = place.fails(&["new-output", "../up"]);
    assert!(error.contains("a name consists of a-z"), "{error}");
}
