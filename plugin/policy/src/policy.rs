//! Reads and checks a policy in an operator's notation.

use crate::custom::{self, CustomPattern};
use crate::detectors::{Detector, detectors};
use crate::formats::{Chosen, formats, index_of};
use crate::gitleaks::{self, Leak};
use crate::normalize::{self, MappingFile, Normalization};
use crate::paths::{self, Of, Path, Says};
use crate::streams::{self, Stream};
use crate::yaml::{
    Files, Problem, Read, any_mapping, document, list, mapping, name, problem, required, scalar_problem,
    text, unknown,
};
use flb_audit_core::policy::Action;
use marked_yaml::Node;
use marked_yaml::types::MarkedMappingNode;
use std::collections::BTreeMap;

/// The number of characters that `partial` leaves by default.
const PARTIAL_DEFAULT: u8 = 4;
/// The rule for keys that name secrets, in the pack `secrets`.
const SECRET_KEY: &str = "secret-key";
/// The rule for identities of actors.
const IDENTITY: &str = "identity";
/// The rule for fields of formats that contain secrets, in the pack `secrets`.
const SECRET_FIELD: &str = "secret-field";
/// The word that stands for all formats.
const ALL_FORMATS: &str = "all";
const VERSION: &str = "1";
const PACKS: [&str; 3] = ["secrets", "pii", "network"];

/// A policy.
pub struct Policy {
    /// The text that it was read from.
    pub source: String,
    /// The texts of the rule files that it names.
    pub(crate) files: Vec<String>,
    /// Notes on the rules of a file, each with the place where the policy names the file.
    notes: Vec<Problem>,
    pub(crate) detectors: Vec<(Pattern, Rule)>,
    pub(crate) keys: Vec<(String, Rule)>,
    /// The rule for keys that name secrets.
    pub(crate) names: Option<Rule>,
    /// The rule for identities of actors, unless they are kept.
    pub(crate) identity: Option<Rule>,
    pub(crate) path_rules: Vec<Rule>,
    pub(crate) paths: Vec<Path>,
    /// The formats that records are recognized as.
    pub(crate) formats: Chosen,
    /// The rule for fields of formats that contain secrets.
    pub(crate) secret_fields: Option<Rule>,
    /// True if addresses stay.
    pub(crate) keeps_addresses: bool,
    pub(crate) streams: Vec<Stream>,
    pub(crate) normalizations: Vec<Normalization>,
    /// The place of each of the policy's own patterns and keys, for errors when it cannot
    /// be compiled.
    pub(crate) places: BTreeMap<String, Problem>,
}

/// The pattern of a detector.
pub(crate) enum Pattern {
    Known(&'static Detector),
    /// One of the policy's own patterns, and its trigger.
    Custom(String, CustomPattern),
    /// A rule of gitleaks.
    Leak(Box<Leak>),
}

/// The name, the class and the action of a rule.
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) class: String,
    pub(crate) action: Action,
}

impl Policy {
    /// Reads a policy that names no files. An error has the place of the problem.
    ///
    /// # Example
    ///
    /// ```
    /// use flb_audit_policy::Policy;
    ///
    /// let problem = Policy::read("version: 1\nredact: {pakcs: {secrets: on}}\n").err().expect("a problem");
    /// assert_eq!((problem.line, problem.column), (2, 10));
    /// assert!(problem.message.ends_with("did you mean `packs`?"));
    /// ```
    pub fn read(source: &str) -> Result<Policy, Problem> {
        Policy::read_with(source, &mut |_| Err("a policy without a path has no files".into()))
    }

    /// Reads a policy, and with `files` the files that it names. `files` returns an error
    /// that says why a file cannot be read.
    pub fn read_with(source: &str, files: Files<'_>) -> Result<Policy, Problem> {
        let root = document(source)?;
        let top = mapping(&root, "a policy", &["version", "formats", "redact", "schema", "normalize"])?;
        match top.get("version") {
            Some(node) if text(node, "`version`")?.as_str() == VERSION => {}
            Some(node) => return Err(problem(node, "`version` has to be 1: this flb-audit knows no other")),
            None => {
                return Err(Problem { line: 1, column: 1, message: "`version: 1` is missing".into() });
            }
        }
        let mut policy = Policy {
            source: source.into(),
            files: Vec::new(),
            notes: Vec::new(),
            detectors: Vec::new(),
            keys: Vec::new(),
            names: None,
            identity: None,
            path_rules: Vec::new(),
            paths: Vec::new(),
            formats: Chosen::default(),
            secret_fields: None,
            keeps_addresses: true,
            streams: streams::streams(top, files)?,
            normalizations: Vec::new(),
            places: BTreeMap::new(),
        };
        if let Some(node) = top.get("formats") {
            policy.pins(node)?;
        }
        for stream in &policy.streams {
            stream.formats().for_each(|format| policy.formats.recognize(format));
        }
        policy.normalizations = normalize::normalizations(top, files, &mut policy.files)?;
        for entry in &policy.normalizations {
            entry.formats().for_each(|format| policy.formats.recognize(format));
        }
        if let Some(node) = top.get("redact") {
            policy.redact(node, files)?;
        }
        Ok(policy)
    }

