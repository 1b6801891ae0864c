//! The YAML format, as Fluent Bit's own reader understands it.

use crate::config::{Anchor, Kind, ProblemKind, Property, Route, Section, is_true};
use crate::read::{self, Reader};
use crate::source::Place;
use std::path::Path;
use yaml_rust2::Event;
use yaml_rust2::parser::Parser;
use yaml_rust2::scanner::{Marker, TScalarStyle};

/// The maximum depth of nesting. Fluent Bit needs ten levels.
const DEPTH_MAX: usize = 64;
/// The maximum number of nodes in a file.
const NODES_MAX: usize = 200_000;

/// A value with the place where it begins.
#[derive(Debug)]
struct Node {
    line: usize,
    /// The column, counted from 0.
    column: usize,
    value: Value,
}

#[derive(Debug)]
enum Value {
    Scalar(String),
    List(Vec<Node>),
    /// Keys and values, alternating.
    Map(Vec<Node>),
}

/// Reads a file, and the files that it includes.
pub(crate) fn read(reader: &mut Reader, source: usize, depth: usize) {
    let place = |line| Place { source, line };
    let file = &reader.sources.read[source];
    let directory = file.path.parent().unwrap_or(Path::new("")).to_owned();
    let text = match std::str::from_utf8(&file.bytes) {
        Ok(text) => text.trim_start_matches('\u{feff}').to_owned(),
        Err(error) => {
            let line = file.bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
            reader.syntax(place(line), "not UTF-8");
            return;
        }
    };
    let documents = match documents(&text) {
        Ok(documents) => documents,
        Err((line, message)) => {
            reader.syntax(place(line), message);
            return;
        }
    };
    for document in documents {
        let line = document.line;
        let Value::Map(members) = document.value else {
            reader.syntax(place(line), "a configuration is a mapping: lines of `key: value`");
            return;
        };
        let mut tree = Tree { reader: &mut *reader, source, depth, directory: &directory };
        for (key, value) in pairs(members) {
            tree.section(&key, value);
        }
    }
}

/// Returns the keys with their values. Members whose key is not a text are left out.
fn pairs(members: Vec<Node>) -> impl Iterator<Item = (Key, Node)> {
    let mut members = members.into_iter();
    std::iter::from_fn(move || Some((members.next()?, members.next()?))).filter_map(|(key, value)| {
        let Value::Scalar(text) = key.value else { return None };
        Some((Key { text, line: key.line, column: key.column }, value))
    })
}

struct Key {
    text: String,
    line: usize,
    column: usize,
}

struct Tree<'a> {
    reader: &'a mut Reader,
    source: usize,
    depth: usize,
    directory: &'a Path,
}

