//! The classic format: sections in brackets, properties indented below them.

use crate::config::{Anchor, ProblemKind, Property, Section};
use crate::read::{self, Reader};
use crate::source::Place;

/// Reads a file, and the files that it includes. Reading stops at the first mistake, as
/// in Fluent Bit.
pub(crate) fn read(reader: &mut Reader, source: usize, depth: usize) {
    let text = String::from_utf8_lossy(&reader.sources.read[source].bytes).into_owned();
    let mut lines = Lines { reader, source, depth, indent: None, is_section: false, is_group: false };
    for (at, line) in text.split('\n').enumerate() {
        let place = Place { source, line: at + 1 };
        // In Fluent Bit, the text ends at a zero byte.
        let line = line.strip_suffix('\r').unwrap_or(line).split('\0').next().unwrap_or_default();
        if let Err(message) = lines.line(line, place) {
            lines.reader.syntax(place, message);
            return;
        }
    }
}

struct Lines<'a> {
    reader: &'a mut Reader,
    source: usize,
    depth: usize,
    /// The blanks before the first property. All other properties have the same.
    indent: Option<String>,
    is_section: bool,
    /// True if the lines belong to a group within the section.
    is_group: bool,
}

impl Lines<'_> {
    fn line(&mut self, line: &str, place: Place) -> Result<(), &'static str> {
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if line.starts_with('@') && line.len() > 3 {
            return self.command(line, place);
        }
        if let Some(rest) = line.strip_prefix('[') {
            let (title, _) = rest.split_once(']').ok_or("a section's name ends with `]`")?;
            self.section(title, place);
            return Ok(());
        }
        let blank = |c: char| c == ' ' || c == '\t';
        let indent = match &self.indent {
            Some(indent) => indent.clone(),
            None => {
                // At least one character is skipped, whatever it is.
                let first = line.chars().next().map_or(0, char::len_utf8);
                let end = line[first..].find(|c| !blank(c)).map_or(line.len(), |end| first + end);
                self.indent = Some(line[..end].to_owned());
                if end == line.len() {
                    return Ok(());
                }
                line[..end].to_owned()
            }
        };
        let Some(mut rest) = line.strip_prefix(indent.as_str()) else {
            return Err("this line is not indented as the first property of the file is");
        };
        let more = rest.find(|c| !blank(c)).unwrap_or(rest.len());
        if more == indent.len() && more > 0 {
            rest = &rest[more..];
        } else if more > 0 {
            return Err("this line is indented further than the first property of the file");
        } else {
            self.is_group = false;
        }
        if rest.is_empty() || rest.starts_with('#') {
            return Ok(());
        }
        self.property(line, rest, place)
    }

    /// Runs a command: `@INCLUDE file` or `@SET NAME=value`.
    fn command(&mut self, line: &str, place: Place) -> Result<(), &'static str> {
        let (name, value) = line.split_once(' ').ok_or("a command such as `@SET NAME=value` has a value")?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("@include") {
            let root = self.reader.root.clone();
            self.reader.include(value, &root, place, self.depth);
        } else if name.eq_ignore_ascii_case("@set") {
            let (name, value) = value.split_once('=').ok_or("`@SET` is followed by NAME=value")?;
            self.reader.variables.insert(name.trim().to_owned(), value.trim().to_owned());
        }
        Ok(())
    }

    fn section(&mut self, title: &str, place: Place) {
        self.is_section = true;
        self.is_group = false;
        if !read::is_known(title) {
            let message = format!("Fluent Bit does not look at a section `[{title}]`");
            self.reader.problem(ProblemKind::Ignored, place, message);
        }
        self.reader.config.sections.push(Section::new(read::kind(title), title, place));
    }

    fn property(&mut self, line: &str, rest: &str, place: Place) -> Result<(), &'static str> {
        let (key, value) = rest.split_once(' ').ok_or("a property is a name, a blank and a value")?;
        if key.starts_with('[') {
            self.is_group = true;
            return Ok(());
        }
        if value.is_empty() {
            return Err("this property has no value");
        }
        if self.is_group {
            return Ok(());
        }
        let section = self.reader.config.sections.last_mut();
        let section = section.filter(|_| self.is_section).ok_or("a property stands in a section")?;
        let column = line.len() - rest.len();
        if section.anchor.is_none_or(|anchor| anchor.place.source != self.source)
            || key.eq_ignore_ascii_case("name")
        {
            section.anchor = Some(Anchor { place, column });
        }
        section.properties.push(Property::new(key.to_ascii_lowercase(), value, place));
        let value = value.trim();
        if value.contains(" #") && !has_own_syntax(key) {
            let message = format!("`{value}`: `#` begins a comment only at the beginning of a line");
            self.reader.problem(ProblemKind::Comment, place, message);
        }
        Ok(())
    }
}

/// Checks for properties whose values may well contain ` #`.
fn has_own_syntax(key: &str) -> bool {
    [
        "rule",
        "regex",
        "exclude",
        "dummy",
        "set",
        "add",
        "command",
        "code",
        "call",
        "record",
        "header",
        "template",
        "time_format",
    ]
    .iter()
    .any(|known| known.eq_ignore_ascii_case(key))
}
