//! Records into events of OCSF, on the records that stand in the folders of the formats.

use fixtures::properties::mappings::{leaves_of, lost};
use flb_audit_core::chain::{Chain, ChainId, GENESIS, Place, Run};
use flb_audit_core::hash::Algorithm;
use flb_audit_core::policy::Policy;
use flb_audit_core::record::notes::Notes;
use flb_audit_core::redact::Redactor;
use flb_audit_core::{Event, Sealer};
use flb_audit_policy::DEFAULT_POLICY;
use flb_audit_policy::formats::formats;
use flb_audit_policy::normalize::{Class, Mapping};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

static TABLE: LazyLock<Vec<u8>> = LazyLock::new(|| table(&format!("{DEFAULT_POLICY}\nnormalize: ocsf\n")));
static PLAIN: LazyLock<Vec<u8>> = LazyLock::new(|| table(DEFAULT_POLICY));

fn table(policy: &str) -> Vec<u8> {
    let policy = flb_audit_policy::Policy::read(policy).unwrap_or_else(|problem| panic!("{problem}"));
    flb_audit_policy::compile(&policy).unwrap_or_else(|problem| panic!("{problem}"))
}

/// A record as a filter with this policy hands it on.
fn sealed(table: &[u8], record: &str) -> String {
    let policy = Policy::check(table).expect("a sound table");
    let next = Place { segment: 1, run: Run::from_text(b"run-01").expect("a run"), sequence: 0 };
    let id = ChainId::from_text(b"chain-000001").expect("a chain");
    let chain = Chain { id, algorithm: Algorithm::default(), next, head: GENESIS, link: None };
    let mut sealer = Sealer::new(chain, Notes::NONE, Some(Redactor::new(policy, None))).expect("memory");
    let (seconds, nanoseconds) = (1_795_161_600, 123_456_789);
    let event =
        Event { tag: b"t", seconds, nanoseconds, record: Some(record.as_bytes()), record_len: record.len() };
    let sealed = sealer.seal(&event);
    String::from_utf8(sealed.strip_suffix(b"\0").expect("a NUL").to_vec()).expect("UTF-8")
}

/// Returns the event without its seal, and the seal.
fn taken_apart(table: &[u8], record: &str) -> (Value, Value) {
    let mut record: Value = serde_json::from_str(&sealed(table, record)).expect("JSON");
    let seal = record.as_object_mut().and_then(|record| record.shift_remove("audit")).expect("a seal");
    (record, seal)
}

/// All records of formats with a mapping, each with its format.
fn records() -> Vec<(&'static str, String)> {
    let mut records = Vec::new();
    for format in formats().iter().filter(|format| format.mapping.is_some()) {
        for file in ["samples.ndjson", "ocsf.ndjson"] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("formats").join(format.name).join(file);
            let text =
                fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            for line in text.lines() {
                let sample: Value = serde_json::from_str(line).expect("a sample");
                if sample["format"].is_null() {
                    records.push((format.name, sample["record"].to_string()));
                }
            }
        }
    }
    records
}

/// The cases of all built-in mappings.
static CLASSES: LazyLock<Vec<(&str, Vec<Class>)>> = LazyLock::new(|| {
    let mapped = formats().iter().filter_map(|format| Some((format.name, format.mapping?)));
    mapped
        .map(|(name, source)| (name, Mapping::read(source).expect("a mapping").explained().collect()))
        .collect()
});

/// Checks one record. Returns what is lost of it, and true if it became an event.
fn check(record: &str) -> (Vec<String>, bool) {
    let (plain, made) = (taken_apart(&PLAIN, record), taken_apart(&TABLE, record));
    let lost =
        lost(&plain, &made, |name| &CLASSES.iter().find(|(known, _)| *known == name).expect("a mapping").1);
    let is_event = lost.is_some();
    let lost = lost.unwrap_or_default().into_iter();
    (
        lost.map(|lost| format!("{}: {lost}\n  {}\n  {}", made.1["normalized"], plain.0, made.0)).collect(),
        is_event,
    )
}

#[test]
fn nothing_of_a_record_is_lost() {
    let found: Vec<_> = records().iter().flat_map(|(_, record)| check(record).0).collect();
    assert!(found.is_empty(), "{}: {}", found.len(), found.join("\n"));
}

/// Other values for one of a record: of other types, empty, and with escapes.
fn others(at: usize) -> Value {
    let others = [
        json!(7),
        json!("7"),
        json!(true),
        json!(null),
        json!(""),
        json!("-"),
        json!({"a": {"b": [1, "x"]}}),
        json!([{"a": 1}, "b", null, 2.5]),
        json!(["x", "y"]),
        json!([]),
        json!({}),
        json!("a\"\\\u{e9}\n/b@c.d:0x1f"),
        json!(-1.5e300),
        json!("2026-11-20T08:00:00Z"),
        json!("192.0.2.1"),
    ];
    others[at % others.len()].clone()
}

