//! The names of chains and runs, and the places of records.

use crate::hash::{Algorithm, Hash};
use crate::text::base64url::{self, is_base64url};
use core::fmt;
use core::ops::RangeInclusive;

/// The head before a chain's first record.
pub const GENESIS: Hash = [0; 32];

/// The name of a chain: twelve characters of base64url. The name of an ephemeral chain,
/// which has no state, starts with `~`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChainId([u8; 12]);

impl ChainId {
    /// Returns a name made of nine random bytes.
    pub fn from_random(random: [u8; 9]) -> Self {
        ChainId(base64url::encode(&random))
    }

    /// Returns the name of a chain without a state, made of nine random bytes.
    pub fn ephemeral(random: [u8; 9]) -> Self {
        let mut id = base64url::encode(&random);
        id[0] = b'~';
        ChainId(id)
    }

    /// Reads a name from its text in a seal.
    pub fn from_text(text: &[u8]) -> Option<Self> {
        let id: [u8; 12] = text.try_into().ok()?;
        let (first, rest) = id.split_first()?;
        ((*first == b'~' || is_base64url(first)) && rest.iter().all(is_base64url)).then_some(ChainId(id))
    }

    /// True if it is the chain of a filter without a state.
    pub fn is_ephemeral(&self) -> bool {
        self.0[0] == b'~'
    }

    /// Returns the text of the name in a seal.
    pub fn as_bytes(&self) -> &[u8; 12] {
        &self.0
    }
}

/// The name of a run: six characters of base64url. It tells apart two filters that share
/// a state by mistake, and so a segment number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Run([u8; 6]);

impl Run {
    /// The first of all names in their order.
    pub const FIRST: Run = Run(*b"------");
    /// The last of all names in their order.
    pub const LAST: Run = Run(*b"zzzzzz");

    /// Returns a name made of random bytes, of which 36 bits are used.
    pub fn from_random(random: [u8; 6]) -> Self {
        let text: [u8; 8] = base64url::encode(&random);
        let [a, b, c, d, e, f, ..] = text;
        Run([a, b, c, d, e, f])
    }

    /// Reads a name from its text in a seal.
    pub fn from_text(text: &[u8]) -> Option<Self> {
        let run: [u8; 6] = text.try_into().ok()?;
        run.iter().all(is_base64url).then_some(Run(run))
    }

    /// Returns the text of the name in a seal.
    pub fn as_bytes(&self) -> &[u8; 6] {
        &self.0
    }
}

macro_rules! show_as_text {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(core::str::from_utf8(&self.0).unwrap_or_default())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }
    };
}
show_as_text!(ChainId);
show_as_text!(Run);

/// The place of a record in its chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The number of the segment, counted from 1.
    pub segment: u64,
    /// The name of the run that has sealed the record.
    pub run: Run,
    /// The record's number in the segment, counted from 0.
    pub sequence: u64,
}

/// A chain as its writer knows it: the head, and the place of the next record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The name of the chain.
    pub id: ChainId,
    /// The chain's hash function.
    pub algorithm: Algorithm,
    /// The place of the next record.
    pub next: Place,
    /// The head before that record.
    pub head: Hash,
    /// The record of an earlier segment that this segment continues from.
    pub link: Option<Link>,
}

/// The link of a segment to the one that it continues from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Link {
    /// The last record of an earlier segment that the writer knew.
    pub place: Place,
    /// The records up to `place` that may never have been delivered.
    pub unsettled: Option<Unsettled>,
}

/// The records that may never have been delivered: those sealed within the last 10 to 20
/// seconds of activity before a stop, at most about 65,536 of a life. All records before
/// them were delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Unsettled {
    /// The first of these records.
    pub place: Place,
    /// The head before it.
    pub head: Hash,
}

impl Chain {
    /// Returns the first place without a record: the one behind the last sealed record,
    /// if there is one.
    pub fn end(&self) -> Place {
        match self.link {
            Some(link) if self.next.sequence == 0 => link.place.after(),
            _ => self.next,
        }
    }
}

impl Place {
    /// Returns the place of the next record of the same life.
    pub fn after(&self) -> Place {
        Place { sequence: self.sequence.saturating_add(1), ..*self }
    }

    /// Returns the position: the place in the chain, whichever run has sealed the record.
    pub fn position(&self) -> Position {
        Position { segment: self.segment, sequence: self.sequence }
    }

    /// Returns the life that has sealed the record, which belongs to `chain`.
    pub fn life(&self, chain: ChainId) -> Life {
        Life { chain, segment: self.segment, run: self.run }
    }
}

/// A life: one segment of a chain, written by one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Life {
    /// The chain.
    pub chain: ChainId,
    /// The number of the segment, counted from 1.
    pub segment: u64,
    /// The name of the run.
    pub run: Run,
}

impl Life {
    /// Returns the range of all lives of a chain.
    pub fn all_of(chain: ChainId) -> RangeInclusive<Life> {
        Life { chain, segment: 0, run: Run::FIRST }..=Life { chain, segment: u64::MAX, run: Run::LAST }
    }
}

/// The position of a record in a chain, whichever run has sealed it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// The number of the segment, counted from 1.
    pub segment: u64,
    /// The record's number in the segment, counted from 0.
    pub sequence: u64,
}
