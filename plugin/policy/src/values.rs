//! Converts YAML documents to JSON, for an operator's cases.

use std::fmt::Write;
use yaml_rust2::{Event, Yaml, YamlLoader, parser::Parser, yaml::Hash};

/// The maximum nesting of a document.
const DEPTH_MAX: usize = 64;

/// Returns a YAML document as JSON text, with its keys in order. An error has the place
/// where the document is not YAML or cannot be expressed in JSON.
pub fn json_of_yaml(text: &str) -> Result<String, String> {
    check(text)?;
    let documents = YamlLoader::load_from_str(text).map_err(|error| error.to_string())?;
    let [document] = &documents[..] else {
        return Err(format!("it has {} documents, and must have one", documents.len()));
    };
    let mut out = String::new();
    write(document, &mut out)?;
    Ok(out)
}

/// Checks the nesting, and refuses aliases, which could make a small document arbitrarily
/// large.
fn check(text: &str) -> Result<(), String> {
    let mut parser = Parser::new_from_str(text);
    let mut depth = 0;
    loop {
        let (event, mark) = parser.next_token().map_err(|error| error.to_string())?;
        let said = |what: &str| Err(format!("line {}, column {}: {what}", mark.line(), mark.col() + 1));
        match event {
            Event::StreamEnd => return Ok(()),
            Event::Alias(_) => return said("write the value out in place of an alias"),
            Event::MappingStart(..) | Event::SequenceStart(..) if depth == DEPTH_MAX => {
                return said("nests too deep");
            }
            Event::MappingStart(..) | Event::SequenceStart(..) => depth += 1,
            Event::MappingEnd | Event::SequenceEnd => depth -= 1,
            _ => {}
        }
    }
}

/// Writes a value as JSON. The nesting has been checked against [`DEPTH_MAX`].
fn write(value: &Yaml, out: &mut String) -> Result<(), String> {
    match value {
        Yaml::Null => out.push_str("null"),
        Yaml::Boolean(is_true) => out.push_str(if *is_true { "true" } else { "false" }),
        Yaml::Integer(number) => put(out, number),
        Yaml::Real(number) if number.parse().is_ok_and(f64::is_finite) => {
            put(out, number.parse::<f64>().unwrap_or_default());
        }
        Yaml::Real(text) | Yaml::String(text) => quote(text, out),
        Yaml::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                write(item, out)?;
            }
            out.push(']');
        }
        Yaml::Hash(members) => write_members(members, out)?,
        Yaml::Alias(_) | Yaml::BadValue => return Err("it has a value that JSON cannot express".into()),
    }
    Ok(())
}

fn write_members(members: &Hash, out: &mut String) -> Result<(), String> {
    out.push('{');
    for (at, (key, value)) in members.iter().enumerate() {
        out.push_str(if at > 0 { "," } else { "" });
        match key {
            Yaml::String(key) | Yaml::Real(key) => quote(key, out),
            Yaml::Integer(key) => quote(&key.to_string(), out),
            Yaml::Boolean(key) => quote(&key.to_string(), out),
            _ => return Err("it has a key that JSON cannot express".into()),
        }
        out.push(':');
        write(value, out)?;
    }
    out.push('}');
    Ok(())
}

fn put(out: &mut String, number: impl std::fmt::Display) {
    // Writing to a String never fails.
    let _ = write!(out, "{number}");
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            '\0'..'\u{20}' => {
                let _ = write!(out, "\\u{:04x}", letter as u32);
            }
            _ => out.push(letter),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::json_of_yaml;

    #[test]
    fn yaml_is_written_as_json() {
        let yaml = "- {a: 1, b: [x, 'y\"', null, true, 1.5]}\n- \"c\\td\"\n";
        let json = "[{\"a\":1,\"b\":[\"x\",\"y\\\"\",null,true,1.5]},\"c\\u0009d\"]";
        assert_eq!(json_of_yaml(yaml).as_deref(), Ok(json));
        for wrong in ["a: &x 1\nb: *x", "a: [", "a: 1\n---\nb: 2", &"[".repeat(100)] {
            assert!(json_of_yaml(wrong).is_err(), "{wrong}");
        }
    }
}
