//! Redaction at Fluent Bit's default stack size: secrets at every position in a record,
//! keys, policies that override the module's, and long texts.

use super::streams::{Tailed, tailed};
use crate::case::{Place, Skipped};
use crate::expected::Expected;
use crate::forward::Entry;
use crate::pipeline::Pipeline;
use crate::reference::Reference;
use crate::verify;
use anyhow::{Context, Result, ensure};
use flb_audit_core::policy::FILE_NAME;
use host_tests::config::Section;
use host_tests::msgpack::Value;
use host_tests::{policy, root};
use serde_json::json;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

const TAG: &str = "planted";

/// Returns secrets, each with the text around it. The values come from documentation.
/// They are put together here, so that no file contains one.
fn planted() -> Vec<(String, String)> {
    let letters = |count: usize| -> String {
        let mut state = 7_u32;
        let mut letter = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(
                b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                    [(state >> 16) as usize % 62],
            )
        };
        (0..count).map(&mut letter).collect()
    };
    let in_text = |secret: String, before: &str, after: &str| {
        let text = format!("{before}{secret}{after}");
        (secret, text)
    };
    vec![
        in_text("bob@example.com".into(), "mail from ", " came"),
        in_text(["4111", "1111", "1111", "1111"].concat(), "card ", "."),
        in_text(["GB82WEST", "12345698765432"].concat(), "to ", ""),
        in_text(["078", "05", "1120"].join("-"), "ssn ", ""),
        in_text(format!("glpat-{}", letters(20)), "token ", " used"),
        in_text(format!("xoxb-123456789012-1234567890123-{}", letters(24)), "", ""),
        in_text(format!("IQoJb3JpZ2luX2Vj{}", letters(300)), "session ", ""),
        in_text("hunter2hunter2".into(), "postgres://app:", "@db1:5432/shop"),
        in_text("correct-horse".into(), "password=", "&user=eve"),
        in_text("YWxpY2U6c2VjcmV0".into(), "Authorization: Basic ", ""),
        in_text(letters(32), "api_key=", ""),
        in_text("MHcCAQEEIBs".into(), "-----BEGIN EC PRIVATE KEY-----\n", "\n-----END EC PRIVATE KEY-----"),
    ]
}

/// Returns records with every secret at every position: a string, a nested string, a key,
/// JSON in a string, and JSON in JSON in a string. Also returns values with telling keys,
/// and numbers.
fn records() -> Vec<serde_json::Value> {
    let mut records = Vec::new();
    for (_, text) in planted() {
        let inner = json!({ "to": [text], "n": 1 }).to_string();
        records.extend([
            json!({ "v": text }),
            json!({ "a": [1, { "b": [text, "x"] }], "c": true }),
            json!({ text.as_str(): 1, "k": { text.as_str(): { text.as_str(): text } } }),
            json!({ "body": inner }),
            json!({ "body": json!({ "deep": inner }).to_string() }),
            json!({ "raw": format!("{{\"broken\": {text}") }),
        ]);
    }
    records.extend([
        json!({ "n": 4_111_111_111_111_111_u64, "m": [5_555_555_555_554_444_u64] }),
        json!({ "password": PIN, "client_secret": PIN.to_string(), "x": { "otp": [PIN] } }),
        json!({ "body": json!({ "card": 4_111_111_111_111_111_u64, "token": PIN }).to_string() }),
    ]);
    records
}

/// A secret for telling keys.
const PIN: u64 = 739_184_602_517;

fn secrets() -> Vec<String> {
    let planted = planted().into_iter().map(|(secret, _)| secret);
    planted.chain([PIN.to_string(), "5555555555554444".into()]).collect()
}

/// Fails if a secret is in any output or in the log.
fn ensure_gone(place: &Place, pipeline: &Pipeline<'_>, secrets: &[String]) -> Result<()> {
    let outputs = pipeline.sinks().map(|sink| sink.path.clone());
    for path in outputs.chain([place.at("fluent-bit.log")]) {
        let text = fs::read(&path).with_context(|| path.display().to_string())?;
        let text = String::from_utf8_lossy(&text);
        for secret in secrets {
            ensure!(!text.contains(secret), "{} has {secret}", path.display());
        }
    }
    Ok(())
}

/// Counts the records that say that something was redacted.
fn redacted(expected: &[Expected]) -> usize {
    let is_redacted = |expected: &&Expected| {
        expected.remarks.as_ref().is_some_and(|remarks| remarks.get("redacted").is_some())
    };
    expected.iter().filter(is_redacted).count()
}

