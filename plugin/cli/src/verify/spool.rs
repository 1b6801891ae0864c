//! The heads of whole pages, in memory or, if there are many, in a file.

use std::io::{self, Read, Seek, SeekFrom, Write};
use tempfile::SpooledTempFile;

/// A keyed hash of a head. Every verification draws a new key, so nobody can prepare two
/// heads with one fingerprint.
pub(super) type Fingerprint = u64;

/// The number of records in a page.
pub(super) const PAGE_RECORDS: usize = 64;

/// The maximum size of the spool in memory, in bytes.
const SPOOL_MEMORY_BYTES_MAX: usize = 64 << 20;

/// The heads of whole pages.
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
