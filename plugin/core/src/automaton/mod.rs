//! The table of a dense automaton, and the walk over it.
//!
//! `flb-audit-policy` builds the automaton with regex-automata. The table is part of a
//! longer table, in little-endian:
//!
//! | bytes | |
//! |---|---|
//! | 0..2 | number of states, N |
//! | 2..4 | number of classes of bytes; if the end of the text matters, it has a class of its own, the last |
//! | 4..6 | M, the number of accepting states; they come first, behind the dead state |
//! | 6..8 | number of accepted ids in total |
//! | 8..16 | start states: at the start of a text; within it behind a word byte, a line feed, any other byte |
//! | 16..18 | 1 if acceptance is late, else 0 |
//! | 18..20 | S, the number of accepting and sparse states; the sparse ones come behind the accepting ones |
//! | 20..22 | number of rows |
//! | 22..24 | number of exceptions |
//! | 24..280 | the class of each byte |
//! | 2 × (M + 1) | the start of each accepting state's ids in the list of ids, and the end of the list |
//! | 2 × ids | the ids |
//! | 4 × (S + 2) | cells: for the dead state, the accepting and the sparse ones: the start of a row, and the first exception; then the end of the exceptions |
//! | 2 × classes × rows | cells: the next states, by class |
//! | 3 × exceptions | a class, and the next state that replaces that of the row |
//!
//! Most states are rarely reached, and differ from another one in a few classes. These are
//! *sparse*: they share a row, and have exceptions. All others are referred to by the start of
//! their row among the cells, so that a step takes no multiplication. The dead state is 0, and
//! accepting and sparse states are referred to by their number.
//!
//! An accepting state says that a match ends behind the byte that led to it. If patterns
//! look at the byte behind a match, as `$` and `\b` do, acceptance is late: the match
//! ended before that byte, or before the end of the text.

mod compact;

pub use compact::{Compact, EXCEPTIONS_MAX};

use alloc::vec;
use alloc::vec::Vec;

/// A state, referred to by its row. 0 is the dead state, from which nothing matches any
/// more.
pub type State = u16;

/// The maximum of states times classes.
pub const TRANSITIONS_MAX: usize = 1 << 16;

const STATES_AT: usize = 0;
const CLASS_COUNT_AT: usize = 2;
const ACCEPTING_AT: usize = 4;
const IDS_AT: usize = 6;
const STARTS_AT: [usize; 4] = [8, 10, 12, 14];
const IS_LATE_AT: usize = 16;
/// The number of bytes that the tables of both kinds of automata have in common at the
/// start.
const COMMON_BYTES: usize = 18;
const SPECIAL_AT: usize = COMMON_BYTES;
const ROWS_AT: usize = 20;
const EXCEPTIONS_AT: usize = 22;
const HEADER_BYTES: usize = 24 + 256;
/// The length of an exception, in bytes.
const EXCEPTION_BYTES: usize = 3;
/// The number of bytes after which states may be sparse. Texts rarely get so far into a pattern.
const SPARSE_DEPTH_MIN: usize = 4;

/// A dense automaton, in the form of its table.
#[derive(Clone, Copy, Debug)]
pub struct Automaton<'a> {
    classes: &'a [u8; 256],
    cells: &'a [[u8; 2]],
    exceptions: &'a [[u8; EXCEPTION_BYTES]],
    stride: usize,
    /// The last accepting state, and the last sparse one.
    accepting_max: State,
    sparse_max: State,
    is_late: bool,
    starts: Starts,
    accepted: Accepted<'a>,
}

