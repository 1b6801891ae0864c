//! Wrong policies, with the place and the message of the error, and right ones.

use flb_audit_core::policy::{Kind, Policy as Table};
use flb_audit_policy::{DEFAULT_POLICY, Policy, Problem, compile};

/// Returns the problem of a policy.
#[track_caller]
fn problem(source: &str) -> Problem {
    match Policy::read(source).and_then(|policy| compile(&policy)) {
        Ok(_) => panic!("nothing is wrong with:\n{source}"),
        Err(problem) => problem,
    }
}

/// The text of a policy, the place of its error, and parts of the message.
const WRONG: &[(&str, (usize, usize), &[&str])] = &[
    ("", (1, 1), &["`version: 1` is missing"]),
    ("- a\n", (1, 1), &["has to be a mapping: lines of `key: value`"]),
    ("version: 1\nredact: [\n", (3, 1), &["not YAML"]),
    ("version: 1\n\tredact: 1\n", (1, 10), &["not YAML", "found a tab"]),
    ("version: 1\n---\nversion: 1\nredact: {packs: {pii: on}}\n", (2, 1), &["one document", "its own file"]),
    ("version: 1\n...\nredact: {}\n", (3, 7), &["one document"]),
    ("version: 1\n...\n---\n", (3, 1), &["one document"]),
    ("version: 1\n...\n]\n", (3, 1), &["one document"]),
    ("version: 1\n---\n# Nothing.\n", (2, 1), &["one document"]),
    ("version: 2\n", (1, 10), &["`version` has to be 1"]),
    ("redact: {}\n", (1, 1), &["`version: 1` is missing"]),
    (
        "version: 1\nversion: 1\n",
        (2, 1),
        &["the key `version` is there already, at 1:1", "make one of the two"],
    ),
    (
        "version: 1\nredact:\n  packs: {pii: on}\n  keep: {}\n  packs: {network: on}\n",
        (5, 3),
        &["the key `packs` is there already, at 3:3"],
    ),
    ("version: 1\nredact: {keep: {}, keep: {}}\n", (2, 20), &["the key `keep` is there already, at 2:10"]),
    ("version: 1\nredact: &a {}\n", (2, 12), &["not YAML as policies use it", "anchor"]),
    ("version: !!int 1\n", (1, 16), &["not YAML as policies use it", "tag"]),
    ("version: 1\n? [a]\n: 1\n", (2, 3), &["not YAML as policies use it", "key"]),
    ("version: 1\nredcat: {}\n", (2, 1), &["`redcat` is no key in a policy", "did you mean `redact`?"]),
    ("version: 1\nredact:\n  detector: {}\n", (3, 3), &["did you mean `detectors`?"]),
    ("version: 1\nredact: on\n", (2, 9), &["`redact` has to be a mapping"]),
    ("version: 1\nredact:\n  packs: {pi: on}\n", (3, 11), &["no pack", "did you mean `pii`?"]),
    ("version: 1\nredact:\n  packs: {all: on}\n", (3, 11), &["there are: secrets, pii, network"]),
    (
        "version: 1\nredact:\n  detectors:\n    emial: on\n",
        (4, 5),
        &["`emial` is no detector", "did you mean `email`?"],
    ),
    (
        "version: 1\nredact:\n  detectors:\n    nothing-like-it: on\n",
        (4, 5),
        &["there are: aws-secret-access-key, "],
    ),
    ("version: 1\nredact:\n  detectors: {email: maks}\n", (3, 22), &["no action", "did you mean `mask`?"]),
    ("version: 1\nredact:\n  detectors: {email: [mask]}\n", (3, 22), &["single value"]),
    (
        "version: 1\nredact:\n  detectors: {email: truncate}\n",
        (3, 22),
        &["`truncate` is for the detectors ipv4 and ipv6"],
    ),
    ("version: 1\nredact:\n  packs: {network: truncate}\n", (3, 20), &["`truncate` is for"]),
    ("version: 1\nredact:\n  detectors: {email: {partial: 0}}\n", (3, 32), &["1 to 255"]),
    ("version: 1\nredact:\n  detectors: {email: {partial: 256}}\n", (3, 32), &["1 to 255"]),
    ("version: 1\nredact:\n  detectors: {email: {last: 4}}\n", (3, 23), &["`last` is no key in an action"]),
    ("version: 1\nredact:\n  patterns: {name: a}\n", (3, 13), &["`patterns` has to be a list"]),
    ("version: 1\nredact:\n  patterns:\n    - {pattern: a, action: mask}\n", (4, 7), &["`name` is missing"]),
    ("version: 1\nredact:\n  patterns:\n    - {name: a, action: mask}\n", (4, 7), &["`pattern` is missing"]),
    ("version: 1\nredact:\n  patterns:\n    - {name: a, pattern: b}\n", (4, 7), &["`action` is missing"]),
    (
        "version: 1\nredact:\n  patterns:\n    - {name: a, pattern: b, action: off}\n",
        (4, 37),
        &["`off` is for built-in detectors"],
    ),
    (
        "version: 1\nredact:\n  patterns:\n    - {name: a b, pattern: b, action: mask}\n",
        (4, 14),
        &["letters, digits"],
    ),
    (
        "version: 1\nredact:\n  patterns:\n    - {name: email, pattern: b, action: mask}\n",
        (4, 14),
        &["built-in detector"],
    ),
    (
        "version: 1\nredact:\n  patterns:\n    - {name: unscanned, pattern: b, action: mask}\n",
        (4, 14),
        &["`unscanned`"],
    ),
    (
        "version: 1\nredact:\n  patterns:\n    - {name: a, pattern: \"(b\", action: mask}\n",
        (4, 26),
        &["the pattern of `a`", "unclosed group"],
    ),
    (
        "version: 1\nredact:\n  patterns:\n    - name: a\n      pattern: \"b|(?P<c\"\n      action: mask\n",
        (5, 16),
        &["the pattern of `a`"],
    ),
    (
        "version: 1\nredact:\n  patterns:\n    - {name: a, pattern: \"b*\", action: mask}\n",
        (4, 26),
        &["the pattern of `a`", "empty text"],
    ),
    (
        "version: 1\nredact:\n  patterns:\n    - {name: a, pattern: \"\", action: mask}\n",
        (4, 26),
        &["empty text"],
    ),
    (
        "version: 1\nredact:\n  patterns:\n    - {name: a, pattern: \"^|b\", action: mask}\n",
        (4, 26),
        &["empty text"],
    ),
    (
        "version: 1\nredact:\n  patterns:\n    - {name: a, pattern: \"[ab]{1,90}a[ab]{15}\", action: mask}\n",
        (4, 26),
        &["the pattern of `a`", "more than 65536 transitions"],
    ),
    (
        "version: 1\nredact:\n  patterns:\n    - {name: a, pattern: \"'[^']*'\", action: mask}\n",
        (4, 26),
        &["the pattern of `a`", "more than 256 bytes", "bound what it repeats"],
    ),
    (
        "version: 1\nredact:\n  keys:\n    - {pattern: \"(\", action: mask}\n",
        (4, 17),
        &["the pattern of `key`", "unclosed"],
    ),
    ("version: 1\nredact:\n  keys:\n    - {pattern: \"x?\", action: mask}\n", (4, 17), &["empty text"]),
    ("version: 1\nredact:\n  keys:\n    - {patern: x, action: mask}\n", (4, 8), &["did you mean `pattern`?"]),
    (
        "version: 1\nredact:\n  paths:\n    - {path: \"a..b\", action: mask}\n",
        (4, 14),
        &["`a..b` is no path", "a key is missing"],
    ),
    (
        "version: 1\nredact:\n  paths:\n    - {path: \"a[0]\", action: mask}\n",
        (4, 14),
        &["elements have no numbers"],
    ),
    ("version: 1\nredact:\n  paths:\n    - {path: \"\", action: mask}\n", (4, 14), &["it is empty"]),
    ("version: 1\nredact:\n  paths:\n    - {action: mask}\n", (4, 7), &["`path` is missing"]),
    (
        "version: 1\nredact:\n  keep:\n    formats: [cloudtrial]\n",
        (4, 15),
        &["no format", "did you mean `cloudtrail`?"],
    ),
    ("version: 1\nredact:\n  keep:\n    paths: [\"a b\"]\n", (4, 13), &["`a b` is no path"]),
    ("version: 1\nredact:\n  keep: [a]\n", (3, 9), &["`keep` has to be a mapping"]),
    (
        "version: 1\nredact:\n  paths: [{path: a.b, action: mask}, {path: 'a.\"b\".**', action: remove}]\n",
        (3, 45),
        &["this path is listed twice", "remove one of them"],
    ),
    (
        "version: 1\nredact:\n  paths: [{path: a, action: mask}]\n  keep: {paths: [b, a]}\n",
        (4, 21),
        &["this path is listed twice"],
    ),
    ("version: 1\nredact:\n  keep: {paths: [b, b]}\n", (3, 21), &["this path is listed twice"]),
    (
        "version: 1\nredact:\n  patterns:\n    - {name: a, pattern: b, action: mask}\n    - {name: a, pattern: c, action: mask}\n",
        (5, 14),
        &["there is a pattern `a` already", "`b|c`"],
    ),
    (
        "version: 1\nredact:\n  keys: [{pattern: a, action: mask, class: b}]\n",
        (3, 44),
        &["`class` goes with the action `hmac`"],
    ),
    (
        "version: 1\nschema:\n  - {tag: '*', built-in: sshd}\n  - {tag: a, built-in: sudo}\n",
        (4, 5),
        &["the entry of line 3 takes all records of `a`", "above it"],
    ),
    (
        "version: 1\nschema:\n  - {tag: a, built-in: sshd}\n  - {tag: a, built-in: sudo, field: b, value: c}\n",
        (4, 5),
        &["the entry of line 3"],
    ),
    (
        "version: 1\nschema:\n  - {tag: a, built-in: sshd, field: b, value: c}\n  - {tag: a, built-in: sudo, field: b, value: c}\n",
        (4, 5),
        &["the entry of line 3"],
    ),
    ("version: 1\nschema: {tag: a}\n", (2, 9), &["`schema` has to be a list"]),
    (
        "version: 1\nschema:\n  - {tga: a}\n",
        (3, 6),
        &["no key in an entry of `schema`", "did you mean `tag`?"],
    ),
    ("version: 1\nschema:\n  - {built-in: sshd}\n", (3, 5), &["`tag` is missing"]),
    ("version: 1\nschema:\n  - {tag: '', built-in: sshd}\n", (3, 11), &["as Fluent Bit's `match` does"]),
    ("version: 1\nschema:\n  - {tag: a}\n", (3, 5), &["`built-in` or `file` is missing"]),
    ("version: 1\nschema:\n  - {tag: a, built-in: sshd, file: b}\n", (3, 36), &["exclude each other"]),
    (
        "version: 1\nschema:\n  - {tag: a, built-in: sshdd}\n",
        (3, 24),
        &["no built-in schema", "did you mean `sshd`?"],
    ),
    (
        "version: 1\nschema:\n  - {tag: a, built-in: nothing-like-it}\n",
        (3, 24),
        &["there are: actor-action-object, cloudtrail, "],
    ),
    (
        "version: 1\nschema:\n  - {tag: a, built-in: sshd, mode: strikt}\n",
        (3, 36),
        &["did you mean `strict`?"],
    ),
    ("version: 1\nschema:\n  - {tag: a, built-in: sshd, format: assert}\n", (3, 38), &["goes with `file`"]),
    ("version: 1\nschema:\n  - {tag: a, built-in: sshd, name: b}\n", (3, 36), &["`name` goes with `file`"]),
    ("version: 1\nschema:\n  - {tag: a, file: b, mode: strict}\n", (3, 29), &["`mode` goes with `built-in`"]),
    ("version: 1\nschema:\n  - {tag: a, file: b}\n", (3, 5), &["`name` is missing", "stands in the seal"]),
    ("version: 1\nschema:\n  - {tag: a, file: b, name: sshd-strict}\n", (3, 29), &["name of a built-in"]),
    ("version: 1\nschema:\n  - {tag: a, file: b, name: b c}\n", (3, 29), &["letters, digits"]),
    (
        "version: 1\nschema:\n  - {tag: a, file: b, name: c, format: on}\n",
        (3, 40),
        &["`format` takes `assert`"],
    ),
    (
        "version: 1\nschema:\n  - {tag: a, file: b, name: c}\n",
        (3, 20),
        &["`b`: a policy without a path has no files"],
    ),
    (
        "version: 1\nschema:\n  - {tag: a, built-in: sshd, invalid: dorp}\n",
        (3, 39),
        &["no way to treat invalid records", "did you mean `drop`?"],
    ),
    (
        "version: 1\nschema:\n  - {tag: a, built-in: sshd, field: b}\n",
        (3, 37),
        &["`field` goes with a `value`"],
    ),
    (
        "version: 1\nschema:\n  - {tag: a, built-in: sshd, value: b}\n",
        (3, 37),
        &["`value` goes with a `field`"],
    ),
    (
        "version: 1\nschema:\n  - {tag: a, built-in: sshd, field: 'b[]', value: c}\n",
        (3, 37),
        &["one field, by its keys"],
    ),
    (
        "version: 1\nschema:\n  - {tag: a, built-in: sshd, field: 'b..c', value: d}\n",
        (3, 37),
        &["`b..c`", "a key is missing"],
    ),
];

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let mut wrong = Vec::new();
    for (source, place, parts) in WRONG {
        let said = problem(source);
        if (said.line, said.column) != *place || !parts.iter().all(|part| said.message.contains(part)) {
            wrong.push(format!("{source}\n{place:?} {parts:?}\n{said}\n"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Tests the ways in which editors and tools start and end a document.
#[test]
fn one_document_with_its_marks_is_right() {
    for source in [
        "\u{feff}version: 1\n",
        "---\nversion: 1\n",
        "\u{feff}---\nversion: 1\n...\n",
        "# A policy.\n---\nversion: 1\n...\n\n# The end.\n",
    ] {
        if let Err(said) = Policy::read(source).map(|_| ()) {
            panic!("{source:?}: {said}");
        }
    }
    assert_eq!(problem("\u{feff}redact: {pack: 1}\nversion: 1\n").column, 10);
}

/// Tests entries that can all be reached, and rules that can all hold.
#[test]
fn what_overlaps_is_right() {
    for rest in [
        "schema:\n  - {tag: '*', built-in: sshd, field: b, value: c}\n  - {tag: a, built-in: sudo}\n",
        "schema:\n  - {tag: 'a*', built-in: sshd}\n  - {tag: '*', built-in: sudo}\n",
        "redact:\n  paths: [{path: a, action: mask}, {path: '**.a', action: remove}]\n",
        "redact:\n  paths: [{path: user, action: mask}]\n  keep: {formats: [sshd, sudo]}\n",
        "redact:\n  keys: [{pattern: a, action: mask}, {pattern: b, action: hmac, class: a}]\n",
    ] {
        if let Err(said) = Policy::read(&format!("version: 1\n{rest}")).map(|_| ()) {
            panic!("{rest}: {said}");
        }
    }
}

#[test]
fn the_default_policy_is_right() {
    let table = compile(&Policy::read(DEFAULT_POLICY).expect("a policy")).expect("a table");
    let policy = Table::check(&table).expect("sound");
    assert_eq!(policy.source(), DEFAULT_POLICY.as_bytes());
    let names: Vec<&[u8]> = policy.rules().map(|rule| rule.name).collect();
    assert!(names.contains(&&b"email"[..]) && names.contains(&&b"secret-key"[..]));
    assert!(!names.contains(&&b"ipv4"[..]) && !names.contains(&&b"phone"[..]));
}

/// A detector's own line takes precedence over its pack's, in whatever order they stand.
#[test]
fn a_line_is_over_a_pack() {
    let source =
        "version: 1\nredact:\n  detectors: {ipv4: hmac, mac: off, email: on}\n  packs: {network: mask}\n";
    let table = compile(&Policy::read(source).expect("a policy")).expect("a table");
    let rules: Vec<(String, &str, Kind)> = Table::check(&table)
        .expect("sound")
        .rules()
        .map(|rule| (String::from_utf8_lossy(rule.name).into_owned(), rule.action.name(), rule.kind))
        .collect();
    let expected = [("email", "mask"), ("ipv4", "hmac"), ("ipv6", "mask")]
        .map(|(name, action)| (name.into(), action, Kind::Detector));
    assert_eq!(rules, expected);
}

/// A program that several streams share is stored once.
#[test]
fn one_program_for_several_streams() {
    let table = |entries: &str| {
        let source = format!("version: 1\nschema:\n{entries}");
        compile(&Policy::read(&source).expect("a policy")).expect("a table")
    };
    let one = table("  - {tag: a, built-in: ocsf-authentication, mode: strict}\n");
    let entries = ["a", "b", "c"]
        .map(|tag| format!("  - {{tag: {tag}, built-in: ocsf-authentication, mode: strict}}\n"));
    let three = table(&entries.concat());
    assert!(three.len() < one.len() + 300, "{} and {} bytes", one.len(), three.len());
    let tags: Vec<&[u8]> = Table::check(&three).expect("sound").streams().map(|stream| stream.tag).collect();
    assert_eq!(tags, [b"a", b"b", b"c"]);
}

/// Tests hostile policies: each is refused, and the message names a limit.
#[test]
fn what_has_no_end_meets_a_limit() {
    let pattern = |pattern: &str| {
        format!("version: 1\nredact: {{patterns: [{{name: x, action: mask, pattern: \"{pattern}\"}}]}}\n")
    };
    let path = format!("version: 1\nredact: {{keep: {{paths: [{}]}}}}\n", vec!["a"; 60_000].join("."));
    let indented: String = (1..200).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    for (source, part) in [
        (format!("version: 1\nredact: \n  {}x", "- ".repeat(50_000)), "nests more than 64 levels deep"),
        (format!("version: 1\nredact:\n{indented}"), "nests more than 64"),
        (format!("version: 1\nredact: {}", "[".repeat(200_000)), "limit"),
        (format!("version: 1\n# {}\n", "x".repeat(1 << 20)), "at most 1048576 are read"),
        (path, "more than 256 steps"),
        (pattern("abcd(x{0,15000})"), "steps to minimize"),
        (pattern("abcd.*a.{14}b"), "more than 65536 transitions"),
    ] {
        let said = problem(&source).message;
        assert!(said.contains(part), "{}: {said}", &source[..60]);
    }
}
