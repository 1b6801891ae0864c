//! Checks that product and model agree on docs/seal-verdicts.json, with lines in any
//! order.

mod product;
mod vectors;

use flb_audit_model::forge::Forge;
use flb_audit_model::json::Value as Json;
use flb_audit_model::model::{Ledger, Log, Report, refuses, verify};
use flb_audit_model::seal::GENESIS;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Returns the path of the file, which is beside its page.
fn path() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/seal-verdicts.json")
}

fn document() -> Value {
    serde_json::from_str(&fs::read_to_string(path()).expect("docs/seal-verdicts.json")).expect("JSON")
}

/// Reads the log of a vector. The vector refers to lines of the document by number.
fn log(document: &Value, vector: &Value) -> Log {
    let line = |number: &Value| {
        let number = number.as_u64().expect("a number") as usize;
        document["lines"][number].as_str().expect("a line").to_owned()
    };
    let lines = |value: &Value| value.as_array().map(|numbers| numbers.iter().map(line).collect::<Vec<_>>());
    let ledger = |of: &Value| Ledger {
        manifests: lines(&of["manifests"]).expect("lines"),
        number: of["number"].as_u64().expect("a number"),
        open: lines(&of["open"]).expect("lines"),
    };
    Log {
        lines: lines(&vector["lines"]).expect("lines"),
        ledgers: vector["ledgers"].as_array().into_iter().flatten().map(ledger).collect(),
        roster: vector.get("roster").map(|roster| roster.to_string()),
        fleet: vector.get("fleet").map(|fleet| fleet.to_string()),
        expected: vector["expected"]
            .as_array()
            .map(|all| all.iter().filter_map(|of| of.as_str().map(str::to_owned)).collect()),
        anchors: lines(&vector["anchors"]),
        from: lines(&vector["from"]),
        heard: vector["heard"].as_array().and_then(|heard| Some((heard[0].as_u64()?, heard[1].as_u64()?))),
    }
}

/// Checks that the file is what the generator makes. With `BLESS=1`, writes it.
#[test]
fn the_file_is_what_the_generator_makes() {
    let mut lines: Vec<String> = Vec::new();
    let mut numbers = |of: &[String]| -> Value {
        let mut number = |line: &String| {
            lines.iter().position(|other| other == line).unwrap_or_else(|| {
                lines.push(line.clone());
                lines.len() - 1
            })
        };
        json!(of.iter().map(&mut number).collect::<Vec<usize>>())
    };
    let mut made = Vec::new();
    for (name, log) in vectors::all() {
        let report = verify(&log);
        let findings: Vec<&str> = report.findings.keys().copied().collect();
        let mut vector = match refuses(&log) {
            true => json!({"name": name, "verdict": null}),
            false => json!({
                "name": name, "verdict": report.verdict(), "findings": findings, "covered": report.covered.len()
            }),
        };
        vector["lines"] = numbers(&log.lines);
        if !log.ledgers.is_empty() {
            let ledger = |of: &Ledger| json!({"manifests": numbers(&of.manifests), "number": of.number, "open": numbers(&of.open)});
            vector["ledgers"] = log.ledgers.iter().map(ledger).collect();
        }
        if let Some(roster) = &log.roster {
            vector["roster"] = serde_json::from_str(roster).expect("a roster");
        }
        if let Some(fleet) = &log.fleet {
            vector["fleet"] = serde_json::from_str(fleet).expect("a fleet");
        }
        if let Some(expected) = &log.expected {
            vector["expected"] = json!(expected);
        }
        if let Some(anchors) = &log.anchors {
            vector["anchors"] = numbers(anchors);
        }
        if let Some(from) = &log.from {
            vector["from"] = numbers(from);
        }
        if let Some((from, to)) = log.heard {
            vector["heard"] = json!([from, to]);
        }
        made.push(vector);
    }
    let is_fine = |vector: &&Value| vector["verdict"] == "intact" || vector["verdict"] == "tail_unanchored";
    assert!(made.len() - made.iter().filter(is_fine).count() >= 120);
    // One line for each vector, so that changes are easy to see.
    let rows = |rows: Vec<Value>| rows.iter().map(Value::to_string).collect::<Vec<_>>().join(",\n");
    let made = format!(
        "{{\"vectors\":[\n{}\n],\"lines\":[\n{}\n]}}\n",
        rows(made),
        rows(lines.into_iter().map(Value::String).collect())
    );
    if std::env::var_os("BLESS").is_some() {
        fs::write(path(), &made).expect("written");
    }
    let found = fs::read_to_string(path()).expect("docs/seal-verdicts.json");
    assert!(made == found, "docs/seal-verdicts.json is not what the generator makes; BLESS=1 writes it");
}

