//! Paths, as policies write them, into one automaton over steps.
//!
//! `user.email` is a member of a member, `items[].card` one of each element of
//! an array, `body|card` one of the JSON that the string `body` holds. `*` is
//! any one step into a member or an element, `**` any number of any steps. A
//! key that is more than letters, digits, `_`, `-`, `$` and `@` stands in
//! quotes: `annotations."example.org/owner"`.

use flb_audit_core::redact::paths::{ENTRY_BYTES, VERDICT_KEEP, VERDICT_NONE, prefix};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The most states and the most edges that the paths of a policy may make.
const STATES_MAX: usize = 60_000;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Member(String),
    Element,
    Json,
    Any,
    Deep,
}

/// Takes a path apart. What is wrong with it, if it cannot be.
pub(crate) fn parse(path: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let mut rest = path;
    if rest.is_empty() {
        return Err("an empty path".into());
    }
    loop {
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
            Some('.') if rest[1..].starts_with("[]") => return Err("`[]` follows a key without a dot".into()),
            Some('.') => &rest[1..],
            Some('|') => {
                steps.push(Step::Json);
                &rest[1..]
            }
            Some('[') => return Err("`[` without `]`: elements have no numbers, `[]` is each of them".into()),
            Some(other) => return Err(format!("`{other}` where a dot, `[]` or `|` was expected")),
        };
    }
}

fn member(rest: &str) -> Result<(Step, &str), String> {
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
        return Err("a quote that is not closed".into());
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
        "" => {
            Err("a key is missing; other characters than letters, digits, `_`, `-`, `$` and `@` need quotes"
                .into())
        }
        key => Ok((Step::Member(key.into()), &rest[len..])),
    }
}

/// A path, and what it says: a rule, or that the value stays.
pub(crate) struct Path {
    pub(crate) steps: Vec<Step>,
    pub(crate) rule: Option<u16>,
}

/// Where in which paths a walk is.
type Set = BTreeSet<(usize, usize)>;

/// Compiles paths, of which the first one that fits a value decides.
pub(crate) fn compile(paths: &[Path]) -> Result<Vec<u8>, String> {
    let closure = |set: Set| -> Set {
        let mut closed = set;
        let deep: Vec<_> = closed.iter().copied().collect();
        for (path, mut at) in deep {
            // `**` may be no step at all.
            while paths[path].steps.get(at) == Some(&Step::Deep) {
                at += 1;
                closed.insert((path, at));
            }
        }
        closed
    };
    let advance = |set: &Set, takes: &dyn Fn(&Step) -> bool| -> Set {
        let mut next = Set::new();
        for &(path, at) in set {
            match paths[path].steps.get(at) {
                Some(Step::Deep) => {
                    next.insert((path, at));
                }
                Some(step) if takes(step) => {
                    next.insert((path, at + 1));
                }
                _ => {}
            }
        }
        closure(next)
    };

    let start = closure((0..paths.len()).map(|path| (path, 0)).collect());
    let mut numbers: HashMap<Set, u16> = HashMap::from([(Set::new(), 0), (start.clone(), 1)]);
    let mut sets = vec![Set::new(), start];
    let mut states = Vec::new();
    let (mut edges, mut keys) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < sets.len() {
        let set = sets[at].clone();
        at += 1;
        let start = sets[1].clone();
        let mut number = |next: Set| -> Result<u16, String> {
            let new = numbers.len() as u16;
            if numbers.len() >= STATES_MAX {
                return Err("the paths make too many states; use fewer with `**`".into());
            }
            Ok(*numbers.entry(next).or_insert_with_key(|next| {
                sets.push(next.clone());
                new
            }))
        };
        let is_any = |step: &Step| *step == Step::Any;
        let mut members = BTreeMap::new();
        let mut others = [Set::new(), Set::new(), Set::new()];
        if set.is_empty() {
            // What is watched: any state but the dead one says so.
            let rules = paths.iter().filter(|path| path.rule.is_some());
            for watched in rules.map(|path| last_key(&path.steps)) {
                match watched {
                    Some(key) => drop(members.insert((prefix(key.as_bytes()), key.clone()), start.clone())),
                    None => others[0] = start.clone(),
                }
            }
        } else {
            let is_element = |step: &Step| is_any(step) || *step == Step::Element;
            others = [
                advance(&set, &is_any),
                advance(&set, &is_element),
                advance(&set, &|step| *step == Step::Json),
            ];
        }
        for &(path, at) in &set {
            if let Some(Step::Member(key)) = paths[path].steps.get(at) {
                let takes = |step: &Step| is_any(step) || matches!(step, Step::Member(other) if other == key);
                members.insert((prefix(key.as_bytes()), key.clone()), advance(&set, &takes));
            }
        }
        let accepted =
            set.iter().filter(|(path, at)| *at == paths[*path].steps.len()).map(|(path, _)| *path).min();
        let verdict = match accepted.map(|path| paths[path].rule) {
            None => VERDICT_NONE,
            Some(None) => VERDICT_KEEP,
            Some(Some(rule)) => rule,
        };
        let first_edge = edges.len() / ENTRY_BYTES;
        let [any, element, json] = others;
        let others = [number(any)?, number(element)?, number(json)?];
        let count = members.len();
        if first_edge + count > STATES_MAX {
            return Err("the paths make too many edges; use fewer with `**`".into());
        }
        for ((prefix, key), next) in members {
            edges.extend(prefix.to_be_bytes());
            edges.extend((keys.len() as u32).to_le_bytes());
            edges.extend(
                u16::try_from(key.len()).map_err(|_| "a key of more than 65,535 bytes")?.to_le_bytes(),
            );
            edges.extend(number(next)?.to_le_bytes());
            keys.extend(key.bytes());
        }
        for value in [verdict, first_edge as u16, count as u16].into_iter().chain(others) {
            states.extend(value.to_le_bytes());
        }
        states.extend([0; 4]);
    }
    let mut table = Vec::new();
    table.extend((sets.len() as u16).to_le_bytes());
    table.extend(((edges.len() / ENTRY_BYTES) as u16).to_le_bytes());
    table.extend((keys.len() as u32).to_le_bytes());
    table.extend(states.into_iter().chain(edges).chain(keys));
    Ok(table)
}

/// The last key that a path names: whatever it matches, a walk goes over that.
fn last_key(steps: &[Step]) -> Option<&String> {
    steps.iter().rev().find_map(|step| if let Step::Member(key) = step { Some(key) } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use flb_audit_core::redact::paths::{Paths, START, Verdict};

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
            ("user.**", Some(4)),
            ("\"a.b\".c", Some(5)),
            ("verylongkey.verylongkey1", Some(6)),
        ];
        let paths: Vec<Path> = written
            .iter()
            .map(|(path, rule)| Path { steps: parse(path).expect(path), rule: *rule })
            .collect();
        let table = compile(&paths).expect("paths");
        let read = Paths::read(&table).expect("a table");
        assert!(read.is_sound(7) && !read.is_sound(6));
        for (place, expected) in [
            ("user work email", Verdict::Rule(1)),
            ("user [] email", Verdict::Rule(1)),
            ("user email", Verdict::Rule(4)),
            ("user name", Verdict::Keep),
            ("user name first", Verdict::Rule(4)),
            ("user", Verdict::Rule(4)),
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
            let said = parse(path).expect_err(path);
            assert!(said.contains(part), "{path}: {said}");
        }
    }
}
