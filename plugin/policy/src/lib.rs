//! Compiles policies into the tables that the filter walks.
//!
//! Everything that takes time, memory or stack is done here, outside of Fluent
//! Bit: the guest neither parses a policy nor compiles a pattern.
#![forbid(unsafe_code)]

pub mod automaton;
pub mod catalogue;
pub mod schema;
