//! The checks. Each states what it finds, the consequence, and the remedy.

mod anchors;
mod configuration;
mod filters;
mod host;
mod inputs;
mod ledger;
mod outputs;
mod routes;
mod tail;

use crate::Options;
use crate::config::{Config, Kind, Section};
use crate::flow::{Flows, Step};
use crate::plugins;
use crate::source::Place;
use crate::wildcard::Fit;
use std::collections::BTreeSet;

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing: nothing is wrong, or it depends on facts outside of the
    /// configuration.
    Note,
    /// Records are lost, altered or duplicated when something else goes wrong: a restart,
    /// an outage, a long line.
    Warning,
    /// Records are lost, altered, duplicated or left unsealed in normal operation, or
    /// Fluent Bit does not start.
    Error,
}

impl Severity {
    /// Returns the severity as a word.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// One kind of trap.
pub struct Check {
    /// The name of the check, in reports and in `docs/doctor.md`.
    pub id: &'static str,
    /// The severity, unless a finding says otherwise.
    pub severity: Severity,
    /// The consequence, and when it happens.
    pub why: &'static str,
    /// The remedy.
    pub remedy: &'static str,
    find: fn(&Scene<'_>) -> Vec<Hit>,
}

/// The configuration and its flows, which the checks look at.
pub(crate) struct Scene<'a> {
    pub(crate) config: &'a Config,
    pub(crate) flows: &'a Flows,
    pub(crate) options: &'a Options,
    /// True if the configuration has an audit filter.
    seals: bool,
    /// The inputs of logs that are sealed, or may be. If nothing seals, the inputs of all
    /// logs.
    audited: BTreeSet<usize>,
    /// The outputs that such logs reach, or may reach.
    audit_outputs: BTreeSet<usize>,
}

/// A place where a check found something.
pub(crate) struct Hit {
    pub(crate) place: Place,
    pub(crate) message: String,
    pub(crate) severity: Option<Severity>,
    /// Properties to set.
    pub(crate) set: Vec<Set>,
    /// Other lines to write.
    pub(crate) lines: Vec<String>,
}

/// A property to set.
#[derive(Clone, Debug)]
pub(crate) struct Set {
    /// The section. `None` is the service section, which may not exist yet.
    pub(crate) step: Option<Step>,
    pub(crate) key: &'static str,
    pub(crate) value: String,
}

impl Hit {
    pub(crate) fn new(place: Place, message: impl Into<String>) -> Hit {
        Hit { place, message: message.into(), severity: None, set: Vec::new(), lines: Vec::new() }
    }

    pub(crate) fn severity(self, severity: Severity) -> Hit {
        Hit { severity: Some(severity), ..self }
    }

    pub(crate) fn set(mut self, section: usize, key: &'static str, value: impl Into<String>) -> Hit {
        let step = Some(Step { section, processor: None });
        self.set.push(Set { step, key, value: value.into() });
        self
    }

    pub(crate) fn set_at(mut self, step: Step, key: &'static str, value: impl Into<String>) -> Hit {
        self.set.push(Set { step: Some(step), key, value: value.into() });
        self
    }

    pub(crate) fn set_service(mut self, key: &'static str, value: impl Into<String>) -> Hit {
        self.set.push(Set { step: None, key, value: value.into() });
        self
    }

    pub(crate) fn lines(mut self, lines: impl IntoIterator<Item = impl Into<String>>) -> Hit {
        self.lines.extend(lines.into_iter().map(Into::into));
        self
    }
}

/// Returns all checks, in the order in which they report.
pub fn checks() -> impl Iterator<Item = &'static Check> {
    [
        configuration::CHECKS,
        tail::CHECKS,
        inputs::CHECKS,
        filters::CHECKS,
        outputs::CHECKS,
        routes::CHECKS,
        ledger::CHECKS,
        anchors::CHECKS,
        host::CHECKS,
    ]
    .into_iter()
    .flatten()
}

impl Check {
    pub(crate) fn find(&self, scene: &Scene<'_>) -> Vec<Hit> {
        (self.find)(scene)
    }

