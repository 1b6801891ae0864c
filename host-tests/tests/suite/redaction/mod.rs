//! Redaction case by case, by the sealer itself and by the module that ships.
//!
//! A folder in `cases/redaction` has a `policy.yaml`, maybe an `hmac.key`, and `records`.
//! In `records`, lines with `#` describe the case, `>` is the input (`>x` in
//! hexadecimal), `<` is the output without its seal, `=` the redactions in the seal, and
//! `!` its notes. With `BLESS=1`, the test writes the outputs there.

mod files;
mod leaks;

use fixtures::policies::{checked, sealer, table};
use fixtures::records;
use flb_audit_core::redact::{HmacKey, KEY_FILE_NAME};
use flb_audit_host::filter::Generation;
use host_tests::{cases, guest};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// A record of a case.
#[derive(Debug, Default, PartialEq, Eq)]
struct Case {
    /// The lines before the record and the line of the record, unchanged.
    head: String,
    record: Vec<u8>,
    /// The lines with the expected output.
    outcome: String,
}

fn read_cases(text: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut head = String::new();
    for line in text.lines() {
        match line.as_bytes() {
            [b'<' | b'=' | b'!', ..] => {
                let case: &mut Case = cases.last_mut().expect("a record before what comes of it");
                case.outcome += line;
                case.outcome += "\n";
            }
            [b'>', rest @ ..] => {
                head = head + line + "\n";
                let record = match rest {
                    [] => Vec::new(),
                    [b'x', b' ', hex @ ..] => from_hex(hex),
                    [b' ', record @ ..] => record.to_vec(),
                    _ => panic!("{line}"),
                };
                cases.push(Case { head: std::mem::take(&mut head), record, outcome: String::new() });
            }
            _ => head = head + line + "\n",
        }
    }
    cases
}

fn from_hex(hex: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("hexadecimal") as u8;
    hex.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// Returns the output for a sealed record, as lines of a case.
fn outcome(sealed: &[u8]) -> String {
    records::intact(sealed);
    let text = str::from_utf8(sealed).expect("UTF-8");
    let (record, _) = text.rsplit_once("\"audit\":{").expect("a seal");
    let record = record.strip_suffix(',').unwrap_or(record);
    let mut lines = format!("< {record}}}\n");
    let seal = &records::parse(sealed)["audit"];
    for (mark, member) in [("=", "redacted"), ("!", "notes")] {
        for entry in seal.get(member).and_then(Value::as_array).into_iter().flatten() {
            lines += &format!("{mark} {}\n", entry.as_str().expect("a text"));
        }
    }
    lines
}

fn check(folder: &Path) {
    let shown = folder.display();
    let policy = fs::read_to_string(folder.join("policy.yaml")).expect("a policy");
    let key_file = fs::read(folder.join(KEY_FILE_NAME)).ok();
    let key = key_file.as_deref().map(|file| HmacKey::from_file(file).expect("a key"));
    let path = folder.join("records");
    let mut cases = read_cases(&fs::read_to_string(&path).expect("records"));
    let table = table(&policy);

    let mut sealer = sealer(checked(&table), key);
    let native: Vec<String> = cases
        .iter()
        .map(|case| outcome(records::text(sealer.seal(&records::event(b"tag", &case.record)))))
        .collect();

    let directory = guest::directory(Default::default());
    if let Some(file) = &key_file {
        fs::write(directory.path().join(KEY_FILE_NAME), file).expect("a file");
    }
    let filter = guest::filter_with(&table);
    let mut host = filter.host(Generation::Lasting, guest::limits(&directory));
    for (case, native) in cases.iter().zip(&native) {
        let called = host.call_bytes(b"tag", 0, 0, &case.record).expect("a call");
        assert_eq!(called.trap, None, "{shown}, {}", case.head);
        let guest = guest::returned(called);
        assert_eq!(outcome(&guest), *native, "{shown}, {}: as the guest has it", case.head);
    }

    if std::env::var_os("BLESS").is_some() {
        cases.iter_mut().zip(native).for_each(|(case, outcome)| case.outcome = outcome);
        let text: String = cases.iter().map(|case| [&*case.head, &case.outcome].concat()).collect();
        fs::write(path, text).expect("records");
        return;
    }
    for (case, native) in cases.iter().zip(&native) {
        assert_eq!(case.outcome, *native, "{shown}, {}", case.head);
    }
}

#[test]
fn records_come_out_as_the_cases_say() {
    let mut count = 0;
    for entry in fs::read_dir(cases("redaction")).expect("a folder of cases") {
        check(&entry.expect("a case").path());
        count += 1;
    }
    assert!(count >= 6, "{count} cases");
}
