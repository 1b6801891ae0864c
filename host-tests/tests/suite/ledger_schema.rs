//! A policy in a ledger's directory, for records without seals. The output of the filter
//! in `cases/schema` must also be what the ledger stores.

use flb_audit_host::component::{Answer, Limits};
use flb_audit_host::network::Network;
use flb_audit_host::output;
use flb_audit_ledger::chunk::write_json;
use flb_audit_ledger::manifest::open_name;
use host_tests::cases;
use host_tests::program::{dist, flb_audit};
use ledger_fixtures::{chunk, directory, pack};
use serde_json::Value;
use std::fs;
use std::time::Duration;

/// Returns true if a chunk can carry the record of a case unchanged, byte for byte.
fn is_carried(record: &str) -> bool {
    let Ok(value) = serde_json::from_str::<Value>(record) else {
        return false;
    };
    let (mut packed, mut text) = (Vec::new(), Vec::new());
    pack(&value, &mut packed);
    write_json(&packed, &mut text).is_some_and(|()| text == record.as_bytes())
}

#[test]
fn a_schema_applies_to_what_comes_without_a_seal() {
    let folder = cases("schema/kinds");
    let directory = directory();
    let build = flb_audit()
        .args(["build", "--policy"])
        .arg(folder.join("policy.yaml"))
        .arg("--output")
        .arg(directory.path().join("audit.policy"))
        .output()
        .expect("dist/flb-audit");
    assert!(build.status.success(), "{}", String::from_utf8_lossy(&build.stderr));
    let limits = Limits {
        memory_bytes_max: 64 << 20,
        deadline: Duration::from_secs(60),
        directory: Some(directory.path().to_path_buf()),
        is_writable: true,
        network: Network::default(),
    };
    let output =
        output::start(&dist("out_audit.wasm"), limits, None, |_| None, &mut Vec::new()).expect("started");
    let cases = fs::read_to_string(folder.join("records.json")).expect("cases");
    let cases: Vec<Value> = serde_json::from_str(&cases).expect("JSON");
    let text = |case: &Value, name: &str| case[name].as_str().expect("text").to_owned();
    let cases: Vec<_> = cases.iter().filter(|case| is_carried(&text(case, "record"))).collect();
    for case in &cases {
        let record = serde_json::from_str(&text(case, "record")).expect("JSON");
        let reply = output.flush(text(case, "tag").as_bytes(), &chunk(&[record]));
        assert!(matches!(reply.answer, Answer::Ok), "{case}: {:?}", reply.lines);
    }
    let held = fs::read_to_string(directory.path().join(open_name(1))).expect("a file");
    assert_eq!(held.lines().count(), cases.len());
    for (case, line) in cases.iter().zip(held.lines()) {
        let (record, seal) = line.rsplit_once("\"audit\":").expect("a seal");
        let record = record.strip_suffix(',').unwrap_or(record);
        assert_eq!(format!("{record}}}"), text(case, "out"), "{case}");
        let seal: Value = serde_json::from_str(&seal[..seal.len() - 1]).expect("JSON");
        for name in ["schema", "disposition", "invalid", "unchecked", "redacted", "renamed"] {
            assert_eq!(seal.get(name), case["seal"].get(name), "{case}: {name}");
        }
    }
    for disposition in ["quarantine", "drop"] {
        assert!(cases.iter().any(|case| case["seal"]["disposition"] == disposition), "none: {disposition}");
    }
    let is_marked =
        |case: &&&Value| case["seal"].get("invalid").is_some() && case["seal"].get("disposition").is_none();
    assert!(cases.iter().filter(is_marked).count() >= 2 && cases.len() >= 10, "{} cases", cases.len());
    let verify =
        flb_audit().args(["verify", "--json"]).arg(directory.path()).output().expect("dist/flb-audit");
    let report: Value = serde_json::from_slice(&verify.stdout).expect("a report");
    let said = |name: &str| report["chains"][0]["schema"][name].as_u64().expect("a number");
    let count =
        |is_it: &dyn Fn(&Value) -> bool| cases.iter().filter(|case| is_it(&case["seal"])).count() as u64;
    assert_eq!(report["verdict"], "unsigned", "{report}");
    assert_eq!(said("invalid"), count(&|seal| seal.get("invalid").is_some()), "{report}");
    assert_eq!(said("quarantined"), count(&|seal| seal["disposition"] == "quarantine"), "{report}");
    assert_eq!(said("dropped"), count(&|seal| seal["disposition"] == "drop"), "{report}");
}