    /// Returns notes on the rules in its files: those that are used, and those that are
    /// not, with reasons.
    pub fn notes(&self) -> &[Problem] {
        &self.notes
    }

    /// Returns the names in its schemas that are no keywords, with their places. They do
    /// not check anything, and the author of the schema should know that.
    pub fn unknown_keywords(&self) -> impl Iterator<Item = &Problem> {
        self.streams.iter().flat_map(|stream| &stream.unknown)
    }

    /// Returns a mapping by its name: one of the policy's own, or one of the catalogue.
    pub fn mapping(&self, name: &str) -> Option<MappingFile> {
        let own = self.normalizations.iter().filter_map(Normalization::own).find(|own| own.name == name);
        own.cloned().or_else(|| MappingFile::built_in(name))
    }

    /// Returns the entries of `normalize`, each with its tag, the name of its mapping or of its
    /// format, and true if the event keeps the record as text.
    pub fn normalizations(&self) -> impl Iterator<Item = (&str, Option<&str>, bool)> {
        self.normalizations.iter().map(Normalization::entry)
    }

    fn redact(&mut self, node: &Node, files: Files<'_>) -> Read<()> {
        const KEYS: [&str; 8] =
            ["packs", "detectors", "patterns", "gitleaks", "keys", "identity", "paths", "keep"];
        let redact = mapping(node, "`redact`", &KEYS)?;
        let choices = choices(redact)?;
        for detector in detectors() {
            if let Some(action) = choices.get(detector.name) {
                let rule = Rule { name: detector.name.into(), class: detector.class.into(), action: *action };
                self.detectors.push((Pattern::Known(detector), rule));
            }
        }
        for node in list(redact, "patterns")? {
            let entry = mapping(node, "a pattern", &["name", "pattern", "action", "class"])?;
            let rule = rule(node, entry, None)?;
            if detectors().any(|detector| detector.name == rule.name) {
                let said = format!("`{}` is the name of a built-in detector; give it another", rule.name);
                return Err(problem(entry.get("name").unwrap_or(node), said));
            }
            let is_same =
                |(other, of): &(Pattern, Rule)| matches!(other, Pattern::Custom(..)) && of.name == rule.name;
            if self.detectors.iter().any(is_same) {
                let name = &rule.name;
                let said = format!(
                    "there is a pattern `{name}` already; give this one another name, or join both \
                     in one pattern, as in `b|c`"
                );
                return Err(problem(entry.get("name").unwrap_or(node), said));
            }
            let pattern = self.pattern(node, entry, &rule)?;
            let own = custom::parse(&pattern).map_err(|said| self.in_pattern(&pattern, &said))?;
            self.detectors.push((Pattern::Custom(pattern, own), rule));
        }
        if let Some(node) = redact.get("gitleaks") {
            self.gitleaks(node, files)?;
        }
        for node in list(redact, "keys")? {
            let entry = mapping(node, "an entry of `keys`", &["name", "pattern", "action", "class"])?;
            let rule = rule(node, entry, Some("key"))?;
            let pattern = self.pattern(node, entry, &rule)?;
            self.keys.push((pattern, rule));
        }
        if let Some(action) = choices.get(SECRET_KEY) {
            self.names = Some(Rule { name: SECRET_KEY.into(), class: SECRET_KEY.into(), action: *action });
        }
        if let Some(action) = choices.get(SECRET_FIELD) {
            self.secret_fields =
                Some(Rule { name: SECRET_FIELD.into(), class: SECRET_FIELD.into(), action: *action });
        }
        self.keeps_addresses = !choices.contains_key("ipv4") && !choices.contains_key("ipv6");
        self.identity = redact.get("identity").map_or(Ok(None), identity)?;
        for node in list(redact, "paths")? {
            let entry = mapping(node, "an entry of `paths`", &["path", "name", "action", "class"])?;
            let place = required(node, entry, "path")?;
            self.path(place, Says::Rule(self.path_rules.len() as u16))?;
            self.path_rules.push(rule(node, entry, Some("path"))?);
        }
        self.keep(redact)?;
        if self.formats.kept.is_empty() {
            // Without such fields, the rule would only cause unreadable records to be
            // masked as a whole.
            self.secret_fields = None;
        }
        Ok(())
    }

