//! Opens a ledger with very many closed files. The test has a process of its own, whose
//! memory is measured.

use flb_audit_core::chain::state::{FILE_NAME, Slot, slot_offset};
use flb_audit_core::chain::{Chain, ChainId, GENESIS, Place, Run, anchor, keyring};
use flb_audit_core::hash::Algorithm;
use flb_audit_core::record::notes::Notes;
use flb_audit_core::{Event, Sealer};
use flb_audit_ledger::manifest::{self, Extent, Manifest, Statement, Tombstone, closed_name};
use ledger_fixtures::{chunk, plain, schedule, settings};
use serde_json::json;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

const MEGABYTES_MAX: u64 = 48;

/// Seals a ledger's statements.
struct Statements {
    sealer: Sealer<'static>,
    out: BufWriter<File>,
}

impl Statements {
    fn new(directory: &Path) -> Statements {
        let next = Place { segment: 1, run: Run::from_random([9; 6]), sequence: 0 };
        let id = ChainId::from_random([7; 9]);
        let chain = Chain { id, algorithm: Algorithm::Sha512_256, next, head: GENESIS, link: None };
        let sealer = Sealer::new(chain, Notes::NONE, None).expect("a sealer");
        let out = BufWriter::new(File::create(directory.join(manifest::FILE_NAME)).expect("made"));
        Statements { sealer, out }
    }

    fn state(&mut self, statement: &Statement) {
        let text = serde_json::to_vec(statement).expect("JSON");
        let (tag, record_len) = (manifest::TAG.as_bytes(), text.len());
        let event = Event { tag, seconds: 1, nanoseconds: 0, record: Some(&text), record_len };
        let sealed = self.sealer.seal_own(&event);
        self.out.write_all(&sealed[..sealed.len() - 1]).expect("written");
        self.out.write_all(b"\n").expect("written");
    }

    fn finish(mut self, directory: &Path) {
        self.out.flush().expect("written");
        let mut state = fs::read(directory.join(FILE_NAME)).expect("a state");
        let slot = Slot::of(self.sealer.chain(), 0).to_bytes();
        let at = slot_offset(0) as usize;
        state[at..at + slot.len()].copy_from_slice(&slot);
        fs::write(directory.join(FILE_NAME), state).expect("written");
    }
}

fn manifest(number: u64) -> Manifest {
    let life = flb_audit_core::chain::Life {
        chain: ChainId::from_random([1; 9]),
        segment: 1,
        run: Run::from_random([1; 6]),
    };
    let hash = "A".repeat(43);
    let extent = Extent {
        chain: life.chain.to_string(),
        seg: life.segment,
        run: life.run.to_string(),
        first: number * 10,
        last: number * 10 + 9,
        prev: Some(hash.clone()),
        head: Some(hash.clone()),
        signed: None,
        link: None,
        notes: None,
        keys: None,
        inner: None,
    };
    Manifest {
        number,
        file: closed_name(number),
        records: 10,
        bytes: 4000,
        stored_bytes: 1000,
        sha256: format!("{number:064x}"),
        root: hash,
        from: number,
        to: number,
        closed: number,
        extents: vec![extent],
        loose: 0,
        damaged: None,
    }
}

/// Returns the peak memory of this process, in KiB. Returns 0 if the system does not tell
/// it.
fn resident_max() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse().ok()).unwrap_or_default()
}

/// Resets the peak memory, and returns the current memory.
fn resident() -> u64 {
    // If the peak cannot be reset, the test only allows more.
    let _ = fs::write("/proc/self/clear_refs", "5");
    resident_max()
}

/// Returns a number from the environment, so that larger ledgers can be tried by hand.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|count| count.parse().ok()).unwrap_or(default)
}

/// Less than a component's 64 MiB is enough. All of it is one test, because memory is
/// measured per process.
#[test]
fn memory_is_bounded() {
    closed_files_in_any_number();
    chains_in_any_number();
}

