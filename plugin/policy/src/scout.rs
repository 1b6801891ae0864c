//! One automaton of all triggers, which accepts on time.
//!
//! [`automaton`](crate::automaton) accepts one byte late, for the sake of `$`
//! and `\b`. Triggers have neither, and late acceptance more than doubles the
//! states of many short patterns: behind each, every byte with which another
//! may start makes a state of its own. So acceptance is moved to the byte
//! that completes the match, and what cannot be told apart then is merged.

use crate::automaton::{Alphabet, Direction, Error, compile};
use std::collections::HashMap;

const HEADER_BYTES: usize = 16 + 256;

/// Compiles triggers into a table in the layout that
/// [`flb_audit_core::automaton`] reads; a state that accepts says that a match
/// ends with the byte that led to it. The end of the text leads nowhere.
pub fn compile_scout(triggers: &[impl AsRef<str>]) -> Result<Vec<u8>, Error> {
    Ok(on_time(&compile(triggers, Direction::Anywhere, Alphabet::Bytes)?))
}

fn on_time(table: &[u8]) -> Vec<u8> {
    let number = |at: usize| usize::from(u16::from_le_bytes([table[at], table[at + 1]]));
    let (states, stride, accepting_max, id_count) = (number(0), number(2), number(4), number(6));
    let ids_at = HEADER_BYTES + 2 * (accepting_max + 1);
    let transitions_at = ids_at + 2 * id_count;
    let next = |state: usize, class: usize| number(transitions_at + 2 * (state * stride + class));
    // What is accepted whatever comes is what the end of the text accepts.
    let accepted = |state: usize| -> Vec<u16> {
        match next(state, stride - 1) {
            late if (1..=accepting_max).contains(&late) => (number(HEADER_BYTES + 2 * (late - 1))
                ..number(HEADER_BYTES + 2 * late))
                .map(|index| number(ids_at + 2 * index) as u16)
                .collect(),
            _ => Vec::new(),
        }
    };

    let blocks =
        merge(states, accepted, |state| (0..stride - 1).map(|class| next(state, class)).collect::<Vec<_>>());
    let mut members: HashMap<usize, usize> = HashMap::new();
    for (state, block) in blocks.iter().enumerate() {
        members.entry(*block).or_insert(state);
    }
    // The dead state stays 0, those that accept come next.
    let mut order: Vec<usize> =
        members.values().copied().filter(|state| blocks[*state] != blocks[0]).collect();
    order.sort_by_key(|&state| (accepted(state).is_empty(), state));
    let mut numbers = HashMap::from([(blocks[0], 0u16)]);
    numbers.extend(order.iter().zip(1..).map(|(state, number)| (blocks[*state], number)));
    let renumbered = |state: usize| numbers[&blocks[state]];

    let accepting: Vec<Vec<u16>> =
        order.iter().map(|&state| accepted(state)).take_while(|ids| !ids.is_empty()).collect();
    let header = [order.len() + 1, stride, accepting.len(), accepting.iter().map(Vec::len).sum()];
    let mut values: Vec<u16> = header.iter().map(|&value| value as u16).collect();
    values.extend((0..4).map(|start| renumbered(number(8 + 2 * start))));
    let mut out: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    out.extend(&table[16..HEADER_BYTES]);
    let mut put = |value: u16| out.extend(value.to_le_bytes());
    let mut offset = 0;
    put(offset);
    for ids in &accepting {
        offset += ids.len() as u16;
        put(offset);
    }
    accepting.into_iter().flatten().for_each(&mut put);
    (0..stride).for_each(|_| put(0));
    for state in order {
        (0..stride - 1).for_each(|class| put(renumbered(next(state, class))));
        put(0);
    }
    out
}

/// A number for each state, the same for those that cannot be told apart:
/// Moore's refinement.
fn merge(
    states: usize,
    output: impl Fn(usize) -> Vec<u16>,
    successors: impl Fn(usize) -> Vec<usize>,
) -> Vec<usize> {
    let mut seen = HashMap::new();
    let mut numbered = |key: Vec<usize>| {
        let next = seen.len();
        *seen.entry(key).or_insert(next)
    };
    let outputs = (0..states).map(|state| output(state).into_iter().map(usize::from).collect());
    let mut blocks: Vec<usize> = outputs.map(&mut numbered).collect();
    let mut count = seen.len();
    loop {
        let mut seen = HashMap::new();
        let key = |state: usize| -> Vec<usize> {
            std::iter::once(blocks[state])
                .chain(successors(state).into_iter().map(|next| blocks[next]))
                .collect()
        };
        let refined = (0..states).map(|state| {
            let next = seen.len();
            *seen.entry(key(state)).or_insert(next)
        });
        let refined: Vec<usize> = refined.collect();
        if seen.len() == count {
            return blocks;
        }
        count = seen.len();
        blocks = refined;
    }
}
