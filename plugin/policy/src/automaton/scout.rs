//! The scout: one automaton over the triggers of all detectors.
//!
//! Most triggers are words. The words make an automaton of their own (Aho and Corasick,
//! "Efficient string matching", 1975), which is combined with that of the other triggers
//! into the scout. Determinizing hundreds of words would take a hundred times as long.

use super::{Alphabet, Direction, Error, Reached, compile, number_all, numbering};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};
use std::collections::{HashMap, VecDeque};

/// Compiles triggers into a dense automaton that finds them anywhere. Each trigger has
/// its index as id.
pub fn compile_scout(triggers: &[impl AsRef<str>]) -> Result<Vec<u8>, Error> {
    let (mut words, mut others, mut ids) = (Words::new(), Vec::new(), Vec::new());
    for (index, trigger) in triggers.iter().enumerate() {
        let hir = ParserBuilder::new().unicode(false).utf8(false).build().parse(trigger.as_ref());
        let hir = hir.map_err(|error| Error::Syntax { index, source: Box::new(error) })?;
        for branch in branches(&hir) {
            match word(branch) {
                Some(word) => words.add(&word, index as u16),
                None => {
                    others.push(branch.to_string());
                    ids.push(index as u16);
                }
            }
        }
    }
    let mut other = match others.is_empty() {
        true => Reached::of_nothing(),
        false => match super::reached(&others, Direction::Anywhere, Alphabet::Bytes)? {
            (other, false) => other,
            // A word is found at once, but these patterns are found late.
            (_, true) => return compile(triggers, Direction::Anywhere, Alphabet::Bytes),
        },
    };
    for accepts in &mut other.accepts {
        accepts.iter_mut().for_each(|index| *index = ids[*index as usize]);
    }
    let mut both = words.with(&other);
    both.minimize()?;
    numbering::numbered(&both, false).write_dense().ok_or(Error::TooLarge)
}

/// Returns the alternatives of a trigger.
fn branches(hir: &Hir) -> &[Hir] {
    match hir.kind() {
        HirKind::Alternation(branches) => branches,
        HirKind::Capture(capture) => branches(&capture.sub),
        _ => core::slice::from_ref(hir),
    }
}

/// Returns the word that a trigger matches, if it matches nothing else. Letters are
/// small, and stand for either case; 0 stands for any digit.
fn word(hir: &Hir) -> Option<Vec<u8>> {
    let parts = match hir.kind() {
        HirKind::Concat(parts) => parts,
        _ => core::slice::from_ref(hir),
    };
    let mut word = Vec::new();
    for part in parts {
        match part.kind() {
            HirKind::Literal(literal) if !literal.0.iter().any(u8::is_ascii_alphanumeric) => {
                word.extend(&literal.0);
            }
            HirKind::Class(Class::Bytes(class)) => {
                let bytes: Vec<u8> =
                    class.ranges().iter().flat_map(|range| range.start()..=range.end()).collect();
                match *bytes {
                    [upper, lower] if upper.is_ascii_uppercase() && upper.to_ascii_lowercase() == lower => {
                        word.push(lower);
                    }
                    _ if bytes == *b"0123456789" => word.push(b'0'),
                    _ => return None,
                }
            }
            _ => return None,
        }
    }
    Some(word).filter(|word| !word.is_empty())
}

/// Returns the byte that stands for `byte` in a word.
fn fold(byte: u8) -> u8 {
    if byte.is_ascii_digit() { b'0' } else { byte.to_ascii_lowercase() }
}

/// Words, as a tree of their beginnings. 0 is the root.
struct Words {
    next: Vec<HashMap<u8, usize>>,
    accepts: Vec<Vec<u16>>,
}

impl Words {
    fn new() -> Words {
        Words { next: vec![HashMap::new()], accepts: vec![Vec::new()] }
    }

    fn add(&mut self, word: &[u8], id: u16) {
        let mut node = 0;
        for byte in word {
            node = match self.next[node].get(byte) {
                Some(next) => *next,
                None => {
                    let next = self.next.len();
                    self.next[node].insert(*byte, next);
                    self.next.push(HashMap::new());
                    self.accepts.push(Vec::new());
                    next
                }
            };
        }
        self.accepts[node].push(id);
    }

    /// Gives every node a next node for each of these bytes, and adds the ids that its
    /// suffixes accept.
    fn complete(&mut self, bytes: &[u8]) {
        let mut suffix = vec![0; self.next.len()];
        let mut queue = VecDeque::from([0]);
        while let Some(node) = queue.pop_front() {
            let of_suffix = self.next[suffix[node]].clone();
            let more = self.accepts[suffix[node]].clone();
            if node != 0 {
                self.accepts[node].extend(more);
            }
            for byte in bytes {
                let shorter = if node == 0 { 0 } else { of_suffix.get(byte).copied().unwrap_or(0) };
                match self.next[node].get(byte).copied() {
                    Some(next) => {
                        suffix[next] = shorter;
                        queue.push_back(next);
                    }
                    None => {
                        self.next[node].insert(*byte, shorter);
                    }
                }
            }
        }
    }

    /// Returns the automaton that finds everything that this one or the other one finds.
    fn with(mut self, other: &Reached) -> Reached {
        let folded: Vec<u8> = (0..=u8::MAX).filter(|byte| fold(*byte) == *byte).collect();
        self.complete(&folded);
        let known = |byte: u8| self.next.iter().any(|next| next.get(&byte).is_some_and(|next| *next != 0));
        let known: Vec<bool> = (0..=u8::MAX).map(known).collect();
        let classes: Vec<(usize, u8)> = (0..=u8::MAX)
            .map(|byte| {
                let folded = fold(byte);
                (other.symbols[byte as usize], if known[folded as usize] { folded } else { 0 })
            })
            .collect();
        let symbols = number_all(classes.iter());
        let count = symbols.iter().max().map_or(0, |last| last + 1);
        let bytes: Vec<u8> = (0..count)
            .filter_map(|symbol| symbols.iter().position(|other| *other == symbol))
            .map(|byte| byte as u8)
            .collect();
        let mut found = vec![None];
        let mut numbers = HashMap::new();
        let mut number = |pair: (usize, usize), found: &mut Vec<Option<(usize, usize)>>| {
            *numbers.entry(pair).or_insert_with(|| {
                found.push(Some(pair));
                found.len() - 1
            })
        };
        let starts = other.starts.map(|start| number((start, 0), &mut found));
        let (mut next, mut accepts) = (vec![vec![0; count + 1]], vec![Vec::new()]);
        while let Some((state, node)) = found.get(next.len()).copied().flatten() {
            let of = |byte: &u8| {
                let state = other.next[state][other.symbols[*byte as usize]];
                (state, self.next[node].get(&fold(*byte)).copied().unwrap_or(0))
            };
            let row: Vec<(usize, usize)> = bytes.iter().map(of).collect();
            // No pattern is found only at the end of the text.
            next.push(row.into_iter().map(|pair| number(pair, &mut found)).chain([0]).collect());
            let mut both = [&other.accepts[state][..], &self.accepts[node]].concat();
            both.sort_unstable();
            both.dedup();
            accepts.push(both);
        }
        Reached { starts, symbols, next, accepts }
    }
}
