//! Exit codes of the commands. A verification's exit codes are those of the verdicts.
//!
//! Exit codes never change. The parser of arguments exits with 2 for a wrong command
//! line.

/// The command has done everything.
pub(crate) const DONE: u8 = 0;
/// The command could not run, or could not print its whole output.
pub(crate) const FAILED: u8 = 1;

/// `find`: the value was found.
pub(crate) const FOUND: u8 = DONE;
/// `find`: everything was searched, and the value was not found.
pub(crate) const NOT_FOUND: u8 = 40;

/// `restore`: all records in quarantine were printed.
pub(crate) const RESTORED: u8 = DONE;
/// `restore`: there is no record in quarantine.
pub(crate) const NONE_IN_QUARANTINE: u8 = 40;

/// `formats`: the catalogue was listed, or some records are of a known format.
pub(crate) const KNOWN: u8 = DONE;
/// `formats`: no record is of a known format.
pub(crate) const NONE_KNOWN: u8 = 40;

/// `check`: all records that have a schema are valid.
pub(crate) const ALL_VALID: u8 = DONE;
/// `check`: no record has a schema.
pub(crate) const NOTHING_CHECKED: u8 = 40;
/// `check`: some records are invalid.
pub(crate) const INVALID: u8 = 50;
/// `check`: some records could not be checked.
pub(crate) const NOT_CHECKED: u8 = 51;

/// `test`: all cases hold.
pub(crate) const CASES_HOLD: u8 = DONE;
/// `test`: there is no case.
pub(crate) const NO_CASES: u8 = 40;
/// `test`: some cases do not hold.
pub(crate) const CASES_FAILED: u8 = 70;

/// `doctor`: there are only notes.
pub(crate) const HEALTHY: u8 = DONE;
/// `doctor`: there are warnings, and no errors.
pub(crate) const WARNINGS: u8 = 60;
/// `doctor`: there are errors.
pub(crate) const ERRORS: u8 = 61;
