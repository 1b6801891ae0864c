//! The memory of the filter after very many calls: of a real Fluent Bit, and of its guest in each
//! generation of hosts.

use crate::{Modules, state_with_keys, wait_with_memory};
use anyhow::{Context, Result, ensure};
use flb_audit_host::filter::{Filter, Generation, Limits};
use host_tests::config::{Config, Section};
use host_tests::fluent_bit;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

/// The number of calls in each generation, without a real Fluent Bit.
const CALLS: u64 = 100_000_000;
/// The number of calls of a guest in the generation that makes one for each chunk.
const CALLS_OF_CHUNK: u64 = 10_000;
/// The numbers of records that a real Fluent Bit passes on, in runs of their own.
const RECORDS: [usize; 2] = [1_000_000, 10_000_000];
/// A short record: the number of calls counts here, and not their cost.
const RECORD: &str = r#"{"verb":"get","user":"ann","code":200}"#;

/// Calls the module that ships in all generations at the same time.
pub(crate) fn emulate(modules: &Modules) -> Result<()> {
    let filter = &Filter::from_file(&modules.shipped)?;
    thread::scope(|scope| {
        let threads = Generation::ALL.map(|generation| scope.spawn(move || calls(filter, generation)));
        threads.into_iter().try_for_each(|thread| thread.join().ok().context("a thread has panicked")?)
    })
}

/// Prints the guest's memory after a hundredth, a tenth, and all of the calls, each as soon as it is
/// known. The chain has no state directory: each write there would take most of the time.
fn calls(filter: &Filter, generation: Generation) -> Result<()> {
    let mut host = filter.host(generation, Limits::default());
    for number in 1..=CALLS {
        let seconds = 1_795_161_600 + (number / 1000) as u32;
        let outcome = host.call_bytes(b"audit", seconds, 0, RECORD.as_bytes())?;
        ensure!(outcome.returned.is_some(), "{generation:?}: call {number} returned nothing");
        if [CALLS / 100, CALLS / 10, CALLS].contains(&number) {
            println!("{generation:?}: {} bytes after {number} calls", host.memory_bytes());
        }
        if number % CALLS_OF_CHUNK == 0 {
            host.end_chunk();
        }
    }
    Ok(())
}

/// Prints the peak memory of a real Fluent Bit for each number of records.
pub(crate) fn measure(fluent_bit: &Path, modules: &Modules) -> Result<()> {
    let (major, minor, patch) = fluent_bit::version(fluent_bit)?;
    let dir = tempfile::tempdir()?;
    let at = |name: &str| dir.path().join(name);
    fs::write(at("parsers.conf"), "[PARSER]\n  Name json\n  Format json\n")?;
    for records in RECORDS {
        let mut log = BufWriter::new(File::create(at("log.ndjson"))?);
        for _ in 0..records {
            writeln!(log, "{RECORD}")?;
        }
        log.flush()?;
        let state = state_with_keys()?;
        let config = Config::default()
            .service("flush", 0.2)
            .service("grace", 1)
            .service("log_level", "error")
            .service("parsers_file", at("parsers.conf").display())
            .section(
                Section::input("tail")
                    .with("tag", "audit")
                    .with("path", at("log.ndjson").display())
                    .with("parser", "json")
                    .with("read_from_head", "true")
                    .with("exit_on_eof", "true")
                    .with("mem_buf_limit", "16M"),
            )
            .section(
                Section::wasm(modules.shipped.display(), "audit")
                    .with("match", "*")
                    .with("accessible_paths", state.path().display()),
            )
            .section(Section::output("null"));
        fs::write(at("pipeline.yaml"), config.yaml())?;
        let mut command = Command::new(fluent_bit);
        command.arg("-c").arg(at("pipeline.yaml")).stdin(Stdio::null()).stdout(Stdio::null());
        let (status, memory_kib) = wait_with_memory(command.stderr(Stdio::null()).spawn()?)?;
        ensure!(status.success(), "fluent-bit: {status}");
        println!(
            "Fluent Bit {major}.{minor}.{patch}: {} MiB at most with {records} records",
            memory_kib >> 10
        );
    }
    Ok(())
}
