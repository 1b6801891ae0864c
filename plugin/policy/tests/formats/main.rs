//! The catalogue of formats, on the sample records in its folders.
//!
//! A line of `samples.ndjson` has a record, `format` if it differs from the folder's, the
//! output under the default policy, and the redactions in its seal. With `BLESS=1`, the
//! actual output is written there.

mod ocsf;
mod pages;

use flb_audit_core::chain::{Chain, ChainId, GENESIS, Place, Run};
use flb_audit_core::hash::Algorithm;
use flb_audit_core::policy::Policy;
use flb_audit_core::record::notes::Notes;
use flb_audit_core::record::tape::Dialect;
use flb_audit_core::redact::Redactor;
use flb_audit_core::{Event, Sealer, Tape};
use flb_audit_policy::DEFAULT_POLICY;
use flb_audit_policy::catalogue;
use flb_audit_policy::formats::{self, Format, formats};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

static TABLE: LazyLock<Vec<u8>> = LazyLock::new(|| table(DEFAULT_POLICY));

/// The name in samples for an unknown format.
const UNKNOWN: &str = "unknown";

fn table(policy: &str) -> Vec<u8> {
    let policy = flb_audit_policy::Policy::read(policy).unwrap_or_else(|problem| panic!("{problem}"));
    flb_audit_policy::compile(&policy).unwrap_or_else(|problem| panic!("{problem}"))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("formats")
}

/// Returns the samples of a format, from the file in its folder.
fn samples(name: &str) -> Vec<Value> {
    let path = folder().join(name).join("samples.ndjson");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{name}: {error}: {line}")))
        .collect()
}

/// Returns the format of a record, or of the record within it.
fn recognized(policy: &Policy<'_>, record: &str) -> String {
    let mut tape = Tape::new();
    tape.read(record.as_bytes(), Dialect::FluentBit).expect("a record");
    policy.recognize(b"t", &mut tape, record.as_bytes());
    let name = policy.format(&tape).unwrap_or(UNKNOWN.as_bytes());
    String::from_utf8_lossy(name).into_owned()
}

/// Returns a record without its seal, and the redactions that the seal lists.
fn redacted(table: &[u8], record: &str) -> (Value, Value) {
    let mut sealed = sealed(table, record);
    let seal = sealed.as_object_mut().and_then(|record| record.shift_remove("audit")).expect("a seal");
    let redacted = seal.get("redacted").cloned().unwrap_or(json!([]));
    (sealed, redacted)
}

/// Returns a record with its seal.
fn sealed(table: &[u8], record: &str) -> Value {
    let policy = Policy::check(table).expect("a sound table");
    let next = Place { segment: 1, run: Run::from_text(b"run-01").expect("a run"), sequence: 0 };
    let id = ChainId::from_text(b"chain-000001").expect("a chain");
    let chain = Chain { id, algorithm: Algorithm::default(), next, head: GENESIS, link: None };
    let mut sealer = Sealer::new(chain, Notes::NONE, Some(Redactor::new(policy, None))).expect("memory");
    let (seconds, nanoseconds) = (1_795_161_600, 0);
    let event =
        Event { tag: b"t", seconds, nanoseconds, record: Some(record.as_bytes()), record_len: record.len() };
    let sealed = sealer.seal(&event);
    serde_json::from_slice(sealed.strip_suffix(b"\0").expect("a NUL")).expect("JSON")
}

#[test]
fn the_catalogue_has_every_folder() {
    if let Err((name, problem)) = formats::check() {
        panic!("formats/{name}/format.yaml:{problem}");
    }
    let mut folders: Vec<String> = fs::read_dir(folder())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .collect();
    folders.sort();
    let names: Vec<&str> = formats().iter().map(|format| format.name).collect();
    assert_eq!(folders, names, "the list in src/formats/mod.rs and the folders");
    for Format { name, title, sources, .. } in formats() {
        assert!(!title.is_empty() && !sources.is_empty(), "{name}");
        assert!(sources.iter().all(|source| source.starts_with("https://")), "{name}: {sources:?}");
    }
}

