//! A mapping into the program that the filter runs.

use super::path::{Step, Target};
use super::read::{ELEMENT, escaped};
use super::{Case, Conditions, Cut, Each, Field, From, Item, Lookup, Mapping, Source, Value};
use crate::yaml::{Problem, Read};
use flb_audit_core::normalize::{
    self as core, NEGATED, NONE, OCSF_VERSION, OR, OpCode, ProgramParts, TARGET_DEPTH_MAX,
};
use std::collections::{BTreeMap, HashMap};

/// The members that every event has.
const ACTIVITY: &str = "activity_id";
const ACTIVITY_NAME: &str = "activity_name";
const SEVERITY: &str = "severity_id";
const TIME: &str = "time";
/// The members that are not written in their place.
const MARKS: [&str; 3] = ["audit", "raw_data", "unmapped"];
/// The members that an event has even if its mapping does not name them.
const UNKNOWN_ACTIVITY: &str = "0";
const INFORMATIONAL: &str = "1";

/// The program of a mapping.
pub(super) fn program(mapping: &Mapping) -> Read<Vec<u8>> {
    let mut compiler = Compiler::default();
    compiler.parts.states.push(core::State::default());
    compiler.scopes.push(Scope::default());
    for text in &mapping.absent {
        let (start, len) = compiler.text(escaped(text).as_bytes());
        compiler.parts.absent.push(core::Absent { start, len });
    }
    for case in &mapping.cases {
        compiler.case(case)?;
    }
    compiler.finish()
}

/// The members of an event, as a tree.
#[derive(Default)]
struct Tree<'m> {
    field: Option<(&'m Field, Role)>,
    /// The members by their names, or the elements by their numbers.
    members: BTreeMap<(u16, &'m str), Tree<'m>>,
    has_elements: bool,
}

/// The part that a member plays beside its value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Plain,
    Activity,
    TypeUid,
}

/// The steps from a record, or from an element of a loop.
#[derive(Default)]
struct Scope {
    /// The slot and the state to which each step leads from each state.
    steps: BTreeMap<(u16, Step), (u16, u16)>,
    /// The state of the record or element; [`NONE`] until one is needed.
    root: Option<u16>,
}

#[derive(Default)]
struct Compiler {
    parts: ProgramParts,
    tokens: HashMap<String, (u16, u16)>,
    texts: HashMap<Vec<u8>, (u16, u16)>,
    /// The scope of the record, then those of loops.
    scopes: Vec<Scope>,
    /// The elements that states tell by a member: they have to stand together.
    picks: BTreeMap<u16, Vec<core::Pick>>,
    depth: usize,
    /// Members that are constants, which the next operation has to write first.
    literal: String,
}

impl Compiler {
    fn case(&mut self, case: &Case) -> Read<()> {
        let (condition, conditions) = self.conditions(&case.when, 0);
        let own = own_fields(case);
        let mut tree = Tree::default();
        for (target, (field, role)) in &own {
            tree.add(target, field, *role);
        }
        for (target, field) in case.fields.iter().filter(|(target, _)| !own.contains_key(*target)) {
            tree.add(target, field, Role::Plain);
        }
        let turn = self.parts.turns.len() as u16;
        for path in &case.drop {
            let slot = self.slot(path, 0);
            self.op(OpCode::Drop, "", slot, 0);
        }
        self.members(&tree, 0, 1, case.line)?;
        self.op(OpCode::RawData, "raw_data", 0, 0);
        self.op(OpCode::Unmapped, "unmapped", 0, 0);
        let turns = self.parts.turns.len() as u16 - turn;
        self.parts.cases.push(core::Case { condition, conditions, turn, turns, class: case.class });
        Ok(())
    }

