//! Many records of arbitrary JSON, all of which must come out.

use crate::case::Place;
use crate::forward::Entry;
use crate::generate::Generator;
use crate::pipeline::Pipeline;
use crate::reference::Reference;
use anyhow::Result;
use host_tests::msgpack::Value;

const RECORDS: u32 = 10_000;
const MESSAGE_RECORDS: usize = 500;
const SEED: u64 = 2;

pub(crate) fn through_forward(place: &Place) -> Result<String> {
    let mut pipeline = Pipeline::new(place)?;
    pipeline.all_outputs();
    let (process, mut client) = pipeline.start_forward()?;
    let reference = Reference::new()?;
    let mut life = reference.start();
    let mut generator = Generator::new(SEED);
    let (mut entries, mut expected) = (Vec::new(), Vec::new());
    for seconds in 1..=RECORDS {
        let record = generator.record();
        entries.push(Entry { seconds, nanoseconds: 0, record: Value::from(&record) });
        expected.push(life.expect("arbitrary", Some((seconds, 0)), &printed(&record).to_string())?.alike());
    }
    for entries in entries.chunks(MESSAGE_RECORDS) {
        client.send("arbitrary", entries)?;
    }
    let report = pipeline.finish(process, &expected)?;
    Ok(format!("{} records in {} segments", expected.len(), report.segments()?))
}

/// Returns a value with doubles as Fluent Bit prints them for the filter: integral ones
/// with all digits, the others with sixteen digits.
fn printed(value: &serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Array(items) => items.iter().map(printed).collect(),
        serde_json::Value::Object(fields) => {
            fields.iter().map(|(key, value)| (key.clone(), printed(value))).collect()
        }
        serde_json::Value::Number(number) if !number.is_i64() && !number.is_u64() => {
            let Some(double) = number.as_f64() else {
                return value.clone();
            };
            let printed = if double.fract() == 0.0 && double.abs() < INTEGERS_END {
                serde_json::from_str(&format!("{double:.1}")).ok()
            } else {
                let read = format!("{double:.15e}").parse().ok();
                read.and_then(serde_json::Number::from_f64).map(serde_json::Value::Number)
            };
            printed.unwrap_or_else(|| value.clone())
        }
        _ => value.clone(),
    }
}

/// The end of the range of 64-bit integers, from which on all doubles are printed with an
/// exponent.
const INTEGERS_END: f64 = 9_223_372_036_854_775_808.0;
