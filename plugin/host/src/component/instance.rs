//! One instance of a component.

use super::memory::Memory;
use super::metrics::{Metric, Metrics};
use super::printed::Printed;
use super::requests::{Client, Requests, refusal};
use super::timer::Timer;
use super::version::{Exports, Pre};
use super::{Answer, Level, Limits, Property};
use crate::chunk::Chunk;
use crate::log::{self, Line};
use crate::network::{Destination, Scheme};
use crate::settings::Settings;
use anyhow::{Context, Result, anyhow};
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::ResourceTable;
use wasmtime::{Store, Trap, WasmBacktrace};
use wasmtime_wasi::sockets::SocketAddrUse;
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// An instantiated component.
pub struct Instance {
    store: Store<World>,
    exports: Exports,
    timer: Arc<Timer>,
}

/// The host's state for an instance.
pub(super) struct World {
    wasi: WasiCtx,
    table: ResourceTable,
    memory: Memory,
    http: WasiHttpCtx,
    requests: Requests,
    /// Known from `init` on.
    settings: Settings,
    lines: Vec<Line>,
    printed: Printed,
    metrics: Metrics,
    delivery: Option<Delivery>,
}

/// A chunk that is being delivered.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The chunk that is delivered.
    pub chunk: Arc<Chunk>,
    /// The number of times that the component has received the chunk, including this time.
    pub attempt: u32,
}

/// Says that a call has ended its instance.
#[derive(Debug)]
pub struct Ended {
    /// The reason as text, without what the instance has printed.
    pub reason: String,
}

/// The shortest time between ticks.
const TICKS_MIN: Duration = Duration::from_millis(10);

const DEADLINE: &str = "the deadline was exceeded";

macro_rules! call {
    ($self:ident, $limit:ident, $function:ident $(, $argument:expr)*) => {{
        $self.store.set_epoch_deadline(1);
        $self.store.data_mut().requests.begin($limit);
        // An error says that fuel is not counted.
        let _ = $self.store.set_fuel(u64::MAX);
        match $self.timer.run($limit, $self.exports.$function(&mut $self.store $(, $argument)*)) {
            Some(Ok(returned)) => Ok(returned),
            Some(Err(error)) => Err(Ended { reason: $self.hide(reason(&$self.store, &error.into())) }),
            None => Err(Ended { reason: DEADLINE.to_owned() }),
        }
    }};
}

