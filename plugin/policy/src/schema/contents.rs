//! Compiles the keywords of objects' members and of arrays' items.

use super::SchemaError;
use super::compiler::Schema;
use super::document::{Json, Value};
use super::program::{Cell, Name};
use flb_audit_core::schema::layout;

impl Schema<'_, '_> {
    pub(super) fn object(&mut self) -> Result<(), SchemaError> {
        self.members()?;
        if let Some(check) = self.check_of("propertyNames") {
            self.block.instruction(layout::NAMES, &[check]);
        }
        if let Some(value) = self.keyword("dependentRequired") {
            let Json::Object(members) = &value.json else {
                let message = "`dependentRequired` has to be an object".into();
                return Err(self.error(value, &["dependentRequired"], message));
            };
            for member in members {
                let tokens = ["dependentRequired", &member.name];
                for (index, other) in self.strings_of(&member.value, &tokens)?.into_iter().enumerate() {
                    let path = self.path_cell(&[tokens[0], tokens[1], &index.to_string()]);
                    let [start, len] = self.compiler.parts.text(&member.name).map(Cell::Word);
                    let [other_start, other_len] = self.compiler.parts.text(other).map(Cell::Word);
                    let operands = [path, start, len, other_start, other_len];
                    self.block.instruction(layout::DEPENDENT_REQUIRED, &operands);
                }
            }
        }
        for member in self.keyword("dependentSchemas").map_or(&[][..], Value::members) {
            let check = self.same(&member.value);
            let [start, len] = self.compiler.parts.text(&member.name).map(Cell::Word);
            self.block.instruction(layout::DEPENDENT_SCHEMA, &[Cell::Word(0), start, len, check]);
        }
        Ok(())
    }

    /// Compiles the keywords that are checked in one walk over an object's members.
    fn members(&mut self) -> Result<(), SchemaError> {
        const WALKED: [&str; 6] = [
            "properties",
            "patternProperties",
            "additionalProperties",
            "required",
            "minProperties",
            "maxProperties",
        ];
        if WALKED.iter().all(|name| self.keyword(name).is_none()) {
            return Ok(());
        }
        let mut names: Vec<Name> = Vec::new();
        for member in self.keyword("properties").map_or(&[][..], Value::members) {
            let check = Some(self.compiler.block_of(&member.value));
            names.push(Name { name: member.name.clone(), check, is_property: true, required: None });
        }
        let required = match self.keyword("required") {
            Some(value) => self.strings_of(value, &["required"])?,
            None => Vec::new(),
        };
        let mut more = Vec::new();
        for (index, name) in required.into_iter().enumerate() {
            let required = Some(self.path(&["required", &index.to_string()]));
            let known = names.iter_mut().find(|known| known.name == name);
            match known {
                Some(known) if index < layout::REQUIRED_MAX => known.required = required,
                _ => {
                    let name = Name { name: name.to_owned(), check: None, is_property: false, required };
                    if index < layout::REQUIRED_MAX { names.push(name) } else { more.push(name) }
                }
            }
        }
        let min_path = self.path_cell(&["minProperties"]);
        let max_path = self.path_cell(&["maxProperties"]);
        let min = Cell::Word(self.count("minProperties")?.unwrap_or(0));
        let max = Cell::Word(self.count("maxProperties")?.unwrap_or(u32::MAX));
        let others = self.check_of("additionalProperties").unwrap_or(Cell::Check(None));
        let mut operands = vec![min_path, min, max_path, max, others, self.compiler.parts.table(names)];
        for member in self.keyword("patternProperties").map_or(&[][..], Value::members) {
            let tokens = ["patternProperties", &member.name];
            operands.push(self.automaton(&member.name, member.at, &tokens)?);
            operands.push(self.check(&member.value));
        }
        self.block.instruction(layout::OBJECT, &operands);
        // A table keeps track of a limited number of required members; further ones need
        // tables of their own.
        let (zero, none) = (Cell::Word(0), Cell::Word(u32::MAX));
        for part in more.chunks(layout::REQUIRED_MAX) {
            let table = self.compiler.parts.table(part.to_vec());
            self.block.instruction(layout::OBJECT, &[zero, zero, zero, none, Cell::Check(None), table]);
        }
        Ok(())
    }

    pub(super) fn array(&mut self) -> Result<(), SchemaError> {
        let firsts = self.keyword("prefixItems").map(|value| match &value.json {
            Json::Array(items) => items.as_slice(),
            _ => &[],
        });
        let (min, max) = (self.count("minItems")?, self.count("maxItems")?);
        let items = self.check_of("items");
        if firsts.is_some() || items.is_some() || min.is_some() || max.is_some() {
            let mut operands = vec![
                self.path_cell(&["minItems"]),
                Cell::Word(min.unwrap_or(0)),
                self.path_cell(&["maxItems"]),
                Cell::Word(max.unwrap_or(u32::MAX)),
                items.unwrap_or(Cell::Check(None)),
            ];
            operands.extend(firsts.unwrap_or_default().iter().map(|schema| self.check(schema)));
            self.block.instruction(layout::ARRAY, &operands);
        }
        let (min, max) = (self.count("minContains")?, self.count("maxContains")?);
        if let Some(check) = self.check_of("contains") {
            let min_path = self.path_cell(&[if min.is_some() { "minContains" } else { "contains" }]);
            let operands = [
                min_path,
                Cell::Word(min.unwrap_or(1)),
                self.path_cell(&["maxContains"]),
                Cell::Word(max.unwrap_or(u32::MAX)),
                check,
            ];
            self.block.instruction(layout::CONTAINS, &operands);
        }
        match self.keyword("uniqueItems") {
            Some(Value { json: Json::Boolean(true), .. }) => {
                let path = self.path_cell(&["uniqueItems"]);
                self.block.instruction(layout::UNIQUE, &[path]);
            }
            Some(value) if !matches!(value.json, Json::Boolean(_)) => {
                return Err(self.error(value, &["uniqueItems"], "`uniqueItems` has to be a boolean".into()));
            }
            _ => {}
        }
        Ok(())
    }
}
