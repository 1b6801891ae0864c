//! Rules of gitleaks: their findings, and the parts that are not supported.

use flb_audit_core::policy::Policy;
use flb_audit_core::redact::Redactor;
use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gitleaks")
}

/// Returns the table of a policy that names files in a folder, and the notes.
fn compile(policy: &str, folder: &Path) -> (Vec<u8>, Vec<String>) {
    let mut files =
        |name: &str| fs::read_to_string(folder.join(name)).map_err(|error| format!("{name}: {error}"));
    let policy = flb_audit_policy::Policy::read_with(policy, &mut files).expect("a policy");
    let notes = policy.notes().iter().map(|note| note.message.clone()).collect();
    (flb_audit_policy::compile(&policy).expect("a table"), notes)
}

fn text(name: &str) -> String {
    fs::read_to_string(folder().join(name)).expect("a file")
}

const POLICY: &str = "version: 1\nredact:\n  gitleaks: rules.toml\n";

/// Tests lines with a rule, or `-`, and a text in which the part to redact stands between
/// brackets.
#[test]
fn rules_find_what_gitleaks_finds() {
    let (table, _) = compile(POLICY, &folder());
    let mut redactor = Redactor::new(Policy::check(&table).expect("a sound table"), None);
    let mut failed = 0;
    for line in text("cases.txt").lines() {
        let (rule, expected) = line.split_once('\t').expect("a rule and a text");
        let text = expected.replace(['⟦', '⟧'], "");
        let (mut found, mut from) = (String::new(), 0);
        let mut names = Vec::new();
        redactor.find(text.as_bytes(), |rule, part| {
            names.push(String::from_utf8_lossy(rule.name).into_owned());
            found += &format!("{}⟦{}⟧", &text[from..part.start], &text[part.clone()]);
            from = part.end;
        });
        found += &text[from..];
        if found != expected || names.iter().any(|name| name != rule) {
            println!("{names:?}: {found}\n  and not {rule}: {expected}");
            failed += 1;
        }
    }
    assert_eq!(failed, 0);
}

#[test]
fn what_is_not_done_is_said() {
    let (_, notes) = compile(POLICY, &folder());
    assert_eq!(notes.join("\n") + "\n", text("refused.txt"));
}

/// Tests gitleaks' own rules, in the file that `FLB_AUDIT_GITLEAKS` names.
#[test]
fn most_of_gitleaks_own_rules_are_used() {
    let Some(file) = std::env::var_os("FLB_AUDIT_GITLEAKS").map(PathBuf::from) else {
        println!("skipped: FLB_AUDIT_GITLEAKS names no file");
        return;
    };
    let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
    let alone = format!("version: 1\nredact:\n  gitleaks: {name}\n");
    let with_default =
        flb_audit_policy::DEFAULT_POLICY.replace("redact:\n", &format!("redact:\n  gitleaks: {name}\n"));
    for policy in [alone, with_default] {
        let (table, notes) = compile(&policy, file.parent().expect("a folder"));
        println!("{} bytes\n{}", table.len(), notes.join("\n"));
        Policy::check(&table).expect("a sound table");
        let compiled = notes.first().and_then(|note| note.split(' ').nth(1)?.parse::<usize>().ok());
        assert!(compiled >= Some(200), "{compiled:?}");
    }
}
