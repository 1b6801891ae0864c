//! Schemas, case by case: by the sealer as it is, and by the module that ships.
//!
//! A folder in `cases/schema` has a `policy.yaml`, the schemas that it names, and
//! `records.json`: what is shown, what comes in (`tag`; `record`, as text) and
//! what goes out (`out`, the record without its seal, as text; `seal`, what the
//! seal says of it). With `BLESS=1`, what goes out is written there.

mod agreement;
mod allocations;
mod fuel;

use fixtures::policies::{checked, sealer};
use fixtures::records;
use flb_audit_core::policy::FILE_NAME;
use flb_audit_host::filter::Generation;
use flb_audit_policy::{Policy, compile};
use host_tests::{cases, guest, specification};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::Path;

/// The members of a seal that are as its record is.
const SAID: [&str; 10] = [
    "schema",
    "disposition",
    "invalid",
    "invalid_count",
    "unchecked",
    "redacted",
    "normalized",
    "notes",
    "renamed",
    "error",
];

/// The table of a policy whose files stand beside it.
fn table(folder: &Path) -> Vec<u8> {
    let source = fs::read_to_string(folder.join("policy.yaml")).expect("a policy");
    let mut files = |name: &str| fs::read_to_string(folder.join(name)).map_err(|error| error.to_string());
    let policy = Policy::read_with(&source, &mut files).unwrap_or_else(|problem| panic!("{problem}"));
    compile(&policy).unwrap_or_else(|problem| panic!("{problem}"))
}

/// The output: the record's text, and the statements of its seal.
fn outcome(sealed: &[u8]) -> (String, Value) {
    records::intact(sealed);
    let text = str::from_utf8(sealed).expect("UTF-8");
    let (record, _) = text.rsplit_once("\"audit\":{").expect("a seal");
    let record = record.strip_suffix(',').unwrap_or(record);
    let seal = &records::parse(sealed)["audit"];
    assert_eq!(seal["head"], specification::base64url(&specification::seal(text).head), "{text}");
    let said = SAID.into_iter().filter_map(|name| Some((name.to_owned(), seal.get(name)?.clone())));
    (format!("{record}}}"), Value::Object(said.collect::<Map<_, _>>()))
}

fn check(folder: &Path) {
    let shown = folder.display();
    let path = folder.join("records.json");
    let mut cases: Vec<Value> =
        serde_json::from_str(&fs::read_to_string(&path).expect("records")).expect("JSON");
    let table = table(folder);
    let mut sealer = sealer(checked(&table), None);
    let directory = guest::directory(Default::default());
    fs::write(directory.path().join(FILE_NAME), &table).expect("a file");
    let mut host = guest::FILTER.host(Generation::Lasting, guest::limits(&directory));
    let is_blessed = std::env::var_os("BLESS").is_some();
    for case in &mut cases {
        let what = case["what"].as_str().expect("what is shown").to_owned();
        let tag = case["tag"].as_str().expect("a tag").as_bytes();
        let record = case["record"].as_str().expect("a record").as_bytes();
        let (out, seal) = outcome(records::text(sealer.seal(&records::event(tag, record))));
        let called = host.call_bytes(tag, 0, 0, record).expect("a call");
        let guest = outcome(&guest::returned(called));
        assert_eq!(guest, (out.clone(), seal.clone()), "{shown}: {what}: as the guest has it");
        if is_blessed {
            case["out"] = json!(out);
            case["seal"] = seal;
        } else {
            assert_eq!(case["out"], *out, "{shown}: {what}");
            assert_eq!(case["seal"], seal, "{shown}: {what}");
        }
    }
    if is_blessed {
        fs::write(path, serde_json::to_string_pretty(&cases).expect("JSON") + "\n").expect("records");
    }
}

#[test]
fn records_come_out_as_the_cases_say() {
    let mut count = 0;
    for entry in fs::read_dir(cases("schema")).expect("a folder of cases") {
        check(&entry.expect("a case").path());
        count += 1;
    }
    assert!(count >= 2, "{count} cases");
}
