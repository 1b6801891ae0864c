//! Assembles a program in the layout of [`flb_audit_core::schema`].

use super::characters;
use crate::automaton::{self, Alphabet, Direction};
use flb_audit_core::schema::layout::{self, types};
use flb_audit_core::schema::{NameParts, PATH_BYTES_MAX, ProgramParts, TableParts};
use std::collections::HashMap;

/// The number of a block, which is the code of one schema.
pub(super) type BlockId = usize;

/// A part of the code.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cell {
    Word(u32),
    /// The check of a schema; `None` always holds.
    Check(Option<BlockId>),
    /// A table of names.
    Table(usize),
}

impl Cell {
    fn words(self) -> usize {
        match self {
            Cell::Word(_) => 1,
            Cell::Check(_) => layout::CHECK_WORDS,
            Cell::Table(_) => layout::TABLE_WORDS,
        }
    }
}

/// An instruction's number and its operands.
#[derive(Clone, Debug)]
pub(super) struct Instruction {
    number: u8,
    operands: Vec<Cell>,
}

impl Instruction {
    fn words(&self) -> usize {
        1 + self.operands.iter().map(|operand| operand.words()).sum::<usize>()
    }
}

/// A compiled schema.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub(super) mask: u32,
    /// The path to report for a value of another type.
    pub(super) type_path: u32,
    pub(super) code: Vec<Instruction>,
    /// The schemas that it applies to the same value.
    pub(super) same: Vec<BlockId>,
    /// The only schema that it applies, if it says nothing else.
    alias: Option<BlockId>,
}

impl Block {
    /// Returns a block that holds for all values so far.
    pub(super) fn new() -> Self {
        Block { mask: types::ALL, ..Block::default() }
    }

    pub(super) fn instruction(&mut self, number: u8, operands: &[Cell]) {
        self.code.push(Instruction { number, operands: operands.to_vec() });
        let is_alias = self.code.len() == 1 && number == layout::CALL && self.mask == types::ALL;
        self.alias = match operands {
            [Cell::Check(target)] if is_alias => *target,
            _ => None,
        };
    }
}

/// A name in a table of names.
#[derive(Clone, Debug)]
pub(super) struct Name {
    pub(super) name: String,
    pub(super) check: Option<BlockId>,
    pub(super) is_property: bool,
    /// The path to report if the member is missing.
    pub(super) required: Option<u32>,
}

/// All parts of a program.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) blocks: Vec<Block>,
    tables: Vec<Vec<Name>>,
    /// The number of names in all tables.
    pub(super) names: usize,
    /// The paths to report, each as three places in the text.
    paths: Vec<[[u32; 2]; 3]>,
    automata: Vec<[u32; 2]>,
    text: String,
    automata_bytes: Vec<u8>,
    /// The properties of characters, if a schema needs them.
    characters: Vec<u32>,
    known_paths: HashMap<(String, String), u32>,
    known_texts: HashMap<String, [u32; 2]>,
    known_patterns: HashMap<String, u32>,
}

/// The length of the text up to which a new part is searched for within it, in bytes.
const SEARCHED_BYTES_MAX: usize = 1 << 16;
/// The maximum number of names in a program: a table has up to four times as many slots,
/// and numbers of 16 bits tell the slots apart.
pub(super) const NAMES_MAX: usize = 1 << 14;

/// Returns a JSON Pointer as a fragment of a URI (RFC 6901 section 6), cut at the length
/// that is reported.
fn fragment(pointer: &str) -> String {
    let mut fragment = String::from("#");
    for character in pointer.chars() {
        let is_plain = character.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@/?".contains(character);
        let part = match character {
            plain if is_plain => plain.to_string(),
            other => other.encode_utf8(&mut [0; 4]).bytes().map(|byte| format!("%{byte:02X}")).collect(),
        };
        if fragment.len() + part.len() > 1 + PATH_BYTES_MAX {
            return fragment + "…";
        }
        fragment += &part;
    }
    fragment
}

impl Parts {
    /// Adds a text. Returns its place and its length.
    pub(super) fn text(&mut self, text: &str) -> [u32; 2] {
        if let Some(place) = self.known_texts.get(text) {
            return *place;
        }
        let is_searched = self.text.len() <= SEARCHED_BYTES_MAX;
        let found = if is_searched { self.text.find(text) } else { None };
        let start = found.unwrap_or_else(|| {
            self.text.push_str(text);
            self.text.len() - text.len()
        });
        let place = [start as u32, text.len() as u32];
        self.known_texts.insert(text.to_owned(), place);
        place
    }

