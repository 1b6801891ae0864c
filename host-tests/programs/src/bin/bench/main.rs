//! `cargo xtask bench`: the cost of the filter and of the verifier, of the ledger
//! beside Fluent Bit's own `file` output, and of chunks handed to components.
//!
//! Instructions are wasmtime's fuel: exact, and equal on every machine. CPU is the user
//! time of whole processes that take turns, so that the ratios hold on a busy machine.
#![forbid(unsafe_code)]

mod chunks;
mod outputs;

use anyhow::{Context, Result, anyhow, ensure};
use flb_audit_core::chain::ChainId;
use flb_audit_core::chain::state::{FILE_NAME, Header};
use flb_audit_core::hash::Algorithm;
use flb_audit_core::policy::Policy;
use flb_audit_host::filter::{Filter, Generation, Limits};
use flb_audit_host::stream::Call;
use flb_audit_policy::module;
use host_tests::config::{Config, Section};
use host_tests::{fluent_bit, policy, root, streams};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The number of records that pass through Fluent Bit in one run.
const RECORDS: usize = 100_000;
/// The number of turns for every pipeline. The best run counts.
const TURNS: usize = 3;

fn main() -> Result<()> {
    let modules = Modules::new()?;
    let kubernetes = streams::calls("kubernetes-audit")?;
    let cloudtrail = streams::calls("cloudtrail")?;
    for (what, module) in [("with its policy", &modules.shipped), ("with an empty policy", &modules.empty)] {
        println!("filter_audit.wasm {what}: {} bytes", fs::metadata(module)?.len());
        let filter = Filter::from_file(module)?;
        for (name, calls) in [("kubernetes-audit", &kubernetes), ("cloudtrail", &cloudtrail)] {
            for algorithm in Algorithm::ALL {
                instructions(&filter, name, calls, algorithm)?;
            }
        }
    }
    let shipped = Filter::from_file(&modules.shipped)?;
    verify_speed(&shipped, &kubernetes)?;
    verify_signed_speed(&shipped, &kubernetes)?;
    check_speed(&kubernetes)?;
    let found = fluent_bit::paths();
    if found.is_empty() {
        println!("CPU in Fluent Bit, outputs: skipped: {}", fluent_bit::REMEDY);
    }
    found.iter().try_for_each(|path| cpu(path, &modules, &kubernetes))?;
    found.iter().try_for_each(|path| outputs::measure(path))?;
    chunks::measure()
}

/// The module that ships, and the same module with a policy that redacts nothing.
struct Modules {
    shipped: PathBuf,
    empty: PathBuf,
    /// The number of rules in the policy that ships.
    rules: usize,
    _dir: TempDir,
}

