//! A filter guest, called as Fluent Bit calls it with `event_format json`.

mod faults;

use crate::stream::Call;
use anyhow::{Context, Result};
pub use faults::{Fault, Faults};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use wasmtime::{
    Caller, Config, Engine, Instance, Linker, Memory, Module, Store, StoreLimits, StoreLimitsBuilder,
    TypedFunc,
};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

/// The lifetime of a guest, and what happens to the arguments passed to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// Fluent Bit up to 4.0: a new guest for every chunk.
    PerChunk,
    /// 4.1.0 and 4.1.1: one guest, whose arguments are never freed.
    Leaking,
    /// From 4.1.2 on: one guest, whose arguments are freed after the call.
    Lasting,
}

impl Generation {
    /// All generations.
    pub const ALL: [Generation; 3] = [Generation::PerChunk, Generation::Leaking, Generation::Lasting];
}

/// The resources of a guest.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The maximum size of the guest's memory, in bytes.
    pub memory_bytes_max: usize,
    /// The directory that the guest can access, as with Fluent Bit's `accessible_paths`.
    pub directory: Option<PathBuf>,
    /// True if the guest may write into the directory.
    pub is_writable: bool,
    /// The monotonic clock of the guest, and the processor time of its thread. `None` is the
    /// machine's clock.
    pub clock: Option<Clock>,
    /// The faults of its files, which are those of `directory`.
    pub faults: Option<Faults>,
}

/// The clocks that a test sets.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    now: Arc<AtomicU64>,
    used: Arc<AtomicU64>,
}

impl Clock {
    /// Sets the clock, in nanoseconds since some fixed time.
    pub fn set(&self, nanoseconds: u64) {
        self.now.store(nanoseconds, Ordering::Relaxed);
    }

    /// Sets the processor time that the guest's thread has used, in nanoseconds.
    pub fn set_used(&self, nanoseconds: u64) {
        self.used.store(nanoseconds, Ordering::Relaxed);
    }

    /// Puts the clocks into a linker, in place of WASI's.
    fn define(&self, linker: &mut Linker<World>) -> wasmtime::Result<()> {
        const MONOTONIC: i32 = 1;
        const THREAD: i32 = 3;
        const NOT_SUPPORTED: i32 = 58;
        let Clock { now, used } = self.clone();
        let time = move |mut caller: Caller<'_, World>, id: i32, _: i64, at: i32| {
            let time = match id {
                MONOTONIC => &now,
                THREAD => &used,
                _ => return Ok(NOT_SUPPORTED),
            };
            let time = time.load(Ordering::Relaxed).to_le_bytes();
            memory(&mut caller)?.write(&mut caller, at as usize, &time)?;
            wasmtime::Result::Ok(0)
        };
        linker.func_wrap(WASI, "clock_time_get", time)?;
        Ok(())
    }
}

/// Returns the memory of the guest that calls.
fn memory(caller: &mut Caller<'_, World>) -> wasmtime::Result<Memory> {
    let memory = caller.get_export("memory").and_then(wasmtime::Extern::into_memory);
    memory.ok_or_else(|| wasmtime::format_err!("the module exports no memory"))
}

impl Default for Limits {
    fn default() -> Self {
        Limits { memory_bytes_max: 1 << 30, directory: None, is_writable: true, clock: None, faults: None }
    }
}

/// A compiled filter.
///
/// # Example
///
/// ```no_run
/// use flb_audit_host::filter::{Filter, Generation, Limits};
/// use flb_audit_host::stream::Call;
/// use std::path::Path;
///
/// let filter = Filter::from_file(Path::new("dist/filter_audit.wasm"))?;
/// let mut host = filter.host(Generation::Lasting, Limits::default());
/// let call: Call =
///     serde_json::from_str(r#"{"tag":"app","sec":1795161600,"nsec":0,"record":"{\"actor\":\"ann\"}"}"#)?;
/// let outcome = host.call(&call)?;
/// assert!(outcome.returned.is_some_and(|sealed| sealed.starts_with(br#"{"actor":"ann","audit":{"#)));
/// # Ok::<(), anyhow::Error>(())
/// ```
pub struct Filter {
    linker: Linker<World>,
    module: Module,
}

struct World {
    wasi: WasiP1Ctx,
    limits: StoreLimits,
}

/// The module of WASI's functions.
const WASI: &str = "wasi_snapshot_preview1";

/// The fuel is more than any call uses: it is only counted.
const FUEL: u64 = u64::MAX / 2;

/// A filter's exported functions, as instantiated.
struct Guest {
    store: Store<World>,
    memory: Memory,
    malloc: TypedFunc<u32, u32>,
    free: TypedFunc<u32, ()>,
    function: TypedFunc<(u32, u32, u32, u32, u32, u32), u32>,
}

/// A filter in a pipeline.
pub struct Host<'a> {
    filter: &'a Filter,
    generation: Generation,
    limits: Limits,
    guest: Option<Guest>,
}

/// The result of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The text that the guest returned. `None` if it returned null, nothing or an
    /// address outside of its memory, or if it trapped. Fluent Bit has then lost the
    /// record.
    pub returned: Option<Vec<u8>>,
    /// The trap.
    pub trap: Option<String>,
    /// The number of instructions, as wasmtime counts fuel.
    pub instructions: u64,
}

