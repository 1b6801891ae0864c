//! Records a second, and CPU, of one Fluent Bit with several inputs, each with a chain of its
//! own: in threads of their own or not, and with the filter as a processor or as a filter.
//!
//! Fluent Bit stops when all records are in files. It cannot stop by itself at the ends of
//! several logs: at the first end, it reads no other log any more, and Fluent Bit 4.0 may
//! never stop after two ends.

use crate::{Modules, children_user_seconds, state_with_keys, write_log};
use anyhow::{Context, Result, ensure};
use flb_audit_host::stream::Call;
use host_tests::config::{Config, Section};
use host_tests::fluent_bit;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The number of records of each input.
const RECORDS: usize = 10_000;
/// The number of turns. The best one counts.
const TURNS: usize = 2;
/// The longest time of a run, and the time between two looks at the files.
const LONGEST: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_millis(5);

pub(crate) fn measure(fluent_bit: &Path, modules: &Modules, calls: &[Call]) -> Result<()> {
    let (major, minor, patch) = fluent_bit::version(fluent_bit)?;
    let dir = tempfile::tempdir()?;
    let at = |name: &str| dir.path().join(name);
    write_log(&at("log.ndjson"), calls, RECORDS)?;
    write_log(&at("one.ndjson"), calls, 1)?;
    fs::write(at("parsers.conf"), "[PARSER]\n  Name json\n  Format json\n")?;
    println!("Fluent Bit {major}.{minor}.{patch}: {RECORDS} records an input, best of {TURNS}");
    for inputs in [1, 2, 4] {
        let states = (0..inputs).map(|_| state_with_keys()).collect::<Result<Vec<_>>>()?;
        for (name, is_threaded, is_processor) in [
            ("filters", false, false),
            ("filters, threaded inputs", true, false),
            ("processors", false, true),
            ("processors, threaded inputs", true, true),
        ] {
            // A processor of a threaded input has to be the only module: docs/operating.md.
            if is_threaded && is_processor && inputs > 1 {
                continue;
            }
            let config = |log: &str| {
                let mut config = Config::default()
                    .service("flush", 0.2)
                    .service("grace", 1)
                    .service("log_level", "error")
                    .service("parsers_file", at("parsers.conf").display());
                for (number, state) in states.iter().enumerate() {
                    let tag = format!("kube.{number}");
                    let filter = Section::wasm(modules.shipped.display(), "audit")
                        .with("match", &tag)
                        .with("accessible_paths", state.path().display());
                    let mut tail = Section::input("tail")
                        .with("tag", &tag)
                        .with("path", at(log).display())
                        .with("parser", "json")
                        .with("read_from_head", "true");
                    if is_threaded {
                        tail = tail.with("threaded", "on");
                    }
                    if is_processor {
                        tail = tail.with_processor(filter);
                    } else {
                        config = config.section(filter);
                    }
                    config = config.section(tail);
                }
                let file = Section::output("file").with("path", at("out").display());
                config.section(file.with("format", "plain")).yaml()
            };
            let mut best = [(f64::INFINITY, f64::INFINITY); 2];
            for _ in 0..TURNS {
                for ((log, records), best) in
                    [("one.ndjson", 1), ("log.ndjson", RECORDS)].into_iter().zip(&mut best)
                {
                    fs::write(at("pipeline.yaml"), config(log))?;
                    let took = run(fluent_bit, dir.path(), inputs * records)?;
                    *best = (best.0.min(took.0), best.1.min(took.1));
                }
            }
            let [start, whole] = best;
            let records = (inputs * (RECORDS - 1)) as f64;
            println!(
                "  {inputs} inputs, {name}: {:.0} records a second, {:.1} µs of user CPU a record",
                records / (whole.0 - start.0).max(f64::MIN_POSITIVE),
                (whole.1 - start.1) * 1e6 / records
            );
        }
    }
    Ok(())
}

/// Runs Fluent Bit until so many records are in its files. Returns the seconds until then,
/// and the user CPU of the whole run.
fn run(fluent_bit: &Path, dir: &Path, records: usize) -> Result<(f64, f64)> {
    let out = dir.join("out");
    let _ = fs::remove_dir_all(&out);
    fs::create_dir(&out)?;
    let (begun, before) = (Instant::now(), children_user_seconds()?);
    let mut command = Command::new(fluent_bit);
    command.arg("-c").arg(dir.join("pipeline.yaml")).stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = command.stderr(Stdio::null()).spawn()?;
    let mut files = Lines::default();
    let is_whole = loop {
        files.read(&out)?;
        if files.count >= records || child.try_wait()?.is_some() || begun.elapsed() > LONGEST {
            break files.count == records;
        }
        thread::sleep(PAUSE);
    };
    let seconds = begun.elapsed().as_secs_f64();
    Command::new("kill").arg(child.id().to_string()).status()?;
    child.wait().context("fluent-bit")?;
    ensure!(is_whole, "{} of {records} records came out", files.count);
    Ok((seconds, children_user_seconds()? - before))
}

/// The number of lines in files that grow.
#[derive(Default)]
struct Lines {
    files: BTreeMap<PathBuf, File>,
    count: usize,
}

impl Lines {
    /// Counts the lines that are new.
    fn read(&mut self, directory: &Path) -> Result<()> {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            if !self.files.contains_key(&path) {
                self.files.insert(path.clone(), File::open(&path)?);
            }
        }
        let mut buffer = vec![0; 1 << 16];
        for file in self.files.values_mut() {
            loop {
                let bytes = file.read(&mut buffer)?;
                if bytes == 0 {
                    break;
                }
                self.count += buffer[..bytes].iter().filter(|byte| **byte == b'\n').count();
            }
        }
        Ok(())
    }
}
