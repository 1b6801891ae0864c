//! The CPU of filters in a real Fluent Bit: of this one, of Lua filters that do the same
//! work, and of guests that do less.

use crate::guest::{ADDRESS, FREE, LEN, guest};
use crate::{Modules, TURNS, state_with_keys, user_seconds, write_log};
use anyhow::{Context, Result};
use flb_audit_core::chain::state::FILE_NAME;
use flb_audit_host::stream::Call;
use flb_audit_policy::{DEFAULT_POLICY, module};
use host_tests::config::{Config, Section};
use host_tests::{fluent_bit, policy, root};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The number of records that pass through Fluent Bit in one run.
const RECORDS: usize = 10_000;

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

/// The names of the pipelines that others are compared with.
const COPIES: &str = "wasm that copies";
const LUA: &str = "Lua: sorted keys, SHA-256 chain";
const LUA_8: &str = "Lua with 8 patterns";
const LUA_25: &str = "Lua with 25 patterns";
const EMPTY: &str = "filter_audit.wasm, empty policy";
const SHIPPED: &str = "filter_audit.wasm";
const LUA_OCSF: &str = "Lua with 25 patterns, OCSF";
const OCSF: &str = "filter_audit.wasm, OCSF";
/// The members of events that Lua, whose numbers are doubles, has to mark as integers.
const INTEGERS: &str =
    "activity_id category_uid class_uid code port severity_id status_id time type_id type_uid";

/// Measures user CPU per record in a real Fluent Bit, for every kind of filter.
pub(crate) fn measure(fluent_bit: &Path, modules: &Modules, calls: &[Call]) -> Result<()> {
    let (major, minor, patch) = fluent_bit::version(fluent_bit)?;
    let dir = state_with_keys()?;
    let at = |name: &str| dir.path().join(name);
    write_log(&at("log.ndjson"), calls, RECORDS)?;
    fs::write(at("parsers.conf"), "[PARSER]\n  Name json\n  Format json\n")?;
    let nothing = guest(|sink| {
        sink.local_get(ADDRESS);
    });
    fs::write(at("no-op.wasm"), nothing)?;
    let copies = guest(|sink| {
        // The NUL behind the record is copied, too.
        sink.i32_const(FREE).local_get(ADDRESS).local_get(LEN).i32_const(1).i32_add();
        sink.memory_copy(0, 0).i32_const(FREE);
    });
    fs::write(at("copies.wasm"), copies)?;
    let bench = root().join("host-tests/bench");
    let peer = bench.join("peer.lua");
    let lua = |script: &Path| Section::filter("lua").with("script", script.display()).with("call", "audit");
    let redacting = |patterns: usize, next: &Path| -> Result<Section> {
        let name = next.file_stem().unwrap_or_default().display();
        let script = at(&format!("{name}-{patterns}.lua"));
        let scripts = [&peer, next, &bench.join("peer_redact.lua")].map(|path| path.display().to_string());
        let [sealer, next, redact] = scripts;
        let variables = format!("RULES = {patterns}\nPEER = {next:?}\nSEALER = {sealer:?}\n");
        fs::write(&script, format!("{variables}dofile({redact:?})\n"))?;
        Ok(lua(&script))
    };
    let normalizing = redacting(25, &bench.join("peer_ocsf.lua"))?.with("type_int_key", INTEGERS);
    let table = policy::table(&format!("{DEFAULT_POLICY}\nnormalize: ocsf\n"))?;
    fs::write(at("ocsf.wasm"), module::with_table(&fs::read(&modules.shipped)?, &table)?)?;
    let mut pipelines = vec![
        Pipeline::new("no filter", None),
        Pipeline::wasm("wasm that does nothing", &at("no-op.wasm"), dir.path()),
        Pipeline::wasm(COPIES, &at("copies.wasm"), dir.path()),
        Pipeline::new(LUA, Some(lua(&peer))),
        Pipeline::wasm(EMPTY, &modules.empty, dir.path()),
        Pipeline::new(LUA_8, Some(redacting(8, &peer)?)),
        Pipeline::new(LUA_25, Some(redacting(25, &peer)?)),
        Pipeline::wasm(SHIPPED, &modules.shipped, dir.path()),
        Pipeline::new(LUA_OCSF, Some(normalizing)),
        Pipeline::wasm(OCSF, &at("ocsf.wasm"), dir.path()),
    ];
    match std::env::var_os("WAMRC").map(PathBuf::from) {
        Some(wamrc) => {
            for (name, module) in [
                ("filter_audit.wasm, empty policy, AOT", &modules.empty),
                ("filter_audit.wasm, AOT", &modules.shipped),
            ] {
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
    let best = |name: &str| -> Result<f64> {
        let found = pipelines.iter().find(|pipeline| pipeline.name == name);
        Ok(found.with_context(|| name.to_owned())?.best)
    };
    for Pipeline { name, best, .. } in &pipelines {
        println!("  {name}: {best:.1} µs");
    }
    let ratios = [
        (EMPTY, LUA, 1.2),
        (SHIPPED, LUA_8, 0.7),
        (SHIPPED, LUA_25, 0.5),
        (SHIPPED, COPIES, f64::NAN),
        (OCSF, LUA_OCSF, f64::NAN),
    ];
    for (name, peer, aim) in ratios {
        let aim = if aim.is_nan() { String::new() } else { format!(", aim {aim}") };
        println!("  {name}: {:.2} of {peer}{aim}", best(name)? / best(peer)?);
    }
    for (name, without) in [(OCSF, SHIPPED), (LUA_OCSF, LUA_25)] {
        println!("  {name}: {:.1} µs on top of {without}", best(name)? - best(without)?);
    }
    Ok(())
}
