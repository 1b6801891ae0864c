//! Redaction: takes out of a record the values that its policy does not let leave.
//!
//! [`Redactor`] walks a tape once, before it is sealed. Replacements are patched on the
//! tape. The [`Evidence`], which the seal carries, lists what was done. JSON in a string
//! is read onto a tape of its own, walked in the same way and written again.
//!
//! Redaction fails closed: if the work for a record would exceed [`steps_max`],
//! everything that has not been looked at is masked as a whole.

mod action;
mod actor;
mod arguments;
mod assignment;
mod bounds;
mod command;
mod detect;
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
mod literal;
mod memo;
mod name;
mod pairs;
mod path;
mod redactor;
mod scan;
mod sql;
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

/// The maximum nesting of JSON in strings of JSON. Deeper JSON is masked.
pub const JSON_IN_STRINGS_DEPTH_MAX: usize = 3;

/// The name of the rule that masks values that were not looked at.
pub const UNSCANNED: &str = "unscanned";
