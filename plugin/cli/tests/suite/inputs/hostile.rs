//! Inputs made to take time or memory.

use super::{Bench, log, string};
use std::fs::File;
use std::process::Command;
use std::time::{Duration, Instant};

/// An optimised build takes far less time.
const SECONDS_MAX: u64 = 60;

#[test]
fn hostile_lines_take_linear_time() {
    let bench = Bench::new();
    let seal = r#""audit":{"chain":"x","head":"y"}"#;
    let deep = |level: u32| {
        (0..level).fold(format!("{{{seal}}}"), |text, _| format!(r#"{{"a":{}}}"#, string(&text)))
    };
    for (name, text) in [
        ("braces", format!("{}{seal}", "{\"".repeat(2 << 20))),
        ("open objects", format!("{}{seal}", "{\"a\":".repeat(1 << 20))),
        ("open arrays", format!("{}{seal}", "{\"a\":[".repeat(1 << 20))),
        ("objects in a line", format!("x{{ {}{seal}", "{\"a\":1}".repeat(1 << 20))),
        ("quotes", format!("{}{seal}", "\"{\"\"".repeat(1 << 20))),
        ("escaped quotes", format!("{}{seal}", "\"{\\\"".repeat(1 << 20))),
        ("seals", format!("[{}1]", format!("{{\"b\":{{{seal}}}}},").repeat(200_000))),
        (
            "strings",
            format!("{{\"a\":[{}1]}}", format!("{},", string(&format!("{{{seal}}}"))).repeat(100_000)),
        ),
        ("elements", format!("{{\"a\":[{}{{{seal}}}]}}", "{},".repeat(1 << 20))),
        ("deep strings", deep(12)),
        ("separators", "\u{1e}".repeat(4 << 20)),
        ("literal breaks", format!("{{}}{}", "\\n".repeat(4 << 20))),
        ("names", format!("{{\"{}\":{{\"x\":{{{seal}}}}}}}", "n".repeat(8 << 20))),
        ("columns", format!("a,b\n{}\"{{\"\"", "1,".repeat(1 << 20))),
    ] {
        let start = Instant::now();
        let report = bench.report("log", text);
        assert!(start.elapsed() < Duration::from_secs(SECONDS_MAX), "{name}: {:?}", start.elapsed());
        assert_ne!(report["exit_code"], 3, "{name}");
    }
}

#[test]
fn many_places_are_counted_together() {
    let bench = Bench::new();
    let wrapped = |at: usize| format!("{{\"m{at}\":{}}}\n", super::lines()[at % 6]);
    let text: String = (0..300).map(wrapped).collect();
    let report = bench.report("log", text);
    let places = report["inputs"]["envelopes"].as_object().expect("places");
    assert!(places.len() <= 51, "{}", places.len());
    assert_eq!(places.values().filter_map(serde_json::Value::as_u64).sum::<u64>(), 300);
    assert_eq!(report["records"], 6);
}

/// A compressed string may not decompress to more than a line may have.
#[test]
fn a_bomb_in_a_string_is_left_alone() {
    use base64::Engine;
    let bench = Bench::new();
    let bomb = super::wrapped::gzip(&"0".repeat(64 << 20));
    let bomb = base64::engine::general_purpose::STANDARD.encode(bomb);
    let report = bench.report("log", format!("{{\"a\":\"{bomb}\"}}\n{}", log()));
    assert_eq!((report["verdict"].as_str(), report["records"].as_u64()), (Some("unsealed"), Some(6)));
}

/// The file of manifests takes no space on the disk, and has one line of 4 GiB.
#[test]
fn long_lines_of_a_ledger_take_little_memory() {
    let directory = tempfile::tempdir().expect("a directory");
    let manifests = File::create(directory.path().join("manifests.ndjson")).expect("a file");
    manifests.set_len(4 << 30).expect("a sparse file");
    // The limit is in KiB, and far less than the line.
    let limited = "ulimit -v 1500000; exec \"$0\" verify \"$1\"";
    let output = Command::new("sh")
        .args(["-c", limited, env!("CARGO_BIN_EXE_flb-audit")])
        .arg(directory.path())
        .output()
        .expect("run");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(30), "{said}{}", String::from_utf8_lossy(&output.stderr));
}
