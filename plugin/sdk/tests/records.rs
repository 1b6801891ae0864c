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
fn what_is_no_record_costs_no_record() {
    let good = record(1000, b"\x80", b"\x81\xa1a\x01");
    let whole: [&[u8]; 7] = [
        b"\x01",
        b"\0\0\0\0",
        b"\x92\x01\x02",
        b"\x92\xc0\x80",
        b"\x92\xa1x\x80",
        b"\x93\x01\x80\x80",
        b"\x92\x92\x01\x02\x80",
    ];
    let broken: [&[u8]; 4] = [b"\xc1", b"\x92", b"\x92\x01\xdf\xff\xff\xff\xff", b"\x92\x01\x81\xc1"];
    let bad = whole.iter().map(|bad| (bad, false)).chain(broken.iter().map(|bad| (bad, true)));
    for (bad, is_rest) in bad {
        let chunk = chunk(&[&good[..], bad, &good].concat());
        let records: Vec<_> = chunk.records().collect();
        let len = if is_rest { bad.len() + good.len() } else { bad.len() };
        assert_eq!(records.len(), if is_rest { 2 } else { 3 }, "{bad:x?}");
        assert_eq!(records[1].as_ref().err(), Some(&Malformed { at: good.len(), len, is_rest }), "{bad:x?}");
        assert!(is_rest || records[2].as_ref().is_ok_and(|record| json(record) == r#"{"a":1}"#), "{bad:x?}");
    }
    // Whole values and then a byte that is none.
    let chunk_of_both = chunk(b"\x01\x02\xc1\x01");
    let parts: Vec<_> = chunk_of_both.records().filter_map(Result::err).collect();
    let part = |at, is_rest| Malformed { at, len: 2, is_rest };
    assert_eq!(parts, [part(0, false), part(2, true)]);
    // The chunk is cut at every byte.
    for len in 1..good.len() {
        assert!(chunk(&good[..len]).records().next().is_some_and(|record| record.is_err()), "{len}");
    }
}

#[test]
fn odd_times_cost_no_record() {
    let cases: [(&[u8], u32); 7] = [
        // Milliseconds as an integer and as a double; 1e300; -1 and -1.5.
        (b"\x92\xcf\0\0\x01\xa1\xf7\xf8\x30\0", u32::MAX),
        (b"\x92\xcb\x42\x7a\x1f\x7f\x83\0\0\0", u32::MAX),
        (b"\x92\xcb\x7e\x37\xe4\x3c\x88\0\x75\x9c", u32::MAX),
        (b"\x92\xff", 0),
        (b"\x92\xcb\xbf\xf8\0\0\0\0\0\0", 0),
        // The times of groups, in forms that groups do not have.
        (b"\x92\xce\xff\xff\xff\xfe", u32::MAX - 1),
        (b"\x92\xd7\0\xff\xff\xff\xff\0\0\0\0", u32::MAX),
    ];
    let body = b"\x81\xa1a\x01";
    for (header, seconds) in cases {
        let chunk = chunk(&[header, body].concat());
        let record = chunk.records().next().expect("one").expect("a record");
        assert_eq!((record.time.seconds, json(&record).as_str()), (seconds, r#"{"a":1}"#), "{header:x?}");
    }
    for seconds in [u32::MAX, u32::MAX - 1] {
        let chunk = chunk(&record(seconds, b"\x80", body));
        let record = chunk.records().next().expect("one").expect("a record");
        assert_eq!(record.time.seconds, seconds);
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
