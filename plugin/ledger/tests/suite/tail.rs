//! The ledger signs only what it has written itself.

use flb_audit_core::verify::{Checked, Checker, Sealed};
use flb_audit_ledger::Settings;
use flb_audit_ledger::manifest::{self, Damage, DamageKind, Manifest, Statement};
use ledger_fixtures::{TAG, chunk, directory, names, numbers, open, plain, reseal, text};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

const FILE: &str = "00000001.ndjson";

fn damages(directory: &TempDir) -> Vec<Option<Damage>> {
    manifests(directory).into_iter().map(|manifest| manifest.damaged).collect()
}

fn manifests(directory: &TempDir) -> Vec<Manifest> {
    let text = text(&directory.path().join(manifest::FILE_NAME));
    let statements = text.lines().filter_map(|line| manifest::read(line.as_bytes()));
    let manifest = |statement| match statement {
        Statement::File(manifest) => Some(manifest),
        Statement::Deleted(_) => None,
    };
    statements.filter_map(manifest).collect()
}

fn values(path: &Path) -> Vec<Value> {
    text(path).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn write(path: &Path, values: &[Value]) {
    let lines: Vec<String> = values.iter().map(|value| value.to_string() + "\n").collect();
    fs::write(path, lines.concat()).expect("written");
}

fn sealed(value: &Value) -> Sealed {
    match Checker::default().check(value.to_string().as_bytes()) {
        Ok(Checked::Sealed(sealed)) => *sealed,
        other => panic!("{other:?}"),
    }
}

/// Returns the links of first records: the records from which lives of the own chain
/// continue.
fn links(directory: &TempDir) -> Vec<(u64, Value)> {
    let mut links = Vec::new();
    for name in names(directory).iter().filter(|name| name.ends_with(".ndjson")) {
        for value in values(&directory.path().join(name)) {
            if value["audit"]["seq"] == 0 && value["audit"]["seg"] != 1 {
                links.push((
                    value["audit"]["link"]["seq"].as_u64().expect("a link"),
                    value["audit"]["prev"].clone(),
                ));
            }
        }
    }
    links
}

type Change = fn(&mut Vec<Value>);

fn another_value(value: &mut Value) {
    value["text"] = json!("forged");
}

fn added(values: &mut Vec<Value>, count: u64) {
    for _ in 0..count {
        let mut last = values.last().expect("a record").clone();
        last["audit"]["seq"] = json!(last["audit"]["seq"].as_u64().expect("a number") + 1);
        values.push(last);
    }
}

/// Somebody without keys seals the end of the open file anew, so that all heads fit.
#[test]
fn what_is_sealed_anew_in_the_open_file_is_not_signed_over() {
    let attacks: [(&str, Change, usize); 7] = [
        ("one added", |values| added(values, 1), 10),
        ("many added", |values| added(values, 3000), 10),
        ("the last altered", |values| another_value(&mut values[9]), 9),
        ("a middle one altered", |values| another_value(&mut values[5]), 5),
        ("one before the last chunk altered", |values| another_value(&mut values[1]), 1),
        (
            "altered and added",
            |values| {
                another_value(&mut values[5]);
                added(values, 2)
            },
            5,
        ),
        ("the first altered", |values| another_value(&mut values[0]), 0),
    ];
    for (name, attack, from) in attacks {
        for is_reopened_twice in [false, true] {
            let directory = directory();
            let mut ledger = open(&directory, &Settings::default());
            ledger.store(TAG, &chunk(&plain(0, 4))).expect("stored");
            ledger.store(TAG, &chunk(&plain(4, 6))).expect("stored");
            ledger.close().expect("closed");
            drop(ledger);
            let path = directory.path().join(FILE);
            let mut values = values(&path);
            let genuine = sealed(&values[9]);
            attack(&mut values);
            reseal(&mut values, from);
            write(&path, &values);
            let altered = fs::read(&path).expect("read");
            if is_reopened_twice {
                drop(open(&directory, &Settings::default()));
            }
            let mut ledger = open(&directory, &Settings::default());
            ledger.store(TAG, &chunk(&plain(10, 5))).expect("stored");
            assert_eq!(fs::read(&path).expect("read"), altered, "{name}: nothing is lost");
            let damages = damages(&directory);
            let [Some(damage)] = &damages[..] else { panic!("{name}: {damages:?}") };
            assert_eq!(damage.kind, DamageKind::Altered, "{name}");
            // The signed records continue from the record that the ledger has written.
            let head = String::from_utf8(flb_audit_core::text::base64url::hash_text(&genuine.head).into());
            let links = links(&directory);
            assert!(links.contains(&(9, json!(head.expect("text")))), "{name}: {links:?}");
            let forged = sealed(values.last().expect("a record")).head;
            let claimed = |manifest: &Manifest| {
                manifest.extents.iter().any(|extent| extent.heads().is_some_and(|(_, head)| head == forged))
            };
            assert!(!manifests(&directory).iter().any(claimed), "{name}");
        }
    }
}

/// If the journal that describes the file is lost or older, nothing in the file is signed
/// over either.
#[test]
fn a_lost_or_older_journal_makes_nothing_good() {
    for is_older in [false, true] {
        let directory = directory();
        let journal = directory.path().join("ledger.intents");
        let mut ledger = open(&directory, &Settings::default());
        ledger.store(TAG, &chunk(&plain(0, 4))).expect("stored");
        let older = fs::read(&journal).expect("read");
        ledger.store(TAG, &chunk(&plain(4, 6))).expect("stored");
        ledger.close().expect("closed");
        drop(ledger);
        let path = directory.path().join(FILE);
        let mut values = values(&path);
        added(&mut values, 1);
        reseal(&mut values, 10);
        write(&path, &values);
        if is_older {
            fs::write(&journal, older).expect("written");
        } else {
            fs::remove_file(&journal).expect("removed");
        }
        open(&directory, &Settings::default()).store(TAG, &chunk(&plain(10, 5))).expect("stored");
        let [Some(damage)] = &damages(&directory)[..] else { panic!("{:?}", damages(&directory)) };
        assert_eq!(damage.kind, if is_older { DamageKind::Altered } else { DamageKind::Unknown });
        let forged = sealed(values.last().expect("a record")).head;
        let claimed = |manifest: &Manifest| {
            manifest.extents.iter().any(|extent| extent.heads().is_some_and(|(_, head)| head == forged))
        };
        assert!(!manifests(&directory).iter().any(claimed));
    }
}

/// A file that was put in the place of the next open file is not the ledger's.
#[test]
fn a_file_laid_ready_is_not_appended_to() {
    let directory = directory();
    let settings = Settings { file_bytes: 2000, ..Settings::default() };
    let mut ledger = open(&directory, &settings);
    ledger.store(TAG, &chunk(&plain(0, 10))).expect("stored");
    let mut values = values(&directory.path().join(FILE));
    added(&mut values, 1);
    reseal(&mut values, 10);
    write(&directory.path().join("00000002.ndjson"), &values[10..]);
    ledger.store(TAG, &chunk(&plain(10, 5))).expect("stored");
    let found: Vec<_> =
        damages(&directory).into_iter().map(|damage| damage.map(|damage| damage.kind)).collect();
    assert_eq!(found, [None, Some(DamageKind::Altered)]);
}

/// Statements that the ledger has not made neither move its chain nor delete a file.
#[test]
fn forged_statements_move_nothing() {
    for last in [5, u64::MAX - 1] {
        let directory = directory();
        let settings = Settings { file_bytes: 2000, ..Settings::default() };
        let mut ledger = open(&directory, &settings);
        for first in 0..3 {
            ledger.store(TAG, &chunk(&plain(20 * first, 20))).expect("stored");
        }
        drop(ledger);
        let path = directory.path().join(manifest::FILE_NAME);
        let mut values = values(&path);
        let mut forged = values[0].clone();
        let of = forged.clone();
        forged = json!({"ledger": "deleted", "number": of["number"], "file": of["file"], "sha256": of["sha256"],
            "records": of["records"], "by": "keep_age", "audit": of["audit"]});
        forged["audit"]["seg"] = json!(last);
        forged["audit"]["seq"] = json!(last);
        values.push(forged);
        let from = values.len() - 1;
        reseal(&mut values, from);
        write(&path, &values);
        for first in 3..6 {
            open(&directory, &settings).store(TAG, &chunk(&plain(20 * first, 20))).expect("stored");
        }
        let closed = names(&directory).into_iter().filter(|name| name.ends_with(".zst")).count();
        assert_eq!(closed, 5);
        let segments: Vec<u64> = ledger_fixtures::records(&directory)
            .iter()
            .map(|line| sealed(&serde_json::from_str(line).expect("JSON")).place.segment)
            .collect();
        assert!(segments.iter().all(|segment| *segment < 10), "{segments:?}");
    }
}

/// A journal that somebody has changed loses no record.
#[test]
fn a_forged_journal_costs_no_record() {
    let directory = directory();
    let mut ledger = open(&directory, &Settings::default());
    ledger.store(TAG, &chunk(&plain(0, 5))).expect("stored");
    drop(ledger);
    let files: Vec<_> = names(&directory).into_iter().map(|name| directory.path().join(name)).collect();
    let before: Vec<_> = files.iter().map(|path| fs::read(path).expect("read")).collect();
    let path = directory.path().join("ledger.intents");
    let genuine = fs::read(&path).expect("read");
    // Changes some of the bytes that are in use.
    for at in (0..genuine.len()).filter(|at| genuine[*at] != 0).step_by(7) {
        for entry in fs::read_dir(directory.path()).expect("read") {
            fs::remove_file(entry.expect("an entry").path()).expect("removed");
        }
        files.iter().zip(&before).for_each(|(path, bytes)| fs::write(path, bytes).expect("written"));
        let mut bytes = genuine.clone();
        bytes[at] ^= 1;
        fs::write(&path, bytes).expect("written");
        let mut ledger = open(&directory, &Settings::default());
        ledger.store(TAG, &chunk(&plain(5, 5))).expect("stored");
        ledger.store(TAG, &chunk(&plain(0, 5))).expect("stored");
        let mut held = numbers(&directory);
        held.dedup();
        assert_eq!(held, (0..10).collect::<Vec<_>>(), "byte {at}");
    }
}
