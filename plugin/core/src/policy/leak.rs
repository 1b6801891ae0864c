//! A rule of gitleaks in a table: automata for the part before a secret, the secret, and
//! the part behind it, and further conditions.
//!
//! | bytes | |
//! |---|---|
//! | 0..2 | the entropy that the secret has to exceed, in 1/256 bit; 0 if none is required |
//! | 2 | 1 if the part before the secret starts behind the trigger, 0 if it starts with the lead |
//! | 3 | the number of allowances |
//! | 4..8, 8..12, 12..16 | the offsets in the automata of the part before, the secret, and the part behind; all of these are [`Compact`] |
//! | 16..20 | the offset of the automaton for the keywords; the text has to contain one of them |
//! | 8 each | the allowances: 0 for the secret, 1 for the match, 2 for the text; 1 if the next allowance has to hold as well; two zero bytes; the offset of the automaton |

use super::{NO_AUTOMATON, Policy};
use crate::automaton::Compact;
use alloc::vec::Vec;

const ENTROPY_AT: usize = 0;
const IS_BEHIND_AT: usize = 2;
const ALLOWS_AT: usize = 3;
const BEFORE_AT: usize = 4;
const SECRET_AT: usize = 8;
const AFTER_AT: usize = 12;
const KEYWORDS_AT: usize = 16;
const HEADER_BYTES: usize = 20;
const ALLOW_BYTES: usize = 8;

/// The maximum number of allowances of a rule.
pub const ALLOWS_MAX: usize = u8::MAX as usize;

/// The part of a text that an allowance looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum AllowTarget {
    /// The secret.
    Secret = 0,
    /// Everything that the rule matched.
    Match = 1,
    /// The whole text.
    Text = 2,
}

/// A rule of gitleaks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leak<'a> {
    pub(crate) entropy: u32,
    pub(crate) is_behind: bool,
    pub(crate) before: Option<Compact<'a>>,
    pub(crate) secret: Compact<'a>,
    pub(crate) after: Option<Compact<'a>>,
    pub(crate) keywords: Option<Compact<'a>>,
    allows: &'a [[u8; ALLOW_BYTES]],
}

/// An allowance: a reason to accept a match as harmless.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allow<'a> {
    pub(crate) target: AllowTarget,
    pub(crate) goes_on: bool,
    pub(crate) automaton: Compact<'a>,
}

impl<'a> Policy<'a> {
    /// Returns the rule of gitleaks at a place in the automata.
    pub(crate) fn leak(&self, start: u32) -> Option<Leak<'a>> {
        let table = self.automata.get(start as usize..)?;
        let header: &[u8; HEADER_BYTES] = table.first_chunk()?;
        let number = |at: usize| header[at..].first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
        let automaton = |at: usize| match number(at)? {
            NO_AUTOMATON => Some(None),
            start => self.compact(start).map(Some),
        };
        let allows = table.get(HEADER_BYTES..)?.as_chunks().0;
        Some(Leak {
            entropy: u16::from_le_bytes([header[ENTROPY_AT], header[ENTROPY_AT + 1]]).into(),
            is_behind: header[IS_BEHIND_AT] != 0,
            before: automaton(BEFORE_AT)?,
            secret: automaton(SECRET_AT)??,
            after: automaton(AFTER_AT)?,
            keywords: automaton(KEYWORDS_AT)?,
            allows: allows.get(..header[ALLOWS_AT].into())?,
        })
    }

    /// Returns the allowances of a rule.
    pub(crate) fn allows(&self, leak: &Leak<'a>) -> impl Iterator<Item = Option<Allow<'a>>> + '_ {
        leak.allows.iter().map(|[target, goes_on, _, _, start @ ..]| {
            Some(Allow {
                target: match target {
                    0 => AllowTarget::Secret,
                    1 => AllowTarget::Match,
                    2 => AllowTarget::Text,
                    _ => return None,
                },
                goes_on: *goes_on != 0,
                automaton: self.compact(u32::from_le_bytes(*start))?,
            })
        })
    }

    /// Checks that all automata of a rule are sound.
    pub(super) fn is_sound_leak(&self, start: u32) -> bool {
        self.leak(start).is_some_and(|leak| {
            let automata = [Some(leak.secret), leak.before, leak.after, leak.keywords];
            let is_sound = |allow: Option<Allow<'_>>| allow.is_some_and(|allow| allow.automaton.is_sound());
            automata.iter().flatten().all(Compact::is_sound) && self.allows(&leak).all(is_sound)
        })
    }
}

/// An allowance to be written: a reason to accept a match as harmless.
#[derive(Clone, Copy, Debug)]
pub struct AllowParts {
    /// The text that it looks at.
    pub target: AllowTarget,
    /// True if the next one has to hold as well.
    pub goes_on: bool,
    /// The offset of its automaton in the automata.
    pub automaton: u32,
}

/// A rule of gitleaks, to be written. Automata are given by their offset in the automata,
/// or [`NO_AUTOMATON`].
#[derive(Clone, Copy, Debug)]
pub struct LeakParts<'a> {
    /// The entropy that the secret has to exceed, in 1/256 bit.
    pub entropy: u16,
    /// True if the part before the secret starts behind the trigger.
    pub is_behind: bool,
    /// The part before the secret.
    pub before: u32,
    /// The secret.
    pub secret: u32,
    /// The part behind the secret.
    pub after: u32,
    /// The keywords, one of which the text has to contain.
    pub keywords: u32,
    /// The reasons to accept a match as harmless: at most [`ALLOWS_MAX`].
    pub allows: &'a [AllowParts],
}

impl LeakParts<'_> {
    /// Writes the rule.
    pub fn write(&self) -> Vec<u8> {
        let mut table = Vec::from([0; HEADER_BYTES]);
        let mut put = |at: usize, part: &[u8]| table[at..at + part.len()].copy_from_slice(part);
        let allows = self.allows.get(..ALLOWS_MAX).unwrap_or(self.allows);
        put(ENTROPY_AT, &self.entropy.to_le_bytes());
        put(IS_BEHIND_AT, &[self.is_behind.into()]);
        put(ALLOWS_AT, &[allows.len() as u8]);
        put(BEFORE_AT, &self.before.to_le_bytes());
        put(SECRET_AT, &self.secret.to_le_bytes());
        put(AFTER_AT, &self.after.to_le_bytes());
        put(KEYWORDS_AT, &self.keywords.to_le_bytes());
        for allow in allows {
            table.extend([allow.target as u8, allow.goes_on.into(), 0, 0]);
            table.extend(allow.automaton.to_le_bytes());
        }
        table
    }
}
