//! Chunks as Fluent Bit makes them, and malformed ones.

use flb_audit_output::{Chunk, Malformed, Record, Time, Value};

fn chunk(bytes: &[u8]) -> Chunk {
    Chunk::new(b"some.tag".to_vec(), bytes.to_vec())
}

/// `[[time, metadata], body]`, with these bytes for metadata and body.
fn record(seconds: u32, metadata: &[u8], body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x92, 0x92, 0xd7, 0x00];
    bytes.extend(seconds.to_be_bytes());
    bytes.extend(7u32.to_be_bytes());
    if seconds >= u32::MAX - 1 {
        let end = bytes.len();
        bytes[end - 4..].fill(0);
    }
    bytes.extend(metadata);
    bytes.extend(body);
    bytes
}

fn json(record: &Record<'_>) -> String {
    let mut text = String::new();
    record.body.write_json(&mut text);
    text
}

#[test]
fn records_metadata_and_groups() {
    let mut bytes = record(1000, b"\x80", b"\x81\xa1a\x01");
    bytes.extend(record(u32::MAX, b"\x81\xa1g\x02", b"\x81\xa1r\xc3"));
    bytes.extend(record(1001, b"\x81\xa1m\xa1x", b"\x82\xa1a\xff\xa1b\x92\xc0\xcb\x3f\xf8\0\0\0\0\0\0"));
    bytes.extend(record(u32::MAX - 1, b"\x80", b"\x80"));
    // Older versions write an array with a header of 32 bits, and the time alone.
    bytes.extend(b"\xdd\0\0\0\x02\xce\0\0\x03\xea\x81\xa1a\x03");
    let chunk = chunk(&bytes);
    let records: Vec<Record<'_>> = chunk.records().collect::<Result<_, _>>().expect("records");
    assert_eq!(
        records.iter().map(json).collect::<Vec<_>>(),
        [r#"{"a":1}"#, r#"{"a":-1,"b":[null,1.5]}"#, r#"{"a":3}"#]
    );
    assert_eq!(records[0].time, Time { seconds: 1000, nanoseconds: 7 });
    assert_eq!(records[2].time, Time { seconds: 1002, nanoseconds: 0 });
    assert!(records[0].metadata.is_empty() && records[0].group.is_none() && records[2].group.is_none());
    assert!(matches!(records[1].metadata.get("m"), Some(Value::Text(text)) if text.as_bytes() == b"x"));
    let group = records[1].group.expect("a group");
    assert!(matches!(group.metadata.get("g"), Some(Value::Unsigned(2))));
    assert!(matches!(group.body.get("r"), Some(Value::Bool(true))));
}

#[test]
fn what_is_not_utf8_is_no_error() {
    let bytes = record(1000, b"\x80", b"\x81\xa3M\xfcl\xa4caf\xe9");
    let chunk = Chunk::new(b"caf\xe9".to_vec(), bytes);
    assert_eq!(chunk.tag().lossy(), "caf\u{fffd}");
    let record = chunk.records().next().expect("one").expect("a record");
    assert_eq!(json(&record), "{\"M\u{fffd}l\":\"caf\u{fffd}\"}");
    let (key, value) = record.body.iter().next().expect("a member");
    assert!(matches!((key, value), (Value::Text(key), Value::Text(value))
        if key.to_str().is_none() && value.as_bytes() == b"caf\xe9"));
}

#[test]
fn json_is_json() {
    // NaN; a control character; bytes; an extension; keys that are an integer and an array.
    let body = b"\x86\xa1a\xcb\x7f\xf8\0\0\0\0\0\0\xa1b\xa3\x01\"\\\xa1c\xc4\x02\x0a\xff\xa1d\xd4\x05\x09\x05\xa1e\x92\x01\xa1f\x90";
    let bytes = record(1000, b"\x80", body);
    let chunk = chunk(&bytes);
    let record = chunk.records().next().expect("one").expect("a record");
    assert_eq!(json(&record), r#"{"a":null,"b":"\u0001\"\\","c":"0aff","d":"09","5":"e","[1,\"f\"]":[]}"#);
}

#[test]
fn what_is_no_record_ends_a_chunk() {
    let good = record(1000, b"\x80", b"\x81\xa1a\x01");
    let bad: [&[u8]; 7] = [
        b"\xc1",
        b"\x92",
        b"\x01",
        b"\x92\x01\x02",
        b"\x92\xc0\x80",
        b"\x93\x01\x80\x80",
        b"\x92\x01\xdf\xff\xff\xff\xff",
    ];
    for bad in bad {
        let chunk = chunk(&[&good[..], bad].concat());
        let records: Vec<_> = chunk.records().collect();
        assert_eq!(records.len(), 2, "{bad:x?}");
        assert_eq!(records[1].as_ref().err(), Some(&Malformed { at: good.len() }), "{bad:x?}");
    }
    // The chunk is cut at every byte.
    for len in 1..good.len() {
        assert!(chunk(&good[..len]).records().next().is_some_and(|record| record.is_err()), "{len}");
    }
}

#[test]
fn depth_is_no_danger() {
    let mut body = b"\x81\xa1a".to_vec();
    body.extend([0x91].repeat(1_000_000));
    body.push(0xc0);
    let bytes = record(1000, b"\x80", &body);
    let chunk = chunk(&bytes);
    let record = chunk.records().next().expect("one").expect("a record");
    assert_eq!(json(&record).len(), 2_000_000 + r#"{"a":null}"#.len());
}
