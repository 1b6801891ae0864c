//! Runs guests under wasmtime: the only crate, beside the tests, that knows it.
//!
//! [`filter`] calls a filter guest as Fluent Bit does; [`stream`] reads the
//! recorded calls that it can be given.
#![forbid(unsafe_code)]

pub mod filter;
pub mod stream;
