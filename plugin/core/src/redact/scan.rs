//! Scans one text for everything that the detectors find.
//!
//! One automaton, the scout, searches for the triggers of all detectors in one pass. At
//! each stop of the scout, the detector's lead is walked backwards to the start of the
//! match, and its pattern forwards to the possible ends. Then the detector's boundaries
//! and its validator decide.

use super::UNSCANNED;
use super::evidence::{Evidence, UNSCANNED_RULE};
use super::key::HmacKey;
use super::steps::{self, Exhausted, Steps};
use super::view::{self, VIEWS_MAX};
use super::{action, actor, assignment};
use crate::automaton::Automaton;
use crate::memory::{OutOfMemory, put};
use crate::policy::{Action, Concern, Policy};
use alloc::vec::Vec;
use core::mem;
use core::ops::Range;

/// The maximum distance from the end of a trigger back to the start of its match, in
/// bytes.
pub const LEAD_BYTES_MAX: usize = 256;

/// The reason why a text was not scanned to its end.
pub(super) enum Stopped {
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

/// Scans texts by a policy, and keeps the evidence.
#[derive(Debug)]
pub(crate) struct Scanner<'p> {
    pub(crate) policy: Policy<'p>,
    key: Option<HmacKey>,
    pub(crate) steps: Steps,
    pub(crate) evidence: Evidence,
    /// True if a rule asked for an HMAC and there was no key.
    pub(crate) lacks_key: bool,
    /// True if values that differ may look the same after redaction.
    pub(crate) is_ambiguous: bool,
    /// The kinds of findings that the current scan is for.
    look: Look,
    /// True if the current text contains escapes, so that it has to be decoded into
    /// views.
    has_escapes: bool,
    /// True if the current text is the name of a secret.
    is_name: bool,
    /// The name in the current text that was read last.
    asked: Range<usize>,
    /// True if the scan may stop at its first finding.
    is_first_enough: bool,
    views: [Vec<u8>; VIEWS_MAX],
    /// The findings in the text, those in one of its views, and both merged.
    pub(super) found: Vec<Hit>,
    in_view: Vec<Hit>,
    merged: Vec<Hit>,
}

/// The state of the scout's walk over a text.
struct Walk {
    state: u16,
    /// The number of bytes read.
    at: usize,
    /// The end of the last finding; the next one starts there or later.
    from: usize,
}

/// A finding of a detector.
#[derive(Clone, Debug)]
pub(super) struct Hit {
    pub(super) rule: u16,
    pub(super) range: Range<usize>,
    /// True if the finding stands in the text between two quotes. Then findings in views
    /// do not widen it: in a view, escaped quotes look like others.
    pub(super) is_closed: bool,
}

/// Checks whether a part starts behind a quote and ends with the same quote, neither of
/// them escaped.
fn is_closed(text: &[u8], part: &Range<usize>) -> bool {
    let byte = |at: Option<usize>| at.and_then(|at| text.get(at)).copied();
    let quote = byte(part.start.checked_sub(1)).filter(|byte| matches!(byte, b'"' | b'\''));
    let is_escaped = byte(part.start.checked_sub(2)) == Some(b'\\');
    // In a shell, `'a'\''b'` goes on behind the quote.
    let goes_on = byte(part.end.checked_add(1)) == Some(b'\\');
    let is_unsure = goes_on || text.get(part.clone()).is_some_and(|value| value.ends_with(b"\\"));
    quote.is_some()
        && !is_escaped
        && !is_unsure
        && (quote == byte(Some(part.end)) || quote == byte(part.end.checked_sub(1)))
}

/// The kinds of findings that a scan is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// The findings of all detectors.
    Everything,
    /// Only secrets. Everything else in the text is kept.
    Secrets,
    /// Everything except data that identifies a person: the text is an actor.
    Actor,
    /// The findings of all detectors, except data that identifies a person at a place for the
    /// actor.
    Mention,
    /// Only what names and options tell, in arguments that are separate texts.
    Told,
}

