//! Compiling schemas and checking values, as the tests do it.

use flb_audit_core::Tape;
use flb_audit_core::schema::{NotChecked, Outcome, Program, Validator};
use flb_audit_core::tape::Dialect;
use flb_audit_policy::schema::{Options, SchemaError};

/// What a check has found; of violations, instance path, keyword and schema
/// path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    Valid,
    Invalid(Vec<[String; 3]>),
    Not(NotChecked),
}

pub(crate) fn compile(schema: &str, assert_format: bool) -> Result<Vec<u8>, SchemaError> {
    flb_audit_policy::schema::compile(schema, Options { assert_format })
}

/// Checks a value of any type: it stands in a record of its own.
pub(crate) fn check_value(program: &[u8], value: &str) -> Checked {
    let source = format!("{{\"value\":{value}}}");
    let mut tape = Tape::new();
    tape.read(source.as_bytes(), Dialect::Json).expect("JSON");
    let program = Program::read(program).expect("a program");
    let mut validator = Validator::new();
    match validator.check_value(&program, &tape, source.as_bytes(), 2) {
        Outcome::Valid => Checked::Valid,
        Outcome::Invalid(report) => Checked::Invalid(
            report
                .violations()
                .map(|violation| [violation.instance, violation.keyword, violation.schema].map(String::from))
                .collect(),
        ),
        Outcome::NotChecked(cause) => Checked::Not(cause),
    }
}
