//! Verification: takes a sealed record apart again.

mod checker;
mod members;
mod seal;
mod sealed;

pub use checker::{Checked, Checker, SealedRecord};
pub use members::{Anchor, read_anchor, read_enrollment};
pub use sealed::{Sealed, Validity};
