//! Tells the ledger's own records in its open file from records that others have put
//! there.

use crate::batch::Entry;
use crate::manifest::{Damage, DamageKind};
use crate::tail::{Expected, Tail};
use crate::tree::Node;
use flb_audit_core::chain::{ChainId, Place};
use flb_audit_core::hash::Hash;
use std::collections::HashSet;

/// The findings about an open file, collected line by line or frame by frame.
pub(crate) struct Recovery {
    /// The ledger's own chain.
    own: ChainId,
    /// The state that the file should have. `None` if that is not known.
    expected: Option<Expected>,
    /// The last record of the own chain that the ledger has written: the one in its
    /// journal, or a later one that the file proves.
    pub(crate) last: Option<Tail>,
    /// The heads of the records of the own chain that the ledger has appended.
    pub(crate) heads: HashSet<Hash>,
    /// The place of the first line or frame that the ledger has not appended, and the
    /// number of records before it.
    foreign: Option<(u64, u64)>,
    foreign_units: u64,
    units: u64,
    /// True if an intact record of the own chain differs from the one that the ledger
    /// wrote.
    is_contradicted: bool,
}

impl Recovery {
    pub(crate) fn new(own: ChainId, expected: Option<Expected>, last: Option<Tail>) -> Self {
        let (foreign, foreign_units, units, is_contradicted) = (None, 0, 0, false);
        let heads = last.iter().map(|(_, head)| *head).collect();
        Recovery { own, expected, last, heads, foreign, foreign_units, units, is_contradicted }
    }

    /// Notes that the file has been read up to this byte, with this digest.
    pub(crate) fn reach(&mut self, bytes: u64, digest: impl FnOnce() -> Node) {
        if let Some(expected) = &mut self.expected {
            expected.reach(bytes, digest);
        }
    }

    /// Takes in the next line or frame, which begins at the byte `at`, after `before`
    /// records.
    pub(crate) fn see(&mut self, at: u64, before: u64, unit: &Node, entries: &[Entry]) {
        self.units += 1;
        let Some(expected) = &mut self.expected else {
            return;
        };
        let is_appended = expected.is_appended(at, unit);
        if is_appended == Some(false) {
            self.foreign.get_or_insert((at, before));
            self.foreign_units += 1;
        }
        for entry in entries.iter().filter(|entry| entry.prev.is_some() && entry.id.life.chain == self.own) {
            let (life, sequence, head) = (entry.id.life, entry.id.sequence, entry.id.head);
            let place = Place { segment: life.segment, run: life.run, sequence };
            match is_appended {
                Some(true) => {
                    self.last = Some((place, head));
                    self.heads.insert(head);
                }
                Some(false) => self.is_contradicted = true,
                None => {
                    let position = self.last.map(|(last, _)| last.position());
                    let is_last = self.last.is_some_and(|(last, _)| last == place);
                    self.is_contradicted |= Some(place.position()) > position
                        || is_last && self.last.is_some_and(|(_, there)| there != head);
                }
            }
        }
    }

    /// Checks that everything up to this byte was written by the ledger.
    pub(crate) fn is_clean(&self, at: u64) -> bool {
        let is_reached = |expected: &Expected| expected.is_reached() && at >= expected.bytes();
        self.expected.as_ref().is_some_and(is_reached) && self.foreign.is_none()
    }

    /// Returns the damage of a file of so many bytes. `broken` is the part that could not
    /// be read.
    pub(crate) fn judge(&self, bytes: u64, broken: Option<Damage>) -> Option<Damage> {
        let damage = |kind, at, lines, before| Some(Damage { kind, at, lines, before, after: 0 });
        if self.units == 0 && broken.is_none() {
            return None;
        }
        let Some(expected) = &self.expected else {
            return damage(DamageKind::Unknown, 0, self.units, 0);
        };
        match self.foreign {
            _ if broken.is_some() && !self.is_contradicted => broken,
            _ if bytes < expected.bytes() && !self.is_contradicted => {
                damage(DamageKind::Cut, bytes, self.units, 0)
            }
            _ if !expected.is_reached() => damage(DamageKind::Altered, 0, self.units, 0),
            Some((at, before)) => damage(DamageKind::Altered, at, self.foreign_units, before),
            None => None,
        }
    }
}
