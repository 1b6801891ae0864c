//! Compiles a policy into the table that the filter walks.

use crate::automaton::{self, Alphabet, Direction};
use crate::custom::{self, CustomPattern};
use crate::detectors::{Detector, shape};
use crate::formats::{self, Holds};
use crate::gitleaks::Leak;
use crate::normalize;
use crate::paths::{self, Path, Says};
use crate::policy::{Pattern, Policy, Rule};
use crate::streams;
use crate::yaml::Problem;
use flb_audit_core::policy::Boundary;
use flb_audit_core::policy::Validator;
use flb_audit_core::policy::{
    self, Concern, DetectorParts, Kind, LeakParts, NO_AUTOMATON, POLICY_BYTES_MAX, RULES_MAX, TableParts,
};
use flb_audit_core::recognize::{Dictionary, add_facts, write_dictionary};
use flb_audit_core::redact::{ESCAPES, Redactor};
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

/// Compiles a policy. An error has the place of the part that cannot be compiled.
///
/// # Example
///
/// ```
/// use flb_audit_core::redact::Redactor;
///
/// let policy = flb_audit_policy::Policy::read("version: 1\nredact: {packs: {secrets: on}}\n")?;
/// let table = flb_audit_policy::compile(&policy)?;
///
/// let mut redactor = Redactor::new(flb_audit_core::policy::Policy::check(&table)?, None);
/// let mut found = Vec::new();
/// redactor.find(b"login with password=Xq9-hunter", |rule, part| found.push((rule.name.to_vec(), part)));
/// assert_eq!(found, [(b"password".to_vec(), 20..30)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn compile(policy: &Policy) -> Result<Vec<u8>, Problem> {
    let rules = policy.detectors.len() + policy.keys.len() + policy.path_rules.len() + 3;
    if rules > RULES_MAX {
        return Err(anywhere(format!("the policy has {rules} rules; {RULES_MAX} are the limit")));
    }
    let mut automata = Automata::default();
    let mut parts = TableParts::default();
    let mut triggers: Vec<String> = Vec::new();
    for (pattern, rule) in &policy.detectors {
        let (trigger, lead, whole, validator, before, after) = match pattern {
            Pattern::Known(known) => {
                (known.trigger, known.lead, known.pattern, known.validator, known.before, known.after)
            }
            Pattern::Custom(own, CustomPattern { trigger, lead }) => {
                (&**trigger, &**lead, &**own, Validator::Any, Boundary::None, Boundary::None)
            }
            Pattern::Leak(leak) => {
                triggers.push(trigger_of(&leak.trigger)?);
                let detector = automata.leak(leak);
                parts.rule(&rule.of(Kind::Detector, Concern::Secret), Some(detector));
                continue;
            }
        };
        if let Pattern::Known(known) = pattern
            && !known.shapes.is_empty()
        {
            let shapes = shape::read(known.shapes).map_err(anywhere)?;
            triggers.push(trigger_of(&shapes.trigger)?);
            let place = automata.append(shapes.table);
            parts.rule(
                &rule.of(Kind::Detector, concern(known)),
                Some(DetectorParts::shapes(known.validator, before, after, place)),
            );
            continue;
        }
        // A validator that reads the text itself only has a trigger.
        triggers.push(if validator.reads_text() { trigger.into() } else { trigger_of(trigger)? });
        let concern = match pattern {
            Pattern::Known(known) => concern(known),
            Pattern::Custom(..) | Pattern::Leak(_) => Concern::Any,
        };
        if validator.reads_text() {
            let detector = DetectorParts {
                validator,
                before,
                after,
                lead_len: 0,
                lead: NO_AUTOMATON,
                pattern: NO_AUTOMATON,
            };
            parts.rule(&rule.of(Kind::Detector, concern), Some(detector));
            continue;
        }
        let lead_len = if lead == trigger { custom::len(lead).unwrap_or(0) } else { 0 };
        let lead = match lead_len {
            0 => automata.compact(policy, &[lead], Direction::Backwards)?,
            _ => NO_AUTOMATON,
        };
        let whole = automata.compact(policy, &[whole], Direction::Anchored)?;
        let detector = DetectorParts { validator, before, after, lead_len, lead, pattern: whole };
        parts.rule(&rule.of(Kind::Detector, concern), Some(detector));
    }
    if !triggers.is_empty() {
        triggers.push(trigger_of(ESCAPES)?);
    }
    let scout = automaton::compile_scout(&triggers);
    let triggers: Vec<&str> = triggers.iter().map(String::as_str).collect();
    let scout = automata.add(policy, &triggers, scout)?;
    let keys: Vec<&str> = policy.keys.iter().map(|(pattern, _)| &**pattern).collect();
    let keys = automata.compact(policy, &keys, Direction::Anywhere)?;
    let first_key_rule = policy.detectors.len();
    for (_, rule) in &policy.keys {
        parts.rule(&rule.of(Kind::Key, Concern::Any), None);
    }
    if let Some(rule) = &policy.names {
        parts.rule(&rule.of(Kind::Name, Concern::Secret), None);
    }
    if let Some(rule) = &policy.identity {
        parts.rule(&rule.of(Kind::Identity, Concern::Identity), None);
    }
    let without_patterns = usize::from(policy.names.is_some()) + usize::from(policy.identity.is_some());
    let first_path_rule = (first_key_rule + policy.keys.len() + without_patterns) as u16;
    for rule in &policy.path_rules {
        parts.rule(&rule.of(Kind::Path, Concern::Any), None);
    }
    let secret_field = first_path_rule + policy.path_rules.len() as u16;
    if let Some(rule) = &policy.secret_fields {
        parts.rule(&rule.of(Kind::Path, Concern::Secret), None);
    }
    let mut numbered: Vec<Path> = policy.paths.clone();
    for path in &mut numbered {
        if let Says::Rule(rule) = &mut path.says {
            *rule += first_path_rule;
        }
    }
    numbered.extend(formats::paths(&policy.formats, |holds| match holds {
        Holds::Who => Some(policy.identity.as_ref().map_or(Says::Keep, |_| Says::Rule(first_path_rule - 1))),
        Holds::What => Some(Says::Keep),
        Holds::Mention => policy.identity.is_none().then_some(Says::Mention),
        Holds::Where => policy.keeps_addresses.then_some(Says::Keep),
        Holds::Opaque => Some(Says::Opaque),
        Holds::Secret => policy.secret_fields.as_ref().map(|_| Says::Rule(secret_field)),
    }));
    let compiled =
        paths::compile(&numbered, policy.formats.variants()).map_err(|error| anywhere(error.to_string()))?;
    let formats = formats::parts(&policy.formats, &compiled.has_rules);
    let too_many = || anywhere("the paths and formats name more keys than fit: name fewer");
    let names: BTreeSet<&[u8]> = compiled.keys().map(str::as_bytes).chain(formats.keys()).collect();
    let dictionary = write_dictionary(names.iter().copied()).ok_or_else(too_many)?;
    let read = Dictionary::read(&dictionary).ok_or_else(too_many)?;
    let at_paths = match numbered.is_empty() {
        true => NO_AUTOMATON,
        false => automata.append(compiled.write(&read).ok_or_else(too_many)?),
    };
    let formats = match policy.formats.formats.is_empty() {
        true => Vec::new(),
        false => formats.write(&read).ok_or_else(too_many)?,
    };
    let streams = streams::compile(&policy.streams, &policy.formats);
    let sources = [&policy.source].into_iter().chain(&policy.files);
    let sources = sources.map(String::as_str).collect::<Vec<_>>().join("\0");
    (parts.source, parts.automata, parts.streams) = (sources.as_bytes(), &automata.bytes, &streams);
    let mappings = normalize::compile(&policy.normalizations, &policy.formats)?;
    (parts.formats, parts.dictionary, parts.mappings) = (&formats, &dictionary, &mappings);
    (parts.scout, parts.keys, parts.paths) = (scout, keys, at_paths);
    parts.detectors = first_key_rule as u32;
    // The policy itself tells the facts about the keys that its paths name.
    let mut with_facts = dictionary.clone();
    if !numbered.is_empty() && parts.table_len() <= POLICY_BYTES_MAX {
        let without = parts.write();
        let policy = policy::Policy::read(&without).ok_or_else(too_many)?;
        let mut redactor = Redactor::new(policy, None);
        add_facts(&mut with_facts, names.iter().copied(), |key| redactor.facts(key));
        parts.dictionary = &with_facts;
    }
    match parts.table_len() {
        ..=POLICY_BYTES_MAX => Ok(parts.write()),
        len => Err(anywhere(format!("the policy comes to {len} bytes; {POLICY_BYTES_MAX} are the limit"))),
    }
}

