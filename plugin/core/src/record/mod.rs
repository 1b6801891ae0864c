//! A record: read once into a flat tape, which every later step walks.

pub mod canonical;
pub mod member;
pub mod notes;
pub mod number;
pub(crate) mod order;
pub(crate) mod output;
mod reader;
pub mod tape;
