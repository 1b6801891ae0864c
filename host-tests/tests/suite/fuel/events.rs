//! The cost of hostile records that fit a format, with the mappings of all formats.

use super::{
    DEFAULT_POLICY, Filter, GROWTH_MAX, INSTRUCTIONS_PER_BYTE_MAX, LONG_BYTES, SHORT_BYTES,
    SORTED_GROWTH_MAX, Value, filter_with, members, repeat, table,
};
use flb_audit_host::filter::{Generation, Limits};
use host_tests::guest::{intact, returned};
use host_tests::root;
use std::fs;

/// Texts in the place of a value that a mapping compares and cuts: the format, the value, and the
/// part that is repeated behind the value.
const TEXTS: [(&str, &str, &str); 30] = [
    ("sudo", "/message", " PWD"),
    ("sudo", "/message", " ; "),
    ("sudo", "/message", " : "),
    ("sudo", "/message", " ; COMMAND"),
    ("sudo", "/message", "(sudo:"),
    ("sudo", "/message", " by ("),
    ("sudo", "/message", " "),
    ("sudo", "/message", "\\\\"),
    ("sudo", "/message", "\\u00e9"),
    ("sshd", "/message", " from "),
    ("sshd", "/message", " port "),
    ("sshd", "/message", " for "),
    ("sshd", "/message", " from"),
    ("sshd", "/message", "(sshd:"),
    ("sshd", "/message", " "),
    ("sshd", "/message", "\\\\"),
    ("postgresql", "/message", ","),
    ("postgresql", "/message", "authentication"),
    ("postgresql", "/message", " "),
    ("postgresql", "/message", "\\u00e9"),
    ("kubernetes-audit", "/requestURI", "?"),
    ("kubernetes-audit", "/requestURI", "/"),
    ("kubernetes-audit", "/user/username", "system:"),
    ("cloudtrail", "/userIdentity/arn", "/"),
    ("cloudtrail", "/userIdentity/arn", "\\\\"),
    ("gcp-audit", "/protoPayload/methodName", "."),
    ("gcp-audit", "/protoPayload/resourceName", "/"),
    ("windows-security", "/StringInserts/5", "\\\\"),
    ("linux-audit", "/exe", "/"),
    ("vault-audit", "/request/path", "/login"),
];

/// Lists that mappings walk, copy and join, with the element that is repeated.
const LISTS: [(&str, &str, &str); 12] = [
    ("kubernetes-audit", "/user/groups", "\"a\","),
    ("kubernetes-audit", "/user/groups", "[],"),
    ("kubernetes-audit", "/sourceIPs", "\"192.0.2.7\","),
    ("okta", "/target", "{\"type\":\"a\"},"),
    ("okta", "/target", "{\"id\":\"1\",\"type\":\"User\",\"displayName\":\"a\"},"),
    ("okta", "/target", "{},"),
    ("entra-audit", "/targetResources", "{\"type\":\"User\",\"modifiedProperties\":[]},"),
    ("vault-audit", "/auth/policies", "\"a\","),
    ("sudo", "/sudo/accept/runargv", "\"\","),
    ("sudo", "/sudo/accept/runargv", "\"\\\\\","),
    ("windows-security", "/StringInserts", "\"-\","),
    ("windows-security", "/StringInserts", "{},"),
];

/// Members that come again and again, with a value.
const AGAIN: [(&str, &str, &str); 12] = [
    ("kubernetes-audit", "/verb", "1"),
    ("kubernetes-audit", "/user", "{}"),
    ("kubernetes-audit", "/user", "{\"groups\":[1]}"),
    ("kubernetes-audit", "/objectRef", "{\"uid\":1}"),
    ("kubernetes-audit", "/sourceIPs", "[1]"),
    ("okta", "/target", "[{\"type\":\"User\"}]"),
    ("okta", "/actor", "{\"id\":1}"),
    ("windows-security", "/StringInserts", "[]"),
    ("windows-security", "/StringInserts", "[1,2,3,4,5,6,7,8,9]"),
    ("windows-security", "/EventID", "1"),
    ("linux-audit", "/exe", "\"\""),
    ("sshd", "/message", "\" from \""),
];

/// Objects that go into the event or its rest as a whole.
const CONTAINERS: [(&str, &str); 4] = [
    ("kubernetes-audit", "/requestObject"),
    ("cloudtrail", "/requestParameters"),
    ("vault-audit", "/response"),
    ("okta", "/debugContext"),
];

/// Returns a record of a format that has this value, and that becomes an event.
fn sample(format: &str, pointer: &str) -> Value {
    let folder = root().join("plugin/policy/formats").join(format);
    let files = ["ocsf.ndjson", "samples.ndjson"].map(|file| fs::read_to_string(folder.join(file)));
    let text = files.map(|text| text.expect("a file")).concat();
    let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a record"));
    let has_it =
        |line: &Value| line.get("event") != Some(&Value::Null) && line["record"].pointer(pointer).is_some();
    lines.find(has_it).unwrap_or_else(|| panic!("{format} {pointer}"))["record"].take()
}

/// Returns the text of a record with another value in this place.
fn with(format: &str, pointer: &str, value: &str) -> String {
    let mut record = sample(format, pointer);
    *record.pointer_mut(pointer).expect("a value") = "@@@".into();
    record.to_string().replacen("\"@@@\"", value, 1)
}

