//! Compiles schemas into blocks of code.

use super::document::{self, Json, Value, join};
use super::keyword::{Keyword, keyword, meant};
use super::program::{Block, BlockId, Cell, NAMES_MAX, Parts};
use super::scope::{Place, Scope};
use super::{Compiled, Options, SchemaError, cycle};
use flb_audit_core::schema::Decimal;
use flb_audit_core::schema::layout::{self, types};
use std::collections::{HashMap, HashSet};

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

pub(super) fn compile(text: &str, options: Options) -> Result<Compiled, SchemaError> {
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
        unknown: Vec::new(),
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
        let message = "the schema refers to itself for the same value, without end".into();
        return Err(SchemaError::new(text, place.schema.at, &place.pointer, message));
    }
    compiler.unknown.sort_by_key(|unknown| (unknown.line, unknown.column));
    Ok(Compiled { program: compiler.parts.link(root), unknown: compiler.unknown })
}

pub(super) struct Compiler<'d> {
    pub(super) text: &'d str,
    pub(super) options: Options,
    scope: Scope<'d>,
    pub(super) parts: Parts,
    /// The blocks of schemas, by the start of the schema in the text.
    known: HashMap<usize, BlockId>,
    /// The schemas whose blocks are still empty.
    pending: Vec<(&'d Value, BlockId)>,
    places: HashMap<BlockId, Place<'d>>,
    /// The names that are no keywords.
    unknown: Vec<SchemaError>,
}

impl<'d> Compiler<'d> {
    /// Returns the block of a schema. The block is compiled later if it has not been yet.
    pub(super) fn block_of(&mut self, schema: &'d Value) -> BlockId {
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
pub(super) struct Schema<'c, 'd> {
    pub(super) compiler: &'c mut Compiler<'d>,
    pub(super) place: &'c Place<'d>,
    pub(super) block: Block,
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

    // Errors and reports.

    pub(super) fn keyword(&self, name: &str) -> Option<&'d Value> {
        self.place.schema.member(name)
    }

    pub(super) fn error(&self, value: &Value, tokens: &[&str], message: String) -> SchemaError {
        SchemaError::new(self.compiler.text, value.at, &self.pointer(tokens), message)
    }

    pub(super) fn pointer(&self, tokens: &[&str]) -> String {
        tokens.iter().fold(self.place.pointer.clone(), |pointer, token| join(&pointer, token))
    }

    /// Returns the path to report for a keyword, or for a part of its value.
    pub(super) fn path(&mut self, tokens: &[&str]) -> u32 {
        let pointer = self.pointer(tokens);
        self.compiler.parts.path(&pointer, tokens.first().copied().unwrap_or_default())
    }

    pub(super) fn path_cell(&mut self, tokens: &[&str]) -> Cell {
        Cell::Word(self.path(tokens))
    }

    // The values of keywords.

    pub(super) fn count(&self, name: &str) -> Result<Option<u32>, SchemaError> {
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

    pub(super) fn strings_of(&self, value: &'d Value, tokens: &[&str]) -> Result<Vec<&'d str>, SchemaError> {
        let error = || {
            let name = tokens.first().copied().unwrap_or_default();
            self.error(value, tokens, format!("`{name}` has to have an array of strings, each once"))
        };
        let Json::Array(items) = &value.json else {
            return Err(error());
        };
        let (mut strings, mut known) = (Vec::new(), HashSet::new());
        for item in items {
            match item.as_str() {
                Some(text) if known.insert(text) => strings.push(text),
                _ => return Err(error()),
            }
        }
        Ok(strings)
    }

    pub(super) fn check(&mut self, schema: &'d Value) -> Cell {
        Cell::Check(Some(self.compiler.block_of(schema)))
    }

    /// Returns the check of the schema under a keyword.
    pub(super) fn check_of(&mut self, name: &str) -> Option<Cell> {
        self.keyword(name).map(|schema| self.check(schema))
    }

    /// Returns the check of a schema that applies to the same value.
    pub(super) fn same(&mut self, schema: &'d Value) -> Cell {
        let block = self.compiler.block_of(schema);
        self.block.same.push(block);
        Cell::Check(Some(block))
    }

    // The keywords.

    fn names(&mut self) -> Result<(), SchemaError> {
        for member in self.place.schema.members() {
            let name = &member.name;
            let error =
                |message| SchemaError::new(self.compiler.text, member.at, &self.pointer(&[name]), message);
            match keyword(name) {
                Keyword::Compiled(_) | Keyword::Annotation => {}
                Keyword::Refused(instead) => {
                    return Err(error(format!("`{name}` is not supported: {instead}")));
                }
                Keyword::Unknown => match meant(name) {
                    Some(known) => {
                        return Err(error(format!(
                            "`{name}` is no keyword; did you mean `{known}`? An annotation is `x-{name}`"
                        )));
                    }
                    None => {
                        let unknown = error(format!("`{name}` is no keyword, and is not checked"));
                        self.compiler.unknown.push(unknown);
                    }
                },
            }
        }
        if let Some(draft) = self.keyword("$schema")
            && draft.as_str().map(|uri| uri.trim_end_matches('#')) != Some(DRAFT)
        {
            return Err(self.error(
                draft,
                &["$schema"],
                format!("`$schema`: the only supported draft is {DRAFT}"),
            ));
        }
        // All definitions in a document have to be sound, even unused ones.
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
        // Without `if`, the other two have no effect (Core, section 10.2.2), but they
        // have to be sound.
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