/// A record with one value replaced, one taken out, and one added, as a number says.
fn mutated(record: &Value, number: usize) -> Value {
    let mut record = record.clone();
    let places = leaves_of(&record);
    let (path, _) = &places[number % places.len()];
    let mut value = &mut record;
    for step in path {
        value = match step.strip_prefix('[') {
            Some(at) => &mut value[at.trim_end_matches(']').parse::<usize>().expect("a number")],
            None => &mut value[step.as_str()],
        };
    }
    *value = others(number / 3);
    let members = record.as_object_mut().expect("an object");
    if number.is_multiple_of(4) && members.len() > 3 {
        let key = members.keys().nth(number % members.len()).cloned().expect("a key");
        members.shift_remove(&key);
    }
    if number.is_multiple_of(5) {
        members.insert("x.y/z".into(), others(number / 7));
    }
    record
}

#[test]
fn nothing_of_a_mutated_record_is_lost() {
    let (mut found, mut events) = (Vec::new(), 0);
    let mut number = 1_usize;
    for (_, record) in records() {
        let whole: Value = serde_json::from_str(&record).expect("JSON");
        for _ in 0..20 {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (lost, is_event) = check(&mutated(&whole, number >> 33).to_string());
            found.extend(lost);
            events += usize::from(is_event);
        }
    }
    assert!(events > 2_000, "{events}");
    assert!(found.is_empty(), "{}: {}", found.len(), found[..found.len().min(5)].join("\n"));
}

#[test]
fn no_value_that_was_redacted_is_in_an_event() {
    for (name, record) in records() {
        let (redacted, _) = taken_apart(&PLAIN, &record);
        let event = taken_apart(&TABLE, &record).0;
        let whole: Value = serde_json::from_str(&record).expect("JSON");
        let stays = leaves_of(&redacted);
        let written = leaves_of(&event);
        for (_, text) in leaves_of(&whole) {
            if text.len() > 3 && !stays.iter().any(|(_, stays)| stays.contains(&text)) {
                assert!(
                    !written.iter().any(|(_, written)| written.contains(&text)),
                    "{name}: {text}: {event}"
                );
            }
        }
    }
}

#[test]
fn events_are_sealed_as_they_leave() {
    let with_text =
        table(&format!("{DEFAULT_POLICY}\nnormalize:\n  - {{tag: \"*\", to: ocsf, raw_data: true}}\n"));
    for (name, record) in records() {
        for table in [&*TABLE, &with_text] {
            let sealed = sealed(table, &record);
            let found = std::panic::catch_unwind(|| fixtures::records::intact(sealed.as_bytes()));
            assert!(found.is_ok(), "{name}: {sealed}");
        }
    }
}

/// A mapping with members on both sides of `raw_data` and `unmapped`, and of `audit`.
const PLACES: &str = "\
cases:
  - class: 3002
    fields:
      actor.user.name: who
      audit_x: who
      raw_data_x: who
      unmapped_x.y: who
      user.name: who
";

#[test]
fn members_have_their_places_in_the_canonical_form() {
    let members = ["actor.user.name", "audit_x", "raw_data_x", "unmapped_x.y", "user.name"];
    // Without one of these members after the other, and without all.
    let without = (0..members.len()).map(|at| vec![members[at]]).chain([Vec::new(), members.to_vec()]);
    for without in without {
        let kept = |line: &&str| !without.iter().any(|member| line.trim_start().starts_with(member));
        let fields: String = PLACES.lines().filter(kept).map(|line| format!("{line}\n")).collect();
        let is_bare = without.len() == members.len();
        let mapping = if is_bare { fields.replace("    fields:\n", "") } else { fields };
        for raw_data in [false, true] {
            let policy = format!(
                "version: 1\nnormalize:\n  - {{tag: \"*\", mapping: door.yaml, name: door, raw_data: {raw_data}}}\n"
            );
            let mut files = |_: &str| Ok(mapping.clone());
            let table = flb_audit_policy::Policy::read_with(&policy, &mut files)
                .and_then(|policy| flb_audit_policy::compile(&policy))
                .unwrap_or_else(|problem| panic!("{mapping}: {problem}"));
            for record in [r#"{"who":"ann"}"#, r#"{"who":"ann","z":{"y":1,"x":[2.0]}}"#, "{}"] {
                let sealed = sealed(&table, record);
                fixtures::records::intact(sealed.as_bytes());
                let (event, _) = taken_apart(&table, record);
                assert_eq!(event.get("raw_data").is_some(), raw_data, "{event}");
            }
        }
    }
}

