//! Files that were damaged on the disk.

use flb_audit_core::verify::{Checked, Checker};
use flb_audit_ledger::manifest::{self, Damage, DamageKind, Manifest, Statement, open_name};
use flb_audit_ledger::{Ledger, Level, Settings};
use ledger_fixtures::{Filter, TAG, chunk, directory, open, plain, records, text};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

const RECORDS: u32 = 6;

/// A change of a file's lines.
type Alter = fn(&mut Vec<Vec<u8>>);

/// Each case has the values of the expected manifest: the line on which the damage
/// begins, the number of damaged lines, and the numbers of records before and after it.
/// Last are the numbers of the records that cannot be read any more.
const CASES: [(&str, Alter, [u64; 4], &[u64]); 9] = [
    ("the first byte", |lines| lines[0][0] = b'x', [0, 1, 0, 5], &[0]),
    ("a byte of the seal's version", |lines| flip(&mut lines[2], "\"v\":\""), [2, 1, 2, 3], &[2]),
    ("two lines", |lines| [1, 3].into_iter().for_each(|at| lines[at][0] = 0), [1, 2, 1, 3], &[1, 3]),
    ("the last line", |lines| lines[5][0] = 0, [5, 1, 5, 0], &[5]),
    ("all lines", |lines| lines.iter_mut().for_each(|line| line[0] = 0), [0, 6, 0, 0], &[0, 1, 2, 3, 4, 5]),
    ("a line break", |lines| *lines[3].last_mut().expect("a byte") = b' ', [3, 1, 3, 1], &[3, 4]),
    ("a line more", |lines| lines.insert(1, b"{}\n".to_vec()), [1, 1, 1, 5], &[]),
    ("an empty line", |lines| lines.insert(6, b"\n".to_vec()), [6, 1, 6, 0], &[]),
    (
        "a line, and a torn one at the end",
        |lines| {
            lines[0][0] = 0;
            lines[5].truncate(20);
        },
        [0, 2, 0, 4],
        &[0, 5],
    ),
];

fn flip(line: &mut [u8], behind: &str) {
    let at = line.windows(behind.len()).position(|bytes| bytes == behind.as_bytes()).expect("there");
    line[at + behind.len()] = b'#';
}

