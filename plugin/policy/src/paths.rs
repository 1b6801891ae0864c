//! Paths, as policies write them, into one automaton over steps.
//!
//! `user.email` is a member of a member, `items[].card` one of each element of
//! an array, `body|card` one of the JSON that the string `body` holds. `*` is
//! any one step into a member or an element, `**` any number of any steps; what
//! a path leads to, it stands for with all that is in it. A
//! key that is more than letters, digits, `_`, `-`, `$` and `@` stands in
//! quotes: `annotations."example.org/owner"`.

use flb_audit_core::policy::paths::{State, Verdict, write};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The most states that the paths of a policy may make, and the most edges.
const STATES_MAX: usize = 60_000;

/// The most steps of a path.
const STEPS_MAX: usize = 256;

/// The reason why a path cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PathError {
    #[error("an empty path")]
    Empty,
    #[error("`[]` follows a key without a dot")]
    DotBeforeElement,
    #[error("`[` without `]`: elements have no numbers, `[]` is each of them")]
    Index,
    #[error("`{0}` where a dot, `[]` or `|` was expected")]
    Unexpected(char),
    #[error("a quote that is not closed")]
    OpenQuote,
    #[error("a key is missing; other characters than letters, digits, `_`, `-`, `$` and `@` need quotes")]
    NoKey,
    #[error("more than {STEPS_MAX} steps; name fewer, or use `**`")]
    TooLong,
}

/// The reason why paths make no automaton together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TooLarge {
    #[error("the paths make more than {STATES_MAX} states; use fewer with `**`")]
    States,
    #[error("the paths make more than {STATES_MAX} edges; use fewer with `**`")]
    Edges,
    #[error("a key has more than 65,535 bytes")]
    Key,
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Member(String),
    Element,
    Json,
    Any,
    Deep,
}

/// Takes a path apart.
pub(crate) fn parse(path: &str) -> Result<Vec<Step>, PathError> {
    let mut steps = steps(path)?;
    // What holds for a value holds for all that is in it.
    while steps.len() > 1 && steps.last() == Some(&Step::Deep) {
        steps.pop();
    }
    Ok(steps)
}

fn steps(path: &str) -> Result<Vec<Step>, PathError> {
    let mut steps = Vec::new();
    let mut rest = path;
    if rest.is_empty() {
        return Err(PathError::Empty);
    }
    loop {
        if steps.len() > STEPS_MAX {
            return Err(PathError::TooLong);
        }
        // An element needs no key before it only at the very start or behind `|`.
        if !rest.starts_with("[]") {
            let (step, after) = member(rest)?;
            steps.push(step);
            rest = after;
        }
        while let Some(after) = rest.strip_prefix("[]") {
            steps.push(Step::Element);
            rest = after;
        }
        rest = match rest.chars().next() {
            None => return Ok(steps),
            Some('.') if rest[1..].starts_with("[]") => return Err(PathError::DotBeforeElement),
            Some('.') => &rest[1..],
            Some('|') => {
                steps.push(Step::Json);
                &rest[1..]
            }
            Some('[') => return Err(PathError::Index),
            Some(other) => return Err(PathError::Unexpected(other)),
        };
    }
}

fn member(rest: &str) -> Result<(Step, &str), PathError> {
    if let Some(quoted) = rest.strip_prefix('"') {
        let mut key = String::new();
        let mut characters = quoted.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => return Ok((Step::Member(key), &quoted[at + 1..])),
                '\\' => key.extend(characters.next().map(|(_, escaped)| escaped)),
                other => key.push(other),
            }
        }
        return Err(PathError::OpenQuote);
    }
    if let Some(after) = rest.strip_prefix("**") {
        return Ok((Step::Deep, after));
    }
    if let Some(after) = rest.strip_prefix('*') {
        return Ok((Step::Any, after));
    }
    let is_plain =
        |character: char| character.is_alphanumeric() || matches!(character, '_' | '-' | '$' | '@');
    let len = rest.find(|character| !is_plain(character)).unwrap_or(rest.len());
    match &rest[..len] {
        "" => Err(PathError::NoKey),
        key => Ok((Step::Member(key.into()), &rest[len..])),
    }
}

/// A path, and what it says.
pub(crate) struct Path {
    pub(crate) steps: Vec<Step>,
    pub(crate) says: Says,
}

/// What a path says of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Says {
    /// This rule is for it.
    Rule(u16),
    /// It stays, but for secrets in it.
    Keep,
    /// It stays.
    Opaque,
}

