//! A clock that jumps ahead deletes nothing from a ledger.

use crate::case::{Place, Skipped};
use crate::forward::Client;
use crate::process::Process;
use crate::{ledger, verify};
use anyhow::{Context, Result};
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

/// The library that fakes the time, at the paths where distributions have it.
const LIBRARIES: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
];
const MESSAGE_RECORDS: u64 = 20;
/// The number of messages that are sent at each of the times.
const MESSAGES: u64 = 100;

pub(crate) fn a_year_ahead(place: &Place) -> Result<String> {
    let library = LIBRARIES.into_iter().find(|library| Path::new(library).exists());
    let library = library.ok_or(Skipped("it takes libfaketime: Debian's package faketime"))?;
    let dir = place.at("ledger");
    verify::init(&dir)?;
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let output = ledger::output(&dir).with("config.file_size", "64k").with("config.keep_age", "90d");
    let config = ledger::write_config(place, port, &[output])?;
    let clock = place.at("clock");
    fs::write(&clock, "+0")?;
    let mut command = Command::new(&place.fluent_bit.path);
    command.arg("--config").arg(config);
    command.env("LD_PRELOAD", library).env("FAKETIME_TIMESTAMP_FILE", &clock).env("FAKETIME_NO_CACHE", "1");
    command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("DONT_FAKE_MONOTONIC", "1");
    let mut process = Process::spawn_in(place, &place.at(""), &mut command)?;
    process.wait_for_log("stream processor started", 1)?;
    let mut client = Client::connect(port)?;
    let mut sent = 0;
    for offset in ["+0", "+365d", "+0", "+400d", "-30d", "+0"] {
        fs::write(&clock, offset)?;
        for _ in 0..MESSAGES {
            super::disks::send(&mut client, sent..sent + MESSAGE_RECORDS)?;
            sent += MESSAGE_RECORDS;
        }
        ledger::wait_for(&dir, &mut process, &(0..sent).collect::<Vec<_>>())
            .with_context(|| format!("with the clock at {offset}"))?;
        thread::sleep(Duration::from_secs(2));
    }
    process.stop()?;
    let report = ledger::check(&dir, &(0..sent).collect::<Vec<_>>())?;
    Ok(format!("{} records held, {} files closed", report.count("records"), ledger::closed(&dir)?))
}
