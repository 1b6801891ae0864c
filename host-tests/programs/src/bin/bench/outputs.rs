//! Compares the ledger, and a component that decodes each record, with Fluent Bit's own
//! outputs `null` and `file`.
//!
//! CPU is the time of the whole Fluent Bit, memory its peak. All outputs take turns, so
//! that the ratios hold on a busy machine. The best of several turns counts.

use crate::{children_seconds, wait_with_memory};
use anyhow::{Context, Result, ensure};
use flb_audit_core::chain::{Chain, ChainId, GENESIS, Place, Run};
use flb_audit_core::hash::Algorithm;
use flb_audit_core::record::notes::Notes;
use flb_audit_core::{Event, Sealer};
use host_tests::config::{Config, Section};
use host_tests::{fluent_bit, root, streams};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

const RECORDS: usize = 20_000;
const TURNS: usize = 3;

/// The cost of one run, or the best of several.
#[derive(Clone, Copy)]
struct Took {
    user_seconds: f64,
    system_seconds: f64,
    seconds: f64,
    memory_kib: u64,
}

impl Took {
    const NOTHING: Took = Took {
        user_seconds: f64::INFINITY,
        system_seconds: f64::INFINITY,
        seconds: f64::INFINITY,
        memory_kib: 0,
    };

    fn best(self, other: Took) -> Took {
        Took {
            user_seconds: self.user_seconds.min(other.user_seconds),
            system_seconds: self.system_seconds.min(other.system_seconds),
            seconds: self.seconds.min(other.seconds),
            memory_kib: self.memory_kib.max(other.memory_kib),
        }
    }

    fn cpu_seconds(&self) -> f64 {
        self.user_seconds + self.system_seconds
    }
}

/// An output, and its best runs: over all records, and over none.
struct Measured {
    name: &'static str,
    output: Section,
    records: Took,
    start: Took,
}

pub(crate) fn measure(fluent_bit: &Path) -> Result<()> {
    let (major, minor, patch) = fluent_bit::version(fluent_bit)?;
    let dir = tempfile::tempdir()?;
    let at = |name: &str| dir.path().join(name);
    let bytes = write_sealed(&at("log.ndjson"))?;
    fs::write(at("empty.ndjson"), "")?;
    fs::write(at("parsers.conf"), "[PARSER]\n  Name json\n  Format json\n")?;
    fs::write(
        at("plugins.conf"),
        format!("[PLUGINS]\n  Path {}\n", root().join("dist/out_wasm.so").display()),
    )?;
    let file = Section::output("file")
        .with("path", dir.path().display())
        .with("file", "out")
        .with("format", "plain");
    let ledger = Section::output("wasm")
        .with("component", root().join("dist/out_audit.wasm").display())
        .with("dir", at("ledger").display());
    let recipient = age::x25519::Identity::generate().to_public();
    let count = Section::output("wasm")
        .with("component", built("out_count.wasm").display())
        .with("dir", at("counts").display());
    let of = |(name, output)| Measured { name, output, records: Took::NOTHING, start: Took::NOTHING };
    let mut outputs = [
        ("null", Section::output("null")),
        ("file", file),
        ("a component that decodes and counts", count),
        ("ledger, sync off", ledger.clone().with("config.sync", "off")),
        ("ledger", ledger.clone()),
        ("ledger, encrypted", ledger.with("config.recipients", recipient)),
    ]
    .map(of);
    println!(
        "Fluent Bit {major}.{minor}.{patch}: {RECORDS} sealed records of {bytes} bytes, best of {TURNS} \
         alternating turns; CPU a record, without that of a start"
    );
    for turn in 0..=TURNS {
        for measured in &mut outputs {
            let start = run(fluent_bit, dir.path(), "empty.ndjson", &measured.output)?;
            let records = run(fluent_bit, dir.path(), "log.ndjson", &measured.output)?;
            // The first turn compiles components.
            if turn > 0 {
                measured.start = measured.start.best(start);
                measured.records = measured.records.best(records);
            }
        }
    }
    let user = |measured: &Measured| {
        (measured.records.user_seconds - measured.start.user_seconds) * 1e6 / RECORDS as f64
    };
    let (of_null, of_file) = (user(&outputs[0]), user(&outputs[1]));
    for measured in &outputs {
        let Measured { name, records, start, .. } = measured;
        println!(
            "  {name}: user {:.2} µs ({:+.2} to null, {:.2} of file's), with system {:.2} µs; {:.0} records a \
             second; {} MiB; a start {:.2} s of CPU",
            user(measured),
            user(measured) - of_null,
            user(measured) / of_file,
            (records.cpu_seconds() - start.cpu_seconds()) * 1e6 / RECORDS as f64,
            RECORDS as f64 / records.seconds,
            records.memory_kib >> 10,
            start.cpu_seconds(),
        );
    }
    Ok(())
}