/// Where in which paths a walk is.
type Set = BTreeSet<(usize, usize)>;
/// Keys, and where each leads.
type Members<'a> = BTreeMap<&'a str, Set>;

/// Compiles paths, of which the first one that fits a value decides.
pub(crate) fn compile(paths: &[Path]) -> Result<Vec<u8>, TooLarge> {
    let mut automaton = Automaton { paths, numbers: HashMap::new(), sets: Vec::new() };
    automaton.number(Set::new())?;
    let start = automaton.closure((0..paths.len()).map(|path| (path, 0)).collect());
    automaton.number(start)?;
    // Where every walk is, however far: in paths that start with `**`.
    let deep = (0..paths.len()).filter(|path| paths[*path].steps.first() == Some(&Step::Deep));
    let everywhere = automaton.closure(deep.map(|path| (path, 0)).collect());
    let fallback = automaton.number(everywhere.clone())?;
    let known = automaton.members(&everywhere);

    let (mut states, mut edges) = (Vec::new(), 0);
    while states.len() < automaton.sets.len() {
        let set = automaton.sets[states.len()].clone();
        let (members, others, fallback) = if set.is_empty() {
            let (members, others) = automaton.watched();
            (members, [others, Set::new(), Set::new()], 0)
        } else {
            let mut members = automaton.members(&set);
            let has_fallback = fallback != 0 && set != everywhere && set.is_superset(&everywhere);
            if has_fallback {
                members.retain(|key, next| known.get(key) != Some(next));
            }
            (members, automaton.others(&set), if has_fallback { fallback } else { 0 })
        };
        edges += members.len();
        if edges > STATES_MAX {
            return Err(TooLarge::Edges);
        }
        let [other, element, json] = others;
        states.push(State {
            verdict: automaton.verdict(&set),
            other: automaton.number(other)?,
            element: automaton.number(element)?,
            json: automaton.number(json)?,
            fallback,
            members: members
                .into_iter()
                .map(|(key, next)| Ok((key.as_bytes().to_vec(), automaton.number(next)?)))
                .collect::<Result<_, _>>()?,
        });
    }
    // The numbers of states and edges fit, so that what does not is a key.
    write(&states).ok_or(TooLarge::Key)
}

/// The paths as an automaton: its states are sets of places in them.
struct Automaton<'a> {
    paths: &'a [Path],
    numbers: HashMap<Set, u16>,
    sets: Vec<Set>,
}

impl<'a> Automaton<'a> {
    /// The number of a state, a new one if it has none.
    fn number(&mut self, set: Set) -> Result<u16, TooLarge> {
        if let Some(number) = self.numbers.get(&set) {
            return Ok(*number);
        }
        let number = self.sets.len() as u16;
        if self.sets.len() >= STATES_MAX {
            return Err(TooLarge::States);
        }
        self.sets.push(set.clone());
        self.numbers.insert(set, number);
        Ok(number)
    }

    /// With `**` as no step at all.
    fn closure(&self, mut set: Set) -> Set {
        for (path, mut at) in set.clone() {
            while self.paths[path].steps.get(at) == Some(&Step::Deep) {
                at += 1;
                set.insert((path, at));
            }
        }
        set
    }

    fn advance(&self, set: &Set, takes: impl Fn(&Step) -> bool) -> Set {
        let mut next = Set::new();
        for &(path, at) in set {
            match self.paths[path].steps.get(at) {
                Some(Step::Deep) => drop(next.insert((path, at))),
                Some(step) if takes(step) => drop(next.insert((path, at + 1))),
                _ => {}
            }
        }
        self.closure(next)
    }

