//! The doctor: finds settings in a configuration of Fluent Bit that lose, alter or
//! duplicate audit records, or make them unverifiable.
//!
//! [`examine`] reads a configuration as Fluent Bit does, follows the records from inputs
//! to outputs, and runs the [`checks()`]. Each finding has its place, the reason, and the
//! lines to write. [`fix()`] writes them.
#![forbid(unsafe_code)]

mod checks;
mod classic;
mod config;
mod fix;
mod flow;
mod plugins;
mod read;
mod report;
mod source;
mod variables;
mod version;
mod wildcard;
mod yaml;

pub use checks::{Check, Severity, checks};
pub use fix::{Fixed, fix};
pub use report::{Examination, Finding};
pub use source::{
    FILE_BYTES_MAX, FILES_MAX, Format, INCLUDE_DEPTH_MAX, Place, Refused, Source, TOTAL_BYTES_MAX,
};
pub use version::Version;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// Facts that the configuration does not state.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The machine that Fluent Bit runs on. Without it, only the configuration is
    /// examined.
    pub host: Option<Host>,
    /// The version of Fluent Bit. Without it, findings that depend on the version are
    /// notes.
    pub fluent_bit: Option<Version>,
    /// The environment of Fluent Bit.
    pub environment: BTreeMap<String, String>,
    /// More parsers files, as with Fluent Bit's `--parser`.
    pub parsers: Vec<PathBuf>,
    /// More plugins files, as with `plugins_file`.
    pub plugins: Vec<PathBuf>,
}

/// A machine.
#[derive(Clone, Debug)]
pub struct Host {
    /// The directory below which absolute paths are looked up.
    pub root: PathBuf,
    /// The number of the user that Fluent Bit runs as.
    pub user: u32,
}

impl Host {
    /// Returns the place of a path on this machine.
    fn path(&self, path: &str) -> PathBuf {
        match path.strip_prefix('/') {
            Some(rest) => self.root.join(rest),
            None => PathBuf::from(path),
        }
    }
}

/// Reads a configuration and runs all checks. Fails only if the file itself cannot be
/// read. All problems in it are findings.
///
/// ```
/// use flb_audit_doctor::{Options, examine};
///
/// let directory = tempfile::tempdir().expect("a directory");
/// let config = directory.path().join("fluent-bit.conf");
/// std::fs::write(&config, "[INPUT]\n    name tail\n    path /var/log/audit.log\n").expect("written");
/// let found = examine(&config, &Options::default()).expect("read").findings;
/// assert!(found.iter().any(|finding| finding.id == "tail-db"));
/// ```
pub fn examine(main: &Path, options: &Options) -> Result<Examination, Refused> {
    report::examine(main, options, HashMap::new())
}
