//! Values that Fluent Bit prints, parses or drops in ways of its own.
//!
//! One table has what comes as MessagePack, and one what `tail` parses from JSON. Each
//! row has the record, how it must come out, and what the seal says.

use crate::case::Place;
use crate::expected::Expected;
use crate::forward::Entry;
use crate::pipeline::Pipeline;
use anyhow::{Context, Result};
use host_tests::msgpack::Value;
use serde_json::json;
use std::fmt::Write;
use std::fs;

const TAG: &str = "odd";
/// The records' time, which is the last one that Fluent Bit accepts. It takes later
/// seconds for negative, and the record for a mark that groups others.
const TIME: (u32, u32) = (2_147_483_647, 999_999_999);

/// A row: a value for the member `v`, or a map as the whole record.
type MessagePackRow = (Value, &'static str, serde_json::Value);

/// Half the depth that Fluent Bit reads.
const DEEP: &str = r#"{"v":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}"#;

/// A row: a line, what comes out, what comes out if jsmn reads the line, and what the
/// seal says.
type JsonRow = (&'static str, &'static str, Option<&'static str>, serde_json::Value);

pub(crate) fn as_messagepack(place: &Place) -> Result<String> {
    let mut pipeline = Pipeline::new(place)?;
    pipeline.all_outputs();
    // The default of 5.1. With the 24,576 bytes of 4.0 and 4.1, a record that is nested
    // 20 deep crashes the `file` output, with or without a filter.
    pipeline.service("coro_stack_size", 65_536);
    let (process, mut client) = pipeline.start_forward()?;
    let (mut entries, mut expected) = (Vec::new(), Vec::new());
    for (record, out, remarks) in messagepack_rows() {
        let (seconds, nanoseconds) = TIME;
        let record = match record {
            Value::Map(_) => record,
            value => map([("v".into(), value)]),
        };
        entries.push(Entry { seconds, nanoseconds, record });
        expected.push(row(Some(TIME), out, remarks)?);
    }
    client.send(TAG, &entries)?;
    pipeline.finish(process, &expected)?;
    Ok(format!("{} records", expected.len()))
}

pub(crate) fn as_json(place: &Place) -> Result<String> {
    let mut pipeline = Pipeline::new(place)?;
    pipeline.all_outputs();
    let tail = pipeline.tail(TAG, "log");
    pipeline.input(tail);
    let (mut log, mut expected) = (String::new(), Vec::new());
    for (record, out, out_of_jsmn, remarks) in json_rows() {
        writeln!(log, "{record}")?;
        let out = out_of_jsmn.filter(|_| place.fluent_bit.reads_json_with_jsmn()).unwrap_or(out);
        expected.push(row(None, out, remarks)?);
    }
    fs::write(place.at("log"), log)?;
    let process = pipeline.start()?;
    pipeline.finish(process, &expected)?;
    Ok(format!("{} records", expected.len()))
}

fn row(time: Option<(u32, u32)>, out: &str, remarks: serde_json::Value) -> Result<Expected> {
    let record = serde_json::from_str(out).with_context(|| out.to_owned())?;
    Ok(Expected { remarks: Some(remarks), ..Expected::unchanged(TAG, time, record) })
}

fn map<const N: usize>(fields: [(Value, Value); N]) -> Value {
    Value::Map(fields.into())
}

fn text(bytes: &[u8]) -> Value {
    Value::Str(bytes.into())
}

fn messagepack_rows() -> Vec<MessagePackRow> {
    let none = || json!({});
    let notes = |words: &[&str]| json!({ "notes": words });
    let one = || Value::Int(1);
    let deep = (0..30).fold(one(), |inner, _| Value::Array(vec![inner]));
    vec![
        (deep, DEEP, none()),
        (Value::F64(f64::NAN), r#"{"v":"NaN"}"#, notes(&["not-finite"])),
        (Value::F64(-f64::NAN), r#"{"v":"NaN"}"#, notes(&["not-finite"])),
        (Value::F64(f64::INFINITY), r#"{"v":"Infinity"}"#, notes(&["not-finite"])),
        (Value::F64(f64::NEG_INFINITY), r#"{"v":"-Infinity"}"#, notes(&["not-finite"])),
        (Value::F32(f32::INFINITY), r#"{"v":"Infinity"}"#, notes(&["not-finite"])),
        (Value::F32(1.5), r#"{"v":1.5}"#, none()),
        (Value::F64(0.1 + 0.2), r#"{"v":0.3}"#, none()),
        (Value::F64(1e300), r#"{"v":1e300}"#, none()),
        (Value::F64(1e22), r#"{"v":1e22}"#, none()),
        (Value::F64(5e-324), r#"{"v":5e-324}"#, none()),
        (Value::F64(-0.0), r#"{"v":0.0}"#, none()),
        (Value::F64(100.0), r#"{"v":100.0}"#, none()),
        (Value::F64(f64::MAX), r#"{"v":1.797693134862315e308}"#, notes(&["clamped"])),
        (Value::F64(f64::MIN), r#"{"v":-1.797693134862315e308}"#, notes(&["clamped"])),
        (Value::F64(9_007_199_254_740_993.0), r#"{"v":9007199254740992.0}"#, none()),
        (Value::F64(-9_223_372_036_854_775_808.0), r#"{"v":-9223372036854775808.0}"#, none()),
        (Value::F64(-9_223_372_036_854_777_856.0), r#"{"v":-9.223372036854778e18}"#, none()),
        (Value::F64(18_446_744_073_709_551_616.0), r#"{"v":1.844674407370955e19}"#, none()),
        (Value::Int(i64::MIN), r#"{"v":-9223372036854775808}"#, none()),
        (Value::Int(i64::MAX), r#"{"v":9223372036854775807}"#, none()),
        (Value::Uint(u64::MAX), r#"{"v":18446744073709551615}"#, none()),
        (Value::Int(0), r#"{"v":0}"#, none()),
        (Value::Int(-1), r#"{"v":-1}"#, none()),
        (Value::Nil, r#"{"v":null}"#, none()),
        (Value::Bool(true), r#"{"v":true}"#, none()),
        (Value::Bin(b"bytes".into()), r#"{"v":"bytes"}"#, none()),
        (
            Value::Ext(5, b"\x01\x7fi\x80\xff".into()),
            r#"{"v":"\u0001\u007fi\u0080\u00ff"}"#,
            notes(&["extension"]),
        ),
        (Value::Array(vec![]), r#"{"v":[]}"#, none()),
        (map([("v".into(), map([]))]), r#"{"v":{}}"#, none()),
        (map([]), "{}", none()),
        // Keys that are not strings.
        (map([(Value::Int(1), Value::Int(5))]), r#"{"1":5}"#, notes(&["bare-keys"])),
        (map([(Value::F64(-1.5), one())]), r#"{"-1.5":1}"#, notes(&["bare-keys"])),
        (
            map([(Value::Bool(true), one()), (Value::Nil, one())]),
            r#"{"true":1,"null":1}"#,
            notes(&["bare-keys"]),
        ),
        (map([(Value::F64(f64::NAN), one())]), r#"{"nan":1}"#, notes(&["bare-keys"])),
        (map([("".into(), one())]), r#"{"":1}"#, none()),
        // Several members with one key. If all values are strings, Fluent Bit keeps only
        // the last, before the filter sees the record.
        (
            map([("a".into(), one()), ("b".into(), one()), ("a".into(), Value::Int(2))]),
            r#"{"b":1,"a":2}"#,
            none(),
        ),
        (
            map([(Value::Int(1), one()), ("1".into(), Value::Int(2))]),
            r#"{"1":2}"#,
            notes(&["bare-keys", "duplicate-keys"]),
        ),
        (
            map([("v".into(), map([("a".into(), one()), ("a".into(), Value::Nil)]))]),
            r#"{"v":{"a":null}}"#,
            none(),
        ),
        // Text.
        (text(b"a\0b\0"), r#"{"v":"a\u0000b\u0000"}"#, none()),
        (text(b"\x01\x1f\x7f\"\\/\t\r\n\x08\x0c"), r#"{"v":"\u0001\u001f\u007f\"\\/\t\r\n\b\f"}"#, none()),
        (
            text("zoë \u{1f600} \u{ffff}\u{10ffff}\u{2028}".as_bytes()),
            "{\"v\":\"zoë \u{1f600} \u{ffff}\u{10ffff}\u{2028}\"}",
            none(),
        ),
        (text("\u{fffd}\u{e0ff}".as_bytes()), "{\"v\":\"\u{fffd}\u{e0ff}\"}", none()),
        // Bytes that are not UTF-8 are removed, or moved to U+E080 and up, before the
        // filter sees them.
        (text(b"x\xffy"), r#"{"v":"xy"}"#, none()),
        (text(b"\xed\xa0\x80"), "{\"v\":\"\u{e0ed}\u{e0a0}\u{e080}\"}", none()),
        (text(b"\xe2\x82"), "{\"v\":\"\u{e082}\"}", none()),
        (text(b"\xc0\xaf\xf4\x90\x80\x80\xf8"), "{\"v\":\"/\u{e0f4}\u{e090}\u{e080}\u{e080}\"}", none()),
        (map([(text(b"k\xff"), one())]), r#"{"k":1}"#, none()),
        (map([(text(b"a\0b"), one())]), r#"{"a\u0000b":1}"#, none()),
        (text(br"\u0041\ud800 \n"), r#"{"v":"\\u0041\\ud800 \\n"}"#, none()),
        // Names that the seal or an output uses.
        (
            map([("audit".into(), one()), ("a".into(), one())]),
            r#"{"audit_":1,"a":1}"#,
            json!({ "renamed": "audit_" }),
        ),
        (
            map([("audit".into(), "x".into()), ("audit_".into(), one())]),
            r#"{"audit__":"x","audit_":1}"#,
            json!({ "renamed": "audit__" }),
        ),
        (map([("raw".into(), one()), ("error".into(), one())]), r#"{"raw":1,"error":1}"#, none()),
        (
            map([("date".into(), one()), ("@timestamp".into(), "now".into())]),
            r#"{"date":1,"@timestamp":"now"}"#,
            none(),
        ),
        (
            map([("a".into(), one()), ("_flb-key".into(), "k".into()), ("date".into(), Value::F64(1.5))]),
            r#"{"a":1,"_flb-key":"k","date":1.5}"#,
            none(),
        ),
    ]
}

fn json_rows() -> Vec<JsonRow> {
    let none = || json!({});
    vec![
        (r#"{"v":"\ud800"}"#, "{\"v\":\"\u{fffd}\"}", None, none()),
        (r#"{"v":"x\udfff\ud83dy"}"#, "{\"v\":\"x\u{fffd}\u{fffd}y\"}", None, none()),
        (r#"{"v":"\ud83d\ude00 \u00e9"}"#, "{\"v\":\"\u{1f600} é\"}", None, none()),
        (r#"{"v":"a\u0000b"}"#, r#"{"v":"a\u0000b"}"#, None, none()),
        (r#"{"v":"\"\\\/\b\f\n\r\t\u001f"}"#, r#"{"v":"\"\\/\b\f\n\r\t\u001f"}"#, None, none()),
        (r#"{"v":0.30000000000000004}"#, r#"{"v":0.3}"#, None, none()),
        (r#"{"v":0.1234567890123456789}"#, r#"{"v":0.1234567890123457}"#, None, none()),
        (r#"{"v":1e300}"#, r#"{"v":1e300}"#, Some(r#"{"v":1}"#), none()),
        (r#"{"v":1e+22}"#, r#"{"v":1e22}"#, None, none()),
        (r#"{"v":1.5e3}"#, r#"{"v":1500.0}"#, None, none()),
        (r#"{"v":-0}"#, r#"{"v":0}"#, None, none()),
        (r#"{"v":-0.0}"#, r#"{"v":0.0}"#, None, none()),
        (r#"{"v":9223372036854775807}"#, r#"{"v":9223372036854775807}"#, None, none()),
        (r#"{"v":-9223372036854775808}"#, r#"{"v":-9223372036854775808}"#, None, none()),
        (r#"{"v":18446744073709551615}"#, r#"{"v":18446744073709551615}"#, None, none()),
        (r#"{"v":-9223372036854775809}"#, r#"{"v":-9223372036854775808.0}"#, None, none()),
        (r#"{"v":18446744073709551616}"#, r#"{"v":1.844674407370955e19}"#, None, none()),
        (
            r#"{"v":1.7976931348623157e308}"#,
            r#"{"v":1.797693134862315e308}"#,
            None,
            json!({ "notes": ["clamped"] }),
        ),
        (r#"{"a":1,"b":2,"a":3}"#, r#"{"b":2,"a":3}"#, None, none()),
        (
            r#"{"audit":{"seq":1},"date":"x"}"#,
            r#"{"audit_":{"seq":1},"date":"x"}"#,
            None,
            json!({ "renamed": "audit_" }),
        ),
        (r#"{}"#, r#"{}"#, None, none()),
        // Text that the parser cannot read becomes a string.
        (r#"{"v":nan}"#, r#"{"log":"{\"v\":nan}"}"#, Some(r#"{"v":null}"#), none()),
        ("x", r#"{"log":"x"}"#, None, none()),
    ]
}