/// Returns what differs in the reports of model and product. In a tampered log, findings depend on which
/// record counts as the tampered one.
fn difference(model: &Report, product: &Value) -> Option<String> {
    let kinds: Vec<&str> = model.findings.keys().copied().collect();
    let mut of_product: Vec<&str> =
        product["counts"].as_object().expect("counts").keys().map(String::as_str).collect();
    of_product.sort_unstable();
    let is_same = product["verdict"] == model.verdict()
        && (model.verdict() == "tampered" || kinds == of_product && product["signed"] == model.covered.len());
    let shown = || {
        let signed = (model.covered.len(), &product["signed"]);
        format!("model {:?}, product {}, signed {signed:?}", model.findings, product["findings"])
    };
    (!is_same).then(shown)
}

/// Plays with random ledgers. `GAMES` is another number of them, `SEED` another seed.
#[test]
fn product_and_model_agree_on_random_ledgers() {
    let number = |name: &str| std::env::var(name).ok().and_then(|number| number.parse::<u32>().ok());
    let config = Config {
        cases: number("GAMES").unwrap_or(500),
        failure_persistence: None,
        max_shrink_iters: 2000,
        ..Config::default()
    };
    let seed = [number("SEED").unwrap_or(0) as u8; 32];
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let played = runner.run(&vec(any::<u8>(), 0..160), |bytes| {
        let log = vectors::random::log(&bytes);
        let difference = difference(&verify(&log), &product::verify(&log, 1, false));
        prop_assert!(difference.is_none(), "{difference:?} {:?}", log.ledgers);
        Ok(())
    });
    if let Err(wrong) = played {
        panic!("{wrong}");
    }
}

#[test]
fn product_and_model_agree_on_every_vector_in_any_order() {
    let mut wrong = Vec::new();
    let document = document();
    for vector in document["vectors"].as_array().expect("vectors") {
        let log = log(&document, vector);
        for (order, files) in [(0, 1), (1, 1), (2, 3)] {
            let mut log = log.clone();
            match order {
                0 => {}
                1 => log.lines.reverse(),
                _ => log.lines.sort_by_key(|line| line.bytes().rev().collect::<Vec<_>>()),
            }
            let model = verify(&log);
            let product = product::verify(&log, files, true);
            if product.is_null() || refuses(&log) {
                if !(product.is_null() && refuses(&log) && vector["verdict"].is_null()) {
                    let who = if product.is_null() { "product" } else { "model" };
                    wrong.push(format!("{}: only the {who} refuses it: {product:.400}", vector["name"]));
                }
                continue;
            }
            let difference = difference(&model, &product);
            if difference.is_some() || vector["verdict"] != model.verdict() {
                let (name, expected) = (&vector["name"], &vector["verdict"]);
                wrong.push(format!("{name} (order {order}): expected {expected}, {difference:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}\n{} disagreements", wrong.join("\n"), wrong.len());
}

/// The records of chains that are not followed are here, with and without a roster.
#[test]
fn records_of_too_many_unknown_chains_are_something() {
    let of = |number: usize| Forge { key: None, ..Forge::new(&format!("vectors{number:05}"), 1) };
    let lines: Vec<String> = (0..10_001).map(|number| of(number).seal("{}", false, &[]).text()).collect();
    for (roster, expected) in [(None, "unreadable"), (Some("[]".to_owned()), "key_not_certified")] {
        let log = Log { lines: lines.clone(), roster, ..Log::default() };
        let model: Vec<_> = verify(&log).findings.into_keys().collect();
        assert_eq!(model, [expected]);
        let product = product::verify(&log, 1, true);
        let product: Vec<_> = product["counts"].as_object().expect("counts").keys().collect();
        assert_eq!(product, [expected]);
    }
}

/// The verifier keeps 64 records that follow one another as one page.
#[test]
fn a_handover_to_the_first_record_of_a_page_has_the_head_before_it() {
    let mut forge = Forge::new("vectors-0001", 1);
    let mut lines: Vec<String> = (0..64).map(|n| forge.seal("{}", n == 0, &[]).text()).collect();
    forge.handovers.push((forge.place.clone(), GENESIS));
    forge.key = Some(1);
    lines.extend((0..64).map(|n| forge.seal("{}", n == 0, &[]).text()));
    lines.remove(63);
    let roster = Some(Json::Array(vec![forge.roster()]).text());
    let log = Log { lines, roster, ..Log::default() };
    assert_eq!(verify(&log).verdict(), "tampered");
    assert_eq!(product::verify(&log, 1, true)["verdict"], "tampered");
}
