//! Compiles paths into one automaton over steps. The first path that matches a value
//! decides.

use super::{Of, Path, Says, Step};
use flb_audit_core::policy::paths::{Ruling, State, write};
use flb_audit_core::recognize::Dictionary;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The maximum number of states for the paths of a policy, and of edges.
const STATES_MAX: usize = 60_000;

/// The maximum number of states up to which states with equal statements are merged.
const MERGED_STATES_MAX: usize = 8192;

/// The maximum number of places in paths that are looked at to make the states.
const WORK_MAX: u64 = 50_000_000;

/// The reason why paths cannot be compiled together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TooLarge {
    #[error("the paths make more than {STATES_MAX} states; use fewer with `**`")]
    States,
    #[error("the paths make more than {STATES_MAX} edges; use fewer with `**`")]
    Edges,
    #[error("the paths take too long to compile together; use fewer with `**`")]
    Work,
}

/// The places of a walk: pairs of a path and a step in it.
type Set = BTreeSet<(usize, usize)>;
/// Keys, and the set that each leads to.
type Members<'a> = BTreeMap<&'a str, Set>;

/// Paths as an automaton whose keys have no numbers yet.
pub(crate) struct Compiled<'a> {
    states: Vec<Named<'a>>,
    rows: Vec<Vec<u16>>,
    /// For each variant, whether a rule's path may lead into its records.
    pub(crate) has_rules: Vec<bool>,
}

/// A state of the automaton.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Named<'a> {
    ruling: Ruling,
    members: BTreeMap<&'a str, u16>,
    /// The states for any other key, for an element, for JSON, and the fallback.
    others: [u16; 4],
}

/// Compiles paths. The first one that matches a value decides.
pub(crate) fn compile(paths: &[Path], variants: usize) -> Result<Compiled<'_>, TooLarge> {
    let mut automaton = Automaton {
        paths,
        variants,
        numbers: HashMap::new(),
        sets: Vec::new(),
        rows: Vec::new(),
        outer: Vec::new(),
        work: Cell::new(0),
    };
    automaton.number(Set::new())?;
    let row = automaton.starts(&Set::new(), |_| true)?;
    automaton.rows.push(row);
    automaton.outer.push(None);

    let (mut states, mut edges) = (Vec::new(), 0);
    while states.len() < automaton.sets.len() {
        let set = automaton.sets[states.len()].clone();
        let (members, others, fallback) = if set.is_empty() {
            let (members, others) = automaton.watched();
            (members, [others, Set::new(), Set::new()], Set::new())
        } else {
            let fallback = automaton.fallback(&set);
            let mut members = automaton.members(&set);
            let known = automaton.members(&fallback);
            members.retain(|key, next| known.get(key) != Some(next));
            (members, automaton.others(&set), fallback)
        };
        edges += members.len();
        if edges > STATES_MAX {
            return Err(TooLarge::Edges);
        }
        if automaton.work.get() > WORK_MAX {
            return Err(TooLarge::Work);
        }
        let [other, element, json] = others;
        let others = [
            automaton.number(other)?,
            automaton.number(element)?,
            automaton.number(json)?,
            automaton.number(fallback)?,
        ];
        states.push(Named {
            ruling: automaton.ruling(&set)?,
            others,
            members: members
                .into_iter()
                .map(|(key, next)| Ok((key, automaton.number(next)?)))
                .collect::<Result<_, _>>()?,
        });
    }
    let rule_of =
        |variant| paths.iter().any(|path| matches!(path.says, Says::Rule(_)) && path.of.has(variant));
    let has_rules: Vec<bool> = (0..variants).map(rule_of).collect();
    let mut compiled = Compiled { states, rows: automaton.rows, has_rules };
    compiled.merge();
    Ok(compiled)
}

