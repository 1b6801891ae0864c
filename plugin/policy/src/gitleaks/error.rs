//! Reasons why a configuration of gitleaks, or one of its rules, is not used.

use crate::automaton;
use regex_syntax::ast;
use std::rc::Rc;

/// The maximum number of ways in which a rule's alternatives may match.
pub(super) const VARIANTS_MAX: usize = 48;

/// The reason why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("{}", .0.to_string().trim())]
    Toml(#[from] toml::de::Error),
    #[error("there are two rules `{0}`")]
    TwoRules(String),
    #[error("an allowlist is for the rule `{0}`, which does not exist")]
    NoSuchRule(String),
    #[error("`extend.url` is not supported; put the file beside the policy, with `path`")]
    Url,
    #[error("`extend` has both `path` and `useDefault`; leave one out")]
    TwoBases,
    #[error("{0}; flb-audit comes without gitleaks' own rules: put its config/gitleaks.toml there")]
    NoDefault(String),
    #[error("{0}")]
    NoFile(String),
    #[error("{file}: {source}")]
    Base { file: String, source: Box<ConfigError> },
    #[error("a rule has no `id`")]
    NoId,
    #[error("rule `{id}`: {source}")]
    Rule { id: String, source: Box<ConfigError> },
    #[error("`{key}` is no {wanted}")]
    Type { key: String, wanted: &'static str },
    #[error("has both `allowlist` and `allowlists`; leave one out")]
    TwoAllowlists,
    #[error("an allowlist is empty")]
    EmptyAllowlist,
    #[error("`{key}` cannot be `{value}`")]
    Unknown { key: &'static str, value: String },
}

/// The reason why a rule, or a part of it, is not used.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum RuleError {
    #[error("has no regex: it is for the names of files, and records have none")]
    NoRegex,
    #[error("is for files of certain paths, and records have none")]
    Path,
    #[error("needs other rules to match beside it, which is not supported")]
    Composite,
    #[error("its regex: {0}")]
    Syntax(ast::ErrorKind),
    #[error("its regex: {0}")]
    Class(regex_syntax::hir::ErrorKind),
    #[error("its regex cannot be parsed")]
    Regex,
    #[error("nothing in its regex is rare enough to look for")]
    NothingRare,
    #[error("its secret may be empty")]
    EmptySecret,
    #[error("its secretGroup {0} is repeated, or not in all of its alternatives")]
    SecretGroup(usize),
    #[error("its alternatives come to more than {VARIANTS_MAX} ways to match")]
    TooManyWays,
    #[error("{0}")]
    Automaton(#[from] Rc<automaton::Error>),
    #[error("an allowlist: too many expressions and stopwords that have to hold together")]
    TooManyTogether,
    #[error("an allowlist: {0}")]
    Allowlist(Box<RuleError>),
    #[error("is disabled, but does not exist")]
    NotThere,
    #[error("in part: {0}")]
    InPart(Box<RuleError>),
}
