//! Finds the secrets that rules of gitleaks describe.

use super::ends::Ends;
use super::scan::Scanner;
use super::steps::{self, Exhausted};
use super::validate::bits;
use crate::automaton::Compact;
use crate::policy::leak::{AllowTarget, Leak};
use crate::policy::{Detector, Validator};
use core::ops::Range;

/// The maximum distance from the start of a rule's match to its secret, in bytes.
const BEFORE_BYTES_MAX: usize = 2048;

impl Scanner<'_> {
    /// Returns the secret that this rule finds, if its trigger ends at `trigger_end`.
    #[cold]
    pub(super) fn find_leak(
        &mut self,
        detector: &Detector<'_>,
        text: &[u8],
        trigger_end: usize,
        from: usize,
    ) -> Result<Option<Range<usize>>, Exhausted> {
        let Some(leak) = self.policy.leak(detector.pattern) else { return Ok(None) };
        let Some(start) = self.start(&detector.lead, text, trigger_end, from)? else {
            return Ok(None);
        };
        let at = if leak.is_behind { trigger_end } else { start };
        let starts = match &leak.before {
            Some(before) => self.ends(before, text, at, BEFORE_BYTES_MAX)?,
            None => {
                let mut ends = Ends::new();
                ends.add(at);
                ends
            }
        };
        for secret in starts.iter() {
            for end in self.ends(&leak.secret, text, secret, usize::MAX)?.iter() {
                let whole = match &leak.after {
                    Some(after) => self.shortest(after, text, end)?,
                    None => Some(end),
                };
                if let Some(whole) = whole.filter(|_| end > secret) {
                    let is_secret = self.is_leak(&leak, text, secret..end, start..whole)?;
                    return Ok(is_secret.then_some(secret..end));
                }
            }
        }
        Ok(None)
    }

    /// Checks by entropy, keywords and allowlists that a match is a secret.
    fn is_leak(
        &mut self,
        leak: &Leak<'_>,
        text: &[u8],
        secret: Range<usize>,
        whole: Range<usize>,
    ) -> Result<bool, Exhausted> {
        let value = text.get(secret).unwrap_or_default();
        self.steps.take(steps::ASK + steps::READ * value.len())?;
        if leak.entropy > 0 && bits(value) <= leak.entropy {
            return Ok(false);
        }
        if let Some(keywords) = &leak.keywords
            && !self.is_match(keywords, text)?
        {
            return Ok(false);
        }
        let policy = self.policy;
        let mut holds = true;
        for allow in policy.allows(leak).flatten() {
            let target = match allow.target {
                AllowTarget::Secret => value,
                AllowTarget::Match => text.get(whole.clone()).unwrap_or_default(),
                AllowTarget::Text => text,
            };
            holds = holds && self.is_match(&allow.automaton, target)?;
            if holds && !allow.goes_on {
                return Ok(false);
            }
            holds = holds || !allow.goes_on;
        }
        Ok(true)
    }

    /// Returns the possible ends of an automaton's match from `start` on.
    fn ends(
        &mut self,
        automaton: &Compact<'_>,
        text: &[u8],
        start: usize,
        len_max: usize,
    ) -> Result<Ends, Exhausted> {
        let mut ends = Ends::new();
        let mut state = automaton.start(start.checked_sub(1).and_then(|at| text.get(at)).copied());
        let last = text.len().min(start.saturating_add(len_max));
        let mut at = start;
        if automaton.lateness() == 0 && !automaton.is_dead(state) && automaton.is_special(state) {
            ends.add(at);
        }
        while at <= last {
            state = match text.get(at) {
                Some(&byte) => automaton.step(state, byte),
                None => automaton.step_end(state),
            };
            if automaton.is_special(state) {
                if automaton.is_dead(state) {
                    break;
                }
                ends.add(at + 1 - automaton.lateness());
            }
            at += 1;
        }
        self.steps.take(steps::WALK * (at - start))?;
        Ok(ends)
    }

    /// Returns the end of the shortest match from `start` on.
    fn shortest(
        &mut self,
        automaton: &Compact<'_>,
        text: &[u8],
        start: usize,
    ) -> Result<Option<usize>, Exhausted> {
        let mut state = automaton.start(start.checked_sub(1).and_then(|at| text.get(at)).copied());
        let mut at = start;
        let end = loop {
            if automaton.is_special(state) {
                let is_found = !automaton.is_dead(state);
                break is_found.then(|| at.saturating_sub(automaton.lateness()).max(start));
            }
            if at > text.len() {
                break None;
            }
            state = match text.get(at) {
                Some(&byte) => automaton.step(state, byte),
                None => automaton.step_end(state),
            };
            at += 1;
        };
        self.steps.take(steps::WALK * (at - start))?;
        Ok(end)
    }

    /// Checks whether an automaton finds anything in a text.
    fn is_match(&mut self, automaton: &Compact<'_>, text: &[u8]) -> Result<bool, Exhausted> {
        let mut state = automaton.start(None);
        let mut read = 0;
        while !automaton.is_special(state) && read < text.len() {
            state = automaton.step(state, text[read]);
            read += 1;
        }
        if !automaton.is_special(state) {
            state = automaton.step_end(state);
        }
        self.steps.take(steps::WALK * read)?;
        Ok(automaton.is_special(state) && !automaton.is_dead(state))
    }
}

impl Detector<'_> {
    /// True if this is a rule of gitleaks.
    pub(super) fn is_leak(&self) -> bool {
        self.validator == Validator::Leak
    }
}
