//! Walking an automaton that is small rather than fast.
//!
//! Most states of a pattern give up on all bytes but one or two, or do with
//! most bytes what others do. So states share rows of next states, and have a
//! few exceptions of their own. The table, little-endian:
//!
//! | bytes | |
//! |---|---|
//! | 0..18 | as those of [`Automaton`](super::Automaton), but that states are called by their number |
//! | 18..20 | number of rows |
//! | 20..22 | number of exceptions |
//! | 22..24 | the first byte of another class than 0 |
//! | 24..26 | how many bytes there are from it to the last such byte |
//! | | the classes of these bytes |
//! | 2 × (M + 1) | where in the ids those of each state that accepts start, and the end |
//! | 2 × ids | the ids |
//! | 4 × (states + 1) | of each state: where in the rows its own starts, and its first exception; then the end of both |
//! | 2 × classes × rows | the next states, by class |
//! | 3 × exceptions | a class, and the state that it leads to in place of what the row says |

use super::{Accepted, Starts, State};

/// The most exceptions that a state has: what bounds a step. One with more
/// has a row of its own.
pub const EXCEPTIONS_MAX: usize = 8;

const HEADER_BYTES: usize = 26;

/// A compact automaton, as it stands in its table.
#[derive(Clone, Copy, Debug)]
pub struct Compact<'a> {
    first_byte: usize,
    classes: &'a [u8],
    class_count: usize,
    states: &'a [[u8; 4]],
    rows: &'a [[u8; 2]],
    exceptions: &'a [[u8; 3]],
    accepting_max: State,
    is_late: bool,
    starts: Starts,
    accepted: Accepted<'a>,
}

impl<'a> Compact<'a> {
    /// The automaton at the start of `table`, and what is behind it; none if
    /// the table is shorter than it says.
    pub fn read(table: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (header, rest) = table.split_first_chunk::<HEADER_BYTES>()?;
        let number = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
        let count = |at: usize| number(at) as usize;
        let (classes, rest) = rest.split_at_checked(count(24))?;
        let (offsets, rest) = rest.split_at_checked(2 * (count(4) + 1))?;
        let (ids, rest) = rest.split_at_checked(2 * count(6))?;
        let (states, rest) = rest.split_at_checked(4 * (count(0) + 1))?;
        let (rows, rest) = rest.split_at_checked(2 * count(2) * count(18))?;
        let (exceptions, rest) = rest.split_at_checked(3 * count(20))?;
        let automaton = Compact {
            first_byte: count(22),
            classes,
            class_count: count(2),
            states: states.as_chunks().0,
            rows: rows.as_chunks().0,
            exceptions: exceptions.as_chunks().0,
            accepting_max: number(4),
            is_late: number(16) != 0,
            starts: Starts([number(8), number(10), number(12), number(14)]),
            accepted: Accepted { offsets: offsets.as_chunks().0, ids: ids.as_chunks().0 },
        };
        Some((automaton, rest))
    }

    /// Where to start in a text, behind the byte `before` if there is one.
    pub fn start(&self, before: Option<u8>) -> State {
        self.starts.behind(before)
    }

    /// The state that `byte` leads to. From a state that is none, the dead one.
    pub fn step(&self, state: State, byte: u8) -> State {
        let class = self.classes.get((byte as usize).wrapping_sub(self.first_byte));
        self.next(state, class.copied().unwrap_or(0).into())
    }

    /// The state that the end of the text leads to; the dead one, if nothing
    /// is accepted late.
    pub fn step_end(&self, state: State) -> State {
        if self.is_late { self.next(state, self.class_count.wrapping_sub(1)) } else { 0 }
    }

    /// How many bytes after the end of a match it is accepted: 0, or 1 if it
    /// is late.
    pub fn lateness(&self) -> usize {
        self.is_late.into()
    }

    fn next(&self, state: State, class: usize) -> State {
        let state = state as usize;
        let Some([[row @ .., from, from_high], [_, _, to, to_high]]) = self.states.get(state..state + 2)
        else {
            return 0;
        };
        let half = |low: u8, high: u8| u16::from_le_bytes([low, high]) as usize;
        let exceptions = self.exceptions.get(half(*from, *from_high)..half(*to, *to_high));
        for [exception, next @ ..] in exceptions.unwrap_or_default() {
            if *exception as usize == class {
                return u16::from_le_bytes(*next);
            }
        }
        self.rows.get(half(row[0], row[1]) + class).map_or(0, |next| u16::from_le_bytes(*next))
    }

    /// Whether the walk ends here, or something is accepted.
    pub fn is_special(&self, state: State) -> bool {
        state <= self.accepting_max
    }

    /// The ids of what is accepted in `state`.
    pub fn accepted(&self, state: State) -> impl Iterator<Item = u16> + 'a {
        self.accepted.of(state.into())
    }

    /// Whether every state that the table leads to is there: what a table
    /// from a foreign hand is asked before it is used.
    pub fn is_sound(&self) -> bool {
        let state_count = self.states.len() - 1;
        let is_state = |state: State| (state as usize) < state_count;
        let number = |low: u8, high: u8| u16::from_le_bytes([low, high]) as usize;
        let are_sound = |[state, next]: &[[u8; 4]; 2]| {
            let (from, to) = (number(state[2], state[3]), number(next[2], next[3]));
            number(state[0], state[1]) + self.class_count <= self.rows.len()
                && from <= to
                && to <= (from + EXCEPTIONS_MAX).min(self.exceptions.len())
        };
        is_state(self.accepting_max)
            && self.classes.iter().all(|&class| (class as usize) + self.lateness() < self.class_count)
            && self.states.array_windows().all(are_sound)
            && self.rows.iter().all(|next| is_state(u16::from_le_bytes(*next)))
            && self.exceptions.iter().all(|[_, next @ ..]| is_state(u16::from_le_bytes(*next)))
            && self.starts.0.iter().all(|&start| is_state(start))
    }
}
