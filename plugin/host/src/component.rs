//! A component that is an output, compiled, and its instances.

use anyhow::{Context, Result, anyhow};
use std::path::{Path, PathBuf};
use std::time::Duration;
use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime::{Cache, Config, Engine, ResourceLimiter, Store, Trap};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

mod bindings {
    #![allow(missing_docs, unreachable_pub)]
    wasmtime::component::bindgen!({ path: "../../wit", world: "component" });
}

pub use bindings::exports::fluent_bit::output::output::{Answer, Property, Setting};
pub use bindings::fluent_bit::output::logging::Level;

/// The longest line that is logged, in bytes; what is over is cut off.
pub const LOG_LINE_BYTES_MAX: usize = 4096;
/// The number of lines of one call that are logged.
pub const LOG_LINES_MAX: usize = 256;
/// The amount of an instance's output that is logged during its life, in bytes.
pub const PRINTED_BYTES_MAX: usize = 64 << 10;
/// The stack of WebAssembly, in bytes.
const STACK_BYTES_MAX: usize = 1 << 20;
/// The number of elements that an instance's tables may have together.
const TABLE_ELEMENTS_MAX: usize = 100_000;

/// The resources of a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The memory of an instance, in bytes.
    pub memory_bytes_max: usize,
    /// The longest time that a call may take.
    pub deadline: Duration,
    /// The directory that it finds as `/`.
    pub directory: Option<PathBuf>,
    /// True if it may write there.
    pub is_writable: bool,
}

/// A line for the log.
pub type Line = (Level, String);

/// A compiled component, with an engine of its own: so that to interrupt a call
/// interrupts no other's.
pub struct Component {
    pre: bindings::ComponentPre<World>,
    limits: Limits,
}

/// One life of a component.
pub struct Instance {
    store: Store<World>,
    exports: bindings::Component,
    printed: MemoryOutputPipe,
    /// The part of `printed` that is logged, in bytes.
    printed_len: usize,
}

struct World {
    wasi: WasiCtx,
    table: ResourceTable,
    memory: Memory,
    lines: Vec<Line>,
}

impl Component {
    /// Compiles the component in this file, or takes it from the cache of the
    /// user that runs this. Gives with it why there is no cache, if so.
    pub fn from_file(path: &Path, limits: Limits) -> Result<(Component, Option<String>)> {
        let mut config = Config::new();
        // Fluent Bit has handlers of its own.
        config.signals_based_traps(false);
        config.epoch_interruption(true);
        config.max_wasm_stack(STACK_BYTES_MAX);
        let cache = Cache::from_file(None).map_err(|error| format!("{error:#}"));
        cache.iter().for_each(|cache| clean(cache.directory()));
        config.cache(cache.as_ref().ok().cloned());
        let engine = Engine::new(&config)?;
        let name = path.display();
        let bytes = std::fs::read(path).with_context(|| format!("{name}: cannot be read"))?;
        let component = wasmtime::component::Component::from_binary(&engine, &bytes)
            .map_err(anyhow::Error::from)
            .with_context(|| format!("{name}: not a WebAssembly component"))?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_sync(&mut linker)?;
        bindings::Component::add_to_linker::<_, HasSelf<World>>(&mut linker, |world| world)?;
        let pre = linker.instantiate_pre(&component).and_then(bindings::ComponentPre::new);
        let pre = pre
            .map_err(anyhow::Error::from)
            .with_context(|| format!("{name}: not an output of fluent-bit:output@0.1.0"))?;
        Ok((Component { pre, limits }, cache.err()))
    }

    /// The resources of its instances.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Interrupts a running call.
    pub fn engine(&self) -> &Engine {
        self.pre.engine()
    }

