//! JSON Schema, draft 2020-12, into the programs that
//! [`flb_audit_core::schema`] runs.
//!
//! What is asserted of a value is compiled, or refused by name and place.
//! Nothing that could make a value invalid is passed over: a name that is like a
//! keyword is refused, too, and any other that is none is named.

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

/// How a schema is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Whether `format` is an assertion; if not, it is an annotation
    /// (Validation, section 7.2).
    pub assert_format: bool,
}

/// A schema that cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaError {
    /// Where in the document: a JSON Pointer.
    pub pointer: String,
    /// The line, from 1 on.
    pub line: usize,
    /// The character in it, from 1 on.
    pub column: usize,
    /// What is wrong there.
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

/// A schema that is compiled.
pub struct Compiled {
    /// What the filter runs.
    pub program: Vec<u8>,
    /// The names that are no keywords, as they come: they are taken for
    /// annotations, and say nothing of a value.
    pub unknown: Vec<SchemaError>,
}

/// Compiles a schema's text.
pub fn compile(text: &str, options: Options) -> Result<Compiled, SchemaError> {
    compiler::compile(text, options)
}
