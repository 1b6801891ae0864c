//! Keys in the module that ships: when they change, what they cost, and that private keys
//! stay secret.

use flb_audit_core::chain::keyring;
use flb_audit_core::chain::{anchor, state};
use flb_audit_core::redact::KEY_FILE_NAME;
use flb_audit_core::text::base64url::hash_from_text;
use flb_audit_host::filter::{Clock, Generation, Host, Limits};
use host_tests::follower::Follower;
use host_tests::guest::{FILTER, notes, pass, returned};
use host_tests::program::{dist, run_in};
use host_tests::secrets::{in_key_file, leaks};
use host_tests::{specification, streams};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The limit for the cost of checkpoints, in instructions per byte of a record.
const CHECKPOINT_INSTRUCTIONS_MAX: f64 = 5.0;

/// Creates a state directory in `dir`, as an operator does. Returns key 0.
fn init(dir: &Path, name: &str) -> String {
    let made = run_in(&["init", name, "--node", "node-1", "--roster", "roster.json"], dir);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let roster: Value =
        serde_json::from_slice(&fs::read(dir.join("roster.json")).expect("a roster")).expect("JSON");
    let entry = roster.as_array().and_then(|entries| entries.last()).expect("an entry");
    assert_eq!(entry["node"], "node-1");
    assert!(String::from_utf8_lossy(&made.stdout).contains(entry["key"].as_str().expect("a key")));
    entry["key"].as_str().expect("a key").to_owned()
}

fn limits(dir: &Path) -> Limits {
    Limits { directory: Some(dir.to_path_buf()), ..Limits::default() }
}

/// A lock that is left by a killed filter delays the next filter once.
#[test]
fn a_lock_that_was_left_is_taken_over() {
    let dir = tempfile::tempdir().expect("a directory");
    init(dir.path(), "st");
    let st = dir.path().join("st");
    let lock = st.join("chain.lock");
    let calls = streams::calls("sudo").expect("a stream");
    for is_left in [false, true, false] {
        if is_left {
            fs::write(&lock, "").expect("written");
        }
        let mut host = FILTER.host(Generation::PerChunk, limits(&st));
        let sealed = returned(host.call(&calls[0]).expect("a call"));
        let sealed: Value = serde_json::from_slice(&sealed).expect("JSON");
        assert!(sealed["audit"]["sig"].is_string() && sealed["audit"]["notes"].is_null(), "{sealed}");
        assert!(!lock.exists());
    }
}

#[test]
fn nothing_private_gets_out() {
    let dir = tempfile::tempdir().expect("a directory");
    let made = run_in(&["init", "st", "--node", "node-1", "--roster", "roster.json"], dir.path());
    let st = dir.path().join("st");
    let key_file = || fs::read(st.join(keyring::FILE_NAME)).expect("a file");
    let mut all = vec![("init".to_owned(), [made.stdout, made.stderr].concat())];
    let mut private = in_key_file(&key_file());
    assert_eq!(private.len(), 33);
    let mut log = Vec::new();
    for call in streams::calls("sudo").expect("a stream").chunks(40).take(9) {
        let before = in_key_file(&key_file());
        let mut host = FILTER.host(Generation::PerChunk, limits(&st));
        for call in call {
            log.extend(returned(host.call(call).expect("a call")));
            log.push(b'\n');
        }
        let after = in_key_file(&key_file());
        private.extend(&after);
        // The key that was in force no longer exists.
        assert_eq!(before.iter().filter(|secret| !after.contains(secret)).count(), 1);
    }
    private.sort();
    private.dedup();
    assert!(private.len() > 35, "{}", private.len());
    fs::write(dir.path().join("log"), &log).expect("a file");
    fs::write(dir.path().join("broken"), "{").expect("a file");
    let damaged = [&key_file()[..200], b"x"].concat();
    fs::create_dir(dir.path().join("damaged")).expect("a directory");
    fs::copy(st.join(state::FILE_NAME), dir.path().join("damaged").join(state::FILE_NAME)).expect("a file");
    fs::write(dir.path().join("damaged").join(keyring::FILE_NAME), damaged).expect("a file");
    let text = pass(&mut FILTER.host(Generation::Lasting, limits(&dir.path().join("damaged"))));
    assert_eq!(notes(&text), ["key-damaged"]);
    all.push(("a damaged key file".into(), text));
    for arguments in [
        &["verify", "log"][..],
        &["verify", "--json", "--roster", "roster.json", "log"],
        &["verify", "--roster", "st/chain.key", "log"],
        &["verify", "--anchors", "st/chain.key", "log"],
        &["verify", "--proof", "st/chain.key"],
        &["verify", "st/chain.key"],
        &["checkpoints", "log"],
        &["checkpoints", "--note", "log"],
        &["checkpoints", "st/chain.key"],
        &["init", "st", "--node", "again"],
        &["init", "st/chain.key", "--node", "again"],
        &["hmac-key", "st", "--id", "k1"],
        &["explain", "st/chain.key"],
        &["explain", "st/hmac.key"],
        &["build", "--policy", "st/chain.key", "--output", "new.wasm"],
        &["build", "--policy", "st/hmac.key", "--output", "new.wasm"],
        &["replay", "st/chain.key"],
        &["replay", "--filter", "st/chain.key", "log"],
        &["find", "--value", "root", "--key", "st/chain.key", "log"],
        &["find", "--value", "root", "--key", "st/hmac.key", "log"],
        &["find", "--value", "root", "--key", "st/hmac.key", "st/chain.key"],
        &["prove", "st/chain.key", "--chain", "AAAAAAAAAAAA", "--seg", "1", "--seq", "0"],
        &["prove", "log", "--under", "st/chain.key", "--chain", "AAAAAAAAAAAA", "--seg", "1", "--seq", "0"],
        &["verify", "--roster", "st/hmac.key", "st/hmac.key"],
    ] {
        let output = run_in(arguments, dir.path());
        all.push((arguments.join(" "), [output.stdout, output.stderr].concat()));
    }
    let hmac_key = fs::read(st.join(KEY_FILE_NAME)).expect("a key");
    let (_, secret) = hmac_key.trim_ascii_end().split_last_chunk::<43>().expect("a key");
    private.push(hash_from_text(secret).expect("a key"));
    for name in [state::FILE_NAME, anchor::FILE_NAME] {
        all.push((name.into(), fs::read(st.join(name)).expect("a file")));
    }
    all.push(("the roster".into(), fs::read(dir.path().join("roster.json")).expect("a file")));
    all.push(("the log".into(), log));
    for (what, text) in &all {
        for secret in &private {
            assert!(!leaks(text, secret), "{what} holds a private key");
        }
    }
    // A check of the search itself: it finds a key that is there.
    assert!(leaks(&key_file(), &in_key_file(&key_file())[0]));
    assert!(leaks(&hmac_key, private.last().expect("a key")));
}