    /// Writes the operations for all members of an object, or elements of an array.
    fn members(&mut self, tree: &Tree<'_>, scope: usize, depth: usize, line: usize) -> Read<()> {
        self.depth = self.depth.max(depth);
        if depth > TARGET_DEPTH_MAX {
            let message = format!("members of an event are up to {TARGET_DEPTH_MAX} deep");
            return Err(Problem { line, column: 1, message });
        }
        let mut marks = MARKS.iter().enumerate().filter(|_| depth == 1).peekable();
        for ((_, name), member) in &tree.members {
            while let Some((mark, _)) = marks.next_if(|(_, key)| **key < *name) {
                self.op(OpCode::Mark, "", mark as u16, 0);
            }
            let deepest = depth + member.nesting();
            if deepest <= TARGET_DEPTH_MAX
                && let Some(literal) = literal(name, member, depth)
            {
                self.depth = self.depth.max(deepest);
                self.literal += &literal;
                continue;
            }
            let Some((field, role)) = member.field else {
                let code = if member.has_elements { OpCode::Array } else { OpCode::Object };
                self.op(code, name, 0, 0);
                self.members(member, scope, depth + 1, line)?;
                self.op(OpCode::Close, "", 0, 0);
                continue;
            };
            match &field.value {
                _ if role == Role::TypeUid => self.op(OpCode::TypeUid, name, 0, 0),
                Value::Sources(sources) => {
                    let (first, count) = self.sources(sources, scope);
                    let code = match role {
                        Role::Activity => OpCode::Activity,
                        _ if depth == 1 && *name == ACTIVITY_NAME => OpCode::ActivityName,
                        _ => OpCode::Member,
                    };
                    self.op(code, name, first, count);
                }
                Value::Each(arrays) => {
                    for (at, each) in arrays.iter().enumerate() {
                        self.each(name, each, at > 0, scope, depth + 1)?;
                    }
                }
                Value::Pairs { array, key, value } => {
                    let slot = self.slot(array, scope);
                    let ((key, key_len), (value, value_len)) =
                        (self.text(escaped(key).as_bytes()), self.text(escaped(value).as_bytes()));
                    self.parts.pairs.push(core::Pair { key, key_len, value, value_len });
                    self.op(OpCode::Pairs, name, slot, self.parts.pairs.len() as u16 - 1);
                    self.depth = self.depth.max(depth + 1);
                }
            }
        }
        for (mark, _) in marks {
            self.op(OpCode::Mark, "", mark as u16, 0);
        }
        Ok(())
    }

    fn each(&mut self, name: &str, each: &Each, is_other: bool, scope: usize, depth: usize) -> Read<()> {
        let array = self.slot(&each.array, scope);
        let row = self.parts.loops.len() as u16;
        let slot = self.parts.slots;
        self.parts.slots += 1;
        self.parts.loops.push(core::Loop::default());
        let inner = self.scopes.len();
        self.scopes.push(Scope::default());
        self.scopes[inner].steps.insert((NONE, Step::Member(ELEMENT.into())), (slot, NONE));
        self.op(OpCode::Each, name, row, u16::from(is_other));
        match &each.item {
            Item::Object(fields) => {
                let mut tree = Tree::default();
                fields.iter().for_each(|(target, field)| tree.add(target, field, Role::Plain));
                self.members(&tree, inner, depth + 1, each.line)?;
            }
            Item::Value(sources) => {
                let (first, count) = self.sources(sources, inner);
                self.op(OpCode::Member, "", first, count);
            }
        }
        self.op(OpCode::Next, "", 0, 0);
        self.parts.loops[usize::from(row)] = core::Loop {
            state: self.scopes[inner].root.unwrap_or(NONE),
            slot,
            slots: self.parts.slots - slot,
            array,
            is_value: u16::from(matches!(each.item, Item::Value(_))),
        };
        Ok(())
    }

    fn op(&mut self, code: OpCode, key: &str, a: u16, b: u16) {
        let literal = std::mem::take(&mut self.literal);
        if !literal.is_empty() {
            let (key, key_len) = self.token(&literal);
            self.turn(core::Op { code: OpCode::Literal as u16, key, key_len, a: 0, b: 0 });
        }
        let key = if key.is_empty() { String::new() } else { format!("\"{key}\":") };
        let token = match code {
            OpCode::Object => key + "{",
            OpCode::Array | OpCode::Each => key + "[",
            _ => key,
        };
        let (key, key_len) = if token.is_empty() { (0, 0) } else { self.token(&token) };
        self.turn(core::Op { code: code as u16, key, key_len, a, b });
    }

    /// Adds an operation to those of the case.
    fn turn(&mut self, row: core::Op) {
        let (op, _) = intern(&mut self.parts.ops, &[row]);
        self.parts.turns.push(core::Turn { op });
    }

    fn sources(&mut self, sources: &[Source], scope: usize) -> (u16, u16) {
        let rows: Vec<core::Source> = sources.iter().map(|source| self.source(source, scope)).collect();
        intern(&mut self.parts.sources, &rows)
    }

    fn source(&mut self, source: &Source, scope: usize) -> core::Source {
        let (condition, conditions) = self.conditions(&source.when, scope);
        let (cut, cuts) = self.cuts(&source.cuts);
        let lookup = source.lookup.as_ref().map_or(0, |lookup| self.lookup(lookup));
        let mut row = core::Source {
            conversion: source.conversion as u16,
            slot: 0,
            condition,
            cut,
            lookup,
            counts: conditions | cuts << 8,
        };
        match &source.from {
            From::Path(path) => row.slot = self.slot(path, scope),
            From::Constant(token) => {
                row.conversion = core::Conversion::Constant as u16;
                (row.slot, row.cut) = self.token(token);
            }
            From::Now => row.conversion = core::Conversion::Now as u16,
        }
        row
    }

