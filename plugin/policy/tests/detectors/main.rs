//! The detectors, by a plain matcher.

mod cases;
mod corpora;
mod matcher;
mod table;
