//! Random records through the sealer and the far end. They are intact if nothing was
//! changed, and otherwise not.

use fixtures::far_end::{self, Choices, Digest};
use fixtures::records::{checker, event, intact, parse, sealer, text};
use flb_audit_core::hash::Algorithm;
use flb_audit_core::verify::Checked;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value};

/// Generates a string token, with quotes, or bare where Fluent Bit prints such keys.
fn string() -> impl Strategy<Value = String> {
    let plain = any::<String>().prop_map(|text| Value::from(text).to_string());
    let odd = prop::sample::select(vec![
        r#""\ud800""#,
        r#""\u0000\/\udc00\ud83d\ude00""#,
        r#""audit""#,
        r#""audit\u0000""#,
        r#""audi\u0074_""#,
        r#""date""#,
        r#""@timestamp""#,
        r#""""#,
    ]);
    prop_oneof![4 => plain, 1 => odd.prop_map(String::from)]
}

fn key() -> impl Strategy<Value = String> {
    let bare = prop::sample::select(vec!["1", "-2.5", "true", "nan", "1e+22"]).prop_map(String::from);
    prop_oneof![8 => string(), 4 => "\"[a-e]\"", 1 => bare]
}

fn double() -> impl Strategy<Value = f64> {
    let decimal = (any::<i32>(), -30..30)
        .prop_map(|(digits, exponent)| format!("{digits}e{exponent}").parse().expect("a number"));
    prop_oneof![any::<u64>().prop_map(f64::from_bits), decimal, any::<i64>().prop_map(|value| value as f64)]
}

fn number() -> impl Strategy<Value = String> {
    let printed = double().prop_map(|value| match value {
        _ if value.is_nan() => "-nan".into(),
        f64::INFINITY => "inf".into(),
        f64::NEG_INFINITY => "-inf".into(),
        _ => far_end::percent_16_g(value),
    });
    let exact =
        double().prop_filter("finite", |value| value.is_finite()).prop_map(|value| format!("{value:?}"));
    let past = any::<i128>().prop_map(|value| value.to_string());
    prop_oneof![
        any::<i64>().prop_map(|value| value.to_string()),
        any::<u64>().prop_map(|value| value.to_string()),
        printed,
        exact,
        past
    ]
}

fn value() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec!["true", "false", "null"]).prop_map(String::from);
    let leaf = prop_oneof![2 => string(), 3 => number(), 1 => word];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(|items| format!("[{}]", items.join(","))),
            vec((key(), inner), 0..5).prop_map(object),
        ]
    })
}

fn object(fields: Vec<(String, String)>) -> String {
    let fields: Vec<_> = fields.into_iter().map(|(key, value)| format!("{key}:{value}")).collect();
    format!("{{{}}}", fields.join(","))
}

/// Changes the `at`th value of a record, counting containers before their contents.
/// Returns false if there are fewer values.
fn change(value: &mut Value, at: &mut usize) -> bool {
    if *at == 0 {
        match value {
            Value::Null => *value = Value::Bool(false),
            Value::Bool(was) => *was = !*was,
            Value::Number(was) => *value = Value::from(if was.as_f64() == Some(7.0) { 8 } else { 7 }),
            Value::String(was) => was.push('.'),
            Value::Array(items) => items.push(Value::Null),
            Value::Object(fields) => {
                fields.insert("another".into(), Value::Null);
            }
        }
        return true;
    }
    *at -= 1;
    match value {
        Value::Array(items) => items.iter_mut().any(|item| change(item, at)),
        Value::Object(fields) => fields.values_mut().any(|field| change(field, at)),
        _ => false,
    }
}

fn print(record: &Value, seed: u64) -> String {
    let fields: &Map<String, Value> = record.as_object().expect("an object");
    far_end::print(fields, &mut Choices::new(Digest(seed))).0
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn what_comes_out_of_the_far_end_is_intact(
        fields in vec((key(), value()), 0..8),
        is_sha_256 in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let record = object(fields);
        let mut sealer = sealer(if is_sha_256 { Algorithm::Sha256 } else { Algorithm::Sha512_256 });
        let sealed = parse(text(sealer.seal(&event(b"tag", record.as_bytes()))));
        prop_assert!(sealed.get("raw").is_none() || record.contains("\"raw\""), "{record}");
        let printed = print(&sealed, seed);
        intact(printed.as_bytes());
        // With a second filter after a forward output, the record is printed once more.
        intact(print(&sealed, !seed).as_bytes());
        for count in 0.. {
            let mut changed = sealed.clone();
            if !change(&mut changed, &mut { count }) {
                prop_assert!(count > 9, "a seal alone has more values");
                break;
            }
            let printed = print(&changed, seed);
            let mut checker = checker();
            let checked = checker.check(printed.as_bytes());
            let is_intact = matches!(checked, Ok(Checked::Sealed(sealed)) if sealed.is_intact);
            prop_assert!(!is_intact, "value {count} was changed: {printed}");
        }
    }
}

/// The expected texts are those of Python's `'%.16g'`.
#[test]
fn doubles_are_printed_as_c_prints_them() {
    for (value, expected) in [
        (4503599627370496.5, "4503599627370496"),
        (4503599627370497.5, "4503599627370498"),
        (1e16, "1e+16"),
        (123456789012345678.0, "1.234567890123457e+17"),
        (1e-5, "1e-05"),
        (0.0001, "0.0001"),
        (1.5e-310, "1.50000000000002e-310"),
        (18446744073709551616.0, "1.844674407370955e+19"),
        (9.5367431640625e-7, "9.5367431640625e-07"),
        (0.1 + 0.2, "0.3"),
        (-123456.789, "-123456.789"),
        (f64::MAX, "1.797693134862316e+308"),
    ] {
        assert_eq!(far_end::percent_16_g(value), expected);
    }
}
