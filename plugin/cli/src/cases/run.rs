//! One case: a record sealed, and what of it is not as expected.

use super::Case;
use anyhow::{Context, Result, anyhow};
use flb_audit_core::chain::{Chain, ChainId, GENESIS, Place, Run};
use flb_audit_core::hash::Algorithm;
use flb_audit_core::policy::Policy;
use flb_audit_core::record::member::AUDIT;
use flb_audit_core::record::notes::Notes;
use flb_audit_core::redact::{HmacKey, Redactor};
use flb_audit_core::{Event, Sealer};
use serde_json::Value;

/// When all cases happen, in seconds of UNIX time: a seal has nothing of it that is
/// compared.
const SECONDS: u32 = 0;

/// The output of a case.
pub(super) struct Sealed {
    pub(super) record: Value,
    pub(super) seal: Value,
}

/// Seals one record after the other, as the filter does.
pub(super) struct Runner<'a> {
    sealer: Sealer<'a>,
}

impl<'a> Runner<'a> {
    pub(super) fn new(policy: Policy<'a>, key: Option<HmacKey>) -> Result<Runner<'a>> {
        let id = ChainId::from_text(b"flb-audit-te").context("no name for a chain")?;
        let run = Run::from_text(b"cases1").context("no name for a run")?;
        let next = Place { segment: 1, run, sequence: 0 };
        let chain = Chain { id, algorithm: Algorithm::default(), next, head: GENESIS, link: None };
        let sealer = Sealer::new(chain, Notes::NONE, Some(Redactor::new(policy, key)));
        Ok(Runner { sealer: sealer.map_err(|_| anyhow!("out of memory"))? })
    }

    pub(super) fn seal(&mut self, case: &Case) -> Result<Sealed> {
        let text = match &case.record {
            Value::String(text) => text.clone(),
            record => record.to_string(),
        };
        let event = Event {
            tag: case.tag.as_bytes(),
            seconds: SECONDS,
            nanoseconds: 0,
            record: Some(text.as_bytes()),
            record_len: text.len(),
        };
        let sealed = self.sealer.seal(&event);
        let sealed = sealed.strip_suffix(b"\0").unwrap_or(sealed);
        let mut record: Value = serde_json::from_slice(sealed).context("what comes out is no JSON")?;
        let seal = record.as_object_mut().and_then(|members| members.shift_remove(AUDIT));
        Ok(Sealed { record, seal: seal.context("the record was not sealed")? })
    }
}

/// Returns the differences from a case's expectations.
pub(super) fn problems(case: &Case, sealed: &Sealed) -> Vec<String> {
    let out = sealed.record.to_string();
    // As it is, or as JSON has it.
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

/// Returns the difference in a record's validity; none if it is as expected.
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

/// Adds a line for each value that is not the expected one, with its path.
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
