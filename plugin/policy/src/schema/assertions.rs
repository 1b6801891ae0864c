//! Compiles assertions on strings and numbers.

use super::SchemaError;
use super::compiler::Schema;
use super::document::{Json, Value};
use super::pattern;
use super::program::Cell;
use flb_audit_core::schema::layout;
use flb_audit_core::schema::{Decimal, Format};

impl<'d> Schema<'_, 'd> {
    pub(super) fn strings(&mut self) -> Result<(), SchemaError> {
        for (name, instruction) in [("minLength", layout::MIN_LENGTH), ("maxLength", layout::MAX_LENGTH)] {
            if let Some(count) = self.count(name)? {
                let path = self.path_cell(&[name]);
                self.block.instruction(instruction, &[path, Cell::Word(count)]);
            }
        }
        if let Some(value) = self.keyword("pattern") {
            let error = || self.error(value, &["pattern"], "`pattern` has to be a string".into());
            let automaton = self.automaton(value.as_str().ok_or_else(error)?, value.at, &["pattern"])?;
            let path = self.path_cell(&["pattern"]);
            self.block.instruction(layout::PATTERN, &[path, automaton]);
        }
        if let Some(value) = self.keyword("format") {
            let Some(name) = value.as_str() else {
                return Err(self.error(value, &["format"], "`format` has to be a string".into()));
            };
            if self.compiler.options.assert_format {
                let number = Format::ALL.iter().position(|(known, _)| *known == name);
                let Some(number) = number else {
                    let message = format!("`format` of `{name}` cannot be asserted");
                    return Err(self.error(value, &["format"], message));
                };
                if Format::ALL[number].1 == Format::Hostname {
                    self.compiler.parts.need_characters();
                }
                let path = self.path_cell(&["format"]);
                self.block.instruction(layout::FORMAT, &[path, Cell::Word(number as u32)]);
            }
        }
        Ok(())
    }

    pub(super) fn automaton(&mut self, text: &str, at: usize, tokens: &[&str]) -> Result<Cell, SchemaError> {
        let error = |what: String| {
            SchemaError::new(
                self.compiler.text,
                at,
                &self.pointer(tokens),
                format!("the pattern `{text}`: {what}"),
            )
        };
        let pattern = pattern::translate(text).map_err(|(at, what)| {
            let character = text.get(..at).map_or(0, |before| before.chars().count());
            error(format!("{what} (character {})", character + 1))
        })?;
        let automaton = self.compiler.parts.automaton(&pattern);
        match automaton {
            Ok(automaton) => Ok(Cell::Word(automaton)),
            Err(what) => {
                let pointer = self.pointer(tokens);
                let message = format!("the pattern `{text}`: {what}");
                Err(SchemaError::new(self.compiler.text, at, &pointer, message))
            }
        }
    }

    pub(super) fn numbers(&mut self) -> Result<(), SchemaError> {
        for (name, instruction) in [
            ("minimum", layout::MINIMUM),
            ("maximum", layout::MAXIMUM),
            ("exclusiveMinimum", layout::EXCLUSIVE_MINIMUM),
            ("exclusiveMaximum", layout::EXCLUSIVE_MAXIMUM),
        ] {
            if let Some(token) = self.number(name)? {
                let path = self.path_cell(&[name]);
                let [start, len] = self.compiler.parts.text(token).map(Cell::Word);
                self.block.instruction(instruction, &[path, start, len]);
            }
        }
        if let (Some(token), Some(value)) = (self.number("multipleOf")?, self.keyword("multipleOf")) {
            let Some((factor, exponent)) = Decimal::of(token.as_bytes()).factor() else {
                let message = "`multipleOf` has to be above 0, and to have at most 18 digits".into();
                return Err(self.error(value, &["multipleOf"], message));
            };
            let path = self.path_cell(&["multipleOf"]);
            let words = [factor as u32, (factor >> 32) as u32, exponent as u32].map(Cell::Word);
            self.block.instruction(layout::MULTIPLE_OF, &[path, words[0], words[1], words[2]]);
        }
        Ok(())
    }

    fn number(&self, name: &str) -> Result<Option<&'d str>, SchemaError> {
        match self.keyword(name) {
            None => Ok(None),
            Some(Value { json: Json::Number(token), .. }) => Ok(Some(token)),
            Some(other) => Err(self.error(other, &[name], format!("`{name}` has to be a number"))),
        }
    }
}
