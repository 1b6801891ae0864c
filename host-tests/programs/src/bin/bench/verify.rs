//! `flb-audit verify` and `merge`: their speed next to rivals and to `sha256sum`, the merge of
//! many parts, their memory, and the cost of 10^10 records.
//!
//! All figures are from one run on one machine. A rival is measured if PATH has it: the
//! program `mmhashchainsigs-verify`, and a `python3` with the package `witness-log`.

use crate::lives::{write_chains, write_lives};
use crate::{children_user_seconds, is_success, rivals, wait_with_memory};
use anyhow::{Context, Result, ensure};
use flb_audit_host::filter::{Filter, Generation, Limits};
use flb_audit_host::stream::Call;
use host_tests::root;
use host_tests::s3::{REMEDY, Server};
use std::fmt;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

/// The number of records of the log.
pub(crate) const RECORDS: usize = 1_000_000;
/// The number of turns for speeds. The best one counts.
const TURNS: usize = 3;
/// The number of objects in the store.
const OBJECTS: usize = 16;
/// The number of parts that are merged, with a hundred records each.
const PARTS: usize = 10_000;
/// The number of segments of one record.
const SEGMENTS: usize = 300_000;
/// The number of chains in one input, with a hundred records each.
const CHAINS: usize = 10_000;
/// The machine whose price counts, which has two cores, and its price for an hour in US
/// dollars.
const MACHINE: (&str, f64) = ("c6i.large", 0.085);
/// The number of records that the cost is for.
const COST_RECORDS: f64 = 1e10;

/// The cost of a run, or the best of several.
pub(crate) struct Took {
    seconds: f64,
    user_seconds: f64,
    memory_kib: u64,
}

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Took { seconds, user_seconds, memory_kib } = self;
        write!(
            f,
            "{:.0} records a second ({seconds:.2} s, {user_seconds:.2} s of user CPU, {} MiB)",
            RECORDS as f64 / seconds,
            memory_kib >> 10
        )
    }
}

/// The directory of all that is measured.
struct Bench {
    dir: tempfile::TempDir,
}

pub(crate) fn measure(filter: &Filter, calls: &[Call]) -> Result<()> {
    let bench = Bench { dir: tempfile::tempdir()? };
    bench.write_log(filter, calls)?;
    let bytes = fs::metadata(bench.at("log"))?.len();
    println!(
        "{RECORDS} signed records of {} bytes, a checkpoint every 1024; {} cores; the best of {TURNS} turns",
        bytes / RECORDS as u64,
        thread::available_parallelism()?
    );
    for (name, is_cold) in [("from memory", false), ("from the disk", true)] {
        println!("verify, {name}: {}", bench.best(|| bench.verify(&["log"]), is_cold)?);
    }
    println!("verify, in any order: {}", bench.best(|| bench.verify(&["shuffled"]), false)?);
    let objects = bench.cut("object", OBJECTS)?;
    for name in &objects {
        run(bench.command("gzip", &["--keep", name]))?;
    }
    bench.store(&objects)?;
    let packed: Vec<String> = objects.iter().map(|name| format!("{name}.gz")).collect();
    let part = || {
        let mut part = bench.program("verify");
        part.args(["--part", "whole.part"]).args(&packed);
        part
    };
    let reading = bench.best(part, false)?;
    let part_bytes = fs::metadata(bench.at("whole.part"))?.len();
    println!(
        "verify --part, compressed: {reading}; {:.1} bytes a record",
        part_bytes as f64 / RECORDS as f64
    );
    println!("sha256sum: {}", bench.best(|| bench.command("sha256sum", &["log"]), false)?);
    rivals::measure(bench.dir.path(), calls)?;
    for name in objects.iter().chain(&packed) {
        fs::remove_file(bench.at(name))?;
    }
    let merging = bench.merge()?;
    cost(&reading, &merging);
    bench.memory()
}