impl<'a> Automaton<'a> {
    /// Reads the automaton at the start of `table`. Returns it and the rest of the table,
    /// or `None` if the table is shorter than it says.
    pub fn read(table: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (header, rest) = table.split_first_chunk::<HEADER_BYTES>()?;
        let number = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
        let (stride, accepting) = (number(CLASS_COUNT_AT) as usize, number(ACCEPTING_AT) as usize);
        let (offsets, rest) = rest.split_at_checked(2 * (accepting + 1))?;
        let (ids, rest) = rest.split_at_checked(2 * number(IDS_AT) as usize)?;
        let cells = first_row(number(SPECIAL_AT)) + stride * number(ROWS_AT) as usize;
        let (cells, rest) = rest.split_at_checked(2 * cells)?;
        let (exceptions, rest) = rest.split_at_checked(EXCEPTION_BYTES * number(EXCEPTIONS_AT) as usize)?;
        let automaton = Automaton {
            classes: header[24..].first_chunk()?,
            cells: cells.as_chunks().0,
            exceptions: exceptions.as_chunks().0,
            stride,
            accepting_max: number(ACCEPTING_AT),
            sparse_max: number(SPECIAL_AT),
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
    #[inline(always)]
    pub fn step(&self, state: State, byte: u8) -> State {
        self.next(state, self.classes[byte as usize] as usize)
    }

    /// Steps through `text` until a special state. Returns the state and the number of
    /// bytes read. If there is no special state, it reads all of `text`.
    pub fn run(&self, state: State, text: &[u8]) -> (State, usize) {
        let (mut state, mut at) = (state, 0);
        loop {
            if state > self.sparse_max {
                let (next, len) = self.run_dense(state, text.get(at..).unwrap_or_default());
                (state, at) = (next, at + len);
            } else {
                let Some(&byte) = text.get(at) else { return (state, at) };
                (state, at) = (self.step(state, byte), at + 1);
            }
            if self.is_special(state) || at >= text.len() {
                return (state, at);
            }
        }
    }

    /// Steps through `text` until a state without a row of its own.
    #[inline(never)]
    fn run_dense(&self, state: State, text: &[u8]) -> (State, usize) {
        let Automaton { classes, cells, sparse_max, .. } = *self;
        let sparse_max = sparse_max as usize;
        let step = |state: usize, byte: u8| match cells.get(state + classes[byte as usize] as usize) {
            Some(next) => u16::from_le_bytes(*next) as usize,
            None => 0,
        };
        let mut state = state as usize;
        let (chunks, rest) = text.as_chunks::<8>();
        let mut at = 0;
        // The loop is unrolled: an interpreter pays for every instruction of a loop.
        for chunk in chunks {
            macro_rules! steps {
                ($($ahead:literal)*) => {
                    $(
                        state = step(state, chunk[$ahead]);
                        if state <= sparse_max {
                            return (state as State, at + $ahead + 1);
                        }
                    )*
                };
            }
            steps!(0 1 2 3 4 5 6 7);
            at += chunk.len();
        }
        for &byte in rest {
            state = step(state, byte);
            at += 1;
            if state <= sparse_max {
                break;
            }
        }
        (state as State, at)
    }

    /// Returns the state that the end of the text leads to. If acceptance is not late,
    /// that is the dead state.
    pub fn step_end(&self, state: State) -> State {
        if self.is_late { self.next(state, self.stride.wrapping_sub(1)) } else { 0 }
    }

    /// Returns the number of bytes between the end of a match and its acceptance: 0, or 1
    /// if acceptance is late.
    pub fn lateness(&self) -> usize {
        self.is_late.into()
    }

    #[inline(always)]
    fn next(&self, state: State, class: usize) -> State {
        if state <= self.sparse_max {
            return self.next_of_sparse(state, class);
        }
        self.cell(state as usize + class)
    }

    #[inline(always)]
    fn cell(&self, at: usize) -> u16 {
        self.cells.get(at).map_or(0, |cell| u16::from_le_bytes(*cell))
    }

    #[inline(never)]
    fn next_of_sparse(&self, state: State, class: usize) -> State {
        let at = 2 * state as usize;
        let (from, to) = (self.cell(at + 1) as usize, self.cell(at + 3) as usize);
        for [exception, next @ ..] in self.exceptions.get(from..to).unwrap_or_default() {
            if *exception as usize == class {
                return u16::from_le_bytes(*next);
            }
        }
        if state == 0 { 0 } else { self.cell(self.cell(at) as usize + class) }
    }

    /// True if the state is the dead one or accepts something.
    #[inline(always)]
    pub fn is_special(&self, state: State) -> bool {
        state <= self.accepting_max
    }

    /// True if the state accepts something.
    #[inline(always)]
    pub fn is_accepting(&self, state: State) -> bool {
        self.is_special(state) && state != 0
    }

    /// Returns the ids that `state` accepts.
    pub fn accepted(&self, state: State) -> impl Iterator<Item = u16> + 'a {
        self.accepted.of(state.into())
    }

    /// Checks whether the automaton finds anything in a text.
    pub fn is_match(&self, text: impl IntoIterator<Item = u8>) -> bool {
        let mut state = self.start(None);
        let mut text = text.into_iter();
        while !self.is_special(state) {
            state = match text.next() {
                Some(byte) => self.step(state, byte),
                None => return self.is_accepting(self.step_end(state)),
            };
        }
        state != 0
    }

    /// Checks that every state that the table refers to exists. A table from an unknown
    /// source is checked before it is used.
    pub fn is_sound(&self) -> bool {
        let first_row = first_row(self.sparse_max);
        let is_row = |cell: u16| {
            let at = (cell as usize).checked_sub(first_row);
            at.is_some_and(|at| at.checked_rem(self.stride) == Some(0))
                && cell as usize + self.stride <= self.cells.len()
        };
        let is_state = |state: u16| state <= self.sparse_max || is_row(state);
        let is_sparse = |state: u16| {
            let at = 2 * state as usize;
            let (from, to) = (self.cell(at + 1) as usize, self.cell(at + 3) as usize);
            (state == 0 || is_row(self.cell(at)))
                && from <= to
                && to <= (from + EXCEPTIONS_MAX).min(self.exceptions.len())
        };
        self.accepting_max <= self.sparse_max
            && (0..=self.sparse_max).all(is_sparse)
            && self.classes.iter().all(|&class| (class as usize) + self.lateness() < self.stride)
            && self.cells.iter().skip(first_row).all(|next| is_state(u16::from_le_bytes(*next)))
            && self.exceptions.iter().all(|[_, next @ ..]| is_state(u16::from_le_bytes(*next)))
            && self.starts.0.iter().all(|&start| is_state(start))
    }
}

/// An automaton in memory. Its states are in the order of a table: the dead one, the
/// accepting ones, all others.
#[derive(Clone, Debug)]
pub struct States {
    /// The start states, in the order of the table.
    pub starts: [usize; 4],
    /// The class of each of the 256 bytes.
    pub classes: Vec<usize>,
    /// The next states, by class. If acceptance is late, the last class is the end of the
    /// text.
    pub next: Vec<Vec<usize>>,
    /// The accepted ids of each accepting state.
    pub accepts: Vec<Vec<u16>>,
    /// True if a state accepts a match that ended before the last byte.
    pub is_late: bool,
}

impl States {
    /// Writes the dense table: a row for each state that texts often reach. Returns `None` if
    /// there are more than [`TRANSITIONS_MAX`] transitions.
    pub fn write_dense(&self) -> Option<Vec<u8>> {
        let stride = self.class_count();
        if self.next.len() * stride > TRANSITIONS_MAX {
            return None;
        }
        let accepting = 1..self.accepts.len() + 1;
        let depths = self.depths();
        let is_deep = |state: &usize| depths[*state] >= SPARSE_DEPTH_MIN;
        let (deep, shallow): (Vec<usize>, Vec<usize>) = (accepting.end..self.next.len()).partition(is_deep);
        let mut rows: Vec<&[usize]> = shallow.iter().map(|state| &*self.next[*state]).collect();
        // Each state with its row. A state that fits no row gets one.
        let mut dense: Vec<(usize, usize)> = shallow.into_iter().zip(0..).collect();
        let mut special = Vec::from([(0, 0)]);
        for state in accepting.chain(deep) {
            let next = &self.next[state];
            let fitting = rows.iter().enumerate().filter(|(_, row)| compact::is_fit(row, next));
            let best = fitting.min_by_key(|(_, row)| compact::differences(row, next).count());
            match best.map(|(row, _)| row) {
                Some(row) => special.push((state, row)),
                None => {
                    let is_accepting = state <= self.accepts.len();
                    if is_accepting { &mut special } else { &mut dense }.push((state, rows.len()));
                    rows.push(next);
                }
            }
        }
        let first_row = first_row(u16::try_from(special.len() - 1).ok()?);
        let mut names = vec![0; self.next.len()];
        special.iter().enumerate().for_each(|(number, (state, _))| names[*state] = number);
        dense.iter().for_each(|(state, row)| names[*state] = first_row + row * stride);

        let mut exceptions = Vec::new();
        let mut cells = Vec::new();
        for (state, row) in &special {
            cells.extend([first_row + row * stride, exceptions.len()]);
            if *state > 0 {
                exceptions.extend(compact::differences(rows[*row], &self.next[*state]));
            }
        }
        cells.extend([first_row, exceptions.len()]);
        let mut table = self.header(|state| names[state])?;
        put_all(&mut table, [special.len() - 1, rows.len(), exceptions.len()])?;
        table.extend(self.classes.iter().map(|class| *class as u8));
        put_all(&mut table, self.accepted())?;
        put_all(&mut table, cells)?;
        put_all(&mut table, rows.into_iter().flatten().map(|state| names[*state]))?;
        for (class, next) in exceptions {
            table.push(class as u8);
            put_all(&mut table, [names[next]])?;
        }
        Some(table)
    }