#[test]
fn samples_come_out_as_written() {
    let is_blessed = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    let policy = Policy::check(&TABLE).expect("a sound table");
    for Format { name, .. } in formats() {
        let mut written = String::new();
        let samples = samples(name);
        let own = |sample: &&Value| sample["format"].is_null();
        assert!(samples.iter().filter(own).count() >= 2, "{name}: too few samples");
        for mut sample in samples {
            let record = sample["record"].to_string();
            let (output, gone) = redacted(&TABLE, &record);
            let expected = sample["format"].as_str().unwrap_or(name).to_owned();
            let found = recognized(&policy, &record);
            if found != expected {
                wrong.push(format!("{name}: is {found} and not {expected}: {record:.200}"));
            }
            // An output that equals the input is not written twice.
            let output = if output == sample["record"] { Value::Null } else { output };
            if is_blessed {
                let sample = sample.as_object_mut().expect("an object");
                sample.shift_remove("output");
                if !output.is_null() {
                    sample.insert("output".into(), output);
                }
                sample.insert("redacted".into(), gone);
            } else if (&sample["output"], &sample["redacted"]) != (&output, &gone) {
                wrong.push(format!(
                    "{name}: {output}\n  {gone}\n  and not {}\n  {}",
                    sample["output"], sample["redacted"]
                ));
            }
            written += &format!("{sample}\n");
        }
        if is_blessed {
            fs::write(folder().join(name).join("samples.ndjson"), written).expect("a file");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The table in `docs/formats.md` is generated from the catalogue.
#[test]
fn the_page_has_the_catalogue() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats.md");
    let page = fs::read_to_string(&path).expect("the page");
    let start =
        page.find("<!-- catalogue").and_then(|at| Some(at + page[at..].find('\n')? + 1)).expect("a start");
    let end = page.find("<!-- end -->").expect("an end");
    let mut table = String::from("\n| name | records | schema | documented in |\n|---|---|---|---|\n");
    for Format { name, title, schema, sources, cases, .. } in formats() {
        let schemas = schema.iter().chain(cases.iter().filter_map(|case| case.schema.as_ref()));
        let schemas: Vec<String> = schemas.map(|schema| format!("`{schema}`")).collect();
        let sources: Vec<String> =
            sources.iter().enumerate().map(|(at, source)| format!("[{}]({source})", at + 1)).collect();
        table += &format!("| `{name}` | {title} | {} | {} |\n", schemas.join(", "), sources.join(" "));
    }
    table += "\n";
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, format!("{}{table}{}", &page[..start], &page[end..])).expect("the page");
        return;
    }
    assert_eq!(page[start..end], table, "BLESS=1 writes it");
}

#[test]
fn every_schema_of_a_format_is_there() {
    for Format { name, schema, cases, .. } in formats() {
        for schema in schema.iter().chain(cases.iter().filter_map(|case| case.schema.as_ref())) {
            assert!(catalogue::names().any(|known| known == schema), "{name}: {schema}");
        }
    }
}

/// With `schema: auto`, each record is checked against the schema of its own format.
#[test]
fn records_are_checked_by_their_formats() {
    for mode in ["", "schema: [{tag: '*', built-in: auto, mode: strict}]\n"] {
        let table = table(&format!("version: 1\n{}", if mode.is_empty() { "schema: auto\n" } else { mode }));
        let schema = |record: &str| {
            let sealed = sealed(&table, record);
            (
                sealed["audit"]["schema"].as_str().map(String::from),
                sealed["audit"]["unchecked"].as_str().map(String::from),
            )
        };
        let suffix = if mode.is_empty() { "" } else { "-strict" };
        for Format { name, .. } in formats() {
            for sample in samples(name) {
                let (found, unchecked) = schema(&sample["record"].to_string());
                let of = sample["format"].as_str().unwrap_or(name);
                let format = formats().iter().find(|format| format.name == of);
                let expected: Vec<String> = format
                    .iter()
                    .flat_map(|format| {
                        format
                            .schema
                            .iter()
                            .chain(format.cases.iter().filter_map(|case| case.schema.as_ref()))
                    })
                    .map(|schema| format!("{schema}{suffix}"))
                    .collect();
                assert_eq!(found.is_some(), !expected.is_empty(), "{of}: {found:?}");
                assert!(found.is_none_or(|found| expected.contains(&found)), "{of}");
                assert_eq!(
                    unchecked.as_deref(),
                    (of == UNKNOWN).then_some("wrapped"),
                    "{of}: {}",
                    sample["record"]
                );
            }
        }
    }
}

