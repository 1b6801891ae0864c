//! Retention: the files that are deleted, and the time at which they are.

use crate::trust::{small, statements};
use flb_audit_core::Sealer;
use flb_audit_core::chain::{Chain, Link, Place};
use flb_audit_core::record::notes::Notes;
use flb_audit_ledger::manifest::{self, Statement};
use flb_audit_ledger::{Clock, Ledger, Settings};
use ledger_fixtures::{TAG, chunk, directory, names, plain, reseal, schedule};
use serde_json::{Value, json};
use std::cell::Cell;
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// A clock that tests set.
#[derive(Clone)]
struct Time {
    wall: Rc<Cell<u64>>,
    monotonic: Rc<Cell<u64>>,
}

impl Time {
    fn new() -> Time {
        Time { wall: Rc::new(Cell::new(1_800_000_000)), monotonic: Rc::new(Cell::new(0)) }
    }

    fn pass(&self, seconds: u64) {
        self.wall.set(self.wall.get() + seconds);
        self.monotonic.set(self.monotonic.get() + seconds);
    }

    fn jump(&self, seconds: i64) {
        self.wall.set(self.wall.get().saturating_add_signed(seconds));
    }

    fn open(&self, directory: &TempDir, settings: &Settings) -> Ledger {
        let Time { wall, monotonic } = self.clone();
        let clock = Clock {
            wall: Box::new(move || SystemTime::UNIX_EPOCH + Duration::from_secs(wall.get())),
            monotonic: Box::new(move || Duration::from_secs(monotonic.get())),
        };
        Ledger::open_with(directory.path(), settings.clone(), None, clock).expect("opened")
    }
}

fn closed(directory: &TempDir) -> usize {
    names(directory).into_iter().filter(|name| name.ends_with(".zst")).count()
}

const YEAR: i64 = 365 * 86_400;

#[test]
fn a_jump_of_the_clock_deletes_nothing() {
    for is_restarted in [false, true] {
        let directory = directory();
        let settings = Settings { keep_age: Some(Duration::from_secs(90 * 86_400)), ..small() };
        let time = Time::new();
        let mut ledger = time.open(&directory, &settings);
        for at in 0..10 {
            ledger.store(TAG, &chunk(&plain(20 * at, 20))).expect("stored");
            time.pass(900);
        }
        if is_restarted {
            ledger = time.open(&directory, &settings);
        }
        time.jump(YEAR);
        for at in 10..15 {
            ledger.store(TAG, &chunk(&plain(20 * at, 20))).expect("stored");
            time.pass(1);
        }
        time.jump(-YEAR);
        ledger.store(TAG, &chunk(&plain(900, 20))).expect("stored");
        assert_eq!(closed(&directory), 15, "restarted: {is_restarted}");
        let warned = ledger.take_lines().into_iter().any(|(_, line)| line.contains("is past keep_age"));
        assert_eq!(warned, is_restarted);
    }
}

/// The clock stays ahead. After an hour, files are deleted as slowly as they were closed.
#[test]
fn files_go_as_slowly_as_they_were_closed() {
    let directory = directory();
    let settings = Settings { keep_age: Some(Duration::from_secs(90 * 86_400)), ..small() };
    let time = Time::new();
    let mut ledger = time.open(&directory, &settings);
    for at in 0..11 {
        ledger.store(TAG, &chunk(&plain(20 * at, 20))).expect("stored");
        time.pass(900);
    }
    let mut ledger = time.open(&directory, &settings);
    time.jump(YEAR);
    let mut left = Vec::new();
    for at in 0..8 {
        ledger.store(TAG, &chunk(&[json!({"number": 1000 + at})])).expect("stored");
        left.push(closed(&directory));
        time.pass(900);
    }
    assert_eq!(left, [11, 11, 11, 11, 10, 9, 8, 7]);
}