impl Tree<'_> {
    fn place(&self, line: usize) -> Place {
        Place { source: self.source, line }
    }

    fn section(&mut self, key: &Key, value: Node) {
        match (key.text.to_ascii_lowercase().as_str(), value.value) {
            ("env", Value::Map(members)) => {
                for (name, value) in pairs(members) {
                    if let Value::Scalar(value) = value.value {
                        self.reader.variables.insert(name.text, value);
                    } else {
                        let place = self.place(name.line);
                        self.reader.syntax(place, format!("the variable `{}` is a single value", name.text));
                    }
                }
            }
            ("env", Value::List(items)) => items.into_iter().for_each(|item| self.variable(item)),
            ("includes", Value::List(items)) => {
                for item in items {
                    if let Value::Scalar(named) = &item.value {
                        self.reader.include(named, self.directory, self.place(item.line), self.depth);
                    }
                }
            }
            ("service", Value::Map(members)) => {
                if self.reader.config.service().is_some() {
                    let place = self.place(key.line);
                    self.reader
                        .syntax(place, "a second `service`, of which Fluent Bit takes one in all files");
                }
                self.plugin(Kind::Service, "service", key.line, members);
            }
            ("pipeline", Value::Map(members)) => self.pipeline(members),
            ("plugins", Value::List(items)) => self.objects(key, items),
            (
                title @ ("parsers" | "multiline_parsers" | "customs" | "stream_processor"),
                Value::List(items),
            ) => {
                let title = title.trim_end_matches('s').to_owned();
                for item in items {
                    let line = item.line;
                    if let Value::Map(members) = item.value {
                        self.plugin(Kind::Other, &title, line, members);
                    }
                }
            }
            ("plugins", Value::Scalar(text)) if text.is_empty() => {}
            (title, Value::Scalar(text)) if text.is_empty() => {
                let place = self.place(key.line);
                self.reader.syntax(place, format!("there is nothing below `{title}`: leave it out"));
            }
            (title, _) if read::is_known(title) && read::kind(title) == Kind::Other => {
                if !matches!(title, "stream_processor" | "upstream_servers" | "extensions") {
                    let place = self.place(key.line);
                    self.reader.syntax(place, format!("Fluent Bit takes something else under `{title}`"));
                }
            }
            (title, value) => {
                let place = self.place(key.line);
                let hint =
                    if read::kind(title) == Kind::Other { "" } else { "; it belongs below `pipeline`" };
                let message = format!("Fluent Bit does not look at `{title}`{hint}");
                let is_flat = |node: &Node| matches!(node.value, Value::Scalar(_));
                match value {
                    Value::Map(members) if members.iter().all(is_flat) => {
                        self.reader.problem(ProblemKind::Ignored, place, message);
                    }
                    _ => self.reader.syntax(place, format!("{message}, and takes no list there")),
                }
            }
        }
    }

    /// Reads an element of a list below `env`: `name` and `value`, or NAME: value.
    fn variable(&mut self, item: Node) {
        let Value::Map(members) = item.value else { return };
        let (mut name, mut set) = (None, None);
        for (key, value) in pairs(members) {
            let Value::Scalar(value) = value.value else { continue };
            match key.text.to_ascii_lowercase().as_str() {
                "name" => name = Some(value),
                "value" => set = Some(value),
                "uri" | "refresh_interval" => {}
                _ if name.is_none() => (name, set) = (Some(key.text), Some(value)),
                _ => {}
            }
        }
        if let (Some(name), Some(value)) = (name, set) {
            self.reader.variables.insert(name, value);
        }
    }

    /// Reads the paths of shared objects.
    fn objects(&mut self, key: &Key, items: Vec<Node>) {
        let mut section = Section::new(Kind::Other, "plugins", self.place(key.line));
        for item in items {
            if let Value::Scalar(path) = &item.value {
                section.properties.push(Property::new("path".into(), path, self.place(item.line)));
            }
        }
        self.reader.config.sections.push(section);
    }

    fn pipeline(&mut self, members: Vec<Node>) {
        for (key, value) in pairs(members) {
            let title = key.text.to_ascii_lowercase();
            let kind = match title.as_str() {
                "inputs" => Kind::Input,
                "filters" => Kind::Filter,
                "outputs" => Kind::Output,
                _ => {
                    let place = self.place(key.line);
                    self.reader
                        .syntax(place, format!("`{title}`: a pipeline has inputs, filters and outputs"));
                    continue;
                }
            };
            let Value::List(items) = value.value else {
                let place = self.place(value.line);
                self.reader.syntax(place, format!("`{title}` is a list: lines that begin with `- name:`"));
                continue;
            };
            for item in items {
                let line = item.line;
                match item.value {
                    Value::Map(members) => self.plugin(kind, &title, line, members),
                    _ => {
                        let place = self.place(line);
                        self.reader.syntax(place, format!("an element of `{title}` begins with `name:`"));
                    }
                }
            }
        }
    }

    fn plugin(&mut self, kind: Kind, title: &str, line: usize, members: Vec<Node>) {
        let mut section = Section::new(kind, title, self.place(line));
        for (key, value) in pairs(members) {
            let is_text = matches!(value.value, Value::Scalar(_));
            if kind == Kind::Service && !is_text {
                let place = self.place(key.line);
                self.reader.syntax(place, format!("`{}` of the service is a single value", key.text));
            }
            if matches!(kind, Kind::Input | Kind::Output) && key.text == "processors" {
                self.processors(&mut section, value);
            } else if kind == Kind::Input && key.text == "routes" {
                self.routes(&mut section, value);
            } else {
                self.property(&mut section, &key, value);
            }
        }
        self.reader.config.sections.push(section);
    }

    fn property(&self, section: &mut Section, key: &Key, value: Node) {
        let place = self.place(key.line);
        let name = snake_case(&key.text);
        if section.anchor.is_none() || name == "name" {
            section.anchor = Some(Anchor { place, column: key.column });
        }
        match value.value {
            Value::Scalar(text) => section.properties.push(Property::new(name, &text, place)),
            // Fluent Bit sets the property once for each element.
            Value::List(items) => {
                for item in items {
                    let place = self.place(item.line);
                    match item.value {
                        Value::Scalar(text) => {
                            section.properties.push(Property::new(name.clone(), &text, place))
                        }
                        Value::List(_) | Value::Map(_) => {}
                    }
                }
            }
            Value::Map(_) => section.properties.push(Property::new(name, "", place)),
        }
    }

    fn routes(&self, section: &mut Section, value: Node) {
        let Value::Map(members) = value.value else { return };
        for (signal, routes) in pairs(members) {
            if !matches!(signal.text.as_str(), "logs" | "any") {
                continue;
            }
            let routes = match routes.value {
                Value::List(routes) => routes,
                _ => vec![routes],
            };
            for route in routes {
                let place = self.place(route.line);
                let mut read =
                    Route { name: String::new(), place, is_conditional: false, outputs: Vec::new() };
                let Value::Map(members) = route.value else { continue };
                for (key, value) in pairs(members) {
                    match (key.text.as_str(), value.value) {
                        ("name", Value::Scalar(name)) => read.name = name,
                        ("condition", _) => read.is_conditional = true,
                        ("per_record_routing", Value::Scalar(is_on)) => {
                            read.is_conditional |= is_true(&is_on)
                        }
                        ("to", Value::Map(members)) => {
                            let outputs = pairs(members).filter(|(key, _)| key.text == "outputs");
                            read.outputs.extend(outputs.flat_map(|(_, outputs)| texts(outputs.value)));
                        }
                        ("to", value) => read.outputs = texts(value),
                        _ => {}
                    }
                }
                section.routes.push(read);
            }
        }
    }

    fn processors(&self, section: &mut Section, value: Node) {
        let Value::Map(members) = value.value else { return };
        for (key, steps) in pairs(members) {
            let Value::List(steps) = steps.value else { continue };
            if !key.text.eq_ignore_ascii_case("logs") {
                continue;
            }
            for step in steps {
                let Value::Map(members) = step.value else { continue };
                let mut processor = Section::new(Kind::Processor, "processors", self.place(step.line));
                for (key, value) in pairs(members) {
                    self.property(&mut processor, &key, value);
                }
                section.processors.push(processor);
            }
        }
    }
}

