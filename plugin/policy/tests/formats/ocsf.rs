//! Records under `normalize: ocsf`: their events as written in the cases, and their validity by a third
//! party's schemas.
//!
//! A line of a format's `ocsf.ndjson` has a record and the event that is made of it; with
//! `BLESS=1`, events are written there. Others are a Python environment with OCSF's schemas,
//! which `.ci/run` makes in `target/ocsf`; without it, tests say that they skipped.

use crate::{corpus, folder, samples, sealed, table};
use fixtures::schemas::{Checked, checked};
use flb_audit_core::Tape;
use flb_audit_core::record::tape::Dialect;
use flb_audit_core::schema::{Program, Validator};
use flb_audit_policy::DEFAULT_POLICY;
use flb_audit_policy::catalogue::{self, Mode};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

static NORMALIZING: LazyLock<Vec<u8>> =
    LazyLock::new(|| table(&format!("{DEFAULT_POLICY}\nnormalize: ocsf\n")));

/// The third-party corpora, by format.
const CORPORA: [(&str, &str); 2] =
    [("cloudtrail", "cloudtrail.jsonl"), ("kubernetes-audit", "k8s-audit.jsonl")];

/// The formats that have a mapping.
pub(crate) fn mapped() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder())
        .expect("a folder")
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| entry.path().join("ocsf.yaml").exists())
        .map(|entry| entry.file_name().into_string().expect("a name"))
        .collect();
    names.sort();
    names
}

/// The lines of a format's `ocsf.ndjson`.
fn lines(name: &str) -> Vec<Value> {
    let text = fs::read_to_string(folder().join(name).join("ocsf.ndjson")).expect("a file");
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{name}: {error}: {line}")))
        .collect()
}

/// The event that is made of a record, without its seal; none of a record that stays as it is.
fn event(record: &str) -> Option<Value> {
    let mut sealed = sealed(&NORMALIZING, record);
    sealed.as_object_mut().expect("an object").shift_remove("audit").expect("a seal");
    sealed["class_uid"].is_number().then_some(sealed)
}

/// The events of a format's samples and further records.
fn events(name: &str) -> Vec<Value> {
    let samples = samples(name).into_iter().filter(|sample| sample["format"].is_null());
    samples.chain(lines(name)).filter_map(|line| event(&line["record"].to_string())).collect()
}

/// The events of a format's corpus.
fn corpus_events(name: &str) -> Vec<Value> {
    let corpora = CORPORA.iter().filter(|(format, _)| *format == name);
    corpora.flat_map(|(_, file)| corpus(file)).filter_map(|record| event(&record)).collect()
}

/// The problems that others have with events, each with the profiles that it is checked under.
fn others(asked: &[Value]) -> Option<Vec<Vec<String>>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("../../target/ocsf/bin/python");
    if !python.exists() {
        eprintln!("skipped: {} is not there; .ci/run says how it is made", python.display());
        return None;
    }
    let mut child = Command::new(python)
        .arg(root.join("tests/formats/ocsf.py"))
        .args(std::env::var_os("OCSF_SCHEMA"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let mut input = child.stdin.take().expect("a pipe");
    let text: String = asked.iter().map(|line| format!("{line}\n")).collect();
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = child.wait_with_output().expect("a process");
    writer.join().expect("a thread").expect("a pipe");
    assert!(output.status.success(), "{}", output.status);
    let text = String::from_utf8(output.stdout).expect("text");
    let answers: Vec<_> = text.lines().map(|line| serde_json::from_str(line).expect("a list")).collect();
    assert_eq!(answers.len(), asked.len());
    Some(answers)
}

/// The types of attributes that mappings convert to. With `BLESS=1`, they are written.
#[test]
fn attributes_have_the_types_of_others() {
    let Some(answers) = others(&[json!({"attributes": true})]) else { return };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/normalize/attributes.txt");
    let found: String = answers[0].iter().map(|line| format!("{line}\n")).collect();
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &found).expect("a file");
    }
    assert_eq!(fs::read_to_string(&path).expect("a file"), found);
}

