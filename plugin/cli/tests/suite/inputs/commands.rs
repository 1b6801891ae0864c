//! The other commands read the same inputs.

use super::{Bench, lines, log, string};

fn docker() -> String {
    lines().iter().map(|line| format!("{{\"log\":{}}}\n", string(line))).collect()
}

#[test]
fn find_looks_into_envelopes() {
    let bench = Bench::new();
    assert!(bench.run(&["hmac-key", "keys", "--id", "k1"]).status.success());
    bench.write("docker.log", docker());
    bench.write("hits.json", format!(r#"{{"hits":[{{"_source":{}}}]}}"#, lines()[0]));
    bench.write("torn.log", format!("{}{}", &lines()[1][..40], log()));
    let find = |file: &str| {
        let output = bench.run(&["find", "--value", "mallory", "--key", "keys/hmac.key", file]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), said, String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said, _) = find("docker.log");
    assert_eq!(code, Some(0));
    assert!(said.starts_with("docker.log:1: log.user.name in the clear (intact)\n"), "{said}");
    let (code, said, _) = find("hits.json");
    assert_eq!(code, Some(0));
    assert!(said.starts_with("hits.json:1: hits[0]._source.user.name in the clear (intact)\n"), "{said}");
    let (code, said, complaint) = find("torn.log");
    assert_eq!(code, Some(0));
    assert!(said.starts_with("torn.log:1: user.name in the clear (intact)\n"), "{said}");
    assert!(complaint.contains("torn.log:1: a torn line"), "{complaint}");
    // The torn part may have contained the value.
    let output = bench.run(&["find", "--value", "nobody", "--key", "keys/hmac.key", "torn.log"]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn prove_and_checkpoints_look_into_envelopes() {
    let bench = Bench::new();
    bench.write("docker.log", docker());
    let prove = ["prove", "docker.log", "--chain", "inputs-chain", "--seg", "1", "--seq", "0"];
    let output = bench.run(&prove);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    bench.write("proof.json", output.stdout);
    let output = bench.run(&["verify", "--roster", "roster.json", "--proof", "proof.json"]);
    assert!(output.status.success());
    let output = bench.run(&["checkpoints", "docker.log"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 1);
}

#[test]
fn check_and_restore_look_into_envelopes() {
    let bench = Bench::new();
    bench.write("docker.log", docker());
    bench.write("torn.log", format!("{}{}", &lines()[1][..40], log()));
    bench.write("policy.yaml", "version: 1\nschema:\n  - {tag: app.*, file: schema.json, name: s}\n");
    bench.write("schema.json", r#"{"required":["kind"]}"#);
    let output = bench.run(&["check", "--policy", "policy.yaml", "docker.log"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(50), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("1 valid, 5 invalid") && said.contains("6 records in log, as text"), "{said}");
    assert_eq!(bench.run(&["restore", "--roster", "roster.json", "docker.log"]).status.code(), Some(40));
    let output = bench.run(&["restore", "--roster", "roster.json", "torn.log"]);
    assert_eq!(output.status.code(), Some(30));
    assert!(String::from_utf8_lossy(&output.stderr).contains("a torn line"));
}
