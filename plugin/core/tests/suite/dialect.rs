//! Records as Fluent Bit prints them for its guests, and as they go out: without the
//! seal, and with the notes in it.

use crate::sealing::{event, seal};

/// A record, the same record as it goes out, and the notes.
type Case = (&'static [u8], &'static str, &'static str);

#[track_caller]
fn check(cases: &[Case]) {
    for (input, output, notes) in cases {
        let parts = seal(&event(input));
        let shown = String::from_utf8_lossy(input);
        assert_eq!(parts.record, *output, "of {shown}");
        assert_eq!(parts.notes, *notes, "notes of {shown}");
        assert!(!parts.checked.is_raw, "{shown} is sealed raw");
    }
}

#[test]
fn what_is_json_stays_as_it_stands() {
    for text in [
        r#"{}"#,
        r#"{"a":1}"#,
        r#"{"a":{},"b":[],"c":[{}],"d":[[1,2],{"e":null}]}"#,
        r#"{ "a" : true , "b" : [ false ] }"#,
        r#"{"b":1,"a":2}"#,
        r#"{"":""}"#,
        r#"{"a":"\"\\\/\b\f\n\r\t\u001f\u00e9\u20ac\ud83d\ude00"}"#,
        "{\"a\":\"é€😀\",\"é\":1}",
        "{\"a\":\"\u{7f}\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}\"}",
        r#"{"a":9223372036854775807,"b":-9223372036854775808,"c":18446744073709551615}"#,
        r#"{"a":0,"b":-0,"c":-1,"d":0.0,"e":-0.0}"#,
        r#"{"a":0.1,"b":1.5e3,"c":-2.5E-7,"d":1.0e+300,"e":4611686018427388416.0}"#,
    ] {
        check(&[(text.as_bytes(), text, "")]);
    }
}

#[test]
fn white_space_around_the_record_is_dropped() {
    check(&[(b" \t\r\n{\"a\":1}\n\r\t ", r#"{"a":1}"#, "")]);
}

/// A regression: the comma stood behind nothing.
#[test]
fn a_record_of_white_space_is_empty() {
    check(&[(b"{ }", "{}", ""), (b" {\t\r\n } ", "{}", ""), (b"{\"a\":{ }}", r#"{"a":{ }}"#, "")]);
}

#[test]
fn numbers_that_are_not_finite_become_strings() {
    check(&[
        (
            b"{\"a\":nan,\"b\":-nan,\"c\":inf,\"d\":-inf}",
            r#"{"a":"NaN","b":"NaN","c":"Infinity","d":"-Infinity"}"#,
            "not-finite",
        ),
        (b"{\"a\":[nan,[inf,1]]}", r#"{"a":["NaN",["Infinity",1]]}"#, "not-finite"),
    ]);
}

#[test]
fn keys_that_are_not_strings_become_strings() {
    check(&[
        (b"{1:5}", r#"{"1":5}"#, "bare-keys"),
        (b"{-1.5:{true:1,null:2}}", r#"{"-1.5":{"true":1,"null":2}}"#, "bare-keys"),
        (b"{nan:1,-inf:2,1e+22:3}", r#"{"nan":1,"-inf":2,"1e+22":3}"#, "bare-keys"),
    ]);
}

#[test]
fn of_duplicate_keys_the_last_stays() {
    check(&[
        (b"{\"a\":1,\"a\":2}", r#"{"a":2}"#, "duplicate-keys"),
        (b"{\"a\":1,\"b\":2,\"a\":3}", r#"{"b":2,"a":3}"#, "duplicate-keys"),
        (b"{\"a\":1,\"b\":2,\"a\":3,\"a\":4,\"b\":5}", r#"{"a":4,"b":5}"#, "duplicate-keys"),
        (b"{\"x\":{\"a\":1,\"a\":{\"b\":2}}}", r#"{"x":{"a":{"b":2}}}"#, "duplicate-keys"),
        (b"{\"x\":[{\"a\":1,\"a\":2},{\"a\":3}]}", r#"{"x":[{"a":2},{"a":3}]}"#, "duplicate-keys"),
        // A dropped member takes its contents along, and their duplicates.
        (b"{\"x\":{\"a\":1,\"a\":[{}]},\"x\":0}", r#"{"x":0}"#, "duplicate-keys"),
        (b"{\"a\":1,\"\\u0061\":2}", r#"{"\u0061":2}"#, "duplicate-keys"),
        (b"{1:1,\"1\":2}", r#"{"1":2}"#, "bare-keys,duplicate-keys"),
        (b"{\"a\":1,\"a\\u0000\":2}", r#"{"a":1,"a\u0000":2}"#, ""),
        (
            b"{\"abcdefgh\":1,\"abcdefghi\":2,\"abcdefgh\":3}",
            r#"{"abcdefghi":2,"abcdefgh":3}"#,
            "duplicate-keys",
        ),
    ]);
}

#[test]
fn many_duplicates_are_found_whatever_the_sort() {
    for count in [24, 25, 26, 100] {
        let field = |at: usize| format!("\"key{:03}\":{at}", at * 7 % count);
        let twice: Vec<_> = (0..2 * count).map(field).collect();
        let parts = seal(&event(format!("{{{}}}", twice.join(",")).as_bytes()));
        assert_eq!(parts.record, format!("{{{}}}", twice[count..].join(",")));
        assert_eq!(parts.notes, "duplicate-keys");
    }
}

#[test]
fn half_a_surrogate_pair_becomes_u_fffd() {
    check(&[
        (br#"{"a":"\ud800"}"#, "{\"a\":\"\u{fffd}\"}", "lone-surrogates"),
        (br#"{"a":"x\udfff\ud83dy"}"#, "{\"a\":\"x\u{fffd}\u{fffd}y\"}", "lone-surrogates"),
        (br#"{"a":"\ud800\u0041\n"}"#, "{\"a\":\"\u{fffd}A\\n\"}", "lone-surrogates"),
        (br#"{"a":"\ud83d\ud83d\ude00"}"#, "{\"a\":\"\u{fffd}😀\"}", "lone-surrogates"),
        (br#"{"\uDC00":1}"#, "{\"\u{fffd}\":1}", "lone-surrogates"),
        (br#"{"\ud800":1,"\ud801":2}"#, "{\"\u{fffd}\":2}", "duplicate-keys,lone-surrogates"),
    ]);
}

/// Fluent Bit prints each byte with `\x%02x`, as a `char`.
#[test]
fn a_messagepack_extension_becomes_the_characters_of_its_bytes() {
    check(&[
        (br#"{"a":"\x69\x00\x1f"}"#, r#"{"a":"i\u0000\u001f"}"#, "extension"),
        (br#"{"a":"\x7f\xffffff80\xffffffff"}"#, "{\"a\":\"\u{7f}\u{80}\u{ff}\"}", "extension"),
        (br#"{"a":["\x22\x5C",1]}"#, r#"{"a":["\"\\",1]}"#, "extension"),
        (br#"{"\x61":1,"a":2}"#, r#"{"a":2}"#, "duplicate-keys,extension"),
    ]);
}

#[test]
fn bytes_that_are_not_utf8_become_u_fffd() {
    check(&[
        (b"{\"a\":\"x\xffy\"}", "{\"a\":\"x\u{fffd}y\"}", "not-utf8"),
        (b"{\"a\":\"\xe2\x82\"}", "{\"a\":\"\u{fffd}\"}", "not-utf8"),
        (b"{\"a\":\"\xc0\xaf\"}", "{\"a\":\"\u{fffd}\u{fffd}\"}", "not-utf8"),
        (b"{\"a\":\"\xed\xa0\x80\"}", "{\"a\":\"\u{fffd}\u{fffd}\u{fffd}\"}", "not-utf8"),
        (b"{\"a\":\"\xf4\x90\x80\x80\"}", "{\"a\":\"\u{fffd}\u{fffd}\u{fffd}\u{fffd}\"}", "not-utf8"),
        (b"{\"\xf0\x9f\x98\":\"\xc3\xa9\"}", "{\"\u{fffd}\":\"é\"}", "not-utf8"),
        (b"{\"a\":\"\\/\\u0041\\\"\xff\"}", "{\"a\":\"/A\\\"\u{fffd}\"}", "not-utf8"),
        (b"{\"a\":\"\xff\\ud800\"}", "{\"a\":\"\u{fffd}\u{fffd}\"}", "lone-surrogates,not-utf8"),
    ]);
}

#[test]
fn numbers_go_out_as_fluent_bit_keeps_them() {
    check(&[
        // An exponent without a point is the integer 1 to Fluent Bit 4.0.
        (b"{\"a\":1e300}", r#"{"a":1.0e300}"#, ""),
        (b"{\"a\":1e+22,\"b\":-1E5}", r#"{"a":1.0e22,"b":-1.0e5}"#, ""),
        (b"{\"a\":5e-324}", r#"{"a":5.0e-324}"#, ""),
        (b"{\"a\":1e-400}", r#"{"a":0.0e0}"#, ""),
        (b"{\"a\":1e23}", r#"{"a":1.0e23}"#, ""),
        (b"{\"a\":0.30000000000000004}", r#"{"a":3.0e-1}"#, "rounded"),
        // Integers beyond 64 bits are doubles, at once or one step later.
        (b"{\"a\":-9223372036854775809}", r#"{"a":-9.223372036854776e18}"#, ""),
        (b"{\"a\":18446744073709551616}", r#"{"a":1.844674407370955e19}"#, "rounded"),
        (b"{\"a\":100000000000000000000}", r#"{"a":1.0e20}"#, ""),
        (b"{\"a\":1.797693134862315e+308}", r#"{"a":1.797693134862315e+308}"#, ""),
        (b"{\"a\":1.797693134862316e+308}", r#"{"a":1.797693134862315e308}"#, "clamped"),
        (b"{\"a\":1.7976931348623157e+308}", r#"{"a":1.797693134862315e308}"#, "rounded"),
        (b"{\"a\":-1e400}", r#"{"a":-1.797693134862315e308}"#, "clamped"),
        (
            b"{\"a\":[1e400,0.30000000000000004]}",
            r#"{"a":[1.797693134862315e308,3.0e-1]}"#,
            "clamped,rounded",
        ),
    ]);
}

#[test]
fn a_number_that_changes_is_noted_however_it_is_written() {
    check(&[(b"{\"a\":10000000000000002e0}", r#"{"a":1.0e16}"#, "rounded")]);
}

#[test]
fn an_audit_of_the_records_own_is_renamed() {
    for (input, output, renamed, notes) in [
        (r#"{"audit":1}"#, r#"{"audit_":1}"#, "audit_", ""),
        (r#"{"audit":1,"audit_":2}"#, r#"{"audit__":1,"audit_":2}"#, "audit__", ""),
        (r#"{"audit__":1,"audit_":2,"audit":3}"#, r#"{"audit__":1,"audit_":2,"audit___":3}"#, "audit___", ""),
        (r#"{"\u0061udit":1}"#, r#"{"audit_":1}"#, "audit_", ""),
        (r#"{"audit":1,"aud\u0069t_":2}"#, r#"{"audit__":1,"aud\u0069t_":2}"#, "audit__", ""),
        (r#"{"audit":1,"a\u0075dit":{"x":[2]}}"#, r#"{"audit_":{"x":[2]}}"#, "audit_", "duplicate-keys"),
        (r#"{audit:1}"#, r#"{"audit_":1}"#, "audit_", "bare-keys"),
        (r#"{"a":{"b":1},"audit":{"audit":[]}}"#, r#"{"a":{"b":1},"audit_":{"audit":[]}}"#, "audit_", ""),
    ] {
        let parts = seal(&event(input.as_bytes()));
        assert_eq!((parts.record.as_str(), parts.notes.as_str()), (output, notes), "of {input}");
        assert!(parts.seal.contains(&format!("\"renamed\":\"{renamed}\"")), "{}", parts.seal);
    }
}

#[test]
fn no_other_key_is_renamed() {
    for text in [r#"{"a":{"audit":1}}"#, r#"{"Audit":1,"audit_":2}"#, r#"{"audit\u0000":1,"audi":2}"#] {
        let parts = seal(&event(text.as_bytes()));
        assert_eq!(parts.record, text);
        assert!(!parts.seal.contains("renamed"), "{}", parts.seal);
    }
}

/// The seal is inserted into the canonical text by its place; the checker sorts it in.
#[test]
fn keys_around_audit_are_in_order() {
    const KEYS: [&str; 18] = [
        "",
        "\\u0000",
        "!",
        "A",
        "Audit",
        "a",
        "audi",
        "audis",
        "audis\\uffff",
        "audit\\u0000",
        "audit\\u0000\\u0000\\u0000\\u0000",
        "audit\\u0001",
        "audit!",
        "audit_",
        "auditor",
        "audiu",
        "audi\\u00e9",
        "\\ud83d\\ude00",
    ];
    let seal_of = |keys: &[&str]| {
        let fields: Vec<_> = keys.iter().map(|key| format!("\"{key}\":1")).collect();
        seal(&event(format!("{{{}}}", fields.join(",")).as_bytes()))
    };
    for (at, one) in KEYS.into_iter().enumerate() {
        seal_of(&[one]);
        for other in &KEYS[at + 1..] {
            seal_of(&[one, other]);
            seal_of(&[other, one]);
        }
    }
    seal_of(&KEYS);
}
