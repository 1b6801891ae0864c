//! `out_wasm.so`: an output of Fluent Bit that is a WebAssembly component.
//!
//! `abi` is the boundary, with all that is unsafe; `properties` reads the
//! configuration, `misspelt` finds what it has under nearly the right name;
//! everything else is `flb-audit-host`.
#![deny(unsafe_code)]

#[allow(unsafe_code)]
mod abi;
mod misspelt;
mod properties;
