//! Components that hang, and how long others wait because of that.

use crate::case::Place;
use crate::forward::{Client, Entry};
use crate::ledger::{self, component, faulty, output, start, wasm};
use crate::process::Process;
use crate::receiver::{self, Receiver};
use crate::{poll, verify};
use anyhow::{Result, ensure};
use host_tests::msgpack;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
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

/// The number of records for an HTTP output, and how often its receiver is killed.
const SENT: u64 = 1200;
const KILLS: u64 = 6;
const TOKEN: &str = "a-token-that-nobody-logs";

/// The example that sends batches: its receiver is killed again and again, between a batch
/// and its answer as well, and then Fluent Bit once. Each record arrives once.
pub(crate) fn batches_to_a_receiver_that_is_killed(place: &Place) -> Result<String> {
    let kept = place.at("kept");
    fs::create_dir(&kept)?;
    fs::write(place.at("token"), format!("{TOKEN}\n"))?;
    let free = || Ok::<_, anyhow::Error>(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port());
    let (port, at) = (free()?, free()?);
    let url = format!("http://127.0.0.1:{at}");
    let sender = wasm(&component("out_http.wasm"))
        .with("alias", "sender")
        .with("match", "app")
        .with("failure_limit", "no_limits")
        .with("deadline", "5s")
        .with("allow", &url)
        .with("config.url", format!("{url}/ingest"))
        .with("config.batch_size", "600")
        .with("secret.token", place.at("token").display());
    let refused = wasm(&component("out_http.wasm"))
        .with("alias", "refused")
        .with("match", "refused")
        .with("config.url", "http://169.254.169.254/latest/meta-data")
        .with("allow", &url);
    let outputs = [sender, refused];
    let mut receiver = Receiver::start(at, &kept)?;
    let mut process = start(place, port, &outputs)?;
    process.wait_for_log("stream processor started", 1)?;
    let mut client = Client::connect(port)?;
    client.send("refused", &[entry(0)])?;
    for number in (0..SENT).step_by(10) {
        client.send("app", &(number..number + 10).map(entry).collect::<Vec<_>>())?;
        thread::sleep(Duration::from_millis(30));
        if number % (SENT / KILLS) == 100 {
            receiver.kill()?;
            thread::sleep(Duration::from_millis(300));
            receiver = Receiver::start(at, &kept)?;
        }
        if number == SENT / 2 {
            receiver.kill()?;
            // Until what was sent is on its disk.
            thread::sleep(Duration::from_secs(3));
            process.kill()?;
            receiver = Receiver::start(at, &kept)?;
            process = start(place, port, &outputs)?;
            process.wait_for_log("stream processor started", 2)?;
            client = Client::connect(port)?;
        }
    }
    wait_until_sent(&kept, SENT)?;
    let named = "[output:wasm:refused] the connection to http://169.254.169.254:80 was refused: \
                 to allow it, add http://169.254.169.254:80 to `allow`";
    process.wait_for_log(named, 1)?;
    // Whatever comes late.
    thread::sleep(Duration::from_secs(3));
    let counts = sent(&kept)?;
    let log = process.log()?;
    process.kill()?;
    ensure!(!log.contains(TOKEN), "the token is in the log");
    let wrong: Vec<_> = counts.iter().filter(|(_, count)| **count != 1).take(10).collect();
    ensure!(wrong.is_empty(), "numbers and how often they are there: {wrong:?}");
    let repeated = receiver::repeated(&kept);
    ensure!(repeated > 0, "no batch came again: nothing was proved");
    Ok(format!(
        "{} records once each in {} batches; {repeated} batches came again",
        counts.len(),
        receiver::batches(&kept)?.len()
    ))
}

/// The numbers that a receiver has, and how often.
fn sent(kept: &Path) -> Result<BTreeMap<u64, usize>> {
    let mut counts = BTreeMap::new();
    for (_, body) in receiver::batches(kept)? {
        for line in body.lines() {
            let line: Value = serde_json::from_str(line)?;
            *counts.entry(line["record"]["number"].as_u64().unwrap_or(u64::MAX)).or_default() += 1;
        }
    }
    Ok(counts)
}

fn wait_until_sent(kept: &Path, count: u64) -> Result<()> {
    let has = || Ok(sent(kept)?.len() as u64);
    poll::until(
        &format!("{count} records at the receiver"),
        || Ok((has()? >= count).then_some(())),
        || has().map_or_else(|error: anyhow::Error| error.to_string(), |has| format!("{has} are there")),
    )
}
