//! Looking through one text for what the detectors find.
//!
//! One automaton, the scout, looks for what each detector is triggered by, all
//! of them in one pass. Where it stops, the detector's lead is walked
//! backwards to where the match starts, and its pattern forwards to where it
//! may end; then its boundaries and its validator decide.

use super::UNSCANNED;
use super::action;
use super::evidence::{Evidence, UNSCANNED_RULE};
use super::key::HmacKey;
use super::steps::{self, Exhausted, Steps};
use crate::automaton::Automaton;
use crate::memory::{OutOfMemory, put};
use crate::policy::{Action, Detector, Lead, Policy};
use alloc::vec::Vec;
use core::ops::Range;

/// How far back from its trigger a match may start, in bytes.
pub const LEAD_BYTES_MAX: usize = 256;
/// Of how many ends of a match the longest valid one is taken, at the most.
const ENDS_MAX: usize = 8;

/// Why a text could not be looked through to its end.
enum Stopped {
    Exhausted,
    OutOfMemory,
}

impl From<Exhausted> for Stopped {
    fn from(Exhausted: Exhausted) -> Self {
        Stopped::Exhausted
    }
}

impl From<OutOfMemory> for Stopped {
    fn from(OutOfMemory: OutOfMemory) -> Self {
        Stopped::OutOfMemory
    }
}

/// Looks through texts by a policy, and keeps account of it.
#[derive(Debug)]
pub(crate) struct Scanner<'p> {
    pub(crate) policy: Policy<'p>,
    key: Option<HmacKey>,
    pub(crate) steps: Steps,
    pub(crate) evidence: Evidence,
    /// Whether an HMAC was asked for and there was no key.
    pub(crate) lacks_key: bool,
    /// Whether values that differ may now look the same.
    pub(crate) is_ambiguous: bool,
}

/// A walk of the scout over a text.
struct Walk {
    state: u16,
    /// How much it has read.
    at: usize,
    /// Behind what has been found already.
    from: usize,
}

/// What a detector has found.
struct Found {
    rule: u16,
    range: Range<usize>,
}

impl<'p> Scanner<'p> {
    pub(crate) fn new(policy: Policy<'p>, key: Option<HmacKey>) -> Self {
        let (steps, evidence) = (Steps::default(), Evidence::new());
        Scanner { policy, key, steps, evidence, lacks_key: false, is_ambiguous: false }
    }

    /// Forgets the record before.
    pub(crate) fn begin(&mut self, record_len: usize) {
        self.evidence.clear();
        self.steps = Steps::of(record_len);
        self.lacks_key = false;
    }

