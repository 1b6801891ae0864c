//! Reads and checks a format's `format.yaml`.

use super::{Case, Field, Format, Holds};
use crate::paths::{self, Step};
use crate::yaml::{
    Problem, Read, any_mapping, document, list, mapping, problem, scalar_problem, text, unknown,
};
use flb_audit_core::recognize::{Condition, Operation, ValueType};
use marked_yaml::Node;
use marked_yaml::types::{MarkedMappingNode, MarkedScalarNode};

const KEYS: [&str; 12] = [
    "title",
    "sources",
    "schema",
    "recognize",
    "who",
    "what",
    "mentions",
    "where",
    "opaque",
    "secrets",
    "cases",
    "records",
];

/// Reads a format.
pub(super) fn format(name: &'static str, source: &str, mapping_text: Option<&'static str>) -> Read<Format> {
    let root = document(source)?;
    let top = mapping(&root, "a format", &KEYS)?;
    let required = |key: &str| {
        let message = format!("`{key}` is missing");
        top.get(key).ok_or(Problem { line: 1, column: 1, message })
    };
    let strings = |key: &str| -> Read<Vec<String>> {
        list(top, key)?.into_iter().map(|node| Ok(text(node, "an entry")?.as_str().to_owned())).collect()
    };
    let case = |node: &Node| {
        let keys = ["when", "schema", "who", "what", "mentions", "where", "opaque", "secrets"];
        let case = mapping(node, "a case", &keys)?;
        let when = case.get("when").ok_or_else(|| problem(node, "`when` is missing"))?;
        Ok(Case { fields: fields(case)?, schema: schema(case)?, conditions: conditions(when)? })
    };
    required("sources")?;
    required("recognize")?;
    Ok(Format {
        name,
        title: text(required("title")?, "`title`")?.as_str().into(),
        sources: strings("sources")?,
        schema: schema(top)?,
        mapping: mapping_text,
        fields: fields(top)?,
        cases: list(top, "cases")?.into_iter().map(case).collect::<Read<_>>()?,
        records: strings("records")?,
        rules: list(top, "recognize")?.into_iter().map(conditions).collect::<Read<_>>()?,
    })
}

fn schema(mapping: &MarkedMappingNode) -> Read<Option<String>> {
    mapping.get("schema").map(|node| Ok(text(node, "`schema`")?.as_str().into())).transpose()
}

/// Reads the fields. If several match, the first one decides.
fn fields(mapping: &MarkedMappingNode) -> Read<Vec<Field>> {
    let mut fields = Vec::new();
    for holds in Holds::ALL {
        for node in list(mapping, holds.key())? {
            let path = text(node, "a path")?;
            let steps = paths::parse(path.as_str()).map_err(|said| in_path(path, &said.to_string()))?;
            fields.push(Field { path: path.as_str().into(), holds, steps });
        }
    }
    Ok(fields)
}

fn in_path(path: &MarkedScalarNode, said: &str) -> Problem {
    scalar_problem(path, format!("`{}`: {said}", path.as_str()))
}

/// Reads the conditions of a rule.
fn conditions(node: &Node) -> Read<Vec<Condition>> {
    let rule = mapping(node, "a rule", &["has", "is", "starts", "type", "some", "lacks"])?;
    let mut conditions = Vec::new();
    for (key, operation) in [("has", Operation::Has), ("lacks", Operation::Lacks)] {
        for node in list(rule, key)? {
            conditions.push(condition(text(node, "a path")?, operation, "", (0, 0))?);
        }
    }
    for (key, operation) in [("is", Operation::Is), ("starts", Operation::Starts)] {
        let Some(node) = rule.get(key) else { continue };
        for (path, wanted) in any_mapping(node, &format!("`{key}`"))?.iter() {
            if wanted.as_sequence().is_none() {
                conditions.push(condition(path, operation, text(wanted, "a text")?.as_str(), (0, 0))?);
                continue;
            }
            let one_of: Vec<&Node> = crate::yaml::sequence(wanted, "texts")?.collect();
            conditions.push(some(1, one_of.len()));
            for wanted in one_of {
                conditions.push(condition(path, operation, text(wanted, "a text")?.as_str(), (0, 0))?);
            }
        }
    }
    if let Some(node) = rule.get("type") {
        for (path, wanted) in any_mapping(node, "`type`")?.iter() {
            let value_type = value_type(wanted)?;
            conditions.push(condition(path, Operation::Type, "", (value_type as u8, 0))?);
        }
    }
    if let Some(node) = rule.get("some") {
        let group = mapping(node, "`some`", &["least", "of"])?;
        let least =
            group.get("least").and_then(Node::as_scalar).and_then(|least| least.as_str().parse().ok());
        let Some(least) = least else { return Err(problem(node, "`least` says how many hold")) };
        let of = list(group, "of")?;
        conditions.push(some(least, of.len()));
        for node in of {
            conditions.push(condition(text(node, "a path")?, Operation::Has, "", (0, 0))?);
        }
    }
    Ok(conditions)
}

/// Returns the condition that at least `least` of the next `of` conditions hold.
fn some(least: u8, of: usize) -> Condition {
    Condition { operation: Operation::Some, path: Vec::new(), text: Vec::new(), operand: (least, of as u8) }
}

fn condition(
    path: &MarkedScalarNode,
    operation: Operation,
    wanted: &str,
    operand: (u8, u8),
) -> Read<Condition> {
    let steps = paths::parse(path.as_str()).map_err(|said| in_path(path, &said.to_string()))?;
    let key = |step| match step {
        Step::Member(key) => Ok(key.into_bytes()),
        Step::Element => Ok(b"[]".to_vec()),
        _ => Err(in_path(path, "a condition is about one field")),
    };
    let path = steps.into_iter().map(key).collect::<Read<_>>()?;
    Ok(Condition { operation, path, text: wanted.into(), operand })
}

/// Reads the name of a type, in a condition on a value.
pub(crate) fn value_type(node: &Node) -> Read<ValueType> {
    const TYPES: [(&str, ValueType); 5] = [
        ("object", ValueType::Object),
        ("array", ValueType::Array),
        ("string", ValueType::String),
        ("number", ValueType::Number),
        ("boolean", ValueType::Boolean),
    ];
    let name = text(node, "a type")?.as_str();
    let known = TYPES.iter().find(|(known, _)| *known == name);
    let (_, value_type) =
        known.ok_or_else(|| problem(node, unknown("type", name, &TYPES.map(|(known, _)| known))))?;
    Ok(*value_type)
}
