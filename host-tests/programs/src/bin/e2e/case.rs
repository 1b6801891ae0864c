//! A case: its name, what it proves, and its own directory.

use anyhow::Result;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A case, which proves one thing about a Fluent Bit.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Runs the case. Returns a few words about what it has seen. A [`Skipped`] error
    /// does not count as a failure.
    pub(crate) run: fn(&Place) -> Result<String>,
}

/// Says why the case cannot be proved on this machine. The case has proved nothing.
#[derive(Debug)]
pub(crate) struct Skipped(pub(crate) &'static str);

impl std::fmt::Display for Skipped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Skipped {}

/// The outcome of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Failed,
    Skipped,
}

/// The directory and the Fluent Bit of a case.
pub(crate) struct Place {
    pub(crate) fluent_bit: FluentBit,
    dir: PathBuf,
}

/// A program under test.
#[derive(Clone)]
pub(crate) struct FluentBit {
    pub(crate) path: PathBuf,
    /// The major, minor and patch version.
    pub(crate) version: (u32, u32, u32),
}

impl FluentBit {
    /// Returns true if this Fluent Bit makes a new guest for every chunk.
    pub(crate) fn is_guest_per_chunk(&self) -> bool {
        self.version < (4, 1, 0)
    }

    /// Returns true if `tail` remembers an incomplete line as read. After a restart, the
    /// start of that line is lost, and its end comes as another line.
    pub(crate) fn tears_lines(&self) -> bool {
        self.version < (5, 1, 0)
    }

    /// Returns true if this Fluent Bit starts although it cannot instantiate a filter.
    pub(crate) fn starts_without_filters(&self) -> bool {
        self.is_guest_per_chunk()
    }

    /// Returns true if its parsers stop at an exponent in a number without a point.
    pub(crate) fn reads_json_with_jsmn(&self) -> bool {
        self.version < (4, 1, 0)
    }
}

impl Place {
    /// Returns a path in the case's directory.
    pub(crate) fn at(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.join(name)
    }

    /// Creates another place, in a directory below this one.
    pub(crate) fn below(&self, name: &str) -> Result<Place> {
        let dir = self.dir.join(name);
        std::fs::create_dir(&dir)?;
        Ok(Place { fluent_bit: self.fluent_bit.clone(), dir })
    }
}

impl Case {
    /// Runs the case and prints one line about the outcome. The directory of a failed
    /// case is kept.
    pub(crate) fn prove(&self, fluent_bit: &FluentBit) -> Result<Outcome> {
        let dir = tempfile::Builder::new().prefix("flb-audit-e2e-").tempdir()?;
        let place = Place { fluent_bit: fluent_bit.clone(), dir: dir.path().to_path_buf() };
        let start = Instant::now();
        Ok(match (self.run)(&place) {
            Ok(seen) => {
                println!("ok      {}: {seen} ({:.1} s)", self.name, start.elapsed().as_secs_f64());
                Outcome::Passed
            }
            Err(error) => match error.downcast::<Skipped>() {
                Ok(why) => {
                    println!("SKIPPED {}: {why}", self.name);
                    Outcome::Skipped
                }
                Err(error) => {
                    println!("FAILED  {}: {error:#}; see {}", self.name, dir.keep().display());
                    Outcome::Failed
                }
            },
        })
    }
}
