//! `cargo xtask bench [PART…]`: the cost of the filter, next to filters in Lua; of the
//! verifier, next to others; of the ledger, next to Fluent Bit's own outputs; and of chunks
//! handed to components.
//!
//! Instructions are wasmtime's fuel: exact, and equal on every machine. CPU is the user
//! time of whole processes that take turns, so that the ratios hold on a busy machine.
#![forbid(unsafe_code)]

mod chunks;
mod filters;
mod guest;
mod kinds;
mod latency;
mod lives;
mod memory;
mod outputs;
mod profile;
mod rivals;
mod scale;
mod traced;
mod verify;

use anyhow::{Context, Result, bail, ensure};
use flb_audit_core::chain::ChainId;
use flb_audit_core::chain::state::{FILE_NAME, Header};
use flb_audit_core::hash::Algorithm;
use flb_audit_host::filter::{Filter, Generation, Limits};
use flb_audit_host::stream::Call;
use flb_audit_policy::module;
use host_tests::{fluent_bit, policy, root, streams};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The number of turns for every pipeline. The best run counts.
const TURNS: usize = 3;

/// The parts, in order. Those from `filters` to `memory` need a real Fluent Bit.
const PARTS: [&str; 11] = [
    "profile",
    "instructions",
    "programs",
    "filters",
    "kinds",
    "scale",
    "latency",
    "outputs",
    "memory",
    "verify",
    "chunks",
];

fn main() -> Result<()> {
    let chosen: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = chosen.iter().find(|part| !PARTS.contains(&part.as_str())) {
        bail!("{unknown} is no part; the parts are {}", PARTS.join(", "));
    }
    let is_chosen = |part: &str| chosen.is_empty() || chosen.iter().any(|chosen| chosen == part);
    let modules = Modules::new()?;
    let kubernetes = streams::calls("kubernetes-audit")?;
    let found = fluent_bit::paths();
    if found.is_empty() {
        println!("parts in Fluent Bit: skipped: {}", fluent_bit::REMEDY);
    }
    for part in PARTS.into_iter().filter(|part| is_chosen(part)) {
        let begun = Instant::now();
        match part {
            "profile" => profile::print()?,
            "instructions" => all_instructions(&modules)?,
            "programs" => {
                let shipped = Filter::from_file(&modules.shipped)?;
                verify_speed(&shipped, &kubernetes)?;
                check_speed(&kubernetes)?;
            }
            "verify" => verify::measure(&Filter::from_file(&modules.shipped)?, &kubernetes)?,
            "chunks" => chunks::measure()?,
            _ => {
                for path in &found {
                    match part {
                        "filters" => filters::measure(path, &modules, &kubernetes)?,
                        "kinds" => kinds::measure(path)?,
                        "scale" => scale::measure(path, &modules, &kubernetes)?,
                        "latency" => latency::measure(path, &modules, &kubernetes)?,
                        "memory" => memory::measure(path, &modules)?,
                        _ => outputs::measure(path)?,
                    }
                }
                if part == "memory" {
                    memory::emulate(&modules)?;
                }
            }
        }
        println!("{part}: {:.0} s\n", begun.elapsed().as_secs_f64());
    }
    Ok(())
}

fn all_instructions(modules: &Modules) -> Result<()> {
    for (what, module) in [("with its policy", &modules.shipped), ("with an empty policy", &modules.empty)] {
        println!("filter_audit.wasm {what}: {} bytes", fs::metadata(module)?.len());
        let filter = Filter::from_file(module)?;
        for name in ["kubernetes-audit", "cloudtrail"] {
            let calls = streams::calls(name)?;
            for algorithm in Algorithm::ALL {
                instructions(&filter, name, &calls, algorithm)?;
            }
        }
    }
    Ok(())
}

/// The module that ships, and the same module with a policy that redacts nothing.
struct Modules {
    shipped: PathBuf,
    empty: PathBuf,
    _dir: TempDir,
}

impl Modules {
    fn new() -> Result<Modules> {
        let shipped = root().join("dist/filter_audit.wasm");
        let bytes = fs::read(&shipped)?;
        let dir = tempfile::tempdir()?;
        let empty = dir.path().join("filter_audit.wasm");
        fs::write(&empty, module::with_table(&bytes, &policy::table("version: 1")?)?)?;
        Ok(Modules { shipped, empty, _dir: dir })
    }
}

/// Creates a state directory with a new chain that has keys, as operators create it.
fn state_with_keys() -> Result<TempDir> {
    let dir = tempfile::tempdir()?;
    let mut init = Command::new(root().join("dist/flb-audit"));
    init.arg("init").arg(dir.path()).args(["--node", "bench", "--roster"]);
    user_seconds(init.arg(dir.path().join("roster.json")))?;
    Ok(dir)
}

/// Creates a state directory with a new chain.
fn state(algorithm: Algorithm) -> Result<TempDir> {
    let dir = tempfile::tempdir()?;
    let header = Header { id: ChainId::from_random([7; 9]), algorithm };
    fs::write(dir.path().join(FILE_NAME), header.to_file())?;
    Ok(dir)
}