impl<'a> Compiled<'a> {
    /// Merges states with equal statements on all values, unless there are too many
    /// states to compare. State 0 stays unchanged.
    fn merge(&mut self) {
        if self.states.len() > MERGED_STATES_MAX {
            return;
        }
        let mut classes: Vec<u16> = vec![0; self.states.len()];
        let mut count = 0;
        loop {
            let mut numbers: BTreeMap<(bool, Named<'a>), u16> = BTreeMap::new();
            let mut next = Vec::with_capacity(classes.len());
            for (index, state) in self.states.iter().enumerate() {
                let mut key = state.clone();
                key.members
                    .values_mut()
                    .chain(&mut key.others)
                    .for_each(|to| *to = classes[usize::from(*to)]);
                let number = numbers.len() as u16;
                next.push(*numbers.entry((index == 0, key)).or_insert(number));
            }
            classes = next;
            if numbers.len() == count {
                let mut states = vec![None; count];
                for ((_, state), class) in numbers {
                    states[usize::from(class)] = Some(state);
                }
                self.states = states.into_iter().flatten().collect();
                self.rows.iter_mut().flatten().for_each(|start| *start = classes[usize::from(*start)]);
                return;
            }
            count = numbers.len();
        }
    }

    /// Returns the keys that need numbers.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.states.iter().flat_map(|state| state.members.keys().copied())
    }

    /// Writes the table, with the numbers that keys have in a dictionary. Returns `None`
    /// if it is too large.
    pub(crate) fn write(&self, dictionary: &Dictionary<'_>) -> Option<Vec<u8>> {
        let state = |named: &Named<'_>| State {
            ruling: named.ruling,
            members: named
                .members
                .iter()
                .map(|(key, next)| (dictionary.find(key.as_bytes(), key.len()), *next))
                .collect(),
            other: named.others[0],
            element: named.others[1],
            json: named.others[2],
            fallback: named.others[3],
        };
        write(&self.states.iter().map(state).collect::<Vec<_>>(), &self.rows)
    }
}

/// The paths as an automaton. Its states are sets of places in the paths.
struct Automaton<'a> {
    paths: &'a [Path],
    variants: usize,
    numbers: HashMap<Set, u16>,
    sets: Vec<Set>,
    /// For each variant, the state in which the walk over a record starts: first for
    /// incoming records, then for those within others.
    rows: Vec<Vec<u16>>,
    /// For each row, the places of the walk in the paths of the surrounding record.
    outer: Vec<Option<Set>>,
    /// The number of places in paths that have been looked at.
    work: Cell<u64>,
}

impl<'a> Automaton<'a> {
    /// Returns the number of a state, and adds the state if it is new.
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

    /// Returns, for each variant, the state in which the walk over a record starts, if it
    /// has already reached `outer`.
    fn starts(&mut self, outer: &Set, is_for: impl Fn(&Path) -> bool) -> Result<Vec<u16>, TooLarge> {
        let start = |variant| {
            let paths = self.paths.iter().enumerate();
            let own =
                paths.filter(|(_, path)| is_for(path) && path.of.has(variant)).map(|(path, _)| (path, 0));
            self.closure(outer.iter().copied().chain(own).collect())
        };
        let starts: Vec<Set> = (0..self.variants).map(start).collect();
        starts.into_iter().map(|start| self.number(start)).collect()
    }

    /// Adds the places behind `**`, which may stand for no step at all.
    fn closure(&self, mut set: Set) -> Set {
        for (path, mut at) in set.clone() {
            while self.paths[path].steps.get(at) == Some(&Step::Deep) {
                at += 1;
                set.insert((path, at));
            }
        }
        set
    }

    /// Returns a part of the set whose edges both share, so that they are stored once:
    /// the start of a format, for its cases, or the places that the walk never leaves.
    fn fallback(&self, set: &Set) -> Set {
        let starts = self.rows[0].iter().map(|start| &self.sets[usize::from(*start)]);
        let is_part = |start: &&Set| start.len() < set.len() && set.is_superset(start);
        let everywhere = self.everywhere(set);
        if everywhere == *set {
            return Set::new();
        }
        let start = starts.filter(is_part).max_by_key(|start| start.len());
        match start.filter(|start| start.len() > everywhere.len() && start.is_superset(&everywhere)) {
            Some(start) => start.clone(),
            None => everywhere,
        }
    }

