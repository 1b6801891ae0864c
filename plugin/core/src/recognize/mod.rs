//! Recognition: which format of audit records a record has, by its structure.
//!
//! A policy's table has a program for each format that it knows: conditions over
//! members near the top of a record. A [`Recognizer`] runs them over the tape, once
//! for each record. A record of which no program holds is of no known format.

mod dictionary;
mod formats;
mod recognizer;

pub use dictionary::{Dictionary, KeyNumber, NO_NUMBER, write_dictionary};
pub(crate) use formats::Formats;
pub use formats::{
    Condition, FormatsParts, NESTED_MEMBERS_MAX, Operation, PinParts, RULES_MAX, RuleParts, VARIANTS_MAX,
    ValueType, VariantParts, WRAPPER_RULE,
};
pub(crate) use recognizer::Recognizer;

/// A format, or one case of a format, as which a record was recognized. 0 is no known
/// format.
pub type Variant = u8;

/// The variant of a record of no known format.
pub const UNKNOWN: Variant = 0;

/// The number of members of a record that are looked at.
pub const MEMBERS_MAX: usize = 64;
