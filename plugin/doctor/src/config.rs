//! A configuration as Fluent Bit understands it: sections with properties, each with its
//! place, for both formats and all files.

use crate::source::{Format, Place, Source};
use std::collections::BTreeMap;

/// A configuration, or the part of it that could be read.
#[derive(Default)]
pub(crate) struct Config {
    pub(crate) sources: Vec<Source>,
    /// All sections, in Fluent Bit's order.
    pub(crate) sections: Vec<Section>,
    /// The parsers that exist, from all files, each with its first place.
    pub(crate) parsers: BTreeMap<String, Place>,
    /// The places where a parser gets the name of another one.
    pub(crate) parsers_again: Vec<(String, Place)>,
    /// Shared objects that plugins files load.
    pub(crate) objects: Vec<Property>,
    /// Problems of the text.
    pub(crate) problems: Vec<Problem>,
    /// Tasks of the stream processor, from all files.
    pub(crate) tasks: Vec<Section>,
    /// Variables that are used and not set.
    pub(crate) unset: Vec<(String, Place)>,
}

/// A problem: the configuration, or a part of it, is not what its author meant.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) kind: ProblemKind,
    pub(crate) place: Place,
    pub(crate) message: String,
}

/// The kind of a problem, by its consequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProblemKind {
    /// Fluent Bit does not start.
    Syntax,
    /// A parsers or plugins file is missing. It may exist on another machine.
    FileMissing,
    /// Fluent Bit ignores a section.
    Ignored,
    /// A text looks like a comment but is not.
    Comment,
}

/// The kind of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// `service`.
    Service,
    /// An input.
    Input,
    /// A filter.
    Filter,
    /// An output.
    Output,
    /// A step of an input's or an output's `processors`.
    Processor,
    /// Any other section.
    Other,
}

/// A section, or a step of `processors`.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub(crate) kind: Kind,
    /// The text in the brackets, or the key above the section, in lower case.
    pub(crate) title: String,
    pub(crate) place: Place,
    pub(crate) properties: Vec<Property>,
    /// The processors for logs. Metrics and traces are not sealed.
    pub(crate) processors: Vec<Section>,
    /// The `routes` of an input, for logs.
    pub(crate) routes: Vec<Route>,
    /// The line behind which a line can be inserted, with the same indentation.
    pub(crate) anchor: Option<Anchor>,
}

/// A route from an input to outputs that it names.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) name: String,
    pub(crate) place: Place,
    /// True if records that meet a condition get the route's name as their tag.
    pub(crate) is_conditional: bool,
    /// The aliases and names of outputs.
    pub(crate) outputs: Vec<String>,
}

/// A line that holds a property, at the beginning of its section.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anchor {
    pub(crate) place: Place,
    /// The column of its key, counted from 0.
    pub(crate) column: usize,
}

/// A property of a section.
#[derive(Clone, Debug)]
pub(crate) struct Property {
    /// The key, in lower case and snake case.
    pub(crate) key: String,
    /// The value as it is written.
    pub(crate) raw: String,
    /// The value with its variables replaced. `None` if one of them is not set.
    pub(crate) value: Option<String>,
    pub(crate) place: Place,
}

impl Property {
    /// A property whose variables are not replaced yet.
    pub(crate) fn new(key: String, raw: &str, place: Place) -> Property {
        Property { key, raw: raw.trim().to_owned(), value: None, place }
    }
}

/// The value of a property, if it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting<'a> {
    Absent,
    /// The value has a variable that is not set here.
    Unknown,
    Is(&'a str),
}

impl Section {
    pub(crate) fn new(kind: Kind, title: &str, place: Place) -> Section {
        Section {
            kind,
            title: title.to_ascii_lowercase(),
            place,
            properties: Vec::new(),
            processors: Vec::new(),
            routes: Vec::new(),
            anchor: None,
        }
    }

    /// Returns the property with this name. If there are several, the last counts.
    pub(crate) fn property(&self, key: &str) -> Option<&Property> {
        self.properties.iter().rev().find(|property| property.key == key)
    }

    pub(crate) fn setting(&self, key: &str) -> Setting<'_> {
        match self.property(key).map(|property| property.value.as_deref()) {
            None => Setting::Absent,
            Some(None) => Setting::Unknown,
            Some(Some(value)) => Setting::Is(value),
        }
    }

    /// Returns the value, if the property exists and its value is known.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match self.setting(key) {
            Setting::Is(value) => Some(value),
            Setting::Absent | Setting::Unknown => None,
        }
    }

    /// Checks whether a property exists, whether its value is known or not.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.property(key).is_some()
    }

    /// Returns the name of the plugin, in lower case.
    pub(crate) fn name(&self) -> String {
        self.text("name").unwrap_or_default().to_ascii_lowercase()
    }

    pub(crate) fn is(&self, name: &str) -> bool {
        self.text("name").is_some_and(|own| own.eq_ignore_ascii_case(name))
    }

    /// Checks whether a boolean is certainly off: it is set to `off`, or unset with the
    /// default `off`.
    pub(crate) fn is_off(&self, key: &str) -> bool {
        match self.setting(key) {
            Setting::Absent => true,
            Setting::Unknown => false,
            Setting::Is(value) => !is_true(value),
        }
    }

    /// Checks whether a boolean is certainly on.
    pub(crate) fn is_on(&self, key: &str) -> bool {
        self.text(key).is_some_and(is_true)
    }

    /// Returns the place of a property, or the section's place if the property is
    /// missing.
    pub(crate) fn place_of(&self, key: &str) -> Place {
        self.property(key).map_or(self.place, |property| property.place)
    }

    /// Returns the elements of a list with commas.
    pub(crate) fn list(&self, key: &str) -> Option<Vec<&str>> {
        let value = self.text(key)?;
        Some(value.split(',').map(str::trim).filter(|part| !part.is_empty()).collect())
    }
}

/// Checks whether Fluent Bit takes a value as true.
pub(crate) fn is_true(value: &str) -> bool {
    ["on", "true", "yes"].iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// Reads a size as Fluent Bit does: `32k`, `16M`, `1GB`.
pub(crate) fn size(value: &str) -> Option<u64> {
    let digits = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let number: u64 = value[..digits].parse().ok()?;
    let unit = match value[digits..].trim().to_ascii_lowercase().as_str() {
        "" => 1,
        "k" | "kb" => 1000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        _ => return None,
    };
    number.checked_mul(unit)
}

impl Config {
    pub(crate) fn all(&self, kind: Kind) -> impl Iterator<Item = (usize, &Section)> {
        self.sections.iter().enumerate().filter(move |(_, section)| section.kind == kind)
    }

    pub(crate) fn service(&self) -> Option<&Section> {
        self.all(Kind::Service).map(|(_, section)| section).last()
    }

    /// Returns a property of the service section.
    pub(crate) fn of_service(&self, key: &str) -> Setting<'_> {
        let services = self.sections.iter().filter(|section| section.kind == Kind::Service);
        services
            .map(|section| section.setting(key))
            .rfind(|setting| *setting != Setting::Absent)
            .unwrap_or(Setting::Absent)
    }

    pub(crate) fn format(&self, place: Place) -> Format {
        self.sources.get(place.source).map_or(Format::Yaml, |source| source.format)
    }
}
