//! The rules of docs/seal-format.md as a small, slow program: it takes a whole log and
//! returns the result of its verification. It shares no code with the verifier, so that
//! tests can compare the two.
//!
//! - [`json`]: JSON with exact numbers, and the canonical form
//! - [`seal`]: one record, its hashes and its checkpoint
//! - [`model`]: a log, and the verdict
//! - [`forge`]: logs and keys, honest and forged, for tests
//! - [`game`]: an honest fleet, and an adversary with the store
#![forbid(unsafe_code)]

pub mod forge;
pub mod game;
pub mod json;
mod memo;
pub mod model;
pub mod seal;
