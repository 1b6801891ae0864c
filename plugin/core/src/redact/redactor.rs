//! The redaction of one record after the other.

use super::JSON_IN_STRINGS_DEPTH_MAX;
use super::evidence::Evidence;
use super::glance::Glance;
use super::key::HmacKey;
use super::known::find_out;
use super::level::Place;
use super::scan::{Look, Scanner, Seen};
use super::walk::{Pause, Walk};
use crate::memory::{OutOfMemory, put};
use crate::policy::{Policy, Rule};
use crate::record::member::RAW;
use crate::record::notes::Notes;
use crate::record::output;
use crate::record::tape::{Kind, Tape};
use crate::text;
use alloc::vec::Vec;
use core::mem;
use core::ops::Range;

/// Redacts one record after the other. The memory is kept between records.
#[derive(Debug)]
pub struct Redactor<'p> {
    pub(super) walk: Walk<'p>,
}

impl<'p> Redactor<'p> {
    /// Creates a redactor for a policy, with the operator's key if there is one.
    pub fn new(policy: Policy<'p>, key: Option<HmacKey>) -> Self {
        Redactor { walk: Walk::new(Scanner::new(policy, key)) }
    }

    /// Returns the policy.
    pub fn policy(&self) -> &Policy<'p> {
        &self.walk.scanner.policy
    }

    /// Returns what was done to the last record.
    pub fn evidence(&self) -> &Evidence {
        &self.walk.scanner.evidence
    }

    /// Calls `found` for every finding in a text that is no part of a record, in order.
    /// Returns the number of steps that this took, or `None` if those of the longest record ran out.
    pub fn find(&mut self, text: &[u8], mut found: impl FnMut(&Rule<'_>, Range<usize>)) -> Option<usize> {
        let scanner = &mut self.walk.scanner;
        scanner.begin(usize::MAX);
        let steps = scanner.scan(text, Look::Everything).ok().map(|()| scanner.steps.taken(usize::MAX));
        for hit in &scanner.found {
            if let Some(rule) = scanner.policy.rule(hit.rule) {
                found(&rule, hit.range.clone());
            }
        }
        steps
    }

    /// Returns the facts about a key, in the form in which
    /// [`add_facts`](crate::recognize::add_facts) puts them into a policy's dictionary.
    pub fn facts(&mut self, key: &[u8]) -> u64 {
        self.walk.scanner.begin(key.len());
        find_out(&mut self.walk.scanner, key)
    }

    /// Returns the notes on the last record.
    pub(crate) fn notes(&self) -> Notes {
        if self.walk.scanner.lacks_key { Notes::HMAC_KEY_MISSING } else { Notes::NONE }
    }

    /// Takes the memory that [`Redactor::mask_raw`] needs.
    pub(crate) fn reserve(&mut self) -> Result<(), OutOfMemory> {
        self.walk.scanner.evidence.reserve()
    }

    /// Writes the mask for a text whose redaction failed for lack of memory.
    pub(crate) fn mask_raw(&mut self, out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
        self.walk.scanner.begin(0);
        self.walk.scanner.mask_unscanned(RAW.as_bytes(), out)
    }

    /// Redacts the text of a record that could not be read, into `out`. Returns false if
    /// there is nothing to redact; then `out` holds nothing of use.
    ///
    /// If the policy has rules for keys or paths, the whole text is masked: in a text
    /// without structure, these rules cannot be applied.
    pub(crate) fn redact_raw(&mut self, raw: &[u8], out: &mut Vec<u8>) -> Result<bool, OutOfMemory> {
        self.walk.scanner.begin(raw.len());
        let path = RAW.as_bytes();
        if self.walk.scanner.policy.has_rules_for_places() {
            return self.walk.scanner.mask_unscanned(path, out).map(|()| true);
        }
        let is_redacted = self.walk.scanner.redact(raw, Look::Everything, path, out)?;
        let hides = if is_redacted { self.hides_anything(out)? } else { self.hides_anything(raw)? };
        if hides {
            self.walk.scanner.evidence.clear();
            self.walk.scanner.mask_unscanned(path, out)?;
        }
        Ok(is_redacted || hides)
    }

    /// Checks whether a text hides anything behind escapes, which may be those of JSON in
    /// strings. Returns true also if that cannot be told.
    fn hides_anything(&mut self, text: &[u8]) -> Result<bool, OutOfMemory> {
        let is_plain = |text: &[u8]| !text.contains(&b'\\');
        if is_plain(text) || self.walk.scanner.policy.scout.is_none() {
            return Ok(false);
        }
        self.walk.written.clear();
        put(&mut self.walk.written, text)?;
        for _ in 0..=JSON_IN_STRINGS_DEPTH_MAX {
            self.walk.decoded.clear();
            text::decode(&self.walk.written, &mut self.walk.decoded)?;
            if self.walk.scanner.look(&self.walk.decoded, Look::Everything) == Seen::Found {
                return Ok(true);
            }
            if is_plain(&self.walk.decoded) {
                return Ok(false);
            }
            mem::swap(&mut self.walk.written, &mut self.walk.decoded);
        }
        Ok(true)
    }

    /// Recognizes the record on `tape`, which came under `tag`.
    pub(crate) fn recognize(&mut self, tag: &[u8], tape: &mut Tape, source: &[u8]) {
        self.walk.recognizer.recognize_record(tag, tape, source);
    }

    /// Redacts the record on `tape`, which was read from `source`. If memory runs out,
    /// the tape must not be used any more.
    pub(crate) fn redact(&mut self, tape: &mut Tape, source: &[u8]) -> Result<(), OutOfMemory> {
        self.walk.scanner.begin(source.len());
        self.walk.keys = 0;
        mem::swap(&mut self.walk.levels[0].tape, tape);
        let result = self.redact_levels(source);
        mem::swap(&mut self.walk.levels[0].tape, tape);
        result
    }

    fn redact_levels(&mut self, source: &[u8]) -> Result<(), OutOfMemory> {
        if !self.walk.scanner.policy.redacts() {
            return Ok(());
        }
        let paths = self.walk.scanner.policy.paths;
        let path = paths.map_or(0, |paths| paths.start(0, self.walk.levels[0].tape.variant));
        let start = Place { path, ..Place::default() };
        self.walk.levels[0].begin(start);
        match self.walk.glance(source)? {
            Glance::Nothing => return Ok(()),
            Glance::Texts if self.walk.visit(source)? => return Ok(()),
            Glance::Texts | Glance::Rules => self.walk.levels[0].begin(start),
        }
        // The string on each level that holds the JSON on the next one.
        let mut holders = [0; JSON_IN_STRINGS_DEPTH_MAX];
        let mut depth = 0;
        loop {
            let mut level = mem::take(&mut self.walk.levels[depth]);
            let text = mem::take(&mut level.text);
            let paused = self.walk.walk(&mut level, if depth == 0 { source } else { &text }, depth);
            level.text = text;
            self.walk.levels[depth] = level;
            match paused? {
                Pause::Json(node) => {
                    holders[depth] = node;
                    depth += 1;
                }
                Pause::Done if depth == 0 => return Ok(()),
                Pause::Done => {
                    depth -= 1;
                    self.write_back(depth, holders[depth])?;
                }
            }
        }
    }

    /// Writes the JSON on level `depth + 1` back into the string that holds it, if
    /// anything in it was redacted.
    fn write_back(&mut self, depth: usize, holder: usize) -> Result<(), OutOfMemory> {
        let [.., level, json] = &mut self.walk.levels[..=depth + 1] else {
            return Ok(());
        };
        if json.tape.is_changed() {
            self.walk.written.clear();
            output::write(&json.tape, &json.text, 0, &mut self.walk.written)?;
            level.tape.set_text(holder, Kind::String, &self.walk.written)?;
        }
        Ok(())
    }
}
