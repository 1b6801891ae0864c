//! Schemas into blocks of code.

use super::document::{self, Json, Value, join};
use super::keyword::{Keyword, keyword};
use super::program::{Block, BlockId, Cell, NAMES_MAX, Name, Parts};
use super::scope::{Place, Scope};
use super::{Options, SchemaError, cycle, pattern};
use flb_audit_core::schema::layout::{self, types};
use flb_audit_core::schema::{Decimal, Format};
use std::collections::HashMap;

const TYPES: [(&str, u32); 7] = [
    ("null", types::NULL),
    ("boolean", types::BOOLEAN),
    ("object", types::OBJECT),
    ("array", types::ARRAY),
    ("string", types::STRING),
    ("integer", types::INTEGER),
    ("number", types::NUMBER),
];

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

pub(super) fn compile(text: &str, options: Options) -> Result<Vec<u8>, SchemaError> {
    let document = document::parse(text)?;
    let scope = Scope::of(text, &document)?;
    let mut compiler = Compiler {
        text,
        options,
        scope,
        parts: Parts::default(),
        known: HashMap::new(),
        pending: Vec::new(),
        places: HashMap::new(),
    };
    let root = compiler.block_of(&document);
    while let Some((schema, id)) = compiler.pending.pop() {
        let Some(place) = compiler.scope.place(schema).cloned() else {
            continue;
        };
        let block = Schema { compiler: &mut compiler, place: &place, block: Block::new() }.compile()?;
        if compiler.parts.names > NAMES_MAX {
            let message = format!("the schema has more than {NAMES_MAX} names and strings in all");
            return Err(SchemaError::new(text, schema.at, &place.pointer, message));
        }
        compiler.parts.blocks[id] = block;
        compiler.places.insert(id, place);
    }
    if let Some(place) = cycle::find(&compiler.parts.blocks).and_then(|id| compiler.places.get(&id)) {
        let message = "the schema comes back to itself for the same value, without end".into();
        return Err(SchemaError::new(text, place.schema.at, &place.pointer, message));
    }
    Ok(compiler.parts.link(root))
}

struct Compiler<'d> {
    text: &'d str,
    options: Options,
    scope: Scope<'d>,
    parts: Parts,
    /// The blocks of schemas, by where these start in the text.
    known: HashMap<usize, BlockId>,
    /// Schemas whose blocks are still empty.
    pending: Vec<(&'d Value, BlockId)>,
    places: HashMap<BlockId, Place<'d>>,
}

impl<'d> Compiler<'d> {
    /// The block of a schema, which is compiled sooner or later.
    fn block_of(&mut self, schema: &'d Value) -> BlockId {
        if let Some(block) = self.known.get(&schema.at) {
            return *block;
        }
        let block = self.parts.add(Block::new());
        self.known.insert(schema.at, block);
        self.pending.push((schema, block));
        block
    }
}

/// A schema that is being compiled.
struct Schema<'c, 'd> {
    compiler: &'c mut Compiler<'d>,
    place: &'c Place<'d>,
    block: Block,
}

