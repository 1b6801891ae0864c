//! Compiles JSON Schema, draft 2020-12, into the programs that [`flb_audit_core::schema`]
//! runs.
//!
//! Every assertion is either compiled, or refused with its name and place. Nothing that
//! could make a value invalid is ignored: a name that resembles a keyword is refused,
//! too, and every other name that is no keyword is reported.

mod assertions;
mod characters;
mod compiler;
mod contents;
mod cycle;
mod document;
mod keyword;
mod literal;
mod pattern;
mod program;
mod scope;
mod uri;

/// Options for reading a schema.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// True if `format` is an assertion; otherwise it is an annotation (Validation,
    /// section 7.2).
    pub assert_format: bool,
}

/// A schema that cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaError {
    /// The place in the document, as a JSON Pointer.
    pub pointer: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The character in the line, counted from 1.
    pub column: usize,
    /// The problem at this place.
    pub message: String,
}

impl SchemaError {
    fn new(text: &str, at: usize, pointer: &str, message: String) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        SchemaError {
            pointer: pointer.to_owned(),
            line: before.matches('\n').count() + 1,
            column: line.chars().count() + 1,
            message,
        }
    }
}

impl std::fmt::Display for SchemaError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)?;
        if !self.pointer.is_empty() {
            write!(f, ", at {}", self.pointer)?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for SchemaError {}

/// A compiled schema.
pub struct Compiled {
    /// The program for the filter.
    pub program: Vec<u8>,
    /// The names that are no keywords, in their order. They count as annotations, and do
    /// not check anything.
    pub unknown: Vec<SchemaError>,
}

/// Compiles a schema's text.
///
/// # Example
///
/// ```
/// use flb_audit_core::Tape;
/// use flb_audit_core::record::tape::Dialect;
/// use flb_audit_core::schema::{Outcome, Program, Validator};
/// use flb_audit_policy::schema::{Options, compile};
///
/// let compiled = compile(r#"{"required":["actor"]}"#, Options::default())?;
/// let program = Program::read(&compiled.program).expect("a program");
///
/// let record = br#"{"action":"login"}"#;
/// let mut tape = Tape::new();
/// tape.read(record, Dialect::Json)?;
/// let mut validator = Validator::new();
/// assert!(matches!(validator.check(&program, &tape, record), Outcome::Invalid(_)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn compile(text: &str, options: Options) -> Result<Compiled, SchemaError> {
    compiler::compile(text, options)
}
