//! Corrected copies: every possible property is set, nothing else changes, and correcting
//! a copy again changes nothing.

use flb_audit_doctor::{Finding, Options, examine, fix};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn configurations() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            let is_config =
                path.extension().is_some_and(|extension| extension == "yaml" || extension == "conf");
            if path.is_dir() {
                open.push(path);
            } else if is_config {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn ids(findings: &[Finding]) -> BTreeSet<&str> {
    findings.iter().map(|finding| finding.id).collect()
}

/// Checks that a copy has all lines of the original in their order, except lines whose
/// value was replaced.
fn assert_nothing_else_changed(path: &Path, original: &[u8], copy: &[u8]) {
    let key = |line: &[u8]| {
        let text = String::from_utf8_lossy(line).into_owned();
        let indent = text.len() - text.trim_start().len();
        let word = text.trim_start().trim_start_matches("- ");
        (indent, word.split([' ', ':']).next().unwrap_or_default().to_owned())
    };
    let mut copied = copy.split_inclusive(|byte| *byte == b'\n');
    for line in original.split_inclusive(|byte| *byte == b'\n') {
        let same = copied
            .any(|other| other == line || other.trim_ascii() == line.trim_ascii() || key(other) == key(line));
        assert!(same, "{}: {}", path.display(), String::from_utf8_lossy(line));
    }
}

#[test]
fn what_can_be_corrected_is_corrected() {
    let (mut count, mut left) = (0, Vec::new());
    for path in configurations() {
        let options = Options::default();
        let before = examine(&path, &options).expect("a configuration");
        let after = fix(&path, &options).expect("a configuration");
        count += after.count;
        let (were, are) = (ids(&before.findings), ids(&after.examination.findings));
        // A corrected configuration has no finding that it did not have before.
        assert!(are.is_subset(&were), "{}: {are:?} after {were:?}", path.display());
        for source in &before.sources {
            if let Some(copy) = after.files.get(&source.path) {
                assert_nothing_else_changed(&source.path, &source.bytes, copy);
            }
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        let is_flow = text.contains("pipeline: {") || text.contains("processors:");
        let with_lines = after.examination.findings.iter().filter(|finding| can_be_set(finding) && !is_flow);
        left.extend(
            with_lines.map(|finding| format!("{}: {} {:?}", path.display(), finding.id, finding.lines)),
        );
    }
    assert!(count > 100, "{count} properties");
    assert!(left.is_empty(), "{}", left.join("\n"));
}

/// Checks whether a finding names a property, and not a section or a command.
fn can_be_set(finding: &Finding) -> bool {
    let by_hand = ["unguarded", "plugin-missing", "component-property", "output-key"];
    !finding.lines.is_empty() && !by_hand.contains(&finding.id)
}

#[test]
fn comments_quotes_and_line_ends_stay() {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, before, after) in [
        (
            "a.yaml",
            "service: {storage.path: /s}\npipeline:\n  inputs:\n    - name: tail   # the log\n      path: /x*\n      db: /d\n      \
             read_from_head: 'off' # why\n      skip_long_lines: \"off\"\n      buffer_max_size: 1k # small\n      \
             storage.type: filesystem",
            "service: {storage.path: /s}\npipeline:\n  inputs:\n    - name: tail   # the log\n      path: /x*\n      db: /d\n      \
             read_from_head: on # why\n      skip_long_lines: on\n      buffer_max_size: 16M # small\n      \
             storage.type: filesystem",
        ),
        (
            "a.conf",
            "[SERVICE]\r\n\tstorage.path /s\r\n[INPUT]\r\n\tName   tail\r\n\tPath /x*\r\n\tDB\t/d\r\n",
            "[SERVICE]\r\n\tstorage.path /s\r\n[INPUT]\r\n\tName   tail\r\n\tPath /x*\r\n\tDB\t/d\r\n",
        ),
        (
            "b.conf",
            "[SERVICE]\r\n\tstorage.path /s\r\n[INPUT]\r\n\tDB  /d\r\n\tPath /x*\r\n\tRead_From_Head  False\r\n\t\
             storage.type filesystem\r\n\tBuffer_Max_Size  1M\r\n\tName  tail",
            "[SERVICE]\r\n\tstorage.path /s\r\n[INPUT]\r\n\tDB  /d\r\n\tPath /x*\r\n\tRead_From_Head  on\r\n\t\
             storage.type filesystem\r\n\tBuffer_Max_Size  1M\r\n\tName  tail\n\tskip_long_lines on",
        ),
    ] {
        let path = directory.path().join(name);
        fs::write(&path, before).expect("a configuration");
        let fixed = fix(&path, &Options::default()).expect("a configuration");
        let copy =
            fixed.files.get(&path).map_or(before.into(), |bytes| String::from_utf8_lossy(bytes).into_owned());
        assert_eq!(copy, after, "{name}");
    }
}
