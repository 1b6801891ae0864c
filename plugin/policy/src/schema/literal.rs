//! Compiles `enum` and `const`: values that a value has to be equal to.
//!
//! Scalars are compared by one instruction. An array or an object is compared by a schema
//! that no other value fulfils.

use super::document::{Json, Member, Value};
use super::program::{Block, BlockId, Cell, Name, Parts};
use flb_audit_core::schema::layout::{self, types};
use std::collections::HashSet;

impl Parts {
    /// Adds to `block` the assertion that the value is one of `values`.
    pub(super) fn one_of_values(&mut self, block: &mut Block, path: u32, values: &[&Value]) {
        let is_scalar = |value: &&Value| !matches!(value.json, Json::Array(_) | Json::Object(_));
        let (scalars, containers): (Vec<&Value>, Vec<&Value>) = values.iter().copied().partition(is_scalar);
        if containers.is_empty() {
            return self.scalars(block, path, &scalars);
        }
        let mut checks = vec![Cell::Word(path)];
        if !scalars.is_empty() {
            let mut inner = Block::new();
            self.scalars(&mut inner, path, &scalars);
            checks.push(Cell::Check(Some(self.add(inner))));
        }
        for value in containers {
            checks.push(Cell::Check(Some(self.literal(path, value))));
        }
        block.instruction(layout::ANY_OF, &checks);
    }

    pub(super) fn add(&mut self, block: Block) -> BlockId {
        self.blocks.push(block);
        self.blocks.len() - 1
    }

    fn scalars(&mut self, block: &mut Block, path: u32, values: &[&Value]) {
        let (mut mask, mut numbers, mut names) = (0, Vec::new(), Vec::new());
        let mut known = HashSet::new();
        for value in values {
            match &value.json {
                Json::Null => mask |= types::NULL,
                Json::Boolean(true) => mask |= layout::ONLY_TRUE,
                Json::Boolean(false) => mask |= layout::ONLY_FALSE,
                Json::Number(token) => numbers.extend(self.text(token).map(Cell::Word)),
                Json::String(text) if !known.insert(text) => {}
                Json::String(text) => {
                    names.push(Name { name: text.clone(), check: None, is_property: false, required: None });
                }
                Json::Array(_) | Json::Object(_) => {}
            }
        }
        let mut operands = vec![Cell::Word(path), self.table(names), Cell::Word(mask)];
        operands.extend(numbers);
        block.instruction(layout::ENUM, &operands);
    }

    /// Returns a schema that only `value` fulfils.
    fn literal(&mut self, path: u32, value: &Value) -> BlockId {
        let mut block = Block::new();
        block.type_path = path;
        match &value.json {
            Json::Array(items) => {
                block.mask = types::ARRAY;
                let count = Cell::Word(items.len() as u32);
                let mut operands = vec![Cell::Word(path), count, Cell::Word(path), count, Cell::Check(None)];
                operands.extend(items.iter().map(|item| Cell::Check(Some(self.literal(path, item)))));
                block.instruction(layout::ARRAY, &operands);
            }
            Json::Object(members) => {
                block.mask = types::OBJECT;
                self.literal_members(&mut block, path, members);
            }
            _ => self.scalars(&mut block, path, &[value]),
        }
        self.add(block)
    }

    /// Asserts that there are as many members as names, and each member of them.
    fn literal_members(&mut self, block: &mut Block, path: u32, members: &[Member]) {
        let count = Cell::Word(members.len() as u32);
        let mut parts: Vec<&[Member]> = members.chunks(layout::REQUIRED_MAX).collect();
        if parts.is_empty() {
            parts.push(&[]);
        }
        for part in parts {
            let name = |parts: &mut Parts, member: &Member| Name {
                name: member.name.clone(),
                check: Some(parts.literal(path, &member.value)),
                is_property: true,
                required: Some(path),
            };
            let names = part.iter().map(|member| name(self, member)).collect();
            let table = self.table(names);
            let operands = [Cell::Word(path), count, Cell::Word(path), count, Cell::Check(None), table];
            block.instruction(layout::OBJECT, &operands);
        }
    }
}
