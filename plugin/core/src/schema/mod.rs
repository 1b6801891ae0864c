//! Checks records against a compiled JSON Schema.
//!
//! `flb-audit-policy` compiles a schema (draft 2020-12) into a [`Program`]; a
//! [`Validator`] runs it over a [`Tape`](crate::Tape). The validator keeps an explicit
//! stack, takes a number of steps that is bounded by the size of the record, and
//! allocates nothing once it is warm. It never calls a record valid that it could not
//! check to the end.
//!
//! # Layout of a program
//!
//! All numbers are little-endian. A *word* has 32 bits.
//!
//! | bytes | |
//! |---|---|
//! | 0..4 | `fas2` |
//! | 4..36 | eight words: the numbers of names, slots, code words, paths, automata, characters, bytes of text, bytes of tables |
//! | 48 each | names, see below |
//! | 2 each | slots; an even number of them |
//! | 4 each | code |
//! | 12 each | paths: three places in the text, each with its start in 22 bits and its length in 10: a JSON Pointer into the schema, as a fragment, in two parts, and the keyword at that place |
//! | 8 each | automata: start and length, in the tables |
//! | 4 each | characters, for the format `hostname`: [`layout::characters`], in ascending order |
//! | | text: UTF-8, of which all other parts name pieces |
//! | | tables: automata, as in [`automaton`](crate::automaton) |
//!
//! A *check* stands wherever a schema applies a subschema. It has three words: a mask of
//! types ([`layout::types`]); the path to report if the value has none of the types; and
//! the place in the code where the rest of the schema starts, or 0 if there is no more.
//! The code starts with the check of the whole schema.
//!
//! An instruction starts with a word: its number in the low 8 bits, and its length in
//! words, this one included, in the other bits. The next instruction follows, up to
//! [`layout::END`]. [`layout`] lists all instructions with their operands.
//!
//! A name is a member's name or a string that a value may be:
//!
//! | bytes | |
//! |---|---|
//! | 0..8, 8..16 | its fingerprint: [`layout::fingerprint`] |
//! | 16..24 | for a required member: a bit that no other member of its table has, else 0 |
//! | 24..32 | start and length, in the text |
//! | 32..44 | the check of the member's value |
//! | 44..48 | for a required member: the path to report if it is missing; the highest bit is set if `properties` has the member |
//!
//! A *table* of names is five words: the start of its names, the required ones first; the
//! start of its slots; the base-2 logarithm of the number of slots in the low 8 bits, and
//! the number of required names in the other bits; and a multiplier of 64 bits, low half
//! first. The search for a name starts at the slot of its [`layout::hash`] and ends at an
//! empty slot. A slot has the number of a name of the program, counted from 1.

mod array;
mod decimal;
mod format;
pub mod layout;
mod machine;
mod not_checked;
mod object;
mod program;
mod report;
mod streams;
mod text;
mod unique;
mod validation;
mod validator;
mod value;
mod walk;

pub use decimal::{Decimal, FACTOR_MAX};
pub use format::Format;
pub use not_checked::NotChecked;
pub use program::{NameParts, Program, ProgramParts, TableParts};
pub use report::{Report, Violation};
pub(crate) use streams::Streams;
pub use streams::{Disposition, Stream, StreamParts, write_streams};
pub(crate) use validation::Validation;
pub use validator::{Outcome, Validator};

/// The maximum number of violations of a record that are listed. Further ones are only
/// counted.
pub const VIOLATIONS_MAX: usize = 8;

/// The maximum length of a path in the list, in bytes. A longer path is cut, and ends
/// with an ellipsis.
pub const PATH_BYTES_MAX: usize = 256;

/// The maximum nesting of schemas and values, taken together.
pub const SCHEMA_DEPTH_MAX: usize = 4096;

/// The number of steps that the check of any record may take.
pub const SCHEMA_STEPS_MAX: u32 = 1 << 16;

/// The number of additional steps for each node of the record's tape.
pub const SCHEMA_STEPS_A_NODE_MAX: u32 = 256;

/// Does one step of a hash: multiplies and folds.
fn mix(hash: u64, value: u64) -> u64 {
    let product = (hash ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    product ^ product >> 32
}
