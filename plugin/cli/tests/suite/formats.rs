//! `formats`, and `explain --record`.

use crate::inputs::Bench;

const OKTA: &str = include_str!("../../../policy/formats/okta/samples.ndjson");
const KUBERNETES: &str = include_str!("../../../policy/formats/kubernetes-audit/samples.ndjson");

/// Returns the records in a file of samples.
fn records(samples: &str) -> Vec<String> {
    let record = |line: &str| {
        let sample: serde_json::Value = serde_json::from_str(line).expect("JSON");
        sample["record"].to_string()
    };
    samples.lines().map(record).collect()
}

fn run(bench: &Bench, arguments: &[&str]) -> (Option<i32>, String) {
    let output = bench.run(arguments);
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned() + &complaint)
}

#[test]
fn the_catalogue_is_listed() {
    let bench = Bench::new();
    let (code, said) = run(&bench, &["formats"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.lines().count() >= 28 && said.contains("okta               Okta System Log\n"), "{said}");
    let (code, said) = run(&bench, &["formats", "--json"]);
    let catalogue: Vec<serde_json::Value> = serde_json::from_str(&said).expect("JSON");
    assert!(code == Some(0) && catalogue.iter().all(|format| format["sources"].is_array()));
}

#[test]
fn the_records_of_a_log_are_told() {
    let bench = Bench::new();
    let lines =
        [&records(OKTA)[..], &records(KUBERNETES), &["{\"msg\":\"a\"}".into(), "nothing".into()]].concat();
    bench.write("audit.log", lines.join("\n") + "\n");
    let (code, said) = run(&bench, &["formats", "audit.log"]);
    assert_eq!(code, Some(0), "{said}");
    for part in [
        "kubernetes-audit: 7 records\n",
        "  1 of them in `items[]`\n",
        "  1 of them in `log|`\n",
        "  1 of them in `properties.log|`\n",
        "okta: 3 records\n",
        "  1 of them in `message|`\n",
        "unknown: 1 records\n",
        "not read: 1 records\n",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    bench.write("other.log", "{\"msg\":\"a\"}\n");
    assert_eq!(run(&bench, &["formats", "other.log"]).0, Some(40));
    let (code, said) = run(&bench, &["formats", "no.log"]);
    assert!(code == Some(40) && said.contains("not read: 1 records\n  no.log:1: "), "{said}");
}

#[test]
fn a_record_is_explained() {
    let bench = Bench::new();
    bench.write("policy.yaml", flb_audit_policy::DEFAULT_POLICY);
    let (code, said) = run(&bench, &["build", "--policy", "policy.yaml", "--output", "audit.policy"]);
    assert_eq!(code, Some(0), "{said}");
    bench.write("record.json", records(OKTA)[1].clone());
    let (code, said) = run(&bench, &["explain", "--record", "record.json", "audit.policy"]);
    assert_eq!(code, Some(0), "{said}");
    let has = |path: &str, why: &str| {
        let line = said.lines().find(|line| line.split_whitespace().next() == Some(path));
        assert!(line.is_some_and(|line| line.contains(why)), "{path}: {why}\n{said}");
    };
    assert!(said.starts_with("format okta: Okta System Log\n"), "{said}");
    has("actor.alternateId", "okta lists it under `who`");
    has("eventType", "okta lists it under `what`");
    has("outcome.result", "nothing found");
    has("debugContext.debugData.otp", "replaced by secret-field: mask");
    has("debugContext.debugData.note", "replaced by password: mask");
    has("transaction.type", "okta lists it under `what`");
    bench
        .write("other.json", "{\"user\":{\"email\":\"ann@example.com\"},\"to\":\"bob@example.com\",\"n\":1}");
    let (_, said) = run(&bench, &["explain", "--record", "other.json", "audit.policy"]);
    for part in ["format unknown\n", "its key names an actor", "replaced by email: mask", "nothing found"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    bench.write("no.json", "[1]");
    assert_eq!(run(&bench, &["explain", "--record", "no.json", "audit.policy"]).0, Some(1));
}