/// Returns the path of a component that does not ship.
fn built(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target.join("wasm32-wasip2/guest").join(name)
}

/// Writes sealed records. Returns the length of one.
fn write_sealed(path: &Path) -> Result<usize> {
    let next = Place { segment: 1, run: Run::from_random([1; 6]), sequence: 0 };
    let id = ChainId::from_random([1; 9]);
    let chain = Chain { id, algorithm: Algorithm::default(), next, head: GENESIS, link: None };
    let mut sealer = Sealer::new(chain, Notes::NONE, None).ok().context("no memory")?;
    let mut log = BufWriter::new(File::create(path)?);
    let mut bytes = 0;
    for call in streams::calls("kubernetes-audit")?.iter().cycle().take(RECORDS) {
        let sealed = sealer.seal(&Event {
            tag: call.tag.as_bytes(),
            seconds: call.sec,
            nanoseconds: call.nsec,
            record: Some(call.record.as_bytes()),
            record_len: call.record.len(),
        });
        let line = &sealed[..sealed.len() - 1];
        log.write_all(line)?;
        log.write_all(b"\n")?;
        bytes += line.len() + 1;
    }
    log.flush()?;
    Ok(bytes / RECORDS)
}

fn run(fluent_bit: &Path, dir: &Path, log: &str, output: &Section) -> Result<Took> {
    let ledger = dir.join("ledger");
    let counts = dir.join("counts");
    for path in [&ledger, &counts, &dir.join("out")] {
        let _ = fs::remove_dir_all(path).or_else(|_| fs::remove_file(path));
    }
    fs::create_dir(&counts)?;
    let init = Command::new(root().join("dist/flb-audit")).arg("init").arg(&ledger).output()?;
    ensure!(init.status.success(), "flb-audit init: {}", init.status);
    // Sealed records, which the ledger must store unchanged.
    let (chain, key) = (ChainId::from_random([1; 9]), "A".repeat(43));
    let entry =
        format!(r#"[{{"node":"bench","chain":"{chain}","key":"{key}","created":"2026-11-20T08:00:00Z"}}]"#);
    fs::write(ledger.join("roster.json"), entry)?;
    let tail = Section::input("tail")
        .with("tag", "kube.audit")
        .with("path", dir.join(log).display())
        .with("parser", "json")
        .with("read_from_head", "true")
        .with("exit_on_eof", "true");
    let config = Config::default()
        .service("flush", 0.2)
        .service("grace", 1)
        .service("log_level", "error")
        .service("parsers_file", dir.join("parsers.conf").display())
        .service("plugins_file", dir.join("plugins.conf").display())
        .section(tail)
        .section(output.clone());
    let path = dir.join("pipeline.conf");
    fs::write(&path, config.classic())?;
    let (before, begun) = (children_seconds()?, Instant::now());
    let mut command = Command::new(fluent_bit);
    command.arg("-c").arg(&path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn()?;
    let (status, memory_kib) = wait_with_memory(child)?;
    ensure!(status.success(), "fluent-bit: {status}");
    let (after, seconds) = (children_seconds()?, begun.elapsed().as_secs_f64());
    Ok(Took { user_seconds: after[0] - before[0], system_seconds: after[1] - before[1], seconds, memory_kib })
}