#[test]
fn events_are_as_written() {
    let is_blessed = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    for name in mapped() {
        let mut written = String::new();
        for mut line in lines(&name) {
            let event = event(&line["record"].to_string()).unwrap_or(Value::Null);
            if is_blessed {
                line["event"] = event;
            } else if line["event"] != event {
                wrong.push(format!("{name}: {event}\n  and not {}", line["event"]));
            }
            written += &format!("{line}\n");
        }
        if is_blessed {
            fs::write(folder().join(&name).join("ocsf.ndjson"), written).expect("a file");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn events_are_valid_for_others() {
    let mut asked = Vec::new();
    for name in mapped() {
        asked.extend(events(&name));
        asked.extend(corpus_events(&name));
    }
    let asked: Vec<Value> = asked.into_iter().map(|event| json!({"event": event})).collect();
    let Some(answers) = others(&asked) else { return };
    eprintln!("{} events", asked.len());
    let wrong: Vec<String> = asked
        .iter()
        .zip(answers)
        .filter(|(_, problems)| !problems.is_empty())
        .map(|(event, problems)| format!("{}\n  {event:.600}", problems.join("\n  ")))
        .collect();
    assert!(wrong.is_empty(), "{}: {}", wrong.len(), wrong[..wrong.len().min(10)].join("\n"));
}

/// A value other than the one at a path, for each path: gone, of another type, too large for
/// an enumeration; and an object with one member more.
fn mutations(event: &Value) -> Vec<Value> {
    let mut paths = Vec::new();
    pointers(event, &mut String::new(), &mut paths);
    let mut mutations = Vec::new();
    for path in paths.iter().filter(|path| !path.starts_with("/unmapped")) {
        let (parent, key) = path.rsplit_once('/').expect("a slash");
        let at = event.pointer(path).expect("a value");
        let others = match at {
            Value::String(_) => vec![json!(7), json!(["x"])],
            Value::Number(_) => vec![json!("7"), json!(77), json!(-1)],
            Value::Bool(_) => vec![json!("yes")],
            Value::Object(_) => vec![json!("x"), json!([]), with_member(at)],
            _ => vec![json!("x"), json!({})],
        };
        for other in others {
            let mut changed = event.clone();
            *changed.pointer_mut(path).expect("a value") = other;
            mutations.push(changed);
        }
        let mut changed = event.clone();
        if let Some(object) = changed.pointer_mut(parent).and_then(Value::as_object_mut) {
            object.shift_remove(key);
            mutations.push(changed);
        }
    }
    mutations
}

fn with_member(object: &Value) -> Value {
    let mut object = object.as_object().cloned().unwrap_or_default();
    object.insert("colour".into(), json!("red"));
    object.into()
}

fn pointers(value: &Value, path: &mut String, found: &mut Vec<String>) {
    let members: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
        _ => return,
    };
    for (key, value) in members {
        let length = path.len();
        *path += &format!("/{key}");
        found.push(path.clone());
        pointers(value, path, found);
        path.truncate(length);
    }
}

#[test]
fn built_in_schemas_answer_like_others() {
    let mut asked = Vec::new();
    let mut ours = Vec::new();
    for (class, schema) in catalogue::OCSF_CLASSES {
        let program = catalogue::compile(schema, Mode::Strict).expect("a schema").expect("a program").program;
        let program = Program::read(&program).expect("a program");
        let mut validator = Validator::new();
        let written = mapped().into_iter().flat_map(|name| lines(&name)).map(|line| line["event"].clone());
        // Twenty events have nearly all attributes of the mappings.
        let own = written.filter(|event| event["class_uid"] == class).take(20);
        let mut seen = BTreeSet::new();
        for event in own.flat_map(|event| [vec![event.clone()], mutations(&event)].concat()) {
            // A schema says nothing about the events of another class.
            if event["class_uid"] != class || !seen.insert(event.to_string()) {
                continue;
            }
            let text = event.to_string();
            let mut tape = Tape::new();
            tape.read(text.as_bytes(), Dialect::FluentBit).expect("a record");
            let found = checked(&program, &tape, &text, validator.check(&program, &tape, text.as_bytes()));
            ours.push(found == Checked::Valid);
            asked.push(json!({"event": event, "profiles": "all"}));
        }
    }
    let Some(answers) = others(&asked) else { return };
    let mut differ = BTreeMap::<String, Vec<&Value>>::new();
    for ((asked, ours), others) in asked.iter().zip(&ours).zip(&answers) {
        if *ours != others.is_empty() {
            differ.entry(others.first().cloned().unwrap_or("valid".into())).or_default().push(asked);
        }
    }
    let valid = ours.iter().filter(|valid| **valid).count();
    eprintln!("{} events, {valid} of them valid", ours.len());
    assert!(valid > 40 && ours.len() - valid > 1_000, "{valid} of {}", ours.len());
    let told =
        differ.iter().map(|(problem, events)| format!("{}: {problem}: {:.1500}", events.len(), events[0]));
    assert!(differ.is_empty(), "{}", told.collect::<Vec<_>>().join("\n"));
}

/// The values at a path, in all elements of the arrays on it.
fn at<'a>(value: &'a Value, path: &str) -> Vec<&'a Value> {
    let mut values = vec![value];
    for step in path.split('.') {
        values = values.into_iter().filter_map(|value| value.get(step)).collect();
        values = values
            .into_iter()
            .flat_map(|value| value.as_array().map_or_else(|| vec![value], |items| items.iter().collect()))
            .collect();
    }
    values
}

