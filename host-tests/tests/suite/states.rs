//! State directories that are damaged, belong to another user, or have two filters. The
//! report of `flb-audit verify` says which of these it is, and accuses nobody of it.

use flb_audit_core::chain::state::{self, State};
use flb_audit_core::chain::{anchor, keyring};
use flb_audit_host::filter::{Fault, Faults, Generation, Limits};
use host_tests::guest::{FILTER, pass};
use host_tests::program::{dist, run_in};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

const RECORDS: usize = 10;

/// Creates a chain with keys, in `state`, and its roster.
fn init(home: &Path) {
    let made = run_in(&["init", "state", "--node", "n", "--roster", "roster.json"], home);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

fn limits(home: &Path) -> Limits {
    Limits { directory: Some(home.join("state")), ..Limits::default() }
}

/// Runs one life of a filter. Returns its log.
fn life(limits: Limits) -> Vec<u8> {
    life_of(RECORDS, limits)
}

fn life_of(records: usize, limits: Limits) -> Vec<u8> {
    let mut host = FILTER.host(Generation::Lasting, limits);
    (0..records).flat_map(|_| [pass(&mut host), b"\n".to_vec()].concat()).collect()
}

/// Returns the exit code of `verify` for a log, and its report.
fn verify(home: &Path, log: &[u8]) -> (Option<i32>, String) {
    fs::write(home.join("log.ndjson"), log).expect("written");
    let output = run_in(&["verify", "--roster", "roster.json", "log.ndjson"], home);
    (output.status.code(), String::from_utf8(output.stdout).expect("text"))
}

/// Changes the bytes at these places.
fn flip(file: &Path, places: impl IntoIterator<Item = usize>) {
    let mut bytes = fs::read(file).expect("read");
    places.into_iter().for_each(|place| bytes[place] ^= 0xff);
    fs::write(file, bytes).expect("written");
}

/// Damages a state directory, and returns the limits of the next life.
type Damage = fn(&Path) -> Limits;

fn slots(home: &Path) -> Limits {
    let places = [state::SLOT_BYTES + 10, 2 * state::SLOT_BYTES + 10];
    flip(&home.join("state").join(state::FILE_NAME), places);
    limits(home)
}

fn header(home: &Path) -> Limits {
    flip(&home.join("state").join(state::FILE_NAME), [12]);
    limits(home)
}

fn keys(home: &Path) -> Limits {
    flip(&home.join("state").join(keyring::FILE_NAME), (0..keyring::FILE_BYTES).step_by(7));
    limits(home)
}

fn no_keys(home: &Path) -> Limits {
    fs::remove_file(home.join("state").join(keyring::FILE_NAME)).expect("removed");
    limits(home)
}

fn another_user(home: &Path) -> Limits {
    Limits { is_writable: false, ..limits(home) }
}

/// Each damage between two lives, the exit code of `verify`, and what it says.
const DAMAGES: [(&str, Damage, i32, &[&str]); 5] = [
    (
        "both slots of chain.state",
        slots,
        7,
        &["starts anew: its node found its state damaged", "note state-damaged"],
    ),
    (
        "chain.key",
        keys,
        21,
        &["its first record says key-damaged, so its node may have lost its keys", "note key-damaged"],
    ),
    (
        "chain.key, which is gone",
        no_keys,
        21,
        &["its first record says key-damaged, so its node may have lost its keys", "note key-damaged"],
    ),
    (
        "the header of chain.state",
        header,
        4,
        &["ephemeral: the filter's state was damaged", "note state-damaged"],
    ),
    (
        "files of another user",
        another_user,
        4,
        &["ephemeral: the filter could not write its state: it belongs to another user"],
    ),
];

#[test]
fn damage_is_named() {
    for (name, damage, code, says) in DAMAGES {
        let home = tempfile::tempdir().expect("a directory");
        let home = home.path();
        init(home);
        let mut log = life(limits(home));
        let limits = damage(home);
        log.extend(life(limits));
        let (ended, report) = verify(home, &log);
        assert_eq!(ended, Some(code), "{name}: {report}");
        for says in says {
            assert!(report.contains(says), "{name}: no {says:?} in {report}");
        }
        assert!(!report.contains("no state directory"), "{name}: {report}");
    }
}

/// The newest slot is damaged after a life that has sealed one record. The other slot does not
/// have this record, so it may look as if the life's key had sealed nothing.
#[test]
fn a_slot_that_is_damaged_after_one_record_is_named() {
    for (lives, note) in [(1, "state-damaged"), (2, "state-set-back"), (3, "state-set-back")] {
        let home = tempfile::tempdir().expect("a directory");
        let home = home.path();
        init(home);
        let mut log: Vec<u8> = (0..lives).flat_map(|_| life_of(1, limits(home))).collect();
        let file = home.join("state").join(state::FILE_NAME);
        let newest = State::read(&fs::read(&file).expect("read")).expect("a state").slot_index;
        flip(&file, [state::slot_offset(newest) as usize + 30]);
        log.extend(life_of(2, limits(home)));
        let (code, report) = verify(home, &log);
        assert_eq!(code, Some(7), "{lives} lives: {report}");
        assert!(report.contains(&format!("note {note}:")), "{lives} lives: {report}");
    }
}

/// Nothing on the disk can be read or written any more, from any operation of a life on. If the
/// keys cannot be read, the report does not blame somebody for signatures that are missing.
#[test]
fn keys_that_cannot_be_read_are_named() {
    let mut named = BTreeSet::new();
    for operations in 0..40 {
        let home = tempfile::tempdir().expect("a directory");
        let home = home.path();
        init(home);
        let mut log = life(limits(home));
        let faults = Faults::default();
        faults.inject(operations, Fault::Broken);
        log.extend(life(Limits { faults: Some(faults), ..limits(home) }));
        let (ended, report) = verify(home, &log);
        let note = ["key-damaged", "key-not-written"]
            .into_iter()
            .find(|note| report.contains(&format!("its first record says {note}, so its node may ")));
        assert_eq!(note.is_some(), ended == Some(21), "{operations}: {report}");
        named.extend(note);
    }
    assert_eq!(named, BTreeSet::from(["key-not-written"]));
}

/// A chain without keys has neither of the two files that keys need: nothing is noted.
#[test]
fn a_chain_without_keys_has_lost_none() {
    let home = tempfile::tempdir().expect("a directory");
    let home = home.path();
    assert!(run_in(&["init", "state"], home).status.success());
    assert!(!home.join("state").join(anchor::FILE_NAME).exists());
    let log = String::from_utf8(life(limits(home))).expect("text");
    assert!(!log.contains("notes"), "{log}");
}

/// After both slots are lost, no place is used twice: the key file knows a segment that was.
#[test]
fn a_segment_is_used_once() {
    let home = tempfile::tempdir().expect("a directory");
    let home = home.path();
    init(home);
    let mut log = Vec::new();
    for _ in 0..3 {
        log.extend(life(limits(home)));
    }
    log.extend(life(slots(home)));
    let text = String::from_utf8(log.clone()).expect("text");
    let segments: Vec<_> = (1..=4).filter(|of| text.contains(&format!("\"seg\":{of},"))).collect();
    assert_eq!(segments, [1, 2, 3, 4]);
    assert_eq!(verify(home, &log).0, Some(7));
}

/// Two filters put keys into force that the other does not know.
#[test]
fn two_filters_are_a_conflict() {
    let home = tempfile::tempdir().expect("a directory");
    let home = home.path();
    init(home);
    let mut log = Vec::new();
    for _ in 0..4 {
        let mut hosts = [0; 2].map(|_| FILTER.host(Generation::Lasting, limits(home)));
        for _ in 0..RECORDS {
            for host in &mut hosts {
                log.extend(pass(host));
                log.push(b'\n');
            }
        }
        let (code, report) = verify(home, &log);
        assert_eq!(code, Some(12), "{report}");
        assert!(report.contains("two filters with one state directory"), "{report}");
        for accusation in ["tampered", "not certified", "had no right"] {
            assert!(!report.contains(accusation), "{report}");
        }
    }
}

/// `init` leaves nothing behind if it cannot write its files, so that it can be run again.
#[cfg(unix)]
#[test]
fn a_directory_is_set_up_or_removed_again() {
    // `ulimit` counts blocks of 512 bytes. The largest file has 19,584 bytes.
    for blocks in [0, 1, 20, 38] {
        let home = tempfile::tempdir().expect("a directory");
        let home = home.path();
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; \"$0\" init state --node n 2>&1");
        let failed =
            Command::new("sh").arg("-c").arg(script).arg(dist("flb-audit")).current_dir(home).output();
        let failed = failed.expect("sh");
        let said = String::from_utf8_lossy(&failed.stdout);
        assert_eq!(failed.status.code(), Some(1), "{blocks} blocks: {said}");
        assert!(said.contains("cannot be made") && said.contains("chain.key"), "{blocks} blocks: {said}");
        assert!(!home.join("state").exists(), "{blocks} blocks");
        init(home);
    }
}
