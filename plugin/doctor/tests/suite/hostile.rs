//! Files that are no configurations or mean harm: nothing panics or hangs, and reading
//! always ends.

use flb_audit_doctor::{FILE_BYTES_MAX, Finding, Options, Refused, examine, fix};
use proptest::prelude::*;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

fn findings(directory: &Path, name: &str, text: impl AsRef<[u8]>) -> Vec<Finding> {
    let path = directory.join(name);
    fs::write(&path, text).expect("a configuration");
    examine(&path, &Options::default()).expect("a regular file").findings
}

fn assert_says(findings: &[Finding], said: &str) {
    let is_said = |finding: &Finding| finding.id == "syntax" && finding.message.contains(said);
    let all: Vec<&str> = findings.iter().map(|finding| finding.message.as_str()).collect();
    assert!(findings.iter().any(is_said), "{said}: {all:?}");
}

#[test]
fn files_that_include_each_other_are_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let own = directory.path();
    fs::write(own.join("b.conf"), "@INCLUDE a.conf\n").expect("a file");
    assert_says(&findings(own, "a.conf", "@INCLUDE b.conf\n"), "read before");
    fs::write(own.join("b.yaml"), "includes: [a.yaml]\n").expect("a file");
    assert_says(&findings(own, "a.yaml", "includes: [b.yaml]\n"), "read before");
    assert_says(&findings(own, "self.conf", "@INCLUDE *.conf\n"), "read before");
}

#[test]
fn long_ways_of_includes_are_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let own = directory.path();
    for n in 0..100 {
        fs::write(own.join(format!("{n}.conf")), format!("@INCLUDE {}.conf\n", n + 1)).expect("a file");
    }
    let said = examine(&own.join("0.conf"), &Options::default()).expect("a file").findings;
    assert_says(&said, "more than 32 deep");
}

#[test]
fn what_is_no_file_is_refused_and_not_waited_for() {
    let directory = tempfile::tempdir().expect("a directory");
    let own = directory.path();
    let pipe = own.join("pipe.conf");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    for path in [pipe.as_path(), Path::new("/dev/zero"), own] {
        let refused = examine(path, &Options::default()).err();
        assert_eq!(refused, Some(Refused::NotAFile), "{}", path.display());
    }
    assert_says(&findings(own, "a.conf", "@INCLUDE pipe.conf\n@INCLUDE /dev/zero\n"), "not a regular file");
    assert_says(&findings(own, "a.yaml", "includes:\n  - /dev/zero\n"), "not a regular file");
    let service = findings(own, "b.yaml", "service:\n  parsers_file: /dev/zero\n");
    assert!(service.iter().any(|finding| finding.id == "file-missing"));
    assert_eq!(examine(&own.join("none"), &Options::default()).err(), Some(Refused::Missing));
}

#[test]
fn huge_files_are_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("huge.yaml");
    fs::File::create(&path).expect("a file").set_len(1 << 40).expect("a length");
    assert_eq!(examine(&path, &Options::default()).err(), Some(Refused::TooLong));
    fs::write(&path, vec![b'#'; FILE_BYTES_MAX]).expect("a file");
    assert!(examine(&path, &Options::default()).is_ok());
}

#[test]
fn many_files_are_too_much() {
    let directory = tempfile::tempdir().expect("a directory");
    let own = directory.path();
    fs::create_dir(own.join("d")).expect("a directory");
    for n in 0..12 {
        fs::write(own.join(format!("d/{n}.conf")), vec![b'#'; FILE_BYTES_MAX - 1]).expect("a file");
    }
    assert_says(&findings(own, "a.conf", "@INCLUDE d/*.conf\n"), "bytes together");
}

#[test]
fn deep_yaml_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    for text in ["[".repeat(100_000), "a: {".repeat(5000), "- ".repeat(5000)] {
        let found = findings(directory.path(), "a.yaml", text);
        assert!(found.iter().any(|finding| finding.id == "syntax"));
    }
}

