//! The data of a seal, once it has been checked.

use crate::chain::id::{ChainId, Link, Place};
use crate::hash::{Algorithm, Hash};
use crate::policy::DIGEST_TEXT_BYTES;
use crate::record::notes::Notes;
use crate::schema::Disposition;

/// The data of a seal, and the result of checking its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The chain that the record belongs to.
    pub chain: ChainId,
    /// The hash function that the record is sealed with.
    pub algorithm: Algorithm,
    /// The record's place in the chain.
    pub place: Place,
    /// The head before the record, as stated in the seal.
    pub previous: Hash,
    /// The head after the record, as stated in the seal.
    pub head: Hash,
    /// The link to the record that the segment continues from.
    pub link: Option<Link>,
    /// The record's time, in seconds since 1970.
    pub seconds: u64,
    /// The first characters of the policy's digest, as stated in `v`. `None` if the
    /// record was sealed without a policy.
    pub policy_prefix: Option<[u8; DIGEST_TEXT_BYTES]>,
    /// The policy's whole digest, which only checkpoints name.
    pub policy: Option<Hash>,
    /// The seal's notes. Unknown words are ignored.
    pub notes: Notes,
    /// True if the filter could not read the record and sealed its raw text.
    pub is_raw: bool,
    /// True if the record is the one that was sealed: the hash over it and over
    /// `previous` is `head`.
    pub is_intact: bool,
    /// The number of top-level keys that the seal does not cover.
    pub unsealed_keys: u8,
    /// True if more keys had an ignored name than the checker can leave out. Then the
    /// record may be intact except for those keys.
    pub ignored_limit_hit: bool,
    /// True if the record is a checkpoint: its seal names a key.
    pub is_checkpoint: bool,
    /// The result of the record's schema.
    pub validity: Validity,
    /// The treatment of the record if it is invalid.
    pub disposition: Disposition,
}

impl Sealed {
    /// True if the record is a statement of its sealer, not an incoming record.
    pub fn is_statement(&self) -> bool {
        self.notes.contains(Notes::STATEMENT)
    }
}

/// The result of a record's schema, as stated in its seal.
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
