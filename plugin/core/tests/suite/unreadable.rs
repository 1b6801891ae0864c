//! Records that cannot be read are sealed too, as raw text.

use crate::sealing::{event, seal};
use flb_audit_core::{Event, RECORD_BYTES_MAX, RECORD_DEPTH_MAX, TAG_BYTES_MAX};

#[test]
fn what_is_wrong_is_said() {
    for (input, output, error) in [
        (&b""[..], r#"{"raw":""}"#, "not JSON at byte 0"),
        (b" ", r#"{"raw":" "}"#, "not JSON at byte 1"),
        (b"{", r#"{"raw":"{"}"#, "not JSON at byte 1"),
        (b"{\"a\":", r#"{"raw":"{\"a\":"}"#, "not JSON at byte 5"),
        (b"{\"a\"1}", r#"{"raw":"{\"a\"1}"}"#, "not JSON at byte 4"),
        (b"{\"a\":1,}", r#"{"raw":"{\"a\":1,}"}"#, "not JSON at byte 7"),
        (b"{\"a\":[1,]}", r#"{"raw":"{\"a\":[1,]}"}"#, "not JSON at byte 8"),
        (b"{\"a\":[1}", r#"{"raw":"{\"a\":[1}"}"#, "not JSON at byte 7"),
        (b"{\"a\":01}", r#"{"raw":"{\"a\":01}"}"#, "not JSON at byte 5"),
        (b"{\"a\":1.}", r#"{"raw":"{\"a\":1.}"}"#, "not JSON at byte 7"),
        (b"{\"a\":1e}", r#"{"raw":"{\"a\":1e}"}"#, "not JSON at byte 7"),
        (b"{\"a\":-}", r#"{"raw":"{\"a\":-}"}"#, "not JSON at byte 6"),
        (b"{\"a\":+1}", r#"{"raw":"{\"a\":+1}"}"#, "not JSON at byte 5"),
        (b"{\"a\":nul}", r#"{"raw":"{\"a\":nul}"}"#, "not JSON at byte 5"),
        (b"{\"a\":nullx}", r#"{"raw":"{\"a\":nullx}"}"#, "not JSON at byte 9"),
        (b"{\"a\":\"\\x\"}", r#"{"raw":"{\"a\":\"\\x\"}"}"#, "not JSON at byte 6"),
        (b"{\"a\":\"\\u12g4\"}", r#"{"raw":"{\"a\":\"\\u12g4\"}"}"#, "not JSON at byte 6"),
        (b"{\"a\":\"\n\"}", r#"{"raw":"{\"a\":\"\n\"}"}"#, "not JSON at byte 6"),
        (b"{\"a\":1} {}", r#"{"raw":"{\"a\":1} {}"}"#, "not JSON at byte 8"),
        (b"{:1}", r#"{"raw":"{:1}"}"#, "not JSON at byte 1"),
        (b"{\"a\":\"b\0c\"}", r#"{"raw":"{\"a\":\"b\u0000c\"}"}"#, "not JSON at byte 7"),
        (b"\x07\x7f\xc3\xa9", "{\"raw\":\"\\u0007\u{7f}é\"}", "not JSON at byte 0"),
        (b"[1]", r#"{"raw":"[1]"}"#, "not an object"),
        (b"\"a\"", r#"{"raw":"\"a\""}"#, "not an object"),
        (b"nan", r#"{"raw":"nan"}"#, "not an object"),
        (b"{\xff", r#"{"raw_base64":"e/8="}"#, "not JSON at byte 1"),
        (b"\xc3", r#"{"raw_base64":"ww=="}"#, "not JSON at byte 0"),
        (b"\xfb\xff\xbf", r#"{"raw_base64":"+/+/"}"#, "not JSON at byte 0"),
    ] {
        let parts = seal(&event(input));
        assert_eq!(parts.record, output);
        assert!(parts.checked.is_raw);
        assert!(parts.seal.contains(&format!("\"error\":\"{error}\"")), "{error}: {}", parts.seal);
        assert!(parts.seal.contains(&format!("\"raw_bytes\":{},", input.len())), "{}", parts.seal);
        assert_eq!(parts.notes, "");
    }
}

#[test]
fn a_record_that_is_missing_is_counted() {
    let parts = seal(&Event { record: None, record_len: 70_000, ..event(b"") });
    assert_eq!(parts.record, "{}");
    assert!(parts.seal.contains(r#""error":"no record given","raw_bytes":70000,"#), "{}", parts.seal);
}

#[test]
fn depth_has_a_limit() {
    let nested = |depth: usize, open: &str, close: &str| {
        let inner = depth - 1;
        format!("{{\"a\":{}1{}}}", open.repeat(inner), close.repeat(inner)).into_bytes()
    };
    for (open, close) in [("[", "]"), ("{\"b\":", "}"), ("[ ", " ]")] {
        let deepest = seal(&event(&nested(RECORD_DEPTH_MAX, open, close)));
        assert!(!deepest.checked.is_raw);
        let deeper = seal(&event(&nested(RECORD_DEPTH_MAX + 1, open, close)));
        assert!(deeper.checked.is_raw);
        let at = 5 + (RECORD_DEPTH_MAX - 1) * open.len();
        let error = format!("\"error\":\"nested too deep at byte {at}\"");
        assert!(deeper.seal.contains(&error), "{}", deeper.seal);
    }
    // Depth counts the containers that are open at the same time, not all of them.
    let wide = format!("{{\"a\":[{}]}}", ["[]"; 4 * RECORD_DEPTH_MAX].join(","));
    assert!(!seal(&event(wide.as_bytes())).checked.is_raw);
}

#[test]
fn deep_records_are_written_anew_too() {
    let inner = RECORD_DEPTH_MAX - 1;
    let nested = |value: &str| format!("{{\"a\":{}{value}{}}}", "[".repeat(inner), "]".repeat(inner));
    let parts = seal(&event(nested("nan").as_bytes()));
    assert_eq!(parts.record, nested("\"NaN\""));
}

#[test]
fn length_has_a_limit() {
    let record = |len: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(len - 8)).into_bytes();
    let longest = seal(&event(&record(RECORD_BYTES_MAX)));
    assert!(!longest.checked.is_raw);
    let longer = seal(&event(&record(RECORD_BYTES_MAX + 1)));
    assert!(longer.checked.is_raw);
    assert!(longer.seal.contains("\"error\":\"too long\""), "{}", longer.seal);
    assert_eq!(longer.notes, "");
    assert_eq!(longer.record.len(), RECORD_BYTES_MAX + 1 + r#"{"raw":""}"#.len() + 4);
}

#[test]
fn tags_of_all_kinds_are_sealed() {
    let long = [b'x'; TAG_BYTES_MAX + 1];
    for (tag, text, notes) in [
        (&b""[..], "", ""),
        (b"kube.var.log", "kube.var.log", ""),
        (b"\"\\\n\x01\x7f", "\\\"\\\\\\n\\u0001\u{7f}", ""),
        ("é😀".as_bytes(), "é😀", ""),
        (b"a\xffb\xe2\x82", "a\u{fffd}b\u{fffd}", ""),
        (&long[1..], &"x".repeat(TAG_BYTES_MAX), ""),
        (&long, &"x".repeat(TAG_BYTES_MAX), "tag-cut"),
    ] {
        let parts = seal(&Event { tag, ..event(b"{}") });
        assert!(parts.seal.contains(&format!(",\"tag\":\"{text}\",\"time\":")), "{}", parts.seal);
        assert_eq!(parts.notes, notes);
    }
}
