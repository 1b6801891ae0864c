//! Fluent Bit after the filter, and the store behind it: members in another
//! order, numbers printed anew, other escapes, keys added.

use serde_json::{Map, Value};
use std::fmt::Write;

/// A number that stands for an input: FNV-1a.
#[derive(Clone, Copy)]
pub(crate) struct Digest(pub(crate) u64);

impl Digest {
    pub(crate) fn of(input: &[u8]) -> Self {
        let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        Digest(input.iter().fold(0xcbf2_9ce4_8422_2325, mix))
    }
}

/// Choices that look random and are the same for the same digest.
pub(crate) struct Choices {
    state: u64,
    /// Inside of a seal: what no one would escape there is not escaped.
    in_seal: bool,
}

impl Choices {
    pub(crate) fn new(digest: Digest) -> Self {
        Choices { state: digest.0 | 1, in_seal: false }
    }

    /// One of `0..count`.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 33) as usize % count
    }
}

/// Prints a record as it may come out of the far end. Gives with it how many
/// keys were added.
pub(crate) fn print(record: &Map<String, Value>, choices: &mut Choices) -> (String, u8) {
    let mut fields = record.clone();
    let mut added = 0;
    for name in super::ADDED {
        if !fields.contains_key(name) && choices.below(2) == 0 {
            fields.insert(name.into(), Value::from(1.5));
            added += 1;
        }
    }
    let mut out = String::new();
    object(&fields, choices, &mut out);
    (out, added)
}

fn object(fields: &Map<String, Value>, choices: &mut Choices, out: &mut String) {
    let mut order: Vec<_> = fields.iter().collect();
    for end in (1..order.len()).rev() {
        order.swap(end, choices.below(end + 1));
    }
    out.push('{');
    for (at, (key, field)) in order.into_iter().enumerate() {
        out.push_str(if at > 0 { "," } else { "" });
        string(key, choices, out);
        out.push_str([":", ": "][choices.below(2)]);
        let outer = choices.in_seal;
        choices.in_seal |= key == "audit";
        value(field, choices, out);
        choices.in_seal = outer;
    }
    out.push('}');
}

fn value(value_: &Value, choices: &mut Choices, out: &mut String) {
    match value_ {
        Value::Object(fields) => object(fields, choices, out),
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                value(item, choices, out);
            }
            out.push(']');
        }
        Value::String(text) => string(text, choices, out),
        Value::Number(token) => out.push_str(&number(token.as_str())),
        Value::Bool(_) | Value::Null => out.push_str(&value_.to_string()),
    }
}

fn string(text: &str, choices: &mut Choices, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        let escape = |out: &mut String, unit: u16| write!(out, "\\u{unit:04x}").expect("a string takes all");
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '/' if choices.below(2) == 0 => out.push_str("\\/"),
            _ if character < ' ' || !(choices.in_seal && character.is_ascii()) && choices.below(4) == 0 => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    escape(out, *unit);
                }
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}

/// What a number has become when Fluent Bit 5.1 has parsed and printed it.
///
/// Integers of 64 bits stay; the rest are `f64`, printed with `%.1f` where
/// integral and within `i64`, else with `%.16g`.
pub(crate) fn number(token: &str) -> String {
    let is_integer = !token.contains(['.', 'e', 'E']);
    if is_integer && token != "-0" && (token.parse::<i64>().is_ok() || token.parse::<u64>().is_ok()) {
        return token.to_owned();
    }
    if token == "-0" {
        return "0".to_owned();
    }
    let value: f64 = token.parse().expect("a number");
    assert!(value.is_finite(), "Fluent Bit loses a record with {token}");
    // Fluent Bit 4.0 reads up to the exponent where there is no point.
    assert!(is_integer || token.contains('.'), "Fluent Bit 4.0 reads {token} as another number");
    let within = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value);
    if within && value.trunc() == value { format!("{value:.1}") } else { percent_16_g(value) }
}

/// C's `%.16g`.
pub(crate) fn percent_16_g(value: f64) -> String {
    let printed = format!("{value:.15e}");
    let (mantissa, exponent) = printed.split_once('e').expect("an exponent");
    let exponent: i32 = exponent.parse().expect("an exponent");
    let strip = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if (-4..16).contains(&exponent) {
        return strip(&format!("{value:.*}", (15 - exponent) as usize));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", strip(mantissa), exponent.abs())
}