impl<'d> Schema<'_, 'd> {
    fn compile(mut self) -> Result<Block, SchemaError> {
        if let Json::Boolean(holds) = self.place.schema.json {
            self.block.mask = if holds { types::ALL } else { 0 };
            self.block.type_path = self.compiler.parts.path(&self.place.pointer, self.place.applied_by);
            return Ok(self.block);
        }
        self.names()?;
        self.types()?;
        self.values()?;
        self.strings()?;
        self.numbers()?;
        self.object()?;
        self.array()?;
        self.logic()?;
        Ok(self.block)
    }

    // What an error or a report is about.

    fn keyword(&self, name: &str) -> Option<&'d Value> {
        self.place.schema.member(name)
    }

    fn error(&self, value: &Value, tokens: &[&str], message: String) -> SchemaError {
        SchemaError::new(self.compiler.text, value.at, &self.pointer(tokens), message)
    }

    fn pointer(&self, tokens: &[&str]) -> String {
        tokens.iter().fold(self.place.pointer.clone(), |pointer, token| join(&pointer, token))
    }

    /// The path to report of a keyword, and of what is in it.
    fn path(&mut self, tokens: &[&str]) -> u32 {
        let pointer = self.pointer(tokens);
        self.compiler.parts.path(&pointer, tokens.first().copied().unwrap_or_default())
    }

    fn path_cell(&mut self, tokens: &[&str]) -> Cell {
        Cell::Word(self.path(tokens))
    }

    // What keywords hold.

    fn count(&self, name: &str) -> Result<Option<u32>, SchemaError> {
        let Some(value) = self.keyword(name) else {
            return Ok(None);
        };
        let count = match &value.json {
            Json::Number(token) => Decimal::of(token.as_bytes()).count(),
            _ => None,
        };
        let error = || self.error(value, &[name], format!("`{name}` has to be an integer from 0 on"));
        count.map(Some).ok_or_else(error)
    }

    fn strings_of(&self, value: &'d Value, tokens: &[&str]) -> Result<Vec<&'d str>, SchemaError> {
        let error = || {
            let name = tokens.first().copied().unwrap_or_default();
            self.error(value, tokens, format!("`{name}` has to have an array of strings, each once"))
        };
        let Json::Array(items) = &value.json else {
            return Err(error());
        };
        let mut strings = Vec::new();
        for item in items {
            match item.as_str() {
                Some(text) if !strings.contains(&text) => strings.push(text),
                _ => return Err(error()),
            }
        }
        Ok(strings)
    }

    fn check(&mut self, schema: &'d Value) -> Cell {
        Cell::Check(Some(self.compiler.block_of(schema)))
    }

    /// The check of the schema under a keyword.
    fn check_of(&mut self, name: &str) -> Option<Cell> {
        self.keyword(name).map(|schema| self.check(schema))
    }

    /// Likewise, one that applies to the same value.
    fn same(&mut self, schema: &'d Value) -> Cell {
        let block = self.compiler.block_of(schema);
        self.block.same.push(block);
        Cell::Check(Some(block))
    }

    // Keywords.

    fn names(&mut self) -> Result<(), SchemaError> {
        for member in self.place.schema.members() {
            if let Keyword::Refused(instead) = keyword(&member.name) {
                let message = format!("`{}` is not supported: {instead}", member.name);
                return Err(SchemaError::new(
                    self.compiler.text,
                    member.at,
                    &self.pointer(&[&member.name]),
                    message,
                ));
            }
        }
        if let Some(draft) = self.keyword("$schema")
            && draft.as_str().map(|uri| uri.trim_end_matches('#')) != Some(DRAFT)
        {
            return Err(self.error(
                draft,
                &["$schema"],
                format!("`$schema`: the only draft that is read is {DRAFT}"),
            ));
        }
        // All that a document defines has to be sound, used or not.
        for member in self.keyword("$defs").map_or(&[][..], Value::members) {
            self.compiler.block_of(&member.value);
        }
        Ok(())
    }

    fn types(&mut self) -> Result<(), SchemaError> {
        let Some(value) = self.keyword("type") else {
            return Ok(());
        };
        let names = match &value.json {
            Json::String(name) => vec![name.as_str()],
            _ => self.strings_of(value, &["type"])?,
        };
        self.block.mask = 0;
        for name in names {
            let found = TYPES.iter().find(|(known, _)| *known == name);
            let error = || self.error(value, &["type"], format!("there is no type `{name}`"));
            self.block.mask |= found.ok_or_else(error)?.1;
        }
        self.block.type_path = self.path(&["type"]);
        Ok(())
    }

    fn values(&mut self) -> Result<(), SchemaError> {
        if let Some(value) = self.keyword("const") {
            let path = self.path(&["const"]);
            self.compiler.parts.one_of_values(&mut self.block, path, &[value]);
        }
        if let Some(value) = self.keyword("enum") {
            let Json::Array(values) = &value.json else {
                return Err(self.error(value, &["enum"], "`enum` has to be an array".into()));
            };
            let path = self.path(&["enum"]);
            let values: Vec<&Value> = values.iter().collect();
            self.compiler.parts.one_of_values(&mut self.block, path, &values);
        }
        Ok(())
    }

    fn strings(&mut self) -> Result<(), SchemaError> {
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

    fn automaton(&mut self, text: &str, at: usize, tokens: &[&str]) -> Result<Cell, SchemaError> {
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

    fn numbers(&mut self) -> Result<(), SchemaError> {
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
                let message = "`multipleOf` has to be over 0, and of 18 digits at most".into();
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

    fn object(&mut self) -> Result<(), SchemaError> {
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

    /// What is found out in one walk over an object's members.
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
        // A table keeps track of so many required members, and no more.
        let (zero, none) = (Cell::Word(0), Cell::Word(u32::MAX));
        for part in more.chunks(layout::REQUIRED_MAX) {
            let table = self.compiler.parts.table(part.to_vec());
            self.block.instruction(layout::OBJECT, &[zero, zero, zero, none, Cell::Check(None), table]);
        }
        Ok(())
    }

    fn array(&mut self) -> Result<(), SchemaError> {
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

    fn logic(&mut self) -> Result<(), SchemaError> {
        if let Some(value) = self.keyword("$ref") {
            let error = |message| self.error(value, &["$ref"], message);
            let reference = value.as_str().ok_or_else(|| error("`$ref` has to be a string".into()))?;
            let target = self.compiler.scope.resolve(self.place, reference);
            let target = target.map_err(|message| self.error(value, &["$ref"], message))?;
            let check = self.same(target);
            self.block.instruction(layout::CALL, &[check]);
        }
        for (name, instruction) in
            [("allOf", layout::CALL), ("anyOf", layout::ANY_OF), ("oneOf", layout::ONE_OF)]
        {
            let Some(Value { json: Json::Array(schemas), at }) = self.keyword(name) else {
                continue;
            };
            if schemas.is_empty() {
                let message = format!("`{name}` has to have a schema");
                return Err(SchemaError::new(self.compiler.text, *at, &self.pointer(&[name]), message));
            }
            let checks: Vec<Cell> = schemas.iter().map(|schema| self.same(schema)).collect();
            if instruction == layout::CALL {
                checks.iter().for_each(|check| self.block.instruction(instruction, &[*check]));
            } else {
                let mut operands = vec![self.path_cell(&[name])];
                operands.extend(checks);
                self.block.instruction(instruction, &operands);
            }
        }
        if let Some(schema) = self.keyword("not") {
            let operands = [self.path_cell(&["not"]), self.same(schema)];
            self.block.instruction(layout::NOT, &operands);
        }
        // Without `if` the other two say nothing (Core, section 10.2.2), but
        // they have to be sound.
        let mut branch = |name: &str| self.keyword(name).map(|schema| self.same(schema));
        let (condition, then, otherwise) = (branch("if"), branch("then"), branch("else"));
        if let Some(condition) = condition
            && (then.is_some() || otherwise.is_some())
        {
            let nothing = Cell::Check(None);
            let operands = [Cell::Word(0), condition, then.unwrap_or(nothing), otherwise.unwrap_or(nothing)];
            self.block.instruction(layout::IF, &operands);
        }
        Ok(())
    }
}