    /// Returns the number of bytes that it takes to get to each state.
    fn depths(&self) -> Vec<usize> {
        let mut depths = vec![usize::MAX; self.next.len()];
        let mut reached = self.starts.to_vec();
        reached.iter().for_each(|state| depths[*state] = 0);
        let mut at = 0;
        while let Some(&state) = reached.get(at) {
            for &next in &self.next[state] {
                if depths[next] == usize::MAX {
                    depths[next] = depths[state] + 1;
                    reached.push(next);
                }
            }
            at += 1;
        }
        depths
    }

    fn class_count(&self) -> usize {
        self.next.first().map_or(0, Vec::len)
    }

    /// Returns the common bytes at the start of a table. States are referred to by their names.
    fn header(&self, name: impl Fn(usize) -> usize) -> Option<Vec<u8>> {
        let mut header = Vec::from([0; COMMON_BYTES]);
        let ids = self.accepts.iter().map(Vec::len).sum();
        let counts = [
            (STATES_AT, self.next.len()),
            (CLASS_COUNT_AT, self.class_count()),
            (ACCEPTING_AT, self.accepts.len()),
            (IDS_AT, ids),
            (IS_LATE_AT, self.is_late.into()),
        ];
        let starts = STARTS_AT.into_iter().zip(self.starts.map(name));
        for (at, number) in counts.into_iter().chain(starts) {
            header[at..at + 2].copy_from_slice(&u16::try_from(number).ok()?.to_le_bytes());
        }
        Some(header)
    }

