//! Automata against the regex crate, on texts of all kinds.

use flb_audit_core::automaton::{Automaton, Compact};
use flb_audit_policy::automaton::{Alphabet, Direction, Error, compile, compile_compact, compile_scout};
use proptest::prelude::*;
use std::sync::LazyLock;

const PATTERNS: [&str; 12] = [
    "abc",
    "^a+",
    "b+$",
    "(a|b)*c",
    r"\bab\b",
    "[0-9]{2,4}",
    "(?i)Token",
    "^$",
    "",
    "a.c",
    r"[^a-c]\s",
    "x{3}|y{2}$",
];

const LOOK_FREE: [&str; 8] = ["abc", "a+", "b+", "(a|b)*c", "[0-9]{2,4}", "(?i)Token", "", "x{3}|y{2}"];

/// Compiles the same patterns into a dense and a compact automaton.
static PAIRS: LazyLock<Vec<(Vec<u8>, Vec<u8>)>> = LazyLock::new(|| {
    let others = ["[a-f].{3}[^g-k]{2}|é\\xc3", r"(?i).*(one|two|three)_?(key|code)$", r"[\x80-\xff]{2}"];
    let mut pairs = Vec::new();
    for patterns in [&PATTERNS[..], &LOOK_FREE[..], &others[..]] {
        for direction in [Direction::Anchored, Direction::Anywhere, Direction::Backwards] {
            let dense = compile(patterns, direction, Alphabet::Bytes).expect("patterns");
            pairs.push((dense, compile_compact(patterns, direction, Alphabet::Bytes).expect("patterns")));
        }
    }
    pairs
});

/// Returns the ends of all matches of every pattern from `from` on.
fn ends(automaton: &Automaton<'_>, text: &[u8], from: usize) -> Vec<(u16, usize)> {
    let mut state = automaton.start(text[..from].last().copied());
    let mut ends: Vec<_> = automaton.accepted(state).map(|id| (id, from)).collect();
    for (at, &byte) in text.iter().enumerate().skip(from) {
        state = automaton.step(state, byte);
        ends.extend(automaton.accepted(state).map(|id| (id, at + 1 - automaton.lateness())));
    }
    ends.extend(automaton.accepted(automaton.step_end(state)).map(|id| (id, text.len())));
    ends.sort();
    ends
}

/// Returns the same, by a compact automaton.
fn compact_ends(automaton: &Compact<'_>, text: &[u8], from: usize) -> Vec<(u16, usize)> {
    let mut state = automaton.start(text[..from].last().copied());
    let mut ends: Vec<_> = automaton.accepted(state).map(|id| (id, from)).collect();
    for (at, &byte) in text.iter().enumerate().skip(from) {
        state = automaton.step(state, byte);
        ends.extend(automaton.accepted(state).map(|id| (id, at + 1 - automaton.lateness())));
    }
    ends.extend(automaton.accepted(automaton.step_end(state)).map(|id| (id, text.len())));
    ends.sort();
    ends
}

/// Returns the same, by regex-automata, for each pattern alone and from each start.
fn expected(patterns: &[&str], text: &[u8], from: usize, is_anchored: bool) -> Vec<(u16, usize)> {
    let mut ends = Vec::new();
    for (id, pattern) in patterns.iter().enumerate() {
        let regex = regex_automata::dfa::dense::Builder::new()
            .configure(regex_automata::dfa::dense::Config::new().match_kind(regex_automata::MatchKind::All))
            .syntax(regex_automata::util::syntax::Config::new().unicode(false).utf8(false))
            .build(pattern)
            .expect("a pattern");
        for end in from..=text.len() {
            let starts = if is_anchored { from..=from } else { from..=end };
            for start in starts {
                // Collects all ends of a match from `start` on.
                use regex_automata::{Anchored, Input, dfa::Automaton as _};
                let input = Input::new(text).span(start..text.len()).anchored(Anchored::Yes);
                let mut state = regex.start_state_forward(&input).expect("a start");
                let mut found = Vec::new();
                for (at, &byte) in text.iter().enumerate().skip(start) {
                    state = regex.next_state(state, byte);
                    if regex.is_match_state(state) {
                        found.push(at);
                    }
                }
                state = regex.next_eoi_state(state);
                if regex.is_match_state(state) {
                    found.push(text.len());
                }
                if found.contains(&end) {
                    ends.push((id as u16, end));
                    break;
                }
            }
        }
    }
    ends.sort();
    ends
}

