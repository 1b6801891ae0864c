//! The contents of a ledger after crashes, duplicates and damage.

use flb_audit_ledger::manifest::{self, Statement};
use flb_audit_ledger::{Level, PROPERTIES, Settings, tree};
use ledger_fixtures::{Filter, TAG, chunk, directory, names, numbers, open, plain, records, text};
use sha2::{Digest, Sha256};
use std::fs::{self, OpenOptions};

fn small() -> Settings {
    Settings { file_bytes: 2000, ..Settings::default() }
}

#[test]
fn sealed_records_are_stored_as_they_are_and_once() {
    let directory = directory();
    let sealed = Filter::new(1).seal(&plain(0, 5));
    let mut ledger = open(&directory, &Settings::default());
    ledger.store(TAG, &chunk(&sealed)).expect("stored");
    ledger.store(TAG, &chunk(&sealed[2..])).expect("stored");
    drop(ledger);
    let mut ledger = open(&directory, &Settings::default());
    ledger.store(TAG, &chunk(&sealed)).expect("stored");
    let held: Vec<serde_json::Value> =
        records(&directory).iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(held, sealed);
}

#[test]
fn records_out_of_order_and_in_closed_files_are_recognised() {
    let directory = directory();
    let sealed = Filter::new(1).seal(&plain(0, 60));
    for part in [40..60, 0..20, 20..40, 0..60, 10..30] {
        let mut ledger = open(&directory, &small());
        ledger.store(TAG, &chunk(&sealed[part])).expect("stored");
    }
    assert!(names(&directory).contains(&"00000002.ndjson.zst".to_owned()), "{:?}", names(&directory));
    assert_eq!(numbers(&directory), (0..60).collect::<Vec<_>>());
}

#[test]
fn another_record_in_a_place_that_is_taken_is_kept_too() {
    let directory = directory();
    let mut ledger = open(&directory, &Settings::default());
    for first in [0, 100, 0, 100] {
        let sealed = Filter::new(1).seal(&plain(first, 2));
        ledger.store(TAG, &chunk(&sealed)).expect("stored");
    }
    assert_eq!(records(&directory).len(), 4);
}

#[test]
fn records_without_a_seal_are_sealed_here() {
    let directory = directory();
    let mut ledger = open(&directory, &Settings::default());
    ledger.store(TAG, &chunk(&plain(0, 3))).expect("stored");
    let mut mixed = plain(3, 1);
    mixed.extend(Filter::new(1).seal(&plain(4, 1)));
    mixed.extend(plain(5, 1));
    ledger.store(TAG, &chunk(&mixed)).expect("stored");
    assert_eq!(numbers(&directory), (0..6).collect::<Vec<_>>());
    let order: Vec<bool> = records(&directory).iter().map(|line| line.contains("\"number\":4")).collect();
    assert_eq!(order, [false, false, false, false, true, false]);
}