    /// Writes `text` without what must not leave; false, and nothing of use
    /// written, if there is none of that in it.
    pub(crate) fn redact(
        &mut self,
        text: &[u8],
        path: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<bool, OutOfMemory> {
        match self.try_redact(text, path, out) {
            Ok(is_redacted) => Ok(is_redacted),
            Err(Stopped::OutOfMemory) => Err(OutOfMemory),
            Err(Stopped::Exhausted) => self.mask_unscanned(path, out).map(|()| true),
        }
    }

    fn try_redact(&mut self, text: &[u8], path: &[u8], out: &mut Vec<u8>) -> Result<bool, Stopped> {
        let Some(scout) = self.policy.scout else {
            return Ok(false);
        };
        out.clear();
        self.steps.take(steps::SCOUT * text.len())?;
        let mut walk = Walk { state: scout.start(None), at: 0, from: 0 };
        while let Some(found) = self.next(&scout, text, &mut walk)? {
            put(out, &text[walk.from..found.range.start])?;
            self.replace(found.rule, &text[found.range.clone()], path, out)?;
            walk.from = found.range.end;
            if walk.from > walk.at {
                walk.at = walk.from;
                walk.state = scout.start(text.get(walk.at - 1).copied());
            }
        }
        put(out, &text[walk.from..])?;
        Ok(walk.from > 0)
    }

    /// Whether there is anything in `text`, or no saying.
    pub(crate) fn finds(&mut self, text: &[u8]) -> bool {
        let Some(scout) = &self.policy.scout else {
            return false;
        };
        if self.steps.take(steps::SCOUT * text.len()).is_err() {
            return true;
        }
        // Where the scout does not stop there is nothing.
        let (state, at) = scout.run(scout.start(None), text);
        if !scout.is_accepting(state) && scout.lateness() == 0 {
            return false;
        }
        let scout = *scout;
        let mut walk = Walk { state, at, from: 0 };
        let is_stop = scout.is_accepting(state);
        (is_stop && !matches!(self.verify(&scout, state, text, at - scout.lateness(), 0), Ok(None)))
            || !matches!(self.next(&scout, text, &mut walk), Ok(None))
    }

    /// Walks on to what is found next.
    fn next(
        &mut self,
        scout: &Automaton<'_>,
        text: &[u8],
        walk: &mut Walk,
    ) -> Result<Option<Found>, Exhausted> {
        while walk.at <= text.len() {
            let end = if walk.at < text.len() {
                let (state, len) = scout.run(walk.state, &text[walk.at..]);
                walk.state = state;
                walk.at += len;
                walk.at - scout.lateness()
            } else {
                walk.state = scout.step_end(walk.state);
                walk.at += 1;
                text.len()
            };
            if scout.is_accepting(walk.state)
                && let Some(found) = self.verify(scout, walk.state, text, end, walk.from)?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Writes what takes the place of a text that could not be looked through.
    pub(crate) fn mask_unscanned(&mut self, path: &[u8], out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
        out.clear();
        self.is_ambiguous = true;
        action::write_mask(UNSCANNED.as_bytes(), out)?;
        self.evidence.add(UNSCANNED_RULE, Action::Mask, path)
    }

    /// Writes what takes the place of `value`, and what was done.
    pub(crate) fn replace(
        &mut self,
        rule: u16,
        value: &[u8],
        path: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), OutOfMemory> {
        let Some(known) = self.policy.rule(rule) else {
            return Ok(());
        };
        let done = action::write(&known, value, self.key.as_ref(), out)?;
        let hmac = if done == Action::Hmac { steps::HMAC + steps::READ * value.len() } else { 0 };
        // What is done is done; what comes next has fewer.
        let _ = self.steps.take(steps::FOUND + path.len() + hmac);
        self.lacks_key |= done != known.action && known.action == Action::Hmac;
        self.is_ambiguous |= done != Action::Hmac;
        self.evidence.add(rule, done, path)
    }

    /// Asks the detectors whose trigger ends at `trigger_end` what they
    /// find that starts at `from` or later.
    #[inline(never)]
    fn verify(
        &mut self,
        scout: &Automaton<'_>,
        state: u16,
        text: &[u8],
        trigger_end: usize,
        from: usize,
    ) -> Result<Option<Found>, Exhausted> {
        for rule in scout.accepted(state) {
            self.steps.take(steps::ASK)?;
            if let Some(detector) = self.policy.detector(rule)
                && let Some(range) = self.find(&detector, text, trigger_end, from)?
            {
                return Ok(Some(Found { rule, range }));
            }
        }
        Ok(None)
    }

    fn find(
        &mut self,
        detector: &Detector<'_>,
        text: &[u8],
        trigger_end: usize,
        from: usize,
    ) -> Result<Option<Range<usize>>, Exhausted> {
        let Some(start) = self.start(&detector.lead, text, trigger_end, from)? else {
            return Ok(None);
        };
        let before = start.checked_sub(1).and_then(|at| text.get(at)).copied();
        if !detector.before.holds_behind(&text[..start]) {
            return Ok(None);
        }
        let Some(pattern) = self.policy.pattern(detector) else {
            return Ok(None);
        };
        let mut ends = [0; ENDS_MAX];
        let mut count = 0;
        let mut state = pattern.start(before);
        let mut at = start;
        while at <= text.len() {
            state = match text.get(at) {
                Some(&byte) => pattern.step(state, byte),
                None => pattern.step_end(state),
            };
            if pattern.is_special(state) {
                if state == 0 {
                    break;
                }
                let end = at + 1 - pattern.lateness();
                if detector.after.holds_ahead(&text[end..]) {
                    ends[count % ENDS_MAX] = end;
                    count += 1;
                }
            }
            at += 1;
        }
        self.steps.take(steps::WALK * (at - start))?;
        for back in 1..=count.min(ENDS_MAX) {
            let end = ends[(count - back) % ENDS_MAX];
            self.steps.take(steps::ASK + steps::READ * (end - start))?;
            let part = detector.validator.validate(&text[start..end]);
            if let Some(part) = part.filter(|part| !part.is_empty() && start + part.end <= end) {
                return Ok(Some(start + part.start..start + part.end));
            }
        }
        Ok(None)
    }

    /// Where the longest match of `lead` that ends at `end` starts.
    fn start(
        &mut self,
        lead: &Lead<'_>,
        text: &[u8],
        end: usize,
        from: usize,
    ) -> Result<Option<usize>, Exhausted> {
        let lead = match lead {
            Lead::Trigger(len) => return Ok(end.checked_sub(*len).filter(|start| *start >= from)),
            Lead::Automaton(lead) => lead,
        };
        let from = from.max(end.saturating_sub(LEAD_BYTES_MAX));
        let mut state = lead.start(text.get(end).copied());
        let mut start = None;
        let mut at = end;
        loop {
            let is_end = at == from;
            state = if is_end { lead.step_end(state) } else { lead.step(state, text[at - 1]) };
            if lead.is_special(state) {
                if state == 0 {
                    break;
                }
                start = Some(at + lead.lateness() - 1);
            }
            if is_end {
                break;
            }
            at -= 1;
        }
        self.steps.take(steps::WALK * (end - at))?;
        Ok(start)
    }
}
