//! The heads of full pages: in memory, and in a file once they are many.

use std::io::{self, Read, Seek, SeekFrom, Write};
use tempfile::SpooledTempFile;

/// A keyed hash of a head, under a key that is drawn anew for every
/// verification: nobody can prepare two heads with one fingerprint.
pub(super) type Fingerprint = u64;

/// How many records a page has.
pub(super) const PAGE_RECORDS: usize = 64;

/// How much of the spool is kept in memory, in bytes.
const SPOOL_MEMORY_BYTES_MAX: usize = 64 << 20;

/// The heads of full pages.
pub(super) struct Spool {
    file: SpooledTempFile,
    pages: u64,
}

impl Spool {
    pub(super) fn new() -> Self {
        Spool { file: SpooledTempFile::new(SPOOL_MEMORY_BYTES_MAX), pages: 0 }
    }

    /// Adds a page and returns its number.
    pub(super) fn push(&mut self, heads: &[Fingerprint; PAGE_RECORDS]) -> io::Result<u64> {
        let mut bytes = [0; 8 * PAGE_RECORDS];
        for (to, head) in bytes.chunks_exact_mut(8).zip(heads) {
            to.copy_from_slice(&head.to_le_bytes());
        }
        self.file.seek(SeekFrom::End(0))?;
        self.file.write_all(&bytes)?;
        self.pages += 1;
        Ok(self.pages - 1)
    }

    /// Returns the head of one record of a page.
    pub(super) fn head(&mut self, page: u64, record: usize) -> io::Result<Fingerprint> {
        let mut bytes = [0; 8];
        self.file.seek(SeekFrom::Start(8 * (page * PAGE_RECORDS as u64 + record as u64)))?;
        self.file.read_exact(&mut bytes)?;
        Ok(Fingerprint::from_le_bytes(bytes))
    }
}
