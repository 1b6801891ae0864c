//! Reads a policy's YAML. Every problem is reported with its line and column, and with
//! what was probably meant.

use flb_audit_core::redact::UNSCANNED;
use flb_audit_core::text::{NAME_BYTES_MAX, is_name};
use marked_yaml::types::{MarkedMappingNode, MarkedScalarNode};
use marked_yaml::{LoadError, LoaderOptions, Marker, Node, parse_yaml_with_options};
use std::fmt;
use yaml_rust2::Event;
use yaml_rust2::parser::Parser;
use yaml_rust2::scanner::Marker as Mark;

/// Reads a file that a policy names. An error says why the file cannot be read.
pub(crate) type Files<'a> = &'a mut dyn FnMut(&str) -> Result<String, String>;

/// A problem in a policy, and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, counted from 1; 0 if the problem has no single place.
    pub line: usize,
    /// The column, counted from 1.
    pub column: usize,
    /// The problem, and what to do about it.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for Problem {}

/// The result of reading.
pub(crate) type Read<T> = Result<T, Problem>;

/// The maximum nesting of a policy. The loader recurses, so a document that nests without
/// end would overflow the stack.
const DEPTH_MAX: usize = 64;

/// The maximum length of a policy, in bytes. Its text is part of the table that it is
/// compiled into.
pub const SOURCE_BYTES_MAX: usize = 1 << 20;

/// Reads the document, which has to be a mapping. It may start with a byte order mark.
pub(crate) fn document(text: &str) -> Read<Node> {
    if text.len() > SOURCE_BYTES_MAX {
        let message = format!(
            "the policy has {} bytes; at most {SOURCE_BYTES_MAX} are read. Put schemas into files of their own",
            text.len()
        );
        return Err(Problem { line: 1, column: 1, message });
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some((before, _)) = text.split_once('\0') {
        let line = before.rsplit('\n').next().unwrap_or_default();
        let (line, column) = (before.matches('\n').count() + 1, line.len() + 1);
        let message = "a NUL character: a policy is text, in UTF-8".into();
        return Err(Problem { line, column, message });
    }
    check_shape(text)?;
    let options = LoaderOptions::default().error_on_duplicate_keys(true);
    parse_yaml_with_options(0, text, options).map_err(|error| unreadable(&error))
}

/// Describes why the loader refuses a document, at the place that the loader names.
fn unreadable(error: &LoadError) -> Problem {
    const SUBSET: &str = "not YAML as policies use it";
    match error {
        LoadError::TopLevelMustBeMapping(marker) | LoadError::TopLevelMustBeSequence(marker) => {
            at(Some(marker), "a policy has to be a mapping: lines of `key: value`")
        }
        LoadError::UnexpectedAnchor(marker) => {
            at(Some(marker), format!("{SUBSET}: write the value out in place of an anchor (`&name`)"))
        }
        LoadError::MappingKeyMustBeScalar(marker) => {
            at(Some(marker), format!("{SUBSET}: a key has to be a single value"))
        }
        LoadError::UnexpectedTag(marker) => at(Some(marker), format!("{SUBSET}: remove the tag (`!name`)")),
        LoadError::ScanError(marker, error) => at(Some(marker), format!("not YAML: {}", error.info())),
        LoadError::DuplicateKey(keys) => {
            let first = at(keys.prev_key.span().start(), "");
            let said = format!(
                "the key `{}` is there already, at {}:{}; make one of the two",
                keys.key.as_str(),
                first.line,
                first.column
            );
            scalar_problem(&keys.key, said)
        }
    }
}

/// Checks that a text is a single document, since the loader reads no further, and that
/// it nests no deeper than [`DEPTH_MAX`]. A text that is not YAML passes: the loader
/// refuses it at the same place.
fn check_shape(text: &str) -> Read<()> {
    let mut parser = Parser::new_from_str(text);
    let (mut depth, mut has_ended) = (0, false);
    loop {
        let (event, mark) = match parser.next_token() {
            Ok((event, mark)) => (Some(event), mark),
            Err(error) => (None, *error.marker()),
        };
        match event {
            Some(Event::StreamEnd) => return Ok(()),
            Some(Event::DocumentEnd) => has_ended = true,
            _ if has_ended => {
                let said =
                    "a policy is one document, which has ended; put this into it, or into its own file";
                return Err(marked(mark, said));
            }
            None => return Ok(()),
            Some(Event::MappingStart(..) | Event::SequenceStart(..)) => depth += 1,
            Some(Event::MappingEnd | Event::SequenceEnd) => depth -= 1,
            Some(_) => {}
        }
        if depth > DEPTH_MAX {
            return Err(marked(mark, format!("the policy nests more than {DEPTH_MAX} levels deep")));
        }
    }
}

/// Returns a problem at a mark of the scanner, whose columns count from 0.
fn marked(mark: Mark, message: impl Into<String>) -> Problem {
    Problem { line: mark.line(), column: mark.col() + 1, message: message.into() }
}

/// Returns a problem at a node.
pub(crate) fn problem(node: &Node, message: impl Into<String>) -> Problem {
    at(node.span().start(), message)
}

/// Returns a problem at a scalar.
pub(crate) fn scalar_problem(scalar: &MarkedScalarNode, message: impl Into<String>) -> Problem {
    at(scalar.span().start(), message)
}

fn at(marker: Option<&Marker>, message: impl Into<String>) -> Problem {
    let (line, column) = marker.map_or((1, 1), |marker| (marker.line(), marker.column()));
    Problem { line, column, message: message.into() }
}

/// Returns a mapping whose keys are all among `known`.
pub(crate) fn mapping<'a>(node: &'a Node, what: &str, known: &[&str]) -> Read<&'a MarkedMappingNode> {
    let mapping = any_mapping(node, what)?;
    for key in mapping.keys() {
        if !known.contains(&key.as_str()) {
            return Err(scalar_problem(key, unknown(&format!("key in {what}"), key.as_str(), known)));
        }
    }
    Ok(mapping)
}

