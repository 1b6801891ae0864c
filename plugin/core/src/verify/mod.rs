//! Verification: a sealed record is taken apart again.

mod check;

pub use check::{Checked, Checker, Sealed, Validity, read_anchor};
