//! Record logic of flb-audit, shared by the filter and the verifier.
//!
//! A record is read once into a flat [`Tape`]. Every later step walks the tape:
//! [`recognize`] determines its format, [`schema`] checks it, [`redact`] redacts it,
//! [`normalize`] turns it into an event, [`record::canonical`] puts it into the one form
//! that is hashed, and [`seal`] adds the proof. [`Sealer`] does all of this in one call.
//! [`verify`] takes a sealed record apart again. [`chain`] has keys, checkpoints and the
//! files in which a filter remembers its chain.
//!
//! Each line of this list uses only the lines above it, and no two files import each
//! other; `tests/suite/layers.rs` checks both:
//!
//! - `memory`, [`hash`], `crc`
//! - [`text`]: JSON strings, digits, base64url
//! - [`automaton`]
//! - [`record`]: the reader, the tape, numbers, order, notes
//! - [`chain`]: names and places, keys, checkpoints, files
//! - [`recognize`]: the format of a record
//! - [`schema`]
//! - [`normalize`]: records as events of OCSF
//! - [`policy`]: the table's layout
//! - [`redact`]
//! - [`seal`]
//! - [`verify`]
//!
//! The core has its own CRC-32, digit printing, sorting and scanning, because of where it
//! runs: in an interpreter without vector instructions, where every instruction counts,
//! on 8 KiB of stack, in a module that Fluent Bit 4.0 parses for every chunk. The CRC,
//! which is computed for every record, takes four bytes at once. Digits are printed
//! without the machinery of `core::fmt`. Keys are sorted in place, without recursion and
//! without memory. Text is scanned eight bytes at once.
//!
//! This crate has no I/O, no clock, no randomness, no globals and no unsafe code. Nothing
//! in it recurses, and nothing in it panics on foreign bytes: in its first host, Fluent
//! Bit's interpreter, the stack has only 8 KiB and a trap loses the record.
#![forbid(unsafe_code)]
#![no_std]

extern crate alloc;

pub mod automaton;
pub mod chain;
mod crc;
pub mod hash;
mod memory;
pub mod normalize;
pub mod policy;
pub mod recognize;
pub mod record;
pub mod redact;
pub mod schema;
pub mod seal;
pub mod text;
pub mod verify;

pub use memory::OutOfMemory;
pub use record::tape::Tape;
pub use record::{RECORD_BYTES_MAX, RECORD_DEPTH_MAX};
pub use seal::{Event, Sealer, TAG_BYTES_MAX};
