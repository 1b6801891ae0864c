//! The time from a line in a file that Fluent Bit tails to the record on its standard
//! output, at several rates, with the filter and without it.

use crate::{Modules, state_with_keys};
use anyhow::{Context, Result, ensure};
use flb_audit_host::stream::Call;
use host_tests::config::{Config, Section};
use host_tests::fluent_bit;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The rates, in records a second, and the duration of each.
const RATES: [u32; 4] = [10, 100, 1000, 5000];
const DURATION: Duration = Duration::from_secs(3);
/// The member that says when the line was written, in microseconds.
const SENT: &str = "\"sent\":";

pub(crate) fn measure(fluent_bit: &Path, modules: &Modules, calls: &[Call]) -> Result<()> {
    let (major, minor, patch) = fluent_bit::version(fluent_bit)?;
    println!("Fluent Bit {major}.{minor}.{patch}: from a line in a file to standard output, milliseconds");
    for rate in RATES {
        for (name, module) in [("no filter", None), ("filter_audit.wasm", Some(&modules.shipped))] {
            let mut times = run(fluent_bit, module.map(|path| path.as_path()), calls, rate)?;
            times.sort_unstable();
            let count = rate * DURATION.as_secs() as u32;
            // At such a rate the machine does not keep up.
            if times.len() * 10 < count as usize * 9 {
                println!("  {rate} a second, {name}: {} of {count} records came out in time", times.len());
                continue;
            }
            let part = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3;
            println!("  {rate} a second, {name}: p50 {:.1}, p99 {:.1}", part(50), part(99));
        }
    }
    Ok(())
}

/// Returns the time that each record took.
fn run(fluent_bit: &Path, module: Option<&Path>, calls: &[Call], rate: u32) -> Result<Vec<Duration>> {
    let dir = state_with_keys()?;
    let at = |name: &str| dir.path().join(name);
    let mut log = File::create(at("log.ndjson"))?;
    fs::write(at("parsers.conf"), "[PARSER]\n  Name json\n  Format json\n")?;
    let tail = Section::input("tail").with("path", at("log.ndjson").display()).with("parser", "json");
    let mut config = Config::default()
        .service("flush", 0.01)
        .service("grace", 1)
        .service("log_level", "error")
        .service("parsers_file", at("parsers.conf").display())
        .section(tail.with("read_from_head", "true"));
    if let Some(module) = module {
        let filter = Section::wasm(module.display(), "audit");
        config = config.section(filter.with("accessible_paths", dir.path().display()));
    }
    fs::write(
        at("pipeline.conf"),
        config.section(Section::output("stdout").with("format", "json_lines")).classic(),
    )?;
    let mut command = Command::new(fluent_bit);
    command.arg("-c").arg(at("pipeline.conf")).stdin(Stdio::null()).stderr(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let output = BufReader::new(child.stdout.take().context("no output")?);
    let begun = Instant::now();
    let reader = thread::spawn(move || {
        let mut times = Vec::new();
        for line in output.lines().map_while(Result::ok) {
            let behind = line.split_once(SENT).map(|(_, behind)| behind).unwrap_or_default();
            let digits: String = behind.chars().take_while(char::is_ascii_digit).collect();
            if let Ok(sent) = digits.parse() {
                times.push(begun.elapsed().saturating_sub(Duration::from_micros(sent)));
            }
        }
        times
    });
    // Fluent Bit starts before the first line is written.
    thread::sleep(Duration::from_secs(1));
    let started = Instant::now();
    let count = rate * DURATION.as_secs() as u32;
    for (number, call) in (0..count).zip(calls.iter().cycle()) {
        let due = Duration::from_secs(1) * number / rate;
        thread::sleep(due.saturating_sub(started.elapsed()));
        let open = call.record.strip_suffix('}').context("no object")?;
        writeln!(log, "{open},{SENT}{}}}", begun.elapsed().as_micros())?;
    }
    thread::sleep(Duration::from_secs(1));
    let stopped = Command::new("kill").arg(child.id().to_string()).status()?;
    ensure!(stopped.success(), "kill: {stopped}");
    child.wait()?;
    let times = reader.join().ok().context("the reader has panicked")?;
    Ok(times)
}
