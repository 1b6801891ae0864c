//! The files of a configuration, read within limits.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The maximum length of a file, in bytes.
pub const FILE_BYTES_MAX: usize = 1 << 20;
/// The maximum length of all files of a configuration, in bytes.
pub const TOTAL_BYTES_MAX: usize = 8 << 20;
/// The maximum number of files in a configuration, as in Fluent Bit.
pub const FILES_MAX: usize = 1000;
/// The maximum depth of includes.
pub const INCLUDE_DEPTH_MAX: usize = 32;

/// The format of a file, which follows from its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Sections in brackets.
    Classic,
    /// YAML, for `.yaml` and `.yml`.
    Yaml,
}

impl Format {
    /// Returns the format in which Fluent Bit reads a file with this name.
    pub fn of(path: &Path) -> Format {
        let extension = path.extension().and_then(|name| name.to_str()).unwrap_or_default();
        if extension.eq_ignore_ascii_case("yaml") || extension.eq_ignore_ascii_case("yml") {
            Format::Yaml
        } else {
            Format::Classic
        }
    }
}

/// A file of the configuration.
#[derive(Clone, Debug)]
pub struct Source {
    /// The path, as it was named or as an include led to it.
    pub path: PathBuf,
    /// The content, byte for byte.
    pub bytes: Vec<u8>,
    /// The format.
    pub format: Format,
}

impl Source {
    /// Returns the lines with their line ends.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.split_inclusive(|byte| *byte == b'\n')
    }
}

/// A line of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The file's index among the sources.
    pub source: usize,
    /// The number of the line, counted from 1.
    pub line: usize,
}

/// The reason why a file is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// The file does not exist.
    Missing,
    /// The path is a directory, a pipe, a device or a socket.
    NotAFile,
    /// The file has more than [`FILE_BYTES_MAX`] bytes.
    TooLong,
    /// The configuration has more than [`TOTAL_BYTES_MAX`] bytes.
    TooMuch,
    /// The configuration has more than [`FILES_MAX`] files.
    TooManyFiles,
    /// The file was read before: it includes itself, or is included twice.
    ReadBefore,
    /// The system refuses to read the file.
    Unreadable(std::io::ErrorKind),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Missing => f.write_str("no such file"),
            Refused::NotAFile => f.write_str("not a regular file"),
            Refused::TooLong => write!(f, "longer than {FILE_BYTES_MAX} bytes, which no configuration needs"),
            Refused::TooMuch => {
                write!(f, "the configuration's files have more than {TOTAL_BYTES_MAX} bytes together")
            }
            Refused::TooManyFiles => write!(f, "the configuration has more than {FILES_MAX} files"),
            Refused::ReadBefore => f.write_str(
                "read before: Fluent Bit reads no file twice, and files that include each other never",
            ),
            Refused::Unreadable(kind) => write!(f, "cannot be read: {kind}"),
        }
    }
}

impl std::error::Error for Refused {}

/// All files that were read, in their order, and the contents that replace files on the
/// disk.
#[derive(Default)]
pub(crate) struct Sources {
    pub(crate) read: Vec<Source>,
    replaced: HashMap<PathBuf, Vec<u8>>,
    /// The files that were read, by their paths without links.
    seen: HashSet<PathBuf>,
    bytes: usize,
}

impl Sources {
    /// Makes sources in which these files have other contents than on the disk.
    pub(crate) fn replacing(replaced: HashMap<PathBuf, Vec<u8>>) -> Sources {
        Sources { replaced, ..Sources::default() }
    }

    /// Reads a file, and returns its index.
    pub(crate) fn read(&mut self, path: &Path) -> Result<usize, Refused> {
        if self.read.len() >= FILES_MAX {
            return Err(Refused::TooManyFiles);
        }
        let canonical = fs::canonicalize(path).map_err(|error| refused(&error))?;
        if !self.seen.insert(canonical.clone()) {
            return Err(Refused::ReadBefore);
        }
        let bytes = match self.replaced.get(path) {
            Some(bytes) => bytes.clone(),
            None => regular_file(&canonical)?,
        };
        self.bytes += bytes.len();
        if self.bytes > TOTAL_BYTES_MAX {
            return Err(Refused::TooMuch);
        }
        self.read.push(Source { path: path.to_owned(), bytes, format: Format::of(path) });
        Ok(self.read.len() - 1)
    }
}

/// Reads a regular file. Its kind is checked before it is opened, because opening a pipe
/// would wait for a writer.
fn regular_file(path: &Path) -> Result<Vec<u8>, Refused> {
    let metadata = fs::metadata(path).map_err(|error| refused(&error))?;
    if !metadata.is_file() {
        return Err(Refused::NotAFile);
    }
    let file = fs::File::open(path).map_err(|error| refused(&error))?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(|error| refused(&error))?;
    if bytes.len() > FILE_BYTES_MAX {
        return Err(Refused::TooLong);
    }
    Ok(bytes)
}

fn refused(error: &std::io::Error) -> Refused {
    match error.kind() {
        std::io::ErrorKind::NotFound => Refused::Missing,
        kind => Refused::Unreadable(kind),
    }
}