proptest! {
    #[test]
    fn matches_are_those_of_the_regex_crate(text in "[abcxyTtoken0-9 \n_é]{0,24}", from in 0..6usize) {
        let text = text.as_bytes();
        let from = from.min(text.len());
        for patterns in [&PATTERNS[..], &LOOK_FREE[..]] {
            for (direction, is_anchored) in [(Direction::Anchored, true), (Direction::Anywhere, false)] {
                let table = compile(patterns, direction, Alphabet::Bytes).expect("patterns");
                let (automaton, rest) = Automaton::read(&table).expect("a table");
                prop_assert!(rest.is_empty() && automaton.is_sound());
                prop_assert_eq!(automaton.lateness() == 0, patterns == LOOK_FREE);
                prop_assert_eq!(ends(&automaton, text, from), expected(patterns, text, from, is_anchored));
            }
        }
    }

    #[test]
    fn a_compact_automaton_finds_what_a_dense_one_finds(
        text in "([abcxyTtoken0-9 \n_é]|\\PC){0,24}",
        from in 0..6usize,
    ) {
        let text = text.as_bytes();
        let from = from.min(text.len());
        for (dense, compact) in PAIRS.iter() {
            let (dense, (compact, rest)) =
                (Automaton::read(dense).expect("a table").0, Compact::read(compact).expect("a table"));
            prop_assert!(rest.is_empty() && compact.is_sound());
            prop_assert_eq!(compact_ends(&compact, text, from), ends(&dense, text, from));
        }
    }

    #[test]
    fn a_search_finds_what_the_regex_crate_finds(text in "\\PC{0,12}", at in 0..PATTERNS.len()) {
        let regex = regex::Regex::new(&PATTERNS[at].replace(r"\b", r"(?-u:\b)")).expect("a pattern");
        let table = compile(&[PATTERNS[at].replace(r"\b", r"(?-u:\b)")], Direction::Anywhere, Alphabet::Unicode)
            .expect("a pattern");
        let (automaton, _) = Automaton::read(&table).expect("a table");
        prop_assert_eq!(automaton.is_match(text.bytes()), regex.is_match(&text));
    }

    #[test]
    fn a_damaged_table_never_panics(damage in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..9), cut in any::<usize>()) {
        for compile in [compile, compile_compact] {
            let mut table = compile(&PATTERNS, Direction::Anywhere, Alphabet::Bytes).expect("patterns");
            for (at, byte) in &damage {
                let at = at % table.len();
                table[at] = *byte;
            }
            table.truncate(table.len() - cut % 3);
            if let Some((automaton, _)) = Automaton::read(&table) {
                let _ = automaton.is_sound();
                ends(&automaton, b"abc token 12345 xxx", 0);
            }
            if let Some((automaton, _)) = Compact::read(&table) {
                let _ = automaton.is_sound();
                compact_ends(&automaton, b"abc token 12345 xxx", 0);
            }
        }
    }
}

#[test]
fn backwards_finds_where_a_match_started() {
    let table = compile(&["[a-z.]+@"], Direction::Backwards, Alphabet::Bytes).expect("a pattern");
    let (automaton, _) = Automaton::read(&table).expect("a table");
    let text = b"to: jo.doe@";
    let mut state = automaton.start(None);
    let mut starts = Vec::new();
    for at in (0..text.len()).rev() {
        state = automaton.step(state, text[at]);
        if automaton.accepted(state).next().is_some() {
            starts.push(at + automaton.lateness());
        }
    }
    assert_eq!(starts, [9, 8, 7, 6, 5, 4]);
}

#[test]
fn what_cannot_be_is_an_error() {
    let compile = |pattern: &str| compile(&[pattern], Direction::Anywhere, Alphabet::Unicode);
    assert!(matches!(compile("a("), Err(Error::Syntax { index: 0, .. })));
    assert!(matches!(compile(r"\b\w{5}\b"), Err(Error::UnicodeBoundary(_))));
    assert!(matches!(compile(r"[01]*1[01]{20}"), Err(Error::TooLarge)));
}

proptest! {
    #[test]
    fn the_scout_finds_what_its_triggers_do(text in "[abAB01xX=_ -]{0,40}") {
        static TABLES: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| {
            let triggers = ["(?i)ab|bax|(?-i:x=)", "(?i)abb", "_[0-9]", "[0-9]{2}-[0-9]", "(?i)b|a[0-9]=*x", "-a"];
            let alone = compile(&triggers, Direction::Anywhere, Alphabet::Bytes).expect("triggers");
            [alone, compile_scout(&triggers).expect("triggers")]
        });
        let [one, other] = TABLES.each_ref().map(|table| {
            let (automaton, rest) = Automaton::read(table).expect("a table");
            assert!(automaton.is_sound() && rest.is_empty());
            let mut found = ends(&automaton, text.as_bytes(), 0);
            found.sort_unstable();
            found
        });
        prop_assert_eq!(one, other);
    }
}
