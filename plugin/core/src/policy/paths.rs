//! The table of a policy's paths, and the walk over it: it tells which rule, or `keep`,
//! applies to a value.
//!
//! A path is a sequence of steps: into a member, into an element of an array, into the
//! JSON in a string. The paths of a policy are one automaton over steps, in
//! little-endian:
//!
//! | bytes | |
//! |---|---|
//! | 0..2 | number of states |
//! | 2..4 | number of edges |
//! | 4..6 | number of rows of starts |
//! | 6..8 | number of variants, the length of each row |
//! | 8..10 | number of ways on |
//! | 8 × states | the statement of each state, below |
//! | 8 × ways on | the states for any other key, for an element, for JSON in a string; then the fallback, the state whose edges are tried if this one has none for a key, or 0 |
//! | 4 × edges | the number of a key in the [`Dictionary`](crate::recognize::Dictionary), and the state that it leads to |
//! | 2 × variants × rows | the state in which the walk over a record of a variant starts: row 0 is for the record that came in, the other rows are for records within it |
//!
//! | bytes | state |
//! |---|---|
//! | 0..2 | ruling: 2¹⁶−1 nothing, 2¹⁶−2 keep, 2¹⁶−3 opaque, 2¹⁶−4 a mention; from 2¹⁶−5 downwards a record whose start is in row 1, 2 and so on; else the number of a rule |
//! | 2..4, 4..6 | its first edge, and the number of its edges, which are sorted by key |
//! | 6..8 | its way on, for steps that none of its edges takes |
//!
//! From state 0 nothing matches. Its edges are not steps but the watched keys: every path
//! with a rule passes through one of them. If a path with a rule has no such key, all
//! keys are watched.

use crate::recognize::{KeyNumber, Variant};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// A state of the walk. 0 is the state from which no path matches any more.
pub type PathState = u16;

/// The statement on the value that a walk has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ruling {
    /// No path says anything about the value.
    None,
    /// The value and everything in it stays, except for secrets.
    Keep,
    /// The value and everything in it stays, and nothing looks at it.
    Opaque,
    /// The value is a text that mentions the actor: an address stays at a place for the actor.
    Mention,
    /// The value, if it is an object, is a record within a record. Its walk starts by
    /// this row.
    Record(u8),
    /// This rule applies to the value.
    Rule(u16),
}

/// [`Ruling::None`], in a table.
const RULING_NONE: u16 = u16::MAX;
/// [`Ruling::Keep`], in a table.
const RULING_KEEP: u16 = u16::MAX - 1;
/// [`Ruling::Opaque`], in a table.
const RULING_OPAQUE: u16 = u16::MAX - 2;
/// [`Ruling::Mention`], in a table.
const RULING_MENTION: u16 = u16::MAX - 3;
/// [`Ruling::Record`] of row 1, in a table. The other rows are below.
const RULING_RECORD: u16 = u16::MAX - 4;
/// The maximum number of rows.
pub const ROWS_MAX: usize = 256;
/// The smallest number that stands for a record.
const RULING_RECORD_LAST: u16 = RULING_RECORD - (ROWS_MAX as u16 - 2);
const STATE_BYTES: usize = 8;
const EDGE_BYTES: usize = 4;
const HEADER_BYTES: usize = 10;
/// The maximum number of states that are searched for an edge: a state, its fallback, and
/// so on.
const FALLBACKS_MAX: usize = 6;

// The places of a state's halves.
const RULING_AT: usize = 0;
const FIRST_EDGE_AT: usize = 2;
const EDGES_AT: usize = 4;
const WAY_AT: usize = 6;

// The places of a way's halves.
const OTHER_AT: usize = 0;
const ELEMENT_AT: usize = 2;
const JSON_AT: usize = 4;
const FALLBACK_AT: usize = 6;

/// The paths of a policy, in the form of their table.
#[derive(Clone, Copy, Debug)]
pub struct Paths<'a> {
    states: &'a [[u8; STATE_BYTES]],
    ways: &'a [[u8; STATE_BYTES]],
    edges: &'a [[u8; EDGE_BYTES]],
    starts: &'a [[u8; 2]],
    variants: usize,
}

