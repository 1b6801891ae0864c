//! The versions of `fluent-bit:output`. The rest of this crate is for the newest version.
//! The older ones still run.

use super::instance::World;
use super::metrics::Metric;
use anyhow::Result;
use wasmtime::component::{HasSelf, InstancePre, Linker};
use wasmtime::{Engine, Store};

pub use v0_2::exports::fluent_bit::output::output::{Answer, Property, Setting};
pub use v0_2::fluent_bit::output::logging::Level;

mod v0_2 {
    #![allow(missing_docs, unreachable_pub)]
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "component",
        imports: { default: trappable },
        exports: { default: async },
    });
}

mod v0_1 {
    #![allow(missing_docs, unreachable_pub)]
    wasmtime::component::bindgen!({
        path: "../../wit/0.1",
        world: "component",
        exports: { default: async },
    });
}

/// Links the host's functions for all versions.
pub(super) fn add_to_linker(linker: &mut Linker<World>) -> wasmtime::Result<()> {
    v0_2::Component::add_to_linker::<_, HasSelf<World>>(linker, |world| world)?;
    v0_1::Component::add_to_linker::<_, HasSelf<World>>(linker, |world| world)
}

/// A component of one of the versions, ready to be instantiated.
pub(super) enum Pre {
    V0_2(v0_2::ComponentPre<World>),
    V0_1(v0_1::ComponentPre<World>),
}

/// The exports of an instance.
pub(super) enum Exports {
    V0_2(v0_2::Component),
    V0_1(v0_1::Component),
}

/// The result of a call. An error of wasmtime ends the instance.
type Called<T> = wasmtime::Result<T>;

impl Pre {
    pub(super) fn new(pre: InstancePre<World>) -> Result<Pre> {
        // If it fits no version, its author needs the reason why it does not fit the
        // newest.
        match (v0_2::ComponentPre::new(pre.clone()), v0_1::ComponentPre::new(pre)) {
            (Ok(pre), _) => Ok(Pre::V0_2(pre)),
            (Err(_), Ok(pre)) => Ok(Pre::V0_1(pre)),
            (Err(error), Err(_)) => Err(error.into()),
        }
    }

    pub(super) fn engine(&self) -> &Engine {
        match self {
            Pre::V0_2(pre) => pre.engine(),
            Pre::V0_1(pre) => pre.engine(),
        }
    }

    pub(super) async fn instantiate(&self, store: &mut Store<World>) -> Called<Exports> {
        Ok(match self {
            Pre::V0_2(pre) => Exports::V0_2(pre.instantiate_async(store).await?),
            Pre::V0_1(pre) => Exports::V0_1(pre.instantiate_async(store).await?),
        })
    }
}

impl Exports {
    pub(super) async fn properties(&self, store: &mut Store<World>) -> Called<Vec<Property>> {
        match self {
            Exports::V0_2(exports) => exports.fluent_bit_output_output().call_properties(store).await,
            Exports::V0_1(exports) => {
                let properties = exports.fluent_bit_output_output().call_properties(store).await?;
                let new = |old: v0_1::exports::fluent_bit::output::output::Property| Property {
                    name: old.name,
                    description: old.description,
                };
                Ok(properties.into_iter().map(new).collect())
            }
        }
    }

    pub(super) async fn init(
        &self,
        store: &mut Store<World>,
        settings: &[Setting],
    ) -> Called<Result<Option<u32>, String>> {
        match self {
            Exports::V0_2(exports) => exports.fluent_bit_output_output().call_init(store, settings).await,
            Exports::V0_1(exports) => {
                let old = |new: &Setting| v0_1::exports::fluent_bit::output::output::Setting {
                    name: new.name.clone(),
                    value: new.value.clone(),
                };
                let settings: Vec<_> = settings.iter().map(old).collect();
                let begun = exports.fluent_bit_output_output().call_init(store, &settings).await?;
                Ok(begun.map(|()| None))
            }
        }
    }

    pub(super) async fn flush(&self, store: &mut Store<World>, tag: &[u8], chunk: &[u8]) -> Called<Answer> {
        match self {
            Exports::V0_2(exports) => exports.fluent_bit_output_output().call_flush(store, tag, chunk).await,
            Exports::V0_1(exports) => {
                use v0_1::exports::fluent_bit::output::output::Answer as Old;
                let answer = exports.fluent_bit_output_output().call_flush(store, tag, chunk).await?;
                Ok(match answer {
                    Old::Ok => Answer::Ok,
                    Old::Retry(reason) => Answer::Retry(reason),
                    Old::Refuse(reason) => Answer::Refuse(reason),
                })
            }
        }
    }

    /// Calls `tick`, if the component has it.
    pub(super) async fn tick(&self, store: &mut Store<World>) -> Called<Result<(), String>> {
        match self {
            Exports::V0_2(exports) => exports.fluent_bit_output_output().call_tick(store).await,
            Exports::V0_1(_) => Ok(Ok(())),
        }
    }

    pub(super) async fn drain(&self, store: &mut Store<World>, left: u32) -> Called<Result<(), String>> {
        match self {
            Exports::V0_2(exports) => exports.fluent_bit_output_output().call_drain(store, left).await,
            Exports::V0_1(exports) => exports.fluent_bit_output_output().call_drain(store).await,
        }
    }
}

impl v0_2::fluent_bit::output::logging::Host for World {
    fn log(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        self.log(level, message);
        Ok(())
    }
}

impl v0_2::fluent_bit::output::delivery::Host for World {
    fn chunk_id(&mut self) -> wasmtime::Result<Vec<u8>> {
        Ok(self.delivery()?.chunk.id().as_bytes().to_vec())
    }

    fn attempt(&mut self) -> wasmtime::Result<u32> {
        Ok(self.delivery()?.attempt)
    }
}

impl v0_2::fluent_bit::output::metrics::Host for World {
    fn add(&mut self, name: String, value: u64) -> wasmtime::Result<()> {
        self.change(&name, Metric::Counter(value));
        Ok(())
    }

    fn set(&mut self, name: String, value: f64) -> wasmtime::Result<()> {
        self.change(&name, Metric::Gauge(value));
        Ok(())
    }
}

impl v0_1::fluent_bit::output::logging::Host for World {
    fn log(&mut self, level: v0_1::fluent_bit::output::logging::Level, message: String) {
        use v0_1::fluent_bit::output::logging::Level as Old;
        let level = match level {
            Old::Error => Level::Error,
            Old::Warn => Level::Warn,
            Old::Info => Level::Info,
            Old::Debug => Level::Debug,
        };
        self.log(level, message);
    }
}
