//! `formats`, `explain --record`, and mappings into events of OCSF.

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
        "kubernetes-audit: 9 records\n",
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

#[test]
fn a_mapping_is_explained() {
    let bench = Bench::new();
    let (code, said) = run(&bench, &["explain", "--mapping", "kubernetes-audit"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("mapping kubernetes-audit, formats/kubernetes-audit/ocsf.yaml\n"), "{said}");
    let has = |wanted: &str| {
        let mut lines = said.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        assert!(lines.any(|line| line.starts_with(wanted)), "{wanted}\n{said}");
    };
    has("class 6003, line 85: all other records");
    has("metadata.uid 4 auditID");
    has("activity_id 13 verb, looked up: create 1; get 2;");
    has("http_request.url.path 46 requestURI, up to \"?\"");
    has("src_endpoint.name 42 sourceIPs[0], as host");
    has("resources[0].namespace 61 objectRef.namespace, as string, if there is requestURI");
    has("requestURI dropped: the event has it in another form");
    let (code, said) = run(&bench, &["explain", "--mapping", "kubernetes"]);
    assert!(code == Some(1) && said.contains("no mapping `kubernetes`; the built-in ones are cloudtrail, "));
}

const DOOR: &str = "cases:
  - when: {is: {kind: badge}}
    class: 3002
    fields:
      activity_id: {value: 1}
      user.name: [name, who]
      status_id: {from: ok, lookup: {\"true\": 1, \"false\": 2}}
    drop: [gone]
";
const DOOR_POLICY: &str = "version: 1
redact: {packs: {pii: on}}
normalize:
  - {tag: door, mapping: door.yaml, name: door}
  - {tag: \"*\", raw_data: true}
";

#[test]
fn it_is_explained_what_made_an_event() {
    let bench = Bench::new();
    bench.write("policy.yaml", DOOR_POLICY);
    bench.write("door.yaml", DOOR);
    let (code, said) = run(&bench, &["build", "--policy", "policy.yaml", "--output", "audit.policy"]);
    assert_eq!(code, Some(0), "{said}");
    bench.write("door.json", r#"{"kind":"badge","who":"ann","ok":true,"gone":1,"mail":"bob@example.com"}"#);
    let explain =
        |tag: &str, record: &str| run(&bench, &["explain", "--record", record, "--tag", tag, "audit.policy"]);
    let (code, said) = explain("door", "door.json");
    assert_eq!(code, Some(0), "{said}");
    let event = "
event by the mapping door
door.yaml:2: class 3002, if kind is \"badge\"
  activity_id                                      door.yaml:5: 1
  category_uid                                     in every event
  class_uid                                        in every event
  metadata.version                                 in every event
  severity_id                                      in every event
  status_id                                        door.yaml:7: ok, looked up: true 1; false 2
  time                                             in every event
  type_uid                                         in every event
  user.name                                        door.yaml:6: who, as string
  unmapped.kind                                    no rule takes it
  unmapped.ok                                      no rule takes it
  unmapped.mail                                    no rule takes it
  gone                                             dropped, if the record has it: the event has it in another form
";
    assert!(said.ends_with(event), "{said}");
    assert!(said.contains("replaced by email: mask"), "{said}");
    // The trigger of no case, and the mapping of a format.
    bench.write("bell.json", r#"{"kind":"bell"}"#);
    assert!(explain("door", "bell.json").1.contains("\nnot normalized: no mapping is for this record"));
    bench.write("kube.json", records(KUBERNETES)[0].clone());
    let (_, said) = explain("kube", "kube.json");
    for line in [
        "event by the mapping kubernetes-audit\nformats/kubernetes-audit/ocsf.yaml:85: class 6003, all",
        "  raw_data                                         the redacted record, as the policy asks for\n",
        "  metadata.uid                                     formats/kubernetes-audit/ocsf.yaml:4: auditID",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    let (code, said) = run(&bench, &["explain", "audit.policy"]);
    assert_eq!(code, Some(0));
    let entries = "\nnormalize; the first whose tag and format match decides
  door                     door
  (that of the format)     *, with raw_data
";
    assert!(said.contains(entries) && said.contains("compiled from the text below: checked"), "{said}");
    let (_, said) = run(&bench, &["explain", "--mapping", "door", "audit.policy"]);
    assert!(said.contains("  user.name                                   6  name, as string\n"), "{said}");
}

#[test]
fn mappings_are_tried_on_logs() {
    let bench = Bench::new();
    bench.write("policy.yaml", DOOR_POLICY);
    bench.write("door.yaml", DOOR);
    let check =
        |rest: &[&str]| run(&bench, &[&["check", "--ocsf", "--policy", "policy.yaml"], rest].concat());
    let badge = r#"{"kind":"badge","who":"ann","ok":true}"#;
    bench.write("door.log", format!("{badge}\n{badge}\n{{\"kind\":\"bell\"}}\n"));
    let (code, said) = check(&["--tag", "door", "door.log"]);
    assert_eq!(code, Some(50), "{said}");
    for line in [
        "class 3002: 2 events\n",
        "ocsf-authentication: 0 valid, 2 invalid\n",
        "1 records of no known format have no mapping, or no case of it is for them\n  door.log:3\n",
        "2 of 3 records become events; 2 events are invalid\n",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    let known = records(KUBERNETES);
    bench.write("kube.log", format!("{}\n{}\n", known[0], known[1]));
    let (code, said) = check(&["--tag", "kube", "kube.log"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("class 6003: 2 events\nocsf-api-activity: 2 valid, 0 invalid\n"), "{said}");
    let (code, said) = check(&["--tag", "kube", "--json", "kube.log", "door.log"]);
    assert_eq!(code, Some(0), "{said}");
    let report: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((&report["classes"]["6003"], &report["without_mapping"]), (&2.into(), &3.into()));
    assert_eq!(check(&["door.log"]).0, Some(51));
    let (code, said) = check(&["--tag", "other", "door.log"]);
    assert_eq!(code, Some(40), "{said}");
    bench.write("policy.yaml", "version: 1\n");
    let (code, said) = check(&["--tag", "door", "door.log"]);
    assert!(code == Some(1) && said.contains("policy.yaml: has no mapping"), "{said}");
}