#[test]
fn what_is_old_in_this_run_is_deleted() {
    let directory = directory();
    let settings = Settings { keep_age: Some(Duration::from_secs(1000)), ..small() };
    let time = Time::new();
    let mut ledger = time.open(&directory, &settings);
    for at in 0..10 {
        ledger.store(TAG, &chunk(&plain(20 * at, 20))).expect("stored");
        time.pass(300);
    }
    assert_eq!(closed(&directory), 4);
}

/// A chunk of an ended life comes after the first record of the next life, which is the
/// checkpoint that covers it.
#[test]
fn a_checkpoint_goes_with_the_records_that_it_covers() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut first, ring) = schedule::filter();
    schedule::set_up(directory.path(), &ring);
    let life: Vec<Value> = plain(0, 40)
        .iter()
        .enumerate()
        .map(|(at, record)| schedule::seal_one(&mut first, record, at == 0))
        .collect();
    let before = first.chain().clone();
    let link = Link { place: Place { sequence: 39, ..before.next }, unsettled: None };
    let next = Place { segment: 2, run: before.next.run, sequence: 0 };
    let chain = Chain { next, link: Some(link), ..before };
    let mut second = Sealer::new(chain, Notes::NONE, None).expect("a sealer");
    second.set_signer(ring.signer().unwrap_or_else(|_| panic!("no key"))).expect("memory");
    let later: Vec<Value> = plain(40, 260)
        .iter()
        .enumerate()
        .map(|(at, record)| schedule::seal_one(&mut second, record, at % 20 == 0))
        .collect();
    let settings = Settings { keep_bytes: Some(10_000), ..small() };
    let mut ledger = Ledger::open(directory.path(), settings, None).expect("opened");
    let is_here = |number: u64| directory.path().join(manifest::closed_name(number)).exists();
    let first = [&life[..20], &later[..10], &life[20..], &later[10..20]];
    for records in first.into_iter().chain(later[20..].chunks(20)) {
        ledger.store(TAG, &chunk(records)).expect("stored");
        // File 2 has the checkpoint that covers the records in file 3.
        assert!(is_here(2) || !is_here(3), "{:?}", names(&directory));
    }
    assert!(!is_here(3), "{:?}", names(&directory));
    assert!(statements(&directory).iter().any(|statement| matches!(statement, Statement::Deleted(_))));
}

/// A chain with a checkpoint at every 20th record, and a ledger's directory that trusts
/// it. Each part of 20 records becomes a file.
struct Parts {
    directory: TempDir,
    parts: Vec<Vec<Value>>,
}

impl Parts {
    fn new(count: u32) -> Parts {
        let directory = tempfile::tempdir().expect("a directory");
        let (mut sealer, ring) = schedule::filter();
        schedule::set_up(directory.path(), &ring);
        let mut seal = |part| {
            let signed = |(at, record)| schedule::seal_one(&mut sealer, record, at == 0);
            plain(20 * part, 20).iter().enumerate().map(signed).collect::<Vec<_>>()
        };
        Parts { directory, parts: (0..count).map(&mut seal).collect() }
    }

    /// Returns the numbers of the closed files, and the sum of their lengths.
    fn kept(&self) -> (Vec<u64>, u64) {
        let is_closed = |name: &String| name.ends_with(".ndjson.zst");
        let names: Vec<String> = names(&self.directory).into_iter().filter(is_closed).collect();
        let len = |name| self.directory.path().join(name).metadata().expect("a file").len();
        let number = |name: &String| name[..8].parse().expect("a number");
        (names.iter().map(number).collect(), names.iter().map(len).sum())
    }

    fn has(&self, number: u64) -> bool {
        self.kept().0.contains(&number)
    }

    /// Returns an intact record that was never sealed: record 1 of another run of the
    /// first segment.
    fn forged(&self, text: usize) -> Value {
        let mut record = self.parts[0][1].clone();
        record["audit"]["run"] = json!("------");
        record["text"] = json!(text);
        reseal(std::slice::from_mut(&mut record), 0);
        record
    }
}

