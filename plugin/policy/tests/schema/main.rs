//! JSON Schema, from text to verdicts.

mod cases;
mod catalogue;
mod limits;
mod properties;
mod random;
mod suite;
