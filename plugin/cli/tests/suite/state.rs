//! `verify --state`: what was read once is not read again, and what changed is found.

use crate::inputs::{Bench, lines};
use std::fs::{self, File};
use std::time::{Duration, SystemTime};

/// Returns the exit code and what the program prints.
fn run(bench: &Bench, arguments: &[&str]) -> (Option<i32>, String) {
    let output = bench.run(arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

fn verify(bench: &Bench, logs: &[&str]) -> (Option<i32>, String) {
    run(bench, &[&["verify", "--roster", "roster.json"], logs].concat())
}

fn verify_with_state(bench: &Bench, logs: &[&str]) -> (Option<i32>, String) {
    verify(bench, &[&["--state", "state"], logs].concat())
}

/// Writes a log that was changed last at this time.
fn write(bench: &Bench, name: &str, text: &str, hour: u64) {
    bench.write(name, text);
    let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_161_600 + 3600 * hour);
    let file = File::options().write(true).open(bench.path(name)).expect("a log");
    file.set_modified(changed).expect("a time");
}

#[test]
fn each_day_reads_what_is_new() {
    let bench = Bench::new();
    write(&bench, "a", &format!("{}\n{}\n", lines()[0], lines()[1]), 1);
    write(&bench, "b", &format!("{}\nno record\n", lines()[2]), 2);
    assert_eq!(verify_with_state(&bench, &["a", "b"]), verify(&bench, &["a", "b"]));
    write(&bench, "c", &format!("{}\n{}\n", lines()[4], lines()[3]), 3);
    let whole = verify(&bench, &["a", "b", "c"]);
    assert!(whole.1.contains("5 records in 1 segments"), "{}", whole.1);
    assert_eq!(verify_with_state(&bench, &["a", "b", "c"]), whole);
    // A log that is as it was is not read again.
    assert_eq!(verify_with_state(&bench, &["c", "b", "a"]), whole);
    assert_eq!(verify_with_state(&bench, &["c"]), whole);
    let parts = fs::read_dir(bench.path("state")).expect("a state");
    let names = parts.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"));
    let mut names: Vec<String> = names.collect();
    names.sort();
    assert_eq!(names, ["0.part", "1.part", "objects.ndjson", "status.json"]);
}

#[test]
fn what_changed_or_is_gone_is_a_finding() {
    let bench = Bench::new();
    write(&bench, "a", &format!("{}\n", lines()[0]), 1);
    write(&bench, "b", &format!("{}\n", lines()[1]), 1);
    let (code, said) = verify_with_state(&bench, &["a", "b"]);
    assert_eq!(code, Some(3), "{said}");
    write(&bench, "a", &format!("{}\n{}\n", lines()[0], lines()[2]), 2);
    for _ in 0..2 {
        let (code, said) = verify_with_state(&bench, &["a", "b"]);
        assert_eq!(code, Some(16), "{said}");
        assert!(said.contains("OBJECT CHANGED: a: changed after it was read: it had "), "{said}");
        assert!(said.contains("3 records in 1 segments"), "{said}");
    }
    fs::remove_file(bench.path("b")).expect("removed");
    for _ in 0..2 {
        let (_, said) = verify_with_state(&bench, &["a", "b"]);
        assert!(said.contains("OBJECT CHANGED: b: gone after it was read"), "{said}");
        assert!(said.contains("UNREADABLE: b:1"), "{said}");
        assert!(said.contains("3 records in 1 segments"), "{said}");
    }
}

#[test]
fn an_altered_log_of_the_same_length_and_time_is_found() {
    let bench = Bench::new();
    write(&bench, "a", &format!("{}\n", lines()[0]), 1);
    let (code, said) = verify_with_state(&bench, &["a"]);
    assert_eq!(code, Some(3), "{said}");
    let altered = lines()[0].replacen("\"seq\":0", "\"seq\":1", 1);
    assert_ne!(altered, lines()[0]);
    write(&bench, "a", &format!("{altered}\n"), 1);
    let (code, said) = verify_with_state(&bench, &["a"]);
    assert_eq!(code, Some(20), "{said}");
    assert!(said.contains("OBJECT CHANGED: a: changed after it was read"), "{said}");
}

#[test]
fn a_log_that_is_the_same_with_another_time_has_not_changed() {
    let bench = Bench::new();
    write(&bench, "a", &format!("{}\n", lines()[0]), 1);
    let first = verify_with_state(&bench, &["a"]);
    write(&bench, "a", &format!("{}\n", lines()[0]), 2);
    assert_eq!(verify_with_state(&bench, &["a"]), first);
}

#[test]
fn two_logs_whose_names_look_alike_are_two() {
    let bench = Bench::new();
    let names = ["x\\n.log", "x\n.log"];
    write(&bench, names[0], &format!("{}\n", lines()[0]), 1);
    write(&bench, names[1], &format!("{}\n", lines()[1]), 1);
    for _ in 0..2 {
        assert_eq!(verify_with_state(&bench, &names), verify(&bench, &names));
    }
}

#[test]
fn what_could_not_be_read_is_read_again() {
    let bench = Bench::new();
    write(&bench, "a", &format!("{}\n", lines()[0]), 1);
    // The start of a compressed file.
    bench.write("b", [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1]);
    assert_eq!(verify_with_state(&bench, &["a", "b"]), verify(&bench, &["a", "b"]));
    assert_eq!(verify_with_state(&bench, &["a", "b"]), verify(&bench, &["a", "b"]));
    write(&bench, "b", &format!("{}\n", lines()[1]), 3);
    let (code, said) = verify_with_state(&bench, &["a", "b"]);
    assert_eq!((code, said.contains("2 records in 1 segments")), (Some(3), true), "{said}");
}

#[test]
fn the_status_has_a_line_for_each_node() {
    let bench = Bench::new();
    let (code, said) = run(&bench, &["fleet", "status", "--state", "state"]);
    assert!(code == Some(1) && said.contains("`verify --state` writes it"), "{said}");
    write(&bench, "a", &format!("{}\n{}\n", lines()[0], lines()[2]), 1);
    verify_with_state(&bench, &["a"]);
    let (code, said) = run(&bench, &["fleet", "status", "--state", "state"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.lines().all(|line| line.chars().count() <= 80), "{said}");
    let rows: Vec<Vec<&str>> = said.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["NODE", "LAST", "RECORD", "LAG", "CHAIN", "SEG", "POLICY", "FINDINGS"]);
    let [node, last, _lag, chain, segment, policy, findings @ ..] = &rows[1][..] else { panic!("{said}") };
    assert_eq!((*node, *last, *chain), ("n", "11-20T08:00", "inputs-chain"));
    assert_eq!((*segment, *policy, findings.join(" ")), ("1", "-", "2 gap +1".to_owned()));
    assert_eq!(rows.len(), 2);
}

#[test]
fn the_status_has_nodes_that_never_sent_anything() {
    let bench = Bench::new();
    write(&bench, "a", &format!("{}\n", lines()[0]), 1);
    bench.write("nodes", "n\nabsent\n");
    let (code, said) = verify_with_state(&bench, &["a", "--expect", "nodes"]);
    assert_eq!(code, Some(14), "{said}");
    let (_, said) = run(&bench, &["fleet", "status", "--state", "state"]);
    let rows: Vec<Vec<&str>> = said.lines().map(|line| line.split_whitespace().collect()).collect();
    // The node that has been silent for the longest time stands first.
    assert_eq!(rows[1], ["absent", "never", "-", "-", "-", "-", "1", "silent"], "{said}");
    assert_eq!((rows[2][0], rows.len()), ("n", 3), "{said}");
}

#[test]
fn pages_and_metrics_are_of_all_that_was_ever_read() {
    let bench = Bench::new();
    write(&bench, "a", &format!("{}\n{}\n", lines()[0], lines()[1]), 1);
    let written = ["a", "--metrics", "metrics", "--html", "page"];
    verify_with_state(&bench, &written);
    fs::remove_file(bench.path("a")).expect("removed");
    write(&bench, "b", &format!("{}\n", lines()[2]), 2);
    let (code, said) = verify_with_state(&bench, &["a", "b", "--metrics", "metrics", "--html", "page"]);
    assert_eq!(code, Some(30), "{said}");
    let read = |name: &str| fs::read_to_string(bench.path(name)).expect("written");
    let (metrics, page) = (read("metrics"), read("page"));
    assert!(metrics.contains("flb_audit_chain_records{node=\"n\",chain=\"inputs-chain\"} 3\n"), "{metrics}");
    assert!(metrics.contains("flb_audit_findings{verdict=\"changed\"} 1\n"), "{metrics}");
    // The file that is gone is listed as it was read, and as one that cannot be read now.
    for said in ["a: gone after it was read", "read when their parts were made", "3 files, "] {
        assert!(page.contains(said), "{said:?} is not in {page}");
    }
}
