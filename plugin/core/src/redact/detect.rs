//! Finds what a detector describes: a lead before its trigger, and a pattern or a shape from there
//! on.

use super::ends::Ends;
use super::scan::{LEAD_BYTES_MAX, Scanner};
use super::steps::{self, Exhausted};
use crate::policy::shape::{self, Shapes};
use crate::policy::{Detector, Lead, Validator};
use core::ops::Range;

/// The usual maximum length of a card's number, in digits.
const CARD_DIGITS_USUAL: usize = 16;

impl Scanner<'_> {
    /// Returns the part that a detector redacts, if its trigger ends at `trigger_end`. The part starts
    /// at `from` or later.
    pub(super) fn find(
        &mut self,
        detector: &Detector<'_>,
        text: &[u8],
        trigger_end: usize,
        from: usize,
    ) -> Result<Option<Range<usize>>, Exhausted> {
        if let Some(shapes) = self.policy.shapes(detector.pattern) {
            return self.find_shape(detector, shapes, text, trigger_end, from);
        }
        if detector.is_leak() {
            return self.find_leak(detector, text, trigger_end, from);
        }
        // The text before the password may have been found already, such as an address as the user.
        let is_behind = matches!(detector.validator, Validator::UrlPassword | Validator::UserPassword);
        let lead_from = if is_behind { 0 } else { from };
        let Some(start) = self.start(&detector.lead, text, trigger_end, lead_from)? else {
            return Ok(None);
        };
        let before = start.checked_sub(1).and_then(|at| text.get(at)).copied();
        if !detector.before.holds_behind(&text[..start]) {
            return Ok(None);
        }
        let Some(pattern) = self.policy.pattern(detector) else {
            return Ok(None);
        };
        let mut ends = Ends::new();
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
                    ends.add(end);
                }
            }
            at += 1;
        }
        self.steps.take(steps::WALK * (at - start))?;
        for end in ends.iter() {
            self.steps.take(steps::ASK + steps::READ * (end - start))?;
            let part = detector.validator.validate(&text[start..end]);
            let part = part.map(|part| start + part.start..start + part.end);
            // Cards have 16 digits, with few exceptions. Longer numbers behind a slash are ids:
            // `instances/4123456789012345679`.
            let is_id = detector.validator == Validator::Card
                && end - start > CARD_DIGITS_USUAL
                && before == Some(b'/');
            if let Some(part) =
                part.filter(|part| !part.is_empty() && part.start >= from && part.end <= end && !is_id)
            {
                return Ok(Some(part));
            }
        }
        Ok(None)
    }

    /// Finds the first match of a detector's shapes.
    #[cold]
    fn find_shape(
        &mut self,
        detector: &Detector<'_>,
        mut shapes: Shapes<'_>,
        text: &[u8],
        trigger_end: usize,
        from: usize,
    ) -> Result<Option<Range<usize>>, Exhausted> {
        while let Some((lead_len, parts)) = shapes.next() {
            let Some(start) = trigger_end.checked_sub(lead_len).filter(|start| *start >= from) else {
                continue;
            };
            let (head, tail) = text.split_at_checked(start).unwrap_or((text, b""));
            let (len, read) = shape::matches(parts, tail);
            self.steps.take(steps::WALK * (read + 1))?;
            let Some(len) = len.filter(|_| detector.before.holds_behind(head)) else { continue };
            let (value, behind) = tail.split_at_checked(len).unwrap_or((tail, b""));
            if !detector.after.holds_ahead(behind) {
                continue;
            }
            self.steps.take(steps::ASK + steps::READ * len)?;
            if detector.validator.validate(value).is_some() {
                return Ok(Some(start..start + len));
            }
        }
        Ok(None)
    }

    /// Returns the start of the longest match of `lead` that ends at `end`.
    pub(super) fn start(
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
