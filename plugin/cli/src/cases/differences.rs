//! The differences between a case's output and its expectations.

use super::Case;
use crate::dry_run::Sealed;
use serde_json::Value;

/// Returns the differences from a case's expectations.
pub(super) fn problems(case: &Case, sealed: &Sealed) -> Vec<String> {
    let out = sealed.record.to_string();
    // Looks for the text itself, and for its form in JSON.
    let has = |text: &str| {
        let quoted = Value::from(text).to_string();
        out.contains(text) || out.contains(&quoted[1..quoted.len() - 1])
    };
    let mut problems = Vec::new();
    problems.extend(case.gone.iter().filter(|text| has(text)).map(|text| format!("leaks        {text:?}")));
    problems.extend(case.stay.iter().filter(|text| !has(text)).map(|text| format!("lacks        {text:?}")));
    problems.extend(case.valid.and_then(|valid| validity(valid, &sealed.seal)));
    if let Some(expected) = &case.becomes {
        differences(expected, &sealed.record, "", &mut problems);
    }
    problems
}

/// Returns the difference in a record's validity, or `None` if the validity is as
/// expected.
fn validity(expected: bool, seal: &Value) -> Option<String> {
    let is = match (seal.get("schema"), seal.get("invalid"), seal.get("unchecked")) {
        (_, Some(invalid), _) => format!("invalid: {invalid}"),
        (_, None, Some(unchecked)) => format!("not checked: {unchecked}"),
        (None, None, None) => "without a schema".into(),
        (Some(_), None, None) => "valid".into(),
    };
    let is_expected = if expected { is == "valid" } else { is.starts_with("invalid") };
    let wanted = if expected { "valid" } else { "invalid" };
    (!is_expected).then(|| format!("is not {wanted}, but {is}"))
}

/// Adds a line for each value that differs from the expected one, with its path.
fn differences(expected: &Value, found: &Value, path: &str, out: &mut Vec<String>) {
    let at = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            for (key, expected) in expected {
                match found.get(key) {
                    Some(found) => differences(expected, found, &at(key), out),
                    None => out.push(format!("- {}: {expected}", at(key))),
                }
            }
            let more = found.iter().filter(|(key, _)| !expected.contains_key(*key));
            out.extend(more.map(|(key, found)| format!("+ {}: {found}", at(key))));
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            for (index, (expected, found)) in expected.iter().zip(found).enumerate() {
                differences(expected, found, &format!("{path}[{index}]"), out);
            }
        }
        _ if expected == found => {}
        _ => out.extend([format!("- {path}: {expected}"), format!("+ {path}: {found}")]),
    }
}
