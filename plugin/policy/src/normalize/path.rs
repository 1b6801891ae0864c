//! Paths through records and events, as mappings write them.
//!
//! `user.name` is a member of a member, `list[0]` an element by its number, and
//! `list[type=User]` the first element with such a member. A key that is more than
//! letters, digits, `_`, `-`, `$` and `@` stands in quotes.

use flb_audit_core::normalize::{ELEMENTS_MAX, STEPS_MAX};

/// A step of a path through a record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Step {
    Member(String),
    Element(u16),
    /// The first element with a member of this key and text.
    Pick(String, String),
}

/// A path through an event.
pub(super) type Target = Vec<Step>;

/// The element itself, or the time.
const SPECIAL: char = '$';

/// Takes a path apart.
pub(super) fn parse(path: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let mut rest = path;
    loop {
        let (key, after) = word(rest)?;
        steps.push(Step::Member(key));
        rest = after;
        while let Some(inside) = rest.strip_prefix('[') {
            let (step, after) = element(inside)?;
            steps.push(step);
            rest = after;
        }
        if steps.len() > STEPS_MAX {
            return Err(format!("a path has up to {STEPS_MAX} steps"));
        }
        rest = match rest.chars().next() {
            None => return Ok(steps),
            Some('.') => &rest[1..],
            Some(other) => return Err(format!("`{other}` where a dot or `[` was expected")),
        };
    }
}

/// A path as evidence has it: keys with dots between.
pub(super) fn print(steps: &[Step]) -> String {
    let keys = steps.iter().filter_map(|step| match step {
        Step::Member(key) => Some(key.as_str()),
        _ => None,
    });
    keys.collect::<Vec<_>>().join(".")
}

/// A path as a mapping writes it.
pub(super) fn write(steps: &[Step]) -> String {
    let word = |word: &str| {
        if word.chars().all(is_plain) { word.to_owned() } else { format!("\"{word}\"") }
    };
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Member(key) if path.is_empty() => path += &word(key),
            Step::Member(key) => path += &format!(".{}", word(key)),
            Step::Element(number) => path += &format!("[{number}]"),
            Step::Pick(key, text) => path += &format!("[{}={}]", word(key), word(text)),
        }
    }
    path
}

/// Takes the path of a member of an event apart.
pub(super) fn target(path: &str) -> Result<Target, String> {
    let steps = parse(path)?;
    if steps.iter().any(|step| matches!(step, Step::Pick(..))) {
        return Err("an element of an event has a number: `resources[0].name`".into());
    }
    let is_name = |key: &str| {
        !key.is_empty() && key.chars().all(|character| matches!(character, ' '..='~') && character != '\\')
    };
    if steps.iter().any(|step| matches!(step, Step::Member(key) if !is_name(key))) {
        return Err("members of an event have names of ASCII, without control characters and `\\`".into());
    }
    Ok(steps)
}

/// An element, behind its bracket.
fn element(inside: &str) -> Result<(Step, &str), String> {
    let open = "`[` takes the number of an element, or a member that tells it: `[0]`, `[type=User]`";
    if inside.starts_with(|first: char| first.is_ascii_digit())
        && let Some((number, after)) = inside.split_once(']')
        && let Ok(number) = number.parse::<u16>()
    {
        if usize::from(number) >= ELEMENTS_MAX {
            return Err(format!("elements have numbers up to {}", ELEMENTS_MAX - 1));
        }
        return Ok((Step::Element(number), after));
    }
    let (key, after) = word(inside).map_err(|_| open.to_owned())?;
    let (text, after) = word(after.strip_prefix('=').ok_or(open)?)?;
    Ok((Step::Pick(key, text), after.strip_prefix(']').ok_or(open)?))
}

/// A key or a text, which may stand in quotes.
fn word(rest: &str) -> Result<(String, &str), String> {
    if let Some(quoted) = rest.strip_prefix('"') {
        let (word, after) = quoted.split_once('"').ok_or("a quote that is not closed")?;
        return Ok((word.into(), after));
    }
    let len = rest.find(|character| !is_plain(character)).unwrap_or(rest.len());
    match &rest[..len] {
        "" => {
            Err("a key is missing; other characters than letters, digits, `_`, `-`, `$` and `@` need quotes"
                .into())
        }
        word => Ok((word.into(), &rest[len..])),
    }
}

/// Checks that a character needs no quotes.
fn is_plain(character: char) -> bool {
    character.is_alphanumeric() || "_-@".contains(character) || character == SPECIAL
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read() {
        let member = |key: &str| Step::Member(key.into());
        assert_eq!(
            parse("a.\"b/c\"[2].d"),
            Ok(vec![member("a"), member("b/c"), Step::Element(2), member("d")])
        );
        let pick = Step::Pick("type".into(), "a b".into());
        assert_eq!(parse("t[type=\"a b\"].id"), Ok(vec![member("t"), pick, member("id")]));
        for path in ["a.\"b/c\"[2].d", "t[type=\"a b\"].id"] {
            assert_eq!(parse(path).map(|steps| write(&steps)).as_deref(), Ok(path));
        }
        for path in ["", "a..b", "a[", "a[]", "a[64]", "a[x]", "a[x=1", "a b", "\"a", "a.b.c.d.e.f.g.h.i"] {
            assert!(parse(path).is_err(), "{path}");
        }
    }
}
