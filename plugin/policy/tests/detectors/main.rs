//! The detectors, by a plain matcher.

mod corpora;
mod matcher;
mod table;
