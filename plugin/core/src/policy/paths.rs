//! The table of a policy's paths, and walking it: which rule, or `keep`, is for
//! which value.
//!
//! A path is a sequence of steps: into a member, into an element of an array,
//! into the JSON that a string holds. The paths of a policy are one automaton
//! over steps, little-endian:
//!
//! | bytes | |
//! |---|---|
//! | 0..2 | number of states |
//! | 2..4 | number of edges |
//! | 4..8 | length of the keys, in bytes |
//! | 16 × states | what a state says, below |
//! | 16 × edges | a key, and the state that it leads to, below |
//! | | the keys |
//!
//! | bytes | state |
//! |---|---|
//! | 0..2 | verdict: 2¹⁶−1 nothing, 2¹⁶−2 keep, 2¹⁶−3 opaque, or the number of a rule |
//! | 2..4, 4..6 | its first edge, and how many it has, sorted by key |
//! | 6..8, 8..10, 10..12 | the state that any other key leads to, an element, JSON in a string |
//! | 12..14 | the state whose edges are looked at where it has none for a key, or 0 |
//! | 14..16 | zero |
//!
//! From state 0 nothing matches. Its edges are no steps: they are keys of which
//! every path that a rule is for leads over one; all keys, if there is a path
//! without.
//!
//! | bytes | edge |
//! |---|---|
//! | 0..8 | the key's first eight bytes, filled up with zeros; compared as one big-endian number, then the rest |
//! | 8..12 | where in the keys it is |
//! | 12..14 | its length, in bytes |
//! | 14..16 | the state that it leads to |

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cmp::Ordering;

/// A state of the walk; 0 is the one from which no path matches any more.
pub type PathState = u16;

/// Where every walk starts.
pub const START: PathState = 1;

/// What is said of the value at which a walk has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    None,
    /// It stays, and what is in it, but for secrets.
    Keep,
    /// It stays, and what is in it, and nothing looks at it.
    Opaque,
    /// This rule is for it.
    Rule(u16),
}

/// [`Verdict::None`], in a table.
const VERDICT_NONE: u16 = u16::MAX;
/// [`Verdict::Keep`], in a table.
const VERDICT_KEEP: u16 = u16::MAX - 1;
/// [`Verdict::Opaque`], in a table.
const VERDICT_OPAQUE: u16 = u16::MAX - 2;
/// The length of a state and of an edge, in bytes.
const ENTRY_BYTES: usize = 16;

// Where a state has its halves.
const VERDICT_AT: usize = 0;
const FIRST_EDGE_AT: usize = 2;
const EDGES_AT: usize = 4;
const OTHER_AT: usize = 6;
const ELEMENT_AT: usize = 8;
const JSON_AT: usize = 10;
const FALLBACK_AT: usize = 12;

// Where an edge has its parts, behind the first bytes of its key.
const KEY_AT: usize = 8;
const KEY_LEN_AT: usize = 12;
const NEXT_AT: usize = 14;

/// The paths of a policy, as they stand in its table.
#[derive(Clone, Copy, Debug)]
pub struct Paths<'a> {
    states: &'a [[u8; ENTRY_BYTES]],
    edges: &'a [[u8; ENTRY_BYTES]],
    keys: &'a [u8],
}

fn half(entry: &[u8; ENTRY_BYTES], at: usize) -> u16 {
    u16::from_le_bytes([entry[at], entry[at + 1]])
}

impl<'a> Paths<'a> {
    /// The paths at the start of `table`; none if it is shorter than it says.
    pub fn read(table: &'a [u8]) -> Option<Self> {
        let (&[a, b, c, d, len @ ..], rest) = table.split_first_chunk::<8>()?;
        let states = ENTRY_BYTES * u16::from_le_bytes([a, b]) as usize;
        let edges = ENTRY_BYTES * u16::from_le_bytes([c, d]) as usize;
        let (states, rest) = rest.split_at_checked(states)?;
        let (edges, rest) = rest.split_at_checked(edges)?;
        let keys = rest.get(..u32::from_le_bytes(len) as usize)?;
        Some(Paths { states: states.as_chunks().0, edges: edges.as_chunks().0, keys })
    }

    /// What is said of the value at which the walk has come.
    pub fn verdict(&self, state: PathState) -> Verdict {
        match self.states.get(state as usize).map_or(VERDICT_NONE, |entry| half(entry, VERDICT_AT)) {
            VERDICT_NONE => Verdict::None,
            VERDICT_KEEP => Verdict::Keep,
            VERDICT_OPAQUE => Verdict::Opaque,
            rule => Verdict::Rule(rule),
        }
    }

    /// Into the member of this key, without quotes and escapes.
    pub fn member(&self, state: PathState, key: &[u8]) -> PathState {
        let Some(entry) = self.states.get(state as usize).filter(|_| state != 0) else {
            return 0;
        };
        let fallback = half(entry, FALLBACK_AT);
        let found = self.edge(state, key);
        let found = if found.is_none() && fallback != 0 { self.edge(fallback, key) } else { found };
        found.unwrap_or(half(entry, OTHER_AT))
    }

    /// Whether the path of a rule may lead over this key.
    pub fn is_watched(&self, key: &[u8]) -> bool {
        self.are_all_watched() || self.edge(0, key).is_some()
    }

    /// Whether there are paths that a rule is for.
    pub fn have_rules(&self) -> bool {
        self.are_all_watched() || self.states.first().is_some_and(|entry| half(entry, EDGES_AT) > 0)
    }

