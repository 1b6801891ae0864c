//! Keys in the module as it ships: what changes them, what it costs, and that
//! nothing private gets out.

// Other tests take the rest of it.
#[allow(dead_code)]
mod pipeline;
#[expect(dead_code, reason = "what only other tests need of it")]
mod second;

use flb_audit_core::keyring::{self, KeyRing};
use flb_audit_core::{anchor, state};
use flb_audit_host::filter::{Generation, Limits};
use pipeline::{FILTER, Follower, notes, pass, returned, root, stream};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// What a checkpoint every so often may cost, in instructions a record byte.
const CHECKPOINT_INSTRUCTIONS_MAX: f64 = 5.0;

fn flb_audit(arguments: &[&str], dir: &Path) -> Output {
    let program = root("dist/flb-audit").canonicalize().expect("flb-audit; `cargo xtask build` makes it");
    Command::new(program).args(arguments).current_dir(dir).output().expect("flb-audit runs")
}

/// A state directory in `dir`, made as an operator makes it. Gives key 0.
fn init(dir: &Path, name: &str) -> String {
    let made = flb_audit(&["init", name, "--node", "node-1", "--roster", "roster.json"], dir);
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

/// All private keys in a key file: those of the entries that have one.
fn secrets(file: &[u8]) -> Vec<[u8; 32]> {
    const ENTRY_BYTES: usize = 132;
    const ENTRIES_AT: usize = 256;
    let mut secrets = Vec::new();
    for slot in 0..2 {
        let slot = &file[KeyRing::slot_offset(slot) as usize..][..keyring::SLOT_BYTES];
        for entry in slot[ENTRIES_AT..].chunks_exact(ENTRY_BYTES) {
            let secret: [u8; 32] = entry[100..].try_into().expect("32 bytes");
            if secret != [0; 32] {
                secrets.push(secret);
            }
        }
    }
    secrets
}

/// Whether a text has a secret in any way in which one may come to be there.
fn leaks(text: &[u8], secret: &[u8; 32]) -> bool {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let url = second::base64url(secret);
    let plain = url.replace('-', "+").replace('_', "/");
    // In the middle of something longer, base64 is shifted: half of it shows.
    let shifted = [1, 2].map(|skip| second::base64url(&secret[skip..skip + 27]));
    let mut forms = vec![secret.to_vec(), hex.to_uppercase().into(), hex.into(), url.into(), plain.into()];
    forms.extend(shifted.map(|text| text.into_bytes()));
    forms.push(format!("{secret:?}").into_bytes());
    forms.iter().any(|form| text.windows(form.len()).any(|window| window == &form[..]))
}

#[test]
fn nothing_private_gets_out() {
    let dir = tempfile::tempdir().expect("a directory");
    let made = flb_audit(&["init", "st", "--node", "node-1", "--roster", "roster.json"], dir.path());
    let st = dir.path().join("st");
    let key_file = || fs::read(st.join(keyring::FILE_NAME)).expect("a file");
    let mut all = vec![("init".to_owned(), [made.stdout, made.stderr].concat())];
    let mut private = secrets(&key_file());
    assert_eq!(private.len(), 33);
    let mut log = Vec::new();
    for call in stream("sudo.ndjson").chunks(40).take(9) {
        let before = secrets(&key_file());
        let mut host = FILTER.host(Generation::PerChunk, limits(&st));
        for call in call {
            log.extend(returned(host.call(call).expect("a call")));
            log.push(b'\n');
        }
        let after = secrets(&key_file());
        private.extend(&after);
        // The key that was in force is no more.
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
    ] {
        let output = flb_audit(arguments, dir.path());
        all.push((arguments.join(" "), [output.stdout, output.stderr].concat()));
    }
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
    // The search finds what is there.
    assert!(leaks(&key_file(), &secrets(&key_file())[0]));
}

#[cfg(unix)]
#[test]
fn files_with_keys_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a directory");
    init(dir.path(), "st");
    pass(&mut FILTER.host(Generation::Lasting, limits(&dir.path().join("st"))));
    for entry in fs::read_dir(dir.path().join("st")).expect("a directory") {
        let entry = entry.expect("a file");
        let mode = entry.metadata().expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", entry.path().display());
    }
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
                second::verify_checkpoint(&record["audit"], &root);
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
            second::verify_checkpoint(&record["audit"], &root);
        }
    }
}

#[test]
fn signatures_cost_little() {
    let calls = stream("kubernetes-audit.ndjson");
    let bytes: usize = calls.iter().cycle().take(4096).map(|call| call.record.len()).sum();
    let spent = |keyed: bool| {
        let dir = tempfile::tempdir().expect("a directory");
        init(dir.path(), "st");
        let st = dir.path().join("st");
        if !keyed {
            fs::remove_file(st.join(keyring::FILE_NAME)).expect("a file");
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

/// A key lasts for so many records. Where another filter has gone on with the
/// keys, there is no next one: the old one stays in force, and it is noted.
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
        second::verify_checkpoint(&record["audit"], &root);
    }
}
