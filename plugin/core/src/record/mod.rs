//! A record: read once into a flat tape, which every later step walks.

pub mod canonical;
pub mod member;
pub mod notes;
pub mod number;
pub(crate) mod order;
pub(crate) mod output;
mod reader;
pub mod tape;

/// The longest record that is read as JSON, in bytes. A longer one is sealed
/// as raw text.
pub const RECORD_BYTES_MAX: usize = 16 << 20;

/// The depth to which arrays and objects may nest. A deeper record is sealed as raw
/// text. Fluent Bit itself reads MessagePack to a depth of 64.
pub const RECORD_DEPTH_MAX: usize = 128;
