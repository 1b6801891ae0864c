//! The filter's instructions, by phase and by function.
//!
//! The filter is built with the names of its functions, and each of its functions reports
//! to the host when it is entered and left. Instructions are wasmtime's fuel without those
//! of the reports. What a function that belongs to no phase costs, such as one that copies
//! bytes, counts for the phase that called it.

use crate::traced::{Function, IMPORTED_FROM, Traced, traced};
use anyhow::{Context, Result};
use flb_audit_host::stream::Call;
use flb_audit_policy::{DEFAULT_POLICY, module};
use host_tests::{policy, root, streams};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use wasmtime::{Caller, Config, Engine, Linker, Module, Store};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

/// The phases of a record's way, and the beginnings of the names of their functions. Other
/// functions belong to their callers.
const PHASES: [(&str, &[&str]); 11] = [
    ("read", &["flb_audit_core::record::reader", "flb_audit_core::record::tape::Tape>::read"]),
    ("recognize", &["flb_audit_core::recognize"]),
    ("schema", &["flb_audit_core::schema"]),
    ("redact", &["flb_audit_core::redact"]),
    ("normalize", &["flb_audit_core::normalize"]),
    ("canonical", &["flb_audit_core::record::canonical", "flb_audit_core::record::order"]),
    ("hash", &["flb_audit_core::hash"]),
    ("output", &["flb_audit_core::record::output"]),
    ("seal", &["flb_audit_core::seal"]),
    ("keys", &["flb_audit_core::chain", "filter_audit::keys"]),
    ("state", &["flb_audit_core::chain::writer", "flb_audit_core::chain::state", "flb_audit_core::crc"]),
];
/// The phase of everything else: the boundary to the host.
const BOUNDARY: &str = "boundary";

/// Prints the profile of each policy and stream.
pub(crate) fn print() -> Result<()> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let path = target.join("named/wasm32-unknown-unknown/guest/filter_audit.wasm");
    let module = fs::read(&path).with_context(|| path.display().to_string())?;
    let normalizing = format!("{DEFAULT_POLICY}\nnormalize: ocsf\n");
    let policies = [
        ("the policy that ships", DEFAULT_POLICY),
        ("the same with `normalize: ocsf`", &normalizing),
        ("an empty policy", "version: 1\n"),
    ];
    for (what, policy) in policies {
        let traced = traced(&module::with_table(&module, &policy::table(policy)?)?)?;
        for name in ["kubernetes-audit", "cloudtrail"] {
            let calls = streams::calls(name)?;
            let (first, others) = calls.split_first().context("an empty stream")?;
            let bytes = others.iter().map(|call| call.record.len() as u64).sum();
            let (of_first, of_others) = run(&traced, first, others)?;
            println!("{name}, {what}: the first call");
            of_first.print(&traced.functions, first.record.len() as u64);
            println!("{name}, {what}: the others");
            of_others.print(&traced.functions, bytes);
        }
    }
    Ok(())
}

