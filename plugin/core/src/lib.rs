//! Record logic of flb-audit, shared by the filter and the verifier.
//!
//! A record is read once into a flat [`Tape`]; every later step walks it:
//! [`canonical`] puts it into the one form that is hashed, [`seal`] lays out
//! what is added to it, [`Sealer`] does the whole of a filter's call, and
//! [`check`] takes a sealed record apart again. [`state`] is the layout of the
//! file in which a filter remembers its chain.
//!
//! This crate has no I/O, no clock, no randomness, no globals and no unsafe
//! code. Nothing in it recurses and nothing in it panics on foreign bytes:
//! in its first host, Fluent Bit's interpreter, 8 KiB of stack is all there is
//! and a trap loses the record.
#![forbid(unsafe_code)]
#![no_std]

extern crate alloc;

pub mod anchor;
pub mod automaton;
pub mod canonical;
pub mod certificate;
pub mod check;
pub mod checkpoint;
mod crc;
mod digits;
pub mod hash;
pub mod keyring;
pub mod number;
mod order;
mod output;
pub mod policy;
mod reader;
pub mod redact;
pub mod schema;
pub mod seal;
mod sealer;
pub mod signature;
pub mod state;
pub mod tape;
pub mod text;

pub use sealer::{Event, Sealer};
pub use tape::Tape;

/// The longest record that is read as JSON, in bytes. A longer one is sealed
/// as raw text.
pub const RECORD_BYTES_MAX: usize = 16 << 20;

/// How deep arrays and objects may nest. A deeper record is sealed as raw
/// text. Fluent Bit itself reads MessagePack to a depth of 64.
pub const RECORD_DEPTH_MAX: usize = 128;

/// The longest tag, in bytes; what is over is cut off and the seal says so.
pub const TAG_BYTES_MAX: usize = 1024;

/// The guest could not get the memory that a record needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

/// Appends to a buffer, reporting failure instead of aborting. The guest has it
/// once, for its size.
#[cfg_attr(target_family = "wasm", inline(never))]
pub(crate) fn put(out: &mut alloc::vec::Vec<u8>, bytes: &[u8]) -> Result<(), OutOfMemory> {
    if out.capacity() - out.len() < bytes.len() {
        out.try_reserve(bytes.len()).map_err(|_| OutOfMemory)?;
    }
    out.extend_from_slice(bytes);
    Ok(())
}

/// Appends one byte, likewise.
#[inline(always)]
pub(crate) fn put_byte(out: &mut alloc::vec::Vec<u8>, byte: u8) -> Result<(), OutOfMemory> {
    if out.len() == out.capacity() {
        out.try_reserve(1).map_err(|_| OutOfMemory)?;
    }
    out.push(byte);
    Ok(())
}