/// Prints the fuel of the first call and of the others, and how much a record grows.
fn instructions(filter: &Filter, name: &str, calls: &[Call], algorithm: Algorithm) -> Result<()> {
    let state = state(algorithm)?;
    let limits = Limits { directory: Some(state.path().to_path_buf()), ..Limits::default() };
    let mut host = filter.host(Generation::Lasting, limits);
    let (mut first, mut spent, mut bytes, mut growth) = (None, 0, 0, 0);
    for call in calls {
        let outcome = host.call(call)?;
        let sealed = outcome.returned.context("the filter returned nothing")?;
        growth = growth.max(sealed.len() - call.record.len());
        if first.is_none() {
            first = Some(outcome.instructions);
            continue;
        }
        spent += outcome.instructions;
        bytes += call.record.len();
    }
    let records = calls.len() - 1;
    println!(
        "{name}, {} bytes a record, {}: {:.1} instructions a byte, {} a record, first call {}; a record grows \
         by {growth} bytes at most",
        bytes / records,
        algorithm.name(),
        spent as f64 / bytes as f64,
        spent / records as u64,
        first.unwrap_or_default(),
    );
    Ok(())
}

/// Measures `flb-audit verify` on one core.
fn verify_speed(filter: &Filter, calls: &[Call]) -> Result<()> {
    const BYTES: usize = 64 << 20;
    for algorithm in Algorithm::ALL {
        let state = state(algorithm)?;
        let limits = Limits { directory: Some(state.path().to_path_buf()), ..Limits::default() };
        let mut host = filter.host(Generation::Lasting, limits);
        let path = state.path().join("log.ndjson");
        let mut log = BufWriter::new(File::create(&path)?);
        let mut written = 0;
        for call in calls.iter().cycle() {
            let sealed = host.call(call)?.returned.context("the filter returned nothing")?;
            log.write_all(&sealed)?;
            log.write_all(b"\n")?;
            written += sealed.len() + 1;
            if written > BYTES {
                break;
            }
        }
        log.flush()?;
        let mut best = f64::INFINITY;
        for _ in 0..TURNS {
            let mut verify = Command::new(root().join("dist/flb-audit"));
            best = best.min(user_seconds(verify.arg("verify").arg(&path))?);
        }
        println!(
            "verify, {}: {:.0} MB a second of user CPU, all cores' added up",
            algorithm.name(),
            written as f64 / 1e6 / best
        );
    }
    Ok(())
}

/// Measures `flb-audit check` with the schema in both modes.
fn check_speed(calls: &[Call]) -> Result<()> {
    const BYTES: usize = 64 << 20;
    let dir = tempfile::tempdir()?;
    let (policy, log) = (dir.path().join("policy.yaml"), dir.path().join("audit.log"));
    let lines = streams::lines(calls);
    fs::write(&log, lines.repeat(BYTES / lines.len()))?;
    let bytes = fs::metadata(&log)?.len();
    for mode in ["required", "strict"] {
        let schema = format!("{{tag: kube.*, built-in: kubernetes-audit, mode: {mode}}}");
        fs::write(&policy, format!("version: 1\nschema: [{schema}]\n"))?;
        let mut best = f64::INFINITY;
        for _ in 0..TURNS {
            let mut check = Command::new(root().join("dist/flb-audit"));
            check.args(["check", "--tag", "kube.audit", "--policy"]).arg(&policy).arg(&log);
            best = best.min(user_seconds(&mut check)?);
        }
        println!(
            "check, {mode}: {:.0} MB a second of user CPU, all cores' added up",
            bytes as f64 / 1e6 / best
        );
    }
    Ok(())
}

/// Runs a program that must succeed. Returns its user CPU in seconds.
fn user_seconds(command: &mut Command) -> Result<f64> {
    let before = children_user_seconds()?;
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{command:?}"))?;
    ensure!(is_success(output.status), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(children_user_seconds()? - before)
}

/// Returns true for the exit codes with which `verify` has found nothing wrong.
fn is_success(status: ExitStatus) -> bool {
    status.code().is_some_and(|code| code < 10 && code != 1 && code != 2)
}

/// Returns the user time of all ended children, in seconds.
fn children_user_seconds() -> Result<f64> {
    children_seconds().map(|[user, _]| user)
}

/// Returns user and system time of all ended children: fields 16 and 17 of `stat`
/// (proc(5)).
fn children_seconds() -> Result<[f64; 2]> {
    /// `sysconf(_SC_CLK_TCK)`, which is 100 on Linux on all common machines.
    const TICKS_A_SECOND: f64 = 100.0;
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The second field is a name in brackets, which may hold spaces.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let [user, system] = [13, 14].map(|at| fields.get(at).and_then(|field| field.parse::<f64>().ok()));
    let times = user.zip(system).context("no times in /proc/self/stat")?;
    Ok([times.0 / TICKS_A_SECOND, times.1 / TICKS_A_SECOND])
}

/// Waits for a program. Returns its peak memory as well: `VmHWM` in `status` (proc(5)).
fn wait_with_memory(mut child: Child) -> Result<(ExitStatus, u64)> {
    let mut memory_kib = 0;
    loop {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        memory_kib = line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(memory_kib);
        if let Some(status) = child.try_wait()? {
            return Ok((status, memory_kib));
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Writes the records of a stream, again and again, one a line.
fn write_log(path: &Path, calls: &[Call], records: usize) -> Result<()> {
    let mut log = BufWriter::new(File::create(path)?);
    for call in calls.iter().cycle().take(records) {
        log.write_all(call.record.as_bytes())?;
        log.write_all(b"\n")?;
    }
    log.flush()?;
    Ok(())
}
