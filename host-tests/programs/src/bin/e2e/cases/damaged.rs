//! State directories that are damaged or belong to another user. The report says which of
//! the two it is, and accuses nobody.

use super::restarts::lasting_pipeline;
use crate::case::{Place, Skipped};
use crate::pipeline::Pipeline;
use crate::process::Process;
use crate::verify::{self, INTACT, KEY_NOT_CERTIFIED, STATE_DAMAGED, TAIL_UNANCHORED, UNREADABLE};
use crate::{ledger, poll};
use anyhow::{Context, Result, ensure};
use flb_audit_core::chain::{keyring, state};
use serde_json::json;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;

const RECORDS: usize = 10;

/// Damage that is done to a state directory between two lives.
type Damage = fn(&Path) -> Result<()>;

/// A state of the filter, and what `verify` says about its records.
struct Expected {
    name: &'static str,
    damage: Damage,
    is_of_other_user: bool,
    code: i32,
    says: &'static [&'static str],
}

const STATES: [Expected; 4] = [
    Expected {
        name: "both slots of chain.state",
        damage: |dir| {
            flip(&dir.join(state::FILE_NAME), &[state::SLOT_BYTES + 10, 2 * state::SLOT_BYTES + 10])
        },
        is_of_other_user: false,
        code: STATE_DAMAGED,
        says: &["starts anew: its node found its state damaged", "note state-damaged"],
    },
    Expected {
        name: "chain.key",
        damage: |dir| {
            let file = dir.join(keyring::FILE_NAME);
            let len = fs::metadata(&file)?.len() as usize;
            flip(&file, &(0..len).step_by(7).collect::<Vec<_>>())
        },
        is_of_other_user: false,
        code: KEY_NOT_CERTIFIED,
        says: &["its first record says key-damaged, so its node may have lost its keys"],
    },
    Expected {
        name: "the header of chain.state",
        damage: |dir| flip(&dir.join(state::FILE_NAME), &[12]),
        is_of_other_user: false,
        code: INTACT,
        says: &["ephemeral: the filter's state was damaged", "note state-damaged"],
    },
    Expected {
        name: "files of another user",
        damage: |dir| {
            for entry in fs::read_dir(dir)? {
                chown(entry?.path(), Some(0), Some(0))?;
            }
            Ok(())
        },
        is_of_other_user: true,
        code: INTACT,
        says: &["ephemeral: the filter could not write its state: it belongs to another user"],
    },
];

/// Changes the byte at each of these places.
fn flip(file: &Path, places: &[usize]) -> Result<()> {
    let mut bytes = fs::read(file)?;
    for &place in places {
        bytes[place] ^= 0xff;
    }
    Ok(fs::write(file, bytes)?)
}

pub(crate) fn states(place: &Place) -> Result<String> {
    let mut seen = Vec::new();
    for expected in STATES {
        let place = &place.below(&expected.name.replace(' ', "-"))?;
        seen.push(state(place, &expected).with_context(|| expected.name)?);
    }
    Ok(seen.join("; "))
}

fn state(place: &Place, expected: &Expected) -> Result<String> {
    let mut pipeline = lasting_pipeline(place)?;
    let dir = pipeline.use_keys()?;
    pipeline.http("json_lines");
    live(place, &pipeline, expected, RECORDS)?;
    (expected.damage)(&dir)?;
    live(place, &pipeline, expected, 2 * RECORDS)?;
    let log = &pipeline.sinks().next().context("no output")?.path;
    let (code, text) = verify::say("verify", &[("--roster", &place.at("roster.json"))], log)?;
    ensure!(code == expected.code, "verify ended with {code}: {text}");
    for says in expected.says {
        ensure!(text.contains(says), "verify does not say {says:?}: {text}");
    }
    ensure!(!text.contains("no state directory"), "{text}");
    Ok(format!("{}: {code}", expected.name))
}

/// Runs one life, until all lives together have delivered `records` records.
fn live(place: &Place, pipeline: &Pipeline<'_>, expected: &Expected, records: usize) -> Result<()> {
    let lines: String =
        (records - RECORDS..records).map(|number| format!("{}\n", json!({ "number": number }))).collect();
    OpenOptions::new().append(true).create(true).open(place.at("log"))?.write_all(lines.as_bytes())?;
    let mut process = if expected.is_of_other_user {
        let is_first = records == RECORDS;
        if is_first && !give_away(&place.at(""))? {
            return Err(Skipped("it takes root to run Fluent Bit as another user").into());
        }
        Process::start_as_nobody(place, &pipeline.write_config()?)?
    } else {
        pipeline.start()?
    };
    pipeline.wait_for(&mut process, records)?;
    process.stop()
}

/// Makes the user nobody the owner of a directory. Returns false if that is not allowed.
fn give_away(dir: &Path) -> Result<bool> {
    Ok(Command::new("chown").args(["-R", "65534:65534"]).arg(dir).status()?.success())
}

/// Checks that a ledger with a damaged state goes on if its other files tell how far it
/// had come, and refuses otherwise.
pub(crate) fn ledgers(place: &Place) -> Result<String> {
    let slots: Damage =
        |dir| flip(&dir.join(state::FILE_NAME), &[state::SLOT_BYTES + 10, 2 * state::SLOT_BYTES + 10]);
    let slots_alone: Damage = |dir| {
        fs::remove_file(dir.join("ledger.intents"))?;
        flip(&dir.join(state::FILE_NAME), &[state::SLOT_BYTES + 10, 2 * state::SLOT_BYTES + 10])
    };
    let header_alone: Damage = |dir| {
        fs::remove_file(dir.join("ledger.intents"))?;
        flip(&dir.join(state::FILE_NAME), &[12])
    };
    let key: Damage = |dir| {
        let file = dir.join(keyring::FILE_NAME);
        let len = fs::metadata(&file)?.len() as usize;
        flip(&file, &(0..len).step_by(7).collect::<Vec<_>>())
    };
    let cases = [
        ("state", slots, "chain.state: damaged; the chain continues", Some(TAIL_UNANCHORED)),
        // Nothing vouches any more for what was written under the chain's old state.
        (
            "state-and-intents",
            slots_alone,
            "without anything that says how the ledger had written it",
            Some(UNREADABLE),
        ),
        ("header-and-intents", header_alone, "chain.state: damaged", None),
        ("key", key, "chain.key: damaged", None),
    ];
    for (name, damage, says, code) in cases {
        let place = &place.below(name)?;
        let (dir, roster) = (place.at("ledger"), place.at("roster.json"));
        verify::init_ledger(&dir, &roster)?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let outputs = [ledger::output(&dir)];
        let mut process = ledger::start(place, port, &outputs)?;
        super::disks::send_and_wait(&mut process, port, &dir, 0..20)?;
        process.stop()?;
        damage(&dir)?;
        let mut process = ledger::start(place, port, &outputs)?;
        if let Some(code) = code {
            process.wait_for_log(says, 1)?;
            super::disks::send_and_wait(&mut process, port, &dir, 20..40)?;
            process.stop()?;
            let report = verify::verify_all(std::slice::from_ref(&dir), &[("--roster", &roster)])?;
            let findings = &report.report["findings"];
            ensure!(report.code == code, "{name}: verify ended with {}: {findings}", report.code);
        } else {
            let ended = || Ok(process.ensure_running().is_err().then_some(()));
            poll::until("fluent-bit to end", ended, || format!("{name}: it runs"))?;
            let log = process.log()?;
            ensure!(log.contains(says), "{name}: no {says:?} in {log}");
        }
    }
    Ok("it goes on from its other files, or refuses and says why".into())
}
