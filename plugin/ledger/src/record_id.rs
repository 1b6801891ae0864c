//! The identity of a record, and sets of such ids.

use crate::tree;
use flb_audit_core::chain::Life;
use flb_audit_core::hash::Hash;
use flb_audit_core::verify::Sealed;
use sha2::{Digest, Sha256};
use std::collections::HashSet;

/// The identity of a record: two records with equal ids are the same record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RecordId {
    /// The life that the record belongs to.
    pub life: Life,
    /// The record's number in that life.
    pub sequence: u64,
    /// The record's head. For a record that is not as it was sealed: the hash of its
    /// line, so that it does not stand for the record that was sealed.
    pub head: Hash,
}

impl RecordId {
    /// Returns the id of the record on this line.
    pub fn of(sealed: &Sealed, line: &[u8]) -> Self {
        RecordId {
            life: sealed.place.life(sealed.chain),
            sequence: sealed.place.sequence,
            head: if sealed.is_intact { sealed.head } else { tree::leaf(line) },
        }
    }

    /// Returns the first 16 bytes of a hash over the id. The ids of a file's records have
    /// to fit into memory.
    fn fingerprint(&self) -> u128 {
        let mut hash = Sha256::new();
        hash.update(self.life.chain.as_bytes());
        hash.update(self.life.segment.to_le_bytes());
        hash.update(self.life.run.as_bytes());
        hash.update(self.sequence.to_le_bytes());
        hash.update(self.head);
        let hash: [u8; 32] = hash.finalize().into();
        hash.first_chunk().map_or(0, |start| u128::from_le_bytes(*start))
    }
}

/// The ids of a file's records, 16 bytes each.
#[derive(Debug, Default)]
pub(crate) struct RecordIds(HashSet<u128>);

impl RecordIds {
    /// Adds an id. Returns false if the set already has it.
    pub(crate) fn insert(&mut self, id: &RecordId) -> bool {
        self.0.insert(id.fingerprint())
    }

    pub(crate) fn contains(&self, id: &RecordId) -> bool {
        self.0.contains(&id.fingerprint())
    }
}