    /// Checks whether this check looks only at the text. Such checks run even if Fluent
    /// Bit cannot read the configuration.
    pub(crate) fn is_of_text(&self) -> bool {
        configuration::CHECKS.iter().any(|check| check.id == self.id)
    }
}

impl<'a> Scene<'a> {
    pub(crate) fn new(config: &'a Config, flows: &'a Flows, options: &'a Options) -> Scene<'a> {
        let (audited, audit_outputs) = (BTreeSet::new(), BTreeSet::new());
        let mut scene = Scene { config, flows, options, seals: false, audited, audit_outputs };
        scene.seals = scene.audit_filters().next().is_some() || scene.ledgers().next().is_some();
        scene.audited = scene.find_audited();
        scene.audit_outputs = scene.find_audit_outputs();
        scene
    }

    pub(crate) fn inputs(&self) -> impl Iterator<Item = (usize, &'a Section)> {
        self.config.all(Kind::Input)
    }

    pub(crate) fn filters(&self) -> impl Iterator<Item = (usize, &'a Section)> {
        self.config.all(Kind::Filter)
    }

    pub(crate) fn outputs(&self) -> impl Iterator<Item = (usize, &'a Section)> {
        self.config.all(Kind::Output)
    }

    pub(crate) fn section(&self, step: Step) -> &'a Section {
        let section = &self.config.sections[step.section];
        step.processor.map_or(section, |at| &section.processors[at])
    }

    /// Returns the filters and the steps of `processors`, in the order of the sections.
    pub(crate) fn steps(&self) -> impl Iterator<Item = (Step, &'a Section)> {
        self.config.sections.iter().enumerate().flat_map(|(at, section)| {
            let own =
                (section.kind == Kind::Filter).then_some((Step { section: at, processor: None }, section));
            let steps = section.processors.iter().enumerate();
            own.into_iter()
                .chain(steps.map(move |(n, step)| (Step { section: at, processor: Some(n) }, step)))
        })
    }

    /// Returns our filters, as filters and as steps of `processors`.
    pub(crate) fn audit_filters(&self) -> impl Iterator<Item = (Step, &'a Section)> {
        self.steps().filter(|(_, step)| plugins::is_audit_filter(step))
    }

    pub(crate) fn ledgers(&self) -> impl Iterator<Item = (usize, &'a Section)> {
        self.outputs().filter(|(_, output)| plugins::is_ledger(output))
    }

    /// Checks whether the configuration seals anything.
    pub(crate) fn seals(&self) -> bool {
        self.seals
    }

    /// Returns the inputs of logs that are sealed, or may be. If nothing seals, returns
    /// the inputs of all logs.
    pub(crate) fn audited(&self) -> impl Iterator<Item = (usize, &'a Section)> {
        self.inputs().filter(|(index, _)| self.audited.contains(index))
    }

    /// Returns the outputs that sealed records reach, or may reach. If nothing seals,
    /// returns all outputs that a log may reach.
    pub(crate) fn audit_outputs(&self) -> impl Iterator<Item = (usize, &'a Section)> {
        self.outputs().filter(|(index, _)| self.audit_outputs.contains(index))
    }

    fn find_audited(&self) -> BTreeSet<usize> {
        let to_ledgers = self.ledgers().flat_map(|(at, _)| self.flows.arrivals_at(at));
        let to_ledgers: BTreeSet<usize> = to_ledgers.map(|arrival| arrival.input).collect();
        let is_sealed = |at: &usize| self.flows.sealed_inputs.contains_key(at) || to_ledgers.contains(at);
        let logs = self.inputs().filter(|(_, input)| !plugins::is_no_log(input)).map(|(at, _)| at);
        logs.filter(|at| !self.seals || is_sealed(at)).collect()
    }

    fn find_audit_outputs(&self) -> BTreeSet<usize> {
        let has_inputs = self.inputs().next().is_some();
        let is_reached = |at| {
            if self.seals {
                self.flows.sealed_at(at) > Fit::No || !has_inputs
            } else {
                self.flows.arrivals_at(at).any(|arrival| self.audited.contains(&arrival.input))
            }
        };
        let outputs = self.outputs().filter(|(at, output)| plugins::is_ledger(output) || is_reached(*at));
        outputs.map(|(at, _)| at).collect()
    }
}
