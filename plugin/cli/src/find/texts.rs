//! The texts of a record, decoded: every string, number and key, with its path.

use flb_audit_core::Tape;
use flb_audit_core::record::tape::Kind;
use flb_audit_core::text::{Characters, inner};
use std::borrow::Cow;
use std::fmt::Write;

/// A text of a record.
pub(super) enum Text<'a> {
    /// A string or a key.
    Words(&'a str),
    /// A number, as it stands in the record.
    Number(&'a str),
}

/// A container that is being walked.
struct Open {
    /// The first node behind it.
    end: usize,
    /// The length of its path.
    path: usize,
    /// The number of its next element, if it is an array.
    element: Option<u64>,
}

/// Passes every string, number and key of a record to `see`, with its path, and true if it is in
/// the seal. Duplicate keys are passed, too. The text was read onto the tape.
pub(super) fn walk(tape: &Tape, text: &[u8], mut see: impl FnMut(&str, bool, Text<'_>)) {
    let mut path = String::new();
    let mut open: Vec<Open> = Vec::new();
    let mut is_in_seal = false;
    for (at, node) in tape.nodes().iter().enumerate() {
        while open.last().is_some_and(|open| open.end <= at) {
            open.pop();
        }
        let (kind, token) = (node.kind(), tape.text(node, text));
        let is_on_top = open.len() == 1;
        if let Some(Open { path: start, element: Some(number), .. }) = open.last_mut() {
            path.truncate(*start);
            // Writing to a string cannot fail.
            let _ = write!(path, "[{number}]");
            *number += 1;
        }
        match kind {
            Kind::Object | Kind::Array => {
                let element = (kind == Kind::Array).then_some(0);
                open.push(Open { end: tape.after(at), path: path.len(), element });
            }
            Kind::Key => {
                let key = decoded(token);
                path.truncate(open.last().map_or(0, |open| open.path));
                if !path.is_empty() {
                    path.push('.');
                }
                path += &key;
                if is_on_top {
                    is_in_seal = key == "audit";
                }
                see(&path, is_in_seal, Text::Words(&key));
            }
            Kind::String => see(&path, is_in_seal, Text::Words(&decoded(token))),
            Kind::Integer | Kind::Float => {
                see(&path, is_in_seal, Text::Number(std::str::from_utf8(token).unwrap_or_default()));
            }
            Kind::Word => {}
        }
    }
}

fn decoded(token: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(inner(token)) {
        Ok(text) if !text.contains('\\') => text.into(),
        _ => Characters::of(inner(token)).collect(),
    }
}
