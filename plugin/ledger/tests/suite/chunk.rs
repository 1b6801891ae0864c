//! Every layout of a chunk, byte by byte.

use flb_audit_ledger::chunk::{Item, items, write_json};

/// Chunks in hexadecimal, each with its items: the time, and the body as JSON.
const CASES: [(&str, &[&str]); 14] = [
    ("", &[]),
    // 5.x: [[time, metadata], body].
    ("92 92 d7 00 00000001 00000002 80 81 a1 61 01", &[r#"1.2 {"a":1}"#]),
    // 4.0: the same with longer array headers.
    ("dd 00000002 dd 00000002 d7 00 00000001 00000002 80 81 a1 61 01", &[r#"1.2 {"a":1}"#]),
    ("dc 0002 dc 0002 d7 00 00000001 00000002 80 de 0001 a1 61 01", &[r#"1.2 {"a":1}"#]),
    // Forwarders send [time, body], with the time in any of its forms.
    ("92 d7 00 00000001 00000002 80 92 05 80 92 ce 00000006 80", &["1.2 {}", "5.0 {}", "6.0 {}"]),
    ("92 cb 3ff8000000000000 80 92 c7 08 00 00000001 00000002 80", &["1.500000000 {}", "1.2 {}"]),
    // A group: its beginning, a record in it, and its end.
    (
        "92 92 d7 00 ffffffff 00000000 80 80 92 92 d7 00 00000001 00000002 80 80 92 92 d7 00 fffffffe 00000000 80 80",
        &["group", "1.2 {}", "group"],
    ),
    // Values.
    (
        "92 05 87 a1 61 c0 a1 62 c2 a1 63 c3 a1 64 ff a1 65 d0 80 a1 66 cf ffffffffffffffff a1 67 93 01 90 81 a0 80",
        &[r#"5.0 {"a":null,"b":false,"c":true,"d":-1,"e":-128,"f":18446744073709551615,"g":[1,[],{"":{}}]}"#],
    ),
    (
        "92 05 84 a1 61 cb 3fb999999999999a a1 62 cb 4008000000000000 a1 63 ca 3fc00000 a1 64 cb fff0000000000000",
        &[r#"5.0 {"a":0.1,"b":3.0,"c":1.5,"d":-inf}"#],
    ),
    (
        "92 05 82 a1 61 d9 04 225c0a01 c4 01 62 c4 02 c3a4",
        &["5.0 {\"a\":\"\\\"\\\\\\n\\u0001\",\"b\":\"ä\"}"],
    ),
    // A key that is not a string, and an extension, as Fluent Bit prints them.
    ("92 05 82 01 05 a1 61 d4 07 0f", &[r#"5.0 {1:5,"a":"\x0f"}"#]),
    // Bytes that are not a record, and everything behind them.
    ("92 05 80 c1 92 05 80", &["5.0 {}", "c1920580"]),
    ("92 05 81 a1", &["920581a1"]),
    ("92 05 a1 61", &["9205a161"]),
];

#[test]
fn chunks_are_read_in_every_layout() {
    for (hex, expected) in CASES {
        let digits: Vec<char> = hex.chars().filter(|char| *char != ' ').collect();
        let byte = |pair: &[char]| u8::from_str_radix(&String::from_iter(pair), 16).expect("hexadecimal");
        let chunk: Vec<u8> = digits.chunks(2).map(byte).collect();
        let show = |item| match item {
            Item::Group => "group".to_owned(),
            Item::Unreadable(rest) => rest.iter().map(|byte| format!("{byte:02x}")).collect(),
            Item::Record(record) => {
                let mut json = Vec::new();
                write_json(record.body, &mut json).expect("JSON");
                format!("{}.{} {}", record.seconds, record.nanoseconds, String::from_utf8_lossy(&json))
            }
        };
        let seen: Vec<String> = items(&chunk).map(show).collect();
        assert_eq!(seen, expected, "{hex}");
    }
}

/// A chunk is read to its end however it is cut, and no byte is lost.
#[test]
fn any_bytes_are_read_to_their_end() {
    let chunk =
        [0x92, 0x92, 0xd7, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0x80, 0x81, 0xa1, 0x61, 0xdd, 0xff, 0xff, 0xff, 0xff];
    for end in 0..=chunk.len() {
        for start in 0..end {
            let bytes = &chunk[start..end];
            assert!(items(bytes).count() <= bytes.len());
        }
    }
}
