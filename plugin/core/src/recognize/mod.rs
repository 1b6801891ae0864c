//! Recognition determines the format of an audit record by its structure.
//!
//! A policy's table has a program for each known format: conditions on members near the
//! top of a record. A [`Recognizer`] runs the programs over the tape, once for each
//! record. If none of them holds, the record's format is unknown.

mod dictionary;
mod formats;
mod recognizer;

pub(crate) use dictionary::hash;
pub use dictionary::{Dictionary, KeyNumber, NO_NUMBER, add_facts, write_dictionary};
pub(crate) use formats::Formats;
pub use formats::{
    Condition, FormatsParts, NESTED_MEMBERS_MAX, Operation, PinParts, RULES_MAX, RuleParts, VARIANTS_MAX,
    ValueType, VariantParts, WRAPPER_RULE,
};
pub(crate) use recognizer::Recognizer;

/// A format, or one case of a format, as which a record was recognized. 0 means that the
/// format is unknown.
pub type Variant = u8;

/// The variant of a record whose format is unknown.
pub const UNKNOWN: Variant = 0;

/// The number of members of a record that are looked at.
pub const MEMBERS_MAX: usize = 64;
