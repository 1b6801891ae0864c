//! Patterns into dense automata, in the layout that
//! [`flb_audit_core::automaton`] walks.

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::util::{start, syntax};
use regex_automata::{Anchored, MatchKind};
use std::collections::HashMap;

/// The largest automaton, in bytes of its table.
pub const AUTOMATON_BYTES_MAX: usize = 512 << 10;
/// What building one may take, in bytes of memory.
const BUILD_BYTES_MAX: usize = 64 << 20;

/// How the patterns are searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the first byte on, each match to its longest.
    Anchored,
    /// From any byte on.
    Anywhere,
    /// Backwards, from the byte behind the match on.
    Backwards,
}

/// What the patterns are written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alphabet {
    /// Bytes: classes and case are those of ASCII.
    Bytes,
    /// Characters in UTF-8, in classes and case of Unicode.
    Unicode,
}

/// Why there is no automaton.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The pattern at this index cannot be parsed.
    Syntax(usize, Box<regex_syntax::Error>),
    /// Together the patterns make more states than an automaton may have.
    TooLarge,
    /// They ask for what no automaton of ours can do.
    Unsupported(String),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::Syntax(_, error) => write!(f, "{error}"),
            Error::TooLarge => write!(
                f,
                "the automaton would be larger than {} KiB; bound or narrow what is repeated, as in [a-z]{{1,20}}",
                AUTOMATON_BYTES_MAX >> 10
            ),
            Error::Unsupported(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Error {}

/// Compiles patterns, of which each is accepted with its index as id.
pub fn compile(
    patterns: &[impl AsRef<str>],
    direction: Direction,
    alphabet: Alphabet,
) -> Result<Vec<u8>, Error> {
    let is_unicode = alphabet == Alphabet::Unicode;
    let config = syntax::Config::new().unicode(is_unicode).utf8(is_unicode);
    let mut hirs = Vec::new();
    for (index, pattern) in patterns.iter().enumerate() {
        let hir = syntax::parse_with(pattern.as_ref(), &config);
        hirs.push(hir.map_err(|error| Error::Syntax(index, Box::new(error)))?);
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
        .map_err(|error| {
            if error.size_limit().is_some() { Error::TooLarge } else { Error::Unsupported(error.to_string()) }
        })?;
    let is_anchored = direction != Direction::Anywhere;
    let dfa = dense::Builder::new()
        .configure(
            dense::Config::new()
                .match_kind(MatchKind::All)
                .start_kind(if is_anchored { StartKind::Anchored } else { StartKind::Unanchored })
                .minimize(true)
                .dfa_size_limit(Some(BUILD_BYTES_MAX))
                .determinize_size_limit(Some(BUILD_BYTES_MAX)),
        )
        .build_from_nfa(&nfa)
        .map_err(|error| match error.to_string() {
            what if what.contains("exceeded") || what.contains("too many") => Error::TooLarge,
            what => Error::Unsupported(what),
        })?;
    encode(&dfa, is_anchored)
}

/// A byte for each place in a text where a match may start: none at its
/// beginning, else what stands before.
const LOOK_BEHIND: [Option<u8>; 4] = [None, Some(b'a'), Some(b'\n'), Some(b' ')];

fn encode(dfa: &dense::DFA<Vec<u32>>, is_anchored: bool) -> Result<Vec<u8>, Error> {
    let anchored = if is_anchored { Anchored::Yes } else { Anchored::No };
    let mut starts = Vec::new();
    for before in LOOK_BEHIND {
        let config = start::Config::new().anchored(anchored).look_behind(before);
        let start = dfa.start_state(&config).map_err(|error| Error::Unsupported(error.to_string()))?;
        starts.push(start);
    }
    let states = reachable(dfa, &starts);
    let accepting = |state: &&StateID| dfa.is_match_state(**state);
    let ordered: Vec<StateID> = states
        .iter()
        .filter(accepting)
        .chain(states.iter().filter(|state| !accepting(state)))
        .copied()
        .collect();
    let accepting_max = states.iter().filter(accepting).count();
    let numbers: HashMap<StateID, usize> = ordered.iter().copied().zip(1..).collect();
    let number = |state: &StateID| -> Result<u16, Error> {
        if dfa.is_quit_state(*state) {
            return Err(Error::Unsupported("word boundaries of Unicode; (?-u:\\b) is that of ASCII".into()));
        }
        u16::try_from(numbers.get(state).copied().unwrap_or(0)).map_err(|_| Error::TooLarge)
    };

    let (classes, representatives) = classes(dfa, &ordered);
    let stride = representatives.len() + 1;
    let mut offsets = vec![];
    let mut ids = vec![];
    for state in &ordered[..accepting_max] {
        offsets.push(u16::try_from(ids.len()).map_err(|_| Error::TooLarge)?);
        ids.extend(
            (0..dfa.match_len(*state)).map(|index| dfa.match_pattern(*state, index).as_usize() as u16),
        );
    }
    offsets.push(u16::try_from(ids.len()).map_err(|_| Error::TooLarge)?);

    let mut header = vec![ordered.len() + 1, stride, accepting_max, ids.len()];
    for start in &starts {
        header.push(number(start)?.into());
    }
    let mut table = Vec::new();
    for value in header {
        table.extend(u16::try_from(value).map_err(|_| Error::TooLarge)?.to_le_bytes());
    }
    table.extend(classes);
    let mut put = |value: u16| table.extend(value.to_le_bytes());
    offsets.into_iter().chain(ids).for_each(&mut put);
    (0..stride).for_each(|_| put(0));
    for state in &ordered {
        for byte in &representatives {
            put(number(&dfa.next_state(*state, *byte))?);
        }
        put(number(&dfa.next_eoi_state(*state))?);
    }
    if table.len() > AUTOMATON_BYTES_MAX { Err(Error::TooLarge) } else { Ok(table) }
}

/// All states but the dead ones.
fn reachable(dfa: &dense::DFA<Vec<u32>>, starts: &[StateID]) -> Vec<StateID> {
    let mut found: Vec<StateID> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    let mut open = starts.to_vec();
    while let Some(state) = open.pop() {
        if dfa.is_dead_state(state) || !seen.insert(state) {
            continue;
        }
        found.push(state);
        if !dfa.is_quit_state(state) {
            open.extend((0..=u8::MAX).map(|byte| dfa.next_state(state, byte)));
            open.push(dfa.next_eoi_state(state));
        }
    }
    found
}

/// The class of each byte, and a byte of each class: bytes are of one class
/// if no state tells them apart.
fn classes(dfa: &dense::DFA<Vec<u32>>, states: &[StateID]) -> (Vec<u8>, Vec<u8>) {
    let mut numbers: HashMap<Vec<StateID>, u8> = HashMap::new();
    let (mut classes, mut representatives) = (Vec::new(), Vec::new());
    for byte in 0..=u8::MAX {
        let column: Vec<StateID> = states.iter().map(|state| dfa.next_state(*state, byte)).collect();
        let next = numbers.len() as u8;
        let class = *numbers.entry(column).or_insert_with(|| {
            representatives.push(byte);
            next
        });
        classes.push(class);
    }
    (classes, representatives)
}
