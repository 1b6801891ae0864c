//! Assertions on a value by itself.

use super::decimal::Decimal;
use super::format::Format;
use super::layout::*;
use super::machine::{Machine, length};
use super::not_checked::NotChecked;
use super::text;
use crate::record::tape::{ESCAPED, Kind, NON_ASCII, Node, REMOVED};

impl Machine<'_> {
    /// Checks whether a value has one of the types.
    #[inline(always)]
    pub(super) fn is_of(&self, mask: u32, node: &Node) -> bool {
        mask >> node.kind as u32 & 1 != 0 || self.is_of_odd(mask, node)
    }

    /// Checks the same by the node's text.
    #[inline(never)]
    fn is_of_odd(&self, mask: u32, node: &Node) -> bool {
        let text = self.tape.text(node, self.source);
        let bit = match node.kind {
            Kind::Word if text.starts_with(b"n") => types::NULL,
            Kind::Word => types::BOOLEAN,
            Kind::Float if Decimal::of(text).is_integral() => types::INTEGER & !types::BY_KIND,
            Kind::Float => types::FRACTION,
            _ => 0,
        };
        mask & bit != 0
    }

    /// Checks whether the assertion that the machine is at holds.
    #[inline(always)]
    pub(super) fn holds(&mut self, instruction: u8, node: &Node) -> Result<bool, NotChecked> {
        match (instruction, node.kind) {
            (ENUM, _) => self.is_one(node),
            (MIN_LENGTH | MAX_LENGTH, Kind::String | Kind::Key)
                if node.flags & (ESCAPED | NON_ASCII) == 0 =>
            {
                let (_, len) = text::place(node);
                let bound = self.program.word(self.pc + 2) as usize;
                Ok(if instruction == MIN_LENGTH { len >= bound } else { len <= bound })
            }
            (MIN_LENGTH..=FORMAT, Kind::String | Kind::Key) => self.string_holds(node, instruction),
            (MINIMUM..=MULTIPLE_OF, Kind::Integer | Kind::Float) => Ok(self.number_holds(node, instruction)),
            (DEPENDENT_REQUIRED, Kind::Object) => {
                Ok(!self.has_member(self.pc + 2)? || self.has_member(self.pc + 4)?)
            }
            (UNIQUE, Kind::Array) => {
                Ok(self.unique.holds(self.tape, self.source, self.node, &mut self.steps)?)
            }
            _ => Ok(true),
        }
    }

    #[inline(never)]
    fn string_holds(&mut self, node: &Node, instruction: u8) -> Result<bool, NotChecked> {
        let operand = self.program.word(self.pc + 2);
        match instruction {
            MIN_LENGTH => Ok(text::length(self.tape, self.source, node) >= operand as usize),
            MAX_LENGTH => Ok(text::length(self.tape, self.source, node) <= operand as usize),
            PATTERN => self.is_match(node, operand),
            _ => {
                let format = Format::ALL.get(operand as usize);
                let text = text::of(self.tape, self.source, node, self.scratch)?;
                Ok(format.is_none_or(|(_, format)| format.holds(text, &self.program.characters())))
            }
        }
    }

    #[inline(never)]
    fn number_holds(&self, node: &Node, instruction: u8) -> bool {
        let number = Decimal::of(self.tape.text(node, self.source));
        if instruction == MULTIPLE_OF {
            let [low, high, exponent] = [2, 3, 4].map(|operand| self.program.word(self.pc + operand));
            return number.is_multiple_of(u64::from(high) << 32 | u64::from(low), (exponent as i32).into());
        }
        let order = number.compare(&Decimal::of(self.program.text_at(self.pc + 2)));
        match instruction {
            MINIMUM => order.is_ge(),
            MAXIMUM => order.is_le(),
            EXCLUSIVE_MINIMUM => order.is_gt(),
            _ => order.is_lt(),
        }
    }

    /// Checks whether an automaton finds anything in a string.
    #[inline(never)]
    pub(super) fn is_match(&mut self, node: &Node, automaton: u32) -> Result<bool, NotChecked> {
        let text = text::of(self.tape, self.source, node, self.scratch)?;
        let automaton = self.program.automaton(automaton);
        Ok(automaton.is_some_and(|automaton| automaton.is_match(text.iter().copied())))
    }

    /// Checks whether the value is one of an enumeration.
    #[inline(never)]
    fn is_one(&mut self, node: &Node) -> Result<bool, NotChecked> {
        let (tape, source) = (self.tape, self.source);
        if !matches!(node.kind, Kind::String | Kind::Key) {
            return Ok(self.is_one_other(node));
        }
        let table = self.program.table(self.pc + 2);
        if node.has(ESCAPED) {
            let text = text::of(tape, source, node, self.scratch)?;
            return Ok(self.program.find(&table, text, 0, text.len()).is_some());
        }
        let (start, len) = text::place(node);
        Ok(self.program.find(&table, tape.buffer(node, source), start, len).is_some())
    }

    /// Checks the same for a value that is no string.
    #[inline(never)]
    fn is_one_other(&self, node: &Node) -> bool {
        let text = self.tape.text(node, self.source);
        let first = self.pc + 3 + TABLE_WORDS;
        let mask = self.program.word(first - 1);
        match node.kind {
            Kind::Integer | Kind::Float => {
                let number = Decimal::of(text);
                let end = self.pc + length(self.program.word(self.pc));
                let is_same = |at| number.compare(&Decimal::of(self.program.text_at(at))).is_eq();
                (first..end).step_by(2).any(is_same)
            }
            Kind::Word if text.starts_with(b"t") => mask & ONLY_TRUE != 0,
            Kind::Word if text.starts_with(b"f") => mask & ONLY_FALSE != 0,
            _ => self.is_of(mask, node),
        }
    }

    /// Checks whether the value is an object with the member whose name's start and
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
            if !key.has(REMOVED) && text::of(tape, source, key, self.scratch)? == name {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