/// Prints the cost of reading and merging very many records, by the user CPU, which other work
/// on the machine changes less than the time.
fn cost(reading: &Took, merging: &Took) {
    let (machine, price) = MACHINE;
    let hours = |took: &Took, cores: f64| COST_RECORDS / RECORDS as f64 * took.user_seconds / cores / 3600.0;
    // Parts are written independently of one another. A merge uses little more than one core.
    let (reading, merging) = (hours(reading, 2.0), hours(merging, 1.0));
    println!(
        "10^10 records, compressed, on machines of two cores ({machine}, {price} USD an hour): {reading:.1} hours and \
         {:.2} USD to read them into parts, {merging:.1} hours and {:.2} USD to merge these, without the price of the store \
         and the network",
        reading * price,
        merging * price
    );
}

impl Bench {
    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Seals the log, as a filter does, and writes it twice: in order and in any order.
    fn write_log(&self, filter: &Filter, calls: &[Call]) -> Result<()> {
        run(self.command(program(), &["init", "state", "--node", "bench", "--roster", "roster.json"]))?;
        let limits = Limits { directory: Some(self.at("state")), ..Limits::default() };
        let mut host = filter.host(Generation::Lasting, limits);
        let mut lines = Vec::new();
        for call in calls.iter().cycle().take(RECORDS) {
            lines.push(host.call(call)?.returned.context("the filter returned nothing")?);
        }
        write_lines(&self.at("log"), &lines)?;
        shuffle(&mut lines);
        write_lines(&self.at("shuffled"), &lines)
    }

    /// Returns a program that runs in the directory.
    fn command(&self, program: impl AsRef<Path>, arguments: &[&str]) -> Command {
        let mut command = Command::new(program.as_ref());
        command.current_dir(self.dir.path()).args(arguments);
        command
    }

    fn program(&self, command: &str) -> Command {
        self.command(program(), &[command])
    }

    fn verify(&self, logs: &[&str]) -> Command {
        let mut verify = self.program("verify");
        verify.args(["--roster", "roster.json"]).args(logs);
        verify
    }

    /// Runs a program several times. With `is_cold`, the log is not in memory when it starts.
    fn best(&self, command: impl Fn() -> Command, is_cold: bool) -> Result<Took> {
        best_of(|| {
            if is_cold {
                File::open(self.at("log"))?.sync_all()?;
                run(self.command("dd", &["if=log", "iflag=nocache", "count=0", "status=none"]))?;
            }
            run(command())
        })
    }

    /// Cuts the log into files with the same number of records. Returns their names.
    fn cut(&self, name: &str, count: usize) -> Result<Vec<String>> {
        let mut log = BufReader::new(File::open(self.at("log"))?);
        let mut line = Vec::new();
        let mut names = Vec::new();
        for number in 0..count {
            names.push(format!("{name}-{number}"));
            let mut file = BufWriter::new(File::create(self.at(&names[number]))?);
            for _ in 0..RECORDS / count {
                line.clear();
                log.read_until(b'\n', &mut line)?;
                file.write_all(&line)?;
            }
            file.flush()?;
        }
        Ok(names)
    }

    /// Verifies objects in a store on this machine, which shares its cores.
    fn store(&self, objects: &[String]) -> Result<()> {
        let Some(mut server) = Server::start()? else {
            println!("verify, from the S3 server: {REMEDY}");
            return Ok(());
        };
        server.bucket("logs", false, false)?;
        for (end, what) in [("", ""), (".gz", ", compressed")] {
            for name in objects {
                server.put("logs", &format!("all{end}/{name}{end}"), &self.at(&format!("{name}{end}")))?;
            }
            let address = format!("s3://logs/all{end}/");
            let verify = || {
                let mut verify = self.verify(&[&address]);
                verify.envs(server.environment());
                verify
            };
            println!("verify, from the S3 server{what}: {}", self.best(verify, false)?);
        }
        Ok(())
    }