/// Returns the texts of a list, or one text as a list. An element that is a map stands
/// for its `name`.
fn texts(value: Value) -> Vec<String> {
    let items = match value {
        Value::List(items) => items.into_iter().map(|item| item.value).collect(),
        value => vec![value],
    };
    let text = |value| match value {
        Value::Scalar(text) => Some(text),
        Value::Map(members) => pairs(members)
            .find(|(key, _)| key.text == "name")
            .and_then(|(_, name)| if let Value::Scalar(text) = name.value { Some(text) } else { None }),
        Value::List(_) => None,
    };
    items.into_iter().filter_map(text).collect()
}

/// Converts camelCase to snake_case where Fluent Bit does: in names that begin with a
/// small letter and have no underscore.
fn snake_case(key: &str) -> String {
    let is_camel = key.starts_with(|c: char| c.is_ascii_lowercase()) && !key.contains('_');
    let mut out = String::new();
    for c in key.chars() {
        if is_camel && c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

/// Reads all documents of a text, without recursion. The error has the number of its
/// line.
fn documents(text: &str) -> Result<Vec<Node>, (usize, String)> {
    let mut parser = Parser::new_from_str(text);
    let lines: Vec<&str> = text.lines().collect();
    let (mut documents, mut open, mut nodes) = (Vec::new(), Vec::<Node>::new(), 0);
    loop {
        let (event, mark) = parser
            .next_token()
            .map_err(|error| (error.marker().line(), format!("not YAML: {}", error.info())))?;
        let done = match event {
            Event::StreamEnd => return Ok(documents),
            Event::Alias(_) => return Err((mark.line(), "Fluent Bit takes no aliases (`*name`)".into())),
            Event::MappingStart(..) => {
                open.push(node(mark, Value::Map(Vec::new())));
                None
            }
            Event::SequenceStart(..) => {
                open.push(node(mark, Value::List(Vec::new())));
                None
            }
            Event::MappingEnd | Event::SequenceEnd => open.pop(),
            Event::Scalar(text, style, ..) => {
                Some(node(mark, Value::Scalar(scalar(text, style, mark, &lines))))
            }
            _ => None,
        };
        nodes += 1;
        if open.len() > DEPTH_MAX {
            return Err((mark.line(), format!("nested more than {DEPTH_MAX} deep")));
        }
        if nodes > NODES_MAX {
            return Err((mark.line(), format!("more than {NODES_MAX} values in one file")));
        }
        if let Some(done) = done {
            match open.last_mut().map(|node| &mut node.value) {
                Some(Value::List(items) | Value::Map(items)) => items.push(done),
                Some(Value::Scalar(_)) => {}
                None => documents.push(done),
            }
        }
    }
}

fn node(mark: Marker, value: Value) -> Node {
    Node { line: mark.line(), column: mark.col(), value }
}

/// Returns a scalar's text. The parser returns `~` for an empty scalar.
fn scalar(text: String, style: TScalarStyle, mark: Marker, lines: &[&str]) -> String {
    if style != TScalarStyle::Plain || text != "~" {
        return text;
    }
    let line = lines.get(mark.line().wrapping_sub(1)).copied().unwrap_or_default();
    let is_written = line.chars().nth(mark.col()) == Some('~');
    if is_written { text } else { String::new() }
}