/// The instructions of functions, in each phase.
#[derive(Clone, Default)]
struct Counts(BTreeMap<(&'static str, usize), Count>);

#[derive(Clone, Copy, Default)]
struct Count {
    calls: u64,
    /// Without those of the functions that it called.
    instructions: u64,
}

/// A function that has not returned yet.
struct Frame {
    function: usize,
    phase: &'static str,
    /// The fuel when it was entered.
    fuel: u64,
    /// The fuel of the functions that it called, and of their reports.
    called: u64,
}

struct World {
    wasi: WasiP1Ctx,
    functions: Vec<Function>,
    /// The phase of each function, if it has one.
    phases: Vec<Option<&'static str>>,
    frames: Vec<Frame>,
    counts: Counts,
}

impl World {
    fn enter(&mut self, function: usize, fuel: u64) {
        let outer = self.frames.last().map_or(BOUNDARY, |frame| frame.phase);
        let phase = self.phases.get(function).copied().flatten().unwrap_or(outer);
        self.frames.push(Frame { function, phase, fuel, called: 0 });
    }

    fn leave(&mut self, fuel: u64) {
        /// The number and the call of `enter`, which stand before the fuel is read.
        const ENTER_FUEL: u64 = 2;
        let Some(frame) = self.frames.pop() else { return };
        let all = frame.fuel - fuel;
        let wrapper = self.functions[frame.function].wrapper_fuel;
        let count = self.counts.0.entry((frame.phase, frame.function)).or_default();
        count.calls += 1;
        count.instructions += all - wrapper - frame.called;
        if let Some(outer) = self.frames.last_mut() {
            outer.called += all + ENTER_FUEL;
        }
    }
}

/// Calls the filter in a directory with a state. Returns the counts of the first
/// call, and those of the others.
fn run(traced: &Traced, first: &Call, others: &[Call]) -> Result<(Counts, Counts)> {
    let directory = host_tests::guest::directory(Default::default());
    let engine = Engine::new(Config::new().consume_fuel(true))?;
    let module = Module::new(&engine, &traced.module)?;
    let mut linker = Linker::new(&engine);
    p1::add_to_linker_sync(&mut linker, |world: &mut World| &mut world.wasi)?;
    linker.func_wrap(IMPORTED_FROM, "enter", |mut caller: Caller<'_, World>, function: i32| {
        let fuel = caller.get_fuel()?;
        caller.data_mut().enter(function as usize, fuel);
        Ok(())
    })?;
    linker.func_wrap(IMPORTED_FROM, "leave", |mut caller: Caller<'_, World>, _: i32| {
        let fuel = caller.get_fuel()?;
        caller.data_mut().leave(fuel);
        Ok(())
    })?;
    let mut wasi = WasiCtxBuilder::new();
    wasi.preopened_dir(directory.path(), ".", FsPerms::ReadWrite)?;
    let phases = traced.functions.iter().map(|function| phase(&function.name)).collect();
    let world = World {
        wasi: wasi.build_p1(),
        functions: traced.functions.clone(),
        phases,
        frames: Vec::new(),
        counts: Counts::default(),
    };
    let mut store = Store::new(&engine, world);
    store.set_fuel(u64::MAX / 2)?;
    let instance = linker.instantiate(&mut store, &module)?;
    let memory = instance.get_memory(&mut store, "memory").context("no memory")?;
    let malloc = instance.get_typed_func::<u32, u32>(&mut store, "malloc")?;
    let audit = instance.get_typed_func::<(u32, u32, u32, u32, u32, u32), u32>(&mut store, "audit")?;
    let call = |store: &mut Store<World>, call: &Call| -> Result<()> {
        let mut places = [0; 2];
        for (place, text) in places.iter_mut().zip([&call.tag, &call.record]) {
            *place = malloc.call(&mut *store, text.len() as u32 + 1)?;
            memory.write(&mut *store, *place as usize, text.as_bytes())?;
            memory.write(&mut *store, *place as usize + text.len(), &[0])?;
        }
        let lens = [&call.tag, &call.record].map(|text| text.len() as u32);
        audit.call(&mut *store, (places[0], lens[0], call.sec, call.nsec, places[1], lens[1]))?;
        Ok(())
    };
    call(&mut store, first)?;
    let of_first = std::mem::take(&mut store.data_mut().counts);
    for other in others {
        call(&mut store, other)?;
    }
    Ok((of_first, std::mem::take(&mut store.data_mut().counts)))
}

/// Returns the phase whose beginning of a name is the longest that fits.
fn phase(name: &str) -> Option<&'static str> {
    let name = name.trim_start_matches('<');
    let fitting = PHASES.iter().flat_map(|(phase, starts)| starts.iter().map(move |start| (*phase, *start)));
    fitting
        .filter(|(_, start)| name.starts_with(start))
        .max_by_key(|(_, start)| start.len())
        .map(|(phase, _)| phase)
}

impl Counts {
    /// Prints the phases, and the functions that take most.
    fn print(&self, functions: &[Function], bytes: u64) {
        /// The number of functions that are printed.
        const FUNCTIONS_MAX: usize = 15;
        let all: u64 = self.0.values().map(|count| count.instructions).sum();
        let line = |name: &str, count: u64, calls: String| {
            let (a_byte, percent) = (count as f64 / bytes as f64, 100.0 * count as f64 / all as f64);
            println!("  {count:>12} {a_byte:>8.1} {percent:>6.1} % {calls:>9} {name}");
        };
        println!("  instructions   a byte    share     calls");
        line("all", all, String::new());
        let mut phases: BTreeMap<&str, u64> = BTreeMap::new();
        for ((phase, _), count) in &self.0 {
            *phases.entry(phase).or_default() += count.instructions;
        }
        for (phase, instructions) in &phases {
            line(phase, *instructions, String::new());
        }
        let mut sorted: Vec<_> = self.0.iter().collect();
        sorted.sort_by_key(|(_, count)| std::cmp::Reverse(count.instructions));
        for ((phase, function), count) in sorted.into_iter().take(FUNCTIONS_MAX) {
            let Function { name, code_bytes, .. } = &functions[*function];
            let name = name.replace("flb_audit_core::", "");
            let what = format!("{phase}: {name}, {code_bytes} bytes of code");
            line(&what, count.instructions, count.calls.to_string());
        }
    }
}
