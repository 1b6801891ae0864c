//! Reads paths in the notation of policies.
//!
//! `user.email` is a member of a member, `items[].card` is a member of each element of an
//! array, and `body|card` a member of the JSON in the string `body`. `*` is any one step
//! into a member or an element, `**` is any number of any steps. A path stands for the
//! value that it leads to and everything in that value. A key with other characters than
//! letters, digits, `_`, `-`, `$` and `@` stands in quotes:
//! `annotations."example.org/owner"`.

mod automaton;

pub(crate) use automaton::compile;

/// The maximum number of steps in a path.
const STEPS_MAX: usize = 256;

/// The reason why a path cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PathError {
    #[error("it is empty")]
    Empty,
    #[error("`[]` stands directly behind a key, without a dot")]
    DotBeforeElement,
    #[error("`[` must be followed by `]`: elements have no numbers, and `[]` means each element")]
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

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Member(String),
    Element,
    Json,
    Any,
    Deep,
}

/// Splits a path into its steps.
pub(crate) fn parse(path: &str) -> Result<Vec<Step>, PathError> {
    let mut steps = steps(path)?;
    // A statement on a value holds for everything in it, so `**` at the end adds nothing.
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
        // An element needs no key before it only at the very start and behind `|`.
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
                match &rest[1..] {
                    // The path ends with the JSON as a whole.
                    "" => return Ok(steps),
                    rest => rest,
                }
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

/// A path with its statement.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    pub(crate) steps: Vec<Step>,
    pub(crate) says: Says,
    pub(crate) of: Of,
}

/// The records that a path applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    /// Incoming records of any format. The path leads on into the records within them.
    All,
    /// Records of these variants, a bit each, wherever they stand.
    Variants(u64),
}

impl Of {
    fn has(self, variant: usize) -> bool {
        match self {
            Of::All => true,
            Of::Variants(variants) => variants >> variant & 1 != 0,
        }
    }
}

/// The statement of a path on a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Says {
    /// This rule applies to the value.
    Rule(u16),
    /// The value stays, except for secrets in it.
    Keep,
    /// The value stays, and nothing looks at it.
    Opaque,
    /// The value is searched, but addresses stay at places for the actor.
    Mention,
    /// The value is a record, if it is an object.
    Record,
}

#[cfg(test)]
mod tests {
    use super::*;

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
