//! Variables in values: `${NAME}` and `${NAME:-default}`, replaced as in Fluent Bit.

use std::collections::BTreeMap;

/// Replaces the variables of a value. The error has the names of variables that are not
/// set; Fluent Bit replaces these by nothing.
pub(crate) fn replace(value: &str, variables: &BTreeMap<String, String>) -> Result<String, Vec<String>> {
    let (mut out, mut unset) = (String::new(), Vec::new());
    let mut rest = value;
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start + 2..].find('}').filter(|length| *length > 0) else { break };
        out += &rest[..start];
        let inner = &rest[start + 2..start + 2 + length];
        let (name, default) = match inner.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inner, None),
        };
        match (variables.get(name).map(String::as_str), default) {
            (Some(""), Some(default)) | (None, Some(default)) => out += default,
            (Some(value), _) => out += value,
            (None, None) => unset.push(name.to_owned()),
        }
        rest = &rest[start + 3 + length..];
    }
    out += rest;
    if unset.is_empty() { Ok(out) } else { Err(unset) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_as_in_fluent_bit() {
        let variables = BTreeMap::from([("A".into(), "x".into()), ("EMPTY".into(), String::new())]);
        for (value, expected) in [
            ("${A}/b", Ok("x/b")),
            ("${A}${A}", Ok("xx")),
            ("${B:-y}", Ok("y")),
            ("${EMPTY:-y}", Ok("y")),
            ("${EMPTY}", Ok("")),
            ("${A", Ok("${A")),
            ("${}", Ok("${}")),
            ("$A", Ok("$A")),
            ("a${B}${C}", Err(vec!["B", "C"])),
        ] {
            let unset = |names: Vec<&str>| names.into_iter().map(String::from).collect::<Vec<_>>();
            assert_eq!(replace(value, &variables), expected.map(String::from).map_err(unset), "{value}");
        }
    }
}