/// A ledger opens in short calls, however many files were closed.
fn closed_files_in_any_number() {
    let (count, deleted) = (number("CLOSED", 80_000), number("DELETED", 10_000));
    let directory = ledger_fixtures::directory();
    for name in [keyring::FILE_NAME, anchor::FILE_NAME] {
        fs::remove_file(directory.path().join(name)).expect("removed");
    }
    let mut statements = Statements::new(directory.path());
    for number in 1..=count {
        let manifest = manifest(number);
        statements.state(&Statement::File(manifest.clone()));
        if number <= deleted {
            let Manifest { number, file, sha256, records, .. } = manifest;
            let by = "keep_age".to_owned();
            statements.state(&Statement::Deleted(Tombstone { number, file, sha256, records, by }));
        }
    }
    statements.finish(directory.path());
    let bytes = fs::metadata(directory.path().join(manifest::FILE_NAME)).expect("there").len();
    let (start, before) = (Instant::now(), resident());
    let mut ledger = ledger_fixtures::open(&directory, &settings(&[("file_size", "1k")]));
    let (mut calls, mut longest) = (1, start.elapsed());
    let mut store = |at: u32| {
        let call = Instant::now();
        let stored = ledger.store(ledger_fixtures::TAG, &chunk(&plain(at * 10, 10)));
        (calls, longest) = (calls + 1, longest.max(call.elapsed()));
        stored
    };
    while let Err(error) = store(0) {
        assert!(error.to_string().contains("is being read"), "{error}");
    }
    let (all, more) = (start.elapsed(), (resident_max() - before) >> 10);
    for at in 1..10 {
        store(at).expect("stored");
    }
    println!(
        "{count} closed files, {deleted} deleted, {} MB: {all:.1?}, in {calls} calls of {longest:.1?} at most; \
         {more} MB more",
        bytes >> 20
    );
    let names = ledger_fixtures::names(&directory);
    assert!(names.contains(&closed_name(count + 1)), "{names:?}");
    assert!(more < MEGABYTES_MAX, "{more} MB");
}

/// Stores records of very many chains, all of which are in the roster, and restarts on
/// them.
fn chains_in_any_number() {
    let count = number("CHAINS", 100_000) as u32;
    let directory = ledger_fixtures::directory();
    let chain = |at: u32| {
        ChainId::from_random([&at.to_be_bytes()[..], &[5; 5]].concat().try_into().expect("9 bytes"))
    };
    let chains: Vec<ChainId> = (0..count).map(chain).collect();
    ledger_fixtures::believe(directory.path(), &chains);
    let seal = |(number, id): (u64, &ChainId)| {
        let next = Place { segment: 1, run: Run::from_random([1; 6]), sequence: 0 };
        let algorithm = Algorithm::Sha512_256;
        let chain = Chain { id: *id, algorithm, next, head: GENESIS, link: None };
        let mut sealer = Sealer::new(chain, Notes::NONE, None).expect("a sealer");
        schedule::seal_one(&mut sealer, &json!({ "number": number }), false)
    };
    let chunks: Vec<Vec<u8>> = chains
        .chunks(1000)
        .zip(0..)
        .map(|(chains, at)| chunk(&(1000 * at..).zip(chains).map(seal).collect::<Vec<_>>()))
        .collect();
    let before = resident();
    let mut ledger = ledger_fixtures::open(&directory, &settings(&[("file_size", "64M")]));
    chunks.iter().for_each(|chunk| ledger.store(ledger_fixtures::TAG, chunk).expect("stored"));
    drop(ledger);
    let mut ledger = ledger_fixtures::open(&directory, &settings(&[("file_size", "64M")]));
    // The oldest are forgotten, and would be stored again.
    chunks.iter().rev().take(3).for_each(|chunk| ledger.store(ledger_fixtures::TAG, chunk).expect("stored"));
    let more = (resident_max() - before) >> 10;
    println!("{count} chains: {more} MB more");
    let doubted = ledger.take_lines().into_iter().find(|(_, line)| line.contains("redacted"));
    assert_eq!(doubted, None);
    assert_eq!(ledger_fixtures::numbers(&directory).len(), count as usize);
    assert!(more < MEGABYTES_MAX, "{more} MB");
}
