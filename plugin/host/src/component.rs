//! A compiled component, which is an output.

mod imports;
mod instance;
mod memory;
mod metrics;
mod printed;
mod requests;
mod timer;
mod version;

pub use instance::{Delivery, Ended, Instance};
pub use metrics::Metrics;
pub use version::{Answer, Level, Property, Setting};

use crate::network::Network;
use anyhow::{Context, Result};
use requests::Client;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use timer::Timer;
use version::Pre;
use wasmtime::component::Linker;
use wasmtime::{Cache, Config, Engine};

/// The stack of WebAssembly, in bytes.
const STACK_BYTES_MAX: usize = 1 << 20;

/// The limits for the instances of a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The memory of an instance, in bytes.
    pub memory_bytes_max: usize,
    /// The time limit for a call.
    pub deadline: Duration,
    /// The directory that the component sees as `/`.
    pub directory: Option<PathBuf>,
    /// True if the component may write to the directory.
    pub is_writable: bool,
    /// The destinations that it may reach.
    pub network: Network,
}

/// A compiled component. It has its own engine, so that interrupting a call does not
/// interrupt calls of other components.
pub struct Component {
    pre: Pre,
    limits: Limits,
    timer: Arc<Timer>,
    client: Arc<Client>,
}

impl Component {
    /// Compiles the component in a file, or loads it from the cache of the current user.
    /// If there is no cache, also returns why.
    pub fn from_file(path: &Path, limits: Limits) -> Result<(Component, Option<String>)> {
        Component::compile(path, limits, Config::new())
    }

    /// Does the same with an engine that counts fuel.
    pub fn from_file_metered(path: &Path, limits: Limits) -> Result<Component> {
        let mut config = Config::new();
        config.consume_fuel(true);
        Ok(Component::compile(path, limits, config)?.0)
    }

    fn compile(path: &Path, limits: Limits, mut config: Config) -> Result<(Component, Option<String>)> {
        let client = Arc::new(Client::new(limits.network.clone())?);
        // Fluent Bit has handlers of its own.
        config.signals_based_traps(false);
        config.epoch_interruption(true);
        config.max_wasm_stack(STACK_BYTES_MAX);
        // The rest of that stack is for the host's functions.
        config.async_stack_size(2 * STACK_BYTES_MAX);
        let cache = Cache::from_file(None).map_err(|error| format!("{error:#}"));
        cache.iter().for_each(|cache| clean(cache.directory()));
        config.cache(cache.as_ref().ok().cloned());
        let engine = Engine::new(&config)?;
        let name = path.display();
        let bytes = std::fs::read(path).with_context(|| format!("{name}: cannot be read"))?;
        imports::check(&bytes).with_context(|| name.to_string())?;
        let component = wasmtime::component::Component::from_binary(&engine, &bytes)
            .map_err(anyhow::Error::from)
            .with_context(|| format!("{name}: not a WebAssembly component"))?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
        version::add_to_linker(&mut linker)?;
        let pre = linker.instantiate_pre(&component).map_err(anyhow::Error::from).and_then(Pre::new);
        let pre = pre.with_context(|| format!("{name}: not an output of fluent-bit:output"))?;
        let timer = Arc::new(Timer::new(engine, limits.deadline)?);
        Ok((Component { pre, limits, timer, client }, cache.err()))
    }

    /// Returns the limits for its instances.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Makes an instance within a time limit. No function of it has been called yet.
    pub fn instantiate(&self, limit: Duration) -> Result<Instance> {
        Instance::new(&self.pre, &self.limits, &self.client, Arc::clone(&self.timer), limit)
    }
}

/// Longer than any write of a cache file takes.
const CACHE_WRITE_MAX: Duration = Duration::from_secs(60);

/// Removes unfinished files of the cache, which a killed process or a full disk may
/// leave. While such a file exists, no process writes that entry.
fn clean(cache: &Path) {
    let entries = |path: &Path| std::fs::read_dir(path).into_iter().flatten().flatten();
    for file in
        entries(&cache.join("modules")).flat_map(|version| entries(&version.path()).collect::<Vec<_>>())
    {
        let is_part = file.file_name().to_string_lossy().contains(".wip-");
        let age =
            file.metadata().and_then(|metadata| metadata.modified()).ok().and_then(|at| at.elapsed().ok());
        if is_part && age.is_some_and(|age| age > CACHE_WRITE_MAX) {
            // If the file stays, the component is only compiled again.
            let _ = std::fs::remove_file(file.path());
        }
    }
}