    fn are_all_watched(&self) -> bool {
        self.states.first().is_some_and(|entry| half(entry, OTHER_AT) != 0)
    }

    /// The state that an edge of `state` leads to, if it has one for the key.
    fn edge(&self, state: PathState, key: &[u8]) -> Option<PathState> {
        let entry = self.states.get(state as usize)?;
        let first = half(entry, FIRST_EDGE_AT) as usize;
        let edges = self.edges.get(first..first + half(entry, EDGES_AT) as usize).unwrap_or_default();
        let prefix = prefix(key);
        let (mut low, mut high) = (0, edges.len());
        while low < high {
            let middle = (low + high) / 2;
            let edge = &edges[middle];
            let order = match u64::from_be_bytes([
                edge[0], edge[1], edge[2], edge[3], edge[4], edge[5], edge[6], edge[7],
            ])
            .cmp(&prefix)
            {
                Ordering::Equal => self.key(edge).cmp(key),
                order => order,
            };
            match order {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return Some(half(edge, NEXT_AT)),
            }
        }
        None
    }

    /// Into an element of an array.
    pub fn element(&self, state: PathState) -> PathState {
        self.states.get(state as usize).map_or(0, |entry| half(entry, ELEMENT_AT))
    }

    /// Into the JSON that a string holds.
    pub fn json(&self, state: PathState) -> PathState {
        self.states.get(state as usize).map_or(0, |entry| half(entry, JSON_AT))
    }

    fn key(&self, edge: &[u8; ENTRY_BYTES]) -> &'a [u8] {
        let start =
            u32::from_le_bytes([edge[KEY_AT], edge[KEY_AT + 1], edge[KEY_AT + 2], edge[KEY_AT + 3]]) as usize;
        self.keys.get(start..start.saturating_add(half(edge, KEY_LEN_AT) as usize)).unwrap_or_default()
    }

    /// Whether every state and rule that the table leads to is there.
    pub fn is_sound(&self, rules: usize) -> bool {
        let is_state = |state: u16| (state as usize) < self.states.len();
        let is_sound = |entry: &[u8; ENTRY_BYTES]| {
            (half(entry, VERDICT_AT) >= VERDICT_OPAQUE || (half(entry, VERDICT_AT) as usize) < rules)
                && half(entry, FIRST_EDGE_AT) as usize + half(entry, EDGES_AT) as usize <= self.edges.len()
                && [OTHER_AT, ELEMENT_AT, JSON_AT, FALLBACK_AT]
                    .into_iter()
                    .all(|at| is_state(half(entry, at)))
        };
        self.states.len() > START as usize
            && self.states.iter().all(is_sound)
            && self.edges.iter().all(|edge| is_state(half(edge, NEXT_AT)))
    }
}

/// A state of the automaton in memory.
#[derive(Clone, Debug)]
pub struct State {
    /// What is said of the value.
    pub verdict: Verdict,
    /// The state that each key leads to.
    pub members: BTreeMap<Vec<u8>, PathState>,
    /// The state that any other key leads to.
    pub other: PathState,
    /// The state that an element leads to.
    pub element: PathState,
    /// The state that JSON in a string leads to.
    pub json: PathState,
    /// The state whose members are looked at where this one has none, or 0.
    pub fallback: PathState,
}

/// Writes the table of these states. Returns none if their numbers, or the
/// length of a key, take more than 16 bits.
pub fn write(states: &[State]) -> Option<Vec<u8>> {
    let (mut entries, mut edges, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    // A key of several states stands there once.
    let mut places: BTreeMap<&[u8], u32> = BTreeMap::new();
    for state in states {
        let verdict = match state.verdict {
            Verdict::None => VERDICT_NONE,
            Verdict::Keep => VERDICT_KEEP,
            Verdict::Opaque => VERDICT_OPAQUE,
            Verdict::Rule(rule) => rule,
        };
        let mut entry = [0; ENTRY_BYTES];
        for (at, half) in [
            (VERDICT_AT, verdict),
            (FIRST_EDGE_AT, u16::try_from(edges.len() / ENTRY_BYTES).ok()?),
            (EDGES_AT, u16::try_from(state.members.len()).ok()?),
            (OTHER_AT, state.other),
            (ELEMENT_AT, state.element),
            (JSON_AT, state.json),
            (FALLBACK_AT, state.fallback),
        ] {
            entry[at..at + 2].copy_from_slice(&half.to_le_bytes());
        }
        entries.extend(entry);
        for (key, next) in &state.members {
            let place = *places.entry(key).or_insert_with(|| {
                keys.extend(key);
                (keys.len() - key.len()) as u32
            });
            edges.extend(prefix(key).to_be_bytes());
            edges.extend(place.to_le_bytes());
            edges.extend(u16::try_from(key.len()).ok()?.to_le_bytes());
            edges.extend(next.to_le_bytes());
        }
    }
    let count = |entries: &[u8]| Some(u16::try_from(entries.len() / ENTRY_BYTES).ok()?.to_le_bytes());
    let mut table = [count(&entries)?, count(&edges)?].concat();
    table.extend((keys.len() as u32).to_le_bytes());
    table.extend([entries, edges, keys].concat());
    Some(table)
}

/// A key's first eight bytes as one number, in their order.
fn prefix(key: &[u8]) -> u64 {
    if let Some(eight) = key.first_chunk() {
        return u64::from_be_bytes(*eight);
    }
    let mut bytes = [0; 8];
    bytes[..key.len()].copy_from_slice(key);
    u64::from_be_bytes(bytes)
}
