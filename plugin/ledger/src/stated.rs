//! What the statements of a ledger come to: one rule for who writes it, who
//! verifies it, and who exports from it.

use crate::manifest::{Manifest, Statement};
use flb_audit_core::chain::ChainId;
use flb_audit_core::verify::Sealed;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// The closed segments, by number, as far as it has been stated.
#[derive(Debug, Default)]
pub struct Stated {
    chain: Option<ChainId>,
    segments: BTreeMap<u64, Segment>,
}

/// A closed segment.
#[derive(Debug)]
pub struct Segment {
    /// What it holds, or has held.
    pub manifest: Manifest,
    /// Whether a tombstone says that it was deleted.
    pub is_deleted: bool,
}

impl Stated {
    /// Nothing yet, of the ledger with this chain.
    pub(crate) fn of(chain: ChainId) -> Self {
        Stated { chain: Some(chain), segments: BTreeMap::new() }
    }

    /// Takes in the next statement, which was sealed so. False if it counts for
    /// nothing: it is not as it was sealed, it came as a record and not as a
    /// statement, it is of another chain than those before, it is a second manifest
    /// of a segment or one with a file that no segment of its number has, or it is
    /// a tombstone of a segment that is not there, or not as it says.
    pub fn add(&mut self, statement: Statement, sealed: &Sealed) -> bool {
        sealed.is_intact
            && sealed.is_statement()
            && *self.chain.get_or_insert(sealed.chain) == sealed.chain
            && self.follow(statement)
    }

    /// The same, of a statement of this chain.
    pub(crate) fn follow(&mut self, statement: Statement) -> bool {
        match statement {
            Statement::Segment(manifest) => match self.segments.entry(manifest.number) {
                // Once more, it says nothing new.
                Entry::Occupied(before) => before.get().manifest == manifest,
                Entry::Vacant(place) => {
                    let is_named = manifest.has_a_name_of_its_number();
                    if is_named {
                        place.insert(Segment { manifest, is_deleted: false });
                    }
                    is_named
                }
            },
            Statement::Deleted(tombstone) => {
                let segment = self.segments.get_mut(&tombstone.number);
                match segment.filter(|segment| !segment.is_deleted && tombstone.is_of(&segment.manifest)) {
                    Some(segment) => {
                        segment.is_deleted = true;
                        true
                    }
                    None => false,
                }
            }
        }
    }

    /// The segment of a number.
    pub fn get(&self, number: u64) -> Option<&Segment> {
        self.segments.get(&number)
    }

    /// The highest number; 0 if there is none.
    pub fn last(&self) -> u64 {
        self.segments.last_key_value().map_or(0, |(number, _)| *number)
    }

    /// All segments, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &Segment> {
        self.segments.values()
    }

    /// The same, for good.
    pub fn into_segments(self) -> impl Iterator<Item = Segment> {
        self.segments.into_values()
    }

    /// The manifests of those that were not deleted.
    pub fn kept(&self) -> impl Iterator<Item = &Manifest> {
        self.iter().filter(|segment| !segment.is_deleted).map(|segment| &segment.manifest)
    }
}
