//! The seal: the member that proves a record. `docs/seal-format.md` specifies it.

pub(crate) mod sealer;
pub(crate) mod writer;

pub use sealer::{Event, Sealer, TAG_BYTES_MAX};
pub use writer::VERSION;
