//! The canonical form: RFC 8785 with its own examples, and exact integers.

use flb_audit_core::Tape;
use flb_audit_core::record::canonical::Canonical;
use flb_audit_core::record::tape::{Dialect, Unreadable};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn canonical(text: &[u8]) -> Result<String, Unreadable> {
    let (mut tape, mut canonical) = (Tape::new(), Canonical::new());
    tape.read(text, Dialect::Json)?;
    canonical.write(&mut tape, text).expect("memory");
    Ok(String::from_utf8(canonical.text().to_vec()).expect("UTF-8"))
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(canonical(text.as_bytes()).as_deref(), Ok(expected), "of {text}");
}

/// RFC 8785, sections 3.2.2 to 3.2.4.
#[test]
fn the_example_of_the_rfc() {
    check(
        r#"{
          "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
          "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
          "literals": [null, true, false]
        }"#,
        "{\"literals\":[null,true,false],\
         \"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\
         \"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}",
    );
}

/// RFC 8785, section 3.2.3.
#[test]
fn the_sorting_example_of_the_rfc() {
    check(
        r#"{
          "\u20ac": "Euro Sign",
          "\r": "Carriage Return",
          "\ufb33": "Hebrew Letter Dalet With Dagesh",
          "1": "One",
          "\ud83d\ude00": "Emoji: Grinning Face",
          "\u0080": "Control",
          "\u00f6": "Latin Small Letter O With Diaeresis"
        }"#,
        "{\"\\r\":\"Carriage Return\",\
         \"1\":\"One\",\
         \"\u{80}\":\"Control\",\
         \"ö\":\"Latin Small Letter O With Diaeresis\",\
         \"€\":\"Euro Sign\",\
         \"😀\":\"Emoji: Grinning Face\",\
         \"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}",
    );
}

