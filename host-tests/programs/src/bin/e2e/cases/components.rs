//! Components that hang, and how long others wait because of that.

use crate::case::Place;
use crate::forward::{Client, Entry};
use crate::ledger::{self, faulty, output, start, wasm};
use crate::process::Process;
use crate::{poll, verify};
use anyhow::{Result, ensure};
use host_tests::msgpack;
use serde_json::json;
use std::net::TcpListener;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// The longest delay for a record of another output.
const DELAY_MAX: Duration = Duration::from_secs(1);
/// The number of records that are sent while the component sleeps.
const RECORDS: u64 = 40;
const DEADLINE: Duration = Duration::from_secs(3);

/// One output sleeps in every call, and another keeps a ledger.
pub(crate) fn sleeping(place: &Place) -> Result<String> {
    let dir = place.at("ledger");
    verify::init(&dir)?;
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let sleeper = wasm(&faulty())
        .with("alias", "sleeper")
        .with("match", "sleep")
        .with("deadline", "3s")
        .with("failure_limit", "no_limits");
    let mut process = start(place, port, &[sleeper, output(&dir).with("match", "other")])?;
    process.wait_for_log("stream processor started", 1)?;
    let mut client = Client::connect(port)?;
    for number in 0..3 {
        client.send("sleep", &[entry(1000 + number)])?;
    }
    let mut longest = Duration::ZERO;
    let begun = Instant::now();
    for number in 0..RECORDS {
        let sent = Instant::now();
        client.send("other", &[entry(number)])?;
        wait_for(&dir, &mut process, number)?;
        longest = longest.max(sent.elapsed());
        // Lets several deadlines pass.
        thread::sleep(Duration::from_millis(150));
    }
    ensure!(begun.elapsed() > 2 * DEADLINE, "over in {:?}", begun.elapsed());
    ensure!(longest < DELAY_MAX, "a record was delayed by {longest:?}");
    process.wait_for_log("[output:wasm:sleeper] the component was ended: the deadline was exceeded", 2)?;
    let stopping = Instant::now();
    process.stop()?;
    let stopped = stopping.elapsed();
    // Fluent Bit waits for 5 s for chunks that cannot be delivered.
    ensure!(stopped < Duration::from_secs(5) + 2 * DEADLINE, "SIGTERM took {stopped:?}");
    ledger::check(&dir, &(0..RECORDS).collect::<Vec<_>>())?;
    Ok(format!(
        "no record of the other output took longer than {} ms; SIGTERM {:.1} s",
        longest.as_millis(),
        stopped.as_secs_f64()
    ))
}

fn entry(number: u64) -> Entry {
    let record = msgpack::Value::from(&json!({ "number": number }));
    Entry { seconds: 1_795_161_600, nanoseconds: number as u32, record }
}

fn wait_for(dir: &Path, process: &mut Process, number: u64) -> Result<()> {
    let held = || {
        process.ensure_running()?;
        Ok(ledger::numbers(dir)?.contains_key(&number).then_some(()))
    };
    poll::until("a record in the ledger", held, || format!("{number} is missing"))
}

/// A component that sleeps in `init` does not start, and does not keep SIGTERM waiting.
pub(crate) fn sleeping_at_the_start(place: &Place) -> Result<String> {
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let sleeper =
        || wasm(&faulty()).with("alias", "sleeper").with("config.init", "sleep").with("deadline", "2s");
    let mut took = Vec::new();
    for (index, is_told) in [false, true].into_iter().enumerate() {
        let begun = Instant::now();
        let mut process = start(place, port, &[sleeper()])?;
        if is_told {
            thread::sleep(Duration::from_millis(500));
            process.signal("TERM")?;
        }
        let ended = || Ok(process.ensure_running().is_err().then_some(()));
        poll::until("fluent-bit to end", ended, || String::from("it runs"))?;
        took.push(begun.elapsed());
        let count = process.log()?.matches("[output:wasm:sleeper] init: the deadline was exceeded").count();
        ensure!(is_told || count == index + 1, "{}", process.log()?);
    }
    ensure!(took.iter().all(|time| *time < Duration::from_secs(10)), "{took:?}");
    Ok(format!(
        "it ends after {:.1} s, and after SIGTERM {:.1} s",
        took[0].as_secs_f64(),
        took[1].as_secs_f64()
    ))
}
