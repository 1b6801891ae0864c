//! What holds for every schema and value: shared by the tests and, by path, by
//! the fuzz target.

pub(crate) mod random;

use flb_audit_core::Tape;
use flb_audit_core::record::tape::Dialect;
use flb_audit_core::schema::{NotChecked, Outcome, PATH_BYTES_MAX, Program, Validator};
use flb_audit_policy::schema::{Options, SchemaError};
use random::Choices;
use serde_json::Value;

/// What a check has found; of violations, instance path, keyword and schema
/// path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    Valid,
    Invalid(Vec<[String; 3]>),
    Not(NotChecked),
}

pub(crate) fn compile(schema: &str, assert_format: bool) -> Result<Vec<u8>, SchemaError> {
    flb_audit_policy::schema::compile(schema, Options { assert_format }).map(|compiled| compiled.program)
}

/// Checks a value of any type: it stands in a record of its own.
pub(crate) fn check_value(program: &[u8], value: &str) -> Checked {
    let source = format!("{{\"value\":{value}}}");
    let mut tape = Tape::new();
    tape.read(source.as_bytes(), Dialect::Json).expect("JSON");
    let program = Program::read(program).expect("a program");
    let mut validator = Validator::new();
    checked(&program, &tape, &source, validator.check_value(&program, &tape, source.as_bytes(), 2))
}

/// What a check has found, in words.
pub(crate) fn checked(program: &Program<'_>, tape: &Tape, source: &str, outcome: Outcome<'_>) -> Checked {
    let report = match outcome {
        Outcome::Valid => return Checked::Valid,
        Outcome::Invalid(report) => report,
        Outcome::NotChecked(cause) => return Checked::Not(cause),
    };
    let violations = report.violations().iter().map(|violation| {
        let (mut instance, mut rule) = (Vec::new(), Vec::new());
        report.write_instance(violation, tape, source.as_bytes(), &mut instance).expect("memory");
        violation.write_rule(program, &mut rule).expect("memory");
        let space = rule.iter().position(|byte| *byte == b' ').expect("a space");
        let keyword = String::from_utf8_lossy(&rule[..space]).into_owned();
        [pointer(&instance), keyword, pointer(&rule[space + 1..])]
    });
    Checked::Invalid(violations.collect())
}

/// The JSON Pointer that a fragment stands for.
fn pointer(fragment: &[u8]) -> String {
    let mut rest = fragment.strip_prefix(b"#").expect("a fragment");
    let mut bytes = Vec::new();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        bytes.push(match first {
            b'%' => {
                let (digits, after) = rest.split_at(2);
                rest = after;
                u8::from_str_radix(str::from_utf8(digits).expect("ASCII"), 16).expect("hexadecimal")
            }
            other => *other,
        });
    }
    String::from_utf8(bytes).expect("UTF-8")
}

/// A value is valid if the jsonschema crate says so. What is reported is in
/// the value and in the schema. Gives what was found, if the schema is one.
pub(crate) fn same_verdict(input: &[u8]) -> Option<Checked> {
    let mut choices = Choices::of(input);
    let schema = random::document(&mut choices);
    let program = match compile(&schema.to_string(), false) {
        Ok(program) => program,
        // The other one would not come back from it.
        Err(error) if error.message.contains("without end") => return None,
        Err(error) => panic!("{error}: {schema}"),
    };
    let other = jsonschema::draft202012::new(&schema).unwrap_or_else(|error| panic!("{error}: {schema}"));
    let mut last = None;
    for _ in 0..3 {
        let value = random::value(&mut choices, 3);
        let mut text = String::new();
        random::text(&value, &mut choices, &mut text);
        let checked = check_value(&program, &text);
        let is_valid = other.is_valid(&value);
        match &checked {
            Checked::Valid => assert!(is_valid, "{schema} takes {value}"),
            Checked::Invalid(violations) => {
                assert!(!is_valid, "{schema} does not take {value}: {violations:?}");
                violations.iter().for_each(|violation| is_there(&schema, &value, violation));
            }
            Checked::Not(cause) => panic!("{cause:?}: {schema} on {value}"),
        }
        last = Some(checked);
    }
    last
}

fn is_there(schema: &Value, value: &Value, [instance, keyword, path]: &[String; 3]) {
    let all = || format!("{instance} {keyword} {path} of {schema} on {value}");
    let is_in = |all: &Value, path: &str| path.ends_with('…') || all.pointer(path).is_some();
    assert!([instance, path].into_iter().all(|path| path.len() < PATH_BYTES_MAX + 4), "{}", all());
    assert!(is_in(value, instance), "{}", all());
    assert!(is_in(schema, path), "{}", all());
    assert!(keyword == "false" || path.split('/').any(|token| token == keyword), "{}", all());
}

/// A program from a foreign hand is refused or runs, and comes to an end.
pub(crate) fn damage(input: &[u8]) {
    let Some((head, rest)) = input.split_first_chunk::<24>() else {
        return;
    };
    let mut choices = Choices::of(rest);
    let Ok(mut program) = compile(&random::document(&mut choices).to_string(), true) else {
        return;
    };
    for change in head.as_chunks::<6>().0 {
        let [at @ .., with, how] = *change;
        let at = u32::from_le_bytes(at) as usize % program.len();
        match how % 4 {
            0 => program.truncate(at),
            1 => program[at] ^= 1 << (with % 8),
            _ => program[at] = with,
        }
        if program.is_empty() {
            return;
        }
    }
    let Some(program) = Program::read(&program) else {
        return;
    };
    let mut validator = Validator::new();
    for _ in 0..3 {
        let mut text = String::from("{\"value\":");
        random::text(&random::value(&mut choices, 3), &mut choices, &mut text);
        text.push('}');
        let mut tape = Tape::new();
        tape.read(text.as_bytes(), Dialect::Json).expect("JSON");
        for node in 0..=tape.nodes().len() {
            validator.check_value(&program, &tape, text.as_bytes(), node);
        }
    }
}