/// The result of a look at a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Nothing,
    /// The text is the name of a secret that stands elsewhere.
    Name,
    /// There is something to redact, or the text could not be scanned to its end.
    Found,
}

impl Seen {
    /// Returns the result that a number stands for.
    #[inline(always)]
    pub(crate) fn from_word(word: u64) -> Self {
        match word {
            0 => Seen::Nothing,
            1 => Seen::Name,
            _ => Seen::Found,
        }
    }
}

impl<'p> Scanner<'p> {
    pub(crate) fn new(policy: Policy<'p>, key: Option<HmacKey>) -> Self {
        let (steps, evidence) = (Steps::default(), Evidence::new());
        Scanner {
            policy,
            key,
            steps,
            evidence,
            lacks_key: false,
            is_ambiguous: false,
            look: Look::Everything,
            has_escapes: false,
            is_name: false,
            asked: 0..0,
            is_first_enough: false,
            views: Default::default(),
            found: Vec::new(),
            in_view: Vec::new(),
            merged: Vec::new(),
        }
    }

    /// Forgets the previous record.
    pub(crate) fn begin(&mut self, record_len: usize) {
        self.evidence.clear();
        self.steps = Steps::of(record_len);
        self.lacks_key = false;
    }

    /// Writes `text` with its findings replaced. Returns false if there are none; then
    /// `out` holds nothing of use.
    pub(crate) fn redact(
        &mut self,
        text: &[u8],
        look: Look,
        path: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<bool, OutOfMemory> {
        match self.try_redact(text, look, path, out) {
            Ok(is_redacted) => Ok(is_redacted),
            Err(Stopped::OutOfMemory) => Err(OutOfMemory),
            Err(Stopped::Exhausted) => self.mask_unscanned(path, out).map(|()| true),
        }
    }

    fn try_redact(
        &mut self,
        text: &[u8],
        look: Look,
        path: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<bool, Stopped> {
        out.clear();
        self.scan(text, look)?;
        let found = mem::take(&mut self.found);
        let mut from = 0;
        for Hit { rule, range, .. } in &found {
            put(out, text.get(from..range.start).unwrap_or_default())?;
            self.replace(*rule, text.get(range.clone()).unwrap_or_default(), path, out)?;
            from = range.end;
        }
        put(out, text.get(from..).unwrap_or_default())?;
        self.found = found;
        Ok(from > 0)
    }

    /// Looks at a text without redacting it.
    pub(crate) fn look(&mut self, text: &[u8], look: Look) -> Seen {
        let Some(scout) = &self.policy.scout else {
            return Seen::Nothing;
        };
        if self.steps.take(steps::SCOUT * text.len()).is_err() {
            return Seen::Found;
        }
        // If the scout does not stop for a wanted rule, there are no findings.
        if scout.lateness() == 0 {
            let (mut state, mut at) = (scout.start(None), 0);
            loop {
                let (next, len) = scout.run(state, text.get(at..).unwrap_or_default());
                (state, at) = (next, at + len);
                if !scout.is_accepting(state) {
                    return Seen::Nothing;
                }
                if look == Look::Everything
                    || scout.accepted(state).any(|rule| self.is_looked_for(rule, look))
                {
                    break;
                }
                if at >= text.len() {
                    return Seen::Nothing;
                }
            }
        }
        // Some steps are kept: this text is scanned a second time in its place, and other
        // texts follow.
        let kept = self.steps.keep_some();
        self.is_first_enough = true;
        let scanned = self.scan(text, look);
        self.is_first_enough = false;
        self.steps.give_back(kept);
        match scanned {
            Ok(()) if self.found.is_empty() && self.is_name => Seen::Name,
            Ok(()) if self.found.is_empty() => Seen::Nothing,
            _ => Seen::Found,
        }
    }

    /// Checks whether a rule belongs to the kinds that `look` asks for, or stands for an
    /// escape.
    fn is_looked_for(&self, rule: u16, look: Look) -> bool {
        let concern = self.policy.concern(rule);
        rule == self.policy.first_key_rule
            || match look {
                Look::Everything | Look::Mention => true,
                Look::Actor => concern != Some(Concern::Identity),
                Look::Secrets | Look::Told => concern == Some(Concern::Secret),
            }
    }

    /// Finds everything in `text` and in its views, in order.
    pub(super) fn scan(&mut self, text: &[u8], look: Look) -> Result<(), Stopped> {
        self.found.clear();
        self.in_view.clear();
        self.look = look;
        (self.is_name, self.has_escapes) = (false, false);
        let Some(scout) = self.policy.scout else {
            return Ok(());
        };
        let mut found = mem::take(&mut self.found);
        let result = self.scan_layer(&scout, text, &mut found);
        self.found = found;
        result?;
        if !self.has_escapes || self.is_first_enough && !self.found.is_empty() {
            return Ok(());
        }
        let mut views = mem::take(&mut self.views);
        let result = self.scan_views(&scout, text, &mut views);
        self.views = views;
        result
    }

    #[cold]
    fn scan_views(
        &mut self,
        scout: &Automaton<'_>,
        text: &[u8],
        views: &mut [Vec<u8>; VIEWS_MAX],
    ) -> Result<(), Stopped> {
        for depth in 0..VIEWS_MAX {
            let (before, view) = views.split_at_mut(depth);
            let Some(view) = view.first_mut() else { break };
            let source = before.last().map_or(text, |view| view.as_slice());
            self.steps.take(steps::WALK * source.len())?;
            if !view::decode(source, view)? {
                break;
            }
            let mut found = mem::take(&mut self.in_view);
            found.clear();
            let result = self.scan_layer(scout, view, &mut found);
            // Maps the findings back through the views to the text itself.
            for source in before.iter().rev().map(|view| view.as_slice()).chain([text]) {
                if result.is_err() || found.is_empty() {
                    break;
                }
                if self.steps.take(steps::WALK * source.len()).is_err() {
                    return Err(Stopped::Exhausted);
                }
                view::locate(source, found.iter_mut().map(|found| &mut found.range));
            }
            self.in_view = found;
            result?;
            self.merge()?;
            if !self.has_escapes || self.is_first_enough && !self.found.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Adds the findings in a view. Findings that overlap become one that covers both.
    fn merge(&mut self) -> Result<(), OutOfMemory> {
        if self.in_view.is_empty() {
            return Ok(());
        }
        self.merged.clear();
        self.merged.try_reserve(self.found.len() + self.in_view.len()).map_err(|_| OutOfMemory)?;
        let (mut ones, mut others) = (self.found.iter().peekable(), self.in_view.iter().peekable());
        loop {
            let next = match (ones.peek(), others.peek()) {
                (Some(one), Some(other)) if one.range.start <= other.range.start => ones.next(),
                (Some(_), None) => ones.next(),
                _ => others.next(),
            };
            let Some(next) = next else { break };
            match self.merged.last_mut().filter(|last| last.range.end > next.range.start) {
                Some(last) if last.is_closed => {}
                Some(last) => last.range.end = last.range.end.max(next.range.end),
                None => self.merged.push(next.clone()),
            }
        }
        mem::swap(&mut self.found, &mut self.merged);
        Ok(())
    }

    /// Finds everything in one view of a text.
    fn scan_layer(&mut self, scout: &Automaton<'_>, text: &[u8], out: &mut Vec<Hit>) -> Result<(), Stopped> {
        self.has_escapes = false;
        self.asked = 0..0;
        self.steps.take(steps::SCOUT * text.len())?;
        let mut walk = Walk { state: scout.start(None), at: 0, from: 0 };
        while let Some(found) = self.next(scout, text, &mut walk)? {
            walk.from = found.range.end;
            if walk.from > walk.at {
                // The bytes that are skipped may hold escapes.
                self.has_escapes |=
                    text[walk.at..walk.from].iter().any(|byte| matches!(byte, b'%' | b'\\' | b'&'));
                walk.at = walk.from;
                walk.state = scout.start(text.get(walk.at - 1).copied());
            }
            out.try_reserve(1).map_err(|_| OutOfMemory)?;
            out.push(found);
            if self.is_first_enough {
                break;
            }
        }
        Ok(())
    }

    /// Walks on to the next finding.
    fn next(
        &mut self,
        scout: &Automaton<'_>,
        text: &[u8],
        walk: &mut Walk,
    ) -> Result<Option<Hit>, Exhausted> {
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

    /// Writes the mask for a text that could not be scanned to its end.
    pub(crate) fn mask_unscanned(&mut self, path: &[u8], out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
        out.clear();
        self.is_ambiguous = true;
        action::write_mask(UNSCANNED.as_bytes(), out)?;
        self.evidence.add(UNSCANNED_RULE, Action::Mask, path)
    }

    /// Writes the replacement of `value`, and records it in the evidence.
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
        // This redaction is done in any case. If the steps run out here, later texts are
        // masked.
        let _ = self.steps.take(steps::FOUND + path.len() + hmac);
        self.lacks_key |= done != known.action && known.action == Action::Hmac;
        self.is_ambiguous |= done != Action::Hmac;
        self.evidence.add(rule, done, path)
    }

    /// Asks the detectors whose trigger ends at `trigger_end` for a finding that starts
    /// at `from` or later.
    #[inline(never)]
    fn verify(
        &mut self,
        scout: &Automaton<'_>,
        state: u16,
        text: &[u8],
        trigger_end: usize,
        from: usize,
    ) -> Result<Option<Hit>, Exhausted> {
        let mut assignment = None;
        for rule in scout.accepted(state) {
            if rule == self.policy.first_key_rule {
                self.has_escapes = true;
                continue;
            }
            if self.look != Look::Everything && !self.is_looked_for(rule, self.look) {
                continue;
            }
            if let Some(validator) = self.policy.reader(rule) {
                if assignment.is_none() {
                    let read = assignment::read(text, trigger_end, from, &mut self.asked, &mut self.steps);
                    self.is_name |= read.is_name;
                    self.steps.take(2 * steps::ASK)?;
                    assignment = Some(read);
                }
                let found = assignment.as_ref().and_then(|read| read.found.as_ref());
                if let Some((_, range)) = found.filter(|(kind, _)| *kind == validator)
                    && !self.is_token(text, range)
                {
                    return Ok(Some(Hit { rule, range: range.clone(), is_closed: is_closed(text, range) }));
                }
                continue;
            }
            self.steps.take(steps::ASK)?;
            if self.look != Look::Told
                && let Some(detector) = self.policy.detector(rule)
                && let Some(range) = self.find(&detector, text, trigger_end, from)?
                && !(self.look == Look::Mention
                    && self.policy.concern(rule) == Some(Concern::Identity)
                    && actor::is_mentioned(text, &range))
            {
                return Ok(Some(Hit { rule, range, is_closed: false }));
            }
        }
        Ok(None)
    }

    /// Checks whether a part is itself the replacement of an earlier redaction: `[name]`,
    /// `[class:…]`.
    fn is_token(&self, text: &[u8], part: &Range<usize>) -> bool {
        let around = part.start.saturating_sub(1)..(part.end + 1).min(text.len());
        let value = text.get(part.clone()).unwrap_or_default();
        let inner = match (value, text.get(around).unwrap_or_default()) {
            ([b'[', inner @ .., b']'], _) | (_, [b'[', inner @ .., b']']) => inner,
            _ => return false,
        };
        let name = inner.split(|byte| *byte == b':').next().unwrap_or_default();
        name == UNSCANNED.as_bytes()
            || self.policy.rules().any(|rule| rule.name == name || rule.class == name)
    }
}
