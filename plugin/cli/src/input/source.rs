//! Sources: the files that a command line names, and standard input.

use super::BATCH_BYTES;
use super::decompress::{Decompressed, decompress};
use super::stored::{Hashing, Kept, Stored};
use crate::frames;
use crate::stdout::shown;
use anyhow::{Result, bail};
use flb_audit_core::chain::state;
use indicatif::ProgressBar;
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, IsTerminal, Read};
use std::path::{Path, PathBuf};

/// A file or standard input.
pub(crate) struct Source {
    path: PathBuf,
    /// The hash of the stored bytes, if it is asked for.
    stored: Option<Kept>,
}

/// An opened source.
pub(super) enum Opened {
    /// The bytes, decompressed.
    Bytes(Decompressed),
    /// A file of encrypted frames.
    Frames(File),
}

impl Source {
    /// Returns the sources that a command line names: none or `-` is standard input.
    pub(crate) fn all(files: Vec<PathBuf>) -> Result<Vec<Source>> {
        if files.is_empty() && io::stdin().is_terminal() {
            bail!("nothing to read: name log files, or pipe records into standard input");
        }
        let files = if files.is_empty() { vec![PathBuf::from("-")] } else { files };
        Ok(files.into_iter().map(|path| Source { path, stored: None }).collect())
    }

    /// Has the bytes hashed as they are read.
    pub(crate) fn hash(&mut self) {
        self.stored = Some(Kept::default());
    }

    /// Returns what was read, if it was hashed.
    pub(crate) fn stored(&self) -> Option<Stored> {
        self.stored.as_ref()?.get()
    }

    fn is_stdin(&self) -> bool {
        self.path.as_os_str() == "-"
    }

    /// Returns the name as it is shown.
    pub(crate) fn name(&self) -> String {
        if self.is_stdin() { "standard input".into() } else { shown(&self.path.to_string_lossy()) }
    }

    /// Returns the stored length in bytes, where it is known.
    pub(super) fn len(&self) -> Option<u64> {
        if self.is_stdin() { None } else { self.path.metadata().ok().map(|metadata| metadata.len()) }
    }

    pub(super) fn open(&self, progress: &ProgressBar) -> io::Result<Opened> {
        if self.is_stdin() {
            let bytes = BufReader::new(progress.wrap_read(self.hashing(io::stdin())));
            return decompress(bytes, BATCH_BYTES).map(Opened::Bytes);
        }
        check_is_file(&self.path)?;
        if frames::is_frames(&self.path) {
            // Frames are read at places, and a file of them is closed most often.
            if let Some(kept) = &self.stored {
                kept.set(Stored::of(File::open(&self.path)?)?);
            }
            return File::open(&self.path).map(Opened::Frames);
        }
        let file = progress.wrap_read(self.hashing(File::open(&self.path)?));
        decompress(BufReader::with_capacity(BATCH_BYTES, file), BATCH_BYTES).map(Opened::Bytes)
    }

    fn hashing<R: Read>(&self, bytes: R) -> Hashing<R> {
        Hashing::new(bytes, self.stored.as_ref())
    }
}

/// Checks that there is a regular file. Opening a pipe would wait for somebody who
/// writes into it, and a device has no end.
pub(crate) fn check_is_file(path: &Path) -> io::Result<()> {
    let metadata = match path.metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound && is_pattern(path) => {
            return Err(io::Error::other("no file matches this pattern"));
        }
        metadata => metadata?,
    };
    if metadata.is_dir() {
        return Err(io::Error::other(if path.join(state::FILE_NAME).is_file() {
            "a directory with the state of a chain and no manifests.ndjson: a filter's, or a ledger that is empty"
        } else {
            "a directory, and no ledger: it has no manifests.ndjson; name the files in it"
        }));
    }
    if !metadata.is_file() {
        return Err(io::Error::other("a pipe or a device; pipe it into standard input"));
    }
    Ok(())
}

fn is_pattern(path: &Path) -> bool {
    path.to_string_lossy().contains(['*', '?', '['])
}
