//! Reads a configuration of gitleaks, and the ones that it extends.

use super::error::{ConfigError, RuleError};
use crate::yaml::Files;
use toml::{Table, Value};

/// The name of the file with gitleaks' own rules, which `extend.useDefault` refers to.
pub const DEFAULT_FILE: &str = "gitleaks-default.toml";

/// The number of times that a configuration may extend another one, same as in gitleaks.
const EXTENDS_MAX: usize = 2;

/// A rule of a configuration.
#[derive(Clone, Debug, Default)]
pub(super) struct Rule {
    pub(super) id: String,
    pub(super) regex: String,
    pub(super) path: String,
    pub(super) secret_group: usize,
    pub(super) entropy: f64,
    /// The keywords, in small letters.
    pub(super) keywords: Vec<String>,
    pub(super) allowlists: Vec<Allowlist>,
    /// True if the rule holds only beside a match of another rule.
    pub(super) has_required: bool,
    /// True if the rule only serves other rules.
    pub(super) is_silent: bool,
}

/// The text that an allowlist's expressions are matched against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Target {
    #[default]
    Secret,
    Match,
    Line,
}

/// An allowlist: matches that are no secrets.
#[derive(Clone, Debug, Default)]
pub(super) struct Allowlist {
    pub(super) target: Target,
    /// True if all of its checks have to hold; otherwise one is enough.
    pub(super) asks_all: bool,
    /// True if it has paths or commits, which a record does not have.
    pub(super) has_files: bool,
    pub(super) regexes: Vec<String>,
    pub(super) stopwords: Vec<String>,
    targets: Vec<String>,
}

/// A configuration, together with the ones that it extends.
#[derive(Debug, Default)]
pub(super) struct Config {
    pub(super) rules: Vec<Rule>,
    pub(super) allowlists: Vec<Allowlist>,
    /// Errors that do not prevent the rest from being used.
    pub(super) notes: Vec<(String, RuleError)>,
}

impl Config {
    pub(super) fn read(text: &str, files: Files<'_>) -> Result<Config, ConfigError> {
        let (mut config, mut extend) = Config::parse(text)?;
        for _ in 0..EXTENDS_MAX {
            let Some(file) = extend.file()? else { break };
            let text = files(&file).map_err(match extend.uses_default {
                true => ConfigError::NoDefault,
                false => ConfigError::NoFile,
            })?;
            let (base, next) = Config::parse(&text)
                .map_err(|source| ConfigError::Base { file, source: Box::new(source) })?;
            config.extend(base, &extend);
            extend = next;
        }
        config.spread_allowlists()?;
        Ok(config)
    }

    fn parse(text: &str) -> Result<(Config, Extend), ConfigError> {
        let table: Table = text.parse()?;
        let mut config = Config::default();
        for rule in tables(&table, "rules")? {
            let rule = Rule::of(rule)?;
            if config.rules.iter().any(|other| other.id == rule.id) {
                return Err(ConfigError::TwoRules(rule.id));
            }
            config.rules.push(rule);
        }
        config.allowlists = Allowlist::all(&table)?;
        Ok((config, Extend::of(&table)?))
    }

    /// Adds the rules of the base. If both have a rule, the parts of this configuration
    /// take precedence.
    fn extend(&mut self, base: Config, extend: &Extend) {
        for id in &extend.disabled {
            if !base.rules.iter().any(|rule| rule.id == *id) {
                self.notes.push((id.clone(), RuleError::NotThere));
            }
        }
        for rule in base.rules.into_iter().filter(|rule| !extend.disabled.contains(&rule.id)) {
            match self.rules.iter_mut().find(|own| own.id == rule.id) {
                Some(own) => own.merge(rule),
                None => self.rules.push(rule),
            }
        }
        self.allowlists.extend(base.allowlists);
    }

    /// Moves allowlists for certain rules to those rules.
    fn spread_allowlists(&mut self) -> Result<(), ConfigError> {
        let (targeted, global) = self.allowlists.drain(..).partition(|list| !list.targets.is_empty());
        self.allowlists = global;
        let targeted: Vec<Allowlist> = targeted;
        for list in targeted {
            for id in &list.targets {
                let rule = self.rules.iter_mut().find(|rule| rule.id == *id);
                let rule = rule.ok_or_else(|| ConfigError::NoSuchRule(id.clone()))?;
                rule.allowlists.push(list.clone());
            }
        }
        Ok(())
    }
}

/// The base that a configuration extends.
#[derive(Debug, Default)]
struct Extend {
    path: Option<String>,
    uses_default: bool,
    disabled: Vec<String>,
}

impl Extend {
    fn of(table: &Table) -> Result<Extend, ConfigError> {
        let Some(extend) = table.get("extend") else { return Ok(Extend::default()) };
        let extend = extend.as_table().ok_or_else(|| wrong("extend", "table"))?;
        if extend.contains_key("url") {
            return Err(ConfigError::Url);
        }
        Ok(Extend {
            path: string(extend, "path")?,
            uses_default: boolean(extend, "useDefault")?,
            disabled: strings(extend, "disabledRules")?,
        })
    }