    fn conditions(&mut self, conditions: &Conditions, scope: usize) -> (u16, u16) {
        let mut rows = Vec::new();
        for one_of in conditions {
            for (at, question) in one_of.iter().enumerate() {
                let slot = self.slot(&question.path, scope);
                let (start, len) = match question.test {
                    core::Test::Has => (0, 0),
                    core::Test::Type => (question.kind, 0),
                    _ => self.text(escaped(&question.text).as_bytes()),
                };
                let negated = if question.is_negated { NEGATED } else { 0 };
                let or = if at + 1 < one_of.len() { OR } else { 0 };
                rows.push(core::Question {
                    test: question.test as u16,
                    flags: negated | or,
                    slot,
                    start,
                    len,
                });
            }
        }
        intern(&mut self.parts.questions, &rows)
    }

    fn cuts(&mut self, cuts: &[Cut]) -> (u16, u16) {
        let mut rows = Vec::new();
        for Cut { at, count, before, after } in cuts {
            let (before, before_len) = self.text(escaped(before).as_bytes());
            let (after, after_len) = self.text(escaped(after).as_bytes());
            rows.push(core::Cut { at: *at as u16, count: *count, before, before_len, after, after_len });
        }
        intern(&mut self.parts.cuts, &rows)
    }

    fn lookup(&mut self, lookup: &Lookup) -> u16 {
        let mut rows = Vec::new();
        for (fits, wanted, token) in &lookup.entries {
            let (start, len) = self.text(wanted);
            let (token, token_len) = self.token(token);
            rows.push(core::Entry { fits: *fits as u16, start, len, token, token_len });
        }
        let (entry, entries) = intern(&mut self.parts.entries, &rows);
        let (default, default_len) = lookup.default.as_ref().map_or((NONE, 0), |token| self.token(token));
        intern(&mut self.parts.lookups, &[core::Lookup { entry, entries, default, default_len }]).0
    }

    /// The slot of the value at a path.
    fn slot(&mut self, path: &[Step], scope: usize) -> u16 {
        if scope > 0
            && let [step @ Step::Member(key)] = path
            && key == ELEMENT
            && let Some((slot, _)) = self.scopes[scope].steps.get(&(NONE, step.clone()))
        {
            return *slot;
        }
        let mut from = match self.scopes[scope].root {
            Some(root) => root,
            None if scope == 0 => 0,
            None => self.state(),
        };
        self.scopes[scope].root = Some(from);
        let mut slot = 0;
        for (at, step) in path.iter().enumerate() {
            let known = self.scopes[scope].steps.get(&(from, step.clone())).copied();
            let (found, mut to) = known.unwrap_or_else(|| {
                self.parts.slots += 1;
                (self.parts.slots - 1, NONE)
            });
            slot = found;
            if to == NONE && at + 1 < path.len() {
                to = self.state();
            }
            self.scopes[scope].steps.insert((from, step.clone()), (slot, to));
            from = to;
        }
        slot
    }

    fn state(&mut self) -> u16 {
        self.parts.states.push(core::State::default());
        self.parts.states.len() as u16 - 1
    }

    /// A constant, or a key with its colon, as JSON: its place and length.
    fn token(&mut self, token: &str) -> (u16, u16) {
        if let Some(known) = self.tokens.get(token) {
            return *known;
        }
        let place = (self.parts.tokens.len() as u16, token.len() as u16);
        self.parts.tokens.extend(token.as_bytes());
        self.tokens.insert(token.into(), place);
        place
    }

    fn text(&mut self, text: &[u8]) -> (u16, u16) {
        if text.is_empty() {
            return (0, 0);
        }
        if let Some(known) = self.texts.get(text) {
            return *known;
        }
        let place = (self.parts.texts.len() as u16, text.len() as u16);
        self.parts.texts.extend(text);
        self.texts.insert(text.into(), place);
        place
    }