/// Returns all hostile records of a length, each with its name.
fn hostile(len: usize) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (format, pointer, part) in TEXTS {
        let there = sample(format, pointer).pointer(pointer).expect("a value").to_string();
        let there = there.strip_suffix('"').expect("a text");
        let text = with(format, pointer, &format!("{there}{}\"", repeat(part, len)));
        all.push((format!("{format} {pointer} {part}"), text));
    }
    for (format, pointer, element) in LISTS {
        let list = format!("[{}1]", repeat(element, len));
        all.push((format!("{format} {pointer} {element}"), with(format, pointer, &list)));
    }
    for (format, pointer, value) in AGAIN {
        let there = sample(format, pointer).pointer(pointer).expect("a value").to_string();
        let key = pointer.rsplit('/').next().expect("a key");
        let again = repeat(&format!("{value},\"{key}\":"), len);
        all.push((format!("{format} {pointer} again"), with(format, pointer, &format!("{again}{there}"))));
    }
    for (format, pointer) in CONTAINERS {
        let many = members(len, |at| format!("\"k{at}\":1,"));
        let deep = format!("{}1{},", "[".repeat(100), "]".repeat(100));
        let numbers = repeat("63e305,76e-295,94e-320,1e+23,", len);
        for (what, value) in [
            ("members", format!("{{{many}\"z\":1}}")),
            ("depth", format!("{{\"a\":[{}1]}}", repeat(&deep, len))),
            ("numbers", format!("{{\"a\":[{numbers}1]}}")),
            ("escapes", format!("{{\"a\":[{}1]}}", repeat("\"\\u00e9\\n\",", len))),
        ] {
            all.push((format!("{format} {pointer} {what}"), with(format, pointer, &value)));
        }
    }
    all
}

/// Returns the instructions, and true if the record became an event.
fn instructions(filter: &Filter, record: &str) -> (u64, bool) {
    let mut host = filter.host(Generation::Lasting, Limits::default());
    returned(host.call_bytes(b"tag", 0, 0, b"{}").expect("a call"));
    let outcome = host.call_bytes(b"tag", 0, 0, record.as_bytes()).expect("a call");
    let instructions = outcome.instructions;
    let text = returned(outcome);
    intact(&text);
    (instructions, text.windows(13).any(|part| part == b"\"normalized\":"))
}

/// The lengths of records whose cost is checked by the byte. Every record may take some steps, which
/// short records could use up.
const LENGTHS: [usize; 2] = [4 << 10, 64 << 10];
/// The limit for these records, in instructions per byte.
const HOSTILE_INSTRUCTIONS_PER_BYTE_MAX: u64 = 3000;
/// Texts that detectors read again and again, in the place of a value: the format and the value as
/// in [`TEXTS`].
const PLACES: [(&str, &str); 6] = [
    ("sudo", "/message"),
    ("sshd", "/message"),
    ("postgresql", "/message"),
    ("linux-audit", "/exe"),
    ("windows-security", "/StringInserts/5"),
    ("kubernetes-audit", "/requestURI"),
];
const READ_AGAIN: [&str; 16] = [
    " PWD",
    " PWD a1",
    " -p",
    " -u a -p",
    " passwd",
    "=",
    ", ",
    " key=",
    " a=b",
    "'',",
    " login ",
    " user ",
    " secret key",
    " /p:",
    "token ",
    " set pwd ",
];

#[test]
fn short_hostile_records_cost_so_much_by_the_byte() {
    let filter = filter_with(&table(&format!("{DEFAULT_POLICY}\nnormalize: ocsf\n")));
    let mut wrong = Vec::new();
    let mut worst = (0, String::new());
    for len in LENGTHS {
        let read_again = PLACES.iter().flat_map(|(format, pointer)| {
            let there = sample(format, pointer).pointer(pointer).expect("a value").to_string();
            let there = there.strip_suffix('"').expect("a text").to_owned();
            READ_AGAIN.map(|part| {
                let text = with(format, pointer, &format!("{there}{}\"", repeat(part, len)));
                (format!("{format} {pointer} {part}"), text)
            })
        });
        for (name, record) in hostile(len).into_iter().chain(read_again) {
            let (cost, _) = instructions(&filter, &record);
            let per_byte = cost / record.len() as u64;
            worst = worst.max((per_byte, format!("{name}, {len} bytes")));
            if per_byte > HOSTILE_INSTRUCTIONS_PER_BYTE_MAX {
                wrong.push(format!("{name}, {len} bytes: {per_byte} per byte"));
            }
        }
    }
    println!("at most {} instructions per byte: {}", worst.0, worst.1);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn with_all_mappings_nothing_is_quadratic() {
    let filter = filter_with(&table(&format!("{DEFAULT_POLICY}\nnormalize: ocsf\n")));
    let with_text = filter_with(&table(&format!(
        "{DEFAULT_POLICY}\nnormalize:\n  - {{tag: \"*\", to: ocsf, raw_data: true}}\n"
    )));
    let (mut wrong, mut worst, mut events) = (Vec::new(), (0, String::new()), 0);
    for ((name, short), (_, long)) in hostile(SHORT_BYTES).into_iter().zip(hostile(LONG_BYTES)) {
        // The text of the record costs what any text costs.
        let with_text = Some(&with_text).filter(|_| name.contains("PWD") || name.contains("escapes"));
        for filter in [Some(&filter), with_text].into_iter().flatten() {
            let (few, _) = instructions(filter, &short);
            let (many, is_event) = instructions(filter, &long);
            let per_byte = many / long.len() as u64;
            events += usize::from(is_event);
            worst = worst.max((per_byte, name.clone()));
            // Members of one key are sorted.
            let growth = if name.ends_with("again") { SORTED_GROWTH_MAX } else { GROWTH_MAX };
            if many > growth * few || per_byte > INSTRUCTIONS_PER_BYTE_MAX {
                wrong.push(format!("{name}: {few} and {many} instructions, {per_byte} per byte"));
            }
        }
    }
    println!("at most {} instructions per byte: {}; {events} events", worst.0, worst.1);
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(events > 50, "{events} events");
}
