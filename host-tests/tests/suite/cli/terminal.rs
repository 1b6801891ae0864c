//! Reports on a terminal, which the program `script` makes.

use crate::attacks::Log;
use host_tests::program::{dist, flb_audit};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Verifies a log on a terminal, and returns what is shown there.
fn shown(directory: &Path, environment: &[(&str, &str)]) -> Option<String> {
    let mut script = Command::new("script");
    let verify = format!("{} verify log.ndjson 2>/dev/null", dist("flb-audit").display());
    script
        .current_dir(directory)
        .args(["-qec", &verify, "/dev/null"])
        .env_remove("NO_COLOR")
        .env("TERM", "xterm");
    script.envs(environment.iter().copied());
    let Ok(output) = script.output() else {
        eprintln!("skipped: the program `script` is not installed");
        return None;
    };
    Some(String::from_utf8(output.stdout).expect("UTF-8").replace('\r', ""))
}

#[test]
fn a_report_fits_a_terminal_and_ends_with_the_verdict() {
    let dir = tempfile::tempdir().expect("a directory");
    let text = Log::of("sshd").text().replacen("\"tag\":\"", "\"tag\":\"x", 1);
    fs::write(dir.path().join("log.ndjson"), text).expect("written");
    let Some(plain) = shown(dir.path(), &[("NO_COLOR", "1")]) else { return };
    let long: Vec<&str> = plain.lines().filter(|line| line.chars().count() > 80).collect();
    assert!(long.is_empty(), "{long:?}");
    assert!(!plain.contains('\u{1b}'), "NO_COLOR: {plain:?}");
    let last = plain.lines().rfind(|line| !line.starts_with(' ')).expect("lines");
    assert!(last.starts_with("tampered: "), "{plain}");

    let coloured = shown(dir.path(), &[]).expect("the program is there");
    assert!(coloured.contains("\u{1b}[1;31mTAMPERED\u{1b}[0m: log.ndjson:1: "), "{coloured:?}");
    assert!(!shown(dir.path(), &[("TERM", "dumb")]).expect("the program is there").contains('\u{1b}'));

    let piped = flb_audit().current_dir(dir.path()).args(["verify", "log.ndjson"]).output().expect("runs");
    let piped = String::from_utf8(piped.stdout).expect("UTF-8");
    let finding = piped.lines().find(|line| line.starts_with("TAMPERED: log.ndjson:1: ")).expect("a finding");
    assert!(finding.ends_with("is not the one that was sealed"), "a finding is one line: {finding}");
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(&plain), words(&piped), "the same is said");
}
