//! The walk over a record's tape, and over the tapes of the JSON in its strings.

use super::actor::{Actor, Whose, is_identity};
use super::kept::Kept;
use super::known::{Known, find_out};
use super::level::{Level, NO_KEY, Place, deeper, is_first_line, is_last_line};
use super::memo::Memo;
use super::name::Name;
use super::path::{Last, write_path};
use super::scan::{Look, Scanner, Seen};
use super::validate::{is_exempt, is_hidden, is_random_value, is_short_password};
use super::{JSON_IN_STRINGS_DEPTH_MAX, fields, steps};
use crate::memory::{OutOfMemory, put, put_byte};
use crate::policy::paths::{PathState, Ruling};
use crate::policy::{Action, Kind as RuleKind};
use crate::recognize::Recognizer;
use crate::record::tape::{Dialect, ESCAPED, Kind, Tape, Unreadable};
use crate::text;
use crate::text::digits::Digits;
use crate::text::inner;
use alloc::vec::Vec;
use core::mem;

/// The number of keys that are remembered. It is larger than for other texts, since
/// finding out about a key takes longer.
const KEYS_ROOM: usize = 512;
/// The maximum number of texts that the walk visits directly after a glance.
pub(super) const FOUND_MAX: usize = 8;

/// The walk's memory, which is kept between records.
#[derive(Debug)]
pub(super) struct Walk<'p> {
    pub(super) scanner: Scanner<'p>,
    pub(super) recognizer: Recognizer<'p>,
    pub(super) kept: Kept,
    /// The record's tape, followed by those of the JSON in strings that are being walked.
    pub(super) levels: [Level; 1 + JSON_IN_STRINGS_DEPTH_MAX],
    /// A text without quotes and escapes.
    pub(super) decoded: Vec<u8>,
    /// The replacement of that text.
    pub(super) written: Vec<u8>,
    /// The arguments of a command, as one line.
    pub(super) line: Vec<u8>,
    pub(super) path: Vec<u8>,
    pub(super) known_keys: Memo<KEYS_ROOM>,
    /// The results of [`Look::Everything`] for short texts.
    pub(super) known_texts: Memo,
    /// The results of [`Look::Secrets`], for texts that are kept.
    pub(super) known_kept: Memo,
    /// The results of [`Look::Actor`], for texts that are an actor.
    pub(super) known_actors: Memo,
    /// The nodes of the texts in which a glance found something.
    pub(super) found: [u32; FOUND_MAX],
    pub(super) found_count: usize,
    /// The number of keys in this record that got a number, to keep them apart after
    /// redaction.
    pub(super) keys: u64,
}

/// The reason why a walk has paused.
pub(super) enum Pause {
    /// Everything has been looked at.
    Done,
    /// The string at this node holds JSON, which is now on the next level.
    Json(usize),
}

impl<'p> Walk<'p> {
    pub(super) fn new(scanner: Scanner<'p>) -> Self {
        Walk {
            recognizer: Recognizer::new(scanner.policy.formats, scanner.policy.dictionary),
            scanner,
            kept: Kept::default(),
            levels: Default::default(),
            decoded: Vec::new(),
            written: Vec::new(),
            line: Vec::new(),
            path: Vec::new(),
            known_keys: Memo::new(),
            known_texts: Memo::new(),
            known_kept: Memo::new(),
            known_actors: Memo::new(),
            found: [0; FOUND_MAX],
            found_count: 0,
            keys: 0,
        }
    }

