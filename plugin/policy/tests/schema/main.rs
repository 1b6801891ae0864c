//! JSON Schema, from text to verdicts.

mod cases;
mod catalogue;
mod limits;
mod random;
mod suite;