    /// Returns the places of a set that the walk never leaves, however far it goes: those
    /// in paths that start with `**`.
    fn everywhere(&self, set: &Set) -> Set {
        let is_deep =
            |(path, at): &&(usize, usize)| *at == 0 && self.paths[*path].steps.first() == Some(&Step::Deep);
        self.closure(set.iter().filter(is_deep).copied().collect())
    }

    fn advance(&self, set: &Set, takes: impl Fn(&Step) -> bool) -> Set {
        let mut next = Set::new();
        self.work.set(self.work.get() + set.len() as u64);
        // The paths are refused in any case, so nothing more is computed.
        if self.work.get() > WORK_MAX {
            return next;
        }
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

    /// Returns the sets that any other key, an element, and the JSON in a string lead to.
    fn others(&self, set: &Set) -> [Set; 3] {
        let is_any = |step: &Step| *step == Step::Any;
        let is_element = |step: &Step| matches!(step, Step::Any | Step::Element);
        [
            self.advance(set, is_any),
            self.advance(set, is_element),
            self.advance(set, |step| *step == Step::Json),
        ]
    }

    /// Returns the edges of the dead state: the watched keys, and a set that is not empty
    /// if all other keys are watched, too. It only matters that an edge leads anywhere.
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

    fn ruling(&mut self, set: &Set) -> Result<Ruling, TooLarge> {
        let accepted = set.iter().filter(|(path, at)| *at == self.paths[*path].steps.len());
        Ok(match accepted.map(|(path, _)| *path).min().map(|path| self.paths[path].says) {
            None => Ruling::None,
            Some(Says::Keep) => Ruling::Keep,
            Some(Says::Opaque) => Ruling::Opaque,
            Some(Says::Mention) => Ruling::Mention,
            Some(Says::Rule(rule)) => Ruling::Rule(rule),
            Some(Says::Record) => Ruling::Record(self.row(set)?),
        })
    }

    /// Returns the row of a record that the walk has reached in the paths of the
    /// surrounding record.
    fn row(&mut self, set: &Set) -> Result<u8, TooLarge> {
        // An object has members, but no JSON in it, as a string may have.
        let goes_on = |(path, at): &&(usize, usize)| {
            !matches!(self.paths[*path].steps.get(*at), None | Some(Step::Json))
        };
        let outer: Set = set.iter().filter(goes_on).copied().collect();
        let row = match self.outer.iter().position(|known| known.as_ref() == Some(&outer)) {
            Some(row) => row,
            None => {
                let starts = self.starts(&outer, |path| path.of != Of::All)?;
                self.rows.push(starts);
                self.outer.push(Some(outer));
                self.rows.len() - 1
            }
        };
        u8::try_from(row).map_err(|_| TooLarge::States)
    }
}

/// Returns the last key that a path names. Every walk that the path matches goes over
/// this key.
fn last_key(steps: &[Step]) -> Option<&String> {
    steps.iter().rev().find_map(|step| if let Step::Member(key) = step { Some(key) } else { None })
}

#[cfg(test)]
mod tests {
    use super::super::{parse, steps};
    use super::*;
    use flb_audit_core::policy::paths::Paths;
    use flb_audit_core::recognize::write_dictionary;

    /// Returns the ruling that a walk leads to. Its steps are keys, `[]` for an element,
    /// and `|` for JSON.
    fn walk(paths: &Paths<'_>, dictionary: &Dictionary<'_>, variant: u8, place: &str) -> Ruling {
        let mut state = paths.start(0, variant);
        for step in place.split(' ').filter(|step| !step.is_empty()) {
            state = match step {
                "[]" => paths.element(state),
                "|" => paths.json(state),
                key => paths.member(state, dictionary.find(key.as_bytes(), key.len())),
            };
        }
        paths.ruling(state)
    }

