//! The walk over a record's tape, and over those of the JSON in its strings.

mod glance;
mod path;

use super::evidence::Evidence;
use super::key::HmacKey;
use super::memo::Memo;
use super::paths::{self, PathState, Verdict};
use super::scan::Scanner;
use super::{Action, JSON_IN_STRINGS_DEPTH_MAX, steps};
use crate::automaton::Compact;
use crate::memory::{OutOfMemory, put, put_byte};
use crate::policy::{Kind as RuleKind, Policy};
use crate::record::member::RAW;
use crate::record::notes::Notes;
use crate::record::output;
use crate::record::tape::{Dialect, ESCAPED, Kind, Tape, Unreadable};
use crate::text;
use crate::text::digits::Digits;
use crate::text::inner;
use alloc::vec::Vec;
use core::mem;
use glance::{FOUND_MAX, Glance};
use path::{Last, write_path};

/// The frame is that of an array.
const NO_KEY: u32 = u32::MAX;

/// Redacts one record after the other. Its memory is kept between them.
#[derive(Debug)]
pub struct Redactor<'p> {
    scanner: Scanner<'p>,
    /// The record, and the JSON in strings that is being walked.
    levels: [Level; 1 + JSON_IN_STRINGS_DEPTH_MAX],
    /// A text without quotes and escapes.
    decoded: Vec<u8>,
    /// What takes its place.
    written: Vec<u8>,
    path: Vec<u8>,
    known_keys: Memo<Known>,
    /// Whether a detector finds something in a text.
    known_texts: Memo<bool>,
    /// The nodes of the texts that a glance has found.
    found: [u32; FOUND_MAX],
    found_count: usize,
    /// How many of the record's keys could not be kept apart by their text.
    keys: u64,
}

/// A tape that is being walked.
#[derive(Debug, Default)]
struct Level {
    tape: Tape,
    /// What the tape was read from, if it was a string.
    text: Vec<u8>,
    open: Vec<Frame>,
    /// The path of that string, and what stands before every path in it.
    path: Vec<u8>,
    /// The node to look at next.
    next: usize,
    /// Where the walk starts, and what is said of all that is in it.
    start: Place,
}

/// What a policy says of a key, wherever it is.
#[derive(Clone, Copy, Debug)]
struct Known {
    /// The first rule whose pattern the key has.
    rule: Option<u16>,
    /// Whether a path that a rule is for may lead over it.
    is_watched: bool,
    /// Whether a detector finds something in it.
    is_found: bool,
    /// Whether its value stays, as a whole, if it is a member of the record.
    is_kept: bool,
}

/// Where in the policy's paths a value is, and what holds for it.
#[derive(Clone, Copy, Debug)]
struct Place {
    path: PathState,
    verdict: Verdict,
}

impl Default for Place {
    fn default() -> Self {
        Place { path: paths::START, verdict: Verdict::None }
    }
}

/// A container whose contents are being walked.
#[derive(Clone, Copy, Debug)]
struct Frame {
    end: u32,
    /// The key of the member that is being looked at.
    key: u32,
    place: Place,
}

/// Why a walk has paused.
enum Pause {
    /// Everything has been looked at.
    Done,
    /// The string at this node holds JSON, which is on the next level now.
    Json(usize),
}

impl<'p> Redactor<'p> {
    /// Redacts by this policy, with the operator's key if there is one.
    pub fn new(policy: Policy<'p>, key: Option<HmacKey>) -> Self {
        Redactor {
            scanner: Scanner::new(policy, key),
            levels: Default::default(),
            decoded: Vec::new(),
            written: Vec::new(),
            path: Vec::new(),
            known_keys: Memo::new(),
            known_texts: Memo::new(),
            found: [0; FOUND_MAX],
            found_count: 0,
            keys: 0,
        }
    }