/// Compares a value with one of a rule, in which `*` stands for any text.
fn is_like(value: &Value, wanted: &Value) -> bool {
    match (value.as_str(), wanted.as_str()) {
        (Some(text), Some(wanted)) if wanted.contains('*') => {
            let parts: Vec<String> = wanted.split('*').map(regex::escape).collect();
            regex::Regex::new(&format!("(?s)^{}$", parts.join(".*"))).expect("a pattern").is_match(text)
        }
        _ => value == wanted,
    }
}

fn holds(conditions: &Map<String, Value>, event: &Value) -> bool {
    conditions.iter().all(|(path, wanted)| {
        let wanted = wanted.as_array().map_or_else(|| vec![wanted], |any| any.iter().collect());
        at(event, path).into_iter().any(|value| wanted.iter().any(|wanted| is_like(value, wanted)))
    })
}

/// Counts the events that a rule is about, or the groups of them that are large enough.
fn fires(rule: &Value, events: &[Value]) -> usize {
    let when = rule["when"].as_object().expect("conditions");
    let found: Vec<&Value> = events
        .iter()
        .filter(|event| holds(when, event))
        .filter(|event| !rule["not"].as_object().is_some_and(|conditions| holds(conditions, event)))
        .filter(|event| {
            let Some(paths) = rule["differ"].as_array() else { return true };
            at(event, paths[0].as_str().expect("a path")) != at(event, paths[1].as_str().expect("a path"))
        })
        .collect();
    let Some(least) = rule["count"]["least"].as_u64() else { return found.len() };
    let mut groups = BTreeMap::<String, u64>::new();
    for event in found {
        for value in at(event, rule["count"]["by"].as_str().expect("a path")) {
            *groups.entry(value.to_string()).or_default() += 1;
        }
    }
    groups.values().filter(|count| **count >= least).count()
}

/// Public detection rules, rewritten over OCSF's attributes, and actions that two sources see:
/// `fires` has, by format, how often a rule fires on its records, and `corpora` on its corpus.
#[test]
fn rules_fire() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats/rules.json");
    let rules: Vec<Value> = serde_json::from_str(&fs::read_to_string(&path).expect("rules")).expect("rules");
    let events: BTreeMap<String, Vec<Value>> =
        mapped().into_iter().map(|name| (name.clone(), events(&name))).collect();
    let corpora: BTreeMap<String, Vec<Value>> =
        mapped().into_iter().map(|name| (name.clone(), corpus_events(&name))).collect();
    let count = |rule: &Value, events: &BTreeMap<String, Vec<Value>>| -> Value {
        let counts = events.iter().map(|(name, events)| (name.clone(), fires(rule, events)));
        counts
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| (name, json!(count)))
            .collect::<Map<_, _>>()
            .into()
    };
    let is_blessed = std::env::var_os("BLESS").is_some();
    let has_corpora = corpora.values().any(|events| !events.is_empty());
    let mut written = Vec::new();
    for mut rule in rules {
        let found = count(&rule, &events);
        let in_corpora = count(&rule, &corpora);
        let is_of_corpora = rule["corpora"].as_object().is_some_and(|counts| !counts.is_empty());
        assert!(
            found.as_object().is_some_and(|found| !found.is_empty())
                || in_corpora != json!({})
                || is_of_corpora && !has_corpora,
            "{rule}"
        );
        if let Some(same) = rule["same"].as_array() {
            let names: Vec<Value> =
                found.as_object().expect("counts").keys().cloned().map(Value::from).collect();
            assert_eq!(&names, same, "{rule}");
        }
        if is_blessed {
            rule["fires"] = found;
            if has_corpora {
                rule["corpora"] = in_corpora;
            }
        } else {
            assert_eq!(rule["fires"], found, "{rule}");
            assert!(!has_corpora || rule["corpora"] == in_corpora, "{in_corpora}: {rule}");
        }
        written.push(format!("  {rule}"));
    }
    let public = written.iter().filter(|rule| rule.contains("\"source\":")).count();
    assert!(public >= 10, "{public}");
    if is_blessed {
        fs::write(path, format!("[\n{}\n]\n", written.join(",\n"))).expect("a file");
    }
}
