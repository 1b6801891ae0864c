//! `flb-audit test`: its report on passing and failing cases.

use super::Place;
use host_tests::root;
use serde_json::Value;

const POLICY: &str = "version: 1
redact:
  packs: {secrets: on, pii: hmac}
schema:
  - {tag: app, built-in: actor-action-object}
";

#[test]
fn the_cases_of_the_example_hold() {
    let place = Place::new();
    let policies = root().join("examples/policies");
    let (policy, cases) = (policies.join("sshd.yaml"), policies.join("cases/sshd.yaml"));
    let paths = [policy, cases].map(|path| path.to_str().expect("UTF-8").to_owned());
    assert_eq!(place.ok(&["test", "--policy", &paths[0], &paths[1]]), "0 of 3 cases fail\n");
}

#[test]
fn what_does_not_hold_is_told() {
    let place = Place::new();
    place.write("policy.yaml", POLICY);
    place.write(
        "cases.yaml",
        "- name: leaks
  record: {note: the word is hunter2, to: ann@example.com}
  gone: [hunter2]
  stay: [ann]
- record: {password: x7, n: [1, 2]}
  becomes: {password: '[secret-key]', n: [1, 3], more: true}
- {tag: app, record: {a: 1}, valid: true}
- {record: {a: 1}, valid: false}
- record: '{\"password\": \"x7\"'
  gone: [x7]
",
    );
    let output = place.run(&["test", "--policy", "policy.yaml", "cases.yaml"]);
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(output.status.code(), Some(70), "{said}");
    for line in [
        "cases.yaml:1: leaks\n  leaks        \"hunter2\"\n  lacks        \"ann\"\n",
        "cases.yaml:2: \n  - n[1]: 3\n  + n[1]: 2\n  - more: true\n",
        "cases.yaml:3: \n  is not valid, but invalid: ",
        "cases.yaml:4: \n  is not invalid, but without a schema\n",
        "4 of 5 cases fail\n",
    ] {
        assert!(said.contains(line), "{line} is not in\n{said}");
    }
}

#[test]
fn lines_of_json_are_cases_and_so_are_reports() {
    let place = Place::new();
    place.write("policy.yaml", POLICY);
    place.write(
        "cases.ndjson",
        "{\"record\":{\"a\":\"x7\"},\"gone\":[\"x7\"]}\n\n{\"record\":{},\"stay\":[\"{}\"]}\n\
         {\"record\":{\"a\":\"b\\\\\"},\"gone\":[\"b\\\"\"],\"stay\":[\"b\\\\\"]}\n",
    );
    let output = place.run(&["test", "--policy", "policy.yaml", "--json", "cases.ndjson"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(output.status.code(), Some(70));
    let failures =
        (&report["exit_code"], &report["cases"], &report["failed"], &report["failures"][0]["number"]);
    assert_eq!(failures, (&70.into(), &3.into(), &1.into(), &1.into()));

    place.write("none.ndjson", "");
    let output = place.run(&["test", "--policy", "policy.yaml", "none.ndjson"]);
    assert_eq!(output.status.code(), Some(40));
}

#[test]
fn a_case_that_expects_nothing_is_refused() {
    let place = Place::new();
    place.write("policy.yaml", POLICY);
    for (file, text, said) in [
        ("a.yaml", "- {record: {}}", "a.yaml:1: expects nothing"),
        ("b.yaml", "record: {}", "b.yaml: must be a list"),
        ("c.ndjson", "{\"record\":{},\"gon\":[]}", "c.ndjson:1: unknown field"),
        ("d.ndjson", "{", "d.ndjson:1"),
    ] {
        place.write(file, text);
        let error = place.fails(&["test", "--policy", "policy.yaml", file]);
        assert!(error.contains(said), "{error}");
    }
}
