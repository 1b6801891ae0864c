//! The other commands read the same inputs.

use super::wrapped::{bzip2, gzip, xz};
use super::{Bench, lines, log, string};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

fn docker() -> String {
    lines().iter().map(|line| format!("{{\"log\":{}}}\n", string(line))).collect()
}

#[test]
fn find_looks_into_envelopes() {
    let bench = Bench::new();
    assert!(bench.run(&["hmac-key", "keys", "--id", "k1"]).status.success());
    bench.write("docker.log", docker());
    bench.write("hits.json", format!(r#"{{"hits":[{{"_source":{}}}]}}"#, lines()[0]));
    bench.write("torn.log", format!("{}{}", &lines()[1][..40], log()));
    let find = |file: &str| {
        let output = bench.run(&["find", "--value", "mallory", "--key", "keys/hmac.key", file]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), said, String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said, _) = find("docker.log");
    assert_eq!(code, Some(0));
    assert!(said.starts_with("docker.log:1: log.user.name in the clear (intact)\n"), "{said}");
    let (code, said, _) = find("hits.json");
    assert_eq!(code, Some(0));
    assert!(said.starts_with("hits.json:1: hits[0]._source.user.name in the clear (intact)\n"), "{said}");
    let (code, said, complaint) = find("torn.log");
    assert_eq!(code, Some(0));
    assert!(said.starts_with("torn.log:1: user.name in the clear (intact)\n"), "{said}");
    assert!(complaint.contains("torn.log:1: a torn line"), "{complaint}");
    // The torn part may have contained the value.
    let output = bench.run(&["find", "--value", "nobody", "--key", "keys/hmac.key", "torn.log"]);
    assert_eq!(output.status.code(), Some(1));
}

/// Only a member `audit` at the top level makes a record.
#[test]
fn find_reads_the_records_that_verify_reads() {
    let bench = Bench::new();
    assert!(bench.run(&["hmac-key", "keys", "--id", "k1"]).status.success());
    let record = STANDARD.encode(&lines()[0]);
    for (name, log) in [
        (
            "a nested seal",
            format!(r#"{{"log":"{record}","m":{{"n":1,"audit":{{"q":"r"}}}},"b":{{"c":"d"}}}}"#),
        ),
        ("a nested whole seal", {
            let seal = r#""audit":{"chain":"x","head":"y"}"#;
            format!(r#"{{"m":{{"n":1,{seal}}},"log":"{record}","b":{{"c":"d"}}}}"#)
        }),
        ("a seal in an array", format!(r#"{{"a":[1,{{"log":"{record}"}},"audit":{{"q":"r"}}}}"#)),
    ] {
        let records = bench.report("log", &log)["records"].clone();
        let output = bench.run(&["find", "--value", "mallory", "--key", "keys/hmac.key", "log"]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(records, 1, "{name}");
        assert!(said.ends_with("found in 1 records\n"), "{name}: {said}");
    }
    // Only the member `audit` itself is the seal, which has no values.
    bench.write("log", r#"{"audit.user":"mallory","audit":{"user":"mallory"}}"#);
    let output = bench.run(&["find", "--value", "mallory", "--key", "keys/hmac.key", "log"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.starts_with("log:1: audit.user in the clear"), "{said}");
}

/// Numbers are compared by value: integers of 64 bits exactly, and all others as doubles.
#[test]
fn find_compares_numbers_by_value() {
    let bench = Bench::new();
    assert!(bench.run(&["hmac-key", "keys", "--id", "k1"]).status.success());
    let big = r#"{"big":18446744073709551617,"a":[{"hundred":100},-0.0,1e400]}"#;
    bench.write("log", format!("{}{}\n", log(), big.replace(",1e400", "")));
    for (value, path) in [
        ("409", "log:1: code "),
        ("4.09e2", "log:1: code "),
        ("409.0", "log:1: code "),
        ("0.0000000025", "log:2: tiny "),
        ("9007199254740995", "log:2: large "),
        ("18446744073709551617", "log:7: big "),
        ("18446744073709551617.0", "log:7: big "),
        ("1.8446744073709551617e19", "log:7: big "),
        ("1e2", "log:7: a[0].hundred "),
        ("9007199254740996", "found in 0 records"),
        ("40", "found in 0 records"),
        ("1e400", "found in 0 records"),
        ("inf", "found in 0 records"),
    ] {
        let output = bench.run(&["find", "--value", value, "--key", "keys/hmac.key", "log"]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.starts_with(path), "{value}: {said}");
        let found = u8::from(path.starts_with("log"));
        assert!(said.ends_with(&format!("found in {found} records\n")), "{value}: {said}");
    }
    bench.write("log", big);
    let output = bench.run(&["find", "--value", "7", "--key", "keys/hmac.key", "log"]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn prove_and_checkpoints_look_into_envelopes() {
    let bench = Bench::new();
    bench.write("docker.log", docker());
    let prove = ["prove", "docker.log", "--chain", "inputs-chain", "--seg", "1", "--seq", "0"];
    let output = bench.run(&prove);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    bench.write("proof.json", output.stdout);
    let output = bench.run(&["verify", "--roster", "roster.json", "--proof", "proof.json"]);
    assert!(output.status.success());
    let output = bench.run(&["checkpoints", "docker.log"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 1);
}

/// An array may end in the middle of a file, or with it.
#[test]
fn prove_and_checkpoints_stop_at_an_array_without_its_end() {
    let bench = Bench::new();
    let records = lines()[..2].join(",\n");
    let whole = format!("[{records}]\n");
    for (name, log, is_whole) in [
        ("a whole array", whole.clone(), true),
        ("a cut array", format!("[{records}\n"), false),
        ("a cut array in a line", format!("{}[{}\n{}", log(), lines()[0], log()), false),
        ("a cut array behind a whole one", format!("{whole}[{}\n", lines()[0]), false),
        ("a cut array with a cut record", format!("[{records},{}", &lines()[2][..50]), false),
    ] {
        bench.write("log", log);
        let prove = ["prove", "log", "--chain", "inputs-chain", "--seg", "1", "--seq", "0"];
        for command in [&prove[..], &["checkpoints", "log"]] {
            let output = bench.run(command);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(if is_whole { 0 } else { 1 }), "{name}: {said}");
            // The checkpoints before the end are printed.
            let prints = is_whole || command[0] == "checkpoints";
            assert_eq!(output.stdout.is_empty(), !prints, "{name}");
            let why = "an array without its end: it is cut off";
            assert_eq!(said.contains("log:") && said.contains(why), !is_whole, "{name}: {said}");
        }
    }
}

#[test]
fn check_and_restore_look_into_envelopes() {
    let bench = Bench::new();
    bench.write("docker.log", docker());
    bench.write("torn.log", format!("{}{}", &lines()[1][..40], log()));
    bench.write("policy.yaml", "version: 1\nschema:\n  - {tag: app.*, file: schema.json, name: s}\n");
    bench.write("schema.json", r#"{"required":["kind"]}"#);
    let output = bench.run(&["check", "--policy", "policy.yaml", "docker.log"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(50), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("1 valid, 5 invalid") && said.contains("6 records in log, as text"), "{said}");
    assert_eq!(bench.run(&["restore", "--roster", "roster.json", "docker.log"]).status.code(), Some(40));
    let output = bench.run(&["restore", "--roster", "roster.json", "torn.log"]);
    assert_eq!(output.status.code(), Some(30));
    assert!(String::from_utf8_lossy(&output.stderr).contains("a torn line"));
}

#[test]
fn anchors_may_be_compressed_as_logs_may() {
    let bench = Bench::new();
    bench.write("log", log());
    let anchors = bench.run(&["checkpoints", "log"]).stdout;
    let verify = |anchors: &str| {
        let output = bench.run(&["verify", "--roster", "roster.json", "--anchors", anchors, "log"]);
        (output.status.code(), output.stdout, output.stderr)
    };
    bench.write("plain", &anchors);
    let plain = verify("plain");
    assert_eq!(plain.0, Some(3), "{}", String::from_utf8_lossy(&plain.2));
    let text = String::from_utf8(anchors).expect("UTF-8");
    let zstd = zstd::encode_all(text.as_bytes(), 3).expect("memory");
    let compressed = [("gzip", gzip(&text)), ("bzip2", bzip2(&text)), ("xz", xz(&text)), ("zstd", zstd)];
    for (name, bytes) in &compressed {
        bench.write(name, bytes);
        let (code, said, complaint) = verify(name);
        assert_eq!(
            (code, said),
            (plain.0, plain.1.clone()),
            "{name}: {}",
            String::from_utf8_lossy(&complaint)
        );
    }
    bench.write("torn.gz", &compressed[0].1[..20]);
    let (code, _, complaint) = verify("torn.gz");
    assert_eq!(code, Some(1));
    assert!(String::from_utf8_lossy(&complaint).contains("torn.gz: cannot be read"));
}

#[test]
fn a_roster_with_a_wrong_time_is_refused_by_entry() {
    let bench = Bench::new();
    bench.write("log", log());
    let roster = std::fs::read_to_string(bench.path("roster.json")).expect("a roster");
    for (created, is_time) in [("2026-11-20T00:00:00.25Z", true), ("yesterday", false), ("2026-11-20", false)]
    {
        bench.write("roster.json", roster.replace("2026-11-20T00:00:00Z", created));
        let output = bench.run(&["verify", "--roster", "roster.json", "log"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(if is_time { 3 } else { 1 }), "{said}");
        let complaint = format!(
            "roster.json: entry 1, of chain inputs-chain: `created` is {created:?}, which is not a time in UTC such as \
             2026-11-20T08:00:00Z; write the time at which `flb-audit init` created the chain"
        );
        assert_eq!(said.contains(&complaint), !is_time, "{said}");
    }
}