#[test]
fn rules_that_multiply_tags_come_to_an_end() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut text = String::from("pipeline:\n  inputs:\n    - {name: dummy, tag: a}\n  filters:\n");
    for n in 0..40 {
        text += &format!("    - {{name: rewrite_tag, match: '*', rule: '$log ^x$ $TAG.{n} false'}}\n");
    }
    let started = Instant::now();
    findings(directory.path(), "a.yaml", text);
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn large_configurations_come_to_an_end() {
    let directory = tempfile::tempdir().expect("a directory");
    let long = "a*".repeat(90);
    let mut text = String::new();
    for n in 0..330 {
        text += &format!("[INPUT]\n    Name tail\n    Tag {long}{n}\n    Path /x{n}\n");
        text += &format!(
            "[FILTER]\n    Name wasm\n    Match {long}*\n    Function_Name audit\n    Accessible_Paths /s\n"
        );
        text += "[OUTPUT]\n    Name http\n    Match *\n";
    }
    let started = Instant::now();
    assert!(!findings(directory.path(), "a.conf", &text).is_empty());
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    assert_says(&findings(directory.path(), "a.conf", "[INPUT]\n".repeat(2000)), "more than 1000 sections");
}

#[test]
fn texts_that_are_slow_to_read_come_to_an_end() {
    let directory = tempfile::tempdir().expect("a directory");
    for part in [
        "- ", "? ", "a: ", "{", "\"", "'", "&a ", "!a ", "a\n\n", "- a\n", "|\n", "\t", "a:\n- ", "{a: b},",
        "%", "*a ", "~\n", " #",
    ] {
        for name in ["a.yaml", "a.conf"] {
            let started = Instant::now();
            findings(directory.path(), name, part.repeat(500_000 / part.len()));
            assert!(
                started.elapsed() < Duration::from_secs(10),
                "{part:?} in {name}: {:?}",
                started.elapsed()
            );
        }
    }
}

/// Returns lines as configurations have them, and worse.
fn lines() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "[INPUT]",
        "[FILTER]",
        "[OUTPUT]",
        "[SERVICE]",
        "    Name tail",
        "    Match *",
        "    Path /a.log",
        "\tName wasm",
        "    [X]",
        "@SET A=b",
        "@SET",
        "@INCLUDE *",
        "    accessible_paths ${A}",
        "    Rule $a ^x$ $TAG.$a['b'][ false",
        "pipeline:",
        "  inputs:",
        "    - name: tail",
        "      path: [a, b]",
        "      tag: <x>*",
        "  filters: []",
        "    - {name: wasm, function_name: audit}",
        "  outputs:",
        "    - name: file",
        "      processors: {logs: [{name: x}]}",
        "      match_regex: '(['",
        "env: [{a: b}]",
        "service: {parsers_file: x}",
        "'",
        "\"",
        "&a *a",
        "? x",
        "---",
        "...",
        "      retry_limit: ${B:-${C}}",
        "\u{0}",
        "\r",
        "# ",
        "%YAML 1.1",
        "plugins: [x]",
    ]);
    prop::collection::vec(prop_oneof![4 => words.prop_map(String::from), 1 => ".{0,20}"], 0..30)
        .prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_examined_and_fixed(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        examine_and_fix(&bytes);
    }

    #[test]
    fn arbitrary_lines_are_examined_and_fixed(text in lines()) {
        examine_and_fix(text.as_bytes());
    }
}

fn examine_and_fix(bytes: &[u8]) {
    let directory = tempfile::tempdir().expect("a directory");
    for name in ["a.conf", "a.yaml"] {
        let path = directory.path().join(name);
        fs::write(&path, bytes).expect("a configuration");
        let started = Instant::now();
        examine(&path, &Options::default()).expect("a regular file");
        fix(&path, &Options::default()).expect("a regular file");
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    }
}
