//! The limits of a validator: it reports no more than allowed, always ends, never calls a
//! value valid that it has not checked, and never reads past a program.

use fixtures::schemas::{Checked, check_value, checked, compile};
use flb_audit_core::Tape;
use flb_audit_core::record::tape::Dialect;
use flb_audit_core::schema::{NotChecked, Outcome, PATH_BYTES_MAX, Program, VIOLATIONS_MAX, Validator};

fn program(schema: &str) -> Vec<u8> {
    compile(schema, false).unwrap_or_else(|error| panic!("{schema}: {error}"))
}

#[test]
fn eight_violations_are_told_and_all_are_counted() {
    let program = program(r#"{"additionalProperties":{"type":"string"}}"#);
    let members: Vec<String> = (0..20).map(|index| format!("\"m{index}\":{index}")).collect();
    let source = format!("{{{}}}", members.join(","));
    let mut tape = Tape::new();
    tape.read(source.as_bytes(), Dialect::Json).expect("JSON");
    let mut validator = Validator::new();
    let program = Program::read(&program).expect("a program");
    let outcome = validator.check(&program, &tape, source.as_bytes());
    assert!(matches!(outcome, Outcome::Invalid(report) if report.count() == 20), "{outcome:?}");
    let Checked::Invalid(told) = checked(&program, &tape, &source, outcome) else {
        panic!("{source} is valid");
    };
    assert_eq!(told.len(), VIOLATIONS_MAX);
    assert_eq!((&*told[0][0], &*told[7][0]), ("/m0", "/m7"));
    // The memory is reused, and nothing of the previous check is left.
    let outcome = validator.check_value(&program, &tape, source.as_bytes(), 2);
    assert!(matches!(outcome, Outcome::Valid), "{outcome:?}");
}

#[test]
fn a_long_path_is_cut_between_characters() {
    let program = program(r#"{"additionalProperties":false}"#);
    let name = "é~/".repeat(200);
    let Checked::Invalid(violations) = check_value(&program, &format!("{{\"{name}\":1}}")) else {
        panic!("it is valid");
    };
    let path = violations[0][0].strip_suffix('…').expect("an ellipsis");
    let len: usize = path.chars().map(|character| if character.is_ascii() { 1 } else { 6 }).sum();
    assert!(len <= PATH_BYTES_MAX && len > PATH_BYTES_MAX - 6, "{path}");
    assert!(name.replace('~', "~0").replace('/', "~1").starts_with(&path[1..]), "{path}");
}

#[test]
fn what_takes_too_many_steps_is_not_called_valid() {
    // Each level doubles the work for the same value.
    let levels: Vec<String> = (0..24)
        .map(|level| {
            let next = format!("#/$defs/l{}", level + 1);
            format!(r##""l{level}":{{"allOf":[{{"$ref":"{next}"}},{{"$ref":"{next}"}}]}}"##)
        })
        .collect();
    let schema =
        format!(r##"{{"$ref":"#/$defs/l0","$defs":{{{},"l24":{{"minLength":1}}}}}}"##, levels.join(","));
    assert_eq!(check_value(&program(&schema), "1"), Checked::Not(NotChecked::TooManySteps));
}

#[test]
fn values_as_deep_as_a_record_are_checked() {
    let schema = r##"{"anyOf":[{"type":"integer"},{"type":"array","items":{"allOf":[{"$ref":"#"}]}}]}"##;
    let program = program(schema);
    let nested = |inner: &str| format!("{}{inner}{}", "[".repeat(126), "]".repeat(126));
    assert_eq!(check_value(&program, &nested("1")), Checked::Valid);
    let Checked::Invalid(violations) = check_value(&program, &nested("null")) else {
        panic!("it is valid");
    };
    assert_eq!(violations, [["", "anyOf", "/anyOf"].map(String::from)]);
}

#[test]
fn many_equal_items_are_found_and_many_different_ones_are_not() {
    let program = program(r#"{"uniqueItems":true}"#);
    let items = |count: usize| (0..count).map(|item| format!("{{\"a\":[{item}],\"b\":1.0}}"));
    let list = |items: Vec<String>| format!("[{}]", items.join(","));
    assert_eq!(check_value(&program, &list(items(5000).collect())), Checked::Valid);
    let again = items(5000).chain(["{\"b\":1,\"a\":[4998e0]}".into()]).collect();
    assert!(matches!(check_value(&program, &list(again)), Checked::Invalid(_)));
}

#[test]
fn removed_members_are_not_there() {
    let program = program(r#"{"properties":{"a":{"type":"string"}},"maxProperties":1}"#);
    let source = br#"{"a":1,"a":"x"}"#;
    let mut tape = Tape::new();
    tape.read(source, Dialect::Json).expect("JSON");
    let mut validator = Validator::new();
    let program = Program::read(&program).expect("a program");
    assert!(matches!(validator.check(&program, &tape, source), Outcome::Invalid(_)));
    // The canonical form has the last member.
    flb_audit_core::record::canonical::Canonical::new().write(&mut tape, source).expect("memory");
    assert!(matches!(validator.check(&program, &tape, source), Outcome::Valid));
}

#[test]
fn a_program_is_read_whole_or_not_at_all() {
    let bytes = program(r#"{"properties":{"a":{"pattern":"^a"}},"required":["b"]}"#);
    assert!(Program::read(&bytes).is_some());
    for len in 0..bytes.len() {
        assert!(Program::read(&bytes[..len]).is_none(), "{len} bytes");
    }
    let longer = [&bytes[..], b"\0"].concat();
    assert!(Program::read(&longer).is_none());
}

#[test]
fn tables_of_any_size_find_their_names() {
    for count in [0, 1, 7, 63, 64, 65, 129, 1000] {
        let name = |index: usize| format!("{}{index}", ["", "eight888", "seventeen-letters"][index % 3]);
        let quoted: Vec<String> = (0..count).map(|index| format!("\"{}\"", name(index))).collect();
        let schema = format!(r#"{{"required":[{}]}}"#, quoted.join(","));
        let program = program(&schema);
        let members = |skip: usize| {
            let all = quoted.iter().enumerate().filter(|(index, _)| *index != skip);
            let all: Vec<String> = all.map(|(_, name)| format!("{name}:0")).collect();
            format!("{{{}}}", all.join(","))
        };
        assert_eq!(check_value(&program, &members(usize::MAX)), Checked::Valid);
        for skip in (0..count).step_by(13) {
            let expected = ["", "required", &format!("/required/{skip}")].map(String::from);
            assert_eq!(check_value(&program, &members(skip)), Checked::Invalid(vec![expected]));
        }
    }
}