#[test]
fn a_record_whose_event_would_be_too_long_stays_as_it_is() {
    let mapping = "\
cases:
  - class: 3002
    fields:
      user.name: who.name
      user.uid: who.name
      user.full_name: who.name
      user.domain: who.name
      user.groups: {each: list, fields: {name: $}}
";
    let table = with_mapping(mapping).unwrap_or_else(|problem| panic!("{problem}"));
    let record = |len| format!(r#"{{"a":1,"who":{{"name":"{}"}},"list":["x",{{"y":2}}]}}"#, "x".repeat(len));
    let (event, seal) = taken_apart(&table, &record(20_000));
    assert_eq!((event["class_uid"].as_u64(), &seal["normalized"]), (Some(3002), &"door".into()));
    let long = record(200_000);
    let (left, seal) = taken_apart(&table, &long);
    assert_eq!((left.to_string(), &seal["normalized"]), (long.clone(), &Value::Null));
    assert_eq!(seal["notes"].to_string(), r#"["not-normalized"]"#);
    fixtures::records::intact(sealed(&table, &long).as_bytes());
}

/// The end of `docs/ocsf.md`: one record of each format, and its event. With `BLESS=1`, it is
/// written there.
#[test]
fn the_page_shows_each_source_before_and_after() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ocsf.md");
    let page = fs::read_to_string(&path).expect("the page");
    let policy = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a policy");
    let table = table(policy);
    let end = page.find("## Each source").and_then(|start| page[start..].find("\n### ").map(|at| start + at));
    let mut written = page[..end.unwrap_or(page.len())].trim_end().to_owned();
    written.push('\n');
    let records = records();
    for format in formats().iter().filter(|format| format.mapping.is_some()) {
        let of_it = records.iter().filter(|(name, _)| *name == format.name);
        let mut shown = of_it.map(|(_, record)| (record, taken_apart(&table, record)));
        let (record, (event, _)) =
            shown.find(|(_, (_, seal))| !seal["normalized"].is_null()).expect("an event");
        written.push_str(&format!("\n### {}\n\n```json\n{record}\n{event}\n```\n", format.title));
    }
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &written).expect("the page");
    }
    assert!(written == page, "docs/ocsf.md is not what comes out; with BLESS=1 it is written");
}

/// The mapping of the page of policies.
const DOOR: &str = "\
fields:
  metadata.product.vendor_name: {value: Example}
  time: {from: at, as: time}
