//! The data of a seal, once it has been checked.

use crate::chain::id::{ChainId, Link, Place};
use crate::hash::{Algorithm, Hash};
use crate::policy::DIGEST_TEXT_BYTES;
use crate::record::notes::Notes;
use crate::schema::Disposition;

/// A seal's data, and what checking its record came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The chain that the record belongs to.
    pub chain: ChainId,
    /// The hash function that the record is sealed with.
    pub algorithm: Algorithm,
    /// Where in the chain the record stands.
    pub place: Place,
    /// The head before the record, as the seal has it.
    pub previous: Hash,
    /// The head after the record, as the seal has it.
    pub head: Hash,
    /// What the segment goes on from.
    pub link: Option<Link>,
    /// The record's time, in seconds since 1970.
    pub seconds: u64,
    /// The first characters of the policy's digest, as `v` has them; `None` if
    /// the record was sealed without a policy.
    pub policy_prefix: Option<[u8; DIGEST_TEXT_BYTES]>,
    /// The policy's whole digest, which only checkpoints name.
    pub policy: Option<Hash>,
    /// The seal's notes. Words that this version does not know are ignored.
    pub notes: Notes,
    /// Whether the filter could not read the record and sealed its raw text.
    pub is_raw: bool,
    /// Whether the record is the one that was sealed: the hash over it and
    /// over `previous` is `head`.
    pub is_intact: bool,
    /// How many top-level keys are not under the seal.
    pub unsealed_keys: u8,
    /// Whether more keys had an ignored name than the checker leaves out, so
    /// that the record may be intact but for those.
    pub ignored_limit_hit: bool,
    /// Whether the record is a checkpoint: its seal names a key.
    pub is_checkpoint: bool,
    /// The schema's result for the record.
    pub validity: Validity,
    /// The treatment of the record if it is invalid.
    pub disposition: Disposition,
}

impl Sealed {
    /// Returns whether the record is a statement of the one who sealed it, and
    /// no record that came.
    pub fn is_statement(&self) -> bool {
        self.notes.contains(Notes::STATEMENT)
    }
}

/// The schema's result for a record, as its seal has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Validity {
    /// No schema was chosen for the record.
    #[default]
    NoSchema,
    /// The record was checked and is valid.
    Valid,
    /// The record was checked and is invalid.
    Invalid,
    /// The record could not be checked, or not to the end.
    NotChecked,
}
