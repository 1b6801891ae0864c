//! Rules of gitleaks: reads its configuration, and compiles each rule for the filter.
//!
//! A rule's regular expression is split at its secret group into the part before the
//! secret, the secret, and the part behind it. The rarest bounded part becomes the
//! trigger. The automata for the parts are small, and rules share them.

mod allowlist;
mod config;
mod error;
mod expression;
mod leak;
mod parts;
mod trigger;

use crate::automaton::{self, Alphabet, Direction};
use crate::yaml::Files;
use config::Config;
use error::{ConfigError, RuleError};
use std::collections::HashMap;
use std::rc::Rc;

pub use config::DEFAULT_FILE;
pub(crate) use leak::Leak;

/// The rules of a configuration.
pub(crate) struct Gitleaks {
    /// All variants of all rules that were compiled, in the order of the file.
    pub(crate) leaks: Vec<Leak>,
    /// The number of rules in the configuration, and the number of those that are used.
    pub(crate) rules: usize,
    pub(crate) compiled: usize,
    /// The rules that are not used: the name of each, and the reason.
    pub(crate) refused: Vec<(String, RuleError)>,
}

/// Reads a configuration and compiles its rules.
pub(crate) fn read(text: &str, files: Files<'_>) -> Result<Gitleaks, ConfigError> {
    let config = Config::read(text, files)?;
    let mut compiler = Compiler::default();
    let mut read =
        Gitleaks { leaks: Vec::new(), rules: config.rules.len(), compiled: 0, refused: config.notes };
    let global = config.allowlists.iter().map(|list| allowlist::compile(list, &mut compiler));
    let mut lists = Vec::new();
    for list in global {
        match list {
            Ok(list) => lists.extend(list),
            Err(why) => read.refused.push(("allowlist".into(), why)),
        }
    }
    for rule in &config.rules {
        match leak::compile(rule, &lists, &mut compiler) {
            Ok((leaks, notes)) => {
                read.compiled += 1;
                read.leaks.extend(leaks);
                let notes = notes.into_iter().map(|why| (rule.id.clone(), RuleError::InPart(Box::new(why))));
                read.refused.extend(notes);
            }
            Err(why) => read.refused.push((rule.id.clone(), why)),
        }
    }
    Ok(read)
}

/// An automaton, or the reason why there is none.
type Compiled = Result<Rc<[u8]>, RuleError>;

/// Compiles patterns. Equal patterns are compiled once.
#[derive(Default)]
struct Compiler {
    known: HashMap<(Vec<String>, Direction), Compiled>,
}

impl Compiler {
    fn compile(&mut self, patterns: Vec<String>, direction: Direction) -> Compiled {
        let key = (patterns, direction);
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let compiled = automaton::compile_compact(&key.0, direction, Alphabet::Bytes)
            .map(Rc::from)
            .map_err(|error| RuleError::Automaton(Rc::new(error)));
        self.known.insert(key, compiled.clone());
        compiled
    }
}
