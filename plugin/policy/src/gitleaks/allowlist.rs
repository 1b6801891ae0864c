//! Allowlists: what a rule finds and is no secret.

use super::config::{Allowlist, Target};
use super::error::RuleError;
use super::{Compiler, expression};
use crate::automaton::Direction;
use flb_audit_core::policy::{AllowParts, AllowTarget};
use regex_syntax::escape;
use regex_syntax::hir::{Hir, HirKind};
use std::rc::Rc;

/// The largest number of stopwords in one automaton.
const STOPWORDS_MAX: usize = 256;

/// An allowlist, compiled: any of these automata tells something that is allowed.
#[derive(Clone)]
pub(crate) struct Allow {
    pub(crate) target: AllowTarget,
    pub(crate) automaton: Rc<[u8]>,
    /// True if the next one has to hold as well.
    pub(crate) goes_on: bool,
}

impl Allow {
    pub(crate) fn parts(&self, at: u32) -> AllowParts {
        AllowParts { target: self.target, goes_on: self.goes_on, automaton: at }
    }
}

/// Compiles an allowlist. One that asks for a file as well is never met by a record,
/// and nothing is left of it.
pub(super) fn compile(list: &Allowlist, compiler: &mut Compiler) -> Result<Vec<Allow>, RuleError> {
    allows(list, compiler).map_err(|why| match why {
        RuleError::TooManyTogether => why,
        why => RuleError::Allowlist(Box::new(why)),
    })
}

fn allows(list: &Allowlist, compiler: &mut Compiler) -> Result<Vec<Allow>, RuleError> {
    if list.asks_all && list.has_files {
        return Ok(Vec::new());
    }
    let mut compiled = Vec::new();
    if !list.regexes.is_empty() {
        let mut patterns = Vec::new();
        for regex in &list.regexes {
            let hir = expression::parse(regex)?;
            patterns.extend(branches(&hir).iter().map(Hir::to_string));
        }
        let target = match list.target {
            Target::Secret => AllowTarget::Secret,
            Target::Match => AllowTarget::Match,
            Target::Line => AllowTarget::Text,
        };
        let goes_on = list.asks_all && !list.stopwords.is_empty();
        for automaton in split(patterns, compiler, usize::MAX)? {
            compiled.push(Allow { target, automaton, goes_on: false });
        }
        if goes_on {
            // All of several automata, and then one of several: not both.
            let is_one = compiled.len() == 1 && list.stopwords.len() <= STOPWORDS_MAX;
            if !is_one {
                return Err(RuleError::TooManyTogether);
            }
            compiled.iter_mut().for_each(|allow| allow.goes_on = true);
        }
    }
    let words = list.stopwords.iter().map(|word| format!("(?i:{})", escape(word))).collect();
    for automaton in split(words, compiler, STOPWORDS_MAX)? {
        compiled.push(Allow { target: AllowTarget::Secret, automaton, goes_on: false });
    }
    Ok(compiled)
}

/// The alternatives that an expression is made of.
fn branches(hir: &Hir) -> &[Hir] {
    match hir.kind() {
        HirKind::Alternation(branches) => branches,
        HirKind::Capture(capture) => branches(&capture.sub),
        _ => core::slice::from_ref(hir),
    }
}

/// Compiles patterns into as few automata as have room for them.
fn split(
    patterns: Vec<String>,
    compiler: &mut Compiler,
    count_max: usize,
) -> Result<Vec<Rc<[u8]>>, RuleError> {
    let mut left = vec![patterns];
    let mut compiled = Vec::new();
    while let Some(patterns) = left.pop() {
        if patterns.is_empty() {
            continue;
        }
        let half = patterns.len() / 2;
        let joined = || vec![patterns.iter().map(|one| format!("(?:{one})")).collect::<Vec<_>>().join("|")];
        let halves = [&patterns[half..], &patterns[..half]];
        if patterns.len() > count_max {
            left.extend(halves.map(<[String]>::to_vec));
            continue;
        }
        match compiler.compile(joined(), Direction::Anywhere) {
            Ok(automaton) => compiled.push(automaton),
            Err(why) if half == 0 => return Err(why),
            Err(_) => left.extend(halves.map(<[String]>::to_vec)),
        }
    }
    Ok(compiled)
}
