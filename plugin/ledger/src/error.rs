//! The errors that keep the ledger from storing a chunk.

use crate::{faults, manifest};
use flb_audit_core::OutOfMemory;
use flb_audit_core::chain::state;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The result of an operation on files.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// The reason why the ledger cannot store a chunk now. The chunk has to come again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An operation on a file failed.
    #[error("{}: {}", path.display(), reason(source))]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A write was accepted, but the bytes are not in the file.
    #[error("{}: {len} bytes instead of {expected}: is the disk full?", path.display())]
    NotWritten {
        /// The file.
        path: PathBuf,
        /// The file's length, in bytes.
        len: u64,
        /// The length that it should have, in bytes.
        expected: u64,
    },
    /// A file is damaged and cannot be read.
    #[error("{}: damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// A closed file cannot be decompressed.
    #[error("{}: damaged: {what}", path.display())]
    NotCompressed {
        /// The file.
        path: PathBuf,
        /// The error in its frame.
        what: String,
    },
    /// The file of keys is damaged, or belongs to another chain.
    #[error("{}: damaged, or it belongs to another chain", path.display())]
    ForeignKeys {
        /// The file.
        path: PathBuf,
    },
    /// The chain has had keys, and their file is not there.
    #[error("{}: missing, and the chain has had keys: set up another directory with `flb-audit init`", path.display())]
    KeysMissing {
        /// The file of keys.
        path: PathBuf,
    },
    /// Two ledgers are writing to one directory.
    #[error("{}: another ledger has started to use a new key; only one may use this directory", path.display())]
    TwoLedgers {
        /// The file of keys.
        path: PathBuf,
    },
    /// The key file has no next key.
    #[error("{}: it has no next key", path.display())]
    NoNextKey {
        /// The file of keys.
        path: PathBuf,
    },
    /// The directory was never set up.
    #[error(
        "{} is missing from the ledger's directory; `flb-audit init DIR --node NAME` creates it",
        state::FILE_NAME
    )]
    NotSetUp,
    /// The directory was removed while the ledger was running.
    #[error(
        "{} is no longer in the ledger's directory: if the directory was removed and created again, restart Fluent Bit",
        state::FILE_NAME
    )]
    Removed,
    /// The manifests are still being read.
    #[error("{} is being read: {percent} % so far", manifest::FILE_NAME)]
    Opening {
        /// The part that has been read, in percent.
        percent: u64,
    },
    /// A closed file has no manifest.
    #[error("{}: not in {}; see docs/output.md, Restore", path.display(), manifest::FILE_NAME)]
    WithoutManifest {
        /// The file.
        path: PathBuf,
    },
    /// A file or a manifest has the highest number that there is.
    #[error("{}: a file or a manifest has the number {}, and none is left; see docs/output.md, Restore", directory.display(), u64::MAX)]
    NoNumberLeft {
        /// The ledger's directory.
        directory: PathBuf,
    },
    /// Two open files have the same number.
    #[error(
        "{}, {}: both exist, and only one can be the open file; see docs/output.md, Restore",
        lines.display(),
        frames.display()
    )]
    TwoOpenFiles {
        /// The file of lines.
        lines: PathBuf,
        /// The file of encrypted frames.
        frames: PathBuf,
    },
    /// The roster cannot be read.
    #[error("{}: not a roster: {source}", path.display())]
    NotARoster {
        /// The file.
        path: PathBuf,
        /// The error in it.
        source: serde_json::Error,
    },
    /// The fleet's file cannot be read.
    #[error("{}: not the public part of a fleet's key, as `flb-audit fleet init` writes it", path.display())]
    NotAFleet {
        /// The file.
        path: PathBuf,
    },
    /// An encrypted file is to be continued, but no recipient is configured.
    #[error("{name} is encrypted, but `recipients` is not set: set it as it was before")]
    NoRecipient {
        /// The file.
        name: String,
    },
    /// Records cannot be encrypted.
    #[error("cannot be encrypted: {0}")]
    Encryption(#[from] age::EncryptError),
    /// A statement cannot be written as JSON.
    #[error("a statement cannot be written: {0}")]
    Statement(#[from] serde_json::Error),
    /// The system's random source failed.
    #[error("the system's random source failed: {0}")]
    Random(#[from] getrandom::Error),
    /// There is no memory left.
    #[error("out of memory")]
    OutOfMemory,
}

impl From<OutOfMemory> for Error {
    fn from(_: OutOfMemory) -> Self {
        Error::OutOfMemory
    }
}

/// Words the system's error. WASI's streams do not tell a full disk from a failed one.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::StorageFull => "no space left".to_owned(),
        _ if cfg!(target_family = "wasm") && error.raw_os_error() == Some(29) => {
            "no space left, or the disk has failed".to_owned()
        }
        _ => error.to_string(),
    }
}

/// Adds the name of the file to an error.
pub(crate) trait Named<T> {
    fn named(self, path: &Path) -> Result<T>;
}

impl<T> Named<T> for io::Result<T> {
    fn named(self, path: &Path) -> Result<T> {
        self.and_then(|done| faults::done().map(|()| done))
            .map_err(|source| Error::Io { path: path.to_owned(), source })
    }
}
