//! Random lives of a filter: kills before and within any operation on a file, full disks,
//! operations that fail, reloads, jumping clocks, copies of the state directory that are
//! restored, and other filters on the directory or on a copy of it.

use flb_audit_core::chain::{anchor, keyring, state};
use flb_audit_host::filter::{Clock, Fault, Faults, Generation, Host, Limits};
use host_tests::guest::FILTER;
use host_tests::program::run_in;
use ledger_fixtures::schedule::Random;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const SECOND: u64 = 1_000_000_000;
const YEAR: i64 = 365 * 86_400;
const STEPS: u32 = 40;
/// The files of a state directory.
const FILES: [&str; 3] = [state::FILE_NAME, keyring::FILE_NAME, anchor::FILE_NAME];
/// The name of the file that keeps other filters from changing keys.
const LOCK: &str = "chain.lock";

/// The faults of a schedule, apart from kills, reloads and jumping clocks, which all
/// schedules have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Kills,
    /// The disk is full, or nothing can be written or synced.
    Disk,
    /// No operation on files succeeds, not even reading.
    Broken,
    /// Outputs give chunks up.
    Outputs,
    /// Copies of the state directory are restored.
    Restored,
    /// A second filter writes the same state directory.
    Shared,
    /// A second filter writes a copy of the state directory.
    Cloned,
}

impl Kind {
    pub(super) const ALL: [Kind; 7] =
        [Kind::Kills, Kind::Disk, Kind::Broken, Kind::Outputs, Kind::Restored, Kind::Shared, Kind::Cloned];
}

/// A filter that has lived through a schedule.
pub(super) struct Lived {
    /// The directory with `log.ndjson`, `roster.json`, and `anchors.ndjson`.
    pub(super) directory: TempDir,
    pub(super) has_anchors: bool,
    pub(super) kind: Kind,
    pub(super) generation: Generation,
    /// The number of different records that came out.
    pub(super) delivered: usize,
    /// The number of records that the filters were called with.
    pub(super) called: usize,
    /// The events, in order.
    pub(super) happened: Vec<String>,
}

