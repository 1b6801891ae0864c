//! Reports and progress on a terminal, which the program `script` makes.

use super::stdout::{PRINTING, filled_in, place_of_everything};
use crate::attacks::Log;
use host_tests::program::{dist, flb_audit};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Verifies a log on a terminal, and returns what is shown there.
fn shown(directory: &Path, environment: &[(&str, &str)]) -> Option<String> {
    on_terminal(directory, "verify log.ndjson 2>/dev/null", environment)
}

/// Runs the program with arguments of a shell on a terminal, and returns what is shown
/// there.
fn on_terminal(directory: &Path, arguments: &str, environment: &[(&str, &str)]) -> Option<String> {
    let mut script = Command::new("script");
    let command = format!("{} {arguments}", dist("flb-audit").display());
    script
        .current_dir(directory)
        .args(["-qec", &command, "/dev/null"])
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

/// The commands whose output is data: records, checkpoints, proofs and policies.
const OF_DATA: [&str; 4] = ["checkpoints", "prove", "replay", "restore"];

/// Every command that prints. Only words that are longer than a line, JSON and the commands in
/// examples are wider.
#[test]
fn the_reports_of_all_commands_fit_a_terminal() {
    let (place, chain) = place_of_everything();
    let mut seen = BTreeSet::new();
    for (at, (arguments, _)) in PRINTING.into_iter().enumerate() {
        let new = format!("new-{at}");
        fs::create_dir(place.path(&new)).expect("a directory");
        let arguments = filled_in(arguments, &new, &chain).join(" ");
        let command = format!("{arguments} 2>/dev/null");
        let environment = [("NO_COLOR", "1")];
        let Some(said) = on_terminal(&place.path(""), &command, &environment) else { return };
        let name = arguments.split(' ').next().unwrap_or_default();
        seen.insert(name.to_owned());
        assert!(!said.contains('\u{1b}'), "{arguments}: NO_COLOR: {said}");
        if OF_DATA.contains(&name) || arguments.contains("--json") {
            continue;
        }
        let is_data = |line: &str| line.starts_with('{') || line.starts_with("  flb-audit ");
        let is_prose = |line: &&str| !is_data(line) && line.trim().contains(' ');
        // The text of a policy is printed as it is.
        let said = said.split("\ntext\n").next().unwrap_or_default();
        let long: Vec<&str> =
            said.lines().filter(is_prose).filter(|line| line.chars().count() > 80).collect();
        assert!(long.is_empty(), "{arguments}: {long:#?}");
    }
    let help = flb_audit().arg("--help").output().expect("runs");
    let help = String::from_utf8(help.stdout).expect("UTF-8");
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = commands
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' '))?.split(' ').next());
    let without: Vec<&str> = names.filter(|name| *name != "help" && !seen.contains(*name)).collect();
    assert!(without.is_empty(), "no row for {without:?}");
}

/// Commands that read logs, which may take long, with their output in a file.
const LONG: [&str; 11] = [
    "verify log.ndjson",
    "verify ledger",
    "verify --export export",
    "find --value x --key state/hmac.key log.ndjson",
    "check --policy etc/policy.yaml log.ndjson",
    "formats log.ndjson",
    "restore --unsigned log.ndjson",
    "prove --chain CHAIN --seg 1 --seq 0 log.ndjson",
    "checkpoints log.ndjson",
    "replay --filter filter_audit.wasm calls.ndjson",
    "export ledger --output NEW",
];

#[test]
fn long_commands_show_their_progress_on_a_terminal_and_nowhere_else() {
    let (place, chain) = place_of_everything();
    for arguments in LONG {
        let arguments = |new: &str| filled_in(&[arguments], new, &chain).concat();
        let command = format!("{} >/dev/null", arguments("on-terminal"));
        let Some(said) = on_terminal(&place.path(""), &command, &[]) else { return };
        assert!(
            said.contains("B of ") && said.contains("/s, ") && said.contains(" left"),
            "{command}: {said:?}"
        );
        // The bar is gone in the end.
        let end = said.rsplit(['\u{1b}', '\n']).next().unwrap_or_default();
        assert!(!end.contains("/s, "), "{command}: {said:?}");

        let arguments = arguments("elsewhere");
        let output = place.run(&arguments.split(' ').collect::<Vec<_>>());
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments}");
    }
}
