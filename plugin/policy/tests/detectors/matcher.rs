//! The engine, on single texts.

use flb_audit_core::policy::Policy;
use flb_audit_core::redact::Redactor;
use flb_audit_policy::detectors::{Detector, detectors};
use std::cell::{Cell, RefCell};
use std::ops::Range;

/// A hit, and the part of it to redact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) name: &'static str,
    pub(crate) class: &'static str,
    pub(crate) part: Range<usize>,
}

pub(crate) struct Matcher {
    /// The number of steps that were taken.
    pub(crate) steps: Cell<usize>,
    redactor: RefCell<Redactor<'static>>,
}

impl Matcher {
    /// Returns a matcher with the detectors that `is_wanted` selects.
    pub(crate) fn of(is_wanted: impl Fn(&Detector) -> bool) -> Self {
        let wanted = detectors().filter(|detector| is_wanted(detector));
        let lines: String = wanted.map(|detector| format!("    {}: on\n", detector.name)).collect();
        let policy = format!("version: 1\nredact:\n  detectors:\n{lines}");
        let policy = flb_audit_policy::Policy::read(&policy).expect("a policy");
        // The table is kept for the whole test.
        let table = Vec::leak(flb_audit_policy::compile(&policy).expect("a table"));
        let policy = Policy::check(table).expect("a sound table");
        Matcher { steps: Cell::new(0), redactor: RefCell::new(Redactor::new(policy, None)) }
    }

    /// Returns the hits in a text, in order.
    pub(crate) fn find(&self, text: &[u8]) -> Vec<Hit> {
        let mut hits = Vec::new();
        let steps = self.redactor.borrow_mut().find(text, |rule, part| {
            let detector =
                detectors().find(|detector| detector.name.as_bytes() == rule.name).expect("a detector");
            hits.push(Hit { name: detector.name, class: detector.class, part });
        });
        self.steps.set(self.steps.get() + steps.expect("enough steps"));
        hits
    }
}