    fn members(&self, set: &Set) -> Members<'a> {
        let mut members = Members::new();
        for &(path, at) in set {
            if let Some(Step::Member(key)) = self.paths[path].steps.get(at) {
                let takes = |step: &Step| match step {
                    Step::Any => true,
                    Step::Member(other) => other == key,
                    _ => false,
                };
                members.insert(key.as_str(), self.advance(set, takes));
            }
        }
        members
    }

    /// Where any other key leads, an element, the JSON in a string.
    fn others(&self, set: &Set) -> [Set; 3] {
        let is_any = |step: &Step| *step == Step::Any;
        let is_element = |step: &Step| matches!(step, Step::Any | Step::Element);
        [
            self.advance(set, is_any),
            self.advance(set, is_element),
            self.advance(set, |step| *step == Step::Json),
        ]
    }

    /// The edges of the dead state: the keys that are watched, and whether all
    /// others are. That they lead anywhere says so.
    fn watched(&self) -> (Members<'a>, Set) {
        let (mut members, mut others) = (Members::new(), Set::new());
        for path in self.paths.iter().filter(|path| matches!(path.says, Says::Rule(_))) {
            match last_key(&path.steps) {
                Some(key) => drop(members.insert(key.as_str(), self.sets[1].clone())),
                None => others = self.sets[1].clone(),
            }
        }
        (members, others)
    }

    fn verdict(&self, set: &Set) -> Verdict {
        let accepted = set.iter().filter(|(path, at)| *at == self.paths[*path].steps.len());
        match accepted.map(|(path, _)| *path).min().map(|path| self.paths[path].says) {
            None => Verdict::None,
            Some(Says::Keep) => Verdict::Keep,
            Some(Says::Opaque) => Verdict::Opaque,
            Some(Says::Rule(rule)) => Verdict::Rule(rule),
        }
    }
}

/// The last key that a path names: whatever it matches, a walk goes over that.
fn last_key(steps: &[Step]) -> Option<&String> {
    steps.iter().rev().find_map(|step| if let Step::Member(key) = step { Some(key) } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use flb_audit_core::policy::paths::{Paths, START};

    /// Where a walk leads: `.key` a member, `[` an element, `|` JSON.
    fn walk(paths: &Paths<'_>, place: &str) -> Verdict {
        let mut state = START;
        for step in place.split(' ').filter(|step| !step.is_empty()) {
            state = match step {
                "[]" => paths.element(state),
                "|" => paths.json(state),
                key => paths.member(state, key.as_bytes()),
            };
        }
        paths.verdict(state)
    }

    #[test]
    fn the_first_path_that_fits_decides() {
        let written = [
            ("user.*.email", Some(1)),
            ("items[].card", Some(2)),
            ("body|card", Some(3)),
            ("**.accessKeyId", None),
            ("user.name", None),
            ("user", Some(4)),
            ("any.**", Some(4)),
            ("\"a.b\".c", Some(5)),
            ("verylongkey.verylongkey1", Some(6)),
            ("**.deep.*.x", Some(7)),
            ("other.deep.y", Some(8)),
        ];
        let paths: Vec<Path> = written
            .iter()
            .map(|(path, rule)| Path {
                steps: parse(path).expect(path),
                says: rule.map_or(Says::Keep, Says::Rule),
            })
            .collect();
        let table = compile(&paths).expect("paths");
        let read = Paths::read(&table).expect("a table");
        assert!(read.is_sound(9) && !read.is_sound(8));
        for (place, expected) in [
            ("user work email", Verdict::Rule(1)),
            ("user [] email", Verdict::Rule(1)),
            ("user email", Verdict::None),
            ("user name", Verdict::Keep),
            ("user name first", Verdict::None),
            ("user", Verdict::Rule(4)),
            ("any", Verdict::Rule(4)),
            ("items [] card", Verdict::Rule(2)),
            ("items card", Verdict::None),
            ("body | card", Verdict::Rule(3)),
            ("body card", Verdict::None),
            ("accessKeyId", Verdict::Keep),
            ("a | [] b accessKeyId", Verdict::Keep),
            ("accessKeyIds", Verdict::None),
            ("a.b c", Verdict::Rule(5)),
            ("verylongkey verylongkey1", Verdict::Rule(6)),
            ("verylongkey verylongkey2", Verdict::None),
            ("verylongke verylongkey1", Verdict::None),
            ("", Verdict::None),
            ("other deep y", Verdict::Rule(8)),
            ("other deep y x", Verdict::Rule(7)),
            ("other deep z x", Verdict::Rule(7)),
            ("other deep accessKeyId", Verdict::Keep),
        ] {
            assert_eq!(walk(&read, place), expected, "{place}");
        }
    }

    #[test]
    fn what_is_no_path_is_said() {
        for (path, part) in [
            ("", "empty"),
            ("a..b", "missing"),
            ("a.", "missing"),
            ("a b", "expected"),
            ("a[0]", "no numbers"),
            ("a.[]", "without a dot"),
            ("\"a", "not closed"),
            ("a/b", "expected"),
        ] {
            let said = parse(path).expect_err(path).to_string();
            assert!(said.contains(part), "{path}: {said}");
        }
    }
}
