//! Allowlists: matches of a rule that are no secrets.

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

/// A compiled part of an allowlist: if the automaton matches, the finding is allowed.
#[derive(Clone)]
pub(crate) struct Allow {
    pub(crate) target: AllowTarget,
    pub(crate) automaton: Rc<[u8]>,
    /// True if the next part has to match as well.
    pub(crate) goes_on: bool,
}

impl Allow {
    pub(crate) fn parts(&self, at: u32) -> AllowParts {
        AllowParts { target: self.target, goes_on: self.goes_on, automaton: at }
    }
}

/// Compiles an allowlist. If it also requires a file, no record can fulfil it, and
/// nothing is returned.
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
            // It would have to be all of several automata, and then one of several, which
            // the table cannot express.
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

/// Returns the alternatives of an expression.
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
