//! A policy into the table that the filter walks.

use crate::automaton::{self, Alphabet, Direction};
use crate::own::{self, Own};
use crate::paths::{self, Path};
use crate::policy::{Pattern, Policy, Rule};
use crate::streams;
use crate::yaml::Problem;
use flb_audit_core::policy::Boundary;
use flb_audit_core::policy::Validator;
use flb_audit_core::policy::{
    HEADER_BYTES, Kind, LAYOUT, MAGIC, NO_AUTOMATON, POLICY_BYTES_MAX, RULES_MAX, digest,
};
use std::collections::HashMap;

/// Compiles a policy. What cannot be compiled is said with its place.
pub fn compile(policy: &Policy) -> Result<Vec<u8>, Problem> {
    let mut table = Table::default();
    let mut triggers = Vec::new();
    for (pattern, rule) in &policy.detectors {
        let (trigger, lead, whole, validator, before, after) = match pattern {
            Pattern::Known(known) => {
                (known.trigger, known.lead, known.pattern, known.validator, known.before, known.after)
            }
            Pattern::Own(own, Own { trigger, lead }) => {
                (&**trigger, &**lead, &**own, Validator::Any, Boundary::None, Boundary::None)
            }
        };
        triggers.push(trigger);
        let lead_len = if lead == trigger { own::len(lead).unwrap_or(0) } else { 0 };
        let lead = match lead_len {
            0 => table.compact(policy, &[lead], Direction::Backwards)?,
            _ => NO_AUTOMATON,
        };
        let whole = table.compact(policy, &[whole], Direction::Anchored)?;
        let bytes = [validator as u8, before as u8, after as u8, lead_len];
        table.rule(rule, Kind::Detector, bytes, [lead, whole]);
    }
    let scout = automaton::compile(&triggers, Direction::Anywhere, Alphabet::Bytes);
    let scout = table.automaton(policy, &triggers, scout)?;
    let keys: Vec<&str> = policy.keys.iter().map(|(pattern, _)| &**pattern).collect();
    let keys = table.compact(policy, &keys, Direction::Anywhere)?;
    let first_key_rule = policy.detectors.len();
    for (_, rule) in &policy.keys {
        table.rule(rule, Kind::Key, [0; 4], [0; 2]);
    }
    let first_path_rule = (first_key_rule + policy.keys.len()) as u16;
    for rule in &policy.path_rules {
        table.rule(rule, Kind::Path, [0; 4], [0; 2]);
    }
    let at_paths = if policy.paths.is_empty() {
        NO_AUTOMATON
    } else {
        let numbered: Vec<Path> = policy
            .paths
            .iter()
            .map(|path| Path {
                steps: path.steps.clone(),
                rule: path.rule.map(|rule| rule + first_path_rule),
            })
            .collect();
        let compiled = paths::compile(&numbered).map_err(anywhere)?;
        table.append(compiled)
    };
    table.finish(policy, [scout, keys, at_paths, first_key_rule as u32])
}

fn anywhere(message: impl Into<String>) -> Problem {
    Problem { line: 1, column: 1, message: message.into() }
}

#[derive(Default)]
struct Table {
    rules: Vec<u8>,
    strings: Vec<u8>,
    automata: Vec<u8>,
    /// Where in the automata those of these patterns are.
    known: HashMap<Vec<u8>, u32>,
}

impl Table {
    /// Compiles patterns into one compact automaton, and gives its place.
    fn compact(&mut self, policy: &Policy, patterns: &[&str], direction: Direction) -> Result<u32, Problem> {
        let compiled = automaton::compile_compact(patterns, direction, Alphabet::Bytes);
        self.automaton(policy, patterns, compiled)
    }

    /// Adds what patterns were compiled into, and gives its place.
    fn automaton(
        &mut self,
        policy: &Policy,
        patterns: &[&str],
        compiled: Result<Vec<u8>, automaton::Error>,
    ) -> Result<u32, Problem> {
        if patterns.is_empty() {
            return Ok(NO_AUTOMATON);
        }
        let compiled = compiled.map_err(|error| {
            let index = if let automaton::Error::Syntax(index, _) = error { index } else { 0 };
            // Together they are too much; that is not of one place.
            let own = patterns.get(index).filter(|_| patterns.len() == 1 || index > 0);
            let place = own.and_then(|pattern| policy.places.get(*pattern)).cloned();
            match place {
                Some(place) => Problem { message: format!("{}: {error}", place.message), ..place },
                None => anywhere(format!("the patterns of all rules together: {error}")),
            }
        })?;
        Ok(self.append(compiled))
    }

    fn append(&mut self, part: Vec<u8>) -> u32 {
        if let Some(known) = self.known.get(&part) {
            return *known;
        }
        let start = self.automata.len() as u32;
        self.automata.extend(&part);
        self.known.insert(part, start);
        start
    }

    fn string(&mut self, text: &str) -> [u8; 4] {
        let known = self.strings.windows(text.len().max(1)).position(|window| window == text.as_bytes());
        let start = known.unwrap_or_else(|| {
            self.strings.extend(text.bytes());
            self.strings.len() - text.len()
        });
        (start as u32 | (text.len() as u32) << 24).to_le_bytes()
    }

    fn rule(&mut self, rule: &Rule, kind: Kind, bytes: [u8; 4], automata: [u32; 2]) {
        let (name, class) = (self.string(&rule.name), self.string(&rule.class));
        let (action, parameter) = rule.action.id();
        self.rules.extend(name.into_iter().chain(class));
        self.rules.extend([action, parameter, kind as u8].into_iter().chain(bytes).chain([0]));
        self.rules.extend(automata.into_iter().flat_map(u32::to_le_bytes));
    }

    fn finish(self, policy: &Policy, places: [u32; 4]) -> Result<Vec<u8>, Problem> {
        let streams = streams::compile(&policy.streams);
        let parts = [policy.source.as_bytes(), &self.rules, &self.strings, &self.automata, &streams];
        let len = HEADER_BYTES + parts.iter().map(|part| part.len()).sum::<usize>();
        if len > POLICY_BYTES_MAX
            || policy.detectors.len() + policy.keys.len() + policy.path_rules.len() > RULES_MAX
        {
            return Err(anywhere(format!(
                "the policy comes to {len} bytes; {POLICY_BYTES_MAX} and {RULES_MAX} rules are the limit"
            )));
        }
        let mut table = Vec::with_capacity(len);
        table.extend(MAGIC);
        table.extend(LAYOUT.to_le_bytes());
        table.extend((len as u32).to_le_bytes());
        table.extend([0; 32]);
        let mut start = HEADER_BYTES;
        let mut place = |part: &[u8]| {
            start += part.len();
            [start - part.len(), part.len()].into_iter().flat_map(|number| (number as u32).to_le_bytes())
        };
        let [redaction @ .., streams] = parts;
        table.extend(redaction.into_iter().flat_map(&mut place));
        table.extend(places.into_iter().flat_map(u32::to_le_bytes));
        table.extend(place(streams));
        parts.into_iter().for_each(|part| table.extend(part));
        let digest = digest(&table);
        table[16..48].copy_from_slice(&digest);
        Ok(table)
    }
}
