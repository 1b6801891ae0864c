//! The form of the inputs: how they were stored, and where records stood in them.

use super::Place;
use crate::stdout::shown;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The maximum number of places that are distinguished. Records elsewhere are counted
/// together.
const PLACES_MAX: usize = 50;
/// The maximum number of entries of each kind that are listed for a person.
const SHOWN_MAX: usize = 8;
/// The maximum width of a line for a person, in characters.
const LINE_CHARACTERS_MAX: usize = 80;
/// The maximum length of a place, in characters. Hostile input makes long ones.
const PLACE_CHARACTERS_MAX: usize = 200;
/// The name under which all other places are counted.
const ELSEWHERE: &str = "other places";

/// The ways in which inputs were stored, and the places of records in their texts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Inputs {
    /// The number of sources with each compression, encoding or framing. Plain JSON lines
    /// have none.
    forms: BTreeMap<String, u64>,
    /// The number of records that stood in an envelope, by place.
    envelopes: BTreeMap<String, u64>,
    /// The number of action lines of bulk requests.
    bulk_actions: u64,
    /// The number of pages of stores' answers without records.
    #[serde(default)]
    empty_pages: u64,
    /// The number of torn lines with a whole record behind the torn part.
    torn_lines: u64,
}

impl Inputs {
    pub(super) fn add_form(&mut self, name: Option<&'static str>) {
        if let Some(name) = name {
            *self.forms.entry(name.to_owned()).or_default() += 1;
        }
    }

    pub(super) fn add_record(&mut self, place: &Place) {
        self.add_records(place.shape().chars().take(PLACE_CHARACTERS_MAX).collect(), 1);
    }

    pub(super) fn add_action(&mut self) {
        self.bulk_actions += 1;
    }

    pub(super) fn add_empty_page(&mut self) {
        self.empty_pages += 1;
    }

    pub(super) fn add_torn(&mut self) {
        self.torn_lines += 1;
    }

    fn add_records(&mut self, place: String, count: u64) {
        let is_known = self.envelopes.len() < PLACES_MAX || self.envelopes.contains_key(&place);
        let known = self.envelopes.entry(if is_known { place } else { ELSEWHERE.to_owned() }).or_default();
        *known = known.saturating_add(count);
    }

    /// Adds the counts of another part of the input.
    pub(crate) fn merge(&mut self, other: Inputs) {
        for (name, count) in other.forms {
            let known = self.forms.entry(name).or_default();
            *known = known.saturating_add(count);
        }
        other.envelopes.into_iter().for_each(|(place, count)| self.add_records(place, count));
        self.bulk_actions = self.bulk_actions.saturating_add(other.bulk_actions);
        self.empty_pages = self.empty_pages.saturating_add(other.empty_pages);
        self.torn_lines = self.torn_lines.saturating_add(other.torn_lines);
    }
}

/// Forms that are usual, so the report for a person leaves them out.
const ORDINARY: [&str; 3] = ["gzip", "zstd", "JSON arrays"];

impl fmt::Display for Inputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let forms = self.forms.iter().filter(|(name, _)| !ORDINARY.contains(&name.as_str()));
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
        if self.empty_pages > 0 {
            let count = self.empty_pages;
            writeln!(f, "{count} {} of a store without records", plural(count, "page"))?;
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