/// Key files are for their owner only, with any umask. They stay so when the filter puts
/// new keys into them.
#[cfg(unix)]
#[test]
fn files_with_keys_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a directory");
    let program = dist("flb-audit");
    let script = "umask 0; \"$0\" init st --node node-1 && \"$0\" hmac-key st --id k1";
    let made = Command::new("sh").args(["-c", script]).arg(program).current_dir(dir.path()).output();
    assert!(made.expect("sh").status.success());
    let st = dir.path().join("st");
    let ensure_closed = || {
        let mut names = Vec::new();
        for entry in fs::read_dir(&st).expect("a directory") {
            let entry = entry.expect("a file");
            let mode = entry.metadata().expect("a file").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", entry.path().display());
            names.push(entry.file_name().into_string().expect("a name"));
        }
        names.sort();
        assert_eq!(names, ["chain.checkpoint", "chain.key", "chain.state", "hmac.key"]);
    };
    ensure_closed();
    let clock = Clock::default();
    let mut host = FILTER.host(Generation::Lasting, Limits { clock: Some(clock.clone()), ..limits(&st) });
    for key in 1..=4 {
        clock.set(key * 1_000 * SECOND);
        assert_eq!(signed_by(&pass(&mut host)), Some(key));
        ensure_closed();
    }
}

const SECOND: u64 = 1_000_000_000;

/// Returns the number of the key that signed a record. None if the record is not a
/// checkpoint.
fn signed_by(text: &[u8]) -> Option<u64> {
    let record: Value = serde_json::from_slice(text).expect("JSON");
    assert_eq!(record["audit"].get("key").is_some(), record["audit"].get("sig").is_some());
    // Checkpoints have the whole digest. `v` has its start.
    let start = record["audit"]["v"].as_str().and_then(|version| version.rsplit_once('.'));
    let policy = record["audit"].get("key").map(|_| start.expect("a policy").1.to_owned());
    let digest = record["audit"].get("policy").and_then(Value::as_str);
    assert_eq!(digest.map(|digest| digest[..8].to_owned()), policy);
    assert!(digest.is_none_or(|digest| hash_from_text(digest.as_bytes()).is_some()));
    record["audit"]["key"]["n"].as_u64()
}

