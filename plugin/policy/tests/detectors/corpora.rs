//! The detectors on foreign data, and on the streams.

use crate::matcher::Matcher;
use fixtures::spans::{self, Count, Hit};
use flb_audit_core::redact::Name;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Returns the records of a file in `FLB_AUDIT_CORPORA`, or else beside the checkout.
fn corpus(name: &str) -> Option<Vec<Value>> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
    let folder = std::env::var_os("FLB_AUDIT_CORPORA").map_or(beside, PathBuf::from);
    let Ok(text) = std::fs::read_to_string(folder.join(name)) else {
        println!("skipped: {name} is not there");
        return None;
    };
    Some(text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect())
}

/// Returns the records of a stream in the repository.
fn stream(name: &str) -> Vec<Value> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/streams").join(name);
    let text = std::fs::read_to_string(path).expect("a stream");
    let record = |line: &str| {
        let call: Value = serde_json::from_str(line).expect("JSON");
        serde_json::from_str(call["record"].as_str().expect("a record")).expect("JSON")
    };
    text.lines().map(record).collect()
}

/// Calls `visit` for every key, string and number of a value, with its path.
fn walk(value: &Value, path: &str, visit: &mut impl FnMut(&str, &str)) {
    match value {
        Value::String(text) => visit(path, text),
        Value::Number(number) => visit(path, &number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| walk(item, &format!("{path}[]"), visit)),
        Value::Object(members) => {
            for (key, member) in members {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                visit(&path, key);
                walk(member, &path, visit);
            }
        }
        _ => {}
    }
}

/// Returns every path at which a detector hits in some records, with the hits.
fn hits(matcher: &Matcher, records: &[Value]) -> BTreeMap<(String, &'static str), Vec<String>> {
    let mut found: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for record in records {
        walk(record, "", &mut |path, text| {
            for hit in matcher.find(text.as_bytes()) {
                found.entry((path.to_owned(), hit.name)).or_default().push(text[hit.part].to_owned());
            }
        });
    }
    found
}

/// Checks the hits of the packs `secrets` and `pii` in normal logs: a path, a detector, a
/// count.
fn assert_hits(name: &str, records: &[Value], expected: &[(&str, &str, usize)]) {
    let matcher = Matcher::of(|detector| detector.pack != "network");
    let found = hits(&matcher, records);
    let found: Vec<_> =
        found.iter().map(|((path, name), parts)| (path.as_str(), *name, parts.len())).collect();
    assert_eq!(found, expected, "{name}");
}

#[test]
fn identifiers_in_the_streams_stay() {
    for name in ["cloudtrail", "linux-audit", "mariadb-audit", "postgresql-audit", "sshd", "sudo"] {
        assert_hits(name, &stream(&format!("{name}.ndjson")), &[]);
    }
    // Users are named by their addresses there: `keep` covers the one path, and the other
    // is a message about them.
    let expected = [("responseStatus.message", "email", 18), ("user.username", "email", 115)];
    assert_hits("kubernetes-audit", &stream("kubernetes-audit.ndjson"), &expected);
}

#[test]
fn of_cloudtrail_session_tokens_go_and_nothing_else() {
    let Some(records) = corpus("cloudtrail.jsonl") else { return };
    let expected = [("responseElements.credentials.sessionToken", "aws-session-token", 36)];
    assert_hits("cloudtrail.jsonl", &records, &expected);
}

#[test]
fn of_kubernetes_the_secrets_in_a_config_map_go() {
    let Some(records) = corpus("k8s-audit.jsonl") else { return };
    let expected = [
        ("requestObject.data.access.properties", "keyed-secret", 6),
        ("requestObject.data.access.properties", "password", 2),
        ("responseObject.data.access.properties", "keyed-secret", 6),
        ("responseObject.data.access.properties", "password", 2),
    ];
    assert_hits("k8s-audit.jsonl", &records, &expected);
}

#[test]
fn labelled_spans_are_found() {
    let Some(lines) = corpus("pii-spans.jsonl") else { return };
    let matcher = Matcher::of(|_| true);
    let found = |line: &Value| {
        let hits = matcher.find(spans::text(line).as_bytes()).into_iter();
        hits.map(|hit| Hit { class: hit.class.into(), part: hit.part }).collect()
    };
    let found: Vec<Vec<Hit>> = lines.iter().map(found).collect();
    for kind in spans::TYPES {
        let count = Count::of(&kind, &lines, &found);
        println!("{}: {count:?}", kind.name);
        let is_enough = count.recall() >= kind.recall_min && count.precision() >= kind.precision_min;
        assert!(is_enough, "{}: {count:?}", kind.name);
    }
}

#[test]
fn keys_of_the_streams_that_tell_a_secret() {
    let names = [
        "cloudtrail",
        "kubernetes-audit",
        "linux-audit",
        "mariadb-audit",
        "postgresql-audit",
        "sshd",
        "sudo",
    ];
    let streams = names.iter().flat_map(|name| stream(&format!("{name}.ndjson")));
    let corpora =
        ["cloudtrail.jsonl", "k8s-audit.jsonl"].iter().flat_map(|name| corpus(name).unwrap_or_default());
    let mut found = std::collections::BTreeSet::new();
    for record in streams.chain(corpora) {
        walk(&record, "", &mut |path, _| {
            let key = path.rsplit('.').next().unwrap_or(path);
            if !matches!(Name::of(key.as_bytes()), Name::Plain | Name::Random | Name::Short) {
                found.insert(key.to_owned());
            }
        });
    }
    found.retain(|key| !["masterUserPassword", "sessionToken"].contains(&key.as_str()));
    assert!(found.is_empty() || found.iter().eq(["secret"]), "{found:?}");
}