fn half(entry: &[u8; STATE_BYTES], at: usize) -> u16 {
    u16::from_le_bytes([entry[at], entry[at + 1]])
}

impl<'a> Paths<'a> {
    /// Reads the paths at the start of `table`. Returns `None` if the table is shorter
    /// than it says.
    pub fn read(table: &'a [u8]) -> Option<Self> {
        let (header, rest) = table.split_first_chunk::<HEADER_BYTES>()?;
        let count = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]) as usize;
        let (states, rest) = rest.split_at_checked(STATE_BYTES * count(0))?;
        let (ways, rest) = rest.split_at_checked(STATE_BYTES * count(8))?;
        let (edges, rest) = rest.split_at_checked(EDGE_BYTES * count(2))?;
        let starts = rest.get(..2 * count(4) * count(6))?;
        Some(Paths {
            states: states.as_chunks().0,
            ways: ways.as_chunks().0,
            edges: edges.as_chunks().0,
            starts: starts.as_chunks().0,
            variants: count(6),
        })
    }

    /// Returns the state in which the walk over a record of a variant starts.
    pub fn start(&self, row: u8, variant: Variant) -> PathState {
        let start = self.starts.get(usize::from(row) * self.variants + usize::from(variant));
        start.map_or(0, |start| u16::from_le_bytes(*start))
    }

    /// Returns the statement on the value that the walk has reached.
    pub fn ruling(&self, state: PathState) -> Ruling {
        match self.states.get(state as usize).map_or(RULING_NONE, |entry| half(entry, RULING_AT)) {
            RULING_NONE => Ruling::None,
            RULING_KEEP => Ruling::Keep,
            RULING_OPAQUE => Ruling::Opaque,
            RULING_MENTION => Ruling::Mention,
            record @ RULING_RECORD_LAST.. => Ruling::Record((RULING_RECORD - record) as u8 + 1),
            rule => Ruling::Rule(rule),
        }
    }

    /// Steps into the member with this key.
    #[inline(never)]
    pub fn member(&self, state: PathState, key: KeyNumber) -> PathState {
        let mut at = state;
        for _ in 0..FALLBACKS_MAX {
            if at == 0 {
                break;
            }
            if let Some(next) = self.edge(at, key) {
                return next;
            }
            at = self.way(at, FALLBACK_AT);
        }
        if state == 0 { 0 } else { self.way(state, OTHER_AT) }
    }

    /// Returns a part of a state's way on.
    fn way(&self, state: PathState, at: usize) -> PathState {
        let way =
            self.states.get(state as usize).and_then(|entry| self.ways.get(half(entry, WAY_AT) as usize));
        way.map_or(0, |way| half(way, at))
    }

    /// Says whether the path of a rule may lead over this key.
    pub fn is_watched(&self, key: KeyNumber) -> bool {
        self.are_all_watched() || self.edge(0, key).is_some()
    }

    fn are_all_watched(&self) -> bool {
        self.way(0, OTHER_AT) != 0
    }

    /// Returns the state that the edge of `state` for this key leads to, if there is one.
    fn edge(&self, state: PathState, key: KeyNumber) -> Option<PathState> {
        let entry = self.states.get(state as usize)?;
        let first = half(entry, FIRST_EDGE_AT) as usize;
        let edges = self.edges.get(first..first + half(entry, EDGES_AT) as usize).unwrap_or_default();
        let (mut low, mut high) = (0, edges.len());
        while low < high {
            let middle = (low + high) / 2;
            let [a, b, c, d] = edges[middle];
            let found = u16::from_le_bytes([a, b]);
            if found == key {
                return Some(u16::from_le_bytes([c, d]));
            }
            if found < key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        None
    }

    /// Steps into an element of an array.
    pub fn element(&self, state: PathState) -> PathState {
        self.way(state, ELEMENT_AT)
    }

    /// Steps into the JSON in a string.
    pub fn json(&self, state: PathState) -> PathState {
        self.way(state, JSON_AT)
    }

    /// Checks that every state and rule that the table refers to exists.
    pub fn is_sound(&self, rules: usize, variants: usize) -> bool {
        let is_state = |state: u16| (state as usize) < self.states.len();
        let rows = self.starts.len().checked_div(self.variants).unwrap_or_default();
        let is_sound = |entry: &[u8; STATE_BYTES]| {
            let is_verdict = match half(entry, RULING_AT) {
                RULING_MENTION.. => true,
                record @ RULING_RECORD_LAST.. => usize::from(RULING_RECORD - record) + 1 < rows,
                rule => usize::from(rule) < rules,
            };
            is_verdict
                && half(entry, FIRST_EDGE_AT) as usize + half(entry, EDGES_AT) as usize <= self.edges.len()
                && (half(entry, WAY_AT) as usize) < self.ways.len()
        };
        let is_way = |way: &[u8; STATE_BYTES]| {
            [OTHER_AT, ELEMENT_AT, JSON_AT, FALLBACK_AT].into_iter().all(|at| is_state(half(way, at)))
        };
        self.variants == variants
            && rows > 0
            && self.states.iter().all(is_sound)
            && self.ways.iter().all(is_way)
            && self.edges.iter().all(|&[_, _, c, d]| is_state(u16::from_le_bytes([c, d])))
            && self.starts.iter().all(|start| is_state(u16::from_le_bytes(*start)))
    }
}