    fn file(&self) -> Result<Option<String>, ConfigError> {
        match (&self.path, self.uses_default) {
            (Some(_), true) => Err(ConfigError::TwoBases),
            (Some(path), false) => Ok(Some(path.clone())),
            (None, true) => Ok(Some(DEFAULT_FILE.into())),
            (None, false) => Ok(None),
        }
    }
}

impl Rule {
    fn of(table: &Table) -> Result<Rule, ConfigError> {
        let id = string(table, "id")?.filter(|id| !id.is_empty()).ok_or(ConfigError::NoId)?;
        Rule::named(table, id.clone()).map_err(|source| ConfigError::Rule { id, source: Box::new(source) })
    }

    fn named(table: &Table, id: String) -> Result<Rule, ConfigError> {
        let entropy = match table.get("entropy") {
            None => 0.0,
            Some(Value::Float(entropy)) => *entropy,
            Some(Value::Integer(entropy)) => *entropy as f64,
            Some(_) => return Err(wrong("entropy", "number")),
        };
        let group = table.get("secretGroup").map_or(Some(0), Value::as_integer);
        Ok(Rule {
            id,
            regex: string(table, "regex")?.unwrap_or_default(),
            path: string(table, "path")?.unwrap_or_default(),
            secret_group: group
                .and_then(|group| usize::try_from(group).ok())
                .ok_or_else(|| wrong("secretGroup", "number"))?,
            entropy,
            keywords: strings(table, "keywords")?.iter().map(|word| word.to_lowercase()).collect(),
            allowlists: Allowlist::all(table)?,
            has_required: table.contains_key("required"),
            is_silent: boolean(table, "skipReport")?,
        })
    }

    fn merge(&mut self, base: Rule) {
        if self.regex.is_empty() {
            self.regex = base.regex;
        }
        if self.path.is_empty() {
            self.path = base.path;
        }
        if self.secret_group == 0 {
            self.secret_group = base.secret_group;
        }
        if self.entropy == 0.0 {
            self.entropy = base.entropy;
        }
        self.keywords.splice(0..0, base.keywords);
        self.allowlists.splice(0..0, base.allowlists);
        self.has_required |= base.has_required;
    }
}

impl Allowlist {
    /// Returns the allowlists of a rule or a configuration, in the old form or in the new
    /// one.
    fn all(table: &Table) -> Result<Vec<Allowlist>, ConfigError> {
        let (old, new) = (table.get("allowlist"), tables(table, "allowlists")?);
        match old {
            Some(_) if !new.is_empty() => Err(ConfigError::TwoAllowlists),
            Some(old) => Ok(vec![Allowlist::of(old.as_table().ok_or_else(|| wrong("allowlist", "table"))?)?]),
            None => new.into_iter().map(Allowlist::of).collect(),
        }
    }

    fn of(table: &Table) -> Result<Allowlist, ConfigError> {
        let (paths, commits) = (strings(table, "paths")?, strings(table, "commits")?);
        let list = Allowlist {
            target: match string(table, "regexTarget")?.as_deref() {
                None | Some("" | "secret") => Target::Secret,
                Some("match") => Target::Match,
                Some("line") => Target::Line,
                Some(other) => return Err(ConfigError::Unknown { key: "regexTarget", value: other.into() }),
            },
            asks_all: match string(table, "condition")?.unwrap_or_default().to_uppercase().as_str() {
                "" | "OR" | "||" => false,
                "AND" | "&&" => true,
                other => return Err(ConfigError::Unknown { key: "condition", value: other.into() }),
            },
            has_files: !paths.is_empty() || !commits.is_empty(),
            regexes: strings(table, "regexes")?,
            stopwords: strings(table, "stopwords")?,
            targets: strings(table, "targetRules")?,
        };
        match list.has_files || !list.regexes.is_empty() || !list.stopwords.is_empty() {
            true => Ok(list),
            false => Err(ConfigError::EmptyAllowlist),
        }
    }
}

fn wrong(key: &str, wanted: &'static str) -> ConfigError {
    ConfigError::Type { key: key.into(), wanted }
}

fn string(table: &Table, key: &str) -> Result<Option<String>, ConfigError> {
    match table.get(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(wrong(key, "string")),
    }
}

fn boolean(table: &Table, key: &str) -> Result<bool, ConfigError> {
    match table.get(key) {
        None => Ok(false),
        Some(Value::Boolean(is_on)) => Ok(*is_on),
        Some(_) => Err(wrong(key, "`true` or `false`")),
    }
}

fn strings(table: &Table, key: &str) -> Result<Vec<String>, ConfigError> {
    let Some(value) = table.get(key) else { return Ok(Vec::new()) };
    let texts = value.as_array().and_then(|texts| {
        texts.iter().map(|text| text.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
    });
    texts.ok_or_else(|| wrong(key, "list of strings"))
}

fn tables<'a>(table: &'a Table, key: &str) -> Result<Vec<&'a Table>, ConfigError> {
    let Some(value) = table.get(key) else { return Ok(Vec::new()) };
    let tables = value.as_array().and_then(|tables| tables.iter().map(Value::as_table).collect());
    tables.ok_or_else(|| wrong(key, "list of tables"))
}