/// Times of records in one life, in seconds on the guest's clock, and the key that signs
/// each as a checkpoint, if it is one.
const TIMES: [(f64, Option<u64>); 15] = [
    (5000.2, Some(1)),
    (5000.9, None),
    (5009.9, None),
    // Ten seconds after the last checkpoint.
    (5010.0, Some(1)),
    (5010.0, None),
    (5019.9, None),
    (5020.1, Some(1)),
    (5400.0, Some(1)),
    (5899.9, Some(1)),
    // A quarter of an hour after that key came into force.
    (5900.0, Some(2)),
    (5909.9, None),
    (5910.0, Some(2)),
    (6799.9, Some(2)),
    (6800.0, Some(3)),
    (6800.0, None),
];

#[test]
fn keys_and_checkpoints_are_not_older_than_they_may_be() {
    let dir = tempfile::tempdir().expect("a directory");
    let root = init(dir.path(), "st");
    let clock = Clock::default();
    let limits = Limits { clock: Some(clock.clone()), ..limits(&dir.path().join("st")) };
    let mut host = FILTER.host(Generation::Lasting, limits);
    let mut follower = Follower::default();
    for (seconds, key) in TIMES {
        clock.set((seconds * SECOND as f64) as u64);
        let text = pass(&mut host);
        follower.follow(&text);
        assert_eq!(signed_by(&text), key, "at {seconds}");
        assert_eq!(notes(&text), [""; 0]);
        if key.is_some() {
            let record: Value = serde_json::from_slice(&text).expect("JSON");
            specification::verify_checkpoint(&record["audit"], &root);
        }
    }
}

/// Passes one record a second for a quarter of an hour.
fn quarter_of_an_hour(host: &mut Host<'_>, clock: &Clock, from: u64) -> Vec<Vec<u8>> {
    let at = |second| {
        clock.set((from + second) * SECOND);
        pass(host)
    };
    (0..900).map(at).collect()
}

/// A checkpoint is due at the limit that is reached first. Then both limits start again.
#[test]
fn a_checkpoint_is_due_by_time_or_by_number() {
    let dir = tempfile::tempdir().expect("a directory");
    init(dir.path(), "st");
    let clock = Clock::default();
    let limits = Limits { clock: Some(clock.clone()), ..limits(&dir.path().join("st")) };
    let mut host = FILTER.host(Generation::Lasting, limits);
    for (at, text) in quarter_of_an_hour(&mut host, &clock, 1).iter().enumerate() {
        assert_eq!(signed_by(text), (at % 10 == 0).then_some(1), "record {at}");
    }
    // All records have one time: the first under a new key is a checkpoint, then every
    // 1024th.
    clock.set(901 * SECOND);
    for at in 0..2050 {
        assert_eq!(signed_by(&pass(&mut host)), (at % 1024 == 0).then_some(2), "record {at}");
    }
}

/// Runs the filter in a process that cannot write beyond byte 10,240 of a file. That is
/// after the first slot for keys, and in the second.
#[cfg(unix)]
fn replay_without_room(dir: &Path) -> Value {
    let program = dist("flb-audit");
    // `ulimit` counts blocks of 512 bytes.
    let script = "trap '' XFSZ; ulimit -f 20; \"$0\" replay stream --state st";
    let output = Command::new("sh").args(["-c", script]).arg(program).current_dir(dir).output().expect("sh");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one record")
}

/// Checks the first record of a life in which a key cannot be written, or an old one
/// cannot be destroyed.
#[cfg(unix)]
#[track_caller]
fn ensure_noted(record: &Value, key: u64, root: &str) {
    assert_eq!(record["audit"]["notes"], serde_json::json!(["key-not-written"]));
    assert_eq!(record["audit"]["key"]["n"], key);
    specification::verify_checkpoint(&record["audit"], root);
}

#[cfg(unix)]
#[test]
fn a_key_that_cannot_be_written_leaves_the_old_one_in_force() {
    let dir = tempfile::tempdir().expect("a directory");
    let root = init(dir.path(), "st");
    let st = dir.path().join("st");
    let key_file = || fs::read(st.join(keyring::FILE_NAME)).expect("a file");
    let call = serde_json::json!({"tag": "tag", "sec": 1, "nsec": 0, "record": "{\"a\":1}"});
    fs::write(dir.path().join("stream"), call.to_string()).expect("a file");
    let mut log = Vec::new();
    let mut add = |record: &Value| log.extend(format!("{record}\n").into_bytes());

    // Key 1 belongs into the second slot.
    let made = key_file();
    let record = replay_without_room(dir.path());
    ensure_noted(&record, 0, &root);
    assert_eq!(key_file(), made, "the keys are as they were");
    add(&record);

    // With enough room, it is written.
    let text = pass(&mut FILTER.host(Generation::Lasting, limits(&st)));
    assert_eq!((signed_by(&text), notes(&text)), (Some(1), vec![]));
    add(&serde_json::from_slice(&text).expect("JSON"));

    // Key 2 is written to the first slot, and key 1 cannot be destroyed.
    let record = replay_without_room(dir.path());
    ensure_noted(&record, 2, &root);
    add(&record);

    let text = pass(&mut FILTER.host(Generation::Lasting, limits(&st)));
    assert_eq!((signed_by(&text), notes(&text)), (Some(3), vec![]));
    add(&serde_json::from_slice(&text).expect("JSON"));
    assert_eq!(in_key_file(&key_file()).len(), 33 - 3 + 1);

    fs::write(dir.path().join("log"), log).expect("a file");
    let verified = run_in(&["verify", "--roster", "roster.json", "log"], dir.path());
    assert_eq!(verified.status.code(), Some(3), "{}", String::from_utf8_lossy(&verified.stdout));
}