/// RFC 8785, appendix B.
#[test]
fn the_numbers_of_the_rfc() {
    for (bits, expected) in [
        (0x0000000000000000, "0"),
        (0x8000000000000000, "0"),
        (0x0000000000000001, "5e-324"),
        (0x8000000000000001, "-5e-324"),
        (0x7fefffffffffffff, "1.7976931348623157e+308"),
        (0xffefffffffffffff, "-1.7976931348623157e+308"),
        (0x4340000000000000, "9007199254740992"),
        (0xc340000000000000, "-9007199254740992"),
        (0x4430000000000000, "295147905179352830000"),
        (0x44b52d02c7e14af5, "9.999999999999997e+22"),
        (0x44b52d02c7e14af6, "1e+23"),
        (0x44b52d02c7e14af7, "1.0000000000000001e+23"),
        (0x444b1ae4d6e2ef4e, "999999999999999700000"),
        (0x444b1ae4d6e2ef4f, "999999999999999900000"),
        (0x444b1ae4d6e2ef50, "1e+21"),
        (0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"),
        (0x3eb0c6f7a0b5ed8d, "0.000001"),
        (0x41b3de4355555553, "333333333.3333332"),
        (0x41b3de4355555554, "333333333.33333325"),
        (0x41b3de4355555555, "333333333.3333333"),
        (0x41b3de4355555556, "333333333.3333334"),
        (0x41b3de4355555557, "333333333.33333343"),
        (0xbecbf647612f3696, "-0.0000033333333333333333"),
        (0x43143ff3c1cb0959, "1424953923781206.2"),
    ] {
        let value = f64::from_bits(bits);
        for text in [format!("{value:e}"), format!("{value:?}"), format!("{value:.1100}")] {
            check(&format!("{{\"a\":{text}}}"), &format!("{{\"a\":{expected}}}"));
        }
    }
}

/// ECMA-262, Number::toString, note 2: of two texts at the same distance, the even one.
#[test]
fn a_number_between_two_texts_is_even() {
    for (text, expected) in [
        ("662936471232937.25", "662936471232937.2"),
        ("662936471232937.3", "662936471232937.2"),
        ("662936471232937.75", "662936471232937.8"),
        ("70368744177664.125", "70368744177664.12"),
        ("-70368744177664.875", "-70368744177664.88"),
        ("140737488355329.125", "140737488355329.12"),
        // The text below a power of two reads as another number.
        ("5.684341886080801486968994140625e-14", "5.684341886080802e-14"),
    ] {
        check(&format!("{{\"a\":{text}}}"), &format!("{{\"a\":{expected}}}"));
    }
}

#[test]
fn integers_of_64_bits_are_exact() {
    for (text, expected) in [
        ("9007199254740993", "9007199254740993"),
        ("999999999999999999", "999999999999999999"),
        ("9223372036854775807", "9223372036854775807"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("18446744073709551615", "18446744073709551615"),
        // A double that is integral within this range is written as an integer.
        ("9223372036854775808.0", "9223372036854775808"),
        ("-9.223372036854775808e18", "-9223372036854775808"),
        ("1e19", "10000000000000000000"),
        ("18446744073709549568.0", "18446744073709549568"),
        ("-9223372036854775809", "-9223372036854775808"),
        ("18446744073709551616", "18446744073709552000"),
        ("-9223372036854777856", "-9223372036854778000"),
        ("-0", "0"),
        ("-0.0", "0"),
        ("-0e5", "0"),
        ("0E-5", "0"),
        ("100E-2", "1"),
        ("1.10", "1.1"),
    ] {
        check(&format!("{{\"a\":{text}}}"), &format!("{{\"a\":{expected}}}"));
        check(&format!("{{\"a\":[{text}]}}"), &format!("{{\"a\":[{expected}]}}"));
    }
}

#[test]
fn strings_have_one_form() {
    let all: String = (0..0x20).map(|code| format!("\\u{code:04X}")).collect();
    check(
        &format!("{{\"a\":\"{all}\"}}"),
        "{\"a\":\"\\u0000\\u0001\\u0002\\u0003\\u0004\\u0005\\u0006\\u0007\\b\\t\\n\\u000b\\f\\r\\u000e\\u000f\
         \\u0010\\u0011\\u0012\\u0013\\u0014\\u0015\\u0016\\u0017\\u0018\\u0019\\u001a\\u001b\\u001c\\u001d\\u001e\
         \\u001f\"}",
    );
    check(r#"{"a":"\u007f\u00A0\uD83D\ude00\/"}"#, "{\"a\":\"\u{7f}\u{a0}😀/\"}");
    check("{ \"b\" : \"\\u0062\" , \"a\" :\t[ ] ,\r\n\"\" : { } }", r#"{"":{},"a":[],"b":"b"}"#);
}

/// Tests every byte at every place of the word that is scanned at once.
#[test]
fn a_string_is_scanned_byte_by_byte() {
    for byte in 0..=255u8 {
        for len in 0..18 {
            for at in 0..=len {
                let mut text = b"{\"a\":\"".to_vec();
                text.extend(std::iter::repeat_n(b'x', at));
                text.push(byte);
                text.extend(std::iter::repeat_n(b'x', len - at));
                text.extend(b"\"}");
                let is_plain = (0x20..0x80).contains(&byte) && byte != b'"' && byte != b'\\';
                let expected = is_plain.then(|| String::from_utf8_lossy(&text).into_owned());
                assert_eq!(canonical(&text).ok(), expected, "{byte:#x} at {at} of {len}");
            }
        }
    }
}

#[test]
fn plain_json_is_all_that_is_read() {
    for text in [
        &b"{\"a\":nan}"[..],
        b"{\"a\":-inf}",
        b"{1:1}",
        b"{\"a\":\"\\ud800\"}",
        b"{\"a\":\"\\udc00\\ud800\"}",
        b"{\"a\":\"\xff\"}",
        b"{\"a\":\"\xed\xa0\x80\"}",
        b"{\"a\":1e400}",
        b"\xef\xbb\xbf{}",
        b"{'a':1}",
        b"{\"a\":1}\0",
        b"[]",
        b"",
    ] {
        assert!(canonical(text).is_err(), "{}", String::from_utf8_lossy(text));
    }
}

/// Returns a key in an escaped form.
fn escaped(key: &str, escape_all: bool) -> String {
    let mut text = String::new();
    for character in key.chars() {
        if escape_all || character < ' ' || matches!(character, '"' | '\\') {
            for unit in character.encode_utf16(&mut [0; 2]) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            text.push(character);
        }
    }
    text
}

fn key() -> impl Strategy<Value = String> {
    let characters = prop::sample::select(
        "\0\u{1}ab~\u{7f}é\u{7ff}€\u{d7ff}\u{e000}\u{ffff}😀\u{10ffff}".chars().collect::<Vec<_>>(),
    );
    ("(|aaaaaaa|aaaaaaaa|audit)", vec(characters, 0..4))
        .prop_map(|(start, end)| start + &end.into_iter().collect::<String>())
}

proptest! {
    /// The order is that of UTF-16, the last duplicate stays, and the way of escaping
    /// does not matter.
    #[test]
    fn members_are_sorted_by_code_units(fields in vec((key(), any::<bool>(), any::<u32>()), 0..80)) {
        let text: Vec<_> =
            fields.iter().map(|(key, all, value)| format!("\"{}\":{value}", escaped(key, *all))).collect();
        let sorted: BTreeMap<Vec<u16>, (&str, u32)> =
            fields.iter().map(|(key, _, value)| (key.encode_utf16().collect(), (key.as_str(), *value))).collect();
        let expected: Vec<_> =
            sorted.values().map(|(key, value)| format!("\"{}\":{value}", escaped(key, false))).collect();
        prop_assert_eq!(
            canonical(format!("{{{}}}", text.join(",")).as_bytes()),
            Ok(format!("{{{}}}", expected.join(",")))
        );
    }
}