impl Instance {
    pub(super) fn new(
        pre: &Pre,
        limits: &Limits,
        client: &Arc<Client>,
        timer: Arc<Timer>,
        limit: Duration,
    ) -> Result<Instance> {
        let printed = Printed::default();
        let mut wasi = WasiCtxBuilder::new();
        wasi.stdout(printed.clone()).stderr(printed.clone());
        // The thread that makes the calls also reads and writes files. An operation that
        // hangs blocks that thread, so no later instance starts while the operation may
        // still change a file.
        wasi.allow_blocking_current_thread(true);
        let mut requests = Requests::new(Arc::clone(client));
        requests.begin(limit);
        allow_tcp(&mut wasi, client, &requests);
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
            http: WasiHttpCtx::new(),
            requests,
            settings: Settings::default(),
            lines: Vec::new(),
            printed,
            metrics: Metrics::default(),
            delivery: None,
        };
        let mut store = Store::new(pre.engine(), world);
        store.limiter(|world| &mut world.memory);
        store.set_epoch_deadline(1);
        let _ = store.set_fuel(u64::MAX);
        match timer.run(limit, pre.instantiate(&mut store)) {
            Some(Ok(exports)) => Ok(Instance { store, exports, timer }),
            Some(Err(error)) => Err(anyhow!(reason(&store, &error.into()))),
            None => Err(anyhow!(DEADLINE)),
        }
    }

    /// Returns the properties of the component.
    pub fn properties(&mut self, limit: Duration) -> Result<Vec<Property>, Ended> {
        call!(self, limit, properties)
    }

    /// Calls `init` with these settings. Returns the time between ticks, if the component
    /// wants ticks.
    pub fn init(
        &mut self,
        limit: Duration,
        settings: &Settings,
    ) -> Result<Result<Option<Duration>, String>, Ended> {
        self.store.data_mut().settings = settings.clone();
        let begun = call!(self, limit, init, settings.as_slice())?;
        let interval = |ticks| TICKS_MIN.max(Duration::from_millis(u64::from(ticks)));
        Ok(begun.map(|ticks: Option<u32>| ticks.map(interval)).map_err(|reason| self.hide(reason)))
    }

    /// Delivers a chunk.
    pub fn flush(&mut self, limit: Duration, delivery: Delivery) -> Result<Answer, Ended> {
        let chunk = Arc::clone(&delivery.chunk);
        self.store.data_mut().delivery = Some(delivery);
        let answer = call!(self, limit, flush, &chunk.tag, &chunk.bytes);
        self.store.data_mut().delivery = None;
        Ok(match answer? {
            Answer::Ok => Answer::Ok,
            Answer::Retry(reason) => Answer::Retry(self.hide(reason)),
            Answer::Refuse(reason) => Answer::Refuse(self.hide(reason)),
        })
    }

    /// Calls `tick`, for work that is due without a chunk.
    pub fn tick(&mut self, limit: Duration) -> Result<Result<(), String>, Ended> {
        Ok(call!(self, limit, tick)?.map_err(|reason| self.hide(reason)))
    }

    /// Calls `drain`, which ends the work.
    pub fn drain(&mut self, limit: Duration) -> Result<Result<(), String>, Ended> {
        let left = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX);
        Ok(call!(self, limit, drain, left)?.map_err(|reason| self.hide(reason)))
    }

    /// Returns the fuel that the last call used, if fuel is counted.
    pub fn fuel(&self) -> Option<u64> {
        self.store.get_fuel().ok().map(|left| u64::MAX - left)
    }

    /// Returns the size of the instance's memory.
    pub fn memory_bytes(&self) -> usize {
        self.store.data().memory.bytes
    }

    /// Returns the lines that were logged and printed since the last call. Printed lines
    /// get the level `printed`.
    pub fn take_lines(&mut self, printed: Level) -> Vec<Line> {
        let world = self.store.data_mut();
        let mut lines = std::mem::take(&mut world.lines);
        let mut last = Vec::new();
        log::push(&mut last, printed, &world.settings.hide(world.printed.take()));
        lines.append(&mut last);
        lines.append(&mut world.requests.notes.take());
        lines
    }

    /// Returns the changes of metrics since the last call.
    pub fn take_metrics(&mut self) -> Metrics {
        std::mem::take(&mut self.store.data_mut().metrics)
    }

    fn hide(&self, text: String) -> String {
        self.store.data().settings.hide(text)
    }
}

/// Lets an instance connect to the addresses that are listed for TCP, and to nothing else.
fn allow_tcp(wasi: &mut WasiCtxBuilder, client: &Arc<Client>, requests: &Requests) {
    wasi.allow_udp(false).allow_ip_name_lookup(false).allow_tcp(client.network().has(Scheme::Tcp));
    let (client, notes) = (Arc::clone(client), requests.notes.clone());
    wasi.socket_addr_check(move |address, purpose| {
        let is_allowed = match purpose {
            SocketAddrUse::TcpConnect => {
                let ip = address.ip().to_string();
                let destination = Destination::new(Scheme::Tcp, &ip, address.port());
                let is_allowed = client.network().allows(&destination);
                if !is_allowed {
                    notes.push(Level::Error, &refusal(&destination));
                }
                is_allowed
            }
            // As a part of connecting.
            SocketAddrUse::TcpBind => address.ip().is_unspecified() && address.port() == 0,
            _ => false,
        };
        Box::pin(std::future::ready(is_allowed))
    });
}

/// Returns as text why a call ended its instance.
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
        // The backtrace comes first in the chain of errors.
        (None, None) if error.downcast_ref::<WasmBacktrace>().is_some() => error.root_cause().to_string(),
        (None, None) => format!("{error:#}"),
    };
    format!("{limit}{what}")
}

impl WasiView for World {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for World {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.requests, table: &mut self.table, ctx: &mut self.http }
    }
}

impl World {
    /// Adds a message to the log, without secrets.
    pub(super) fn log(&mut self, level: Level, message: String) {
        log::push(&mut self.lines, level, &self.settings.hide(message));
    }

    /// Changes a metric, or logs why this is not possible.
    pub(super) fn change(&mut self, name: &str, change: Metric) {
        if let Err(why) = self.metrics.change(name, change) {
            self.log(Level::Warn, why);
        }
    }

    /// The delivery that is under way.
    pub(super) fn delivery(&self) -> wasmtime::Result<&Delivery> {
        self.delivery.as_ref().ok_or_else(|| wasmtime::Error::msg("no chunk is being delivered"))
    }
}