cases:
  - when: {is: {kind: badge}}
    class: 3002
    fields:
      activity_id: {value: 1}
      user.name: who
      status_id: {from: ok, lookup: {\"true\": 1, \"false\": 2}}
";

fn with_mapping(mapping: &str) -> Result<Vec<u8>, flb_audit_policy::Problem> {
    with_mapping_and(mapping, "")
}

fn with_mapping_and(mapping: &str, redact: &str) -> Result<Vec<u8>, flb_audit_policy::Problem> {
    let policy =
        &format!("version: 1\n{redact}normalize:\n  - {{tag: \"*\", mapping: door.yaml, name: door}}\n");
    let mut files = |_: &str| Ok(mapping.to_owned());
    flb_audit_policy::Policy::read_with(policy, &mut files)
        .and_then(|policy| flb_audit_policy::compile(&policy))
}

#[test]
fn a_mapping_from_a_file_is_used() {
    let table = with_mapping(DOOR).unwrap_or_else(|problem| panic!("{problem}"));
    let record = r#"{"kind":"badge","who":"ann","ok":true,"at":"2026-11-20T08:00:00Z","door":7}"#;
    let (event, seal) = taken_apart(&table, record);
    let expected = r#"{"activity_id":1,"category_uid":3,"class_uid":3002,"metadata":{"product":{"vendor_name":"Example"},"version":"1.9.0"},"severity_id":1,"status_id":1,"time":1795161600000,"type_uid":300201,"user":{"name":"ann"},"unmapped":{"kind":"badge","ok":true,"at":"2026-11-20T08:00:00Z","door":7}}"#;
    assert_eq!((event.to_string(), &seal["normalized"]), (expected.into(), &Value::from("door")));
    let other = r#"{"kind":"bell","audit":1}"#;
    let (record, seal) = taken_apart(&table, other);
    assert_eq!(record.to_string(), r#"{"kind":"bell","audit_":1}"#);
    assert_eq!(seal["notes"].to_string(), r#"["not-normalized"]"#);
}

/// Copies of values into attributes of each type.
const TYPES: &str = "\
cases:
  - class: 3002
    fields:
      user.name: who
      status_code: [{from: code, cut: {before: \"!\"}}, code]
      status_detail: {value: 7}
      device.org.name: {from: ok, lookup: {\"true\": 1}}
      user.type_id: type
      actor.process.pid: pid
      is_mfa: mfa
      metadata.labels: labels
      metadata.loggers[0].name: {from: list, join: \" \"}
      user.groups: {each: groups, fields: {name: $}}
      actor.user.domain: domains[0]
      service.labels: {each: domains, item: $}
";

#[test]
fn an_attribute_has_a_value_of_its_type() {
    let table = with_mapping(TYPES).unwrap_or_else(|problem| panic!("{problem}"));
    let record = r#"{"who":7,"code":-1.5,"ok":true,"type":"1","pid":"0x1f","mfa":"true","labels":["a","b"],"groups":[1,"x"],"domains":[2.5,false]}"#;
    let event = taken_apart(&table, record).0;
    let expected = r#"{"activity_id":0,"actor":{"process":{"pid":31},"user":{"domain":"2.5"}},"category_uid":3,"class_uid":3002,"device":{"org":{"name":"1"}},"is_mfa":true,"metadata":{"labels":["a","b"],"version":"1.9.0"},"service":{"labels":["2.5","false"]},"severity_id":1,"status_code":"-1.5","status_detail":"7","time":1795161600123,"type_uid":300200,"user":{"groups":[{"name":"1"},{"name":"x"}],"name":"7","type_id":1},"unmapped":{"ok":true}}"#;
    assert_eq!(event.to_string(), expected);
    // A value of another type stays in the rest.
    let record =
        r#"{"who":{"a":1},"code":[1],"type":1.5,"pid":"x","mfa":"yes","labels":[1,"b"],"groups":[]}"#;
    let event = taken_apart(&table, record).0;
    assert_eq!(event["unmapped"].to_string(), record);
}

#[test]
fn elements_that_were_removed_are_in_no_event() {
    let mapping =
        "cases:\n  - class: 3002\n    fields: {user.name: \"list[0].name\", user.uid: \"list[type=a].id\"}\n";
    let redact = "redact: {paths: [{path: \"list[]\", action: remove}]}\n";
    let table = with_mapping_and(mapping, redact).unwrap_or_else(|problem| panic!("{problem}"));
    let (event, _) = taken_apart(&table, r#"{"list":[{"name":"ann","type":"a","id":"7"}],"x":1}"#);
    assert_eq!(event["user"], Value::Null, "{event}");
    assert_eq!(event["unmapped"].to_string(), r#"{"list":[null],"x":1}"#);
}

#[test]
fn of_several_members_with_one_key_the_last_one_counts() {
    let table = with_mapping(DOOR).unwrap_or_else(|problem| panic!("{problem}"));
    let record = r#"{"kind":"badge","who":"ann","who":"bob","x":1,"x":2}"#;
    let (event, seal) = taken_apart(&table, record);
    assert_eq!((&event["user"]["name"], &event["unmapped"]["x"]), (&"bob".into(), &2.into()));
    assert_eq!(seal["notes"].to_string(), r#"["duplicate-keys"]"#);
    fixtures::records::intact(sealed(&table, record).as_bytes());
}

/// A mapping that compares and cuts texts in every way, with texts that have several spellings.
const SPELLED: &str = r#"
absent: ["–"]
fields:
  user.uid: kind
  device.hostname: [none, {value: unknown}]
  status_detail: {from: '"größe/\a"', when: {starts: {kind: "é/"}, ends: {kind: "😀"}, contains: {kind: "\"\\\n"}, not: {ends: {line: n}}}}
  user.name: {from: text, cut: [{after: "→"}, {before: "/"}]}
  user.full_name: {from: text, cut: {part: ["é", 1]}}
  user.domain: {from: text, cut: {after-last: "😀"}}
  user.org.name: {from: 'list["naïve"="é"].id'}
  user.type_id: {from: "list[0].word", lookup: {"é": 1}, default: 2}
  status_id: {from: kind, lookup: {"*😀": 1}, default: 2}
  activity_id: {from: kind, lookup: {"*A\"*": 1}, default: 2}
  severity_id: {from: line, lookup: {"*n": 1}, default: 2}
  user.groups: {each: names, fields: {name: {from: $, cut: {before: "é"}}}}
  user.ldap_person.labels: {each: list, item: {from: word, cut: {before: "é"}}}
  metadata.labels: {pairs: pairs, key: "ké", value: "wé"}
cases:
  - when: {is: {kind: "é/A\"\\\n😀"}}
    class: 3002
"#;

/// Returns the record with other spellings of the characters in its strings and keys.
fn spelled(record: &Value, spell: fn(char) -> String) -> String {
    let text = |text: &str| format!("\"{}\"", text.chars().map(spell).collect::<String>());
    match record {
        Value::Object(members) => {
            let members =
                members.iter().map(|(key, value)| format!("{}:{}", text(key), spelled(value, spell)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        Value::Array(elements) => {
            let elements = elements.iter().map(|element| spelled(element, spell));
            format!("[{}]", elements.collect::<Vec<_>>().join(","))
        }
        Value::String(string) => text(string),
        other => other.to_string(),
    }
}

fn plain(character: char) -> String {
    let token = Value::from(character.to_string()).to_string();
    token[1..token.len() - 1].into()
}

fn units(character: char) -> String {
    character.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04X}")).collect()
}

#[test]
fn a_text_is_compared_and_cut_however_it_is_spelled() {
    let table = with_mapping(SPELLED).unwrap_or_else(|problem| panic!("{problem}"));
    let record = serde_json::json!({
        "kind": "é/A\"\\\n😀", "größe/\\a": "x", "text": "a→b/é7é😀c", "line": "a\n", "none": "–",
        "list": [{"word": "é!", "naïve": "e"}, {"naïve": "é", "id": "5", "word": "ué"}],
        "names": ["ané", "bobé"], "pairs": [{"ké": "k", "wé": "w"}],
    });
    let spellings: [fn(char) -> String; 4] = [
        plain,
        |character| if character.is_ascii() { plain(character) } else { units(character) },
        units,
        |character| match character {
            '/' => "\\/".into(),
            _ => units(character).to_lowercase(),
        },
    ];
    let events = spellings.map(|spell| taken_apart(&table, &spelled(&record, spell)).0);
    let event = &events[0];
    for (pointer, made) in [
        ("/status_detail", serde_json::json!("x")),
        ("/user/name", "b".into()),
        ("/user/full_name", "7".into()),
        ("/user/domain", "c".into()),
        ("/user/org/name", "5".into()),
        ("/user/groups", serde_json::json!([{"name": "an"}, {"name": "bob"}])),
        ("/user/ldap_person/labels", serde_json::json!(["u"])),
        ("/user/type_id", 2.into()),
        ("/device/hostname", "unknown".into()),
        ("/status_id", 1.into()),
        ("/activity_id", 1.into()),
        ("/severity_id", 2.into()),
        ("/metadata/labels", serde_json::json!({"k": "w"})),
    ] {
        assert_eq!(event.pointer(pointer), Some(&made), "{pointer}: {event}");
    }
    for event in &events {
        assert_eq!(event, &events[0]);
    }
}

#[test]
fn what_is_wrong_in_a_mapping_is_said_with_its_place() {
    let many_cuts = format!("user.name: {{from: who, cut: [{}]}}", "{after: x}, ".repeat(257));
    for (from, to, said) in [
        ("as: time", "as: tme", "3:25: door.yaml:3:24"),
        ("class: 3002", "clas: 3002", "did you mean `class`?"),
        ("user.name: who", "user.name: who..x", "no path"),
        ("user.name: who", "user: who\n      user.name: who", "within another"),
        ("user.name: who", "class_uid: who", "without being asked"),
        ("user.name: who", "user.name: {from: who, default: 1}", "goes with `lookup`"),
        ("user.name: who", "user.name: {from: who, cut: {part: [\":\", x]}}", "from 0 on"),
        ("user.name: who", &many_cuts, "a source has up to 16 cuts"),
        ("user.name: who", "user.name: {from: who, as: time}", "9:18: `name` is a text"),
        ("user.name: who", "user.type_id: {value: x}", "`type_id` is an integer"),
        ("user.name: who", "is_mfa: {from: who, as: integer}", "`is_mfa` is true or false"),
        ("user.name: who", "user.type_id: {from: who, lookup: {a: x}}", "`type_id` is an integer"),
        ("user.name: who", "user.\"\": who", "names of ASCII"),
        ("user.name: who", "user.\"n\\u0061me\": who", "names of ASCII"),
    ] {
        let Err(problem) = with_mapping(&DOOR.replace(from, to)) else { panic!("{to}") };
        let problem = problem.to_string();
        assert!(problem.contains(said), "{to}: {problem}");
        assert!(problem.contains("door.yaml:"), "{to}: {problem}");
    }
}
