//! A schema's document: JSON in which each value knows its place in the text.

use super::SchemaError;
use flb_audit_core::Tape;
use flb_audit_core::record::tape::{Dialect, Kind, Unreadable};
use flb_audit_core::text::{Characters, inner};
use std::collections::HashSet;
use std::iter::Peekable;

/// A value, and the byte at which it starts.
#[derive(Debug)]
pub(super) struct Value {
    pub(super) at: usize,
    pub(super) json: Json,
}

#[derive(Debug)]
pub(super) enum Json {
    Null,
    Boolean(bool),
    /// A number, as it is written.
    Number(String),
    String(String),
    Array(Vec<Value>),
    Object(Vec<Member>),
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: String,
    /// The byte at which the name starts.
    pub(super) at: usize,
    pub(super) value: Value,
}

impl Value {
    pub(super) fn members(&self) -> &[Member] {
        match &self.json {
            Json::Object(members) => members,
            _ => &[],
        }
    }

    pub(super) fn member(&self, name: &str) -> Option<&Value> {
        self.members().iter().find(|member| member.name == name).map(|member| &member.value)
    }

    /// Returns the value that a token of a JSON Pointer leads to.
    pub(super) fn child(&self, token: &str) -> Option<&Value> {
        match &self.json {
            Json::Object(_) => self.member(token),
            Json::Array(items) => {
                let is_index = token == "0" || !token.starts_with(['0', '+']);
                items.get(token.parse::<usize>().ok().filter(|_| is_index)?)
            }
            _ => None,
        }
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        match &self.json {
            Json::String(text) => Some(text),
            _ => None,
        }
    }
}

/// Returns a JSON Pointer with one more token.
pub(super) fn join(pointer: &str, token: &str) -> String {
    format!("{pointer}/{}", token.replace('~', "~0").replace('/', "~1"))
}

/// Reads a schema's document. Two members of one object must not have the same name.
pub(super) fn parse(text: &str) -> Result<Value, SchemaError> {
    let word = text.trim_matches([' ', '\t', '\n', '\r']);
    if let "true" | "false" = word {
        let at = text.len() - text.trim_start().len();
        return Ok(Value { at, json: Json::Boolean(word == "true") });
    }
    let mut tape = Tape::new();
    tape.read(text.as_bytes(), Dialect::Json).map_err(|unreadable| {
        let at = match unreadable {
            Unreadable::Syntax(at) | Unreadable::TooDeep(at) => at as usize,
            _ => 0,
        };
        SchemaError::new(text, at, "", format!("the schema is {}", unreadable.parts().0))
    })?;
    let mut nodes = tape.nodes().iter().enumerate().peekable();
    value(&tape, text, &mut nodes, "")
}

fn value<'t>(
    tape: &'t Tape,
    text: &str,
    nodes: &mut Peekable<impl Iterator<Item = (usize, &'t flb_audit_core::record::tape::Node)>>,
    pointer: &str,
) -> Result<Value, SchemaError> {
    let Some((index, node)) = nodes.next() else {
        return Err(SchemaError::new(text, text.len(), pointer, "the schema is cut off".into()));
    };
    let token = tape.text(node, text.as_bytes());
    let string = |token| Characters::of(inner(token)).collect::<String>();
    let end = tape.after(index);
    let json = match node.kind() {
        Kind::Object => {
            let (mut members, mut names) = (Vec::new(), HashSet::new());
            while let Some((_, key)) = nodes.next_if(|(index, _)| *index < end) {
                let name = string(tape.text(key, text.as_bytes()));
                if !names.insert(name.clone()) {
                    let message = format!("there are two members `{name}`");
                    return Err(SchemaError::new(text, key.start(), pointer, message));
                }
                let value = value(tape, text, nodes, &join(pointer, &name))?;
                members.push(Member { name, at: key.start(), value });
            }
            Json::Object(members)
        }
        Kind::Array => {
            let mut items = Vec::new();
            while nodes.peek().is_some_and(|(index, _)| *index < end) {
                items.push(value(tape, text, nodes, &join(pointer, &items.len().to_string()))?);
            }
            Json::Array(items)
        }
        Kind::Key | Kind::String => Json::String(string(token)),
        Kind::Integer | Kind::Float => Json::Number(String::from_utf8_lossy(token).into_owned()),
        Kind::Word if token == b"null" => Json::Null,
        Kind::Word => Json::Boolean(token == b"true"),
    };
    Ok(Value { at: node.start(), json })
}
