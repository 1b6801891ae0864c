//! Values as JSON.

use crate::value::{Array, Map, Step, Value, walk};
use std::fmt::{self, Write};

impl Map<'_> {
    /// Appends the map as JSON. Bytes that are not UTF-8 become U+FFFD, and NaN and
    /// infinities become null. Bytes and extensions become a string of hexadecimal
    /// digits. A key that is not a string becomes the string of its JSON.
    pub fn write_json(&self, out: &mut String) {
        write(Value::Map(*self), out);
    }
}

impl fmt::Debug for Array<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        write(Value::Array(*self), &mut text);
        f.write_str(&text)
    }
}

impl fmt::Debug for Map<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.write_json(&mut text);
        f.write_str(&text)
    }
}

/// An array or a map that is open.
struct Open {
    /// The number of values that it has so far.
    count: u64,
    is_map: bool,
}

/// Appends a value.
fn write(value: Value<'_>, out: &mut String) {
    let mut open: Vec<Open> = Vec::new();
    // A key that is an array or a map is first written separately.
    let mut key: Option<(usize, String)> = None;
    for step in walk(value) {
        if let Step::End { is_map } = step {
            open.pop();
            let target = key.as_mut().map_or(&mut *out, |(_, text)| text);
            target.push(if is_map { '}' } else { ']' });
            if let Some((_, text)) = key.take_if(|(depth, _)| *depth == open.len()) {
                write_text(&text, out);
            }
            continue;
        }
        let target = key.as_mut().map_or(&mut *out, |(_, text)| text);
        let is_key = begin_value(&mut open, target);
        match step {
            Step::Begin { is_map } => {
                if is_key && key.is_none() {
                    key = Some((open.len(), String::new()));
                }
                let target = key.as_mut().map_or(&mut *out, |(_, text)| text);
                target.push(if is_map { '{' } else { '[' });
                open.push(Open { count: 0, is_map });
            }
            Step::Scalar(Value::Text(text)) => write_text(&text.lossy(), target),
            Step::Scalar(scalar) if is_key => {
                let mut text = String::new();
                write_scalar(&scalar, &mut text);
                write_text(text.trim_matches('"'), target);
            }
            Step::Scalar(scalar) => write_scalar(&scalar, target),
            Step::End { .. } => {}
        }
    }
}

/// Writes the separator before a value. Returns true if the value is a key.
fn begin_value(open: &mut [Open], out: &mut String) -> bool {
    let Some(last) = open.last_mut() else {
        return false;
    };
    let is_key = last.is_map && last.count.is_multiple_of(2);
    if last.is_map && !is_key {
        out.push(':');
    } else if last.count > 0 {
        out.push(',');
    }
    last.count += 1;
    is_key
}

fn write_scalar(value: &Value<'_>, out: &mut String) {
    // Writing to a string never fails.
    let _ = match value {
        Value::Bool(value) => write!(out, "{value}"),
        Value::Unsigned(value) => write!(out, "{value}"),
        Value::Signed(value) => write!(out, "{value}"),
        Value::Float(value) if value.is_finite() => write!(out, "{value:?}"),
        Value::Binary(bytes) | Value::Extension(_, bytes) => {
            out.push('"');
            let _ = bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}"));
            out.write_char('"')
        }
        _ => out.write_str("null"),
    };
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for char in text.chars() {
        // Writing to a string never fails.
        let _ = match char {
            '"' | '\\' => write!(out, "\\{char}"),
            '\n' => out.write_str("\\n"),
            '\t' => out.write_str("\\t"),
            '\r' => out.write_str("\\r"),
            '\0'..='\u{1f}' => write!(out, "\\u{:04x}", u32::from(char)),
            _ => out.write_char(char),
        };
    }
    out.push('"');
}
