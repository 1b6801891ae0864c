//! The table of an automaton that is small rather than fast, and the walk over it.
//!
//! Most states of a pattern fail on all bytes except one or two, or treat most bytes like
//! other states. So states share rows of next states, and have a few exceptions of their
//! own. The table, in little-endian:
//!
//! | bytes | |
//! |---|---|
//! | 0..18 | same as in [`Automaton`](super::Automaton), but states are referred to by their number |
//! | 18..20 | number of rows |
//! | 20..22 | number of exceptions |
//! | 22..24 | the first byte whose class is not 0 |
//! | 24..26 | the number of bytes from it to the last such byte |
//! | | the classes of these bytes |
//! | 2 × (M + 1) | the start of each accepting state's ids in the list of ids, and the end of the list |
//! | 2 × ids | the ids |
//! | 4 × (states + 1) | for each state: the start of its row, and its first exception; then the end of both |
//! | 2 × classes × rows | the next states, by class |
//! | 3 × exceptions | a class, and the next state that replaces that of the row |

use super::{
    ACCEPTING_AT, Accepted, CLASS_COUNT_AT, COMMON_BYTES, EXCEPTION_BYTES, IDS_AT, IS_LATE_AT, STARTS_AT,
    STATES_AT, Starts, State, States, TRANSITIONS_MAX, put_all,
};
use alloc::vec::Vec;

/// The maximum number of exceptions of a state, which bounds the cost of a step. A state
/// with more has a row of its own.
pub const EXCEPTIONS_MAX: usize = 8;

const ROWS_AT: usize = COMMON_BYTES;
const EXCEPTIONS_AT: usize = 20;
const FIRST_BYTE_AT: usize = 22;
const CLASSES_AT: usize = 24;
const HEADER_BYTES: usize = 26;
/// The length of a state, in bytes.
const STATE_BYTES: usize = 4;
/// The length of a next state in a row, in bytes.
const NEXT_BYTES: usize = 2;

/// A compact automaton, in the form of its table.
#[derive(Clone, Copy, Debug)]
pub struct Compact<'a> {
    first_byte: usize,
    classes: &'a [u8],
    class_count: usize,
    states: &'a [[u8; STATE_BYTES]],
    rows: &'a [[u8; NEXT_BYTES]],
    exceptions: &'a [[u8; EXCEPTION_BYTES]],
    accepting_max: State,
    is_late: bool,
    starts: Starts,
    accepted: Accepted<'a>,
}

impl<'a> Compact<'a> {
    /// Reads the automaton at the start of `table`. Returns it and the rest of the table,
    /// or `None` if the table is shorter than it says.
    pub fn read(table: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (header, rest) = table.split_first_chunk::<HEADER_BYTES>()?;
        let number = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
        let count = |at: usize| number(at) as usize;
        let (classes, rest) = rest.split_at_checked(count(CLASSES_AT))?;
        let (offsets, rest) = rest.split_at_checked(2 * (count(ACCEPTING_AT) + 1))?;
        let (ids, rest) = rest.split_at_checked(2 * count(IDS_AT))?;
        let (states, rest) = rest.split_at_checked(STATE_BYTES * (count(STATES_AT) + 1))?;
        let (rows, rest) = rest.split_at_checked(NEXT_BYTES * count(CLASS_COUNT_AT) * count(ROWS_AT))?;
        let (exceptions, rest) = rest.split_at_checked(EXCEPTION_BYTES * count(EXCEPTIONS_AT))?;
        let automaton = Compact {
            first_byte: count(FIRST_BYTE_AT),
            classes,
            class_count: count(CLASS_COUNT_AT),
            states: states.as_chunks().0,
            rows: rows.as_chunks().0,
            exceptions: exceptions.as_chunks().0,
            accepting_max: number(ACCEPTING_AT),
            is_late: number(IS_LATE_AT) != 0,
            starts: Starts(STARTS_AT.map(number)),
            accepted: Accepted { offsets: offsets.as_chunks().0, ids: ids.as_chunks().0 },
        };
        Some((automaton, rest))
    }

    /// Returns the start state in a text, behind the byte `before` if there is one.
    pub fn start(&self, before: Option<u8>) -> State {
        self.starts.behind(before)
    }

