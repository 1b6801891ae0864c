//! Fluent Bit's log. A message may have several lines.

use crate::bindings::fluent_bit::output::logging::{self, Level};

/// Logs that something is or will be lost unless somebody sees to it.
pub fn error(message: &str) {
    logging::log(Level::Error, message);
}

/// Logs that something is not as it should be, and was dealt with.
pub fn warn(message: &str) {
    logging::log(Level::Warn, message);
}

/// Logs what an operator wants to see of a day without incidents.
pub fn info(message: &str) {
    logging::log(Level::Info, message);
}

/// Logs what helps to understand the component.
pub fn debug(message: &str) {
    logging::log(Level::Debug, message);
}
