//! JSON Schema, from its text to the results of checks.

mod cases;
mod catalogue;
mod limits;
mod random;
mod suite;
