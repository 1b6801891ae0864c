//! Schemas and values out of bytes: what a fuzzer or a test throws.

use serde_json::{Map, Value, json};

/// Choices, one byte each. When there are no more bytes, it is always the
/// first one.
pub(crate) struct Choices<'a> {
    rest: &'a [u8],
}

impl<'a> Choices<'a> {
    pub(crate) fn of(rest: &'a [u8]) -> Self {
        Choices { rest }
    }

    /// One of `0..count`.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        let Some((first, rest)) = self.rest.split_first() else {
            return 0;
        };
        self.rest = rest;
        usize::from(*first) % count
    }

    fn one<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.below(of.len())]
    }
}

/// Names that share beginnings and ends, of lengths around 8 and 16.
const NAMES: [&str; 14] = [
    "a",
    "b",
    "c",
    "ab",
    "",
    "é",
    "a/b~c",
    "eightchr",
    "ninechars",
    "sixteencharacter",
    "requestReceivedTimestamp",
    "requestReceivedTimestamq",
    "requestRxxeivedTimestamp",
    "\u{1f600}\n",
];

const STRINGS: [&str; 22] = [
    "",
    "a",
    "ab",
    "abc",
    "b1",
    "ABC-7",
    "é",
    "ééé",
    "\u{1f600}",
    "a\u{1f600}b",
    "line\nend",
    "12",
    "x y",
    "2026-11-24",
    "2026-11-24T18:19:30Z",
    "18:19:30+01:00",
    "192.0.2.7",
    "2001:db8::1",
    "2eb8aa08-aa98-11ea-b4aa-73b441d16380",
    "jo@example.org",
    "P3DT4H",
    "https://example.org/a?b#c",
];

const NUMBERS: [&str; 28] = [
    "0",
    "1",
    "2",
    "3",
    "5",
    "10",
    "-1",
    "-2",
    "1.0",
    "2.0",
    "1e0",
    "1e2",
    "100",
    "0.5",
    "1.5",
    "-0.0",
    "0.1",
    "0.3",
    "0.30000000000000004",
    "4.35",
    "19.99",
    "1e300",
    "-1e-300",
    "9007199254740992",
    "9007199254740993",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
];

const FACTORS: [&str; 9] = ["1", "2", "3", "10", "0.5", "0.01", "1e-8", "7e3", "1.5"];

const PATTERNS: [&str; 13] = [
    "a",
    "^a",
    "b$",
    "^a.c$",
    "^[a-z]+$",
    "\\d",
    "^\\w*$",
    "\\s",
    "^.{2,3}$",
    "é+",
    "^(?:a|b|)[^c]*$",
    "\\u00e9|\\.",
    "^$",
];

const TYPES: [&str; 7] = ["null", "boolean", "object", "array", "string", "integer", "number"];

fn number(choices: &mut Choices<'_>, of: &[&str]) -> Value {
    serde_json::from_str(choices.one(of)).expect("a number")
}

/// A value, nested at most `depth` deep.
pub(crate) fn value(choices: &mut Choices<'_>, depth: usize) -> Value {
    match choices.below(if depth == 0 { 5 } else { 9 }) {
        0 => Value::Null,
        1 => Value::Bool(choices.below(2) == 0),
        2 => number(choices, &NUMBERS),
        3 | 4 => Value::from(choices.one(&STRINGS)),
        5 | 6 => (0..choices.below(5)).map(|_| value(choices, depth - 1)).collect(),
        _ => (0..choices.below(6))
            .map(|_| (choices.one(&NAMES).to_owned(), value(choices, depth - 1)))
            .collect::<Map<_, _>>()
            .into(),
    }
}

/// A document: a schema with some more that it may refer to.
pub(crate) fn document(choices: &mut Choices<'_>) -> Value {
    let mut document = schema(choices, 3);
    if let Value::Object(members) = &mut document {
        let (a, b) = (schema(choices, 2), schema(choices, 2));
        let b = json!({ "$anchor": "b", "allOf": [b] });
        members.insert("$defs".into(), json!({ "a": a, "b": b, "c/d": { "type": "string" } }));
    }
    document
}

fn schema(choices: &mut Choices<'_>, depth: usize) -> Value {
    if choices.below(8) == 7 {
        return Value::Bool(choices.below(3) != 0);
    }
    let mut members = Map::new();
    for _ in 0..1 + choices.below(3) {
        keyword(choices, depth, &mut members);
    }
    members.into()
}

