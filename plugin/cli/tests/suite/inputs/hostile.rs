//! Inputs made to take time or memory.

use super::{Bench, WHOLE, lines, log, string, verdict};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fs::File;
use std::process::Command;
use std::time::{Duration, Instant};

/// An optimised build takes far less time.
const SECONDS_MAX: u64 = 60;

#[test]
fn hostile_lines_take_linear_time() {
    let bench = Bench::new();
    let seal = r#""audit":{"chain":"x","head":"y"}"#;
    let bomb = STANDARD.encode(super::wrapped::gzip(&"0".repeat(33 << 20)));
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
        ("columns without an end", format!("x\"{} audit\" head", "{\"\"".repeat(1 << 20))),
        ("strings without an end", format!("x\"{} audit\" head", "{\\\"".repeat(1 << 20))),
        ("bombs", format!("{{\"a\":[{}1]}}", format!("\"{bomb}\",").repeat(500))),
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
    let wrapped = |at: usize| format!("{{\"m{at}\":{}}}\n", lines()[at % 6]);
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
    let bench = Bench::new();
    let bomb = STANDARD.encode(super::wrapped::gzip(&"0".repeat(64 << 20)));
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

/// The lines of a ledger's file are in memory while `export` copies its records.
#[test]
fn the_lines_of_a_file_that_is_exported_have_a_maximum_length_and_number() {
    const LINES_MAX: usize = 1 << 21;
    const BYTES_MAX: usize = 2 * flb_audit_core::RECORD_BYTES_MAX;
    for (name, text, why) in [
        ("as many lines as may be", "\n".repeat(LINES_MAX), None),
        ("one line more", "\n".repeat(LINES_MAX + 1), Some(format!("more than {LINES_MAX} lines"))),
        ("a line as long as may be", "x".repeat(BYTES_MAX - 1) + "\n", None),
        (
            "a longer line",
            "x".repeat(BYTES_MAX) + "\n",
            Some(format!("a line of more than {BYTES_MAX} bytes")),
        ),
    ] {
        let bench = Bench::new();
        std::fs::create_dir(bench.path("ledger")).expect("a directory");
        bench.write("ledger/manifests.ndjson", "");
        bench.write("ledger/00000001.ndjson", text);
        let output = bench.run(&["export", "ledger", "--output", "out"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.success(), why.is_none(), "{name}: {said}");
        let is_said = |why: &String| said.contains("00000001.ndjson") && said.contains(why.as_str());
        assert!(why.as_ref().is_none_or(is_said), "{name}: {said}");
        assert_eq!(bench.path("out").exists(), why.is_none(), "{name}");
    }
}

/// A line may have been cut into 16,384 parts: more would fill the memory.
#[test]
fn a_line_has_a_maximum_number_of_parts() {
    let bench = Bench::new();
    let (start, end) = lines()[0].split_at(100);
    let cut = |parts: usize| {
        let between = "1 stdout P \n".repeat(parts - 2);
        format!("1 stdout P {start}\n{between}1 stdout F {end}\n{}", lines()[1..].join("\n"))
    };
    assert_eq!(verdict(&bench.report("log", cut(16_384))), WHOLE);
    assert_eq!(verdict(&bench.report("log", cut(16_386))), ("unreadable", 5));
}

/// The number of results that are listed.
const LISTED: usize = 100_000;
/// The number of results beyond it.
const MORE: usize = 50;

#[test]
fn the_first_hits_are_listed_and_all_are_counted() {
    let bench = Bench::new();
    assert!(bench.run(&["hmac-key", "keys", "--id", "k1"]).status.success());
    bench.write("log", "{\"a\":\"bob\"}\n".repeat(LISTED + MORE));
    let find = || {
        let output = bench.run(&["find", "--value", "bob", "--key", "keys/hmac.key", "log"]);
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let said = find();
    let (hits, rest) = said.split_at(said.find("50 more").expect("the number of the others"));
    let expected = |(at, hit): (usize, &str)| hit.starts_with(&format!("log:{}: a in the clear", at + 1));
    assert_eq!(hits.lines().enumerate().filter(|hit| expected(*hit)).count(), LISTED);
    assert_eq!(hits.lines().count(), LISTED);
    assert!(rest.ends_with("found in 100050 records\n"), "{rest}");
    // A record in which the value stands very often has its first places.
    let name = "n".repeat(100);
    bench.write("log", format!("{{\"{name}\":[{}1]}}", "\"bob\",".repeat(1 << 20)));
    let said = find();
    assert!(said.len() < 2_000, "{}", said.len());
    assert!(said.starts_with(&format!("log:1: {name}[0], {name}[1], ")), "{said}");
    assert!(said.contains(" more in the clear"), "{said}");
    // So has one whose name is very long.
    let name = "n".repeat(1 << 20);
    bench.write("log", format!("{{\"{name}\":[{}1]}}", "\"bob\",".repeat(100)));
    let said = find();
    assert!(said.starts_with("log:1: nnn") && said.contains("… and 99 more in the clear"), "{}", said.len());
    assert!(said.len() < 2_000, "{}", said.len());
}

#[test]
fn the_first_refused_records_are_named_and_all_are_counted() {
    let bench = Bench::new();
    bench.write("log", "x\n".repeat(LISTED + MORE));
    let output = bench.run(&["restore", "--roster", "roster.json", "log"]);
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(30));
    assert_eq!(said.lines().filter(|line| line.contains(": not JSON")).count(), LISTED);
    assert!(said.contains("log:100000: ") && said.contains("50 more"), "{:.200}", said);
}

/// Anchors of made-up chains make 10,000 findings, and one for all others.
#[test]
fn anchors_of_made_up_chains_are_counted_together() {
    let bench = Bench::new();
    bench.write("log", log());
    let anchor = String::from_utf8(bench.run(&["checkpoints", "log"]).stdout).expect("UTF-8");
    let mut anchors: Vec<_> =
        (0..10_050).map(|at| anchor.replace("inputs-chain", &format!("made-up{at:05}"))).collect();
    anchors.push(anchors[10_049].clone());
    let report = |anchors: &[String]| {
        bench.write("anchors", anchors.concat());
        let verify = ["verify", "--json", "--roster", "roster.json", "--anchors", "anchors", "log"];
        let report = bench.run(&verify).stdout;
        let report: serde_json::Value = serde_json::from_slice(&report).expect("a report");
        let findings = report["findings"].as_array().expect("findings");
        let more =
            findings.iter().filter(|of| of["what"].as_str().is_some_and(|of| of.starts_with("51 more")));
        (report["counts"].clone(), more.count())
    };
    let in_order = report(&anchors);
    assert_eq!((&in_order.0["key_not_certified"], in_order.1), (&10_001.into(), 1));
    anchors.reverse();
    assert_eq!(report(&anchors), in_order);
}
