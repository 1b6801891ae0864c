//! A configuration of gitleaks as it is written, and what it extends.

use super::{DEFAULT_FILE, Files};
use toml::{Table, Value};

/// The number of times that a configuration may extend another one, as in gitleaks.
const EXTENDS_MAX: usize = 2;

/// A rule.
#[derive(Clone, Debug, Default)]
pub(super) struct Rule {
    pub(super) id: String,
    pub(super) regex: String,
    pub(super) path: String,
    pub(super) secret_group: usize,
    pub(super) entropy: f64,
    /// In small letters.
    pub(super) keywords: Vec<String>,
    pub(super) allowlists: Vec<Allowlist>,
    /// True if it holds only beside a match of another rule.
    pub(super) has_required: bool,
    /// True if it only serves other rules.
    pub(super) is_silent: bool,
}

/// The text that an allowlist's expressions look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Target {
    #[default]
    Secret,
    Match,
    Line,
}

/// Matches that are no secrets.
#[derive(Clone, Debug, Default)]
pub(super) struct Allowlist {
    pub(super) target: Target,
    /// True if all of its checks have to hold, rather than one.
    pub(super) asks_all: bool,
    /// True if it has paths or commits, which a record has not.
    pub(super) has_files: bool,
    pub(super) regexes: Vec<String>,
    pub(super) stopwords: Vec<String>,
    targets: Vec<String>,
}

/// A configuration, with what it extends.
#[derive(Debug, Default)]
pub(super) struct Config {
    pub(super) rules: Vec<Rule>,
    pub(super) allowlists: Vec<Allowlist>,
    /// Errors that do not keep the rest from being used.
    pub(super) notes: Vec<(String, String)>,
}

impl Config {
    pub(super) fn read(text: &str, files: Files<'_>) -> Result<Config, String> {
        let (mut config, mut extend) = Config::parse(text)?;
        for _ in 0..EXTENDS_MAX {
            let Some(file) = extend.file()? else { break };
            let text = files(&file).map_err(|why| {
                let hint = if extend.uses_default {
                    "; flb-audit comes without gitleaks' own rules: put its config/gitleaks.toml there"
                } else {
                    ""
                };
                format!("{why}{hint}")
            })?;
            let (base, next) = Config::parse(&text).map_err(|why| format!("{file}: {why}"))?;
            config.extend(base, &extend);
            extend = next;
        }
        config.spread_allowlists()?;
        Ok(config)
    }

    fn parse(text: &str) -> Result<(Config, Extend), String> {
        let table: Table =
            text.parse().map_err(|error: toml::de::Error| error.to_string().trim().to_owned())?;
        let mut config = Config::default();
        for rule in tables(&table, "rules")? {
            let rule = Rule::of(rule)?;
            if config.rules.iter().any(|other| other.id == rule.id) {
                return Err(format!("there are two rules `{}`", rule.id));
            }
            config.rules.push(rule);
        }
        config.allowlists = Allowlist::all(&table)?;
        Ok((config, Extend::of(&table)?))
    }