fn schemas(choices: &mut Choices<'_>, depth: usize) -> Value {
    (0..1 + choices.below(3)).map(|_| schema(choices, depth - 1)).collect()
}

fn members(
    choices: &mut Choices<'_>,
    of: &[&str],
    mut value: impl FnMut(&mut Choices<'_>) -> Value,
) -> Value {
    let count = 1 + choices.below(4);
    (0..count).map(|_| (choices.one(of).to_owned(), value(choices))).collect::<Map<_, _>>().into()
}

fn names(choices: &mut Choices<'_>) -> Value {
    let mut names: Vec<&str> = (0..choices.below(4)).map(|_| choices.one(&NAMES)).collect();
    names.sort_unstable();
    names.dedup();
    names.into()
}

/// Adds a keyword, and others that only make sense with it.
fn keyword(choices: &mut Choices<'_>, depth: usize, out: &mut Map<String, Value>) {
    let mut put = |name: &str, value: Value| {
        out.insert(name.into(), value);
    };
    match choices.below(if depth == 0 { 17 } else { 33 }) {
        0 => put("type", choices.one(&TYPES).into()),
        1 => {
            let mut types: Vec<&str> = (0..1 + choices.below(3)).map(|_| choices.one(&TYPES)).collect();
            types.sort_unstable();
            types.dedup();
            put("type", types.into());
        }
        2 => put("const", value(choices, 2)),
        3 => {
            let mut values: Vec<Value> = (0..1 + choices.below(5)).map(|_| value(choices, 2)).collect();
            values.dedup();
            put("enum", values.into());
        }
        4 => put("minimum", number(choices, &NUMBERS)),
        5 => put("maximum", number(choices, &NUMBERS)),
        6 => put("exclusiveMinimum", number(choices, &NUMBERS)),
        7 => put("exclusiveMaximum", number(choices, &NUMBERS)),
        8 => put("multipleOf", number(choices, &FACTORS)),
        9 => put("minLength", choices.below(5).into()),
        10 => put("maxLength", choices.below(5).into()),
        11 => put("pattern", choices.one(&PATTERNS).into()),
        12 => put("required", names(choices)),
        13 => put("minProperties", choices.below(4).into()),
        14 => put("maxProperties", choices.below(4).into()),
        15 => put(["minItems", "maxItems"][choices.below(2)], choices.below(4).into()),
        16 => put("uniqueItems", true.into()),
        17 | 18 => put("properties", members(choices, &NAMES, |choices| schema(choices, depth - 1))),
        19 => put("patternProperties", members(choices, &PATTERNS, |choices| schema(choices, depth - 1))),
        20 => put("additionalProperties", schema(choices, depth - 1)),
        21 => put("propertyNames", schema(choices, depth - 1)),
        22 => put("dependentRequired", members(choices, &NAMES, names)),
        23 => put("dependentSchemas", members(choices, &NAMES, |choices| schema(choices, depth - 1))),
        24 => put("items", schema(choices, depth - 1)),
        25 => put("prefixItems", schemas(choices, depth)),
        26 => {
            put("contains", schema(choices, depth - 1));
            for name in ["minContains", "maxContains"] {
                if choices.below(2) == 0 {
                    put(name, choices.below(4).into());
                }
            }
        }
        27 => put(["allOf", "anyOf"][choices.below(2)], schemas(choices, depth)),
        28 => put("oneOf", schemas(choices, depth)),
        29 => put("not", schema(choices, depth - 1)),
        30 => {
            for name in ["if", "then", "else"] {
                if choices.below(4) != 0 {
                    put(name, schema(choices, depth - 1));
                }
            }
        }
        _ => put("$ref", choices.one(&["#", "#/$defs/a", "#b", "#/$defs/c~1d"]).into()),
    }
}

/// A value's text, with characters escaped here and there.
pub(crate) fn text(value: &Value, choices: &mut Choices<'_>, out: &mut String) {
    match value {
        Value::Object(members) => {
            out.push('{');
            for (at, (name, value)) in members.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                string(name, choices, out);
                out.push_str([":", " : "][choices.below(2)]);
                text(value, choices, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                text(item, choices, out);
            }
            out.push(']');
        }
        Value::String(text) => string(text, choices, out),
        other => out.push_str(&other.to_string()),
    }
}

fn string(text: &str, choices: &mut Choices<'_>, out: &mut String) {
    if choices.below(3) != 0 {
        out.push_str(&Value::from(text).to_string());
        return;
    }
    out.push('"');
    let units = text.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
    out.extend(units);
    out.push('"');
}