impl Filter {
    /// Compiles the module in this file.
    pub fn from_file(path: &Path) -> Result<Filter> {
        let mut config = Config::new();
        config.consume_fuel(true);
        // Memory is not backed by a file, because a limit on file sizes would apply to
        // that.
        config.memory_init_cow(false);
        let engine = Engine::new(&config)?;
        let module = Module::from_file(&engine, path)
            .map_err(anyhow::Error::from)
            .with_context(|| format!("{}: cannot be loaded", path.display()))?;
        let mut linker = Linker::new(&engine);
        p1::add_to_linker_sync(&mut linker, |context: &mut World| &mut context.wasi)?;
        Ok(Filter { linker, module })
    }

    /// Puts the filter into a pipeline of a generation.
    pub fn host(&self, generation: Generation, limits: Limits) -> Host<'_> {
        Host { filter: self, generation, limits, guest: None }
    }

    fn instantiate(&self, limits: &Limits) -> Result<Guest> {
        let mut wasi = WasiCtxBuilder::new();
        if let Some(directory) = &limits.directory {
            let perms = if limits.is_writable { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
            wasi.preopened_dir(directory, directory.to_string_lossy(), perms)
                .map_err(anyhow::Error::from)
                .with_context(|| format!("{}: cannot be opened", directory.display()))?;
        }
        let context = World {
            wasi: wasi.build_p1(),
            limits: StoreLimitsBuilder::new().memory_size(limits.memory_bytes_max).build(),
        };
        let mut store = Store::new(self.module.engine(), context);
        store.limiter(|context| &mut context.limits);
        store.set_fuel(FUEL)?;
        let mut linker = self.linker.clone();
        linker.allow_shadowing(true);
        if let Some(clock) = &limits.clock {
            clock.define(&mut linker)?;
        }
        if let (Some(faults), Some(directory)) = (&limits.faults, &limits.directory) {
            faults.define(&mut linker, directory.clone())?;
        }
        let instance = linker.instantiate(&mut store, &self.module)?;
        if let Ok(initialize) = instance.get_typed_func::<(), ()>(&mut store, "_initialize") {
            initialize.call(&mut store, ())?;
        }
        Guest::new(store, &instance)
    }
}

impl Guest {
    fn new(mut store: Store<World>, instance: &Instance) -> Result<Guest> {
        let memory = instance.get_memory(&mut store, "memory").context("the module exports no memory")?;
        let malloc = instance.get_typed_func(&mut store, "malloc")?;
        let free = instance.get_typed_func(&mut store, "free")?;
        let function = instance.get_typed_func(&mut store, "audit")?;
        Ok(Guest { store, memory, malloc, free, function })
    }

    /// Copies `bytes` and a NUL into the guest. Returns 0 if the guest has no memory for
    /// them.
    fn pass(&mut self, bytes: &[u8]) -> Result<u32> {
        let size = u32::try_from(bytes.len() + 1)?;
        let pointer = self.malloc.call(&mut self.store, size)?;
        if pointer != 0 {
            self.memory.write(&mut self.store, pointer as usize, bytes)?;
            self.memory.write(&mut self.store, pointer as usize + bytes.len(), &[0])?;
        }
        Ok(pointer)
    }

    fn call(
        &mut self,
        tag: &[u8],
        sec: u32,
        nsec: u32,
        record: &[u8],
        is_freed: bool,
    ) -> Result<Option<Vec<u8>>> {
        let tag_pointer = self.pass(tag)?;
        let record_pointer = self.pass(record)?;
        let arguments = (tag_pointer, tag.len() as u32, sec, nsec, record_pointer, record.len() as u32);
        let result = self.function.call(&mut self.store, arguments)?;
        let returned = self.memory.data(&self.store).get(result as usize..).unwrap_or_default();
        let text = returned.split(|&byte| byte == 0).next().unwrap_or_default().to_vec();
        if is_freed {
            for pointer in [tag_pointer, record_pointer] {
                self.free.call(&mut self.store, pointer)?;
            }
        }
        Ok((result != 0 && !text.is_empty()).then_some(text))
    }
}

impl Host<'_> {
    /// Passes a recorded call to the filter.
    pub fn call(&mut self, call: &Call) -> Result<Outcome> {
        self.call_bytes(call.tag.as_bytes(), call.sec, call.nsec, call.record.as_bytes())
    }

    /// Passes a tag and a record of any bytes to the filter. Fluent Bit would cut both at
    /// a NUL.
    pub fn call_bytes(&mut self, tag: &[u8], sec: u32, nsec: u32, record: &[u8]) -> Result<Outcome> {
        let guest = match &mut self.guest {
            Some(guest) => guest,
            none => none.insert(self.filter.instantiate(&self.limits)?),
        };
        let before = guest.store.get_fuel()?;
        let result = guest.call(tag, sec, nsec, record, self.generation != Generation::Leaking);
        let instructions = before - guest.store.get_fuel()?;
        Ok(match result {
            Ok(returned) => Outcome { returned, trap: None, instructions },
            Err(trap) => Outcome { returned: None, trap: Some(format!("{trap:#}")), instructions },
        })
    }

    /// Ends a chunk.
    pub fn end_chunk(&mut self) {
        if self.generation == Generation::PerChunk {
            self.guest = None;
        }
    }

    /// Ends the guest's life, as a restart of Fluent Bit does.
    pub fn restart(&mut self) {
        self.guest = None;
    }

    /// Returns the size of the guest's memory, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.guest.as_ref().map_or(0, |guest| guest.memory.data_size(&guest.store))
    }
}