impl Modules {
    fn new() -> Result<Modules> {
        let shipped = root().join("dist/filter_audit.wasm");
        let bytes = fs::read(&shipped)?;
        let table = module::table(&bytes)?.context("the module that ships has no policy")?;
        let rules = Policy::check(table).map_err(|what| anyhow!(what))?.rules().count();
        let dir = tempfile::tempdir()?;
        let empty = dir.path().join("filter_audit.wasm");
        fs::write(&empty, module::with_table(&bytes, &policy::table("version: 1")?)?)?;
        Ok(Modules { shipped, empty, rules, _dir: dir })
    }
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
    const BYTES: usize = 256 << 20;
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
    const BYTES: usize = 256 << 20;
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

/// Measures `flb-audit verify` with signatures, on all cores, for a million records.
fn verify_signed_speed(filter: &Filter, calls: &[Call]) -> Result<()> {
    const RECORDS: usize = 1_000_000;
    let dir = tempfile::tempdir()?;
    let at = |name: &str| dir.path().join(name);
    let program = root().join("dist/flb-audit");
    let mut init = Command::new(&program);
    user_seconds(
        init.arg("init").arg(at("st")).args(["--node", "bench", "--roster"]).arg(at("roster.json")),
    )?;
    let mut host =
        filter.host(Generation::Lasting, Limits { directory: Some(at("st")), ..Limits::default() });
    let mut log = BufWriter::new(File::create(at("log.ndjson"))?);
    for call in calls.iter().cycle().take(RECORDS) {
        log.write_all(&host.call(call)?.returned.context("the filter returned nothing")?)?;
        log.write_all(b"\n")?;
    }
    log.flush()?;
    let bytes = fs::metadata(at("log.ndjson"))?.len();
    let (mut best, mut best_cpu, mut memory) = (f64::INFINITY, f64::INFINITY, 0);
    for _ in 0..TURNS {
        let (before, before_cpu) = (Instant::now(), children_user_seconds()?);
        let mut verify = Command::new(&program);
        verify.arg("verify").arg("--roster").arg(at("roster.json")).arg(at("log.ndjson"));
        memory = memory.max(memory_kib_of(&mut verify)?);
        best = best.min(before.elapsed().as_secs_f64());
        best_cpu = best_cpu.min(children_user_seconds()? - before_cpu);
    }
    println!(
        "verify with signatures: {RECORDS} records of {} bytes: {best:.2} s on {} cores, {:.0} a second; {best_cpu:.2} s \
         of user CPU, {:.0} a second and core; {} MiB of memory at the most",
        bytes / RECORDS as u64,
        thread::available_parallelism()?,
        RECORDS as f64 / best,
        RECORDS as f64 / best_cpu,
        memory >> 10
    );
    Ok(())
}

/// Runs `flb-audit verify`, which must find nothing wrong. Returns its peak memory:
/// `VmHWM` in `status` (proc(5)).
fn memory_kib_of(command: &mut Command) -> Result<u64> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    let mut most = 0;
    let status = loop {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        most = line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(most);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        thread::sleep(Duration::from_millis(5));
    };
    ensure!(is_success(status), "{command:?}: {status}");
    Ok(most)
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

/// Returns the user time of all ended children: field 16 of `stat` (proc(5)).
fn children_user_seconds() -> Result<f64> {
    /// `sysconf(_SC_CLK_TCK)`, which is 100 on Linux on all common machines.
    const TICKS_A_SECOND: f64 = 100.0;
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The second field is a name in brackets, which may hold spaces.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks: f64 = fields.split_whitespace().nth(13).context("no cutime in /proc/self/stat")?.parse()?;
    Ok(ticks / TICKS_A_SECOND)
}

/// A pipeline that is measured.
struct Pipeline {
    name: &'static str,
    filter: Option<Section>,
    best: f64,
    /// True if the chain grew in the last turn.
    has_sealed: bool,
}

impl Pipeline {
    fn new(name: &'static str, filter: Option<Section>) -> Self {
        Pipeline { name, filter, best: f64::INFINITY, has_sealed: false }
    }

    fn wasm(name: &'static str, module: &Path, accessible: &Path) -> Self {
        let filter = Section::wasm(module.display(), "audit").with("accessible_paths", accessible.display());
        Pipeline::new(name, Some(filter))
    }