fn lines(path: &Path) -> Vec<Vec<u8>> {
    fs::read(path).expect("read").split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

fn damage(path: &Path, alter: Alter) -> Vec<u8> {
    let mut lines = lines(path);
    alter(&mut lines);
    fs::write(path, lines.concat()).expect("written");
    lines.concat()
}

/// Makes a ledger of one chunk. Returns it with the chunk.
fn ledger(is_sealed: bool) -> (TempDir, Vec<u8>) {
    let directory = directory();
    let plain = plain(0, RECORDS);
    let chunk = chunk(&if is_sealed { Filter::new(1).seal(&plain) } else { plain });
    open(&directory, &Settings::default()).store(TAG, &chunk).expect("stored");
    (directory, chunk)
}

fn statements(directory: &TempDir) -> Vec<Statement> {
    let text = text(&directory.path().join(manifest::FILE_NAME));
    text.lines().filter_map(|line| manifest::read(line.as_bytes())).collect()
}

fn manifests(directory: &TempDir) -> Vec<Manifest> {
    let manifests = statements(directory).into_iter().filter_map(|statement| match statement {
        Statement::File(manifest) => Some(manifest),
        Statement::Deleted(_) => None,
    });
    manifests.collect()
}

/// Returns how many intact records the ledger holds for each number.
fn held(directory: &TempDir) -> BTreeMap<u64, u32> {
    let mut checker = Checker::default();
    let mut held = BTreeMap::new();
    for line in records(directory) {
        if let Ok(Checked::Sealed(sealed)) = checker.check(line.as_bytes())
            && sealed.is_intact
        {
            let record: serde_json::Value = serde_json::from_str(&line).expect("JSON");
            *held.entry(record["number"].as_u64().expect("a number")).or_default() += 1;
        }
    }
    held
}

fn once(numbers: impl Iterator<Item = u64>) -> BTreeMap<u64, u32> {
    numbers.map(|number| (number, 1)).collect()
}

#[test]
fn a_damaged_file_is_closed_as_it_is_and_what_is_whole_in_it_is_held() {
    for (name, alter, [line, bad, before, after], lost) in CASES {
        for is_sealed in [true, false] {
            let (directory, chunk) = ledger(is_sealed);
            let path = directory.path().join(open_name(1));
            let at: usize = lines(&path)[..line as usize].iter().map(Vec::len).sum();
            let bytes = damage(&path, alter);
            let mut ledger = open(&directory, &Settings::default());
            let log = ledger.take_lines();
            let place = format!("00000001.ndjson: damaged at byte {at}: ");
            assert!(
                log.iter().any(|(level, line)| *level == Level::Error && line.starts_with(&place)),
                "{name}: {log:?}"
            );
            assert_eq!(fs::read(&path).expect("read"), bytes, "{name}");
            let [manifest] = &manifests(&directory)[..] else {
                panic!("{name}: {:?}", manifests(&directory));
            };
            let damage = Damage { kind: DamageKind::Damaged, at: at as u64, lines: bad, before, after };
            assert_eq!(manifest.damaged.as_ref(), Some(&damage), "{name}");
            let sha256: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(
                (&*manifest.file, manifest.records, manifest.bytes, &manifest.sha256),
                ("00000001.ndjson", bad + before + after, bytes.len() as u64, &sha256),
                "{name}"
            );

            // Records that cannot be read are stored again if they come again. The others
            // are held.
            let whole = (0..u64::from(RECORDS)).filter(|number| !lost.contains(number));
            assert_eq!(held(&directory), once(whole), "{name}");
            for _ in 0..2 {
                ledger.store(TAG, &chunk).expect("stored");
                drop(ledger);
                ledger = open(&directory, &Settings::default());
                assert_eq!(ledger.take_lines(), [], "{name}");
                assert_eq!(held(&directory), once(0..RECORDS.into()), "{name}, sealed: {is_sealed}");
                assert_eq!(fs::read(&path).expect("read"), bytes, "{name}");
            }
        }
    }
}

/// Simulates a crash at any byte of the manifest, before and after the state is written.
#[test]
fn closing_a_damaged_file_is_finished_or_begun_anew() {
    let (directory, chunk) = ledger(true);
    let path = |name: &str| directory.path().join(name);
    let bytes = damage(&path("00000001.ndjson"), CASES[1].1);
    let files = || -> Vec<(std::path::PathBuf, Vec<u8>)> {
        let entries = fs::read_dir(directory.path()).expect("a directory");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        paths.map(|path| (path.clone(), fs::read(path).expect("read"))).collect()
    };
    let before = files();
    drop(open(&directory, &Settings::default()));
    let after = fs::read(path(manifest::FILE_NAME)).expect("read");
    let state = fs::read(path("chain.state")).expect("read");
    // The journal is written before the manifest.
    let journal = fs::read(path("ledger.intents")).expect("read");
    for cut in (0..after.len()).step_by(23).chain([after.len() - 1, after.len()]) {
        for is_state_written in [false, true] {
            for (path, bytes) in &before {
                fs::write(path, bytes).expect("written");
            }
            fs::remove_file(path("00000002.ndjson")).expect("removed");
            fs::write(path("ledger.intents"), &journal).expect("written");
            fs::write(path(manifest::FILE_NAME), &after[..cut]).expect("written");
            if is_state_written {
                fs::write(path("chain.state"), &state).expect("written");
            }
            let mut ledger = open(&directory, &Settings::default());
            ledger.store(TAG, &chunk).expect("stored");
            drop(ledger);
            let damaged: Vec<_> =
                manifests(&directory).into_iter().map(|manifest| manifest.damaged.is_some()).collect();
            assert_eq!(damaged, [true], "cut at {cut}");
            assert_eq!(held(&directory), once(0..RECORDS.into()), "cut at {cut}");
            assert_eq!(fs::read(path("00000001.ndjson")).expect("read"), bytes, "cut at {cut}");
        }
    }
}

#[test]
fn retention_deletes_a_damaged_file_as_any_other() {
    let (directory, _) = ledger(true);
    let path = directory.path().join(open_name(1));
    damage(&path, CASES[1].1);
    let mut ledger = open(&directory, &Settings { keep_bytes: Some(10), ..Settings::default() });
    ledger.store(TAG, &chunk(&plain(10, 1))).expect("stored");
    assert!(!path.exists());
    assert!(
        matches!(&statements(&directory)[..], [Statement::File(_), Statement::Deleted(tombstone)]
            if tombstone.file == "00000001.ndjson"),
        "{:?}",
        statements(&directory)
    );
}

/// The property holds whichever manifests and tombstones are damaged.
#[test]
fn damaged_manifests_stay_and_every_record_is_held_once() {
    let settings = Settings { file_bytes: 2000, keep_bytes: Some(2500), ..Settings::default() };
    let make = || {
        let directory = directory();
        let mut ledger = open(&directory, &settings);
        let mut filter = Filter::new(1);
        let chunks: Vec<_> = (0..12).map(|at| chunk(&filter.seal(&plain(10 * at, 10)))).collect();
        chunks.iter().for_each(|chunk| ledger.store(TAG, chunk).expect("stored"));
        (directory, chunks)
    };
    let count = statements(&make().0).len();
    let cases = (0..count).map(|at| vec![at]).chain([vec![0, count - 1], (0..count).collect()]);
    for damaged in cases {
        let (directory, chunks) = make();
        let path = directory.path().join(manifest::FILE_NAME);
        let mut lines = lines(&path);
        damaged.iter().for_each(|at| lines[*at][0] = b'x');
        fs::write(&path, lines.concat()).expect("written");
        let before = held(&directory);
        let mut ledger = open(&directory, &settings);
        let log = ledger.take_lines();
        let at: usize = lines[..damaged[0]].iter().map(Vec::len).sum();
        let place = format!("manifests.ndjson: damaged at byte {at}: ");
        assert!(
            log.iter().any(|(level, line)| *level == Level::Error && line.starts_with(&place)),
            "{log:?}"
        );
        // Only the chunks that retention has not deleted come again.
        let first = before.keys().next().expect("a record") / 10;
        for chunk in &chunks[first as usize..] {
            ledger.store(TAG, chunk).expect("stored");
        }
        drop(ledger);
        let held = held(&directory);
        assert!(held.values().all(|count| *count == 1), "{damaged:?}: {held:?}");
        let is_newer = |(number, _): &(&u64, &u32)| **number >= 60;
        assert!(before.iter().filter(is_newer).all(|(number, _)| held.contains_key(number)), "{damaged:?}");
        let after = fs::read(&path).expect("read");
        assert!(after.starts_with(&lines.concat()), "{damaged:?}: what was there is not as it was");
        // The ledger continues from there.
        let mut ledger = open(&directory, &Settings { keep_bytes: None, ..settings.clone() });
        for first in [1000, 1020] {
            ledger.store(TAG, &chunk(&plain(first, 20))).expect("stored");
        }
        assert!(fs::read(&path).expect("read").len() > after.len(), "{damaged:?}");
    }
}

/// Somebody who can write the directory takes the highest number. No number is reused then.
#[test]
fn a_ledger_without_a_number_for_its_next_file_says_so() {
    let (directory, _) = ledger(true);
    let path = directory.path().join("18446744073709551615.ndjson.zst");
    fs::write(&path, "").expect("written");
    let manifests = directory.path().join(manifest::FILE_NAME);
    fs::write(&manifests, "x\n").expect("written");
    let error =
        Ledger::open(directory.path(), Settings::default(), None).err().map(|error| error.to_string());
    let what = "a file or a manifest has the number 18446744073709551615, and none is left";
    assert!(error.as_ref().is_some_and(|error| error.contains(what)), "{error:?}");
}

/// Without its keys, a ledger could go on only without signatures.
#[test]
fn a_ledger_whose_keys_are_missing_refuses_to_start() {
    let directory = directory();
    drop(open(&directory, &Settings::default()));
    fs::remove_file(directory.path().join("chain.key")).expect("removed");
    let error =
        Ledger::open(directory.path(), Settings::default(), None).err().map(|error| error.to_string());
    assert!(
        error.as_ref().is_some_and(|error| error.contains("chain.key: missing, and the chain has had keys")),
        "{error:?}"
    );
}
