//! Verification: takes a sealed record apart again.

mod checker;
mod members;
mod seal;
mod sealed;

pub use checker::{Checked, Checker, SealedRecord};
pub use members::{Anchor, read_anchor};
pub use sealed::{Sealed, Validity};