    fn tables(compiled: &Compiled<'_>) -> (Vec<u8>, Vec<u8>) {
        let keys: BTreeSet<&[u8]> = compiled.keys().map(str::as_bytes).collect();
        let dictionary = write_dictionary(keys.into_iter()).expect("a dictionary");
        let table = compiled.write(&Dictionary::read(&dictionary).expect("a table")).expect("a table");
        (dictionary, table)
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
                of: Of::All,
            })
            .collect();
        let compiled = compile(&paths, 1).expect("paths");
        let (dictionary, table) = tables(&compiled);
        let dictionary = Dictionary::read(&dictionary).expect("a dictionary");
        let read = Paths::read(&table).expect("a table");
        assert!(read.is_sound(9, 1) && !read.is_sound(8, 1) && !read.is_sound(9, 2));
        for (place, expected) in [
            ("user work email", Ruling::Rule(1)),
            ("user [] email", Ruling::Rule(1)),
            ("user email", Ruling::None),
            ("user name", Ruling::Keep),
            ("user name first", Ruling::None),
            ("user", Ruling::Rule(4)),
            ("any", Ruling::Rule(4)),
            ("items [] card", Ruling::Rule(2)),
            ("items card", Ruling::None),
            ("body | card", Ruling::Rule(3)),
            ("body card", Ruling::None),
            ("accessKeyId", Ruling::Keep),
            ("a | [] b accessKeyId", Ruling::Keep),
            ("accessKeyIds", Ruling::None),
            ("a.b c", Ruling::Rule(5)),
            ("verylongkey verylongkey1", Ruling::Rule(6)),
            ("verylongkey verylongkey2", Ruling::None),
            ("verylongke verylongkey1", Ruling::None),
            ("", Ruling::None),
            ("other deep y", Ruling::Rule(8)),
            ("other deep y x", Ruling::Rule(7)),
            ("other deep z x", Ruling::Rule(7)),
            ("other deep accessKeyId", Ruling::Keep),
        ] {
            assert_eq!(walk(&read, &dictionary, 0, place), expected, "{place}");
        }
    }

    #[test]
    fn a_format_holds_for_its_own_records_wherever_they_stand() {
        let written = [
            ("log.a", Says::Rule(0), Of::All),
            ("log", Says::Record, Of::Variants(1)),
            ("log|", Says::Record, Of::Variants(1)),
            ("items[]", Says::Record, Of::Variants(1)),
            ("a", Says::Keep, Of::Variants(2)),
            ("**.b", Says::Opaque, Of::Variants(6)),
        ];
        let path = |(path, says, of): &(&str, Says, Of)| Path {
            steps: steps(path).expect("a path"),
            says: *says,
            of: *of,
        };
        let paths: Vec<Path> = written.iter().map(path).collect();
        let compiled = compile(&paths, 3).expect("paths");
        assert_eq!(compiled.has_rules, [true, true, true]);
        let (dictionary, table) = tables(&compiled);
        let dictionary = Dictionary::read(&dictionary).expect("a dictionary");
        let read = Paths::read(&table).expect("a table");
        for (variant, place, expected) in [
            (0, "a", Ruling::None),
            (1, "a", Ruling::Keep),
            (2, "a", Ruling::None),
            (1, "x b", Ruling::Opaque),
            (2, "x b", Ruling::Opaque),
            (0, "x b", Ruling::None),
            (0, "log a", Ruling::Rule(0)),
            (1, "log a", Ruling::Rule(0)),
            (1, "items []", Ruling::None),
        ] {
            assert_eq!(walk(&read, &dictionary, variant, place), expected, "{variant} {place}");
        }
        let Ruling::Record(row) = walk(&read, &dictionary, 0, "items []") else { panic!("no record") };
        let Ruling::Record(other) = walk(&read, &dictionary, 0, "log") else { panic!("no record") };
        assert_ne!(row, other);
        let number = |key: &str| dictionary.find(key.as_bytes(), key.len());
        let within = |row, variant| read.ruling(read.member(read.start(row, variant), number("a")));
        assert_eq!(
            [within(row, 0), within(row, 1), within(row, 2)],
            [Ruling::None, Ruling::Keep, Ruling::None]
        );
        // The policy's own paths continue from the surrounding record, and come first.
        assert_eq!(within(other, 1), Ruling::Rule(0));
    }
}
