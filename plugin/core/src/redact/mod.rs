//! Redaction: taking out of a record what its policy says must not leave.
//!
//! [`Redactor`] walks a tape once, before it is sealed. What it replaces is
//! patched on the tape; what it did stands in the [`Evidence`], which the seal
//! carries. JSON that a string holds is read onto a tape of its own, walked
//! likewise and written again.
//!
//! It fails closed: where the work for a record would pass what [`steps_max`]
//! allows, what has not been looked at is masked as a whole.

mod action;
mod actor;
mod assignment;
mod command;
mod ends;
mod evidence;
mod explain;
mod fields;
mod glance;
mod kept;
mod key;
mod known;
mod leak;
mod level;
mod memo;
mod name;
mod pairs;
mod path;
mod redactor;
mod scan;
mod steps;
mod validate;
mod value;
mod view;
mod walk;

pub use evidence::Evidence;
pub use explain::Said;
pub use key::{HmacKey, KEY_FILE_BYTES_MAX, KEY_FILE_NAME};
pub use name::Name;
pub use redactor::Redactor;
pub use scan::LEAD_BYTES_MAX;
pub use steps::{REDACT_STEPS_MAX, steps_max};
pub use view::ESCAPES;

/// How deep JSON may be held in strings that are in JSON held in strings. What
/// is deeper is masked.
pub const JSON_IN_STRINGS_DEPTH_MAX: usize = 3;

/// The rule that masks what was not looked at.
pub const UNSCANNED: &str = "unscanned";
