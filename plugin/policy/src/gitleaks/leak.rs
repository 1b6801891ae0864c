//! Compiles one rule of gitleaks.

use super::allowlist::{self, Allow};
use super::config::Rule;
use super::error::RuleError;
use super::parts::{self, Parts};
use super::trigger::{self, Trigger};
use super::{Compiler, expression};
use crate::automaton::Direction;
use crate::custom;
use regex_syntax::hir::{Hir, HirKind};
use std::rc::Rc;

/// One of the ways in which a rule matches.
pub(crate) struct Leak {
    /// The rule's id, restricted to the characters of a name.
    pub(crate) name: String,
    /// The pattern that triggers, which the scout searches for.
    pub(crate) trigger: String,
    /// The length of the lead, if the lead is the trigger and has a fixed length;
    /// otherwise 0, and its automaton.
    pub(crate) lead_len: u8,
    pub(crate) lead: Option<Rc<[u8]>>,
    /// True if the part before the secret starts behind the trigger, not at the start of
    /// the lead.
    pub(crate) is_behind: bool,
    pub(crate) before: Option<Rc<[u8]>>,
    pub(crate) secret: Rc<[u8]>,
    pub(crate) after: Option<Rc<[u8]>>,
    /// The keywords, one of which the text has to contain.
    pub(crate) keywords: Option<Rc<[u8]>>,
    /// The entropy that a secret has to exceed, in 1/256 bit.
    pub(crate) entropy: u16,
    pub(crate) allows: Vec<Allow>,
}

/// Compiles a rule. Returns also the reasons for the parts that cannot be compiled.
pub(super) fn compile(
    rule: &Rule,
    global: &[Allow],
    compiler: &mut Compiler,
) -> Result<(Vec<Leak>, Vec<RuleError>), RuleError> {
    if rule.regex.is_empty() {
        return Err(RuleError::NoRegex);
    }
    if !rule.path.is_empty() {
        return Err(RuleError::Path);
    }
    if rule.has_required || rule.is_silent {
        return Err(RuleError::Composite);
    }
    let hir = expression::parse(&rule.regex)?;
    let mut allows = Vec::new();
    for list in &rule.allowlists {
        allows.extend(allowlist::compile(list, compiler)?);
    }
    allows.extend(global.iter().cloned());
    let mut left = parts::variants(&hir, rule.secret_group)?;
    left.reverse();
    let (mut leaks, mut notes): (Vec<Leak>, Vec<RuleError>) = (Vec::new(), Vec::new());
    let mut count = 0;
    while let Some(parts) = left.pop() {
        match one(rule, &parts, &allows, compiler) {
            Ok(leak) => leaks.push(leak),
            Err(why) => {
                // An alternative may have a trigger that the whole does not have.
                count += 1;
                match parts::split(&parts).filter(|_| count < 16) {
                    Some(ways) => left.extend(ways.into_iter().rev()),
                    None if !notes.iter().any(|note| note.to_string() == why.to_string()) => notes.push(why),
                    None => {}
                }
            }
        }
    }
    match leaks.is_empty() {
        true => Err(notes.pop().unwrap_or(RuleError::NothingRare)),
        false => Ok((leaks, notes)),
    }
}

