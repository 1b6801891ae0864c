//! The lines that the ledger has for the log.

/// The severity of a line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Records are not as they should be.
    Error,
    /// A problem was found and handled.
    Warn,
    /// Normal operation.
    Info,
}

/// A line for the log.
pub type Line = (Level, String);
