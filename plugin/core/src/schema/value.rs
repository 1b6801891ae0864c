//! What is asserted of a value by itself.

use super::decimal::Decimal;
use super::format::Format;
use super::layout::*;
use super::machine::{Machine, NotChecked, length};
use super::text;
use crate::tape::{ESCAPED, Kind};

impl Machine<'_> {
    /// Whether the value at `node` is of one of the types.
    #[inline(always)]
    pub(super) fn is_of(&self, mask: u32, node: usize) -> bool {
        let Some(node) = self.tape.nodes.get(node) else {
            return false;
        };
        let bit = match node.kind {
            Kind::Object => types::OBJECT,
            Kind::Array => types::ARRAY,
            Kind::Key | Kind::String => types::STRING,
            Kind::Integer => types::INTEGER,
            Kind::Float | Kind::Word => self.odd_type(node),
        };
        mask & bit != 0
    }

    #[inline(never)]
    fn odd_type(&self, node: &crate::tape::Node) -> u32 {
        let text = self.tape.text(node, self.source);
        match (node.kind, text.first()) {
            (Kind::Word, Some(b'n')) => types::NULL,
            (Kind::Word, _) => types::BOOLEAN,
            _ if Decimal::of(text).is_integral() => types::INTEGER,
            _ => types::FRACTION,
        }
    }

    /// Whether the assertion that the machine is at holds.
    #[inline(never)]
    pub(super) fn holds(&mut self, instruction: u8) -> Result<bool, NotChecked> {
        let Some(node) = self.tape.nodes.get(self.node) else {
            return Ok(true);
        };
        let operand = self.program.word(self.pc + 2);
        match (instruction, node.kind) {
            (ENUM, _) => self.is_one(node),
            (MIN_LENGTH..=FORMAT, Kind::String | Kind::Key) => match instruction {
                MIN_LENGTH => Ok(text::length(self.tape, self.source, node) >= operand as usize),
                MAX_LENGTH => Ok(text::length(self.tape, self.source, node) <= operand as usize),
                PATTERN => self.is_match(node, operand),
                _ => {
                    let format = Format::ALL.get(operand as usize);
                    let text = text::of(self.tape, self.source, node, self.scratch)?;
                    Ok(format.is_none_or(|(_, format)| format.holds(text, &self.program.characters())))
                }
            },
            (MINIMUM..=MULTIPLE_OF, Kind::Integer | Kind::Float) => {
                let number = Decimal::of(self.tape.text(node, self.source));
                if instruction == MULTIPLE_OF {
                    let factor = u64::from(self.program.word(self.pc + 3)) << 32 | u64::from(operand);
                    let exponent = self.program.word(self.pc + 4) as i32;
                    return Ok(number.is_multiple_of(factor, exponent.into()));
                }
                let order = number.compare(&Decimal::of(self.program.text_at(self.pc + 2)));
                Ok(match instruction {
                    MINIMUM => order.is_ge(),
                    MAXIMUM => order.is_le(),
                    EXCLUSIVE_MINIMUM => order.is_gt(),
                    _ => order.is_lt(),
                })
            }
            (DEPENDENT_REQUIRED, Kind::Object) => {
                Ok(!self.has_member(self.pc + 2)? || self.has_member(self.pc + 4)?)
            }
            (UNIQUE, Kind::Array) => {
                Ok(self.unique.holds(self.tape, self.source, self.node, &mut self.steps)?)
            }
            _ => Ok(true),
        }
    }

    /// Whether an automaton finds anything in a string.
    pub(super) fn is_match(&mut self, node: &crate::tape::Node, automaton: u32) -> Result<bool, NotChecked> {
        let text = text::of(self.tape, self.source, node, self.scratch)?;
        let automaton = self.program.automaton(automaton);
        Ok(automaton.is_some_and(|automaton| automaton.is_match(text.iter().copied())))
    }

    /// Whether the value is one of those of an enumeration.
    fn is_one(&mut self, node: &crate::tape::Node) -> Result<bool, NotChecked> {
        let (pc, tape, source) = (self.pc, self.tape, self.source);
        let mask = self.program.word(pc + 2 + TABLE_WORDS);
        match node.kind {
            Kind::String | Kind::Key => {
                let table = self.program.table(self.program.words(pc + 2));
                if !node.has(ESCAPED) {
                    let (start, len) = text::place(node);
                    return Ok(table.find(tape.buffer(node, source), start, len).is_some());
                }
                let text = text::of(tape, source, node, self.scratch)?;
                Ok(table.find(text, 0, text.len()).is_some())
            }
            Kind::Integer | Kind::Float => {
                let number = Decimal::of(tape.text(node, source));
                let first = pc + 3 + TABLE_WORDS;
                let end = pc + length(self.program.word(pc));
                let is_same = |at| number.compare(&Decimal::of(self.program.text_at(at))).is_eq();
                Ok((first..end).step_by(2).any(is_same))
            }
            Kind::Word => {
                let only = match tape.text(node, source).first() {
                    Some(b't') => ONLY_TRUE,
                    Some(b'f') => ONLY_FALSE,
                    _ => 0,
                };
                Ok(mask & only != 0 || self.is_of(mask, self.node))
            }
            Kind::Object | Kind::Array => Ok(self.is_of(mask, self.node)),
        }
    }

    /// Whether the value is an object with a member whose name's start and
    /// length are at `at` in the code.
    pub(super) fn has_member(&mut self, at: usize) -> Result<bool, NotChecked> {
        let (tape, source) = (self.tape, self.source);
        let name = self.program.text_at(at);
        if tape.nodes.get(self.node).is_none_or(|node| node.kind != Kind::Object) {
            return Ok(false);
        }
        for key in tape.keys(self.node) {
            self.steps = self.steps.checked_sub(1).ok_or(NotChecked::TooManySteps)?;
            let key = &tape.nodes[key];
            if !key.has(crate::tape::REMOVED) && text::of(tape, source, key, self.scratch)? == name {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
