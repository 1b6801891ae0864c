//! The state of a verification that goes on each day: the objects that were read, and
//! their parts.
//!
//! | file | |
//! |---|---|
//! | `objects.ndjson` | the objects that were read, one a line; it is replaced as a whole |
//! | `N.part` | what was read on one day. A part that no object names is left over and ignored |
//! | `status.json` | the nodes as the last report has them, for `fleet status` |

use crate::durable;
use crate::input::{Source, Stored, Version, check_is_file};
use crate::report::Findings;
use crate::verdict::Verdict;
use anyhow::{Context, Result, ensure};
use flb_audit_core::chain::state;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The name of the file of objects.
const OBJECTS: &str = "objects.ndjson";

/// An object that was read.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Object {
    /// The name of one source only: [`Source::key`].
    name: String,
    version: Version,
    /// The SHA-256 hash of its bytes, in hexadecimal digits.
    sha256: Option<String>,
    /// The argument of the command line that named it.
    under: String,
    /// The number of the part that has what was read of it.
    part: u64,
}

/// The objects that were read, in the order of reading.
pub(super) struct State {
    directory: PathBuf,
    objects: Vec<Object>,
    /// The numbers of the objects in the list, by name.
    by_name: BTreeMap<String, Vec<usize>>,
    _lock: Option<File>,
}

impl State {
    /// Opens a state, which is made if it is not there. One process at a time has it.
    pub(super) fn open(directory: &Path) -> Result<State> {
        ensure!(
            !directory.join(state::FILE_NAME).exists(),
            "{}: the state of a chain; name another directory, which flb-audit makes",
            directory.display()
        );
        durable::make_directory(directory)?;
        let path = directory.join(OBJECTS);
        let lock = durable::lock_directory_of(&path)?;
        let text = match check_is_file(&path).and_then(|()| fs::read_to_string(&path)) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            text => text.with_context(|| format!("{}: cannot be read", path.display()))?,
        };
        let objects = text.lines().zip(1..).map(|(line, number)| {
            serde_json::from_str(line)
                .with_context(|| format!("{}:{number}: not an object as --state writes them", path.display()))
        });
        let mut state = State {
            directory: directory.to_owned(),
            objects: Vec::new(),
            by_name: BTreeMap::new(),
            _lock: lock,
        };
        objects.into_iter().try_for_each(|object| object.map(|object| state.push(object)))?;
        Ok(state)
    }

    fn push(&mut self, object: Object) {
        self.by_name.entry(object.name.clone()).or_default().push(self.objects.len());
        self.objects.push(object);
    }

    /// Checks that an object was read as it is.
    pub(super) fn has(&self, source: &Source) -> bool {
        let Some(version) = source.version() else { return false };
        let read = self.by_name.get(&source.key());
        read.into_iter().flatten().any(|at| self.objects[*at].version == version)
    }

    /// Returns the number of the next part, and its path.
    pub(super) fn next_part(&self) -> (u64, PathBuf) {
        let number =
            self.objects.iter().map(|object| object.part).max().map_or(0, |last| last.saturating_add(1));
        (number, self.path_of(number))
    }

    fn path_of(&self, part: u64) -> PathBuf {
        self.directory.join(format!("{part}.part"))
    }

    /// Remembers objects that were read into a part, each with the argument that named
    /// it.
    pub(super) fn add(&mut self, part: u64, read: &[(Source, String)]) -> Result<()> {
        for (source, under) in read {
            if let Some(version) = source.version() {
                let hash = |stored: Stored| stored.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
                let sha256 = source.stored().map(hash);
                self.push(Object { name: source.key(), version, sha256, under: under.clone(), part });
            }
        }
        let mut text = Vec::new();
        for object in &self.objects {
            serde_json::to_writer(&mut text, object)?;
            text.push(b'\n');
        }
        durable::replace(&self.directory.join(OBJECTS), &text)
    }

    /// Returns the paths of all parts.
    pub(super) fn parts(&self) -> Vec<PathBuf> {
        let numbers: BTreeSet<u64> = self.objects.iter().map(|object| object.part).collect();
        numbers.into_iter().map(|part| self.path_of(part)).collect()
    }

    /// Reports objects that are no longer what was read. `listed` has the names of all
    /// objects that are there under the arguments `under`. None is reported as gone if
    /// only those of a period were listed.
    pub(super) fn report(
        &self,
        listed: &BTreeSet<String>,
        under: &BTreeSet<String>,
        is_limited: bool,
        findings: &mut Findings,
    ) {
        for (name, read) in &self.by_name {
            let versions: Vec<&Object> = read.iter().map(|at| &self.objects[*at]).collect();
            // The times of a file change without its bytes, too.
            let are_same =
                versions.windows(2).all(|two| two[0].sha256.is_some() && two[0].sha256 == two[1].sha256);
            if let [first, .., last] = versions[..]
                && !are_same
            {
                let what = format!(
                    "{name}: changed after it was read: it had {} bytes and now has {}; both were verified",
                    first.version.bytes, last.version.bytes
                );
                findings.add(Verdict::Changed, None, None, what);
            }
            let is_asked = versions.iter().any(|object| under.contains(&object.under));
            if is_asked && !is_limited && !listed.contains(name) {
                let what =
                    format!("{name}: gone after it was read; its records were verified then, and count");
                findings.add(Verdict::Changed, None, None, what);
            }
        }
    }
}