    /// Returns the whole pipeline as a config in the classic format.
    fn config(&self, log: &Path, parsers: &Path) -> String {
        let tail = Section::input("tail")
            .with("tag", "kube.audit")
            .with("path", log.display())
            .with("parser", "json")
            .with("read_from_head", "true")
            .with("exit_on_eof", "true");
        let mut config = Config::default()
            .service("flush", 0.2)
            .service("grace", 1)
            .service("log_level", "error")
            .service("parsers_file", parsers.display())
            .section(tail);
        if let Some(filter) = &self.filter {
            config = config.section(filter.clone());
        }
        config.section(Section::output("null")).classic()
    }
}

/// The names of the pipelines that are compared.
const SEALING: [&str; 3] = ["Lua", "filter_audit.wasm, empty policy", "filter_audit.wasm, empty policy, AOT"];
const REDACTING: [&str; 3] = ["Lua, redacting", "filter_audit.wasm", "filter_audit.wasm, AOT"];

/// Measures user CPU per record in a real Fluent Bit, for every kind of filter.
fn cpu(fluent_bit: &Path, modules: &Modules, calls: &[Call]) -> Result<()> {
    let (major, minor, patch) = fluent_bit::version(fluent_bit)?;
    let dir = state(Algorithm::default())?;
    let at = |name: &str| dir.path().join(name);
    let mut log = BufWriter::new(File::create(at("log.ndjson"))?);
    for call in calls.iter().cycle().take(RECORDS) {
        log.write_all(call.record.as_bytes())?;
        log.write_all(b"\n")?;
    }
    log.flush()?;
    fs::write(at("parsers.conf"), "[PARSER]\n  Name json\n  Format json\n")?;
    fs::write(at("no-op.wasm"), NO_OP.concat())?;
    let bench = root().join("host-tests/bench");
    let peer = bench.join("peer.lua");
    let redacting = format!(
        "RULES = {}\nPEER = {:?}\ndofile({:?})\n",
        modules.rules,
        peer.display().to_string(),
        bench.join("peer_redact.lua").display().to_string()
    );
    fs::write(at("peer_redact.lua"), redacting)?;
    let lua = |script: &Path| Section::filter("lua").with("script", script.display()).with("call", "audit");
    let mut pipelines = vec![
        Pipeline::new("no filter", None),
        Pipeline::wasm("no-op wasm", &at("no-op.wasm"), dir.path()),
        Pipeline::new(SEALING[0], Some(lua(&peer))),
        Pipeline::wasm(SEALING[1], &modules.empty, dir.path()),
        Pipeline::new(REDACTING[0], Some(lua(&at("peer_redact.lua")))),
        Pipeline::wasm(REDACTING[1], &modules.shipped, dir.path()),
    ];
    match std::env::var_os("WAMRC").map(PathBuf::from) {
        Some(wamrc) => {
            for (name, module) in [(SEALING[2], &modules.empty), (REDACTING[2], &modules.shipped)] {
                let compiled = at(&format!("{name}.aot").replace([' ', ','], "-"));
                user_seconds(Command::new(&wamrc).arg("-o").arg(&compiled).arg(module))?;
                pipelines.push(Pipeline::wasm(name, &compiled, dir.path()));
            }
        }
        None => println!("AOT: skipped: WAMRC=path names the wamrc of the host's WAMR version"),
    }
    for _ in 0..TURNS {
        for pipeline in &mut pipelines {
            let config = at("pipeline.conf");
            fs::write(&config, pipeline.config(&at("log.ndjson"), &at("parsers.conf")))?;
            let before = fs::read(at(FILE_NAME))?;
            let seconds = user_seconds(Command::new(fluent_bit).arg("-c").arg(&config))?;
            pipeline.best = pipeline.best.min(seconds * 1e6 / RECORDS as f64);
            pipeline.has_sealed = fs::read(at(FILE_NAME))? != before;
        }
    }
    // Fluent Bit goes on without a module that it cannot load.
    pipelines.retain(|Pipeline { name, has_sealed, .. }| {
        let is_idle = name.starts_with("filter_audit.wasm") && !has_sealed;
        if is_idle {
            println!("{name}: skipped: it has sealed nothing; is WAMRC of this Fluent Bit's WAMR version?");
        }
        !is_idle
    });
    println!("Fluent Bit {major}.{minor}.{patch}: user CPU a record, {RECORDS} records, best of {TURNS}");
    let best = |name: &str| pipelines.iter().find(|pipeline| pipeline.name == name).map(|found| found.best);
    let none = pipelines[0].best;
    pipelines[..2].iter().for_each(|Pipeline { name, best, .. }| println!("  {name}: {best:.1} µs"));
    println!("  Lua, redacting: {} patterns, as many as the policy has rules", modules.rules);
    for group in [SEALING, REDACTING] {
        let lua = best(group[0]).context("no peer")?;
        for (name, best) in group.iter().filter_map(|name| Some((name, best(name)?))) {
            println!(
                "  {name}: {best:.1} µs, {:.2} of {}'s; less the pipeline's own: {:.1} µs, {:.2}",
                best / lua,
                group[0],
                best - none,
                (best - none) / (lua - none)
            );
        }
    }
    Ok(())
}

/// A guest that returns its record. `malloc` alternates between two places.
const NO_OP: [&[u8]; 9] = [
    b"\0asm\x01\0\0\0",
    // Types: of malloc, of free, and of audit
    b"\x01\x14\x03\x60\x01\x7f\x01\x7f\x60\x01\x7f\0\x60\x06\x7f\x7f\x7f\x7f\x7f\x7f\x01\x7f",
    // Functions
    b"\x03\x04\x03\0\x01\x02",
    // 32 pages of memory
    b"\x05\x03\x01\0\x20",
    // A global, the place of this turn: 512 KiB
    b"\x06\x08\x01\x7f\x01\x41\x80\x80\x20\x0b",
    b"\x07\x22\x04\x06memory\x02\0\x06malloc\0\0\x04free\0\x01\x05audit\0\x02",
    // The global becomes itself xor 1 MiB, and is returned
    b"\x0a\x18\x03\x0e\0\x23\0\x41\x80\x80\xc0\0\x73\x24\0\x23\0\x0b",
    // The body of `free`: nothing
    b"\x02\0\x0b",
    // The body of `audit`: returns the fifth parameter
    b"\x04\0\x20\x04\x0b",
];