fn one(rule: &Rule, parts: &Parts, allows: &[Allow], compiler: &mut Compiler) -> Result<Leak, RuleError> {
    let is_look = |hir: &Hir| matches!(hir.kind(), HirKind::Look(_));
    let is_optional = |hir: &Hir| hir.properties().minimum_len() == Some(0) && !is_look(hir);
    // An optional part at the start tells nothing.
    let first = parts.before.iter().position(|hir| !is_optional(hir)).unwrap_or(parts.before.len());
    let (mut before, mut secret) = (parts.before[first..].to_vec(), parts.secret.clone());
    if before.iter().all(is_look) {
        secret.splice(0..0, before.drain(..));
    }
    let atoms = [&before[..], &secret].concat();
    let Trigger { end, pattern } = trigger::choose(&atoms).ok_or(RuleError::NothingRare)?;
    let lead = Hir::concat(atoms[..end].to_vec()).to_string();
    let lead_len = if lead == pattern { custom::len(&lead).unwrap_or(0) } else { 0 };
    let is_behind = end <= before.len();
    let before = if is_behind { before[end..].to_vec() } else { before };
    let part = |part: Vec<Hir>, compiler: &mut Compiler| match part.is_empty() {
        true => Ok(None),
        false => compiler.compile(vec![Hir::concat(part).to_string()], Direction::Anchored).map(Some),
    };
    let lead = match lead_len {
        0 => Some(compiler.compile(vec![lead], Direction::Backwards)?),
        _ => None,
    };
    Ok(Leak {
        name: name(&rule.id),
        trigger: pattern,
        lead_len,
        lead,
        is_behind,
        before: part(before, compiler)?,
        secret: part(secret, compiler)?.ok_or(RuleError::EmptySecret)?,
        after: part(parts.after.clone(), compiler)?,
        keywords: keywords(rule, parts, compiler)?,
        entropy: (rule.entropy * 256.0).clamp(0.0, f64::from(u16::MAX)) as u16,
        allows: allows.to_vec(),
    })
}

/// Returns the keywords, if the expression itself does not require one of them.
fn keywords(rule: &Rule, parts: &Parts, compiler: &mut Compiler) -> Result<Option<Rc<[u8]>>, RuleError> {
    let sequence = [&parts.before[..], &parts.secret, &parts.after].concat();
    if rule.keywords.is_empty() || holds_one(&sequence, &rule.keywords) {
        return Ok(None);
    }
    let words: Vec<String> =
        rule.keywords.iter().map(|word| format!("(?i:{})", regex_syntax::escape(word))).collect();
    compiler.compile(vec![words.join("|")], Direction::Anywhere).map(Some)
}

/// Checks that everything that a sequence matches contains one of the keywords.
fn holds_one(sequence: &[Hir], keywords: &[String]) -> bool {
    let mut run = String::new();
    let has = |run: &str| keywords.iter().any(|word| run.contains(word.as_str()));
    for hir in sequence {
        match letter(hir) {
            Some(letter) => run.push(letter),
            None if is_look(hir) => {}
            None => {
                let branches = match hir.kind() {
                    HirKind::Alternation(branches) => branches.as_slice(),
                    HirKind::Capture(capture) => core::slice::from_ref(&*capture.sub),
                    HirKind::Repetition(repetition) if repetition.min > 0 => {
                        core::slice::from_ref(&*repetition.sub)
                    }
                    _ => &[],
                };
                let is_held = |branch: &Hir| {
                    let atoms = parts::flatten(core::slice::from_ref(branch));
                    holds_one(&atoms, keywords)
                };
                if has(&run) || !branches.is_empty() && branches.iter().all(is_held) {
                    return true;
                }
                run.clear();
            }
        }
    }
    has(&run)
}

fn is_look(hir: &Hir) -> bool {
    matches!(hir.kind(), HirKind::Look(_))
}

/// Returns the letter that an atom matches in either case, if it matches nothing else.
fn letter(hir: &Hir) -> Option<char> {
    match hir.kind() {
        HirKind::Literal(literal) => match *literal.0 {
            [byte] => Some((byte as char).to_ascii_lowercase()),
            _ => None,
        },
        HirKind::Class(regex_syntax::hir::Class::Bytes(class)) => {
            let mut letters = class.ranges().iter().flat_map(|range| range.start()..=range.end());
            let first = (letters.next()? as char).to_ascii_lowercase();
            letters.all(|byte| (byte as char).to_ascii_lowercase() == first).then_some(first)
        }
        _ => None,
    }
}

/// Returns a rule's id, with `-` for characters that a name must not have.
fn name(id: &str) -> String {
    let is_fit = |byte: char| byte.is_ascii_alphanumeric() || matches!(byte, '-' | '_');
    let fitting: String = id.chars().map(|byte| if is_fit(byte) { byte } else { '-' }).collect();
    fitting.chars().take(flb_audit_core::text::NAME_BYTES_MAX).collect()
}