/// Clients send records of early places of a chain: forged ones, or sealed ones whose
/// file was deleted, which the next file continues. Files are still deleted in their
/// order, and no more is kept than `keep_size` says.
#[test]
fn no_client_keeps_a_file_in_place_of_newer_ones() {
    const KEEP: u64 = 30_000;
    type Case = (&'static str, fn(&Parts, usize) -> Vec<Value>);
    let cases: [Case; 3] = [
        ("honest", |_, _| Vec::new()),
        ("forged", |parts, at| vec![parts.forged(at)]),
        ("again", |parts, _| {
            let oldest = parts.kept().0.first().map_or(0, |oldest| *oldest as usize);
            oldest.checked_sub(2).map(|deleted| parts.parts[deleted][19].clone()).into_iter().collect()
        }),
    ];
    for (name, records) in cases {
        let parts = Parts::new(30);
        let settings = Settings { keep_bytes: Some(KEEP), ..small() };
        let mut ledger = Ledger::open(parts.directory.path(), settings, None).expect("opened");
        for (at, part) in parts.parts.iter().enumerate() {
            let records = [&records(&parts, at)[..], part].concat();
            ledger.store(TAG, &chunk(&records)).expect("stored");
            let (numbers, bytes) = parts.kept();
            assert!(bytes <= KEEP, "{name}: {bytes}");
            assert!(numbers.windows(2).all(|two| two[1] == two[0] + 1), "{name}: {numbers:?}");
        }
        let (numbers, bytes) = parts.kept();
        assert!(numbers[0] > 3 && numbers[numbers.len() - 1] >= 29, "{name}: {numbers:?}");
        assert!(numbers.len() > 3 && bytes > KEEP / 2, "{name}: {numbers:?}");
    }
}

/// A part came late, after the part that continues it. Its file and the one with the
/// checkpoint that covers it are deleted together.
#[test]
fn files_that_need_each_other_go_together() {
    let mut parts = Parts::new(40);
    parts.parts.swap(1, 2);
    let settings = Settings { keep_bytes: Some(30_000), ..small() };
    let mut ledger = Ledger::open(parts.directory.path(), settings, None).expect("opened");
    for (at, part) in parts.parts.iter().enumerate() {
        ledger.store(TAG, &chunk(part)).expect("stored");
        if at > 3 {
            assert_eq!(parts.has(2), parts.has(3), "{:?}", parts.kept());
        }
    }
    assert!(!parts.has(2) && parts.has(39), "{:?}", parts.kept());
}

/// With `keep_age`, a file waits for the later one that needs it, by a quarter of that
/// time at the most.
#[test]
fn a_file_waits_for_the_one_that_needs_it() {
    const KEEP: u64 = 1000;
    // The index of the part with which the end of the first part comes, and how long
    // file 2, which continues it, is kept.
    let cases: [(usize, RangeInclusive<u64>); 3] =
        [(0, KEEP..=KEEP + 100), (2, KEEP + 100..=KEEP + 200), (8, KEEP + 250..=KEEP + 350)];
    for (late, expected) in cases {
        let mut parts = Parts::new(20);
        let end = parts.parts[0].split_off(10);
        parts.parts[late].extend(end);
        let settings = Settings { keep_age: Some(Duration::from_secs(KEEP)), ..small() };
        let time = Time::new();
        let mut ledger = time.open(&parts.directory, &settings);
        let mut deleted = None;
        for (at, part) in (0_u64..).zip(&parts.parts) {
            ledger.store(TAG, &chunk(part)).expect("stored");
            if at > 2 && !parts.has(2) {
                // File 2 was closed at 200 seconds.
                deleted = deleted.or(Some(at * 100 - 200));
            }
            time.pass(100);
        }
        assert!(deleted.is_some_and(|at| expected.contains(&at)), "{late}: {deleted:?}");
    }
}
