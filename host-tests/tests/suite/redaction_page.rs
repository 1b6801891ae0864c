//! Checks `docs/redaction.md`: its policies compile, its records come out as shown, and
//! its table is the catalogue.

use flb_audit_policy::DEFAULT_POLICY;
use host_tests::policy::{self, Redacted};
use host_tests::{guest, page, root};
use serde_json::Value;
use std::fs;

/// The members of a seal that the page may show.
const SHOWN: [&str; 2] = ["redacted", "notes"];

#[test]
fn records_come_out_as_the_page_shows_them() {
    let page = page::read().expect("the page");
    let mut policy = DEFAULT_POLICY.to_owned();
    let (mut policies, mut records, mut failed) = (0, 0, 0);
    for block in page::blocks(&page) {
        match block.language {
            "yaml" => {
                policy = block.text;
                if let Err(problem) = policy::table(&policy) {
                    panic!("line {}: {problem}", block.line);
                }
                policies += 1;
            }
            "json" | "json no-key" => {
                let directory = policy::directory().expect("a directory");
                policy::write_policy(directory.path(), &policy).expect("a policy");
                if block.language == "json" {
                    policy::write_key(directory.path()).expect("a key");
                }
                let mut life = policy::life(&guest::FILTER, &directory);
                for pair in block.text.lines().collect::<Vec<_>>().chunks(2) {
                    let redacted = Redacted::pass(&mut life, pair[0]).expect("a record");
                    if let Err(what) = compare(&redacted, pair[1]) {
                        println!("line {}: {what}", block.line);
                        failed += 1;
                    }
                    records += 1;
                }
            }
            _ => {}
        }
    }
    println!("{policies} policies, {records} records");
    assert!(policies > 5 && records > 5 && failed == 0);
}

/// The README has a record, and the record that comes out of the module that ships,
/// without the members of its seal.
#[test]
fn the_record_in_the_readme_comes_out_as_the_readme_shows_it() {
    let readme = fs::read_to_string(root().join("README.md")).expect("the page");
    let pair = page::blocks(&readme).into_iter().find(|block| block.language == "json").expect("records");
    let (record, shown) = pair.text.trim_end().split_once('\n').expect("two records");
    let directory = policy::directory().expect("a directory");
    policy::write_policy(directory.path(), DEFAULT_POLICY).expect("a policy");
    let redacted = Redacted::pass(&mut policy::life(&guest::FILTER, &directory), record).expect("a record");
    assert_eq!(compare(&redacted, &shown.replace(",\"audit\":{…}", "")), Ok(()));
}

/// Compares a record with the one on the page, and the seal's members if the page shows
/// any.
fn compare(found: &Redacted, shown: &str) -> Result<(), String> {
    let mut shown: Value = serde_json::from_str(shown).map_err(|error| error.to_string())?;
    let audit = shown.as_object_mut().and_then(|fields| fields.shift_remove("audit"));
    if found.record != shown {
        return Err(format!("{}\nand not {shown}", found.record));
    }
    let differs = |name: &&&str| audit.as_ref().is_some_and(|audit| audit[**name] != found.audit[**name]);
    match SHOWN.iter().find(differs) {
        Some(name) => Err(format!("{name}: {}", found.audit[*name])),
        None => Ok(()),
    }
}

#[test]
fn the_table_is_the_catalogue() {
    let page = page::read().expect("the page");
    let table = page::table(&page, page::DETECTORS).expect("a table");
    assert_eq!(table, page::detectors_table(), "`cargo xtask redaction` writes it");
}
