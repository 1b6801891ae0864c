//! Compares two ways to pass a chunk to a component: as MessagePack, which the component
//! decodes, and as a list of events, which the host has decoded.
//!
//! In both ways the component ends up with the JSON of each record, except one that only
//! counts records. Instructions are those in the component, as fuel. Time covers
//! everything, and is the best of several turns.

use anyhow::Result;
use flb_audit_ledger::chunk::{Item, items, write_json};
use host_tests::{msgpack, root, streams};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Config, Engine, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

mod bindings {
    wasmtime::component::bindgen!({ path: "../chunks/chunks.wit" });
}
use bindings::{Chunks, Event};

const RECORDS: usize = 1000;
const TURNS: usize = 200;

#[derive(Default)]
struct World {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for World {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

type Call = fn(&Chunks, &mut Store<World>, &[u8]) -> Result<u64>;

pub(crate) fn measure() -> Result<()> {
    let chunk = chunk()?;
    println!("a chunk of {RECORDS} Kubernetes audit events, {} bytes, to a component:", chunk.len());
    let calls: [(&str, Call); 3] = [
        ("as MessagePack, decoded there", |chunks, store, chunk| Ok(chunks.call_as_bytes(store, chunk)?)),
        ("as events, decoded by the host", |chunks, store, chunk| {
            Ok(chunks.call_as_events(store, &events(chunk))?)
        }),
        ("as MessagePack, only counted", |chunks, store, chunk| Ok(chunks.call_count(store, chunk)?)),
    ];
    for (name, call) in calls {
        let (chunks, mut store) = instance(true)?;
        // The first call makes the buffers grow.
        call(&chunks, &mut store, &chunk)?;
        store.set_fuel(u64::MAX)?;
        let result = call(&chunks, &mut store, &chunk)?;
        let instructions = u64::MAX - store.get_fuel()?;
        let (chunks, mut store) = instance(false)?;
        let mut best = Duration::MAX;
        for _ in 0..TURNS {
            let begun = Instant::now();
            call(&chunks, &mut store, &chunk)?;
            best = best.min(begun.elapsed());
        }
        println!(
            "  {name}: {:.2} µs a record, {} instructions of the component; it says {result}",
            best.as_secs_f64() * 1e6 / RECORDS as f64,
            instructions / RECORDS as u64
        );
    }
    Ok(())
}

fn instance(is_counted: bool) -> Result<(Chunks, Store<World>)> {
    let engine = Engine::new(Config::new().consume_fuel(is_counted))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let component = Component::from_file(&engine, target.join("wasm32-wasip2/guest/out_chunks.wasm"))?;
    let mut linker = Linker::new(&engine);
    wasmtime_wasi::p2::add_to_linker_sync(&mut linker)?;
    let mut store = Store::new(&engine, World::default());
    if is_counted {
        store.set_fuel(u64::MAX)?;
    }
    Ok((Chunks::instantiate(&mut store, &component, &linker)?, store))
}

/// Returns a chunk as Fluent Bit 5 makes it.
fn chunk() -> Result<Vec<u8>> {
    let mut chunk = Vec::new();
    for call in streams::calls("kubernetes-audit")?.iter().cycle().take(RECORDS) {
        chunk.extend_from_slice(&[0x92, 0x92, 0xd7, 0x00]);
        chunk.extend_from_slice(&call.sec.to_be_bytes());
        chunk.extend_from_slice(&call.nsec.to_be_bytes());
        chunk.push(0x80);
        msgpack::Value::from(&serde_json::from_str::<serde_json::Value>(&call.record)?).write(&mut chunk);
    }
    Ok(chunk)
}

/// Decodes a chunk as the host would.
fn events(chunk: &[u8]) -> Vec<Event> {
    let event = |item| match item {
        Item::Record(record) => {
            let mut body = Vec::new();
            write_json(record.body, &mut body);
            let (seconds, nanoseconds) = record.time.unwrap_or_default();
            Some(Event { seconds, nanoseconds, body })
        }
        _ => None,
    };
    items(chunk).filter_map(event).collect()
}
