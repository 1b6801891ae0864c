//! What inputs were: how they were stored, and where in them records stood.

use super::Place;
use crate::stdout::shown;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// How many places are told apart; records elsewhere are counted together.
const PLACES_MAX: usize = 50;
/// How many of each are listed for a person.
const SHOWN_MAX: usize = 8;
/// How wide a line is for a person, in characters.
const LINE_CHARACTERS_MAX: usize = 80;
/// The longest place, in characters: hostile ones go on for long.
const PLACE_CHARACTERS_MAX: usize = 200;
/// The name of all other places.
const ELSEWHERE: &str = "other places";

/// How inputs were stored, and where in their texts records stood.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Inputs {
    /// How many sources have a compression, an encoding or a framing, by its name. Plain
    /// JSON lines have none.
    forms: BTreeMap<&'static str, u64>,
    /// How many records stood in something else, by where.
    envelopes: BTreeMap<String, u64>,
    /// Lines that say what is to be done with the record on the next: of bulk requests.
    bulk_actions: u64,
    /// Lines of which half was cut off, with a whole record behind it.
    torn_lines: u64,
}

impl Inputs {
    pub(super) fn add_form(&mut self, name: Option<&'static str>) {
        if let Some(name) = name {
            *self.forms.entry(name).or_default() += 1;
        }
    }

    pub(super) fn add_record(&mut self, place: &Place) {
        self.add_records(place.shape().chars().take(PLACE_CHARACTERS_MAX).collect(), 1);
    }

    pub(super) fn add_action(&mut self) {
        self.bulk_actions += 1;
    }

    pub(super) fn add_torn(&mut self) {
        self.torn_lines += 1;
    }

    fn add_records(&mut self, place: String, count: u64) {
        let is_known = self.envelopes.len() < PLACES_MAX || self.envelopes.contains_key(&place);
        *self.envelopes.entry(if is_known { place } else { ELSEWHERE.to_owned() }).or_default() += count;
    }

    /// Adds what another part of the input was.
    pub(super) fn merge(&mut self, other: Inputs) {
        other.forms.into_iter().for_each(|(name, count)| *self.forms.entry(name).or_default() += count);
        other.envelopes.into_iter().for_each(|(place, count)| self.add_records(place, count));
        self.bulk_actions += other.bulk_actions;
        self.torn_lines += other.torn_lines;
    }
}

/// What is ordinary is not said to a person.
const ORDINARY: [&str; 3] = ["gzip", "zstd", "JSON arrays"];

impl fmt::Display for Inputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let forms = self.forms.iter().filter(|(name, _)| !ORDINARY.contains(name));
        for (name, count) in forms.take(SHOWN_MAX) {
            writeln!(f, "{count} {} read as {name}", plural(*count, "input"))?;
        }
        for (place, count) in self.envelopes.iter().take(SHOWN_MAX) {
            let start = format!("{count} {} in ", plural(*count, "record"));
            writeln!(f, "{start}{}", cut(&shown(place), LINE_CHARACTERS_MAX.saturating_sub(start.len())))?;
        }
        if self.envelopes.len() > SHOWN_MAX {
            writeln!(f, "… and in {} more places; --json lists them", self.envelopes.len() - SHOWN_MAX)?;
        }
        if self.bulk_actions > 0 {
            let count = self.bulk_actions;
            writeln!(f, "{count} {} of bulk requests, which are no records", plural(count, "action line"))?;
        }
        if self.torn_lines > 0 {
            let count = self.torn_lines;
            writeln!(
                f,
                "{count} torn {}, as a kill during a write makes them, or the output",
                plural(count, "line")
            )?;
            writeln!(f, "  `file` with `workers` above 1; the record behind each half was read")?;
        }
        Ok(())
    }
}

fn plural(count: u64, word: &str) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}

fn cut(text: &str, characters_max: usize) -> String {
    if text.chars().count() <= characters_max {
        return text.to_owned();
    }
    text.chars().take(characters_max.saturating_sub(1)).chain(['…']).collect()
}
