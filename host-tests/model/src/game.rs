//! The game: an honest fleet seals a log, and an adversary changes it. The adversary can
//! write the store, and may have the keys of a node. What a report says about the log
//! must still be true.
//!
//! Fleet and adversary follow scripts, which are lists of [`Step`]. Tests and fuzz
//! targets draw them at random.

mod adversary;
mod fleet;
mod thief;

pub use adversary::attack;
pub use fleet::{Fleet, Sealed, honest};
pub use thief::Stolen;

use crate::model::{Log, Report};
use crate::seal::Read;
use std::collections::{BTreeMap, BTreeSet};

/// One step of a script: an action, and two numbers that select where.
pub type Step = (u8, u16, u16);

/// Returns the script for these bytes.
pub fn script(bytes: &[u8]) -> Vec<Step> {
    let step = |bytes: &[u8; 5]| {
        (bytes[0], u16::from_le_bytes([bytes[1], bytes[2]]), u16::from_le_bytes([bytes[3], bytes[4]]))
    };
    bytes.as_chunks().0.iter().map(step).collect()
}

/// Findings that say nothing about uncovered records.
const FINE: [&str; 3] = ["tail_unanchored", "unsigned", "state_damaged"];

/// Checks that everything a report says is true:
///
/// - Each record that a signature is said to cover was sealed exactly like that. Somebody
///   who has a node's keys counts as the node since the time at which the oldest of these
///   keys came into force. Before that time, this holds only if the report says that a
///   key has no handover, or that a key after the copied ones came into force twice.
/// - Each record that was sealed before a covered record is here, or the report says that
///   it is altered, unsigned or missing.
pub fn check(fleet: &Fleet, log: &Log, report: &Report) -> Result<(), String> {
    let lacks_handover =
        report.findings.values().flatten().any(|what| what.contains(": no handover between key"));
    let mut proven = Vec::new();
    for (chain, place, head) in &report.covered {
        let of_thief = fleet.stolen.as_ref().filter(|stolen| stolen.chain == *chain);
        match fleet.find(chain, head) {
            Some(at) if fleet.sealed[at].place == *place => proven.push(at),
            Some(at) => return Err(format!("{chain} {place:?} was sealed at {:?}", fleet.sealed[at].place)),
            None if of_thief.is_some_and(|stolen| (place.0, place.2) >= stolen.since) => {}
            None if of_thief.is_some_and(|stolen| lacks_handover || stolen.is_hidden(chain, report)) => {}
            None => {
                return Err(format!(
                    "{chain} {place:?} was not sealed so, and a signature is said to reach it"
                ));
            }
        }
    }
    let here = Here::of(log);
    let mut seen = BTreeSet::new();
    for mut at in proven {
        // Without the first record of a segment, nobody knows from which record the
        // segment goes on.
        let mut is_known = true;
        while seen.insert((at, is_known)) {
            let sealed = &fleet.sealed[at];
            if let Some(wrong) = here.misses(sealed, is_known, report) {
                return Err(wrong);
            }
            let Some(previous) = fleet.find(&sealed.chain, &sealed.prev) else { break };
            if sealed.place.2 == 0 {
                is_known = here.heads.contains(&(sealed.chain.clone(), sealed.head));
            }
            at = previous;
        }
    }
    Ok(())
}

/// The records of a log, as anybody can see them.
struct Here {
    /// The heads of intact records
    heads: BTreeSet<(String, [u8; 32])>,
    /// The places of intact and of altered records
    places: BTreeMap<(String, u64, String), BTreeMap<u64, bool>>,
}

impl Here {
    fn of(log: &Log) -> Here {
        let mut here = Here { heads: BTreeSet::new(), places: BTreeMap::new() };
        for line in &log.lines {
            let Read::Sealed(record) = crate::seal::read(line) else { continue };
            let (segment, run, number) = record.place;
            let life = (record.chain.clone(), segment, run);
            *here.places.entry(life).or_default().entry(number).or_default() |= record.is_intact;
            if record.is_intact {
                here.heads.insert((record.chain, record.head));
            }
        }
        here
    }

    /// Returns what is wrong if a sealed record is not here and the report does not say
    /// so.
    fn misses(&self, sealed: &Sealed, is_known: bool, report: &Report) -> Option<String> {
        let (segment, run, number) = &sealed.place;
        let is_missing = report.missing.iter().any(|(chain, of, life, first, last)| {
            *chain == sealed.chain && of == segment && life == run && (first..=last).contains(&number)
        });
        if is_missing || self.heads.contains(&(sealed.chain.clone(), sealed.head)) {
            return None;
        }
        let life = self.places.get(&(sealed.chain.clone(), *segment, run.clone()));
        let is_said = |kind: &&str| !FINE.contains(kind);
        match life.and_then(|life| life.get(number)) {
            Some(false) if report.findings.contains_key("tampered") => None,
            Some(true) if report.findings.keys().any(is_said) => None,
            // It is not known where the segment ended. An altered record does not say
            // that, and is reported itself.
            None if !is_known
                && life
                    .is_none_or(|life| life.iter().all(|(here, is_intact)| here < number || !is_intact)) =>
            {
                None
            }
            _ => Some(format!("{} {:?} is gone, and nothing says so", sealed.chain, sealed.place)),
        }
    }
}