    /// Adds the rules of a configuration of gitleaks.
    fn gitleaks(&mut self, node: &Node, files: Files<'_>) -> Read<()> {
        let (file, choice) = match node.as_scalar() {
            Some(_) => (node, Some(Action::Mask)),
            None => {
                let entry = mapping(node, "`gitleaks`", &["file", "action"])?;
                let choice = entry.get("action").map_or(Ok(Some(Action::Mask)), |node| action(node, &OWN))?;
                (required(node, entry, "file")?, choice)
            }
        };
        let Some(action) = choice else { return Ok(()) };
        let name = text(file, "`gitleaks`")?.as_str();
        let texts = &mut self.files;
        let mut kept = |name: &str| {
            let text = files(name)?;
            texts.push(text.clone());
            Ok(text)
        };
        let read = kept(name)
            .and_then(|text| gitleaks::read(&text, &mut kept).map_err(|why| format!("{name}: {why}")));
        let read = read.map_err(|why| problem(file, why))?;
        let (compiled, rules) = (read.compiled, read.rules);
        self.notes.push(problem(file, format!("{name}: {compiled} of {rules} rules are used")));
        let notes = read.refused.into_iter().map(|(rule, why)| problem(file, format!("{rule}: {why}")));
        self.notes.extend(notes);
        for leak in read.leaks {
            let rule = Rule { name: leak.name.clone(), class: leak.name.clone(), action };
            self.detectors.push((Pattern::Leak(Box::new(leak)), rule));
        }
        Ok(())
    }

    fn keep(&mut self, redact: &MarkedMappingNode) -> Read<()> {
        let Some(node) = redact.get("keep") else {
            return Ok(());
        };
        let keep = mapping(node, "`keep`", &["formats", "paths", "opaque"])?;
        for node in list(keep, "opaque")? {
            self.path(node, Says::Opaque)?;
        }
        for node in list(keep, "paths")? {
            self.path(node, Says::Keep)?;
        }
        match keep.get("formats") {
            Some(node) if node.as_scalar().is_some_and(|word| word.as_str() == ALL_FORMATS) => {
                (0..formats().len()).for_each(|format| self.formats.keep(format));
            }
            _ => {
                for node in list(keep, "formats")? {
                    self.formats.keep(index_of(node)?);
                }
            }
        }
        Ok(())
    }

    /// Reads the tags that are pinned to formats.
    fn pins(&mut self, node: &Node) -> Read<()> {
        for (tag, node) in any_mapping(node, "`formats`")?.iter() {
            if tag.as_str().is_empty() || tag.as_str().len() > usize::from(u8::MAX) {
                let said = "a pattern of tags has 1 to 255 bytes, as in Fluent Bit's `match`";
                return Err(scalar_problem(tag, said));
            }
            let format = index_of(node)?;
            self.formats.keep(format);
            self.formats.pins.push((tag.as_str().into(), format));
        }
        Ok(())
    }

    /// Adds one of the policy's own paths.
    fn path(&mut self, node: &Node, says: Says) -> Read<()> {
        let path = text(node, "a path")?.as_str();
        let steps =
            paths::parse(path).map_err(|said| problem(node, format!("`{path}` is no path: {said}")))?;
        if self.paths.iter().any(|other| other.steps == steps) {
            let said = format!(
                "`{path}`: this path is listed twice, and the first entry decides; remove one of them"
            );
            return Err(problem(node, said));
        }
        self.paths.push(Path { steps, says, of: Of::All });
        Ok(())
    }

    /// Returns an entry's own pattern, and remembers its place.
    fn pattern(&mut self, node: &Node, entry: &MarkedMappingNode, rule: &Rule) -> Read<String> {
        let pattern = text(required(node, entry, "pattern")?, "`pattern`")?;
        let place = scalar_problem(pattern, format!("the pattern of `{}`", rule.name));
        self.places.insert(pattern.as_str().into(), place);
        custom::check(pattern.as_str()).map_err(|said| self.in_pattern(pattern.as_str(), &said))?;
        Ok(pattern.as_str().into())
    }

    fn in_pattern(&self, pattern: &str, said: &str) -> Problem {
        let place = self.places[pattern].clone();
        Problem { message: format!("{}: {said}", place.message), ..place }
    }
}

/// A rule that a policy switches on by its name.
struct Switch {
    name: &'static str,
    pack: &'static str,
    /// The action if the rule is simply `on`.
    default: Action,
    /// True if it finds IP addresses, which can be truncated.
    is_address: bool,
}

fn switches() -> Vec<Switch> {
    let mut switches: Vec<Switch> = detectors()
        .map(|detector| Switch {
            name: detector.name,
            pack: detector.pack,
            default: match detector.action {
                "partial" => Action::Partial(PARTIAL_DEFAULT),
                "truncate" => Action::Truncate,
                _ => Action::Mask,
            },
            is_address: matches!(detector.name, "ipv4" | "ipv6"),
        })
        .collect();
    for name in [SECRET_KEY, SECRET_FIELD] {
        switches.push(Switch { name, pack: "secrets", default: Action::Mask, is_address: false });
    }
    switches
}

