//! The game: an honest fleet seals a log, an adversary with the store changes it, and
//! what is said of it must still be true.
//!
//! The fleet and the adversary follow scripts, lists of [`Step`], which tests and fuzz
//! targets draw at random.

mod adversary;
mod fleet;

pub use adversary::attack;
pub use fleet::{Fleet, honest};

use crate::model::{Log, Report};
use crate::seal::Read;
use std::collections::BTreeSet;

/// One step of a script: what to do, and two numbers that say where.
pub type Step = (u8, u16, u16);

/// Returns the script that these bytes stand for.
pub fn script(bytes: &[u8]) -> Vec<Step> {
    let step = |bytes: &[u8; 5]| {
        (bytes[0], u16::from_le_bytes([bytes[1], bytes[2]]), u16::from_le_bytes([bytes[3], bytes[4]]))
    };
    bytes.as_chunks().0.iter().map(step).collect()
}

/// Findings that say nothing of records that are not covered. Those that are here when
/// others were lost in a stop make *unclean stop*, whatever they are.
const FINE: [&str; 3] = ["tail_unanchored", "unsigned", "state_damaged"];

/// Checks that a report says nothing that is not so: each record that a signature is
/// said to reach was sealed exactly so, and each record that was sealed before one of
/// these is here, altered, or said to be missing.
pub fn check(fleet: &Fleet, log: &Log, report: &Report) -> Result<(), String> {
    let mut here = BTreeSet::new();
    let mut altered = BTreeSet::new();
    let is_said = report.findings.keys().any(|kind| !FINE.contains(kind));
    for line in &log.lines {
        if let Read::Sealed(record) = crate::seal::read(line) {
            if record.is_intact {
                here.insert((record.chain.clone(), record.head));
            }
            altered.insert((record.chain, record.place));
        }
    }
    let mut before = BTreeSet::new();
    for (chain, place, head) in &report.covered {
        let Some(mut at) = fleet.find(chain, head) else {
            return Err(format!("{chain} {place:?} was not sealed so, and a signature is said to reach it"));
        };
        if fleet.sealed[at].place != *place {
            return Err(format!("{chain} {place:?} was sealed at {:?}", fleet.sealed[at].place));
        }
        while before.insert(at) {
            let sealed = &fleet.sealed[at];
            // What a segment goes on from, its first record says.
            if sealed.place.2 == 0 && !here.contains(&(chain.clone(), sealed.head)) {
                break;
            }
            match fleet.find(chain, &sealed.prev) {
                Some(previous) => at = previous,
                None => break,
            }
        }
    }
    for at in before {
        let sealed = &fleet.sealed[at];
        let (segment, run, number) = &sealed.place;
        let is_missing = report.missing.iter().any(|(chain, of, life, first, last)| {
            *chain == sealed.chain && of == segment && life == run && (first..=last).contains(&number)
        });
        let is_here = here.contains(&(sealed.chain.clone(), sealed.head))
            || is_said && altered.contains(&(sealed.chain.clone(), sealed.place.clone()));
        if !is_here && !is_missing {
            return Err(format!("{} {:?} is gone, and nothing says so", sealed.chain, sealed.place));
        }
    }
    Ok(())
}
