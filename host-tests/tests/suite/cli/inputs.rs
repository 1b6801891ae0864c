//! Unreadable inputs, and the files that commands leave behind.

use super::{Place, checked, sealed};
use flb_audit_ledger::Settings;
use ledger_fixtures::{TAG, chunk, directory, open, plain};
use serde_json::Value;
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Runs a command. Panics after a minute, because a command that hangs would block the
/// suite.
#[track_caller]
fn run_for_a_minute(place: &Place, arguments: &[&str]) -> (Option<i32>, String) {
    let out = fs::File::create(place.path("out")).expect("a file");
    let mut child = place
        .command(arguments)
        .stdout(out.try_clone().map(Stdio::from).expect("a file"))
        .stderr(out)
        .spawn()
        .expect("a program");
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a program") {
            return (status.code(), String::from_utf8_lossy(&place.read("out")).into_owned());
        }
        if start.elapsed() > Duration::from_secs(60) {
            let _ = child.kill();
            panic!("{arguments:?} hangs");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_cannot_be_read_does_not_keep_others_from_being_searched() {
    let place = Place::new();
    let log = sealed(&place, &[r#"{"who":"bob@example.com"}"#]);
    place.write("log.ndjson", &log);
    place.write("cut.ndjson", &log[..log.len() / 2]);
    fs::create_dir(place.path("directory")).expect("a directory");
    let many = log.repeat(40_000);
    let others: Vec<String> = (0..5).map(|at| format!("other-{at}.ndjson")).collect();
    others.iter().for_each(|name| place.write(name, &many));
    for (name, why) in [
        ("nothing.ndjson", "No such file"),
        ("*.json", "no file matches this pattern"),
        ("directory", "a directory that is not a ledger"),
        ("cut.ndjson", "cannot be searched"),
    ] {
        let find = ["find", "--value", "bob@example.com", "--key", "state/hmac.key", name, "log.ndjson"];
        let others = others.iter().map(String::as_str);
        let (code, said) = run_for_a_minute(&place, &find.into_iter().chain(others).collect::<Vec<_>>());
        assert_eq!(code, Some(1), "{name}");
        assert!(said.contains(why) && said.contains("log.ndjson:1: who (intact)"), "{name}: {said:.2000}");
        assert!(said.ends_with("found in 200001 records\n"), "{name}");
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_or_a_device_is_refused() {
    let place = Place::new();
    let made = std::process::Command::new("mkfifo").arg(place.path("pipe")).status().expect("mkfifo");
    assert!(made.success());
    for name in ["pipe", "/dev/zero"] {
        let (code, said) = run_for_a_minute(&place, &["verify", name]);
        assert_eq!(code, Some(30), "{said}");
        assert!(said.contains("a pipe or a device"), "{said}");
    }
}

/// Whoever can write a store can put a pipe in place of any file, which nobody writes to.
#[cfg(unix)]
#[test]
fn a_pipe_in_place_of_a_stored_file_is_refused() {
    let place = Place::new();
    let pipe = |path: &str| {
        let path = place.path(path);
        let _ = fs::remove_file(&path);
        let made = std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo");
        assert!(made.success());
    };
    place.write("log.ndjson", &sealed(&place, &[r#"{"who":"bob@example.com"}"#]));
    let files = ["records.ndjson", "proofs.ndjson", "manifests.ndjson"];
    for name in files {
        fs::create_dir(place.path("export")).expect("a directory");
        files.iter().for_each(|file| place.write(&format!("export/{file}"), ""));
        pipe(&format!("export/{name}"));
        let (code, said) = run_for_a_minute(&place, &["verify", "--export", "export"]);
        assert!(code == Some(1) && said.contains(name) && said.contains("a pipe or a device"), "{said}");
        fs::remove_dir_all(place.path("export")).expect("removed");
    }
    place.run(&["verify", "--state", "seen", "log.ndjson"]);
    for (name, arguments) in [
        ("status.json", &["fleet", "status", "--state", "seen"][..]),
        ("0.part", &["merge", "seen/0.part"]),
        ("0.part", &["verify", "--state", "seen", "log.ndjson"]),
        ("objects.ndjson", &["verify", "--state", "seen", "log.ndjson"]),
    ] {
        pipe(&format!("seen/{name}"));
        let (code, said) = run_for_a_minute(&place, arguments);
        assert!(code == Some(1) && said.contains(name), "{name}: {code:?}: {said}");
    }
}

/// A typing error destroys no log: an option replaces only what it has written.
#[test]
fn an_option_replaces_only_files_of_its_own() {
    let place = Place::new();
    let log = sealed(&place, &[r#"{"who":"bob@example.com"}"#]);
    place.write("log.ndjson", &log);
    for (option, own) in [("--part", "a.part"), ("--html", "a.html"), ("--metrics", "a.prom")] {
        let (code, said) = run_for_a_minute(&place, &["verify", option, "log.ndjson", "log.ndjson"]);
        assert_eq!((code, place.read("log.ndjson")), (Some(1), log.clone().into_bytes()), "{said}");
        assert!(said.contains(&format!("{option} does not overwrite it")), "{said}");
        for _ in 0..2 {
            let (code, said) = run_for_a_minute(&place, &["verify", option, own, "log.ndjson"]);
            assert!(code != Some(1) && !said.contains("overwrite"), "{option}: {code:?} {said}");
        }
    }
    let (code, said) = run_for_a_minute(&place, &["verify", "--state", "state", "log.ndjson"]);
    assert!(code == Some(1) && said.contains("the state of a chain"), "{said}");
}

#[test]
fn a_line_has_a_longest_length() {
    let place = Place::new();
    let file = fs::File::create(place.path("sparse.ndjson")).expect("a file");
    file.set_len(4 << 30).expect("a hole");
    let (code, said) = run_for_a_minute(&place, &["verify", "sparse.ndjson"]);
    assert_eq!(code, Some(30), "{said}");
    assert!(said.contains("a line or element of more than 33554432 bytes"), "{said}");
    place.write("many.ndjson", &format!("{{\"a\":[0{}]}}\n", ",0".repeat(5 << 20)));
    let (code, said) = run_for_a_minute(&place, &["verify", "many.ndjson"]);
    assert_eq!(code, Some(30), "{said}");
    assert!(said.contains("a record with more than 4194304 elements"), "{said}");
}

/// A hole in a file costs whoever makes it nothing, however long it is.
#[test]
fn a_stored_file_with_a_hole_is_not_read_to_its_end() {
    let place = Place::new();
    for (name, found) in [
        ("manifests.ndjson", "manifests.ndjson:2: a line or element of more than 33554432 bytes"),
        ("00000001.ndjson.zst", "00000001.ndjson.zst: not what its manifest says"),
        ("00000002.ndjson", "00000002.ndjson:21: a line or element of more than 33554432 bytes"),
        ("00000009.frames", "00000009.frames: no manifest says what it holds"),
    ] {
        let directory = directory();
        let settings = Settings { file_bytes: 4000, ..Settings::default() };
        let mut ledger = open(&directory, &settings);
        (0..2).for_each(|at| ledger.store(TAG, &chunk(&plain(20 * at, 20))).expect("stored"));
        drop(ledger);
        let file = directory.path().join(name);
        let file = fs::OpenOptions::new().append(true).create(true).open(file).expect("a file");
        file.set_len(1 << 40).expect("a hole");
        let (_, said) = run_for_a_minute(&place, &["verify", &directory.path().to_string_lossy()]);
        assert!(said.contains(found), "{name}: {said}");
    }
}

#[test]
fn values_are_found_however_they_are_written() {
    let place = Place::new();
    let log = sealed(&place, &[r#"{"who":"bob@example.com"}"#, r#"{"kept":"of Eve, 42"}"#]);
    place.write("log.ndjson", &log.replace(":k1:", "\\u003ak1:"));
    let find = |value: &str| {
        let output = place.run(&["find", "--value", value, "--key", "state/hmac.key", "log.ndjson"]);
        (output.status.code(), String::from_utf8(output.stdout).expect("UTF-8"))
    };
    let expected = "log.ndjson:1: who (intact)\nfound in 1 records\n";
    assert_eq!(find("bob@example.com"), (Some(0), expected.into()));
    let (code, said) = find("Eve");
    assert_eq!(code, Some(0));
    assert!(said.starts_with("log.ndjson:2: kept in the clear (intact)\n"), "{said}");
    assert!(said.ends_with("found in 1 records\n"), "{said}");
    // A part of a word is a different value.
    assert_eq!(find("Ev").0, Some(40));
}

#[test]
fn only_what_signatures_reach_is_restored() {
    let place = Place::new();
    checked(&place, &[("a.x", r#"{"ip":"192.0.2.1"}"#), ("a.x", r#"{"ip":"192.0.2.2"}"#)]);
    place.ok(&["init", "state", "--node", "n", "--roster", "roster.json"]);
    let log = place.ok(&["replay", "--filter", "filter_audit.wasm", "--state", "state", "calls.ndjson"]);
    place.write("log.ndjson", &log);
    place.write("none.json", "[]");
    let restore = |roster: &str| {
        let output = place.run(&["restore", "--roster", roster, "log.ndjson"]);
        (output.status.code(), String::from_utf8(output.stdout).expect("UTF-8").lines().count())
    };
    // A segment begins with a checkpoint, and no signature covers its end yet.
    assert_eq!(restore("roster.json"), (Some(4), 1));
    assert_eq!(restore("none.json"), (Some(4), 0));
    // A record that the log has twice is one record.
    place.write("log.ndjson", &log.repeat(2));
    assert_eq!(restore("roster.json"), (Some(4), 1));
    place.write("log.ndjson", log.lines().next().expect("a record"));
    assert_eq!(restore("roster.json"), (Some(0), 1));
}

#[test]
fn rosters_are_written_at_the_same_time() {
    let place = Place::new();
    let start = |at: usize| {
        let dir = format!("state-{at}");
        let init = ["init", &*dir, "--node", "n", "--roster", "roster.json"];
        place.command(&init).stdout(Stdio::null()).spawn().expect("a program")
    };
    let children: Vec<_> = (0..40).map(start).collect();
    for mut child in children {
        assert!(child.wait().expect("a program").success());
    }
    let roster: Value = serde_json::from_slice(&place.read("roster.json")).expect("JSON");
    assert_eq!(roster.as_array().map(Vec::len), Some(40));
}

#[test]
fn a_chain_that_is_there_is_used_again() {
    let place = Place::new();
    let init = ["init", "state", "--node", "n", "--roster", "roster.json", "--if-missing"];
    let said = place.ok(&init);
    assert_eq!(place.ok(&init), said);
    let roster = place.read("roster.json");
    // A lost roster can be made again while the chain has its first key.
    fs::remove_file(place.path("roster.json")).expect("a file");
    place.ok(&init);
    let key = |roster: &[u8]| serde_json::from_slice::<Value>(roster).expect("JSON")[0]["key"].clone();
    assert_eq!(key(&place.read("roster.json")), key(&roster));
    assert!(place.fails(&init[..6]).contains("--if-missing"));
}

#[cfg(unix)]
#[test]
fn a_keys_directory_is_made_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.ok(&["hmac-key", "new/keys", "--id", "k1"]);
    let mode = fs::metadata(place.path("new/keys")).expect("a directory").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn an_export_that_fails_leaves_nothing() {
    let place = Place::new();
    let log = sealed(&place, &[r#"{"a":1}"#]);
    fs::create_dir(place.path("ledger")).expect("a directory");
    place.write("ledger/manifests.ndjson", "");
    place.write("ledger/00000001.ndjson", &log);
    fs::write(place.path("ledger/00000001.frames.open"), "no frame").expect("a file");
    let names = place.names();
    place.fails(&["export", "ledger", "--output", "export"]);
    assert_eq!(place.names(), names);
    fs::remove_file(place.path("ledger/00000001.frames.open")).expect("a file");
    assert_eq!(place.ok(&["export", "ledger", "--output", "export"]), "1 records in export\n");
    assert!(place.fails(&["export", "ledger", "--output", "export"]).contains("exists already"));
}
