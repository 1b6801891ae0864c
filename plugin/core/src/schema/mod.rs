//! Checking records against a compiled JSON Schema.
//!
//! `flb-audit-policy` compiles a schema (draft 2020-12) into a [`Program`];
//! a [`Validator`] runs it over a [`Tape`](crate::Tape). It keeps an explicit
//! stack, does a number of steps that is bounded by the size of the record, and
//! takes no memory once it is warm. What it could not finish it does not call
//! valid.
//!
//! # Layout of a program
//!
//! Little-endian throughout. A *word* has 32 bits.
//!
//! | bytes | |
//! |---|---|
//! | 0..4 | `fas2` |
//! | 4..36 | eight words: the numbers of names, slots, code words, paths, automata, characters, bytes of text, bytes of tables |
//! | 48 each | names, see below |
//! | 2 each | slots; an even number of them |
//! | 4 each | code |
//! | 12 each | paths: three places in the text, each with its start in 22 bits and its length in 10: a JSON Pointer into the schema, as a fragment, in two parts, and the keyword in it |
//! | 8 each | automata: start and length, in the tables |
//! | 4 each | characters, for the format `hostname`: [`layout::characters`], in ascending order |
//! | | text: UTF-8, read in parts |
//! | | tables: automata, as in [`automaton`](crate::automaton) |
//!
//! A *check* stands wherever a schema applies a subschema. It has three words:
//! a mask of types ([`layout::types`]); the path to report if the value is of
//! none of them; and where in the code the rest of the schema starts, 0 if
//! there is none. The code starts with the check of the whole schema.
//!
//! An instruction starts with a word: its number in the low 8 bits, its length
//! in words, this one included, in the rest. It ends with [`layout::END`] or
//! goes on with the next one. [`layout`] lists them with their operands.
//!
//! A name is a member's name or a string that a value may be:
//!
//! | bytes | |
//! |---|---|
//! | 0..8, 8..16 | its fingerprint: [`layout::fingerprint`] |
//! | 16..24 | of a required member: a bit that no other one of its table has, else 0 |
//! | 24..32 | start and length, in the text |
//! | 32..44 | the check of the member's value |
//! | 44..48 | of a required member: the path to report if it is missing; and the highest bit, if `properties` has it |
//!
//! A *table* of names is five words: where its names start, the required ones
//! first; where its slots start; the base-2 logarithm of the number of slots in
//! the low 8 bits, in the rest how many names are required; and a multiplier of
//! 64 bits, low half first. A name is looked for from the slot of its
//! [`layout::hash`] on, up to an empty one; a slot has the number of a name of
//! the program, from 1 on.

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

/// How many violations of a record are told. The rest is counted.
pub const VIOLATIONS_MAX: usize = 8;

/// The longest path that is told, in bytes. A longer one is cut, and ends in
/// an ellipsis.
pub const PATH_BYTES_MAX: usize = 256;

/// How deep schemas and values may nest, taken together.
pub const SCHEMA_DEPTH_MAX: usize = 4096;

/// How many steps a check may take, whatever the record.
pub const SCHEMA_STEPS_MAX: u32 = 1 << 16;

/// How many steps more it may take for each node of the record's tape.
pub const SCHEMA_STEPS_A_NODE_MAX: u32 = 256;

/// One step of a hash: multiplies and folds.
fn mix(hash: u64, value: u64) -> u64 {
    let product = (hash ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    product ^ product >> 32
}
