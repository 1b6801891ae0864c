//! `docs/policy.md` says what is so: its policies compile, its records come out
//! as it shows them, and it has every key that a policy may have.

use flb_audit_core::policy::FILE_NAME;
use flb_audit_policy::{Policy, compile};
use host_tests::page::{self, Block};
use host_tests::policy::{self, Redacted};
use host_tests::{guest, root};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::fs;

/// The members of a seal that the page shows.
const SHOWN: [&str; 7] =
    ["redacted", "schema", "disposition", "invalid", "invalid_count", "unchecked", "normalized"];

#[test]
fn records_come_out_as_the_page_shows_them() {
    let page = fs::read_to_string(root().join("docs/policy.md")).expect("the page");
    let (mut source, mut files) = (String::new(), HashMap::new());
    let (mut policies, mut records, mut wrong) = (0, 0, Vec::new());
    for Block { line, language, text } in page::blocks(&page) {
        if language == "yaml" {
            // The files of a policy follow it on the page.
            if policies > 0 {
                table(&source, &files).unwrap_or_else(|said| panic!("before line {line}: {said}"));
            }
            source = text;
            policies += 1;
        } else if let Some(name) =
            language.strip_prefix("json file ").or_else(|| language.strip_prefix("yaml file "))
        {
            files.insert(name, text);
        } else if let Some(tag) = language.strip_prefix("json ") {
            let table = table(&source, &files).unwrap_or_else(|said| panic!("line {line}: {said}"));
            let directory = policy::directory().expect("a directory");
            fs::write(directory.path().join(FILE_NAME), table).expect("a policy");
            let mut life = policy::life(&guest::FILTER, &directory);
            for pair in text.lines().collect::<Vec<_>>().chunks(2) {
                let redacted = Redacted::pass_under(tag, &mut life, pair[0]).expect("a record");
                let found = found(redacted);
                let shown: Value = serde_json::from_str(pair[1]).expect("JSON");
                if found != shown {
                    wrong.push(format!("line {line}: {found}"));
                }
                records += 1;
            }
        }
    }
    table(&source, &files).unwrap_or_else(|said| panic!("the last policy: {said}"));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(policies > 12 && records > 15, "{policies} policies, {records} records");
}

fn table(source: &str, files: &HashMap<&str, String>) -> Result<Vec<u8>, String> {
    let mut file = |name: &str| files.get(name).cloned().ok_or_else(|| "not on the page".into());
    let policy = Policy::read_with(source, &mut file).map_err(|problem| problem.to_string())?;
    compile(&policy).map_err(|problem| problem.to_string())
}

/// The record, with what its seal says of it.
fn found(Redacted { mut record, audit }: Redacted) -> Value {
    let shown = SHOWN.into_iter().filter_map(|name| Some((name.to_owned(), audit.get(name)?.clone())));
    let shown: Map<_, _> = shown.collect();
    if let Some(fields) = record.as_object_mut().filter(|_| !shown.is_empty()) {
        fields.insert("audit".into(), Value::Object(shown));
    }
    record
}

/// A key that is unknown is refused with all that are known.
#[test]
fn every_key_is_on_the_page() {
    let page = fs::read_to_string(root().join("docs/policy.md")).expect("the page");
    for (source, section) in [
        ("version: 1\nxyzzyxyzzy: 1\n", ""),
        ("version: 1\nredact: {xyzzyxyzzy: 1}\n", "redact."),
        ("version: 1\nschema: [{xyzzyxyzzy: 1}]\n", "schema: "),
        ("version: 1\nnormalize: [{xyzzyxyzzy: 1}]\n", "normalize: "),
    ] {
        let Err(problem) = Policy::read(source) else {
            panic!("{source}");
        };
        let (_, known) = problem.message.split_once("there are: ").expect("a list");
        for key in known.split(", ") {
            let is_there =
                page.lines().filter_map(|line| line.trim_start_matches('#').strip_prefix(' ')).any(|title| {
                    title.strip_prefix(section).is_some_and(|keys| keys.split(", ").any(|other| other == key))
                });
            assert!(is_there, "`{section}{key}` has no section");
        }
    }
}