/// Returns the kind of value that a detector is about. A payment card counts as a secret.
fn concern(detector: &Detector) -> Concern {
    match (detector.pack, detector.name) {
        ("secrets", _) | (_, "payment-card") => Concern::Secret,
        (_, "email") => Concern::Identity,
        _ => Concern::Any,
    }
}

/// Returns the widened trigger that the scout searches for.
fn trigger_of(trigger: &str) -> Result<String, Problem> {
    automaton::folded(trigger).map_err(|error| anywhere(format!("`{trigger}`: {error}")))
}

fn anywhere(message: impl Into<String>) -> Problem {
    Problem { line: 1, column: 1, message: message.into() }
}

impl Rule {
    fn of(&self, kind: Kind, concern: Concern) -> policy::Rule<'_> {
        let (name, class) = (self.name.as_bytes(), self.class.as_bytes());
        policy::Rule { name, class, action: self.action, kind, concern }
    }
}

/// The automata of a table, one behind the other.
#[derive(Default)]
struct Automata {
    bytes: Vec<u8>,
    /// The offset of each automaton.
    known: HashMap<Vec<u8>, u32>,
}

impl Automata {
    /// Compiles patterns into one compact automaton, and returns its offset.
    fn compact(&mut self, policy: &Policy, patterns: &[&str], direction: Direction) -> Result<u32, Problem> {
        let compiled = automaton::compile_compact(patterns, direction, Alphabet::Bytes);
        self.add(policy, patterns, compiled)
    }