#[test]
fn a_seal_that_is_none_is_sealed_under_another_name() {
    let directory = directory();
    let mut ledger = open(&directory, &Settings::default());
    ledger.store(TAG, &chunk(&[serde_json::json!({"number": 0, "audit": {"v": "9.9"}})])).expect("stored");
    assert_eq!(numbers(&directory), [0]);
    assert!(records(&directory)[0].contains(r#""audit_":{"v":"9.9"}"#));
}

#[test]
fn what_is_no_record_is_kept_as_raw_text() {
    let directory = directory();
    let mut ledger = open(&directory, &Settings::default());
    let mut bytes = chunk(&plain(0, 1));
    // An array of three, a time in milliseconds, and a byte that is no value.
    bytes.extend_from_slice(&[0x93, 0xff, 2, 3]);
    bytes.extend_from_slice(b"\x92\xcf\0\0\x01\xa1\xf7\xf8\x30\0\x81\xa6number\x01");
    bytes.extend_from_slice(&chunk(&plain(2, 1)));
    ledger.store(TAG, &bytes).expect("stored");
    assert_eq!(ledger.take_lines(), []);
    bytes.extend_from_slice(&[0xc1, 0xff]);
    ledger.store(TAG, &bytes).expect("stored");
    assert_eq!(numbers(&directory), [0, 0, 1, 1, 2, 2]);
    let records = records(&directory);
    assert!(records[1].contains(r#""raw_base64":"k/8CAw==""#), "{records:?}");
    assert!(records[2].contains(r#""time":"4294967295.000000000""#), "{records:?}");
    assert!(records[8].contains(r#""raw_base64":"wf8=""#), "{records:?}");
    let lines = ledger.take_lines();
    assert!(
        lines.len() == 1 && lines[0].0 == Level::Error && lines[0].1.contains("last 2 bytes"),
        "{lines:?}"
    );
}

#[test]
fn a_chunk_without_seals_that_comes_again_after_a_crash_is_recognised() {
    let directory = directory();
    for _ in 0..3 {
        let mut ledger = open(&directory, &Settings::default());
        ledger.store(TAG, &chunk(&plain(0, 4))).expect("stored");
    }
    assert_eq!(numbers(&directory), [0, 1, 2, 3]);
}

#[test]
fn equal_chunks_without_seals_are_both_stored_without_a_crash() {
    let directory = directory();
    let mut ledger = open(&directory, &Settings::default());
    for _ in 0..2 {
        ledger.store(TAG, &chunk(&plain(0, 2))).expect("stored");
    }
    ledger.close().expect("closed");
    open(&directory, &Settings::default()).store(TAG, &chunk(&plain(0, 2))).expect("stored");
    assert_eq!(numbers(&directory), [0, 0, 0, 1, 1, 1]);
}

/// Cuts the file at every byte of the last chunk, as a crash would.
#[test]
fn a_torn_tail_is_cut_and_what_is_lost_comes_again_once() {
    for is_sealed in [true, false] {
        let directory = directory();
        let mut filter = Filter::new(1);
        let mut make = |first| {
            let records = plain(first, 3);
            chunk(&if is_sealed { filter.seal(&records) } else { records })
        };
        let (first, second) = (make(0), make(3));
        open(&directory, &Settings::default()).store(TAG, &first).expect("stored");
        let path = directory.path().join("00000001.ndjson");
        let before = fs::metadata(&path).expect("a file").len();
        open(&directory, &Settings::default()).store(TAG, &second).expect("stored");
        let whole = fs::metadata(&path).expect("a file").len();
        let files: Vec<_> = names(&directory)
            .into_iter()
            .map(|name| (name.clone(), fs::read(directory.path().join(&name)).expect("read")))
            .collect();
        for cut in (before..whole).step_by(7).chain([whole - 1]) {
            for (name, bytes) in &files {
                fs::write(directory.path().join(name), bytes).expect("written");
            }
            OpenOptions::new().write(true).open(&path).and_then(|file| file.set_len(cut)).expect("cut");
            let mut ledger = open(&directory, &Settings::default());
            let is_reported = ledger.take_lines().iter().any(|(_, line)| line.contains("torn"));
            let is_torn = fs::metadata(&path).expect("a file").len() < cut;
            assert_eq!(is_reported, is_torn, "cut at {cut}");
            ledger.store(TAG, &second).expect("stored");
            drop(ledger);
            open(&directory, &Settings::default()).store(TAG, &second).expect("stored");
            assert_eq!(numbers(&directory), [0, 1, 2, 3, 4, 5], "cut at {cut}, sealed: {is_sealed}");
        }
    }
}

#[test]
fn a_manifest_says_what_its_file_holds() {
    let directory = directory();
    let mut ledger = open(&directory, &small());
    let mut filter = Filter::new(1);
    for first in [0, 10, 20, 30] {
        ledger.store(TAG, &chunk(&filter.seal(&plain(first, 10)))).expect("stored");
    }
    let manifests = text(&directory.path().join(manifest::FILE_NAME));
    let mut first = 0;
    for line in manifests.lines() {
        let Some(Statement::File(manifest)) = manifest::read(line.as_bytes()) else {
            panic!("no manifest: {line}");
        };
        assert!(line.contains(r#""sig":""#), "not signed: {line}");
        let path = directory.path().join(&manifest.file);
        let stored = fs::read(&path).expect("a file");
        let sha256: String = Sha256::digest(&stored).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((manifest.stored_bytes, &manifest.sha256), (stored.len() as u64, &sha256));
        let text = text(&path);
        assert_eq!((manifest.records, manifest.bytes), (text.lines().count() as u64, text.len() as u64));
        assert_eq!(
            manifest.root,
            manifest::root_text(&root(&text.lines().map(str::as_bytes).collect::<Vec<_>>()))
        );
        let [extent] = &manifest.extents[..] else {
            panic!("{:?}", manifest.extents);
        };
        assert_eq!((extent.first, extent.last), (first, first + manifest.records - 1));
        first = extent.last + 1;
    }
    assert_eq!(manifests.lines().count(), 3);
    assert_eq!(numbers(&directory), (0..40).collect::<Vec<_>>());
}

#[test]
fn the_last_manifest_is_left_as_an_anchor() {
    let directory = directory();
    let mut ledger = open(&directory, &small());
    for first in 0..10 {
        ledger.store(TAG, &chunk(&plain(10 * first, 10))).expect("stored");
    }
    let path = directory.path().join(flb_audit_core::chain::anchor::FILE_NAME);
    let file = fs::read(path).expect("read");
    let (_, text) = flb_audit_core::chain::anchor::from_file(&file).expect("an anchor");
    let anchor: serde_json::Value = serde_json::from_slice(text).expect("JSON");
    let manifests = text_of_last(&directory);
    assert_eq!(anchor["head"], manifests["audit"]["head"]);
}

fn text_of_last(directory: &tempfile::TempDir) -> serde_json::Value {
    let manifests = text(&directory.path().join(manifest::FILE_NAME));
    serde_json::from_str(manifests.lines().last().expect("a line")).expect("JSON")
}

/// Computes the root by its definition in RFC 6962 section 2.1.
fn root(lines: &[&[u8]]) -> tree::Node {
    match lines {
        [] => Sha256::digest([]).into(),
        [line] => tree::leaf(line),
        lines => {
            let left = lines.len().next_power_of_two() / 2;
            tree::parent(&root(&lines[..left]), &root(&lines[left..]))
        }
    }
}

/// A statement of a made-up ledger takes little memory: a longer line, or one with more extents
/// than a ledger writes, is no statement.
#[test]
fn a_statement_has_no_more_than_a_ledger_writes() {
    let statement = |extents: usize, bytes: usize| {
        let extents = vec![r#"{"chain":"","first":0,"last":0,"run":"","seg":0}"#; extents].join(",");
        let start = format!(
            r#"{{"ledger":"file","number":1,"file":"","records":0,"bytes":0,"stored_bytes":0,"sha256":"","root":"","from":0,"to":0,"closed":0,"extents":[{extents}],"more":""#
        );
        let more = bytes.saturating_sub(start.len() + 2);
        start + &"x".repeat(more) + "\"}"
    };
    for (extents, bytes, is_read) in
        [(0, 0, true), (12_288, 0, true), (12_289, 0, false), (0, 8 << 20, true), (0, (8 << 20) + 1, false)]
    {
        let line = statement(extents, bytes);
        assert_eq!(manifest::read(line.as_bytes()).is_some(), is_read, "{extents} {bytes}");
    }
}

#[test]
fn retention_deletes_the_oldest_and_leaves_tombstones() {
    let directory = directory();
    let settings = Settings { keep_bytes: Some(3000), ..small() };
    let mut filter = Filter::new(1);
    let mut ledger = open(&directory, &settings);
    for first in 0..20 {
        ledger.store(TAG, &chunk(&filter.seal(&plain(10 * first, 10)))).expect("stored");
    }
    let statements: Vec<Statement> = text(&directory.path().join(manifest::FILE_NAME))
        .lines()
        .map(|line| manifest::read(line.as_bytes()).expect("a statement"))
        .collect();
    let mut kept: Vec<(u64, u64)> = Vec::new();
    for statement in &statements {
        match statement {
            Statement::File(manifest) => kept.push((manifest.number, manifest.stored_bytes)),
            Statement::Deleted(tombstone) => {
                assert_eq!(kept.remove(0).0, tombstone.number);
                assert_eq!(tombstone.by, "keep_size");
            }
        }
    }
    let files = names(&directory).into_iter().filter(|name| name.ends_with(".zst")).count();
    assert_eq!(files, kept.len());
    assert!(kept.iter().map(|(_, bytes)| bytes).sum::<u64>() <= 3000 && kept.len() < 19);
    drop(ledger);
    open(&directory, &settings);
    assert_eq!(names(&directory).into_iter().filter(|name| name.ends_with(".zst")).count(), kept.len());
}

/// Simulates a crash between any two steps of closing a file.
#[test]
fn closing_is_finished_or_begun_anew() {
    let directory = directory();
    let mut filter = Filter::new(1);
    let sealed = filter.seal(&plain(0, 40));
    open(&directory, &small()).store(TAG, &chunk(&sealed[..20])).expect("stored");
    let path = |name: &str| directory.path().join(name);
    let active = fs::read(path("00000001.ndjson")).expect("read");
    let journal = fs::read(path("ledger.intents")).expect("read");
    open(&directory, &small()).store(TAG, &chunk(&sealed[20..])).expect("stored");
    let closed = fs::read(path("00000001.ndjson.zst")).expect("read");

    // The manifest is written, and the old file still exists.
    fs::write(path("00000001.ndjson"), &active).expect("written");
    open(&directory, &small());
    assert!(!path("00000001.ndjson").exists());

    // Neither the manifest nor the next file exists.
    fs::write(path("00000001.ndjson"), &active).expect("written");
    fs::write(path(manifest::FILE_NAME), "").expect("written");
    fs::write(path("ledger.intents"), journal).expect("written");
    fs::remove_file(path("00000002.ndjson")).expect("removed");
    fs::write(path("00000001.ndjson.zst"), &closed[..closed.len() / 2]).expect("written");
    let mut ledger = open(&directory, &small());
    ledger.store(TAG, &chunk(&sealed)).expect("stored");
    assert_eq!(fs::read(path("00000001.ndjson.zst")).expect("read"), closed);
    drop(ledger);
    assert_eq!(records(&directory).len(), 40);
}

#[test]
fn a_file_without_its_manifest_is_not_written_over() {
    let directory = directory();
    let mut ledger = open(&directory, &small());
    for first in [0, 20] {
        ledger.store(TAG, &chunk(&plain(first, 20))).expect("stored");
    }
    drop(ledger);
    fs::write(directory.path().join(manifest::FILE_NAME), "").expect("written");
    let failed = flb_audit_ledger::Ledger::open(directory.path(), small(), None);
    let what = failed.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(what.contains("00000001.ndjson.zst: not in manifests.ndjson"), "{what}");
}

#[test]
fn what_is_not_as_it_was_sealed_does_not_stand_for_what_is() {
    let directory = directory();
    let sealed = Filter::new(1).seal(&plain(0, 2));
    let mut altered = sealed.clone();
    altered[1]["text"] = "y".into();
    for records in [&altered, &sealed, &altered, &sealed] {
        let mut ledger = open(&directory, &Settings::default());
        ledger.store(TAG, &chunk(records)).expect("stored");
    }
    let held: Vec<serde_json::Value> =
        records(&directory).iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let [first, second, third] = &held[..] else { panic!("{held:?}") };
    assert_eq!([first, third], [&sealed[0], &sealed[1]]);
    // An altered record is ordinary data.
    assert_eq!((&second["text"], &second["audit_"]), (&altered[1]["text"], &altered[1]["audit"]));
}

/// The doctor's tests check that it knows the properties of the page.
#[test]
fn each_property_is_on_the_page() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/output.md");
    let page = fs::read_to_string(page).expect("the page");
    for (name, _) in PROPERTIES {
        assert!(page.contains(&format!("\n| `config.{name}` |")), "{name}");
    }
}