    /// Adds the rules of what is extended. Of a rule that both have, this one's
    /// parts count.
    fn extend(&mut self, base: Config, extend: &Extend) {
        for id in &extend.disabled {
            if !base.rules.iter().any(|rule| rule.id == *id) {
                self.notes.push((id.clone(), "is disabled, and there is no such rule".into()));
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

    /// Hands allowlists for some rules to those rules.
    fn spread_allowlists(&mut self) -> Result<(), String> {
        let (targeted, global) = self.allowlists.drain(..).partition(|list| !list.targets.is_empty());
        self.allowlists = global;
        let targeted: Vec<Allowlist> = targeted;
        for list in targeted {
            for id in &list.targets {
                let rule = self.rules.iter_mut().find(|rule| rule.id == *id);
                let rule = rule.ok_or(format!("an allowlist is for the rule `{id}`, which is not there"))?;
                rule.allowlists.push(list.clone());
            }
        }
        Ok(())
    }
}

/// The base of a configuration.
#[derive(Debug, Default)]
struct Extend {
    path: Option<String>,
    uses_default: bool,
    disabled: Vec<String>,
}

impl Extend {
    fn of(table: &Table) -> Result<Extend, String> {
        let Some(extend) = table.get("extend") else { return Ok(Extend::default()) };
        let extend = extend.as_table().ok_or("`extend` is no table")?;
        if extend.contains_key("url") {
            return Err("`extend.url` is not supported; put the file beside the policy, with `path`".into());
        }
        Ok(Extend {
            path: string(extend, "path")?,
            uses_default: boolean(extend, "useDefault")?,
            disabled: strings(extend, "disabledRules")?,
        })
    }

    fn file(&self) -> Result<Option<String>, String> {
        match (&self.path, self.uses_default) {
            (Some(_), true) => Err("`extend` has both `path` and `useDefault`; leave one out".into()),
            (Some(path), false) => Ok(Some(path.clone())),
            (None, true) => Ok(Some(DEFAULT_FILE.into())),
            (None, false) => Ok(None),
        }
    }
}

impl Rule {
    fn of(table: &Table) -> Result<Rule, String> {
        let id = string(table, "id")?.filter(|id| !id.is_empty()).ok_or("a rule has no `id`")?;
        Rule::named(table, id.clone()).map_err(|why| format!("rule `{id}`: {why}"))
    }

    fn named(table: &Table, id: String) -> Result<Rule, String> {
        let entropy = match table.get("entropy") {
            None => 0.0,
            Some(Value::Float(entropy)) => *entropy,
            Some(Value::Integer(entropy)) => *entropy as f64,
            Some(_) => return Err("`entropy` is no number".into()),
        };
        let group = table.get("secretGroup").map_or(Some(0), Value::as_integer);
        Ok(Rule {
            id,
            regex: string(table, "regex")?.unwrap_or_default(),
            path: string(table, "path")?.unwrap_or_default(),
            secret_group: group
                .and_then(|group| usize::try_from(group).ok())
                .ok_or("`secretGroup` is no number")?,
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
    /// Those of a rule or a configuration, in the old form and in the new one.
    fn all(table: &Table) -> Result<Vec<Allowlist>, String> {
        let (old, new) = (table.get("allowlist"), tables(table, "allowlists")?);
        match old {
            Some(_) if !new.is_empty() => Err("has both `allowlist` and `allowlists`; leave one out".into()),
            Some(old) => Ok(vec![Allowlist::of(old.as_table().ok_or("`allowlist` is no table")?)?]),
            None => new.into_iter().map(Allowlist::of).collect(),
        }
    }

    fn of(table: &Table) -> Result<Allowlist, String> {
        let (paths, commits) = (strings(table, "paths")?, strings(table, "commits")?);
        let list = Allowlist {
            target: match string(table, "regexTarget")?.as_deref() {
                None | Some("" | "secret") => Target::Secret,
                Some("match") => Target::Match,
                Some("line") => Target::Line,
                Some(other) => return Err(format!("no `regexTarget` is `{other}`")),
            },
            asks_all: match string(table, "condition")?.unwrap_or_default().to_uppercase().as_str() {
                "" | "OR" | "||" => false,
                "AND" | "&&" => true,
                other => return Err(format!("no `condition` is `{other}`")),
            },
            has_files: !paths.is_empty() || !commits.is_empty(),
            regexes: strings(table, "regexes")?,
            stopwords: strings(table, "stopwords")?,
            targets: strings(table, "targetRules")?,
        };
        match list.has_files || !list.regexes.is_empty() || !list.stopwords.is_empty() {
            true => Ok(list),
            false => Err("an allowlist is empty".into()),
        }
    }
}

fn string(table: &Table, key: &str) -> Result<Option<String>, String> {
    match table.get(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("`{key}` is no string")),
    }
}

fn boolean(table: &Table, key: &str) -> Result<bool, String> {
    match table.get(key) {
        None => Ok(false),
        Some(Value::Boolean(is_on)) => Ok(*is_on),
        Some(_) => Err(format!("`{key}` is neither true nor false")),
    }
}

fn strings(table: &Table, key: &str) -> Result<Vec<String>, String> {
    let Some(value) = table.get(key) else { return Ok(Vec::new()) };
    let texts = value.as_array().and_then(|texts| {
        texts.iter().map(|text| text.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
    });
    texts.ok_or_else(|| format!("`{key}` is no list of strings"))
}

fn tables<'a>(table: &'a Table, key: &str) -> Result<Vec<&'a Table>, String> {
    let Some(value) = table.get(key) else { return Ok(Vec::new()) };
    let tables = value.as_array().and_then(|tables| tables.iter().map(Value::as_table).collect());
    tables.ok_or_else(|| format!("`{key}` is no list of tables"))
}
