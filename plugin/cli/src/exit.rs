//! Exit codes of the commands. A verification's exit codes are those of the verdicts.
//!
//! Exit codes never change. The parser of arguments exits with 2 for a wrong command
//! line.

use crate::verdict::Verdict;

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

/// Returns the exit codes of a command other than `verify` and `merge`, with their meanings. Every
/// command also has `FAILED`, and 2 for a wrong command line.
pub(crate) fn codes(command: &str) -> Vec<(u8, &'static str)> {
    match command {
        "check" => vec![
            (ALL_VALID, "all records that have a schema are valid"),
            (NOTHING_CHECKED, "no record has a schema, so nothing was checked"),
            (INVALID, "some records are invalid"),
            (NOT_CHECKED, "no record is invalid, but some could not be checked"),
        ],
        "doctor" => vec![
            (HEALTHY, "there are no errors and no warnings; there may be notes"),
            (WARNINGS, "there are warnings, and no errors"),
            (ERRORS, "there are errors"),
        ],
        "find" => {
            vec![
                (FOUND, "the value was found"),
                (NOT_FOUND, "everything was searched, and the value was not found"),
            ]
        }
        "formats" => vec![
            (KNOWN, "the catalogue was listed, or some records are of a known format"),
            (NONE_KNOWN, "no record is of a known format"),
        ],
        "restore" => vec![
            (RESTORED, "every record in quarantine was printed"),
            (
                Verdict::Unsigned.code(),
                "no signature covers a record, or --unsigned was given and records were printed",
            ),
            (Verdict::Tampered.code(), "a record was altered"),
            (Verdict::Unreadable.code(), "something could not be read"),
            (NONE_IN_QUARANTINE, "there was no record in quarantine"),
        ],
        "test" => vec![
            (CASES_HOLD, "all cases hold"),
            (NO_CASES, "there is no case"),
            (CASES_FAILED, "some cases do not hold"),
        ],
        _ => vec![(DONE, "the command did everything that was asked")],
    }
}