#[test]
fn every_life_has_a_key_of_its_own() {
    let dir = tempfile::tempdir().expect("a directory");
    let root = init(dir.path(), "st");
    let st = dir.path().join("st");
    let mut host = FILTER.host(Generation::Lasting, limits(&st));
    let mut follower = Follower::default();
    for life in 1..=12 {
        for at in 0..3 {
            let text = pass(&mut host);
            assert_eq!(follower.follow(&text).is_checkpoint, at == 0);
            assert_eq!(notes(&text), [""; 0]);
            let record: Value = serde_json::from_slice(&text).expect("JSON");
            if at == 0 {
                assert_eq!(record["audit"]["key"]["n"], life);
                specification::verify_checkpoint(&record["audit"], &root);
            }
        }
        host.restart();
    }
}

#[test]
fn one_in_1024_records_is_a_checkpoint() {
    let dir = tempfile::tempdir().expect("a directory");
    let root = init(dir.path(), "st");
    let mut host = FILTER.host(Generation::Lasting, limits(&dir.path().join("st")));
    for at in 0..3000 {
        let record: Value = serde_json::from_slice(&pass(&mut host)).expect("JSON");
        assert_eq!(record["audit"].get("key").is_some(), at % 1024 == 0, "record {at}");
        assert_eq!(record["audit"].get("sig").is_some(), at % 1024 == 0, "record {at}");
        if at % 1024 == 0 {
            specification::verify_checkpoint(&record["audit"], &root);
        }
    }
}

#[test]
fn signatures_cost_little() {
    let calls = streams::calls("kubernetes-audit").expect("a stream");
    let bytes: usize = calls.iter().cycle().take(4096).map(|call| call.record.len()).sum();
    let spent = |keyed: bool| {
        let dir = tempfile::tempdir().expect("a directory");
        init(dir.path(), "st");
        let st = dir.path().join("st");
        if !keyed {
            fs::remove_file(st.join(keyring::FILE_NAME)).expect("a file");
            fs::remove_file(st.join(anchor::FILE_NAME)).expect("a file");
        }
        let mut host = FILTER.host(Generation::Lasting, limits(&st));
        let first = host.call(&calls[0]).expect("a call").instructions;
        let rest: u64 =
            calls.iter().cycle().take(4096).map(|call| host.call(call).expect("a call").instructions).sum();
        (first, rest)
    };
    let (with, without) = (spent(true), spent(false));
    let each = (with.1 - without.1) as f64 / bytes as f64;
    println!("{each:.2} instructions a byte; the first call {} in place of {}", with.0, without.0);
    assert!(each <= CHECKPOINT_INSTRUCTIONS_MAX, "{each}");
}

/// A key is in force for a limited number of records. If another filter has used the keys
/// since, there is no next key: the old one stays in force, and a note says so.
#[test]
fn a_key_changes_in_the_middle_of_a_life() {
    const KEY_RECORDS_MAX: usize = 65_536;
    for is_shared in [false, true] {
        let dir = tempfile::tempdir().expect("a directory");
        let root = init(dir.path(), "st");
        let st = dir.path().join("st");
        let mut host = FILTER.host(Generation::Lasting, limits(&st));
        pass(&mut host);
        if is_shared {
            pass(&mut FILTER.host(Generation::Lasting, limits(&st)));
        }
        for _ in 1..KEY_RECORDS_MAX {
            pass(&mut host);
        }
        let text = pass(&mut host);
        let record: Value = serde_json::from_slice(&text).expect("JSON");
        assert_eq!(record["audit"]["seq"], KEY_RECORDS_MAX);
        assert_eq!(record["audit"]["key"]["n"], if is_shared { 1 } else { 2 });
        assert_eq!(notes(&text), if is_shared { vec!["key-not-written"] } else { vec![] });
        specification::verify_checkpoint(&record["audit"], &root);
    }
}