    /// Writes the steps of all scopes as edges, and the program.
    fn finish(mut self) -> Read<Vec<u8>> {
        for scope in std::mem::take(&mut self.scopes) {
            for ((from, step), (slot, to)) in scope.steps {
                match step {
                    _ if from == NONE => {}
                    Step::Member(key) => {
                        let (start, len) = self.text(escaped(&key).as_bytes());
                        self.parts.edges.push(core::Edge { from, to, slot, is_element: 0, start, len });
                    }
                    Step::Element(number) => {
                        let state = &mut self.parts.states[usize::from(from)];
                        state.elements = state.elements.max(number + 1);
                        self.parts.edges.push(core::Edge {
                            from,
                            to,
                            slot,
                            is_element: 1,
                            start: number,
                            len: 0,
                        });
                    }
                    Step::Pick(key, text) => {
                        let ((key, key_len), (text, text_len)) =
                            (self.text(escaped(&key).as_bytes()), self.text(escaped(&text).as_bytes()));
                        let pick = core::Pick { key, key_len, text, text_len, to, slot };
                        self.picks.entry(from).or_default().push(pick);
                    }
                }
            }
        }
        for (from, picks) in std::mem::take(&mut self.picks) {
            let state = &mut self.parts.states[usize::from(from)];
            (state.pick, state.picks) = (self.parts.picks.len() as u16, picks.len() as u16);
            self.parts.picks.extend(picks);
        }
        // One for `unmapped`, and one for an element.
        self.parts.depth = self.depth as u16 + 2;
        let message = "the mapping is too long: its texts come to more than 64 KiB".into();
        self.parts.write().ok_or(Problem { line: 1, column: 1, message })
    }
}

/// Adds rows to a table, unless they stand there already. Returns the first, and how many
/// they are.
fn intern<R: Copy + PartialEq>(table: &mut Vec<R>, rows: &[R]) -> (u16, u16) {
    let known = table.windows(rows.len().max(1)).position(|window| window == rows);
    let first = match known {
        _ if rows.is_empty() => 0,
        Some(first) => first,
        None => {
            table.extend(rows);
            table.len() - rows.len()
        }
    };
    (first as u16, rows.len() as u16)
}

/// Returns the text of a member that is the same for every record, with a comma behind it; none
/// if it is another. An element has no name.
fn literal(name: &str, member: &Tree<'_>, depth: usize) -> Option<String> {
    let value = match member.field {
        Some((Field { value: Value::Sources(sources), .. }, Role::Plain))
            if depth > 1 || name != ACTIVITY_NAME =>
        {
            match sources.first()? {
                Source { from: From::Constant(token), when, .. } if when.is_empty() => token.clone(),
                _ => return None,
            }
        }
        Some(_) => return None,
        None => {
            let members = member.members.iter().map(|((_, name), member)| literal(name, member, depth + 1));
            let all = members.collect::<Option<String>>()?;
            let all = all.strip_suffix(',')?;
            if member.has_elements { format!("[{all}]") } else { format!("{{{all}}}") }
        }
    };
    Some(if name.is_empty() { format!("{value},") } else { format!("\"{name}\":{value},") })
}

impl<'m> Tree<'m> {
    /// Returns the depth of its containers.
    fn nesting(&self) -> usize {
        self.members.values().map(Tree::nesting).max().map_or(0, |within| within + 1)
    }

    fn add(&mut self, target: &'m [Step], field: &'m Field, role: Role) {
        let mut tree = self;
        for step in target {
            let key = match step {
                Step::Member(name) | Step::Pick(name, _) => (0, name.as_str()),
                Step::Element(number) => {
                    tree.has_elements = true;
                    (*number, "")
                }
            };
            tree = tree.members.entry(key).or_default();
        }
        tree.field = Some((field, role));
    }
}

/// The members of the event that are written without being asked for, or have something to
/// fall back on.
fn own_fields(case: &Case) -> BTreeMap<Target, (Field, Role)> {
    let constant = |token: String| Source {
        from: From::Constant(token),
        when: Vec::new(),
        cuts: Vec::new(),
        conversion: core::Conversion::Constant,
        lookup: None,
        line: case.line,
    };
    let member = |path: &[&str]| path.iter().map(|key| Step::Member((*key).into())).collect::<Target>();
    let with = |target: &Target, fallback: Source| {
        let (mut sources, line) = match case.fields.get(target) {
            Some(Field { value: Value::Sources(sources), line }) => (sources.clone(), *line),
            _ => (Vec::new(), case.line),
        };
        sources.push(fallback);
        Field { value: Value::Sources(sources), line }
    };
    let now = Source { from: From::Now, ..constant(String::new()) };
    let class = case.class;
    let all = [
        (vec![ACTIVITY], constant(UNKNOWN_ACTIVITY.into()), Role::Activity),
        (vec![SEVERITY], constant(INFORMATIONAL.into()), Role::Plain),
        (vec![TIME], now, Role::Plain),
        (vec!["class_uid"], constant(class.to_string()), Role::Plain),
        (vec!["category_uid"], constant((class / 1000).to_string()), Role::Plain),
        (vec!["type_uid"], constant(String::new()), Role::TypeUid),
        (vec!["metadata", "version"], constant(format!("\"{OCSF_VERSION}\"")), Role::Plain),
    ];
    let own = all.into_iter().map(|(path, fallback, role)| {
        let target = member(&path);
        let field = with(&target, fallback);
        (target, (field, role))
    });
    own.collect()
}
