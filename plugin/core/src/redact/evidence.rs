//! The evidence of redaction for the seal. It contains nothing of the values.
//!
//! An entry is a text of four parts: the rule's name, the action, `*` and a count if it
//! is more than one, and the path; spaces separate them. In a path, elements of an array
//! have no numbers, so that one entry covers all elements.

use crate::memory::{OutOfMemory, put, put_byte};
use crate::policy::{Action, Policy};
use crate::redact::UNSCANNED;
use crate::text;
use crate::text::digits::Digits;
use alloc::vec::Vec;

/// The maximum length of all paths in one record's evidence, in bytes. Entries beyond it
/// have the path `*`.
pub(super) const EVIDENCE_BYTES_MAX: usize = 32 << 10;
/// The path of entries that may concern any value.
const ANYWHERE: &[u8] = b"*";
/// The number of previous entries that are searched for an equal one.
const LOOK_BACK: usize = 16;

/// The number of the rule [`UNSCANNED`].
pub(crate) const UNSCANNED_RULE: u16 = u16::MAX;

/// The list of what was done to one record.
#[derive(Debug, Default)]
pub struct Evidence {
    entries: Vec<Entry>,
    paths: Vec<u8>,
    /// The entries with the path `*`: at most one for each rule and action.
    anywhere: Vec<Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    rule: u16,
    action: Action,
    count: u32,
    path_start: u32,
    path_end: u32,
}

impl Evidence {
    /// Returns empty evidence.
    pub const fn new() -> Self {
        Evidence { entries: Vec::new(), paths: Vec::new(), anywhere: Vec::new() }
    }

    /// Reserves the memory for one entry with a short path.
    pub(crate) fn reserve(&mut self) -> Result<(), OutOfMemory> {
        let entries = self.entries.try_reserve(LOOK_BACK);
        entries.and_then(|()| self.paths.try_reserve(LOOK_BACK)).map_err(|_| OutOfMemory)
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.paths.clear();
        self.anywhere.clear();
    }

    /// Returns true if nothing was redacted.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.anywhere.is_empty()
    }

    /// Adds one redaction.
    pub(crate) fn add(&mut self, rule: u16, action: Action, path: &[u8]) -> Result<(), OutOfMemory> {
        let is_anywhere = path == ANYWHERE || self.paths.len() + path.len() > EVIDENCE_BYTES_MAX;
        let look_back = if is_anywhere { usize::MAX } else { LOOK_BACK };
        let (entries, path) =
            if is_anywhere { (&mut self.anywhere, ANYWHERE) } else { (&mut self.entries, path) };
        let paths = &self.paths;
        let is_same = |entry: &&mut Entry| {
            let start = entry.path_start as usize;
            let is_there = || paths.get(start..entry.path_end as usize) == Some(path);
            entry.rule == rule && entry.action == action && (is_anywhere || is_there())
        };
        if let Some(entry) = entries.iter_mut().rev().take(look_back).find(is_same) {
            entry.count = entry.count.saturating_add(1);
            return Ok(());
        }
        let path_start = self.paths.len() as u32;
        put(&mut self.paths, path)?;
        entries.try_reserve(1).map_err(|_| OutOfMemory)?;
        entries.push(Entry { rule, action, count: 1, path_start, path_end: self.paths.len() as u32 });
        Ok(())
    }

    /// Writes the entries as a JSON array.
    pub(crate) fn write(&self, policy: &Policy<'_>, out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
        for (at, entry) in self.entries.iter().chain(&self.anywhere).enumerate() {
            put_byte(out, if at == 0 { b'[' } else { b',' })?;
            put_byte(out, b'"')?;
            let name = policy.rule(entry.rule).map_or(UNSCANNED.as_bytes(), |rule| rule.name);
            put(out, name)?;
            put_byte(out, b' ')?;
            put(out, entry.action.name().as_bytes())?;
            if entry.count > 1 {
                put_byte(out, b'*')?;
                put(out, Digits::of(entry.count.into()).as_bytes())?;
            }
            put_byte(out, b' ')?;
            text::write_inside(&self.paths[entry.path_start as usize..entry.path_end as usize], out)?;
            put_byte(out, b'"')?;
        }
        put_byte(out, b']')
    }
}