    /// Begins a life. Nothing has been called in it.
    pub fn instantiate(&self) -> Result<Instance> {
        let printed = MemoryOutputPipe::new(PRINTED_BYTES_MAX);
        let mut wasi = WasiCtxBuilder::new();
        wasi.stdout(printed.clone()).stderr(printed.clone());
        // The calls are made on a thread of their own.
        wasi.allow_blocking_current_thread(true);
        wasi.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
        if let Some(directory) = &self.limits.directory {
            let perms = if self.limits.is_writable { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
            wasi.preopened_dir(directory, "/", perms)
                .map_err(anyhow::Error::from)
                .with_context(|| format!("{}: cannot be opened", directory.display()))?;
        }
        let world = World {
            wasi: wasi.build(),
            table: ResourceTable::new(),
            memory: Memory { bytes: 0, bytes_max: self.limits.memory_bytes_max, elements: 0, is_full: false },
            lines: Vec::new(),
        };
        let mut store = Store::new(self.engine(), world);
        store.limiter(|world| &mut world.memory);
        store.set_epoch_deadline(1);
        let exports = self.pre.instantiate(&mut store).map_err(|error| reason(&store, error.into(), ""))?;
        Ok(Instance { store, exports, printed, printed_len: 0 })
    }
}

/// A time that is longer than any write of a cache file takes.
const CACHE_WRITE_MAX: Duration = Duration::from_secs(60);

/// Takes away what a process that was killed, or a full disk, has left of a
/// write to the cache: while it is there, nobody writes that entry.
fn clean(cache: &Path) {
    let entries = |path: &Path| std::fs::read_dir(path).into_iter().flatten().flatten();
    for file in
        entries(&cache.join("modules")).flat_map(|version| entries(&version.path()).collect::<Vec<_>>())
    {
        let is_part = file.file_name().to_string_lossy().contains(".wip-");
        let age =
            file.metadata().and_then(|metadata| metadata.modified()).ok().and_then(|at| at.elapsed().ok());
        if is_part && age.is_some_and(|age| age > CACHE_WRITE_MAX) {
            // Without, it is compiled anew.
            let _ = std::fs::remove_file(file.path());
        }
    }
}

/// A call has ended its instance.
#[derive(Debug)]
pub struct Ended {
    /// The reason, for people.
    pub reason: String,
}

macro_rules! call {
    ($self:ident, $function:ident $(, $argument:expr)*) => {{
        $self.store.set_epoch_deadline(1);
        let result = $self
            .exports
            .fluent_bit_output_output()
            .$function(&mut $self.store $(, $argument)*);
        result.map_err(|error| Ended { reason: $self.reason(error.into()) })
    }};
}

impl Instance {
    /// The properties that the component has.
    pub fn properties(&mut self) -> Result<Vec<Property>, Ended> {
        call!(self, call_properties)
    }

    /// Begins, with these settings.
    pub fn init(&mut self, settings: &[Setting]) -> Result<Result<(), String>, Ended> {
        call!(self, call_init, settings)
    }

    /// Delivers a chunk.
    pub fn flush(&mut self, tag: &[u8], chunk: &[u8]) -> Result<Answer, Ended> {
        call!(self, call_flush, tag, chunk)
    }

    /// Ends.
    pub fn drain(&mut self) -> Result<Result<(), String>, Ended> {
        call!(self, call_drain)
    }

    /// Returns the lines logged and printed since the last call.
    pub fn take_lines(&mut self) -> Vec<Line> {
        let mut lines = std::mem::take(&mut self.store.data_mut().lines);
        let printed = self.printed.contents();
        let new = printed.get(self.printed_len..).unwrap_or_default();
        self.printed_len = printed.len();
        let new = String::from_utf8_lossy(new);
        lines.extend(new.lines().map(|line| (Level::Info, cut(line.to_owned()))));
        lines.truncate(LOG_LINES_MAX);
        lines
    }

    fn reason(&self, error: anyhow::Error) -> String {
        let printed = self.printed.contents();
        let printed = printed.get(self.printed_len..).unwrap_or_default();
        format!("{:#}", reason(&self.store, error, String::from_utf8_lossy(printed).trim()))
    }
}

/// Returns the reason why a call ended its instance, in words.
fn reason(store: &Store<World>, error: anyhow::Error, printed: &str) -> anyhow::Error {
    let memory = &store.data().memory;
    let limit = if memory.is_full {
        format!("the memory limit of {} bytes was reached; ", memory.bytes_max)
    } else {
        String::new()
    };
    let what = match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => "the deadline was exceeded".to_owned(),
        Some(trap) => trap.to_string(),
        None => format!("{error:#}"),
    };
    let printed = if printed.is_empty() { String::new() } else { format!("; it had printed: {printed}") };
    anyhow!("{limit}{what}{printed}")
}

impl WasiView for World {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl bindings::fluent_bit::output::logging::Host for World {
    fn log(&mut self, level: Level, message: String) {
        if self.lines.len() < LOG_LINES_MAX {
            self.lines.push((level, cut(message)));
        }
    }
}

fn cut(mut line: String) -> String {
    line.truncate(line.floor_char_boundary(LOG_LINE_BYTES_MAX));
    line
}

/// The memory of an instance: all of its linear memories, and tables.
struct Memory {
    bytes: usize,
    bytes_max: usize,
    elements: usize,
    /// True if it has asked for more memory than allowed.
    is_full: bool,
}

impl ResourceLimiter for Memory {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        let is_allowed = self.bytes.saturating_add(more) <= self.bytes_max;
        if is_allowed {
            self.bytes += more;
        } else {
            self.is_full = true;
        }
        Ok(is_allowed)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        let is_allowed = self.elements.saturating_add(more) <= TABLE_ELEMENTS_MAX;
        self.elements += if is_allowed { more } else { 0 };
        Ok(is_allowed)
    }
}
