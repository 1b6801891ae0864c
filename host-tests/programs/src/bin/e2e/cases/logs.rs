//! Logs with the configs that ship: long lines, lines from before the first start,
//! rotation, and kill -9.

use super::unsealed::{CONFIGS, lay_out, outputs};
use crate::case::Place;
use crate::disk::Disk;
use crate::process::Process;
use crate::verify::{GAP, UNREADABLE};
use crate::{ledger, poll, verify};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::ops::Range;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// The configs without a filter.
const LEDGERS: [&str; 2] = ["ledger-alone.conf", "ledger-alone.yaml"];
const LEDGER: &str = "var/lib/flb-audit/ledger";
/// The number of the line that is longer than the configs allow, and its length.
const TOO_LONG: usize = 12;
const TOO_LONG_BYTES: usize = 20_000_000;

pub(crate) fn every_config(place: &Place) -> Result<String> {
    for name in CONFIGS.into_iter().chain(LEDGERS) {
        survive(&place.below(name)?, name).with_context(|| name)?;
    }
    Ok(format!("{} configs", CONFIGS.len() + LEDGERS.len()))
}

/// The number of lines that come while the disk is full, and of those after that.
const WHILE_FULL: usize = 600;
const AFTERWARDS: usize = 10;

/// The ledger refuses what a full disk does not take, Fluent Bit keeps it, and nothing is
/// lost. The output `file` loses it without a message. That is a fault of Fluent Bit. The
/// case pins it down, so that a fix is noticed, and `verify` reports the loss.
pub(crate) fn full_disks(place: &Place) -> Result<String> {
    let ledgers = LEDGERS.into_iter().chain(["ledger.yaml"]);
    for name in ledgers {
        let place = &place.below(name)?;
        let report = fill(place, name, LEDGER).with_context(|| name)?;
        ensure!(report.count("missing") == 0, "{name}: {} records are missing", report.count("missing"));
    }
    let report = fill(&place.below("filter-audit.yaml")?, "filter-audit.yaml", "var/log/sealed")?;
    let is_said = [GAP, UNREADABLE].contains(&report.code);
    ensure!(is_said, "`file` has lost nothing, or verify does not say it: it ended with {}", report.code);
    Ok(format!("3 ledgers have lost nothing; `file` has, and verify ends with {}", report.code))
}

/// Runs a config whose outputs are on a disk that is full for a while.
fn fill(place: &Place, name: &str, outputs_in: &str) -> Result<verify::Report> {
    let log = lay_out(place, name)?;
    let dir = place.at(outputs_in);
    let before = place.at("before");
    fs::create_dir_all(&dir)?;
    fs::rename(&dir, &before)?;
    fs::create_dir(&dir)?;
    let disk = Disk::mount(&dir, "256k")?;
    for entry in fs::read_dir(&before)? {
        let entry = entry?;
        fs::copy(entry.path(), dir.join(entry.file_name()))?;
    }
    append(&log, 0..WHILE_FULL, 1000)?;
    let mut process = Process::start(place, Path::new(name))?;
    if outputs_in == LEDGER {
        process.wait_for_log("retry: ", 3)?;
    } else {
        thread::sleep(Duration::from_secs(5));
    }
    disk.grow("64m")?;
    let last = WHILE_FULL..WHILE_FULL + AFTERWARDS;
    append(&log, last.clone(), 1000)?;
    // `file` has written half a line, and appends the next line to it.
    let expected = if outputs_in == LEDGER { (0..last.end).collect() } else { last.skip(1).collect() };
    wait_for(place, &mut process, &expected)?;
    process.stop()?;
    let report = verify::verify_all(&outputs(place)?, &[])?;
    // Reads this before the disk is unmounted.
    let held = held(place)?;
    ensure!(expected.is_subset(&held), "{} lines are held", held.len());
    Ok(report)
}

fn survive(place: &Place, name: &str) -> Result<()> {
    let log = lay_out(place, name)?;
    append(&log, 0..10, 0)?;
    append(&log, 10..11, 77_000)?;
    append(&log, 11..12, 10_000_000)?;
    append(&log, TOO_LONG..TOO_LONG + 1, TOO_LONG_BYTES)?;
    append(&log, 13..14, 0)?;
    let mut expected: BTreeSet<usize> = (0..14).filter(|number| *number != TOO_LONG).collect();
    let mut process = Process::start(place, Path::new(name))?;
    wait_for(place, &mut process, &expected)?;
    process.wait_for_log("Skipping long lines", 1)?;
    process.kill()?;

    append(&log, 20..25, 0)?;
    fs::rename(&log, log.with_file_name("audit.log.1"))?;
    append(&log, 30..35, 0)?;
    expected.extend((20..25).chain(30..35));
    let mut process = Process::start(place, Path::new(name))?;
    wait_for(place, &mut process, &expected)?;

    let rotated = log.with_file_name("audit-2026-11-28T09-41-16.123.log");
    fs::rename(&log, &rotated)?;
    append(&rotated, 40..45, 0)?;
    append(&log, 50..55, 0)?;
    expected.extend((40..45).chain(50..55));
    wait_for(place, &mut process, &expected)?;
    process.stop()?;

    let report = verify::verify_all(&outputs(place)?, &[])?;
    ensure!(report.count("missing") == 0, "{} records are missing", report.count("missing"));
    let extra: Vec<usize> = held(place)?.difference(&expected).copied().collect();
    ensure!(extra.is_empty(), "there are {extra:?}, too");
    Ok(())
}

/// Appends lines with these numbers, each with a text of `bytes` bytes.
fn append(log: &Path, numbers: Range<usize>, bytes: usize) -> Result<()> {
    let text = "word ".repeat(bytes / 5);
    let mut file = OpenOptions::new().append(true).create(true).open(log)?;
    for number in numbers {
        writeln!(file, r#"{{"mark":"mark-{number}-mark","text":"{text}"}}"#)?;
    }
    Ok(())
}

/// Returns the numbers of the lines that have come out.
fn held(place: &Place) -> Result<BTreeSet<usize>> {
    let dir = place.at(LEDGER);
    let lines = if dir.exists() {
        ledger::lines(&dir)?
    } else {
        let texts: Vec<String> = outputs(place)?.iter().map(fs::read_to_string).collect::<Result<_, _>>()?;
        texts.iter().flat_map(|text| text.lines()).map(String::from).collect()
    };
    let number = |line: &String| line.split_once("mark-")?.1.split('-').next()?.parse().ok();
    Ok(lines.iter().filter_map(number).collect())
}

fn wait_for(place: &Place, process: &mut Process, expected: &BTreeSet<usize>) -> Result<()> {
    let done = || {
        process.ensure_running()?;
        Ok(expected.is_subset(&held(place)?).then_some(()))
    };
    let left =
        || format!("without {:?}", expected.difference(&held(place).unwrap_or_default()).collect::<Vec<_>>());
    poll::until("all lines", done, left)
}