/// Returns a mapping with any keys.
pub(crate) fn any_mapping<'a>(node: &'a Node, what: &str) -> Read<&'a MarkedMappingNode> {
    node.as_mapping()
        .ok_or_else(|| problem(node, format!("{what} has to be a mapping: lines of `key: value`")))
}

/// Returns a sequence.
pub(crate) fn sequence<'a>(node: &'a Node, what: &str) -> Read<impl Iterator<Item = &'a Node>> {
    match node.as_sequence() {
        Some(sequence) => Ok(sequence.iter()),
        None => Err(problem(node, format!("{what} has to be a list: lines that start with `- `"))),
    }
}

/// Returns a scalar's text.
pub(crate) fn text<'a>(node: &'a Node, what: &str) -> Read<&'a MarkedScalarNode> {
    node.as_scalar().ok_or_else(|| problem(node, format!("{what} has to be a single value")))
}

/// Returns the message that a name is unknown, with the known name that it resembles.
pub(crate) fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    let closest = known.iter().map(|other| (strsim::damerau_levenshtein(name, other), other)).min();
    match closest {
        Some((distance, other)) if distance <= 1 + other.len() / 4 => {
            format!("`{name}` is no {what}; did you mean `{other}`?")
        }
        _ => format!("`{name}` is no {what}; there are: {}", known.join(", ")),
    }
}

/// Reads the name of a rule or a schema.
pub(crate) fn name(node: &Node, what: &str) -> Read<String> {
    let name = text(node, what)?.as_str();
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !is_name(name.as_bytes()) {
        let said = format!("{what} takes up to {NAME_BYTES_MAX} letters, digits, `-` and `_`");
        return Err(problem(node, said));
    }
    if name == UNSCANNED {
        let said = format!(
            "the name `{UNSCANNED}` is reserved for values that could not be scanned; choose another"
        );
        return Err(problem(node, said));
    }
    Ok(name.into())
}

/// Returns the value of a key that an entry has to have.
pub(crate) fn required<'a>(node: &Node, entry: &'a MarkedMappingNode, key: &str) -> Read<&'a Node> {
    entry.get(key).ok_or_else(|| problem(node, format!("`{key}` is missing")))
}

/// Returns the entries under a key, or an empty list if the key does not exist.
pub(crate) fn list<'a>(mapping: &'a MarkedMappingNode, key: &str) -> Read<Vec<&'a Node>> {
    match mapping.get(key) {
        Some(node) => Ok(sequence(node, &format!("`{key}`"))?.collect()),
        None => Ok(Vec::new()),
    }
}
