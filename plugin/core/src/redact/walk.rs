//! The walk over a record's tape, and over those of the JSON in its strings.

use super::evidence::Evidence;
use super::key::HmacKey;
use super::paths::{self, PathState, Verdict};
use super::scan::Scanner;
use super::{Action, JSON_IN_STRINGS_DEPTH_MAX};
use crate::automaton::Automaton;
use crate::digits::Digits;
use crate::policy::{Kind as RuleKind, Policy};
use crate::seal::{Notes, RAW};
use crate::tape::{Dialect, ESCAPED, Kind, Tape, Unreadable};
use crate::text::{Characters, inner};
use crate::{OutOfMemory, output, put, put_byte, text};
use alloc::vec::Vec;
use core::mem;

/// The shortest number in which a detector is looked for, in characters.
const NUMBER_BYTES_MIN: usize = 7;
/// How much of a path the evidence has, in bytes, and how much of one key.
const PATH_BYTES_MAX: usize = 512;
const PATH_KEY_BYTES_MAX: usize = 64;
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
        self.scanner.begin();
        self.scanner.mask_unscanned(RAW.as_bytes(), out)
    }

    /// Redacts the text of a record that could not be read, into `out`. False,
    /// and nothing of use written, if there is nothing to redact.
    pub(crate) fn redact_raw(&mut self, raw: &[u8], out: &mut Vec<u8>) -> Result<bool, OutOfMemory> {
        self.scanner.begin();
        self.scanner.redact(raw, RAW.as_bytes(), out)
    }

    /// Redacts the record on `tape`, which was read from `source`. If it runs
    /// out of memory, the tape is of no more use.
    pub(crate) fn redact(&mut self, tape: &mut Tape, source: &[u8]) -> Result<(), OutOfMemory> {
        self.scanner.begin();
        self.keys = 0;
        mem::swap(&mut self.levels[0].tape, tape);
        let result = self.redact_levels(source);
        mem::swap(&mut self.levels[0].tape, tape);
        result
    }

    fn redact_levels(&mut self, source: &[u8]) -> Result<(), OutOfMemory> {
        self.levels[0].begin(Place::default());
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
            if let Some(paused) = self.value(level, source, depth, value, place)? {
                return Ok(paused);
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

    /// Redacts a member's key, and gives the place of its value.
    fn member(
        &mut self,
        level: &mut Level,
        source: &[u8],
        key: usize,
        object: Place,
    ) -> Result<Place, OutOfMemory> {
        if let Some(frame) = level.open.last_mut() {
            frame.key = key as u32;
        }
        let policy = &self.scanner.policy;
        let text = plain(&level.tape, source, key, &mut self.decoded)?;
        let path = policy.paths.as_ref().map_or(0, |paths| paths.member(object.path, text));
        let own = policy.paths.as_ref().map_or(Verdict::None, |paths| paths.verdict(path));
        let mut verdict = deeper(own, object.verdict);
        if verdict == Verdict::None
            && let Some(keys) = &policy.keys
            && let Some(rule) = first_accepted(keys, text)
        {
            verdict = Verdict::Rule(policy.first_key_rule.saturating_add(rule));
        }
        // A key that the policy names holds nothing but that name.
        if own == Verdict::None && self.scanner.stops(text).unwrap_or(true) {
            self.redact_key(level, source, key)?;
        }
        Ok(Place { path, verdict })
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

    /// Looks at a value. If it is a string that holds JSON, that is on the
    /// next level then.
    fn value(
        &mut self,
        level: &mut Level,
        source: &[u8],
        depth: usize,
        index: usize,
        place: Place,
    ) -> Result<Option<Pause>, OutOfMemory> {
        level.next = index + 1;
        let Some(node) = level.tape.nodes.get(index).copied() else {
            return Ok(None);
        };
        let is_number = matches!(node.kind, Kind::Integer | Kind::Float);
        match place.verdict {
            Verdict::Rule(rule) => {
                let known = self.scanner.policy.rule(rule);
                let is_removed = known.is_some_and(|known| known.action == Action::Remove);
                if node.is_container() && !is_removed {
                    return level.open(index, place);
                }
                let is_named = known.is_some_and(|known| known.kind == RuleKind::Path);
                if node.kind != Kind::Word
                    || is_removed
                    || (is_named && level.tape.text(&node, source) != b"null")
                {
                    self.apply(rule, level, source, index, is_removed)?;
                }
            }
            Verdict::Keep if node.is_container() => return level.open(index, place),
            Verdict::None if node.is_container() => return level.open(index, place),
            Verdict::None if node.kind == Kind::String => {
                return self.string(level, source, depth, index, place);
            }
            Verdict::None if is_number && node.end - node.start >= NUMBER_BYTES_MIN as u32 => {
                self.text(level, source, index)?;
            }
            _ => {}
        }
        Ok(None)
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

    fn string(
        &mut self,
        level: &mut Level,
        source: &[u8],
        depth: usize,
        index: usize,
        place: Place,
    ) -> Result<Option<Pause>, OutOfMemory> {
        let text = plain(&level.tape, source, index, &mut self.decoded)?;
        if !may_be_json(text) {
            if self.scanner.stops(text).unwrap_or(true) {
                self.text(level, source, index)?;
            }
            return Ok(None);
        }
        // Reading is work, too.
        let is_affordable = self.scanner.steps.take(text.len()).is_ok();
        let (is_deeper, json) = match self.levels.get_mut(depth + 1) {
            Some(json) if is_affordable => (false, json),
            _ => (true, &mut self.levels[depth]),
        };
        json.text.clear();
        put(&mut json.text, text)?;
        match json.tape.read_value(&json.text, Dialect::Json) {
            Ok(()) if is_deeper => {
                write_path(level, source, Last::Shown, &mut self.path)?;
                self.scanner.mask_unscanned(&self.path, &mut self.written)?;
                level.tape.set_text(index, Kind::String, &self.written)?;
                Ok(None)
            }
            Ok(()) => {
                let path = self.scanner.policy.paths.as_ref().map_or(0, |paths| paths.json(place.path));
                let own =
                    self.scanner.policy.paths.as_ref().map_or(Verdict::None, |paths| paths.verdict(path));
                json.begin(Place { path, verdict: deeper(own, place.verdict) });
                write_path(level, source, Last::Shown, &mut json.path)?;
                put_byte(&mut json.path, b'|')?;
                Ok(Some(Pause::Json(index)))
            }
            Err(Unreadable::OutOfMemory) => Err(OutOfMemory),
            Err(_) => {
                self.text(level, source, index)?;
                Ok(None)
            }
        }
    }

    /// Looks through the text of a string or number.
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

    fn open(&mut self, container: usize, place: Place) -> Result<Option<Pause>, OutOfMemory> {
        let node = &self.tape.nodes[container];
        let key = if node.kind == Kind::Object { container as u32 } else { NO_KEY };
        if self.open.len() == self.open.capacity() {
            self.open.try_reserve(16).map_err(|_| OutOfMemory)?;
        }
        self.open.push(Frame { end: node.next, key, place });
        Ok(None)
    }
}

/// What holds for a value: what is said of itself, or else of what it is in.
fn deeper(own: Verdict, outer: Verdict) -> Verdict {
    if own == Verdict::None { outer } else { own }
}

/// The least of the ids that an automaton accepts anywhere in a text.
fn first_accepted(keys: &Automaton<'_>, text: &[u8]) -> Option<u16> {
    let mut state = keys.start(None);
    let mut first = None;
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
    let text = text.trim_ascii();
    matches!((text.first(), text.last()), (Some(b'{'), Some(b'}')) | (Some(b'['), Some(b']')))
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
    // Each escape is longer than what it stands for.
    decoded.try_reserve(text.len()).map_err(|_| OutOfMemory)?;
    for character in Characters::of(text) {
        put(decoded, character.encode_utf8(&mut [0; 4]).as_bytes())?;
    }
    Ok(decoded)
}

/// Whether a path shows the last key, which may itself have to be redacted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Shown,
    Hidden,
}

/// Writes the path of the value that is being looked at.
fn write_path(level: &Level, source: &[u8], last: Last, path: &mut Vec<u8>) -> Result<(), OutOfMemory> {
    path.clear();
    put(path, &level.path)?;
    for (at, frame) in level.open.iter().enumerate() {
        if path.len() > PATH_BYTES_MAX {
            return put(path, b"...");
        }
        if frame.key == NO_KEY {
            put(path, b"[]")?;
            continue;
        }
        if !matches!(path.last(), None | Some(b'|')) {
            put_byte(path, b'.')?;
        }
        if last == Last::Hidden && at + 1 == level.open.len() {
            put_byte(path, b'*')?;
        } else {
            write_key(&level.tape, source, frame.key as usize, path)?;
        }
    }
    Ok(())
}

/// Writes a key as it stands in a path: in quotes where it is more than
/// letters, digits, `_` and `-`, and cut where it is long.
fn write_key(tape: &Tape, source: &[u8], key: usize, path: &mut Vec<u8>) -> Result<(), OutOfMemory> {
    let Some(node) = tape.nodes.get(key) else {
        return Ok(());
    };
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let token = tape.text(node, source);
    let text = inner(token);
    if text.len() <= PATH_KEY_BYTES_MAX && !text.is_empty() && text.iter().all(is_plain) {
        return put(path, text);
    }
    let mut start = [0; 4 * PATH_KEY_BYTES_MAX];
    let mut len = 0;
    let mut characters = Characters::of(text);
    for character in characters.by_ref().take(PATH_KEY_BYTES_MAX) {
        len += character.encode_utf8(&mut start[len..]).len();
    }
    text::write(&start[..len], path)?;
    if characters.next().is_some() { put(path, b"...") } else { Ok(()) }
}
