//! Differences between a record and what the filter returns for it.

use serde_json::Value;

/// A leaf in which two records differ.
#[derive(Debug)]
pub struct Change {
    /// The keys that lead there, each after a point.
    pub path: String,
    /// The value in the input.
    pub before: String,
    /// The value in the output.
    pub after: String,
}

/// Returns the places at which `out`, a record without its seal, differs from the input.
/// Panics unless each of them contains the token of a rule that the seal names.
#[track_caller]
pub fn changes(came: &Value, out: &Value, audit: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    compare("", came, out, &mut found);
    let entries = audit["redacted"].as_array().cloned().unwrap_or_default();
    let rules: Vec<&str> = entries.iter().filter_map(|entry| entry.as_str()?.split(' ').next()).collect();
    assert_eq!(rules.is_empty(), found.is_empty(), "{entries:?} {found:?}");
    for change in &found {
        let has_token = |rule: &&str| change.after.contains(&format!("[{rule}"));
        assert!(rules.iter().any(has_token), "{change:?} by {rules:?}");
    }
    found
}

#[track_caller]
fn compare(path: &str, came: &Value, out: &Value, found: &mut Vec<Change>) {
    match (came, out) {
        (Value::Object(ones), Value::Object(others)) => {
            assert_eq!(ones.len(), others.len(), "{path}");
            for (key, one) in ones {
                let other = others.get(key).unwrap_or_else(|| panic!("{path}.{key} is gone"));
                compare(&format!("{path}.{key}"), one, other, found);
            }
        }
        (Value::Array(ones), Value::Array(others)) => {
            assert_eq!(ones.len(), others.len(), "{path}");
            ones.iter().zip(others).for_each(|(one, other)| compare(&format!("{path}[]"), one, other, found));
        }
        _ if came == out => {}
        _ => {
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), String::from);
            found.push(Change { path: path.into(), before: text(came), after: text(out) });
        }
    }
}
