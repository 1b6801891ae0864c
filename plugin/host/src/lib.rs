//! Runs guests under wasmtime: the only crate, beside the tests, that knows it.
//!
//! [`filter`] calls a filter guest as Fluent Bit does; [`stream`] reads the
//! recorded calls that it can be given. [`component`] is an output of
//! `fluent-bit:output`, compiled; [`output`] runs one; [`chunk`]
//! and [`log`] are what goes in and what is said. [`settings`] and [`network`] are what an
//! operator gives it.
#![forbid(unsafe_code)]

pub mod chunk;
pub mod component;
pub mod filter;
pub mod log;
pub mod network;
pub mod output;
pub mod settings;
pub mod stream;