    /// Adds the automaton of some patterns, and returns its offset.
    fn add(
        &mut self,
        policy: &Policy,
        patterns: &[&str],
        compiled: Result<Vec<u8>, automaton::Error>,
    ) -> Result<u32, Problem> {
        if patterns.is_empty() {
            return Ok(NO_AUTOMATON);
        }
        let compiled = compiled.map_err(|error| {
            let index = if let automaton::Error::Syntax { index, .. } = error { index } else { 0 };
            // If the patterns are too much together, the problem has no single place.
            let own = patterns.get(index).filter(|_| patterns.len() == 1 || index > 0);
            let place = own.and_then(|pattern| policy.places.get(*pattern)).cloned();
            match place {
                Some(place) => Problem { message: format!("{}: {error}", place.message), ..place },
                None => anywhere(format!("the patterns of all rules together: {error}")),
            }
        })?;
        Ok(self.append(compiled))
    }

    /// Adds a rule of gitleaks.
    fn leak(&mut self, leak: &Leak) -> DetectorParts {
        let mut part = |part: &Option<Rc<[u8]>>| match part {
            Some(part) => self.append(part.to_vec()),
            None => NO_AUTOMATON,
        };
        let (before, after, keywords, lead) =
            (part(&leak.before), part(&leak.after), part(&leak.keywords), part(&leak.lead));
        let allows: Vec<_> =
            leak.allows.iter().map(|allow| allow.parts(self.append(allow.automaton.to_vec()))).collect();
        let secret = self.append(leak.secret.to_vec());
        let (entropy, is_behind) = (leak.entropy, leak.is_behind);
        let rule = LeakParts { entropy, is_behind, before, secret, after, keywords, allows: &allows };
        DetectorParts {
            validator: Validator::Leak,
            before: Boundary::None,
            after: Boundary::None,
            lead_len: leak.lead_len,
            lead,
            pattern: self.append(rule.write()),
        }
    }

    fn append(&mut self, part: Vec<u8>) -> u32 {
        if let Some(known) = self.known.get(&part) {
            return *known;
        }
        let start = self.bytes.len() as u32;
        self.bytes.extend(&part);
        self.known.insert(part, start);
        start
    }
}

/// Compiles the table of a policy that recognizes all formats and does nothing else.
pub fn compile_formats() -> Result<Vec<u8>, Problem> {
    compile(&Policy::read("version: 1\nredact: {keep: {formats: all}}\n")?)
}
