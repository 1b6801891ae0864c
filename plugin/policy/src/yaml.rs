//! Reading a policy's YAML so that whatever is wrong in it is said with its
//! line and column, and with what was probably meant.

use marked_yaml::types::{MarkedMappingNode, MarkedScalarNode};
use marked_yaml::{LoaderOptions, Marker, Node, parse_yaml_with_options};
use std::fmt;
use yaml_rust2::Event;
use yaml_rust2::parser::Parser;
use yaml_rust2::scanner::Marker as Mark;

/// What is wrong with a policy, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1 on; 0 if it is not of one place.
    pub line: usize,
    /// The column, from 1 on.
    pub column: usize,
    /// What is wrong, and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for Problem {}

/// What reading gives.
pub(crate) type Read<T> = Result<T, Problem>;

/// The document, which is a mapping. It may start with a byte order mark.
pub(crate) fn document(text: &str) -> Read<Node> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let options = LoaderOptions::default().error_on_duplicate_keys(true);
    let document = parse_yaml_with_options(0, text, options).map_err(|error| {
        // The loader says `line:column: what`, with spaces.
        let said = error.to_string();
        let mut parts = said.splitn(3, ':').map(str::trim);
        let (line, column) =
            (parts.next().and_then(|n| n.parse().ok()), parts.next().and_then(|n| n.parse().ok()));
        match (line, column, parts.next()) {
            (Some(line), Some(column), Some(what)) => {
                Problem { line, column, message: format!("not YAML: {what}") }
            }
            _ => Problem { line: 1, column: 1, message: format!("not YAML: {said}") },
        }
    })?;
    match behind_first(text) {
        None => Ok(document),
        Some(mark) => Err(Problem {
            line: mark.line(),
            column: mark.col() + 1,
            message: "a policy is one document, which has ended; put this into it, or into its own file"
                .into(),
        }),
    }
}

/// Where something stands behind the first document, which is as far as the
/// loader reads.
fn behind_first(text: &str) -> Option<Mark> {
    let mut parser = Parser::new_from_str(text);
    let mut has_ended = false;
    loop {
        match parser.next_token() {
            Ok((Event::StreamEnd, _)) => return None,
            Ok((Event::DocumentEnd, _)) => has_ended = true,
            Ok((_, mark)) if has_ended => return Some(mark),
            Ok(_) => {}
            Err(error) => return Some(*error.marker()),
        }
    }
}

/// A problem at a node.
pub(crate) fn problem(node: &Node, message: impl Into<String>) -> Problem {
    at(node.span().start(), message)
}

/// A problem at a scalar.
pub(crate) fn scalar_problem(scalar: &MarkedScalarNode, message: impl Into<String>) -> Problem {
    at(scalar.span().start(), message)
}

fn at(marker: Option<&Marker>, message: impl Into<String>) -> Problem {
    let (line, column) = marker.map_or((1, 1), |marker| (marker.line(), marker.column()));
    Problem { line, column, message: message.into() }
}

/// A mapping of which all keys are among `known`.
pub(crate) fn mapping<'a>(node: &'a Node, what: &str, known: &[&str]) -> Read<&'a MarkedMappingNode> {
    let mapping = any_mapping(node, what)?;
    for key in mapping.keys() {
        if !known.contains(&key.as_str()) {
            return Err(scalar_problem(key, unknown(&format!("key in {what}"), key.as_str(), known)));
        }
    }
    Ok(mapping)
}

/// A mapping of any keys.
pub(crate) fn any_mapping<'a>(node: &'a Node, what: &str) -> Read<&'a MarkedMappingNode> {
    node.as_mapping()
        .ok_or_else(|| problem(node, format!("{what} has to be a mapping: lines of `key: value`")))
}

/// A sequence.
pub(crate) fn sequence<'a>(node: &'a Node, what: &str) -> Read<impl Iterator<Item = &'a Node>> {
    match node.as_sequence() {
        Some(sequence) => Ok(sequence.iter()),
        None => Err(problem(node, format!("{what} has to be a list: lines that start with `- `"))),
    }
}

/// A scalar's text.
pub(crate) fn text<'a>(node: &'a Node, what: &str) -> Read<&'a MarkedScalarNode> {
    node.as_scalar().ok_or_else(|| problem(node, format!("{what} has to be a single value")))
}

/// That a name is not known, and which one it resembles.
pub(crate) fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    let closest = known.iter().map(|other| (strsim::damerau_levenshtein(name, other), other)).min();
    match closest {
        Some((distance, other)) if distance <= 1 + other.len() / 4 => {
            format!("`{name}` is no {what}; did you mean `{other}`?")
        }
        _ => format!("`{name}` is no {what}; there are: {}", known.join(", ")),
    }
}
