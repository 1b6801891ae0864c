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
mod error;
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

use error::{Named, Result};

pub use crypt::{Closed, DecryptionKeys, Recipients};
pub use error::Error;
pub use ledger::{Ledger, Level, Line};
pub use record_id::RecordId;
pub use retention::Clock;
pub use settings::{PROPERTIES, Settings};

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
