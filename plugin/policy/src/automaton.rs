//! Compiles patterns into automata, in the layouts that [`flb_audit_core::automaton`]
//! walks.

mod fold;
mod numbering;
mod scout;

pub use fold::folded;
pub use scout::compile_scout;

use flb_audit_core::automaton::{States, TRANSITIONS_MAX};
use regex_automata::dfa::{Automaton, StartError, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::util::{start, syntax};
use regex_automata::{Anchored, MatchKind};
use std::collections::HashMap;
use std::hash::Hash;

/// The memory limit for building one automaton, in bytes. It has room for about 16 times
/// [`TRANSITIONS_MAX`], since minimizing may reduce an automaton to that.
const BUILD_BYTES_MAX: usize = 4 << 20;
/// The maximum number of steps of minimizing; each step compares one transition. A long
/// chain of states, as in `x{1,60000}`, takes the square of its length.
const MINIMIZE_STEPS_MAX: usize = 1 << 27;

/// The way in which the patterns are searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Matches start at the first byte, and go to their longest end.
    Anchored,
    /// Matches start at any byte.
    Anywhere,
    /// Backwards, from the byte behind the match on.
    Backwards,
}

/// The units that the patterns match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alphabet {
    /// Bytes. Classes and case are those of ASCII.
    Bytes,
    /// Characters in UTF-8. Classes and case are those of Unicode.
    Unicode,
}

/// The reason why there is no automaton.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The pattern at `index` cannot be parsed.
    #[error("{source}")]
    Syntax {
        /// The pattern's index among the given ones.
        index: usize,
        /// The parser's reason.
        source: Box<regex_syntax::Error>,
    },
    /// Together, the patterns need more states than an automaton may have.
    #[error(
        "the automaton would have more than {TRANSITIONS_MAX} transitions; bound or narrow what is repeated, as in \
         [a-z]{{1,20}}"
    )]
    TooLarge,
    /// Together the patterns take too long to minimize.
    #[error(
        "the automaton takes more than {MINIMIZE_STEPS_MAX} steps to minimize; bound or narrow what is repeated, as in \
         [a-z]{{1,20}}"
    )]
    TooManySteps,
    /// The patterns need something that the compiler of NFAs does not support.
    #[error(transparent)]
    Nfa(Box<thompson::BuildError>),
    /// The patterns contain a word boundary of Unicode, which needs more than a byte of
    /// context.
    #[error("Unicode word boundaries cannot be compiled; write (?-u:\\b) for an ASCII word boundary")]
    UnicodeBoundary(#[source] Box<dense::BuildError>),
    /// The automaton has no state to start in.
    #[error(transparent)]
    Start(StartError),
}

/// Compiles patterns into a dense automaton. Each pattern is accepted with its index as
/// id.
pub fn compile(
    patterns: &[impl AsRef<str>],
    direction: Direction,
    alphabet: Alphabet,
) -> Result<Vec<u8>, Error> {
    states(patterns, direction, alphabet)?.write_dense().ok_or(Error::TooLarge)
}

/// Same as [`compile`], but into a compact automaton.
pub fn compile_compact(
    patterns: &[impl AsRef<str>],
    direction: Direction,
    alphabet: Alphabet,
) -> Result<Vec<u8>, Error> {
    states(patterns, direction, alphabet)?.write_compact().ok_or(Error::TooLarge)
}

fn states(patterns: &[impl AsRef<str>], direction: Direction, alphabet: Alphabet) -> Result<States, Error> {
    let (reached, is_late) = reached(patterns, direction, alphabet)?;
    Ok(numbering::numbered(&reached, is_late))
}

/// Returns the smallest automaton for patterns, and whether it accepts late.
fn reached(
    patterns: &[impl AsRef<str>],
    direction: Direction,
    alphabet: Alphabet,
) -> Result<(Reached, bool), Error> {
    let is_unicode = alphabet == Alphabet::Unicode;
    let config = syntax::Config::new().unicode(is_unicode).utf8(is_unicode);
    let mut hirs = Vec::new();
    for (index, pattern) in patterns.iter().enumerate() {
        let hir = syntax::parse_with(pattern.as_ref(), &config);
        hirs.push(hir.map_err(|error| Error::Syntax { index, source: Box::new(error) })?);
    }
    let nfa = thompson::Compiler::new()
        .configure(
            thompson::Config::new()
                .utf8(false)
                .which_captures(thompson::WhichCaptures::None)
                .reverse(direction == Direction::Backwards)
                .nfa_size_limit(Some(BUILD_BYTES_MAX)),
        )
        .build_many_from_hir(&hirs)
        .map_err(|error| match error.size_limit() {
            Some(_) => Error::TooLarge,
            None => Error::Nfa(Box::new(error)),
        })?;
    let is_anchored = direction != Direction::Anywhere;
    let dfa = dense::Builder::new()
        .configure(
            dense::Config::new()
                .match_kind(MatchKind::All)
                .start_kind(if is_anchored { StartKind::Anchored } else { StartKind::Unanchored })
                .dfa_size_limit(Some(BUILD_BYTES_MAX))
                .determinize_size_limit(Some(BUILD_BYTES_MAX)),
        )
        .build_from_nfa(&nfa)
        .map_err(|error| match error.is_size_limit_exceeded() {
            true => Error::TooLarge,
            false => Error::UnicodeBoundary(Box::new(error)),
        })?;
    let mut reached = Reached::of(&dfa, is_anchored)?;
    let is_late = hirs.iter().any(|hir| !hir.properties().look_set().is_empty());
    if !is_late {
        reached.accept_at_once();
    }
    reached.minimize()?;
    Ok((reached, is_late))
}

