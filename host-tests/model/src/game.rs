//! The game: an honest fleet seals a log, an adversary with the store, and perhaps with
//! the keys of a node, changes it, and what is said of it must still be true.
//!
//! The fleet and the adversary follow scripts, lists of [`Step`], which tests and fuzz
//! targets draw at random.

mod adversary;
mod fleet;
mod thief;

pub use adversary::attack;
pub use fleet::{Fleet, Sealed, honest};
pub use thief::Stolen;

use crate::model::{Log, Report};
use crate::seal::Read;
use std::collections::{BTreeMap, BTreeSet};

/// One step of a script: what to do, and two numbers that say where.
pub type Step = (u8, u16, u16);

/// Returns the script that these bytes stand for.
pub fn script(bytes: &[u8]) -> Vec<Step> {
    let step = |bytes: &[u8; 5]| {
        (bytes[0], u16::from_le_bytes([bytes[1], bytes[2]]), u16::from_le_bytes([bytes[3], bytes[4]]))
    };
    bytes.as_chunks().0.iter().map(step).collect()
}

/// Findings that say nothing of records that are not covered.
const FINE: [&str; 3] = ["tail_unanchored", "unsigned", "state_damaged"];

/// Checks that a report says nothing that is not so, which is two things:
///
/// - Each record that a signature is said to reach was sealed exactly so. Who has a
///   node's keys is the node, for the time since the oldest of these keys came into
///   force; before that only if the report says that nobody has handed over to a key.
/// - Each record that was sealed before one that a signature reaches is here, said to be
///   altered or unsigned, or said to be missing.
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
            None if of_thief.is_some() && lacks_handover => {}
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
        // Without its first record nobody knows what a segment goes on from.
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
    /// The places of intact records, and of altered ones
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

    /// Says what is wrong if a record that was sealed is not here, and the report does
    /// not say so.
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
            // The end of a segment of which nobody knows where it was: an altered record
            // does not say so, and is reported itself.
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
