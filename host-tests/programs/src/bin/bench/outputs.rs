//! Compares the ledger with Fluent Bit's own `file` output.
//!
//! CPU is user and system time of the whole Fluent Bit, memory its peak. The best of
//! several turns counts.

use anyhow::{Context, Result, ensure};
use flb_audit_core::chain::{Chain, ChainId, GENESIS, Place, Run};
use flb_audit_core::hash::Algorithm;
use flb_audit_core::record::notes::Notes;
use flb_audit_core::{Event, Sealer};
use host_tests::config::{Config, Section};
use host_tests::{fluent_bit, root, streams};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const RECORDS: usize = 50_000;
const TURNS: usize = 3;

/// The cost of one run.
#[derive(Clone, Copy)]
struct Took {
    cpu_seconds: f64,
    seconds: f64,
    memory_kib: u64,
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
    let outputs = [
        ("no output", Section::output("null")),
        ("file", file),
        ("ledger, sync off", ledger.clone().with("config.sync", "off")),
        ("ledger", ledger.clone()),
        ("ledger, encrypted", ledger.with("config.recipients", recipient)),
    ];
    println!(
        "Fluent Bit {major}.{minor}.{patch}: {RECORDS} sealed records of {bytes} bytes, best of {TURNS}"
    );
    let mut of_file = 0.0;
    for (name, output) in &outputs {
        let mut best = Took { cpu_seconds: f64::INFINITY, seconds: f64::INFINITY, memory_kib: 0 };
        let mut start = best;
        for _ in 0..TURNS {
            for (log, best) in [("empty.ndjson", &mut start), ("log.ndjson", &mut best)] {
                let run = run(fluent_bit, dir.path(), log, output)?;
                best.cpu_seconds = best.cpu_seconds.min(run.cpu_seconds);
                best.seconds = best.seconds.min(run.seconds);
                best.memory_kib = best.memory_kib.max(run.memory_kib);
            }
        }
        if *name == "file" {
            of_file = best.cpu_seconds;
        }
        let ratio = if of_file > 0.0 {
            format!(", {:.2} of file's", best.cpu_seconds / of_file)
        } else {
            String::new()
        };
        println!(
            "  {name}: {:.1} µs of CPU a record{ratio}; {:.0} records a second; {} MiB; {:.2} s of CPU without any record",
            best.cpu_seconds * 1e6 / RECORDS as f64,
            RECORDS as f64 / best.seconds,
            best.memory_kib >> 10,
            start.cpu_seconds,
        );
    }
    Ok(())
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
    for path in [&ledger, &dir.join("out")] {
        let _ = fs::remove_dir_all(path).or_else(|_| fs::remove_file(path));
    }
    let init = Command::new(root().join("dist/flb-audit")).arg("init").arg(&ledger).output()?;
    ensure!(init.status.success(), "flb-audit init: {}", init.status);
    // Sealed records, which the ledger must store unchanged.
    let (chain, key) = (ChainId::from_random([1; 9]), "A".repeat(43));
    let entry = format!(r#"[{{"node":"bench","chain":"{chain}","key":"{key}","created":""}}]"#);
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
    let (before, begun) = (children_cpu_seconds()?, Instant::now());
    let mut command = Command::new(fluent_bit);
    command.arg("-c").arg(&path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    let mut memory_kib = 0;
    let status = loop {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        memory_kib = line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(memory_kib);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        thread::sleep(Duration::from_millis(5));
    };
    ensure!(status.success(), "fluent-bit: {status}");
    let (cpu_seconds, seconds) = (children_cpu_seconds()? - before, begun.elapsed().as_secs_f64());
    Ok(Took { cpu_seconds, seconds, memory_kib })
}

/// Returns user and system time of all ended children: fields 16 and 17 of `stat`
/// (proc(5)).
fn children_cpu_seconds() -> Result<f64> {
    /// `sysconf(_SC_CLK_TCK)`, which is 100 on Linux on all common machines.
    const TICKS_A_SECOND: f64 = 100.0;
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The second field is a name in brackets, which may hold spaces.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let times = fields.split_whitespace().skip(13).take(2).map(str::parse::<f64>);
    let ticks: f64 = times.sum::<Result<f64, _>>().context("no times in /proc/self/stat")?;
    Ok(ticks / TICKS_A_SECOND)
}