    /// Returns the state that `byte` leads to. An invalid state leads to the dead one.
    pub fn step(&self, state: State, byte: u8) -> State {
        let class = self.classes.get((byte as usize).wrapping_sub(self.first_byte));
        self.next(state, class.copied().unwrap_or(0).into())
    }

    /// Returns the state that the end of the text leads to. If acceptance is not late,
    /// that is the dead state.
    pub fn step_end(&self, state: State) -> State {
        if self.is_late { self.next(state, self.class_count.wrapping_sub(1)) } else { 0 }
    }

    /// Returns the number of bytes between the end of a match and its acceptance: 0, or 1
    /// if acceptance is late.
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

    /// True if the state is the dead one or accepts something.
    pub fn is_special(&self, state: State) -> bool {
        state <= self.accepting_max
    }

    /// True if nothing matches any more.
    pub fn is_dead(&self, state: State) -> bool {
        state == 0
    }

    /// Returns the ids that `state` accepts.
    pub fn accepted(&self, state: State) -> impl Iterator<Item = u16> + 'a {
        self.accepted.of(state.into())
    }

    /// Checks that every state that the table refers to exists. A table from an unknown
    /// source is checked before it is used.
    pub fn is_sound(&self) -> bool {
        let state_count = self.states.len() - 1;
        let is_state = |state: State| (state as usize) < state_count;
        let number = |low: u8, high: u8| u16::from_le_bytes([low, high]) as usize;
        let are_sound = |[state, next]: &[[u8; STATE_BYTES]; 2]| {
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

impl States {
    /// Writes the compact table: rows that states share, and exceptions. Returns `None`
    /// if a dense table would have more than [`TRANSITIONS_MAX`] transitions.
    pub fn write_compact(&self) -> Option<Vec<u8>> {
        if self.next.len() * self.class_count() > TRANSITIONS_MAX {
            return None;
        }
        let rows = self.shared_rows();
        let (mut states, mut exceptions) = (Vec::new(), Vec::new());
        for next in &self.next {
            let fitting = rows.iter().enumerate().filter(|(_, row)| is_fit(row, next));
            let (at, row) = fitting.min_by_key(|(_, row)| differences(row, next).count())?;
            states.extend([at * self.class_count(), exceptions.len()]);
            exceptions.extend(differences(row, next));
        }
        states.extend([rows.len() * self.class_count(), exceptions.len()]);

        let is_known = |class: &usize| *class != 0;
        let first_byte = self.classes.iter().position(is_known).unwrap_or(0);
        let end = self.classes.iter().rposition(is_known).map_or(0, |last| last + 1);
        let known = &self.classes[first_byte..end];
        let mut table = self.header(|state| state)?;
        put_all(&mut table, [rows.len(), exceptions.len(), first_byte, known.len()])?;
        table.extend(known.iter().map(|class| *class as u8));
        put_all(&mut table, self.accepted())?;
        put_all(&mut table, states)?;
        put_all(&mut table, rows.into_iter().flatten().copied())?;
        for (class, next) in exceptions {
            table.push(class as u8);
            put_all(&mut table, [next])?;
        }
        Some(table)
    }

    /// Chooses the rows. Each state fits one of them, with a few exceptions.
    fn shared_rows(&self) -> Vec<&[usize]> {
        let mut rows: Vec<&[usize]> = Vec::new();
        // Most states differ least from these two.
        let favourites = [self.next.first(), self.next.get(self.starts[0])].into_iter().flatten();
        for next in favourites.chain(&self.next) {
            if !rows.iter().any(|row| is_fit(row, next)) {
                rows.push(next);
            }
        }
        rows
    }
}

/// Returns the classes in which `row` differs from `next`, each with the state in `next`.
pub(super) fn differences(row: &[usize], next: &[usize]) -> impl Iterator<Item = (usize, usize)> {
    let pairs = row.iter().zip(next).enumerate();
    pairs.filter(|(_, (one, other))| one != other).map(|(class, (_, next))| (class, *next))
}

/// True if a state may use this row, and saves space by it.
pub(super) fn is_fit(row: &[usize], next: &[usize]) -> bool {
    let count = differences(row, next).count();
    count <= EXCEPTIONS_MAX
        && (count == 0 || EXCEPTION_BYTES * count < NEXT_BYTES * next.len())
        // The class of an exception takes one byte.
        && differences(row, next).all(|(class, _)| class < 1 << 8)
}
