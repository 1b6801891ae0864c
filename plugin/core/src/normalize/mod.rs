//! Normalization: a record becomes an event of OCSF, by a mapping of its format.
//!
//! A mapping is a program in the policy's table. One walk over the record's tape finds
//! the values that the mapping names; then the program writes a new list of nodes, which
//! point at the texts of the record. So no value is copied as text but what is made
//! of several or of a part. What the program has no place for goes into `unmapped`.
//!
//! This is done after redaction and before the record is sealed: it sees no value that
//! redaction has taken out, and what is sealed is what leaves.

mod convert;
mod cut;
mod mappings;
mod normalizer;
mod program;
mod rest;
mod run;
mod time;
mod walk;

pub(crate) use mappings::Mappings;
pub use mappings::{MappingParts, MappingsParts, StreamMapping};
pub(crate) use normalizer::Normalizer;
pub use normalizer::event;
pub use program::{
    Absent, Bucket, Case, Conversion, Cut, CutAt, ELEMENTS_MAX, Edge, Entry, Fits, Lookup, Loop, NEGATED,
    NONE, OR, Op, OpCode, Pair, Pick, Program, ProgramParts, Question, STEPS_MAX, Source, State,
    TARGET_DEPTH_MAX, Test, Turn,
};

/// The version of OCSF.
pub const OCSF_VERSION: &str = "1.9.0";
