//! The detectors on data that nobody here wrote, and on the streams.

use crate::matcher::{Hit, Matcher};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

/// A file that is beside the checkout, or where `FLB_AUDIT_CORPORA` says.
fn corpus(name: &str) -> Option<Vec<Value>> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
    let folder = std::env::var_os("FLB_AUDIT_CORPORA").map_or(beside, PathBuf::from);
    let Ok(text) = std::fs::read_to_string(folder.join(name)) else {
        println!("skipped: {name} is not there");
        return None;
    };
    Some(text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect())
}

/// The records of a stream of the repository.
fn stream(name: &str) -> Vec<Value> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/streams").join(name);
    let text = std::fs::read_to_string(path).expect("a stream");
    let record = |line: &str| {
        let call: Value = serde_json::from_str(line).expect("JSON");
        serde_json::from_str(call["record"].as_str().expect("a record")).expect("JSON")
    };
    text.lines().map(record).collect()
}

/// Calls for every key, string and number of a value, with its path.
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

/// Every path at which a detector hits in some records, with what it found.
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

/// What the packs `secrets` and `pii` find in logs that are in order: a path,
/// a detector, how often.
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
    // Users are called by their addresses there: `keep` has the one, the other
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
        ("requestObject.data.access.properties", "password", 8),
        ("responseObject.data.access.properties", "password", 8),
    ];
    assert_hits("k8s-audit.jsonl", &records, &expected);
}

/// Types in the corpus, the class that finds them, and what recall and
/// precision may not fall below, in thousandths. A telephone number without
/// its country or a label cannot be told from other digits.
const TYPES: [(&str, &str, usize, usize); 6] = [
    ("CREDIT_CARD", "payment-card", 980, 950),
    ("EMAIL_ADDRESS", "email", 980, 950),
    ("IBAN_CODE", "iban", 980, 950),
    ("US_SSN", "us-ssn", 980, 950),
    ("IP_ADDRESS", "ip", 980, 950),
    ("PHONE_NUMBER", "phone", 900, 950),
];

#[test]
fn labelled_spans_are_found() {
    let Some(lines) = corpus("pii-spans.jsonl") else { return };
    let matcher = Matcher::of(|_| true);
    for (kind, class, recall_min, precision_min) in TYPES {
        let (mut labelled, mut found, mut hits, mut right) = (0, 0, 0, 0);
        for line in &lines {
            let text = line["text"].as_str().expect("a text");
            let spans = spans(line, text, kind);
            let of_class = matcher.find(text.as_bytes()).into_iter().filter(|hit| hit.class == class);
            let of_class: Vec<Hit> = of_class.collect();
            let overlaps = |a: &Range<usize>, b: &Range<usize>| a.start < b.end && b.start < a.end;
            let is_found = |span: &&Range<usize>| of_class.iter().any(|hit| overlaps(&hit.part, span));
            let is_right = |hit: &&Hit| spans.iter().any(|span| overlaps(&hit.part, span));
            labelled += spans.len();
            found += spans.iter().filter(is_found).count();
            hits += of_class.len();
            right += of_class.iter().filter(is_right).count();
        }
        let (recall, precision) = (1000 * found / labelled, 1000 * right / hits);
        println!("{kind}: {found} of {labelled} found, {right} of {hits} hits right");
        assert!(recall >= recall_min && precision >= precision_min, "{kind}: {recall}, {precision}");
    }
}

/// The spans of a type, in bytes: the corpus counts characters.
fn spans(line: &Value, text: &str, kind: &str) -> Vec<Range<usize>> {
    let offsets: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let at = |index: &Value| offsets[index.as_u64().expect("an offset") as usize];
    let spans = line["spans"].as_array().expect("spans").iter().filter(|span| span[0] == kind);
    spans.map(|span| at(&span[1])..at(&span[2])).collect()
}

#[test]
fn keys_of_the_streams_that_tell_a_secret() {
    let regex = regex::bytes::Regex::new(flb_audit_policy::detectors::SECRET_KEYS).expect("a pattern");
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
            if regex.is_match(key.as_bytes()) {
                found.insert(key.to_owned());
            }
        });
    }
    found.retain(|key| !["masterUserPassword", "sessionToken"].contains(&key.as_str()));
    assert!(found.is_empty() || found.iter().eq(["secret"]), "{found:?}");
}
