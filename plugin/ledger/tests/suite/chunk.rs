//! Every layout of a chunk, byte by byte.

use flb_audit_ledger::chunk::{Item, items, write_json};
use proptest::prelude::*;

/// Chunks in hexadecimal, each with its items: the time, and the body as JSON.
const CASES: [(&str, &[&str]); 25] = [
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
        "92 92 d7 00 ffffffff 00000000 81 a0 c0 80 92 92 d7 00 00000001 00000002 80 80 92 92 d7 00 fffffffe 00000000 80 80",
        &["group", "1.2 {}", "group"],
    ),
    // Fluent Bit 4.0 writes the end of a group in this form.
    ("dd 00000002 dd 00000002 d7 00 fffffffe 00000000 df 00000000 df 00000000", &["group"]),
    // Records with the time of a group, in forms that Fluent Bit's groups never have.
    ("92 d7 00 ffffffff 00000000 81 a1 61 01", &[r#"4294967295.0 {"a":1}"#]),
    ("92 92 d7 00 ffffffff 00000000 80 81 a1 61 01", &[r#"4294967295.0 {"a":1}"#]),
    ("92 92 d7 00 fffffffe 00000000 80 81 a1 61 01", &[r#"4294967294.0 {"a":1}"#]),
    ("92 92 d7 00 fffffffe 00000001 80 80 92 ce fffffffe 80", &["4294967294.1 {}", "4294967294.0 {}"]),
    // Milliseconds as an integer and as a double; 1e300, -1 and -1.5.
    ("92 cf 000001a1f7f83000 80 92 cb 427a1f7f83000000 80", &["4294967295.0 {}", "4294967295.0 {}"]),
    (
        "92 cb 7e37e43c8800759c 80 92 ff 80 92 cb bff8000000000000 80",
        &["4294967295.0 {}", "0.0 {}", "0.0 {}"],
    ),
    // Times that are none: a text, nil, NaN, an array of one, an extension of 4 bytes.
    ("92 a1 78 80 92 c0 80 92 cb 7ff8000000000000 80", &["now {}", "now {}", "now {}"]),
    ("92 91 05 80 92 92 d6 00 00000005 80 80", &["now {}", "now {}"]),
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
    // Values that are not a record cost no other record.
    ("92 05 80 93 01 02 03 92 06 80", &["5.0 {}", "93010203", "6.0 {}"]),
    ("92 05 a1 61 92 06 80 c0", &["9205a161", "6.0 {}", "c0"]),
    // Neighbours are one item; so zeros at the end of a chunk are, too.
    ("92 05 80 00 00 a1 61 92 06 80 00 00 c1 00", &["5.0 {}", "0000a161", "6.0 {}", "0000", "c100"]),
];

#[test]
fn chunks_are_read_in_every_layout() {
    for (hex, expected) in CASES {
        let digits: Vec<char> = hex.chars().filter(|char| *char != ' ').collect();
        let byte = |pair: &[char]| u8::from_str_radix(&String::from_iter(pair), 16).expect("hexadecimal");
        let chunk: Vec<u8> = digits.chunks(2).map(byte).collect();
        let show = |item| match item {
            Item::Group => "group".to_owned(),
            Item::Other(bytes) | Item::Unreadable(bytes) => {
                bytes.iter().map(|byte| format!("{byte:02x}")).collect()
            }
            Item::Record(record) => {
                let mut json = Vec::new();
                write_json(record.body, &mut json).expect("JSON");
                let time =
                    record.time.map_or("now".to_owned(), |(seconds, rest)| format!("{seconds}.{rest}"));
                format!("{time} {}", String::from_utf8_lossy(&json))
            }
        };
        let seen: Vec<String> = items(&chunk).map(show).collect();
        assert_eq!(seen, expected, "{hex}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    /// Records are read whatever values stand between them, and no byte of a value is lost.
    #[test]
    fn values_cost_no_record(values in proptest::collection::vec(value(), 0..8)) {
        let (mut chunk, mut expected) = (Vec::new(), Vec::<(bool, Vec<u8>)>::new());
        for (at, value) in (0u8..).zip(&values) {
            let honest = Value::Array(vec![Value::Scalar(vec![5]), Value::Map(vec![Value::Scalar(vec![at])])]);
            for value in [value, &honest] {
                let bytes = value.bytes();
                chunk.extend_from_slice(&bytes);
                match value.body() {
                    Some(body) => expected.push((true, body)),
                    None => expected.push((false, bytes)),
                }
            }
        }
        let seen: Vec<(bool, Vec<u8>)> = items(&chunk)
            .map(|item| match item {
                Item::Record(record) => (true, record.body.to_vec()),
                Item::Group => (true, b"a group".to_vec()),
                Item::Other(bytes) => (false, bytes.to_vec()),
                Item::Unreadable(rest) => (false, [b"unreadable: ", rest].concat()),
            })
            .collect();
        prop_assert_eq!(seen, expected);
    }
}

/// A value of MessagePack.
#[derive(Clone, Debug)]
enum Value {
    Scalar(Vec<u8>),
    Array(Vec<Value>),
    /// A map with the same value as each key and its value.
    Map(Vec<Value>),
}

impl Value {
    fn bytes(&self) -> Vec<u8> {
        let inside = |values: &[Value]| values.iter().map(Value::bytes).collect::<Vec<_>>();
        match self {
            Value::Scalar(bytes) => bytes.clone(),
            Value::Array(values) => [vec![0x90 + values.len() as u8], inside(values).concat()].concat(),
            Value::Map(keys) => {
                let members = inside(keys).iter().flat_map(|key| [&key[..], key].concat()).collect();
                [vec![0xde, 0, keys.len() as u8], members].concat()
            }
        }
    }

    /// Returns the body of a record: any array of two with a map at its end.
    fn body(&self) -> Option<Vec<u8>> {
        match self {
            Value::Array(values) => match &values[..] {
                [_, body @ Value::Map(_)] => Some(body.bytes()),
                _ => None,
            },
            _ => None,
        }
    }
}

fn value() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        any::<u64>().prop_map(|number| [&[0xcf][..], &number.to_be_bytes()].concat()),
        any::<i64>().prop_map(|number| [&[0xd3][..], &number.to_be_bytes()].concat()),
        any::<f64>().prop_map(|number| [&[0xcb][..], &number.to_be_bytes()].concat()),
        any::<f32>().prop_map(|number| [&[0xca][..], &number.to_be_bytes()].concat()),
        (0xfffffff0u32.., any::<u32>()).prop_map(|(seconds, rest)| [
            &[0xd7, 0][..],
            &seconds.to_be_bytes(),
            &rest.to_be_bytes()
        ]
        .concat()),
        prop_oneof![0u8..0x80, 0xc0u8..0xc1, 0xc2u8..0xc4, 0xe0u8..].prop_map(|byte| vec![byte]),
    ];
    let text = (prop_oneof![Just(0xc4u8), Just(0xd9u8)], proptest::collection::vec(any::<u8>(), 0..20))
        .prop_map(|(marker, text)| [&[marker, text.len() as u8][..], &text].concat());
    let scalar = prop_oneof![number, text].prop_map(Value::Scalar).boxed();
    scalar.prop_recursive(4, 24, 4, |inner| {
        let values = proptest::collection::vec(inner, 0..4);
        prop_oneof![values.clone().prop_map(Value::Array), values.prop_map(Value::Map)]
    })
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
