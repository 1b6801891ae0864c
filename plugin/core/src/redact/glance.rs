//! A glance at all texts of a record, before the walk looks at any value in its place.

use super::actor::{Actor, is_identity};
use super::known::{Known, find_out};
use super::level::{Level, Place, is_first_line};
use super::name::{NAME_BYTES_MAX, Name};
use super::pairs::is_of_secrets;
use super::scan::{Look, Seen};
use super::walk::{Walk, look, may_be_json, plain};
use crate::memory::OutOfMemory;
use crate::policy::paths::Ruling;
use crate::record::tape::{ESCAPED, Kind, PATCHED};
use core::mem;

/// The result of a glance.
pub(super) enum Glance {
    /// There is nothing to redact.
    Nothing,
    /// Some texts need redaction, and no rule concerns anything else.
    Texts,
    /// Every value has to be looked at in its place.
    Rules,
}

impl Walk<'_> {
    /// Looks at all keys and texts of the record, wherever they stand. That is enough for
    /// most records; otherwise only the few texts with findings need a second look.
    pub(super) fn glance(&mut self, source: &[u8]) -> Result<Glance, OutOfMemory> {
        self.found_count = 0;
        let tape = &self.levels[0].tape;
        // True if the path of a rule may lead into the record, or into one within it.
        let has_rules = tape.is_wrapper || self.scanner.policy.formats.has_rules(tape.variant);
        let paths = self.scanner.policy.paths.filter(|_| !has_rules);
        self.kept.begin(tape.variant, self.scanner.policy.dictionary.len());
        let (mut next, mut nested_end, mut kept_end) = (0, 0, 0);
        // The ends of the current actor's texts, and of the texts in it that belong to
        // others.
        let (mut actor_end, mut other_end) = (0, 0);
        // A name and a value that may be a pair, which are not beside each other on the
        // tape.
        let (mut has_name, mut has_value) = (false, false);
        // A mark of a Kubernetes Secret, and the content of one.
        let (mut of_secrets, mut has_content) = (false, false);
        while let Some(node) = tape.nodes.get(next) {
            let index = next;
            next += 1;
            if node.is_container() && index > 0 {
                nested_end = nested_end.max(node.next as usize);
            }
            if node.is_container() || node.kind == Kind::Word {
                continue;
            }
            let is_key = node.kind == Kind::Key;
            let is_kept = index < kept_end;
            let is_actor = !is_kept && index < actor_end && index >= other_end;
            let look = if is_kept { Look::Secrets } else { Look::Everything };
            let known_texts = if is_kept { &mut self.known_kept } else { &mut self.known_texts };
            let mut seen;
            let text;
            if node.has(ESCAPED | PATCHED) {
                text = plain(tape, source, index, &mut self.decoded)?;
                if is_key || may_be_json(text) {
                    return Ok(Glance::Rules);
                }
                seen = Seen::from_word(
                    known_texts.ask(text, text.len(), |text| self.scanner.look(text, look) as u64),
                );
            } else {
                // A number has no quotes.
                let quotes = usize::from(is_key || node.kind == Kind::String);
                let start = node.start as usize + quotes;
                let rest = source.get(start..).unwrap_or_default();
                let len = (node.end as usize - quotes).saturating_sub(start);
                if is_key {
                    let known = Known::from_word(
                        self.known_keys.ask(rest, len, |key| find_out(&mut self.scanner, key)),
                    );
                    let is_member = index >= nested_end;
                    if is_member && paths.is_some_and(|paths| self.kept.stays(&paths, known.number)) {
                        kept_end = tape.after(next);
                    }
                    if known.is_plain {
                        continue;
                    }
                    if known.is_watched && has_rules || known.name != Name::Plain {
                        return Ok(Glance::Rules);
                    }
                    match known.actor {
                        Actor::Is | Actor::IsAnywhere if self.scanner.policy.identity_rule.is_some() => {
                            return Ok(Glance::Rules);
                        }
                        Actor::Is | Actor::IsAnywhere => actor_end = actor_end.max(tape.after(next)),
                        Actor::Other | Actor::Prose => other_end = other_end.max(tape.after(next)),
                        Actor::Unsaid | Actor::Identifies => {}
                    }
                    has_value |= known.names_value;
                    has_content |= known.is_content;
                    of_secrets |= known.names_kind
                        && tape.nodes.get(next).is_some_and(|node| is_of_secrets(tape.text(node, source)));
                    if known.rule.is_some() || known.is_found {
                        return Ok(Glance::Rules);
                    }
                    continue;
                }
                match rest {
                    [b'{' | b'[' | b' ', ..] => return Ok(Glance::Rules),
                    // This is an option of a command, whose parts are other texts.
                    [b'-', b'-' | b'a'..=b'z' | b'A'..=b'Z', ..] if quotes > 0 => return Ok(Glance::Rules),
                    _ => {}
                }
                seen =
                    Seen::from_word(known_texts.ask(rest, len, |text| self.scanner.look(text, look) as u64));
                text = rest.get(..len).unwrap_or(rest);
            }
            if seen == Seen::Found && is_actor && is_identity(text) {
                seen = Seen::from_word(
                    self.known_actors
                        .ask(text, text.len(), |text| self.scanner.look(text, Look::Actor) as u64),
                );
            }
            if seen == Seen::Name {
                // If this is an element of an array, the next element is the value.
                let is_member =
                    tape.nodes.get(index.wrapping_sub(1)).is_some_and(|node| node.kind == Kind::Key);
                if !is_member {
                    return Ok(Glance::Rules);
                }
                has_name = true;
            }
            let is_found = seen == Seen::Found;
            if is_found {
                // The lines of a private key may be other texts.
                if is_first_line(text) {
                    return Ok(Glance::Rules);
                }
                let Some(place) = self.found.get_mut(self.found_count) else {
                    return Ok(Glance::Rules);
                };
                *place = index as u32;
                self.found_count += 1;
            }
        }
        if has_name && has_value || of_secrets && has_content || has_value && self.names_a_secret(source)? {
            return Ok(Glance::Rules);
        }
        Ok(if self.found_count == 0 { Glance::Nothing } else { Glance::Texts })
    }

    /// Returns true if a member names a secret whose value may stand beside it. Detectors
    /// see nothing in most names, so the names are classified here.
    #[cold]
    fn names_a_secret(&mut self, source: &[u8]) -> Result<bool, OutOfMemory> {
        if self.scanner.policy.name_rule.is_none() {
            return Ok(false);
        }
        let tape = &self.levels[0].tape;
        for (key, node) in tape.nodes.iter().enumerate() {
            let is_named = tape.nodes.get(key + 1).is_some_and(|value| value.kind == Kind::String);
            if node.kind != Kind::Key || !is_named {
                continue;
            }
            let text = plain(tape, source, key, &mut self.decoded)?;
            let known = Known::from_word(
                self.known_keys.ask(text, text.len(), |key| find_out(&mut self.scanner, key)),
            );
            if !known.names_name {
                continue;
            }
            let name = plain(tape, source, key + 1, &mut self.decoded)?;
            if name.len() <= NAME_BYTES_MAX && Name::of(name) != Name::Plain {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Redacts the texts that a glance has found, except those that stay. Returns false
    /// and changes nothing if a rule applies to one of them.
    #[cold]
    pub(super) fn visit(&mut self, source: &[u8]) -> Result<bool, OutOfMemory> {
        let mut level = mem::take(&mut self.levels[0]);
        let result = self.visit_all(&mut level, source);
        self.levels[0] = level;
        result
    }

    fn visit_all(&mut self, level: &mut Level, source: &[u8]) -> Result<bool, OutOfMemory> {
        let found = self.found.map(|index| index as usize);
        let found = found.get(..self.found_count).unwrap_or(&found);
        for index in found {
            if matches!(self.descend(level, source, *index)?.ruling, Ruling::Rule(_)) {
                return Ok(false);
            }
        }
        for index in found {
            let place = self.descend(level, source, *index)?;
            if place.ruling != Ruling::Opaque {
                let text = plain(&level.tape, source, *index, &mut self.decoded)?;
                let look = look(place, text);
                self.text(level, source, *index, look)?;
            }
        }
        Ok(true)
    }

    /// Opens the containers from the record down to the value at `index`, and returns the
    /// place of that value.
    pub(super) fn descend(
        &mut self,
        level: &mut Level,
        source: &[u8],
        index: usize,
    ) -> Result<Place, OutOfMemory> {
        level.open.clear();
        let (mut at, mut place) = (0, level.start);
        while at < index {
            level.open(at, place)?;
            let is_object = level.tape.nodes[at].kind == Kind::Object;
            let mut child = at + 1;
            loop {
                let value = if is_object { child + 1 } else { child };
                let after = level.tape.after(value);
                if after > index {
                    place = if is_object {
                        self.place(level, source, child, place)?.0
                    } else {
                        self.element(&level.tape, source, value, place)
                    };
                    at = value;
                    break;
                }
                child = after;
            }
        }
        Ok(place)
    }
}