    /// The policy.
    pub fn policy(&self) -> &Policy<'p> {
        &self.scanner.policy
    }

    /// What was done to the record redacted last.
    pub fn evidence(&self) -> &Evidence {
        &self.scanner.evidence
    }

    /// What has to be said of the record redacted last.
    pub(crate) fn notes(&self) -> Notes {
        if self.scanner.lacks_key { Notes::HMAC_KEY_MISSING } else { Notes::NONE }
    }

    /// Takes the memory that [`Redactor::mask_raw`] needs.
    pub(crate) fn reserve(&mut self) -> Result<(), OutOfMemory> {
        self.scanner.evidence.reserve()
    }

    /// Writes what takes the place of a text for whose redaction there was no
    /// memory.
    pub(crate) fn mask_raw(&mut self, out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
        self.scanner.begin(0);
        self.scanner.mask_unscanned(RAW.as_bytes(), out)
    }

    /// Redacts the text of a record that could not be read, into `out`. False,
    /// and nothing of use written, if there is nothing to redact.
    ///
    /// Where a policy has rules for keys or paths, nothing can be said of them
    /// here: all of the text is masked.
    pub(crate) fn redact_raw(&mut self, raw: &[u8], out: &mut Vec<u8>) -> Result<bool, OutOfMemory> {
        self.scanner.begin(raw.len());
        let path = RAW.as_bytes();
        if self.scanner.policy.has_rules_for_places() {
            return self.scanner.mask_unscanned(path, out).map(|()| true);
        }
        let is_redacted = self.scanner.redact(raw, path, out)?;
        let hides = if is_redacted { self.hides_anything(out)? } else { self.hides_anything(raw)? };
        if hides {
            self.scanner.evidence.clear();
            self.scanner.mask_unscanned(path, out)?;
        }
        Ok(is_redacted || hides)
    }

    /// Whether there is anything in a text behind its escapes, or no saying:
    /// they may be those of JSON in strings.
    fn hides_anything(&mut self, text: &[u8]) -> Result<bool, OutOfMemory> {
        let is_plain = |text: &[u8]| !text.contains(&b'\\');
        if is_plain(text) || self.scanner.policy.scout.is_none() {
            return Ok(false);
        }
        self.written.clear();
        put(&mut self.written, text)?;
        for _ in 0..=JSON_IN_STRINGS_DEPTH_MAX {
            self.decoded.clear();
            text::decode(&self.written, &mut self.decoded)?;
            if self.scanner.finds(&self.decoded) {
                return Ok(true);
            }
            if is_plain(&self.decoded) {
                return Ok(false);
            }
            mem::swap(&mut self.written, &mut self.decoded);
        }
        Ok(true)
    }

    /// Redacts the record on `tape`, which was read from `source`. If it runs
    /// out of memory, the tape is of no more use.
    pub(crate) fn redact(&mut self, tape: &mut Tape, source: &[u8]) -> Result<(), OutOfMemory> {
        self.scanner.begin(source.len());
        self.keys = 0;
        mem::swap(&mut self.levels[0].tape, tape);
        let result = self.redact_levels(source);
        mem::swap(&mut self.levels[0].tape, tape);
        result
    }

    fn redact_levels(&mut self, source: &[u8]) -> Result<(), OutOfMemory> {
        if !self.scanner.policy.redacts() {
            return Ok(());
        }
        self.levels[0].begin(Place::default());
        match self.glance(source)? {
            Glance::Nothing => return Ok(()),
            Glance::Texts => return self.visit(source),
            Glance::Rules => {}
        }
        // The string on each level that holds the JSON on the next one.
        let mut holders = [0; JSON_IN_STRINGS_DEPTH_MAX];
        let mut depth = 0;
        loop {
            let mut level = mem::take(&mut self.levels[depth]);
            let text = mem::take(&mut level.text);
            let paused = self.walk(&mut level, if depth == 0 { source } else { &text }, depth);
            level.text = text;
            self.levels[depth] = level;
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

    /// Writes the JSON on the level above `depth` into the string that holds
    /// it, if anything in it was redacted.
    fn write_back(&mut self, depth: usize, holder: usize) -> Result<(), OutOfMemory> {
        let [.., level, json] = &mut self.levels[..=depth + 1] else {
            return Ok(());
        };
        if json.tape.is_changed() {
            self.written.clear();
            output::write(&json.tape, &json.text, &mut self.written)?;
            level.tape.set_text(holder, Kind::String, &self.written)?;
        }
        Ok(())
    }

    /// Looks at one value after the other, until there is JSON in one.
    fn walk(&mut self, level: &mut Level, source: &[u8], depth: usize) -> Result<Pause, OutOfMemory> {
        loop {
            let index = level.next;
            while level.open.last().is_some_and(|frame| frame.end as usize == index) {
                level.open.pop();
            }
            if index >= level.tape.nodes.len() {
                return Ok(Pause::Done);
            }
            let (value, place) = match level.open.last().copied() {
                None => (index, level.start),
                Some(frame) if frame.key == NO_KEY => (index, self.element(frame.place)),
                Some(frame) => (index + 1, self.member(level, source, index, frame.place)?),
            };
            level.next = value + 1;
            let Some(node) = level.tape.nodes.get(value).copied() else {
                return Ok(Pause::Done);
            };
            match place.verdict {
                Verdict::Rule(rule) => self.ruled(rule, level, source, value, place)?,
                _ if node.is_container() => level.open(value, place)?,
                Verdict::Keep => {}
                Verdict::None if node.kind == Kind::Word => {}
                Verdict::None => {
                    let text = plain(&level.tape, source, value, &mut self.decoded)?;
                    if node.kind == Kind::String && may_be_json(text) {
                        if self.json(level, source, depth, value, place)? {
                            return Ok(Pause::Json(value));
                        }
                    } else if self.known_texts.ask(text, text.len(), |text| self.scanner.finds(text)) {
                        self.text(level, source, value)?;
                    }
                }
            }
        }
    }

    fn element(&self, array: Place) -> Place {
        let Some(paths) = &self.scanner.policy.paths else {
            return array;
        };
        let path = paths.element(array.path);
        Place { path, verdict: deeper(paths.verdict(path), array.verdict) }
    }

    /// The place of a member's value, and whether its key has to be redacted.
    fn place(
        &mut self,
        level: &mut Level,
        source: &[u8],
        key: usize,
        object: Place,
    ) -> Result<(Place, bool), OutOfMemory> {
        if let Some(frame) = level.open.last_mut() {
            frame.key = key as u32;
        }
        let text = plain(&level.tape, source, key, &mut self.decoded)?;
        let known = self.known_keys.ask(text, text.len(), |key| find_out(&mut self.scanner, key));
        let paths = &self.scanner.policy.paths;
        let path = paths.as_ref().map_or(0, |paths| paths.member(object.path, text));
        let own = paths.as_ref().map_or(Verdict::None, |paths| paths.verdict(path));
        let ruled = deeper(own, object.verdict);
        let verdict = match (ruled, known.rule) {
            (Verdict::None, Some(rule)) => Verdict::Rule(rule),
            (verdict, _) => verdict,
        };
        Ok((Place { path, verdict }, ruled != Verdict::Keep && known.is_found))
    }

    /// Redacts a member's key, and gives the place of its value.
    fn member(
        &mut self,
        level: &mut Level,
        source: &[u8],
        key: usize,
        object: Place,
    ) -> Result<Place, OutOfMemory> {
        let (place, is_found) = self.place(level, source, key, object)?;
        if is_found {
            self.redact_key(level, source, key)?;
        }
        Ok(place)
    }

    #[cold]
    fn redact_key(&mut self, level: &mut Level, source: &[u8], key: usize) -> Result<(), OutOfMemory> {
        write_path(level, source, Last::Hidden, &mut self.path)?;
        let text = plain(&level.tape, source, key, &mut self.decoded)?;
        self.scanner.is_ambiguous = false;
        if !self.scanner.redact(text, &self.path, &mut self.written)? {
            return Ok(());
        }
        // Of two members with one key, one would be lost.
        if self.scanner.is_ambiguous {
            self.keys += 1;
            put_byte(&mut self.written, b'~')?;
            put(&mut self.written, Digits::of(self.keys).as_bytes())?;
        }
        level.tape.set_text(key, Kind::Key, &self.written)
    }

    /// Looks at a value for which there is a rule.
    #[cold]
    fn ruled(
        &mut self,
        rule: u16,
        level: &mut Level,
        source: &[u8],
        index: usize,
        place: Place,
    ) -> Result<(), OutOfMemory> {
        let node = level.tape.nodes[index];
        let known = self.scanner.policy.rule(rule);
        let is_removed = known.is_some_and(|known| known.action == Action::Remove);
        if node.is_container() && !is_removed {
            return level.open(index, place);
        }
        let is_named = known.is_some_and(|known| known.kind == RuleKind::Path);
        let is_word = node.kind == Kind::Word;
        if is_word && !is_removed && (!is_named || level.tape.text(&node, source) == b"null") {
            return Ok(());
        }
        self.apply(rule, level, source, index, is_removed)
    }

    /// Does to a whole value what a rule says.
    #[cold]
    fn apply(
        &mut self,
        rule: u16,
        level: &mut Level,
        source: &[u8],
        index: usize,
        is_removed: bool,
    ) -> Result<(), OutOfMemory> {
        let text = plain(&level.tape, source, index, &mut self.decoded)?;
        if text.is_empty() && !is_removed {
            return Ok(());
        }
        write_path(level, source, Last::Shown, &mut self.path)?;
        self.written.clear();
        self.scanner.replace(rule, text, &self.path, &mut self.written)?;
        if !is_removed {
            return level.tape.set_text(index, Kind::String, &self.written);
        }
        level.next = level.tape.after(index);
        match level.open.last() {
            Some(frame) if frame.key != NO_KEY => level.tape.remove(frame.key as usize),
            _ => level.tape.remove(index),
        }
        Ok(())
    }

    /// Looks at a string that may hold JSON. True, if it does, and that is on
    /// the next level now.
    #[cold]
    fn json(
        &mut self,
        level: &mut Level,
        source: &[u8],
        depth: usize,
        index: usize,
        place: Place,
    ) -> Result<bool, OutOfMemory> {
        let text = plain(&level.tape, source, index, &mut self.decoded)?;
        // Reading is work, too.
        let is_affordable = self.scanner.steps.take(steps::READ * text.len()).is_ok();
        let (is_too_deep, json) = match self.levels.get_mut(depth + 1) {
            Some(json) if is_affordable => (false, json),
            _ => (true, &mut self.levels[depth]),
        };
        json.text.clear();
        put(&mut json.text, text)?;
        match json.tape.read_value(&json.text, Dialect::Json) {
            Ok(()) if is_too_deep => {
                write_path(level, source, Last::Shown, &mut self.path)?;
                self.scanner.mask_unscanned(&self.path, &mut self.written)?;
                level.tape.set_text(index, Kind::String, &self.written)?;
                Ok(false)
            }
            Ok(()) => {
                let paths = &self.scanner.policy.paths;
                let path = paths.as_ref().map_or(0, |paths| paths.json(place.path));
                let own = paths.as_ref().map_or(Verdict::None, |paths| paths.verdict(path));
                json.begin(Place { path, verdict: deeper(own, place.verdict) });
                write_path(level, source, Last::Shown, &mut json.path)?;
                put_byte(&mut json.path, b'|')?;
                Ok(true)
            }
            Err(Unreadable::OutOfMemory) => Err(OutOfMemory),
            Err(_) => self.text(level, source, index).map(|()| false),
        }
    }

    /// Looks through the text of a string or number.
    #[cold]
    fn text(&mut self, level: &mut Level, source: &[u8], index: usize) -> Result<(), OutOfMemory> {
        write_path(level, source, Last::Shown, &mut self.path)?;
        let text = plain(&level.tape, source, index, &mut self.decoded)?;
        if self.scanner.redact(text, &self.path, &mut self.written)? {
            level.tape.set_text(index, Kind::String, &self.written)?;
        }
        Ok(())
    }
}

impl Level {
    fn begin(&mut self, start: Place) {
        self.open.clear();
        self.next = 0;
        self.start = start;
    }

    fn open(&mut self, container: usize, place: Place) -> Result<(), OutOfMemory> {
        let node = &self.tape.nodes[container];
        let key = if node.kind == Kind::Object { container as u32 } else { NO_KEY };
        if self.open.len() == self.open.capacity() {
            self.open.try_reserve(16).map_err(|_| OutOfMemory)?;
        }
        self.open.push(Frame { end: node.next, key, place });
        Ok(())
    }
}

/// What holds for a value: what is said of itself, or else of what it is in.
fn deeper(own: Verdict, outer: Verdict) -> Verdict {
    if own == Verdict::None { outer } else { own }
}

/// What the policy says of a key.
#[cold]
fn find_out(scanner: &mut Scanner<'_>, key: &[u8]) -> Known {
    let is_found = scanner.finds(key);
    let Policy { keys, paths, first_key_rule, .. } = &scanner.policy;
    let rule = keys.as_ref().and_then(|keys| first_accepted(keys, key));
    Known {
        rule: rule.map(|rule| first_key_rule.saturating_add(rule)),
        is_watched: paths.as_ref().is_some_and(|paths| paths.is_watched(key)),
        is_found,
        is_kept: paths.as_ref().is_some_and(|paths| {
            !paths.have_rules() && paths.verdict(paths.member(paths::START, key)) == Verdict::Keep
        }),
    }
}

/// The least of the ids that an automaton accepts anywhere in a text.
fn first_accepted(keys: &Compact<'_>, text: &[u8]) -> Option<u16> {
    let mut state = keys.start(None);
    let mut first = keys.accepted(state).min();
    for &byte in text {
        state = keys.step(state, byte);
        if keys.is_special(state) {
            first = keys.accepted(state).chain(first).min();
        }
    }
    keys.accepted(keys.step_end(state)).chain(first).min()
}

/// Whether a string may hold an object or an array.
fn may_be_json(text: &[u8]) -> bool {
    matches!(text.trim_ascii_start(), [b'{' | b'[', ..])
}

/// The text of a node without quotes and escapes.
fn plain<'a>(
    tape: &'a Tape,
    source: &'a [u8],
    index: usize,
    decoded: &'a mut Vec<u8>,
) -> Result<&'a [u8], OutOfMemory> {
    let Some(node) = tape.nodes.get(index).filter(|node| !node.is_container()) else {
        return Ok(b"");
    };
    let text = inner(tape.text(node, source));
    if !node.has(ESCAPED) {
        return Ok(text);
    }
    decoded.clear();
    text::decode(text, decoded)?;
    Ok(decoded)
}
