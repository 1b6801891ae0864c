//! The audit ledger: a directory that holds each record once, and proves it.
//!
//! [`Ledger`] stores chunks of Fluent Bit's. [`chunk`] reads them; `open_file` is
//! the file that records are appended to; `files` knows which of these there
//! are; `record_index` knows in which of these a record may be,
//! `runs` which records of a file follow one another;
//! `ledger_chain` is the ledger's chain, which seals records that come without a seal,
//! and manifests. `journal` is the file that says what is about to be appended:
//! by its `tail`, `recovery` tells the ledger's own records from others', and its
//! `intents` recognise a chunk of records without seals that comes again after a
//! crash. [`manifest`] says what a closed file holds, [`statements`]
//! what all of these come to, and `closed_files` what the ledger keeps of that in
//! memory. With recipients,
//! they are files of [`frame`]s.
//!
//! Everything that is in memory can be read back from the directory. So there
//! is one answer to a failed write: forget everything, and open the ledger
//! again for the next chunk.
#![forbid(unsafe_code)]

pub mod chunk;
mod closed_files;
mod crypt;
pub mod faults;
mod files;
pub mod frame;
mod intake;
mod intents;
mod journal;
mod keys;
mod ledger;
mod ledger_chain;
pub mod manifest;
mod open_file;
mod record_id;
mod record_index;
mod recovery;
mod retention;
pub mod roster;
mod runs;
mod settings;
pub mod statements;
mod tail;
pub mod tree;

pub use crypt::{Closed, DecryptionKeys, Recipients};
pub use ledger::{Ledger, Level, Line};
pub use record_id::RecordId;
pub use retention::Clock;
pub use settings::{PROPERTIES, Settings};

/// What comes of files.
type Result<T> = std::result::Result<T, Error>;

/// The ledger cannot do it now: the chunk is to come again.
#[derive(Debug)]
pub struct Error {
    what: String,
}

impl Error {
    fn new(what: impl Into<String>) -> Self {
        Error { what: what.into() }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Error {}

impl From<flb_audit_core::OutOfMemory> for Error {
    fn from(_: flb_audit_core::OutOfMemory) -> Self {
        Error::new("out of memory")
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Error::new(error.to_string())
    }
}

/// How files are opened: what is made is for nobody else to read.
#[cfg(unix)]
fn private() -> std::fs::OpenOptions {
    let mut options = std::fs::OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// How files are opened: a component's directory says who can read them.
#[cfg(not(unix))]
fn private() -> std::fs::OpenOptions {
    std::fs::OpenOptions::new()
}

/// Says of which file an error is.
trait Named<T> {
    fn named(self, path: &std::path::Path) -> Result<T>;
}

impl<T> Named<T> for std::io::Result<T> {
    fn named(self, path: &std::path::Path) -> Result<T> {
        self.and_then(|done| faults::done().map(|()| done)).map_err(|error| {
            let what = match error.kind() {
                std::io::ErrorKind::StorageFull => "no space left".to_owned(),
                // WASI's streams do not say which of the two it is.
                _ if cfg!(target_family = "wasm") && error.raw_os_error() == Some(29) => {
                    "no space left, or the disk has failed".to_owned()
                }
                _ => error.to_string(),
            };
            Error::new(format!("{}: {what}", path.display()))
        })
    }
}