    /// Returns the number of a path to report: a place in the schema and its keyword.
    pub(super) fn path(&mut self, pointer: &str, keyword: &str) -> u32 {
        let key = (pointer.to_owned(), keyword.to_owned());
        if let Some(path) = self.known_paths.get(&key) {
            return *path;
        }
        let fragment = fragment(pointer);
        // Schemas of the same object share the first part, and members of the same name
        // the second.
        let (start, rest) = fragment.split_at(fragment.rmatch_indices('/').nth(1).map_or(0, |(at, _)| at));
        let places = [start, rest, keyword].map(|part| self.text(part));
        self.paths.push(places);
        let path = self.paths.len() as u32 - 1;
        self.known_paths.insert(key, path);
        path
    }

    /// Returns the number of the automaton that searches for a pattern in the syntax of
    /// regex-syntax.
    pub(super) fn automaton(&mut self, pattern: &str) -> Result<u32, automaton::Error> {
        if let Some(automaton) = self.known_patterns.get(pattern) {
            return Ok(*automaton);
        }
        let table = automaton::compile(&[pattern], Direction::Anywhere, Alphabet::Unicode)?;
        self.automata.push([self.automata_bytes.len() as u32, table.len() as u32]);
        self.automata_bytes.extend(table);
        let automaton = self.automata.len() as u32 - 1;
        self.known_patterns.insert(pattern.to_owned(), automaton);
        Ok(automaton)
    }

    /// Adds the properties of characters to the program.
    pub(super) fn need_characters(&mut self) {
        if self.characters.is_empty() {
            self.characters = characters::runs();
        }
    }

    /// Adds a table of these names, which must all differ.
    pub(super) fn table(&mut self, mut names: Vec<Name>) -> Cell {
        self.names += names.len();
        names.sort_by_key(|name| name.required.is_none());
        self.tables.push(names);
        Cell::Table(self.tables.len() - 1)
    }

    /// Returns the program that starts with `root`.
    pub(super) fn link(mut self, root: BlockId) -> Vec<u8> {
        self.flatten();
        let used = self.used(root);
        let mut places = vec![0; self.blocks.len()];
        let mut next = layout::CHECK_WORDS;
        for block in &used {
            let code = &self.blocks[*block].code;
            if !code.is_empty() {
                places[*block] = next as u32;
                next += code.iter().map(Instruction::words).sum::<usize>() + 1;
            }
        }
        let mut linked = Linked { text: self.text.clone(), ..Linked::default() };
        let check = |block: Option<BlockId>| match block.map(|block| self.alias_of(block)) {
            Some(block) => [self.blocks[block].mask, self.blocks[block].type_path, places[block]],
            None => [types::ALL, 0, 0],
        };
        linked.parts.code.extend(check(Some(root)));
        for block in used {
            for instruction in &self.blocks[block].code {
                linked.parts.code.push(u32::from(instruction.number) | (instruction.words() as u32) << 8);
                for cell in &instruction.operands {
                    match cell {
                        Cell::Word(word) => linked.parts.code.push(*word),
                        Cell::Check(block) => linked.parts.code.extend(check(*block)),
                        Cell::Table(table) => linked.table(&self.tables[*table], check),
                    }
                }
            }
            if !self.blocks[block].code.is_empty() {
                linked.parts.code.push(layout::END.into());
            }
        }
        let Linked { parts: mut program, text } = linked;
        (program.paths, program.automata) = (self.paths, self.automata);
        (program.characters, program.text, program.tables) = (&self.characters, &text, &self.automata_bytes);
        program.write()
    }

    /// Returns the blocks that an instruction applies.
    fn targets(&self, instruction: &Instruction) -> Vec<BlockId> {
        let mut targets = Vec::new();
        for operand in &instruction.operands {
            match operand {
                Cell::Word(_) => {}
                Cell::Check(target) => targets.extend(*target),
                Cell::Table(table) => {
                    targets.extend(self.tables[*table].iter().filter_map(|name| name.check))
                }
            }
        }
        targets.into_iter().map(|target| self.alias_of(target)).collect()
    }