    /// Returns the start of each accepting state's ids in the list of ids, then the end
    /// of the list, then the ids.
    fn accepted(&self) -> impl Iterator<Item = usize> {
        let ends = self.accepts.iter().scan(0, |end, accepts| {
            *end += accepts.len();
            Some(*end)
        });
        [0].into_iter().chain(ends).chain(self.accepts.iter().flatten().map(|id| (*id).into()))
    }
}

/// Returns the place of the first row among the cells.
fn first_row(sparse_max: State) -> usize {
    2 * (sparse_max as usize + 2)
}

/// Appends numbers of 16 bits. Returns `None` if one is larger.
fn put_all(table: &mut Vec<u8>, numbers: impl IntoIterator<Item = usize>) -> Option<()> {
    for number in numbers {
        table.extend(u16::try_from(number).ok()?.to_le_bytes());
    }
    Some(())
}

/// The start states: at the start of a text; within it behind a word byte, a line feed,
/// any other byte.
#[derive(Clone, Copy, Debug)]
struct Starts([State; 4]);

impl Starts {
    fn behind(&self, before: Option<u8>) -> State {
        let Starts([at_the_start, behind_word, behind_line, behind_other]) = *self;
        match before {
            None => at_the_start,
            Some(b'\n') => behind_line,
            Some(byte) if byte.is_ascii_alphanumeric() || byte == b'_' => behind_word,
            Some(_) => behind_other,
        }
    }
}

/// The ids of accepting states, which are numbered from 1 on.
#[derive(Clone, Copy, Debug)]
struct Accepted<'a> {
    offsets: &'a [[u8; 2]],
    ids: &'a [[u8; 2]],
}

impl<'a> Accepted<'a> {
    fn of(&self, number: usize) -> impl Iterator<Item = u16> + 'a {
        let offset =
            |index: usize| self.offsets.get(index).map(|offset| u16::from_le_bytes(*offset) as usize);
        let range = number.checked_sub(1).and_then(|index| offset(index).zip(offset(index + 1)));
        let ids = range.and_then(|(start, end)| self.ids.get(start..end)).unwrap_or_default();
        ids.iter().map(|id| u16::from_le_bytes(*id))
    }
}
