//! `out_wasm.so`: an output of Fluent Bit that runs a WebAssembly component.
//!
//! `abi` is the boundary, with all unsafe code. `properties` reads the configuration, and
//! `misspelt` finds properties in it with nearly the right name. Everything else is
//! `flb-audit-host`.
#![deny(unsafe_code)]

#[allow(unsafe_code)]
mod abi;
mod misspelt;
mod properties;
