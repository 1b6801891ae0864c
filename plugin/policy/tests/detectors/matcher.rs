//! A plain matcher that does what the engine does, straight from the
//! patterns.

use flb_audit_core::automaton::Automaton;
use flb_audit_policy::automaton::{Alphabet, Direction, compile};
use flb_audit_policy::detectors::{Detector, detectors};
use std::cell::Cell;
use std::ops::Range;

/// How far ahead of its trigger's end a match may start, in bytes.
const LEAD_BYTES_MAX: usize = 256;
/// How many ends of a match are tried.
const ENDS_MAX: usize = 8;

/// What was found, and the part of it that is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) name: &'static str,
    pub(crate) class: &'static str,
    pub(crate) part: Range<usize>,
}

struct Compiled {
    detector: &'static Detector,
    lead: Vec<u8>,
    pattern: Vec<u8>,
}

pub(crate) struct Matcher {
    /// How many bytes were looked at, those of leads and patterns again.
    pub(crate) steps: Cell<usize>,
    scout: Vec<u8>,
    detectors: Vec<Compiled>,
}

/// The automaton of one pattern.
pub(crate) fn automaton(pattern: &str, direction: Direction) -> Vec<u8> {
    compile(&[pattern], direction, Alphabet::Bytes).unwrap_or_else(|error| panic!("{pattern}: {error}"))
}

fn read(table: &[u8]) -> Automaton<'_> {
    Automaton::read(table).expect("a table").0
}

impl Matcher {
    /// A matcher of the detectors that are wanted.
    pub(crate) fn of(is_wanted: impl Fn(&Detector) -> bool) -> Self {
        let wanted: Vec<&'static Detector> = detectors().filter(|detector| is_wanted(detector)).collect();
        let triggers: Vec<&str> = wanted.iter().map(|detector| detector.trigger).collect();
        let compiled = |detector: &'static Detector| Compiled {
            detector,
            lead: automaton(detector.lead, Direction::Backwards),
            pattern: automaton(detector.pattern, Direction::Anchored),
        };
        Matcher {
            steps: Cell::new(0),
            scout: compile(&triggers, Direction::Anywhere, Alphabet::Bytes).expect("triggers"),
            detectors: wanted.into_iter().map(compiled).collect(),
        }
    }

    /// All hits in a text, in order, none of which overlap.
    pub(crate) fn find(&self, text: &[u8]) -> Vec<Hit> {
        let scout = read(&self.scout);
        let (mut hits, mut from) = (Vec::new(), 0);
        let mut state = scout.start(None);
        for (end, &byte) in (1..).zip(text) {
            self.steps.set(self.steps.get() + 1);
            state = scout.step(state, byte);
            for id in scout.accepted(state) {
                if end <= from {
                    continue;
                }
                if let Some((whole, hit)) = self.detectors[id as usize].find(text, from, end, &self.steps) {
                    hits.push(hit);
                    from = whole.end;
                }
            }
        }
        hits
    }
}

impl Compiled {
    /// The match whose trigger ends at `end`, and its hit.
    fn find(&self, text: &[u8], from: usize, end: usize, steps: &Cell<usize>) -> Option<(Range<usize>, Hit)> {
        let (lead, pattern) = (read(&self.lead), read(&self.pattern));
        let mut start = None;
        let mut state = lead.start(None);
        for at in (from.max(end.saturating_sub(LEAD_BYTES_MAX))..end).rev() {
            steps.set(steps.get() + 1);
            state = lead.step(state, text[at]);
            if lead.accepted(state).next().is_some() {
                start = Some(at + lead.lateness());
            }
            if state == 0 {
                break;
            }
        }
        if state != 0 && lead.accepted(lead.step_end(state)).next().is_some() {
            start = Some(from.max(end.saturating_sub(LEAD_BYTES_MAX)));
        }
        let start = start?;
        if !self.detector.before.holds_behind(&text[..start]) {
            return None;
        }
        let mut ends = Vec::new();
        let mut state = pattern.start(None);
        for at in start..=text.len() {
            steps.set(steps.get() + 1);
            state = text.get(at).map_or_else(|| pattern.step_end(state), |&byte| pattern.step(state, byte));
            let end = at + 1 - pattern.lateness();
            if pattern.accepted(state).next().is_some() && self.detector.after.holds_ahead(&text[end..]) {
                ends.push(end);
            }
            if state == 0 {
                break;
            }
        }
        let validate = |&end: &usize| {
            steps.set(steps.get() + end - start);
            let part = self.detector.validator.validate(&text[start..end])?;
            Some((end, start + part.start..start + part.end))
        };
        let (end, part) = ends.iter().rev().take(ENDS_MAX).find_map(validate)?;
        let hit = Hit { name: self.detector.name, class: self.detector.class, part };
        Some((start..end, hit))
    }
}
