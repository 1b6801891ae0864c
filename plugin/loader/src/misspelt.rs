//! Properties that are set under a name that nobody asks for.
//!
//! Fluent Bit answers for names and lists none, so what can be found is what is
//! one letter away from a name that there is, or lacks its `config.`.

/// What names consist of.
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz0123456789_-.";

/// Finds a name that is set and is none of these, but is nearly one of them.
/// Gives that with it.
pub(crate) fn find(names: &[String], is_set: impl Fn(&str) -> bool) -> Option<(String, &String)> {
    names.iter().find_map(|name| {
        let wrong = |near: &String| !names.contains(near) && is_set(near);
        near(name).find(wrong).map(|wrong| (wrong, name))
    })
}

/// All names with one letter too few, too many or another, or two that are
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