/// Returns the action of each detector that is on: that of its own line, or else of its
/// pack.
fn choices(redact: &MarkedMappingNode) -> Read<BTreeMap<&'static str, Action>> {
    let switches = switches();
    let mut choices = BTreeMap::new();
    if let Some(node) = redact.get("packs") {
        for (pack, choice) in any_mapping(node, "`packs`")?.iter() {
            if !PACKS.contains(&pack.as_str()) {
                return Err(scalar_problem(pack, unknown("pack", pack.as_str(), &PACKS)));
            }
            for switch in switches.iter().filter(|switch| switch.pack == pack.as_str()) {
                choices.extend(action(choice, switch)?.map(|action| (switch.name, action)));
            }
        }
    }
    if let Some(node) = redact.get("detectors") {
        for (detector, choice) in any_mapping(node, "`detectors`")?.iter() {
            let Some(switch) = switches.iter().find(|switch| switch.name == detector.as_str()) else {
                let known: Vec<&str> = switches.iter().map(|switch| switch.name).collect();
                return Err(scalar_problem(detector, unknown("detector", detector.as_str(), &known)));
            };
            match action(choice, switch)? {
                Some(action) => choices.insert(switch.name, action),
                None => choices.remove(switch.name),
            };
        }
    }
    Ok(choices)
}

/// The switch for a policy's own rules: `on` means `mask`, and they find no addresses.
const OWN: Switch = Switch { name: "", pack: "", default: Action::Mask, is_address: false };

/// Reads an action. Returns `None` for `off`.
fn action(node: &Node, switch: &Switch) -> Read<Option<Action>> {
    const NAMES: [&str; 7] = ["on", "off", "mask", "partial", "remove", "hmac", "truncate"];
    if node.as_mapping().is_some() {
        let partial = mapping(node, "an action", &["partial"])?.get("partial");
        let last = partial.and_then(Node::as_scalar).and_then(|last| last.as_str().parse().ok());
        return match last {
            Some(last @ 1..=u8::MAX) => Ok(Some(Action::Partial(last))),
            _ => Err(problem(
                partial.unwrap_or(node),
                "`partial` takes how many last characters stay, 1 to 255",
            )),
        };
    }
    let name = text(node, "an action")?;
    match name.as_str() {
        "off" => Ok(None),
        "on" => Ok(Some(switch.default)),
        "mask" => Ok(Some(Action::Mask)),
        "partial" => Ok(Some(Action::Partial(PARTIAL_DEFAULT))),
        "remove" => Ok(Some(Action::Remove)),
        "hmac" => Ok(Some(Action::Hmac)),
        "truncate" if switch.is_address => Ok(Some(Action::Truncate)),
        "truncate" => {
            Err(problem(node, "`truncate` is for the detectors ipv4 and ipv6 alone; use `mask` or `hmac`"))
        }
        other => Err(problem(node, unknown("action", other, &NAMES))),
    }
}

/// Reads the rule for identities of actors. Returns `None` if they are kept.
fn identity(node: &Node) -> Read<Option<Rule>> {
    const NAMES: [&str; 3] = ["keep", "hmac", "mask"];
    let action = match text(node, "`identity`")?.as_str() {
        "keep" => return Ok(None),
        "hmac" => Action::Hmac,
        "mask" => Action::Mask,
        other => return Err(problem(node, unknown("choice for `identity`", other, &NAMES))),
    };
    Ok(Some(Rule { name: IDENTITY.into(), class: IDENTITY.into(), action }))
}

/// Reads the name, the class and the action of an entry.
fn rule(node: &Node, entry: &MarkedMappingNode, default_name: Option<&str>) -> Read<Rule> {
    let name = match (entry.get("name"), default_name) {
        (Some(node), _) => name(node, "`name`")?,
        (None, Some(name)) => name.into(),
        (None, None) => {
            return Err(problem(node, "`name` is missing: redacted values show it, as in `[name]`"));
        }
    };
    let class = entry.get("class").map_or(Ok(name.clone()), |node| self::name(node, "`class`"))?;
    let node = required(node, entry, "action")?;
    match (action(node, &OWN)?, entry.get("class")) {
        (Some(action), Some(class)) if action != Action::Hmac => {
            let said = "`class` goes with the action `hmac`, whose tokens it keeps apart; leave it out";
            Err(problem(class, said))
        }
        (Some(action), _) => Ok(Rule { name, class, action }),
        (None, _) => Err(problem(node, "`off` is for built-in detectors; remove the entry")),
    }
}