/// A record that holds others cannot evade `invalid` that way.
#[test]
fn a_wrapper_does_not_escape_quarantine() {
    // These contain valid and invalid records, which nobody looks at.
    let wrappers = [
        r#"{"Records":[{"eventVersion":"1.08","userIdentity":{},"eventTime":"t","eventID":"a"}]}"#,
        r#"{"log":"{\"eventVersion\":\"1.08\"}","stream":"stdout"}"#,
        r#"{"message":{"eventVersion":"1.08"},"a":1,"a":2}"#,
        r#"{"items":[]}"#,
    ];
    let explicit = "{tag: '*', built-in: cloudtrail, invalid: ";
    for entry in [
        explicit,
        "{tag: '*', built-in: auto, invalid: ",
        "{tag: '*', built-in: auto, mode: strict, invalid: ",
    ] {
        for (invalid, member) in [("mark", None), ("quarantine", Some("quarantine")), ("drop", None)] {
            let table = table(&format!("version: 1\nschema: [{entry}{invalid}}}]\n"));
            for record in wrappers {
                let sealed = sealed(&table, record);
                let of = |name: &str| sealed["audit"][name].as_str();
                assert_eq!(of("unchecked"), Some("wrapped"), "{entry}{invalid}: {sealed}");
                assert_eq!(of("disposition"), (invalid != "mark").then_some(invalid), "{sealed}");
                let is_invalid = entry == explicit && invalid != "mark";
                assert_eq!(sealed["audit"]["invalid"].is_array(), is_invalid, "{sealed}");
                let members = sealed.as_object().expect("an object");
                if invalid != "mark" {
                    assert_eq!(
                        members.keys().next().map(String::as_str),
                        member.or(Some("audit")),
                        "{sealed}"
                    );
                }
            }
        }
    }
    // These are a record that is valid whatever it contains, one that has no schema, and
    // the schema of a file, which is for the wrapper itself.
    let valid =
        r#"{"time":"t","actor":"ann","action":"a","object":"b","outcome":"success","detail":{"a":1}}"#;
    let app = table(
        "version: 1\nschema: [{tag: '*', built-in: actor-action-object, invalid: drop}]\nredact: {keep: {formats: all}}\n",
    );
    let sealed_app = sealed(&app, valid);
    assert!(sealed_app["audit"]["unchecked"].is_null() && sealed_app["actor"] == "ann", "{sealed_app}");
    let auto = table("version: 1\nschema: [{tag: '*', built-in: auto, invalid: drop}]\n");
    let unknown = sealed(&auto, r#"{"a":{"eventVersion":"1.08"},"log":"plain"}"#);
    assert!(unknown["audit"]["unchecked"].is_null() && unknown["log"] == "plain", "{unknown}");
    let other = table("version: 1\nschema: [{tag: 'other', built-in: auto, invalid: drop}]\n");
    assert!(sealed(&other, wrappers[0])["audit"]["unchecked"].is_null());
}

/// No rule of a format holds for the samples of another one, in whatever order.
#[test]
fn no_format_takes_the_records_of_another() {
    for Format { name, .. } in formats() {
        let table = table(&format!("version: 1\nredact: {{keep: {{formats: [{name}]}}}}\n"));
        let policy = Policy::check(&table).expect("a sound table");
        for other in formats() {
            for sample in samples(other.name) {
                let record = sample["record"].to_string();
                let is_own = sample["format"].as_str().unwrap_or(other.name) == *name;
                let found = recognized(&policy, &record);
                assert_eq!(found == *name, is_own, "{name} and a sample of {}: {record:.300}", other.name);
            }
        }
    }
}

/// Tests records that occur in no audit log.
#[test]
fn other_records_are_of_no_known_format() {
    let policy = Policy::check(&TABLE).expect("a sound table");
    for record in include_str!("unknown.ndjson").lines() {
        assert_eq!(recognized(&policy, record), UNKNOWN, "{record}");
    }
}

/// Tests fields that a policy without formats once kept by mistake. In records of unknown
/// formats, they go.
#[test]
fn fields_of_formats_shield_nothing_elsewhere() {
    let mut leaks = Vec::new();
    for line in include_str!("leaks.ndjson").lines() {
        let case: Value = serde_json::from_str(line).expect("JSON");
        let (out, _) = redacted(&TABLE, &case["record"].to_string());
        let gone = case["gone"].as_str().expect("a text");
        if out.to_string().contains(gone) {
            leaks.push(out.to_string());
        }
    }
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
}

/// Returns the records of a stream in the repository.
fn stream(name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/streams").join(name);
    let text = fs::read_to_string(path).expect("a stream");
    let record = |line: &str| {
        let call: Value = serde_json::from_str(line).expect("JSON");
        call["record"].as_str().expect("a record").to_owned()
    };
    text.lines().map(record).collect()
}

/// Returns the lines of a file in `FLB_AUDIT_CORPORA`, or else beside the checkout.
fn corpus(name: &str) -> Vec<String> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
    let folder = std::env::var_os("FLB_AUDIT_CORPORA").map_or(beside, PathBuf::from);
    match fs::read_to_string(folder.join(name)) {
        Ok(text) => text.lines().map(String::from).collect(),
        Err(_) => {
            println!("skipped: {name} is not there");
            Vec::new()
        }
    }
}