    /// Looks at one value after the other, until a string holds JSON.
    pub(super) fn walk(
        &mut self,
        level: &mut Level,
        source: &[u8],
        depth: usize,
    ) -> Result<Pause, OutOfMemory> {
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
                Some(frame) if frame.key == NO_KEY => (index, self.told_element(level, source, frame)),
                Some(frame) => (index + 1, self.member(level, source, index, frame.place)?),
            };
            level.next = value + 1;
            let Some(node) = level.tape.nodes.get(value).copied() else {
                return Ok(Pause::Done);
            };
            let is_ruled = match place.ruling {
                Ruling::Rule(rule) => self.ruled(rule, level, source, value, place)?,
                _ => false,
            };
            if is_ruled {
                continue;
            }
            if node.is_container() {
                let place =
                    if place.is_told(&self.scanner.policy) || self.is_actor_object(level, value, place) {
                        place.untold()
                    } else {
                        place
                    };
                level.open(value, place)?;
                self.arguments(level, source, value)?;
            } else if node.kind != Kind::Word
                && place.ruling != Ruling::Opaque
                && self.leaf(level, source, depth, value, place)?
            {
                return Ok(Pause::Json(value));
            }
        }
    }

    /// Looks at a string or number. Returns true if it holds JSON, which is then on the
    /// next level.
    fn leaf(
        &mut self,
        level: &mut Level,
        source: &[u8],
        depth: usize,
        value: usize,
        place: Place,
    ) -> Result<bool, OutOfMemory> {
        let is_string = level.tape.nodes.get(value).is_some_and(|node| node.kind == Kind::String);
        let text = plain(&level.tape, source, value, &mut self.decoded)?;
        if let Some(lines) = level.lines.filter(|lines| is_string && value < lines.end as usize)
            && lines.has(level, text)
        {
            level.lines = Some(lines).filter(|_| !is_last_line(text));
            return self.apply(lines.rule, level, source, value, false).map(|()| false);
        }
        if is_string && may_be_json(text) {
            return self.json(level, source, depth, value, place);
        }
        let look = look(place, text);
        let (known, asked) = match look {
            Look::Secrets => (&mut self.known_kept, look),
            Look::Actor => (&mut self.known_actors, look),
            _ => (&mut self.known_texts, Look::Everything),
        };
        match Seen::from_word(known.ask(text, text.len(), |text| self.scanner.look(text, asked) as u64)) {
            Seen::Nothing => {}
            Seen::Name => level.tell(Name::of(text), text.first() == Some(&b'-'), value),
            Seen::Found => self.text(level, source, value, look)?,
        }
        Ok(false)
    }

    /// Returns the place of the element of an array at `index`.
    pub(super) fn element(&mut self, tape: &Tape, source: &[u8], index: usize, array: Place) -> Place {
        let Some(paths) = self.scanner.policy.paths else {
            return array;
        };
        let (path, own) = self.enter(paths.element(array.path), tape, source, index);
        Place { path, ruling: deeper(own, array.ruling), ..array }
    }

    /// Returns the place of the walk at a value, and the statement on it: if a record stands
    /// there, its own format holds for it.
    #[inline(never)]
    pub(super) fn enter(
        &mut self,
        path: PathState,
        tape: &Tape,
        source: &[u8],
        value: usize,
    ) -> (PathState, Ruling) {
        let Some(paths) = self.scanner.policy.paths else {
            return (0, Ruling::None);
        };
        match paths.ruling(path) {
            Ruling::Record(row) => {
                let is_object = tape.nodes.get(value).is_some_and(|node| node.kind == Kind::Object);
                if !is_object {
                    return (path, Ruling::None);
                }
                (paths.start(row, self.recognizer.recognize(tape, source, value)), Ruling::None)
            }
            own => (path, own),
        }
    }

    /// Returns the place of a member's value, and whether its key has to be redacted.
    pub(super) fn place(
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
        let known =
            Known::from_word(self.known_keys.ask(text, text.len(), |key| find_out(&mut self.scanner, key)));
        let describes = object.is_told(&self.scanner.policy) && fields::describes(fields::last_word(text));
        let path = self.scanner.policy.paths.map_or(0, |paths| paths.member(object.path, known.number));
        let (path, own) = self.enter(path, &level.tape, source, key + 1);
        let ruled = deeper(own, object.ruling);
        let tells = if known.names_value { self.told(level, source, known.is_content)? } else { Name::Plain };
        let name = if tells == Name::Plain { known.name } else { tells };
        let named = self.scanner.policy.name_rule.filter(|_| name != Name::Plain);
        let whose = Whose::of(known.actor, object.whose);
        let is_identity = whose == Whose::Actor && known.actor != Actor::Unsaid;
        let identity = self.scanner.policy.identity_rule.filter(|_| is_identity);
        let (ruling, name) = match (ruled, known.rule, named, identity) {
            (Ruling::None | Ruling::Mention, Some(rule), ..) => (Ruling::Rule(rule), Name::Plain),
            (Ruling::None | Ruling::Mention | Ruling::Keep, _, Some(rule), _) => (Ruling::Rule(rule), name),
            (Ruling::None | Ruling::Keep, .., Some(rule)) => (Ruling::Rule(rule), Name::Plain),
            // A value that describes a secret is one itself only if it looks like one.
            (ruling, ..) if describes && own == Ruling::None => (ruling, Name::Random),
            (ruling, ..) => (ruling, object.name),
        };
        let is_kept = matches!(ruled, Ruling::Keep | Ruling::Opaque);
        Ok((Place { path, ruling, name, whose }, !is_kept && known.is_found))
    }

    /// Redacts a member's key, and returns the place of its value.
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
        if !self.scanner.redact(text, Look::Everything, &self.path, &mut self.written)? {
            return Ok(());
        }
        // Two members with the same key would become one, and a value would be lost.
        if self.scanner.is_ambiguous {
            self.keys += 1;
            put_byte(&mut self.written, b'~')?;
            put(&mut self.written, Digits::of(self.keys).as_bytes())?;
        }
        level.tape.set_text(key, Kind::Key, &self.written)
    }

    /// Applies a rule to a value. Returns false if the rule does not concern the value,
    /// which then has to be looked at like any other.
    #[cold]
    fn ruled(
        &mut self,
        rule: u16,
        level: &mut Level,
        source: &[u8],
        index: usize,
        place: Place,
    ) -> Result<bool, OutOfMemory> {
        let node = level.tape.nodes[index];
        let known = self.scanner.policy.rule(rule);
        let is_removed = known.is_some_and(|known| known.action == Action::Remove);
        if place.is_told(&self.scanner.policy) && !self.is_secret(level, source, index, place.name)? {
            return Ok(false);
        }
        if self.is_actor_object(level, index, place) {
            return Ok(false);
        }
        if node.is_container() && !is_removed {
            return level.open(index, place).map(|()| true);
        }
        let is_named = known.is_some_and(|known| known.kind == RuleKind::Path);
        let is_word = node.kind == Kind::Word;
        if is_word && !is_removed && (!is_named || level.tape.text(&node, source) == b"null") {
            return Ok(true);
        }
        self.apply(rule, level, source, index, is_removed).map(|()| true)
    }

    /// Checks whether a value is an actor with members: each member says by its own key
    /// whether it identifies the actor.
    fn is_actor_object(&self, level: &Level, index: usize, place: Place) -> bool {
        let is_object = level.tape.nodes.get(index).is_some_and(|node| node.kind == Kind::Object);
        is_object && place.is_identity(&self.scanner.policy)
    }

    /// Checks whether the value of a member with this name is a secret.
    fn is_secret(
        &mut self,
        level: &Level,
        source: &[u8],
        index: usize,
        name: Name,
    ) -> Result<bool, OutOfMemory> {
        let kind = level.tape.nodes[index].kind;
        let text = plain(&level.tape, source, index, &mut self.decoded)?;
        Ok(match name {
            Name::Random => kind == Kind::String && is_random_value(text),
            Name::Short => kind == Kind::String && is_short_password(text),
            _ => !is_exempt(text) && !is_hidden(text),
        })
    }

    /// Applies a rule to a whole value.
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

    /// Looks at a string that may hold JSON. Returns true if it does; the JSON is then on
    /// the next level.
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
        // Reading the JSON is work too, and counts as steps.
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
                let mut json = mem::take(json);
                let path = self.scanner.policy.paths.map_or(0, |paths| paths.json(place.path));
                let (path, own) = self.enter(path, &json.tape, &json.text, 0);
                let outer = if place.is_told(&self.scanner.policy) { place.untold() } else { place };
                json.begin(Place { path, ruling: deeper(own, outer.ruling), name: Name::Plain, ..outer });
                write_path(level, source, Last::Shown, &mut json.path)?;
                put_byte(&mut json.path, b'|')?;
                self.levels[depth + 1] = json;
                Ok(true)
            }
            Err(Unreadable::OutOfMemory) => Err(OutOfMemory),
            Err(_) => {
                let look = look(place, text);
                self.text(level, source, index, look).map(|()| false)
            }
        }
    }

    /// Scans and redacts the text of a string or number.
    #[cold]
    pub(super) fn text(
        &mut self,
        level: &mut Level,
        source: &[u8],
        index: usize,
        look: Look,
    ) -> Result<(), OutOfMemory> {
        write_path(level, source, Last::Shown, &mut self.path)?;
        let text = plain(&level.tape, source, index, &mut self.decoded)?;
        if self.scanner.redact(text, look, &self.path, &mut self.written)? {
            let last = self.scanner.found.last().filter(|hit| is_first_line(&text[hit.range.clone()]));
            let goes_on = last.filter(|hit| text[hit.range.end..].trim_ascii().is_empty());
            if let Some(hit) = goes_on {
                level.go_on(hit.rule);
            }
            level.tape.set_text(index, Kind::String, &self.written)?;
        }
        Ok(())
    }
}

/// Returns the kinds of findings that a text at this place is scanned for.
pub(super) fn look(place: Place, text: &[u8]) -> Look {
    match (place.ruling, place.whose) {
        (Ruling::Keep, _) => Look::Secrets,
        (Ruling::Mention, _) => Look::Mention,
        (_, Whose::Actor) if is_identity(text) => Look::Actor,
        _ => Look::Everything,
    }
}

/// Checks whether a string may hold an object or an array.
pub(super) fn may_be_json(text: &[u8]) -> bool {
    matches!(text.trim_ascii_start(), [b'{' | b'[', ..])
}

/// Returns the text of a node, without quotes and escapes.
pub(super) fn plain<'a>(
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