/// A state of the automaton in memory.
#[derive(Clone, Debug)]
pub struct State {
    /// The statement on the value.
    pub ruling: Ruling,
    /// The state that each key leads to.
    pub members: BTreeMap<KeyNumber, PathState>,
    /// The state that any other key leads to.
    pub other: PathState,
    /// The state that an element leads to.
    pub element: PathState,
    /// The state that JSON in a string leads to.
    pub json: PathState,
    /// The state whose members are tried if this one does not have a key, or 0.
    pub fallback: PathState,
}

/// Writes the table of these states and of rows of starts, which must have equal lengths.
/// Returns `None` if a number takes more than 16 bits.
pub fn write(states: &[State], rows: &[Vec<PathState>]) -> Option<Vec<u8>> {
    let (mut entries, mut edges) = (Vec::new(), Vec::new());
    // States with equal ways on share one.
    let (mut ways, mut known) = (Vec::new(), BTreeMap::new());
    for state in states {
        let ruling = match state.ruling {
            Ruling::None => RULING_NONE,
            Ruling::Keep => RULING_KEEP,
            Ruling::Opaque => RULING_OPAQUE,
            Ruling::Mention => RULING_MENTION,
            Ruling::Record(row) => RULING_RECORD - (u16::from(row) - 1),
            Ruling::Rule(rule) => rule,
        };
        let way_on = [state.other, state.element, state.json, state.fallback];
        let way = *known.entry(way_on).or_insert_with(|| {
            ways.push(way_on);
            ways.len() - 1
        });
        for half in [
            ruling,
            u16::try_from(edges.len() / EDGE_BYTES).ok()?,
            u16::try_from(state.members.len()).ok()?,
            u16::try_from(way).ok()?,
        ] {
            entries.extend(half.to_le_bytes());
        }
        for (key, next) in &state.members {
            edges.extend(key.to_le_bytes());
            edges.extend(next.to_le_bytes());
        }
    }
    let mut table: Vec<u8> = Vec::new();
    let variants = rows.first().map_or(0, Vec::len);
    for count in [entries.len() / STATE_BYTES, edges.len() / EDGE_BYTES, rows.len(), variants, ways.len()] {
        table.extend(u16::try_from(count).ok()?.to_le_bytes());
    }
    table.extend(entries);
    table.extend(ways.iter().flatten().flat_map(|state| state.to_le_bytes()));
    table.extend(edges);
    table.extend(rows.iter().flatten().flat_map(|start| start.to_le_bytes()));
    Some(table)
}
