//! The audit ledger: a directory that holds each record once, and proves it.
//!
//! [`Ledger`] stores Fluent Bit's chunks, which [`chunk`] reads. The main modules:
//!
//! - `open_file` is the file that records are appended to, and `files` finds the files
//!   that exist.
//! - `record_index` finds the closed files in which a record may be, and `runs` the
//!   records of a file that follow one another.
//! - `ledger_chain` is the ledger's own chain, which seals manifests, and records that
//!   come without a seal.
//! - `journal` is the file with a note of the next append. Its `tail` shows `recovery` which of
//!   the last records the ledger wrote itself. Its `intents` show that a chunk of records without
//!   seals has come before, and comes again after a crash.
//! - [`manifest`] describes a closed file, [`statements`] puts all manifests and
//!   tombstones together, and `closed_files` is the part of them that the ledger keeps in
//!   memory.
//! - [`frame`] is the form of encrypted files.
//!
//! Everything in memory can be read back from the directory. So every failed write is
//! handled in one way: the ledger forgets everything, and opens the directory again for
//! the next chunk.
#![forbid(unsafe_code)]

mod batch;
pub mod chunk;
mod closed_files;
mod crypt;
mod disk;
mod error;
pub mod faults;
mod files;
mod fleet;
pub mod frame;
mod intake;
mod intents;
mod journal;
mod keys;
mod ledger;
mod ledger_chain;
mod log;
pub mod manifest;
mod manifests;
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
pub use ledger::Ledger;
pub use log::{Level, Line};
pub use record_id::RecordId;
pub use retention::Clock;
pub use settings::{PROPERTIES, Settings};
