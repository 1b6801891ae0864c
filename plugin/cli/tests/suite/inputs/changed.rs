//! Logs that a store has changed: the verdict stays, and the change is named.

use super::{Bench, lines, log, verdict};
use serde_json::{Map, Value, json};

/// Applies a change to every member of an object, at every level.
fn deep(value: &mut Value, change: &dyn Fn(&mut Value)) {
    match value {
        Value::Object(members) => members.values_mut().for_each(|member| deep(member, change)),
        Value::Array(elements) => elements.iter_mut().for_each(|element| deep(element, change)),
        _ => {}
    }
    change(value);
}

fn changed(change: impl Fn(&mut Map<String, Value>)) -> String {
    let change_line = |line: &String| {
        let mut value: Value = serde_json::from_str(line).expect("JSON");
        change(value.as_object_mut().expect("an object"));
        format!("{value}\n")
    };
    lines().iter().map(change_line).collect()
}

fn all(members: &mut Map<String, Value>, change: &dyn Fn(&mut Value)) {
    members.values_mut().for_each(|member| deep(member, change));
}

fn renamed(value: &mut Value) {
    if let Value::Object(members) = value {
        *members = std::mem::take(members)
            .into_iter()
            .map(|(name, value)| (name.replace('.', "_"), value))
            .collect();
    }
}

/// Returns the changes that altered records resemble according to a report.
fn resembled(report: &Value) -> Vec<(Value, u64)> {
    let changes = report["resemblances"]["changes"].as_array().expect("changes");
    changes.iter().map(|it| (it["change"].clone(), it["records"].as_u64().expect("a number"))).collect()
}

#[test]
fn a_stores_change_is_named() {
    let bench = Bench::new();
    let names: Vec<String> = lines()
        .iter()
        .flat_map(|line| {
            serde_json::from_str::<Map<String, Value>>(line).expect("JSON").into_iter().map(|(name, _)| name)
        })
        .collect();
    for (name, log, expected) in [
        (
            "ingest",
            changed(|record| {
                record.insert("@version".into(), "1".into());
                record.insert("agent".into(), json!({"name": "x"}));
                record.insert("made_up".into(), 7.into());
            }),
            (json!({"members_added": ["@version", "agent", "made_up"]}), 6),
        ),
        (
            "integers as text",
            changed(|record| {
                all(record, &|value| {
                    if let Some(integer) =
                        value.as_number().filter(|number| number.is_i64() || number.is_u64())
                    {
                        *value = integer.to_string().into();
                    }
                });
            }),
            (json!("integers_as_text"), 6),
        ),
        (
            "nulls for all",
            changed(|record| {
                for name in &names {
                    record.entry(name.clone()).or_insert(Value::Null);
                }
            }),
            (json!("nulls_added"), 6),
        ),
        (
            "nulls removed",
            changed(|record| record.retain(|_, value| !value.is_null())),
            (json!({"nulls_removed": ["nothing"]}), 1),
        ),
        (
            "dots replaced",
            changed(|record| {
                let mut value = Value::Object(std::mem::take(record));
                deep(&mut value, &renamed);
                *record = value.as_object().expect("an object").clone();
            }),
            (json!("dots_replaced"), 1),
        ),
        (
            "rounded integers",
            log().replace("9007199254740995", "9007199254740996"),
            (json!("integers_rounded"), 1),
        ),
        ("32 bits", log().replace("0.123456789012345", "0.12345679"), (json!("fractions_of32_bits"), 1)),
        (
            "32 bits, widened",
            log().replace("0.123456789012345", "0.12345679104328156"),
            (json!("fractions_of32_bits"), 1),
        ),
    ] {
        let report = bench.report("log", &log);
        assert_eq!(report["verdict"], "tampered", "{name}");
        assert_eq!(resembled(&report), [expected], "{name}: {report:#}");
        let (code, said) = bench.verify("log");
        assert_eq!(code, Some(20), "{name}");
        let lines: Vec<_> = said.lines().skip_while(|line| !line.contains("altered record")).collect();
        assert!(lines.len() > 1, "{name}: {said}");
        let is_wide = |line: &&&str| line.chars().count() > 80;
        assert_eq!(lines[..lines.len() - 1].iter().find(is_wide), None, "{name}");
    }
}

#[test]
fn lines_of_keys_and_values_are_named() {
    let bench = Bench::new();
    let key_value = |line: &String| {
        let members = serde_json::from_str::<Map<String, Value>>(line).expect("JSON");
        members.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    };
    let text = lines().iter().map(key_value).collect::<Vec<_>>().join("\n");
    let report = bench.report("log", text);
    assert_eq!(
        (report["verdict"].as_str(), resembled(&report)),
        (Some("unreadable"), vec![(json!("key_value"), 6)])
    );
}

/// The option that the report names leaves out the added members, even if records have
/// members of these names themselves.
#[test]
fn the_option_that_is_named_helps() {
    let bench = Bench::new();
    let added = ["@version", "agent", "ecs", "event.ingested", "data_stream"];
    let add = |line: &String| {
        let members: String = added.iter().map(|name| format!(r#","{name}":"1""#)).collect();
        format!("{}{members}}}\n", line.strip_suffix('}').expect("an object"))
    };
    bench.write("log", lines().iter().map(add).collect::<String>());
    let options = added.iter().flat_map(|name| ["--ignore-key", name]);
    let arguments = ["verify", "--roster", "roster.json", "log"].into_iter().chain(options);
    let output = bench.run(&arguments.collect::<Vec<_>>());
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stdout));
}

/// Tampering resembles no store's change, and hostile records cost little time.
#[test]
fn what_is_tampered_with_resembles_nothing() {
    let bench = Bench::new();
    for log in [
        log().replace("mallory", "alice"),
        log().replace("\"code\":409", "\"code\":200"),
        log().replace("\"verb\":\"delete\",", ""),
        log().replace("\"whole\":7", "\"whole\":\"8\",\"more\":null"),
    ] {
        let report = bench.report("log", log);
        assert_eq!(verdict(&report), ("tampered", 5));
        assert_eq!(resembled(&report), [], "{report:#}");
    }
    let many: String = (0..2000).map(|at| format!(r#""a_b_c{at}":"{at}","n{at}":null,"#)).collect();
    let log: String =
        lines().iter().map(|line| format!("{{{many}{}\n", &line[1..])).collect::<String>().repeat(20);
    let start = std::time::Instant::now();
    assert_eq!(bench.report("log", log)["verdict"], "tampered");
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}
