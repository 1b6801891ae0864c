//! One life of a component.

use super::bindings::{self, ComponentPre};
use super::memory::Memory;
use super::printed::Printed;
use super::timer::Timer;
use super::{Answer, Level, Limits, Property, Setting};
use crate::log::{self, Line};
use anyhow::{Context, Result, anyhow};
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::ResourceTable;
use wasmtime::{Store, Trap};
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

/// A component that was instantiated.
pub struct Instance {
    store: Store<World>,
    exports: bindings::Component,
    timer: Arc<Timer>,
}

/// The host's side of an instance.
pub(super) struct World {
    wasi: WasiCtx,
    table: ResourceTable,
    memory: Memory,
    lines: Vec<Line>,
    printed: Printed,
}

/// A call has ended its instance.
#[derive(Debug)]
pub struct Ended {
    /// The reason, for people. What the instance has printed is not in it.
    pub reason: String,
}

const DEADLINE: &str = "the deadline was exceeded";

macro_rules! call {
    ($self:ident, $limit:ident, $function:ident $(, $argument:expr)*) => {{
        $self.store.set_epoch_deadline(1);
        let exports = $self.exports.fluent_bit_output_output();
        match $self.timer.run($limit, exports.$function(&mut $self.store $(, $argument)*)) {
            Some(Ok(returned)) => Ok(returned),
            Some(Err(error)) => Err(Ended { reason: reason(&$self.store, &error.into()) }),
            None => Err(Ended { reason: DEADLINE.to_owned() }),
        }
    }};
}

impl Instance {
    pub(super) fn new(
        pre: &ComponentPre<World>,
        limits: &Limits,
        timer: Arc<Timer>,
        limit: Duration,
    ) -> Result<Instance> {
        let printed = Printed::default();
        let mut wasi = WasiCtxBuilder::new();
        wasi.stdout(printed.clone()).stderr(printed.clone());
        // Files are read and written by the thread that makes the calls. An operation
        // that hangs holds that thread up, so no instance comes after it while the
        // operation may still change a file.
        wasi.allow_blocking_current_thread(true);
        wasi.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
        if let Some(directory) = &limits.directory {
            let perms = if limits.is_writable { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
            wasi.preopened_dir(directory, "/", perms)
                .map_err(anyhow::Error::from)
                .with_context(|| format!("{}: cannot be opened", directory.display()))?;
        }
        let world = World {
            wasi: wasi.build(),
            table: ResourceTable::new(),
            memory: Memory::new(limits.memory_bytes_max),
            lines: Vec::new(),
            printed,
        };
        let mut store = Store::new(pre.engine(), world);
        store.limiter(|world| &mut world.memory);
        store.set_epoch_deadline(1);
        match timer.run(limit, pre.instantiate_async(&mut store)) {
            Some(Ok(exports)) => Ok(Instance { store, exports, timer }),
            Some(Err(error)) => Err(anyhow!(reason(&store, &error.into()))),
            None => Err(anyhow!(DEADLINE)),
        }
    }

    /// The properties that the component has.
    pub fn properties(&mut self, limit: Duration) -> Result<Vec<Property>, Ended> {
        call!(self, limit, call_properties)
    }

    /// Begins, with these settings.
    pub fn init(&mut self, limit: Duration, settings: &[Setting]) -> Result<Result<(), String>, Ended> {
        call!(self, limit, call_init, settings)
    }

    /// Delivers a chunk.
    pub fn flush(&mut self, limit: Duration, tag: &[u8], chunk: &[u8]) -> Result<Answer, Ended> {
        call!(self, limit, call_flush, tag, chunk)
    }

    /// Ends.
    pub fn drain(&mut self, limit: Duration) -> Result<Result<(), String>, Ended> {
        call!(self, limit, call_drain)
    }

    /// Returns the lines logged and printed since the last call. `printed` is the level
    /// of those that were printed.
    pub fn take_lines(&mut self, printed: Level) -> Vec<Line> {
        let world = self.store.data_mut();
        let mut lines = std::mem::take(&mut world.lines);
        let mut last = Vec::new();
        log::push(&mut last, printed, &world.printed.take());
        lines.append(&mut last);
        lines
    }
}

/// Returns the reason why a call ended its instance, in words.
fn reason(store: &Store<World>, error: &anyhow::Error) -> String {
    let memory = &store.data().memory;
    let limit = if memory.is_full {
        format!("the memory limit of {} bytes was reached; ", memory.bytes_max)
    } else {
        String::new()
    };
    let what = match (error.downcast_ref::<Trap>(), error.downcast_ref::<I32Exit>()) {
        (Some(Trap::Interrupt), _) => DEADLINE.to_owned(),
        (Some(trap), _) => trap.to_string(),
        (None, Some(I32Exit(code))) => format!("it exited with status {code}"),
        (None, None) => format!("{error:#}"),
    };
    format!("{limit}{what}")
}

impl WasiView for World {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl bindings::fluent_bit::output::logging::Host for World {
    fn log(&mut self, level: Level, message: String) {
        log::push(&mut self.lines, level, &message);
    }
}
