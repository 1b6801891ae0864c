//! The time of each kind of instruction in Fluent Bit's interpreter, by guests that run
//! little else.

use crate::guest::{ADDRESS, COUNTER, LONG, NOTHING, NUMBER, OTHER, SAME, guest};
use crate::{TURNS, user_seconds};
use anyhow::Result;
use host_tests::config::{Config, Section};
use host_tests::fluent_bit;
use std::fs;
use std::path::Path;
use std::process::Command;
use wasm_encoder::{BlockType, InstructionSink, MemArg};

/// The number of records, of rounds for each record, and of repetitions in a round.
const RECORDS: usize = 1000;
const ROUNDS: i32 = 2000;
const REPEATS: usize = 50;

type Write = fn(&mut InstructionSink<'_>);

/// The work of one repetition, and the number of its instructions as fuel.
const KINDS: [(&str, u64, Write); 16] = [
    ("add, 32 bits", 4, |sink| {
        sink.local_get(NUMBER).i32_const(3).i32_add().local_set(NUMBER);
    }),
    ("add, 64 bits", 4, |sink| {
        sink.local_get(LONG).i64_const(3).i64_add().local_set(LONG);
    }),
    ("multiply, 64 bits", 4, |sink| {
        sink.local_get(LONG).i64_const(3).i64_mul().local_set(LONG);
    }),
    ("rotate, 64 bits", 4, |sink| {
        sink.local_get(LONG).i64_const(3).i64_rotl().local_set(LONG);
    }),
    ("divide, 64 bits", 4, |sink| {
        sink.local_get(LONG).i64_const(3).i64_div_u().local_set(LONG);
    }),
    ("compare and select", 7, |sink| {
        sink.local_get(NUMBER)
            .i32_const(5)
            .local_get(NUMBER)
            .i32_const(9)
            .i32_lt_u()
            .select()
            .local_set(NUMBER);
    }),
    ("copy of a local variable", 2, |sink| {
        sink.local_get(NUMBER).local_set(OTHER);
    }),
    ("load, 8 bits", 3, |sink| {
        sink.local_get(ADDRESS).i32_load8_u(at(0)).local_set(NUMBER);
    }),
    ("load, 32 bits", 3, |sink| {
        sink.local_get(ADDRESS).i32_load(at(2)).local_set(NUMBER);
    }),
    ("load, 64 bits", 3, |sink| {
        sink.local_get(ADDRESS).i64_load(at(3)).local_set(LONG);
    }),
    ("store, 64 bits", 3, |sink| {
        sink.i32_const(64).local_get(LONG).i64_store(at(3));
    }),
    ("branch that is not taken", 2, |sink| {
        sink.block(BlockType::Empty).local_get(NUMBER).br_if(0).end();
    }),
    ("branch that is taken", 2, |sink| {
        sink.block(BlockType::Empty).local_get(COUNTER).br_if(0).end();
    }),
    ("branch by a table", 2, |sink| {
        sink.block(BlockType::Empty)
            .block(BlockType::Empty)
            .local_get(NUMBER)
            .br_table([0, 1], 0)
            .end()
            .end();
    }),
    ("call and return", 1, |sink| {
        sink.call(NOTHING);
    }),
    ("call with a parameter and a result, and return", 4, |sink| {
        sink.local_get(NUMBER).call(SAME).local_set(NUMBER);
    }),
];

fn at(align: u32) -> MemArg {
    MemArg { offset: 0, align, memory_index: 0 }
}

pub(crate) fn measure(fluent_bit: &Path) -> Result<()> {
    let (major, minor, patch) = fluent_bit::version(fluent_bit)?;
    let dir = tempfile::tempdir()?;
    let at = |name: &str| dir.path().join(name);
    fs::write(at("log.ndjson"), "{\"a\":1}\n".repeat(RECORDS))?;
    fs::write(at("parsers.conf"), "[PARSER]\n  Name json\n  Format json\n")?;
    let tail = Section::input("tail")
        .with("path", at("log.ndjson").display())
        .with("parser", "json")
        .with("read_from_head", "true")
        .with("exit_on_eof", "true");
    let empty: [(&str, u64, Write); 1] = [("nothing", 0, |_| {})];
    let mut best = vec![f64::INFINITY; 1 + KINDS.len()];
    for _ in 0..TURNS {
        for ((_, _, write), best) in empty.iter().chain(&KINDS).zip(&mut best) {
            let repeated = |sink: &mut InstructionSink<'_>| {
                sink.i32_const(ROUNDS).local_set(COUNTER).loop_(BlockType::Empty);
                (0..REPEATS).for_each(|_| write(sink));
                sink.local_get(COUNTER).i32_const(1).i32_sub().local_tee(COUNTER).br_if(0).end();
                sink.local_get(ADDRESS);
            };
            fs::write(at("kind.wasm"), guest(repeated))?;
            let config = Config::default()
                .service("flush", 0.2)
                .service("grace", 1)
                .service("log_level", "error")
                .service("parsers_file", at("parsers.conf").display())
                .section(tail.clone())
                .section(Section::wasm(at("kind.wasm").display(), "audit"))
                .section(Section::output("null"));
            fs::write(at("pipeline.conf"), config.classic())?;
            *best = best.min(user_seconds(Command::new(fluent_bit).arg("-c").arg(at("pipeline.conf")))?);
        }
    }
    println!("Fluent Bit {major}.{minor}.{patch}: time of instructions, best of {TURNS}");
    let times = (RECORDS * ROUNDS as usize * REPEATS) as f64;
    for ((name, instructions, _), took) in KINDS.iter().zip(&best[1..]) {
        let nanoseconds = (took - best[0]) * 1e9 / times;
        println!("  {name}: {nanoseconds:.2} ns, {instructions} instructions as fuel");
    }
    Ok(())
}
