//! The part that programs for Fluent Bit's `exec_wasi` input share: the accessible paths,
//! the files in them, a clock, and printing.
//!
//! Fluent Bit starts such a program anew each time, and turns each line that it prints
//! into a record.
#![deny(unsafe_code)]

#[allow(unsafe_code)]
mod abi;

pub use abi::{Directory, print, read, seconds, write, written};

/// Calls `look` for each accessible path and for each directory in it: with the path's
/// descriptor, and the directory's name with a slash behind it, or an empty text.
pub fn directories(mut look: impl FnMut(Directory, &str)) {
    for directory in abi::preopens() {
        look(directory, "");
        for name in abi::names(directory) {
            look(directory, &format!("{name}/"));
        }
    }
}