    /// Writes many parts of the log, and merges them.
    fn merge(&self) -> Result<Took> {
        let logs = self.cut("small", PARTS)?;
        let cores = thread::available_parallelism()?.get();
        thread::scope(|scope| {
            let shares = logs.chunks(PARTS.div_ceil(cores)).map(|share| {
                scope.spawn(|| {
                    share.iter().try_for_each(|log| -> Result<()> {
                        let part = format!("{log}.part");
                        let mut verify = self.program("verify");
                        verify.args(["--part", &part, log]);
                        let status = verify.stdin(Stdio::null()).status()?;
                        ensure!(status.success(), "{verify:?}: {status}");
                        Ok(())
                    })
                })
            });
            let shares: Vec<_> = shares.collect();
            shares.into_iter().try_for_each(|share| share.join().expect("a thread"))
        })?;
        let parts: Vec<String> = logs.iter().map(|log| format!("{log}.part")).collect();
        let bytes: u64 =
            parts.iter().map(|part| Ok(fs::metadata(self.at(part))?.len())).sum::<Result<u64>>()?;
        let merge = || {
            let mut merge = self.program("merge");
            merge.args(["--roster", "roster.json"]).args(&parts);
            merge
        };
        let took = self.best(merge, false)?;
        println!("merge of {PARTS} parts: {took}; {:.1} bytes a record", bytes as f64 / RECORDS as f64);
        Ok(took)
    }

    /// Prints the memory that other logs take.
    fn memory(&self) -> Result<()> {
        let of = |arguments: &[&str]| -> Result<u64> {
            Ok(run(self.command(program(), &[&["verify"], arguments].concat()))?.memory_kib)
        };
        write_lives(&self.at("few"), SEGMENTS / 3)?;
        write_lives(&self.at("many"), SEGMENTS)?;
        let few = of(&["--roster", "few.roster", "few"])?;
        let many = of(&["--roster", "many.roster", "many"])?;
        let each = (many.saturating_sub(few) << 10) as f64 / (SEGMENTS - SEGMENTS / 3) as f64;
        println!(
            "verify, {SEGMENTS} signed segments of one record: {} MiB, {each:.0} bytes a segment",
            many >> 10
        );
        write_chains(&self.at("chains"), CHAINS, RECORDS / CHAINS)?;
        println!("verify, {CHAINS} chains in one input: {} MiB", of(&["chains"])? >> 10);
        Ok(())
    }
}

fn program() -> PathBuf {
    root().join("dist/flb-audit")
}

fn write_lines(path: &Path, lines: &[Vec<u8>]) -> Result<()> {
    let mut log = BufWriter::new(File::create(path)?);
    for line in lines {
        log.write_all(line)?;
        log.write_all(b"\n")?;
    }
    log.flush()?;
    Ok(())
}

/// Puts lines into an order that looks random and is the same in every run.
fn shuffle(lines: &mut [Vec<u8>]) {
    let mut state: u64 = 0x2545_f491_4f6c_dd1d;
    for at in (1..lines.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        lines.swap(at, (state % (at as u64 + 1)) as usize);
    }
}

/// Runs something several times. Returns the best times, and the most memory.
pub(crate) fn best_of(run: impl Fn() -> Result<Took>) -> Result<Took> {
    let mut best = Took { seconds: f64::INFINITY, user_seconds: f64::INFINITY, memory_kib: 0 };
    for _ in 0..TURNS {
        let took = run()?;
        best.seconds = best.seconds.min(took.seconds);
        best.user_seconds = best.user_seconds.min(took.user_seconds);
        best.memory_kib = best.memory_kib.max(took.memory_kib);
    }
    Ok(best)
}

/// Runs a program that must find nothing wrong.
pub(crate) fn run(mut command: Command) -> Result<Took> {
    let (begun, user_before) = (Instant::now(), children_user_seconds()?);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    let (status, memory_kib) = wait_with_memory(child)?;
    ensure!(is_success(status), "{command:?}: {status}");
    let user_seconds = children_user_seconds()? - user_before;
    Ok(Took { seconds: begun.elapsed().as_secs_f64(), user_seconds, memory_kib })
}