/// One byte for each kind of place where a match may start: `None` for the beginning of a
/// text, else the byte before.
const LOOK_BEHIND: [Option<u8>; 4] = [None, Some(b'a'), Some(b'\n'), Some(b' ')];

/// All reachable states of an automaton, by number. 0 is the dead state.
struct Reached {
    starts: [usize; 4],
    /// The symbol of each byte. Bytes that no state tells apart have the same symbol.
    symbols: Vec<usize>,
    /// The next state for every symbol, and then for the end of the text.
    next: Vec<Vec<usize>>,
    /// The patterns that each state accepts.
    accepts: Vec<Vec<u16>>,
}

impl Reached {
    /// Returns an automaton that never finds anything and never stops.
    fn of_nothing() -> Reached {
        let (symbols, next) = (vec![0; 1 << u8::BITS], vec![vec![0, 0], vec![1, 0]]);
        Reached { starts: [1; LOOK_BEHIND.len()], symbols, next, accepts: vec![Vec::new(); 2] }
    }

    fn of(dfa: &dense::DFA<Vec<u32>>, is_anchored: bool) -> Result<Reached, Error> {
        let anchored = if is_anchored { Anchored::Yes } else { Anchored::No };
        let mut found: Vec<Option<StateID>> = vec![None];
        let mut numbers = HashMap::new();
        let mut number = |state: StateID, found: &mut Vec<Option<StateID>>| {
            if dfa.is_dead_state(state) {
                return 0;
            }
            *numbers.entry(state).or_insert_with(|| {
                found.push(Some(state));
                found.len() - 1
            })
        };
        let mut starts = [0; LOOK_BEHIND.len()];
        for (at, before) in LOOK_BEHIND.into_iter().enumerate() {
            let config = start::Config::new().anchored(anchored).look_behind(before);
            let start = dfa.start_state(&config).map_err(Error::Start)?;
            starts[at] = number(start, &mut found);
        }
        let symbols: Vec<usize> = (0..=u8::MAX).map(|byte| dfa.byte_classes().get(byte).into()).collect();
        let count = symbols.iter().max().map_or(0, |last| last + 1);
        let bytes: Vec<u8> = (0..count)
            .filter_map(|symbol| symbols.iter().position(|other| *other == symbol))
            .map(|byte| byte as u8)
            .collect();
        let mut next = vec![vec![0; count + 1]];
        let mut accepts = vec![Vec::new()];
        while let Some(state) = found.get(next.len()).copied().flatten() {
            // This is far more than allows a small result after minimizing.
            if next.len() > TRANSITIONS_MAX {
                return Err(Error::TooLarge);
            }
            let nexts =
                bytes.iter().map(|byte| dfa.next_state(state, *byte)).chain([dfa.next_eoi_state(state)]);
            next.push(nexts.map(|state| number(state, &mut found)).collect());
            accepts.push(accepted(dfa, state));
        }
        Ok(Reached { starts, symbols, next, accepts })
    }

    /// Returns the symbol of the end of the text.
    fn end(&self) -> usize {
        self.next[0].len() - 1
    }

    /// Makes each state accept what it would accept at the end of the text. That is right
    /// if no pattern looks at the bytes behind its match.
    fn accept_at_once(&mut self) {
        let end = self.end();
        self.accepts = self.next.iter().map(|next| self.accepts[next[end]].clone()).collect();
        for next in &mut self.next {
            next[end] = 0;
        }
    }

    /// Merges states that no text tells apart (Moore's algorithm).
    fn minimize(&mut self) -> Result<(), Error> {
        let mut classes = number_all(self.accepts.iter());
        let round = self.next.len() * self.next[0].len();
        let mut steps: usize = 0;
        loop {
            steps += round;
            if steps > MINIMIZE_STEPS_MAX {
                return Err(Error::TooManySteps);
            }
            let rows = self.next.iter().zip(&classes);
            let signatures: Vec<Vec<usize>> = rows
                .map(|(next, class)| next.iter().map(|state| classes[*state]).chain([*class]).collect())
                .collect();
            let finer = number_all(signatures.iter());
            let is_done = finer.iter().max() == classes.iter().max();
            classes = finer;
            if is_done {
                break;
            }
        }
        let count = classes.iter().max().map_or(0, |last| last + 1);
        let members: Vec<usize> =
            (0..count).filter_map(|class| classes.iter().position(|other| *other == class)).collect();
        self.accepts = members.iter().map(|state| self.accepts[*state].clone()).collect();
        self.next = members
            .iter()
            .map(|state| self.next[*state].iter().map(|next| classes[*next]).collect())
            .collect();
        self.starts = self.starts.map(|start| classes[start]);
        Ok(())
    }
}

fn accepted(dfa: &dense::DFA<Vec<u32>>, state: StateID) -> Vec<u16> {
    let count = if dfa.is_match_state(state) { dfa.match_len(state) } else { 0 };
    let mut ids: Vec<u16> =
        (0..count).map(|index| dfa.match_pattern(state, index).as_usize() as u16).collect();
    ids.sort_unstable();
    ids
}

/// Numbers values in the order of their first appearance. Equal values get equal numbers.
fn number_all<'a, T: Eq + Hash + 'a>(values: impl Iterator<Item = &'a T>) -> Vec<usize> {
    let mut numbers = HashMap::new();
    values
        .map(|value| {
            let next = numbers.len();
            *numbers.entry(value).or_insert(next)
        })
        .collect()
}
