//! Compiles policies into the tables that the filter walks.
//!
//! Everything that takes time, memory or stack is done here, outside of Fluent
//! Bit: the guest neither parses a policy nor compiles a pattern.
#![forbid(unsafe_code)]

pub mod automaton;
pub mod catalogue;
mod code;
mod custom;
pub mod detectors;
pub mod formats;
mod gitleaks;
pub mod module;
pub mod normalize;
mod paths;
mod policy;
pub mod schema;
mod streams;
mod table;
pub mod values;
mod yaml;

pub use gitleaks::DEFAULT_FILE as GITLEAKS_DEFAULT_FILE;
pub use policy::Policy;
pub use table::{compile, compile_formats};
pub use yaml::{Problem, SOURCE_BYTES_MAX};

/// The policy in the released `filter_audit.wasm`.
pub const DEFAULT_POLICY: &str = include_str!("../default.yaml");
