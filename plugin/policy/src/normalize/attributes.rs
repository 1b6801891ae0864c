//! The types of OCSF's attributes: no mapping puts a value of another type into one.
//!
//! `attributes.txt` has the attributes of scalar types. An attribute has one type wherever it
//! stands.

use super::path::{Step, Target};
use super::{Each, From, Item, Source, Value};
use flb_audit_core::normalize::Conversion;
use std::collections::HashMap;
use std::sync::LazyLock;

static ATTRIBUTES: LazyLock<HashMap<&str, Type>> = LazyLock::new(|| {
    let line = |line: &'static str| {
        let (name, kind) = line.split_once(' ')?;
        let (kind, is_array) = kind.strip_suffix("[]").map_or((kind, false), |kind| (kind, true));
        let kind = match kind {
            "text" => Kind::Text,
            "integer" => Kind::Integer,
            _ => Kind::Boolean,
        };
        Some((name, Type { kind, is_array }))
    };
    include_str!("attributes.txt").lines().filter_map(line).collect()
});

#[derive(Clone, Copy)]
struct Type {
    kind: Kind,
    is_array: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Integer,
    Boolean,
}

/// Has the sources of a member yield only values of the type that its attribute has. Returns what
/// is wrong if a source never does.
pub(super) fn fit(target: &Target, value: &mut Value) -> Result<(), String> {
    let member = target.iter().rev().find_map(|step| match step {
        Step::Member(name) | Step::Pick(name, _) => Some(name.as_str()),
        Step::Element(_) => None,
    });
    let Some((name, of)) = member.and_then(|name| Some((name, ATTRIBUTES.get(name)?))) else { return Ok(()) };
    let is_element = matches!(target.last(), Some(Step::Element(_)));
    match value {
        Value::Sources(sources) if of.is_array && !is_element => {
            for source in sources {
                if source.conversion == Conversion::Copy && of.kind == Kind::Text {
                    source.conversion = Conversion::Texts;
                }
            }
            Ok(())
        }
        Value::Sources(sources) => sources.iter_mut().try_for_each(|source| of.kind.convert(name, source)),
        Value::Each(arrays) if of.is_array => {
            arrays.iter_mut().try_for_each(|Each { item, .. }| match item {
                Item::Value(sources) => {
                    sources.iter_mut().try_for_each(|source| of.kind.convert(name, source))
                }
                Item::Object(_) => Ok(()),
            })
        }
        Value::Each(_) | Value::Pairs { .. } => Ok(()),
    }
}

impl Kind {
    fn convert(self, name: &str, source: &mut Source) -> Result<(), String> {
        if let From::Constant(token) = &mut source.from {
            return self.constant(name, token);
        }
        if let Some(lookup) = &mut source.lookup {
            let tokens = lookup.entries.iter_mut().map(|(.., token)| token);
            return tokens.chain(&mut lookup.default).try_for_each(|token| self.constant(name, token));
        }
        let is_number = matches!(
            source.conversion,
            Conversion::Integer
                | Conversion::Time
                | Conversion::Seconds
                | Conversion::Milliseconds
                | Conversion::Microseconds
                | Conversion::Nanoseconds
        ) || matches!(source.from, From::Now);
        let plain = matches!(source.conversion, Conversion::Copy | Conversion::String);
        match self {
            Kind::Text if is_number || source.conversion == Conversion::Boolean => {
                Err(format!("`{name}` is a text; take `as` out, or make it `string`"))
            }
            Kind::Text if plain => {
                source.conversion = Conversion::String;
                Ok(())
            }
            Kind::Text => Ok(()),
            Kind::Integer if is_number => Ok(()),
            Kind::Integer if plain => {
                source.conversion = Conversion::Integer;
                Ok(())
            }
            Kind::Integer => Err(format!("`{name}` is an integer; use `as: integer`, a time, or a `lookup`")),
            Kind::Boolean if plain || source.conversion == Conversion::Boolean => {
                source.conversion = Conversion::Boolean;
                Ok(())
            }
            Kind::Boolean => Err(format!("`{name}` is true or false; use `as: boolean`, or a `lookup`")),
        }
    }

    /// Makes a constant one of this type.
    fn constant(self, name: &str, token: &mut String) -> Result<(), String> {
        let is_text = token.starts_with('"');
        let is_boolean = matches!(token.as_str(), "true" | "false");
        match self {
            Kind::Text if is_text => Ok(()),
            Kind::Text => {
                *token = format!("\"{token}\"");
                Ok(())
            }
            Kind::Integer if is_text || is_boolean => {
                Err(format!("`{name}` is an integer, and {token} is none"))
            }
            Kind::Boolean if !is_boolean => {
                Err(format!("`{name}` is true or false, and {token} is neither; write it without quotes"))
            }
            _ => Ok(()),
        }
    }
}
