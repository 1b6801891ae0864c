//! What is called how: chains, lives, places of records.

use crate::hash::{Algorithm, Hash};
use crate::text::base64url::{self, is_base64url};
use core::fmt;

/// The head before a chain's first record.
pub const GENESIS: Hash = [0; 32];

/// The name of a chain: twelve characters of base64url. That of a chain that
/// nobody remembers, because there is no state, starts with `~`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChainId([u8; 12]);

impl ChainId {
    /// A name out of nine random bytes.
    pub fn from_random(random: [u8; 9]) -> Self {
        ChainId(base64url::encode(&random))
    }

    /// The name of a chain without a state, out of nine random bytes.
    pub fn ephemeral(random: [u8; 9]) -> Self {
        let mut id = base64url::encode(&random);
        id[0] = b'~';
        ChainId(id)
    }

    /// A name as it stands in a seal.
    pub fn from_text(text: &[u8]) -> Option<Self> {
        let id: [u8; 12] = text.try_into().ok()?;
        let (first, rest) = id.split_first()?;
        ((*first == b'~' || is_base64url(first)) && rest.iter().all(is_base64url)).then_some(ChainId(id))
    }

    /// Whether it is the chain of a filter without a state.
    pub fn is_ephemeral(&self) -> bool {
        self.0[0] == b'~'
    }

    /// As it stands in a seal.
    pub fn as_bytes(&self) -> &[u8; 12] {
        &self.0
    }
}

/// The name of one life of a filter, six characters of base64url. It keeps
/// apart two filters that by mistake share a state and so a segment number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Run([u8; 6]);

impl Run {
    /// The first of all names, in their order.
    pub const FIRST: Run = Run(*b"------");

    /// A name out of random bytes, of which 36 bits are used.
    pub fn from_random(random: [u8; 6]) -> Self {
        let text: [u8; 8] = base64url::encode(&random);
        let [a, b, c, d, e, f, ..] = text;
        Run([a, b, c, d, e, f])
    }

    /// A name as it stands in a seal.
    pub fn from_text(text: &[u8]) -> Option<Self> {
        let run: [u8; 6] = text.try_into().ok()?;
        run.iter().all(is_base64url).then_some(Run(run))
    }

    /// As it stands in a seal.
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

/// Where in its chain a record stands: within segment and run, from 0 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The number of the segment: one life of a filter.
    pub segment: u64,
    /// The name of that life.
    pub run: Run,
    /// The record's number in it.
    pub sequence: u64,
}

/// A chain as its writer knows it: the head, and what the next record is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub id: ChainId,
    /// Its hash function.
    pub algorithm: Algorithm,
    /// Where the next record will stand.
    pub next: Place,
    /// The hash over all before it.
    pub head: Hash,
    /// The record of an earlier segment that this one goes on from.
    pub link: Option<Link>,
}

/// What a segment goes on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Link {
    /// The last record of an earlier segment that its writer knew.
    pub place: Place,
    /// Which records up to `place` may never have been delivered.
    pub unsettled: Option<Unsettled>,
}

/// The records that were sealed within 10 to 20 seconds of activity before a stop, and
/// no more than about 65,536 of a life: they may never have been delivered. All before
/// them were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Unsettled {
    /// The first of these records.
    pub place: Place,
    /// The head before it.
    pub head: Hash,
}

impl Chain {
    /// Returns the first place where no record stands yet: behind the last record
    /// that was sealed, if there is one.
    pub fn end(&self) -> Place {
        match self.link {
            Some(link) if self.next.sequence == 0 => link.place.after(),
            _ => self.next,
        }
    }
}

impl Place {
    /// The place of the next record of the same life.
    pub fn after(&self) -> Place {
        Place { sequence: self.sequence.saturating_add(1), ..*self }
    }

    /// The place in its chain, whichever run has sealed the record.
    pub fn position(&self) -> Position {
        Position { segment: self.segment, sequence: self.sequence }
    }

    /// The life that has sealed the record, which is of `chain`.
    pub fn life(&self, chain: ChainId) -> Life {
        Life { chain, segment: self.segment, run: self.run }
    }
}

/// One life of a filter: one segment of a chain, written by one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Life {
    /// The chain.
    pub chain: ChainId,
    /// The number of the segment, counted from 1.
    pub segment: u64,
    /// The name of the run.
    pub run: Run,
}

/// Where in a chain a record stands, whichever run has sealed it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// The number of the segment, counted from 1.
    pub segment: u64,
    /// The record's number in the segment, from 0 on.
    pub sequence: u64,
}