    /// Makes instructions of arrays and objects flat where possible.
    fn flatten(&mut self) {
        /// Operands: path, minimum, path, maximum, a check; for objects also a table.
        const ARRAY_OPERANDS: usize = 5;
        const OBJECT_OPERANDS: usize = 6;
        for (from, operands, to) in [
            (layout::ARRAY, ARRAY_OPERANDS, layout::FLAT_ARRAY),
            (layout::OBJECT, OBJECT_OPERANDS, layout::FLAT_OBJECT),
        ] {
            let last = if to == layout::FLAT_ARRAY { layout::END } else { layout::FLAT_ARRAY };
            let is_flat = |block: &BlockId| self.blocks[*block].code.iter().all(|inner| inner.number <= last);
            let mut flat = Vec::new();
            for (id, block) in self.blocks.iter().enumerate() {
                for (at, instruction) in block.code.iter().enumerate() {
                    let is_candidate = instruction.number == from && instruction.operands.len() == operands;
                    if is_candidate && self.targets(instruction).iter().all(is_flat) {
                        flat.push((id, at));
                    }
                }
            }
            flat.into_iter().for_each(|(id, at)| self.blocks[id].code[at].number = to);
        }
    }

    /// Returns the block that stands for a block that only refers to another one. Blocks
    /// that refer to themselves have been refused.
    fn alias_of(&self, mut block: BlockId) -> BlockId {
        while let Some(target) = self.blocks[block].alias {
            block = target;
        }
        block
    }

    /// Returns the blocks that are needed, in the order in which they are found.
    fn used(&self, root: BlockId) -> Vec<BlockId> {
        let mut used = Vec::new();
        let mut open = vec![self.alias_of(root)];
        let mut is_met = vec![false; self.blocks.len()];
        while let Some(block) = open.pop() {
            if std::mem::replace(&mut is_met[block], true) {
                continue;
            }
            used.push(block);
            for instruction in &self.blocks[block].code {
                open.extend(self.targets(instruction));
            }
        }
        used
    }
}

/// The parts of a program whose places depend on one another.
#[derive(Default)]
struct Linked {
    parts: ProgramParts<'static>,
    text: String,
}

impl Linked {
    /// Adds a table, and its words to the code.
    fn table(&mut self, names: &[Name], check: impl Fn(Option<BlockId>) -> [u32; 3]) {
        let first_name = self.parts.names() as u32;
        let bits = (4 * names.len()).next_power_of_two().trailing_zeros().max(1);
        let (multiplier, mut slots) = slots(names, bits);
        slots.iter_mut().filter(|slot| **slot != 0).for_each(|slot| *slot += first_name as u16);
        let required = names.iter().filter(|name| name.required.is_some()).count() as u32;
        let first_slot = self.parts.slots.len() as u32;
        let table = TableParts { first_name, first_slot, bits, required, multiplier };
        self.parts.code.extend(table.words());
        self.parts.slots.extend(slots);
        for (index, name) in names.iter().enumerate() {
            let start = self.text.find(&name.name).unwrap_or_else(|| {
                self.text.push_str(&name.name);
                self.text.len() - name.name.len()
            });
            self.parts.name(&NameParts {
                name: &name.name,
                start: start as u32,
                required: if name.required.is_some() { 1 << index } else { 0 },
                check: check(name.check),
                required_path: name.required.unwrap_or(0),
                is_property: name.is_property,
            });
        }
    }
}

/// The number of multipliers to choose from, so that a table's names collide as seldom as
/// possible.
const MULTIPLIERS: u64 = 256;

/// Returns the best multiplier, and the slots that it fills.
fn slots(names: &[Name], bits: u32) -> (u64, Vec<u16>) {
    let fill = |multiplier: u64| {
        let mut slots = vec![0; 1 << bits];
        let mut moved = 0;
        for (index, name) in names.iter().enumerate() {
            let fingerprint = layout::fingerprint(name.name.as_bytes());
            let mut slot = layout::hash(fingerprint, name.name.len(), multiplier, 64 - bits);
            while slots[slot] != 0 {
                slot = (slot + 1) % slots.len();
                moved += 1;
            }
            slots[slot] = index as u16 + 1;
        }
        (moved, slots)
    };
    // Odd multiples of the golden ratio are odd, and spread over 64 bits.
    let multiplier = |index: u64| (2 * index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let best = (0..MULTIPLIERS).map(multiplier).min_by_key(|multiplier| fill(*multiplier).0).unwrap_or(1);
    (best, fill(best).1)
}
