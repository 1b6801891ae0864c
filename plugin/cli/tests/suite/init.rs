//! `init` leaves nothing half done: a command that fails can be run again.

use crate::inputs::Bench;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A roster that cannot be written is found before a chain is created.
#[test]
fn a_roster_that_cannot_be_written_leaves_no_chain() {
    let bench = Bench::new();
    fs::create_dir(bench.path("empty")).expect("a directory");
    fs::write(bench.path("file"), "").expect("a file");
    for (state, roster, why) in [
        ("st", "nodir/r.json", "nodir: no such directory; make it first"),
        ("empty", "nodir/r.json", "nodir: no such directory; make it first"),
        ("a/b/st", "nodir/r.json", "nodir: no such directory; make it first"),
        ("st", "file/r.json", "file/r.json: "),
        ("st", "empty", "empty: "),
        ("st", "/dev/full", "/dev/full: "),
        ("st", "/proc/r.json", "/proc/r.json: cannot be written"),
    ] {
        let was_there = bench.path(state).exists();
        let output = bench.run(&["init", state, "--node", "n", "--roster", roster]);
        assert_eq!(output.status.code(), Some(1), "{roster}: {}", said(&output));
        assert!(said(&output).contains(why), "{roster}: {}", said(&output));
        assert_eq!(output.stdout, b"", "{roster}");
        assert_eq!(bench.path(state).exists(), was_there, "{state}, {roster}");
        assert!(!bench.path(state).join("chain.state").exists(), "{state}, {roster}");
    }
    assert_eq!(fs::read_dir(bench.path("empty")).expect("a directory").count(), 0);
    // The command completes once the path is right.
    fs::create_dir(bench.path("nodir")).expect("a directory");
    let output = bench.run(&["init", "st", "--node", "n", "--roster", "nodir/r.json"]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(chains(&bench, "nodir/r.json"), 1);
    // The roster may be in a directory that is made for the chain.
    assert!(!bench.path("a").exists());
    let output = bench.run(&["init", "a/b/st", "--node", "n", "--roster", "a/r.json"]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(chains(&bench, "a/r.json"), 1);
}

/// The roster is written last. If that fails, the chain is removed again.
#[test]
fn a_full_disk_leaves_no_chain() {
    let bench = Bench::new();
    let roster = fs::read_to_string(bench.path("roster.json")).expect("a roster");
    let entry = roster.trim_start_matches('[').trim_end_matches(']');
    let entries = (0..600).map(|at| entry.replace("inputs-chain", &format!("inputs-ch{at:03}")));
    bench.write("r.json", format!("[{}]", entries.collect::<Vec<_>>().join(",")));
    let before = fs::read(bench.path("r.json")).expect("a roster");
    // A limit of the size of files, in KiB, stands for a full disk. It is more than the files of a
    // chain, and less than the roster.
    let limited = "trap '' XFSZ; ulimit -f 64; exec \"$0\" init st --node n --roster r.json";
    let mut command = Command::new("bash");
    command.args(["-c", limited, env!("CARGO_BIN_EXE_flb-audit")]).current_dir(bench.path(""));
    let output = command.output().expect("bash");
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("r.json: cannot be written"), "{}", said(&output));
    assert!(!bench.path("st").exists());
    assert_eq!(fs::read(bench.path("r.json")).expect("a roster"), before);
    let output = bench.run(&["init", "st", "--node", "n", "--roster", "r.json"]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(chains(&bench, "r.json"), 601);
}

/// An enrollment that would be refused is refused before a chain is created.
#[test]
fn an_enrollment_without_time_leaves_no_chain() {
    let bench = Bench::new();
    assert!(bench.run(&["fleet", "init", "fleet"]).status.success());
    let enroll = ["init", "st", "--node", "n", "--enroll", "fleet/fleet.key", "--valid", "0s"];
    let output = bench.run(&enroll);
    assert!(said(&output).contains("--valid: must be at least one second"), "{}", said(&output));
    assert!(!bench.path("st").exists());
    assert!(bench.run(&enroll[..6]).status.success());
    let mode = fs::metadata(bench.path("st")).expect("a directory").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

/// Returns the number of chains in a roster.
fn chains(bench: &Bench, roster: &str) -> usize {
    let text = fs::read(bench.path(roster)).expect("a roster");
    serde_json::from_slice::<Vec<serde_json::Value>>(&text).expect("entries").len()
}