struct Node<'a> {
    random: Random,
    home: &'a Path,
    kind: Kind,
    generation: Generation,
    clock: Clock,
    faults: Faults,
    /// The filters, each with its state directory.
    filters: Vec<(Host<'static>, PathBuf)>,
    /// Time since the machine started, in seconds, and the processor time of it that the
    /// engine's thread has used, in percent.
    now: u64,
    started: u64,
    load: u64,
    wall: u32,
    /// The number of the next line of the input.
    next: u64,
    /// Lines that the input reads again.
    again: Vec<u64>,
    /// Chunks of sealed records in Fluent Bit's storage.
    stored: Vec<Vec<Vec<u8>>>,
    is_on_disk: bool,
    copies: Vec<Vec<(&'static str, Vec<u8>)>>,
    log: Vec<u8>,
    delivered: BTreeSet<Vec<u8>>,
    anchors: Vec<u8>,
    called: usize,
    happened: Vec<String>,
}

/// Makes the state directory `state` and a roster.
pub(super) fn init(home: &Path) {
    let made = run_in(&["init", "state", "--node", "n", "--roster", "roster.json"], home);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// Runs the schedule of this number.
pub(super) fn live(seed: u64) -> Lived {
    let directory = tempfile::tempdir().expect("a directory");
    let home = directory.path();
    init(home);
    let mut random = Random::new(seed);
    let kind = Kind::ALL[random.below(Kind::ALL.len() as u64) as usize];
    let generation = Generation::ALL[random.below(3) as usize];
    let load = [0, 20, 99][random.below(3) as usize];
    let is_on_disk = random.below(2) == 0;
    let has_anchors = random.below(3) == 0;
    let mut node = Node {
        random,
        home,
        kind,
        generation,
        clock: Clock::default(),
        faults: Faults::default(),
        filters: Vec::new(),
        now: 1000,
        started: 1000,
        load,
        wall: 1_795_161_600,
        next: 0,
        again: Vec::new(),
        stored: Vec::new(),
        is_on_disk,
        copies: Vec::new(),
        log: Vec::new(),
        delivered: BTreeSet::new(),
        anchors: Vec::new(),
        called: 0,
        happened: Vec::new(),
    };
    node.start(home.join("state"));
    (0..STEPS).for_each(|_| node.step());
    node.end();
    let Node { log, anchors, delivered, called, happened, .. } = node;
    fs::write(home.join("log.ndjson"), log).expect("written");
    fs::write(home.join("anchors.ndjson"), anchors).expect("written");
    let delivered = delivered.len();
    Lived { has_anchors, kind, generation, delivered, called, happened, directory }
}

impl Node<'_> {
    fn start(&mut self, directory: PathBuf) {
        let limits = Limits {
            directory: Some(directory.clone()),
            clock: Some(self.clock.clone()),
            faults: Some(self.faults.clone()),
            ..Limits::default()
        };
        self.filters.push((FILTER.host(self.generation, limits), directory));
    }

    fn chance(&mut self, of: u64) -> bool {
        self.random.below(of) == 0
    }

    fn step(&mut self) {
        if self.filters.len() == 1 && self.chance(8) {
            match self.kind {
                Kind::Shared => self.start(self.home.join("state")),
                Kind::Cloned => {
                    let clone = self.home.join("clone");
                    fs::create_dir(&clone).expect("made");
                    write_copy(&clone, &copy_of(&self.home.join("state")));
                    self.start(clone);
                }
                _ => {}
            }
        }
        match self.random.below(4) {
            0 => {
                let fault = [Fault::Kill, Fault::KillInWrite][self.random.below(2) as usize];
                self.inject(fault);
            }
            1 if self.kind == Kind::Disk => {
                let all = [Fault::Full, Fault::Unsynced, Fault::Unwritten, Fault::Unsure];
                let fault = all[self.random.below(4) as usize];
                self.inject(fault);
            }
            1 if self.kind == Kind::Broken => self.inject(Fault::Broken),
            _ => {}
        }
        let filter = self.random.below(self.filters.len() as u64) as usize;
        if self.batch(filter) && self.chance(2) {
            self.faults.end();
        }
        self.pass_time();
        self.deliver();
        match self.random.below(16) {
            0 => self.kill("between two chunks"),
            1 => self.reload(),
            2 => self.copies.push(copy_of(&self.filters[0].1)),
            3 if self.kind == Kind::Restored && !self.copies.is_empty() => self.restore(),
            _ => {}
        }
    }

    fn inject(&mut self, fault: Fault) {
        let operations = self.random.below(30);
        self.happened.push(format!("record {}: {fault:?} after {operations} operations", self.called));
        self.faults.inject(operations, fault);
    }

    /// Passes a chunk's records to a filter. Returns false if Fluent Bit was killed.
    fn batch(&mut self, filter: usize) -> bool {
        let count = if self.chance(40) { 1100 } else { 1 + self.random.below(8) };
        let mut numbers = std::mem::take(&mut self.again);
        numbers.extend(self.next..self.next + count);
        self.next += count;
        self.set_clock();
        let mut lines = Vec::new();
        for &number in &numbers {
            self.called += 1;
            let record = format!("{{\"number\":{number}}}");
            let (host, _) = &mut self.filters[filter];
            let outcome = host.call_bytes(b"some.tag", self.wall, 0, record.as_bytes()).expect("a call");
            match outcome.trap {
                None => lines.push(outcome.returned.expect("a record")),
                Some(trap) => {
                    assert!(trap.contains("killed"), "{trap}");
                    self.read_anchors();
                    self.kill("in a chunk");
                    // Fluent Bit may have saved how far it had read.
                    if self.chance(2) {
                        self.again = numbers;
                    }
                    return false;
                }
            }
        }
        self.filters[filter].0.end_chunk();
        self.read_anchors();
        self.stored.push(lines);
        true
    }

    /// Keeps the last checkpoint elsewhere.
    fn read_anchors(&mut self) {
        let file = fs::read(self.home.join("state").join(anchor::FILE_NAME)).expect("read");
        if let Some((_, line)) = anchor::from_file(&file) {
            let line = [line.trim_ascii_end(), b"\n"].concat();
            if !self.anchors.ends_with(&line) {
                self.anchors.extend(line);
            }
        }
    }

    fn set_clock(&self) {
        self.clock.set(self.now * SECOND);
        self.clock.set_used((self.now - self.started) * SECOND / 100 * self.load);
    }

    fn pass_time(&mut self) {
        let limit = [3, 40, 2000][self.random.below(3) as usize];
        let seconds = self.random.below(limit);
        self.now += seconds;
        let jump = match self.random.below(12) {
            0 => YEAR,
            1 => -YEAR,
            _ => 0,
        };
        self.wall = self.wall.saturating_add_signed((seconds as i64 + jump) as i32).max(1_600_000_000);
    }

    /// Delivers chunks, some of them late, and some twice.
    fn deliver(&mut self) {
        for _ in 0..self.random.below(4) {
            if self.stored.is_empty() {
                return;
            }
            let late = if self.chance(3) { self.random.below(self.stored.len() as u64) as usize } else { 0 };
            let chunk = self.stored.remove(late);
            if self.kind == Kind::Outputs && self.chance(10) {
                self.lose(&chunk, "an output gives a chunk up");
                continue;
            }
            for _ in 0..=u32::from(self.chance(10)) {
                for line in &chunk {
                    self.log.extend(line);
                    self.log.push(b'\n');
                }
            }
            self.delivered.extend(chunk);
        }
    }

    fn lose(&mut self, chunk: &[Vec<u8>], why: &str) {
        self.happened.push(format!("record {}: {why}: {} records", self.called, chunk.len()));
    }

    fn kill(&mut self, when: &str) {
        self.faults.end();
        self.happened.push(format!("record {}: killed {when}", self.called));
        if !self.is_on_disk {
            for chunk in std::mem::take(&mut self.stored) {
                self.lose(&chunk, "killed with a chunk in memory");
            }
        }
        self.restart();
        if self.chance(6) {
            self.happened.push("the machine restarts".to_owned());
            self.now = self.random.below(100);
        }
        self.started = self.now;
    }

    fn reload(&mut self) {
        self.faults.end();
        self.happened.push(format!("record {}: reload", self.called));
        self.restart();
        self.started = self.now;
    }

    fn restart(&mut self) {
        for (host, directory) in &mut self.filters {
            host.restart();
            // The next filter waits a second or two and then removes the lock itself.
            let _ = fs::remove_file(directory.join(LOCK));
        }
    }

    fn restore(&mut self) {
        self.kill("and an older state directory is restored");
        let copy = self.copies[self.random.below(self.copies.len() as u64) as usize].clone();
        let files = if self.chance(2) { 1 } else { copy.len() };
        write_copy(&self.filters[0].1, &copy[..files]);
    }

    /// Everything that is stored comes out.
    fn end(&mut self) {
        self.faults.end();
        for filter in 0..self.filters.len() {
            self.batch(filter);
        }
        while !self.stored.is_empty() {
            self.deliver();
        }
    }
}

fn copy_of(directory: &Path) -> Vec<(&'static str, Vec<u8>)> {
    FILES.map(|name| (name, fs::read(directory.join(name)).expect("read"))).into()
}

fn write_copy(directory: &Path, files: &[(&'static str, Vec<u8>)]) {
    for (name, bytes) in files {
        fs::write(directory.join(name), bytes).expect("written");
    }
}
