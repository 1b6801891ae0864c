//! The errors that keep the ledger from storing a chunk.

use crate::{faults, manifest};
use flb_audit_core::OutOfMemory;
use flb_audit_core::chain::state;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The result of an operation on files.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// The ledger cannot do it now: the chunk is to come again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refuses.
    #[error("{}: {}", path.display(), reason(source))]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A write was accepted, and is not in the file.
    #[error("{}: {len} bytes where {expected} were to be: is the disk full?", path.display())]
    NotWritten {
        /// The file.
        path: PathBuf,
        /// Its length, in bytes.
        len: u64,
        /// The length that it was to have.
        expected: u64,
    },
    /// A file cannot be read as what it is.
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
    #[error("{}: damaged, or of another chain", path.display())]
    ForeignKeys {
        /// The file.
        path: PathBuf,
    },
    /// Two ledgers are at work in one directory.
    #[error("{}: another ledger has put a key into force", path.display())]
    TwoLedgers {
        /// The file of keys.
        path: PathBuf,
    },
    /// The file of keys has none to go on with.
    #[error("{}: there is no next key", path.display())]
    NoNextKey {
        /// The file of keys.
        path: PathBuf,
    },
    /// The directory was never set up.
    #[error(
        "{} is not in the ledger's directory: `flb-audit init DIR --node NAME` makes it",
        state::FILE_NAME
    )]
    NotSetUp,
    /// The directory was removed while the ledger was at work.
    #[error(
        "{} is no longer in the ledger's directory: if that was removed and made again, restart Fluent Bit",
        state::FILE_NAME
    )]
    Removed,
    /// The manifests are still being read.
    #[error("{} is being read: {percent} % so far", manifest::FILE_NAME)]
    Opening {
        /// The part that has been read, in percent.
        percent: u64,
    },
    /// A closed file is there that no manifest knows.
    #[error("{}: not in {}; see docs/output.md, Restore", path.display(), manifest::FILE_NAME)]
    WithoutManifest {
        /// The file.
        path: PathBuf,
    },
    /// Two files are there for one number.
    #[error(
        "{}, {}: both here, and only one can be the file that goes on; see docs/output.md, Restore",
        lines.display(),
        frames.display()
    )]
    TwoOpenFiles {
        /// The one of lines.
        lines: PathBuf,
        /// The one of encrypted frames.
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
    /// An encrypted file goes on, and nobody is named that could read it.
    #[error("{name}: for nobody")]
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
    /// The system has no random numbers.
    #[error("no random numbers: {0}")]
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

/// Words what the system says. WASI's streams do not tell a full disk from a failed one.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::StorageFull => "no space left".to_owned(),
        _ if cfg!(target_family = "wasm") && error.raw_os_error() == Some(29) => {
            "no space left, or the disk has failed".to_owned()
        }
        _ => error.to_string(),
    }
}

/// Says of which file an error is.
pub(crate) trait Named<T> {
    fn named(self, path: &Path) -> Result<T>;
}

impl<T> Named<T> for io::Result<T> {
    fn named(self, path: &Path) -> Result<T> {
        self.and_then(|done| faults::done().map(|()| done))
            .map_err(|source| Error::Io { path: path.to_owned(), source })
    }
}
