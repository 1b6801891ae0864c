//! Finds properties that are set under a name that nothing reads.
//!
//! Fluent Bit answers for names but lists none. So the only names that can be found are
//! one letter away from an existing name, or lack its `config.`.

/// The characters that names consist of.
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz0123456789_-.";

/// Finds a name that is set and is not one of `names`, but nearly. Returns it with the
/// right name.
pub(crate) fn find(names: &[String], is_set: impl Fn(&str) -> bool) -> Option<(String, &String)> {
    names.iter().find_map(|name| {
        let wrong = |near: &String| !names.contains(near) && is_set(near);
        near(name).find(wrong).map(|wrong| (wrong, name))
    })
}

/// Returns all names with one letter missing, added or changed, or with two neighbours
/// swapped; and the name without its prefix.
fn near(name: &str) -> impl Iterator<Item = String> + '_ {
    let places = || (0..=name.len()).filter(|at| name.is_char_boundary(*at));
    let rest = |at: usize| {
        let mut rest = name[at..].chars();
        rest.next();
        rest.as_str()
    };
    let with = move |at: usize, letter: char| {
        let (before, after) = name.split_at(at);
        [format!("{before}{letter}{after}"), format!("{before}{letter}{}", rest(at))]
    };
    let swapped = move |at: usize| {
        let mut letters = name[at..].chars();
        let (one, other) = (letters.next()?, letters.next()?);
        Some(format!("{}{other}{one}{}", &name[..at], letters.as_str()))
    };
    places()
        .flat_map(move |at| LETTERS.chars().flat_map(move |letter| with(at, letter)))
        .chain(places().map(move |at| format!("{}{}", &name[..at], rest(at))))
        .chain(places().filter_map(swapped))
        .chain(name.strip_prefix("config.").map(str::to_owned))
}