pub(crate) fn through_tail(place: &Place) -> Result<String> {
    let mut pipeline = Pipeline::new(place)?;
    pipeline.all_outputs();
    let tail = pipeline.tail(TAG, "log");
    pipeline.input(tail);
    let reference = Reference::new()?;
    let mut life = reference.start();
    let (mut log, mut expected) = (String::new(), Vec::new());
    for record in records() {
        writeln!(log, "{record}")?;
        expected.push(life.expect(TAG, None, &record.to_string())?);
    }
    // Not JSON, so the parser passes it unchanged.
    for (_, text) in planted().into_iter().filter(|(_, text)| !text.contains('\n')) {
        writeln!(log, "{text}")?;
        expected.push(life.expect(TAG, None, &json!({ "log": text }).to_string())?);
    }
    fs::write(place.at("log"), log)?;
    ensure!(redacted(&expected) == expected.len(), "a record in which nothing is found");
    let process = pipeline.start()?;
    pipeline.finish(process, &expected)?;
    ensure_gone(place, &pipeline, &secrets())?;
    Ok(format!("{} records, {} secrets, none of them came out", expected.len(), secrets().len()))
}

pub(crate) fn through_forward(place: &Place) -> Result<String> {
    let reference = Reference::new()?;
    let (pipeline, expected) = forwarded(place, None, &reference, &records())?;
    ensure!(redacted(&expected) == expected.len(), "a record in which nothing is found");
    ensure_gone(place, &pipeline, &secrets())?;
    Ok(format!("{} records, {} secrets, none of them came out", expected.len(), secrets().len()))
}

/// Sends records through a pipeline and compares the output with the reference. `policy`
/// is the file in the state directory that overrides the module's policy.
fn forwarded<'a>(
    place: &'a Place,
    policy: Option<&[u8]>,
    reference: &Reference,
    records: &[serde_json::Value],
) -> Result<(Pipeline<'a>, Vec<Expected>)> {
    let mut pipeline = Pipeline::new(place)?;
    pipeline.all_outputs();
    if let Some(policy) = policy {
        fs::write(place.at("state").join(FILE_NAME), policy)?;
        fs::write(reference.directory().join(FILE_NAME), policy)?;
    }
    let expected = send(&mut pipeline, reference, records)?;
    Ok((pipeline, expected))
}

fn send(
    pipeline: &mut Pipeline<'_>,
    reference: &Reference,
    records: &[serde_json::Value],
) -> Result<Vec<Expected>> {
    let (process, mut client) = pipeline.start_forward()?;
    let mut life = reference.start();
    let (mut entries, mut expected) = (Vec::new(), Vec::new());
    for (seconds, record) in (1..).zip(records) {
        entries.push(Entry { seconds, nanoseconds: 0, record: Value::from(record) });
        expected.push(life.expect(TAG, Some((seconds, 0)), &record.to_string())?);
    }
    // A message is one chunk on 5.1, and several chunks on 4.0.
    for entries in entries.chunks(20) {
        client.send(TAG, entries)?;
    }
    pipeline.finish(process, &expected)?;
    Ok(expected)
}

/// A policy with tokens instead of masks, which also finds telephone numbers.
const HMAC: &str = "version: 1
redact:
  packs: {secrets: hmac, pii: hmac}
";

pub(crate) fn hmac(place: &Place) -> Result<String> {
    let reference = Reference::new()?;
    policy::write_policy(reference.directory(), HMAC)?;
    policy::write_key(reference.directory())?;
    let mut pipeline = Pipeline::new(place)?;
    pipeline.all_outputs();
    policy::write_policy(&place.at("state"), HMAC)?;
    let keys = place.at("keys");
    fs::create_dir(&keys)?;
    policy::write_key(&keys)?;
    let paths = format!("{},{}", place.at("state").display(), keys.display());
    pipeline.filter = Section::wasm(verify::module().display(), "audit").with("accessible_paths", paths);
    let expected = send(&mut pipeline, &reference, &records())?;
    ensure_gone(place, &pipeline, &secrets())?;
    let has_token = |expected: &&Expected| expected.record.to_string().contains(":k1:");
    let tokens = expected.iter().filter(has_token).count();
    ensure!(tokens == expected.len(), "{tokens} of {} records have a token", expected.len());
    let key = keys.join("hmac.key");
    for sink in pipeline.sinks() {
        let found = verify::find("bob@example.com", &key, &sink.path)?;
        ensure!(found == 6, "found in {found} records of {}", sink.name);
        let found = verify::find("eve@example.com", &key, &sink.path)?;
        ensure!(found == 0, "what was never there, found in {found} records of {}", sink.name);
    }
    Ok(format!("{tokens} records with tokens, {} of them one value's", 6))
}