#[test]
fn streams_and_corpora_are_recognized() {
    let policy = Policy::check(&TABLE).expect("a sound table");
    let streams = ["cloudtrail", "kubernetes-audit", "linux-audit", "sshd", "sudo"].map(|name| (name, name));
    let streams =
        streams.into_iter().chain([("mariadb-audit", "mariadb"), ("postgresql-audit", "postgresql")]);
    let streams = streams.map(|(file, format)| (stream(&format!("{file}.ndjson")), format));
    let corpora = [("cloudtrail.jsonl", "cloudtrail"), ("k8s-audit.jsonl", "kubernetes-audit")];
    let corpora = corpora.into_iter().map(|(file, format)| (corpus(file), format));
    for (records, format) in streams.chain(corpora) {
        let mut found: BTreeMap<String, (usize, String)> = BTreeMap::new();
        for record in records.iter().filter(|record| record.as_str() != "{}") {
            found.entry(recognized(&policy, record)).or_insert_with(|| (0, record.clone())).0 += 1;
        }
        let others: Vec<_> = found.iter().filter(|(name, _)| *name != format).collect();
        assert!(others.is_empty(), "{format}: {others:?}");
    }
}

/// The maximum size of all formats in the table, in bytes.
const FORMATS_BYTES_MAX: usize = 20_000;

#[test]
fn the_catalogue_is_small() {
    let without = table("version: 1\nredact: {packs: {secrets: on}}\n").len();
    let with = table("version: 1\nredact: {packs: {secrets: on}, keep: {formats: all}}\n").len();
    println!(
        "{} bytes for {} formats; the policy that ships has {}",
        with - without,
        formats().len(),
        TABLE.len()
    );
    assert!(with - without <= FORMATS_BYTES_MAX, "{} bytes", with - without);
}

#[test]
fn tags_are_pinned_to_formats() {
    let table = table("version: 1\nformats: {'db.*': postgresql, '*': sshd}\nredact: {packs: {pii: on}}\n");
    let policy = Policy::check(&table).expect("a sound table");
    let format = |tag: &[u8], record: &str| {
        let mut tape = Tape::new();
        tape.read(record.as_bytes(), Dialect::FluentBit).expect("a record");
        policy.recognize(tag, &mut tape, record.as_bytes());
        String::from_utf8_lossy(policy.format(&tape).unwrap_or_default()).into_owned()
    };
    assert_eq!(format(b"db.main", r#"{"session_id":"a"}"#), "postgresql");
    assert_eq!(format(b"x", r#"{"session_id":"a"}"#), "sshd");
    // The record in the wrapper has the format, and the wrapper does not.
    assert_eq!(format(b"x", r#"{"log":"{\"session_id\":\"a\"}"}"#), "");
}