pub(crate) fn overridden(place: &Place) -> Result<String> {
    const POLICY: &str = "version: 1\nredact:\n  keys:\n    - {pattern: '^v$', action: mask}\n";
    let table = policy::table(POLICY)?;
    let records = [json!({ "v": "x", "to": "bob@example.com" }), json!({ "to": "bob@example.com" })];
    let (_, expected) = forwarded(place, Some(&table), &Reference::new()?, &records)?;
    ensure!(expected[0].record == json!({ "v": "[key]", "to": "bob@example.com" }), "{}", expected[0].record);
    ensure!(expected[1].record == records[1], "{}", expected[1].record);
    Ok("an audit.policy holds instead of the module's policy".into())
}

pub(crate) fn broken(place: &Place) -> Result<String> {
    let mut table = policy::table("version: 1")?;
    let last = table.len() - 1;
    table[last] ^= 1;
    let records = records();
    let (pipeline, expected) = forwarded(place, Some(&table), &Reference::new()?, &records)?;
    ensure_gone(place, &pipeline, &secrets())?;
    let is_noted = |expected: &&Expected| {
        expected.remarks.as_ref().is_some_and(|remarks| remarks["notes"] == json!(["policy-damaged"]))
    };
    let noted = expected.iter().filter(is_noted).count();
    ensure!(noted == records.len(), "{noted} of {} records say so", records.len());
    Ok(format!("{noted} records redacted by the module's policy, each of which says so"))
}

/// The length of a long text, in bytes.
const TEXT_BYTES: usize = 1_000_000;

pub(crate) fn long_text(place: &Place) -> Result<String> {
    let (mut text, mut count) = (String::new(), 0);
    while text.len() < TEXT_BYTES {
        write!(text, "user{count}@example.com ")?;
        count += 1;
    }
    let records = [
        json!({ "v": text }),
        json!({ "v": "x@".repeat(TEXT_BYTES / 2) }),
        json!({ "v": "bob@example.com" }),
    ];
    let (pipeline, expected) = forwarded(place, None, &Reference::new()?, &records)?;
    ensure_gone(place, &pipeline, &["@example.com".into()])?;
    let remarks = expected[0].remarks.as_ref().context("no remarks")?;
    ensure!(remarks["redacted"] == json!([format!("email mask*{count} v")]), "{remarks:.300}");
    Ok(format!("{count} e-mail addresses in one text of {} bytes", text.len()))
}

/// A policy with every detector.
const ALL: &str = "version: 1
redact:
  packs: {secrets: on, pii: on, network: on}
";

pub(crate) fn all_detectors(place: &Place) -> Result<String> {
    let Tailed { expected, .. } = tailed(place, Some(ALL), |_| Ok(()))?;
    Ok(format!("{} of {} records redacted", redacted(&expected), expected.len()))
}

/// Secrets from public bug reports, one case a line: a record, what must be gone from it,
/// and what must stay. The file is not part of the checkout: it is beside it, or at
/// `FLB_AUDIT_SECRET_CASES`.
pub(crate) fn reported(place: &Place) -> Result<String> {
    let beside = || root().join("../shared/cases/redaction.ndjson");
    let path = std::env::var_os("FLB_AUDIT_SECRET_CASES").map_or_else(beside, PathBuf::from);
    let Ok(text) = fs::read_to_string(path) else {
        return Err(Skipped("no file with cases; FLB_AUDIT_SECRET_CASES names one").into());
    };
    let mut pipeline = Pipeline::new(place)?;
    pipeline.all_outputs();
    let tail = pipeline.tail(TAG, "log").with("buffer_max_size", "16M");
    pipeline.input(tail);
    let reference = Reference::new()?;
    let mut life = reference.start();
    let (mut log, mut expected, mut failed) = (String::new(), Vec::new(), Vec::new());
    for line in text.lines().filter(|line| !line.is_empty()) {
        let case: serde_json::Value = serde_json::from_str(line)?;
        let record = match &case["record"] {
            serde_json::Value::String(text) => serde_json::from_str(text).unwrap_or(json!({ "log": text })),
            record => record.clone(),
        };
        writeln!(log, "{record}")?;
        let sealed = life.expect(TAG, None, &record.to_string())?;
        let out = sealed.record.to_string();
        let has = |text: &&serde_json::Value| {
            let text = text.as_str().unwrap_or_default();
            let quoted = serde_json::Value::from(text).to_string();
            out.contains(text) || out.contains(quoted.trim_matches('"'))
        };
        let texts = |name: &str| case[name].as_array().into_iter().flatten();
        if texts("gone").any(|text| has(&text)) || !texts("stay").all(|text| has(&text)) {
            failed.push(format!("{}: {out}", case["id"]));
        }
        expected.push(sealed);
    }
    fs::write(place.at("log"), log)?;
    let process = pipeline.start()?;
    pipeline.finish(process, &expected)?;
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    Ok(format!("{} cases hold", expected.len()))
}
