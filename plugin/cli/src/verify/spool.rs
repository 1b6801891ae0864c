//! The heads of whole pages, in memory or, if there are many, in a file.

use flb_audit_core::hash::Hash;
use std::io::{self, Read, Seek, SeekFrom, Write};
use tempfile::SpooledTempFile;

/// The length of a fingerprint, in bytes.
pub(super) const FINGERPRINT_BYTES: usize = 16;

/// The first half of a head. It is the same in every process, so the parts of a log can be
/// compared. To find a record with another's fingerprint takes 2^128 hashes. To prepare two
/// such records takes 2^64, between one record of the chain and the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Fingerprint(pub(super) [u8; FINGERPRINT_BYTES]);

impl Fingerprint {
    /// The first of all fingerprints in their order, which is also that of the head before
    /// a chain's first record.
    pub(super) const FIRST: Fingerprint = Fingerprint([0; FINGERPRINT_BYTES]);
    /// The last of all fingerprints in their order.
    pub(super) const LAST: Fingerprint = Fingerprint([u8::MAX; FINGERPRINT_BYTES]);

    /// Returns the fingerprint of a head.
    pub(super) fn of(head: &Hash) -> Fingerprint {
        let mut half = [0; FINGERPRINT_BYTES];
        half.copy_from_slice(&head[..FINGERPRINT_BYTES]);
        Fingerprint(half)
    }
}

/// The number of records in a page.
pub(super) const PAGE_RECORDS: usize = 64;
/// The length of a page in the spool.
const PAGE_BYTES: usize = FINGERPRINT_BYTES * PAGE_RECORDS;

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
        let mut bytes = [0; PAGE_BYTES];
        for (to, head) in bytes.chunks_exact_mut(FINGERPRINT_BYTES).zip(heads) {
            to.copy_from_slice(&head.0);
        }
        self.file.seek(SeekFrom::End(0))?;
        self.file.write_all(&bytes)?;
        self.pages += 1;
        Ok(self.pages - 1)
    }

    /// Returns the head of one record of a page.
    pub(super) fn head(&mut self, page: u64, record: usize) -> io::Result<Fingerprint> {
        let mut head = Fingerprint::FIRST;
        let at = page * PAGE_BYTES as u64 + (record * FINGERPRINT_BYTES) as u64;
        self.file.seek(SeekFrom::Start(at))?;
        self.file.read_exact(&mut head.0)?;
        Ok(head)
    }

    /// Returns the heads of a page.
    pub(super) fn page(&mut self, page: u64) -> io::Result<[Fingerprint; PAGE_RECORDS]> {
        let mut bytes = [0; PAGE_BYTES];
        self.file.seek(SeekFrom::Start(page * PAGE_BYTES as u64))?;
        self.file.read_exact(&mut bytes)?;
        let mut heads = [Fingerprint::FIRST; PAGE_RECORDS];
        for (head, from) in heads.iter_mut().zip(bytes.chunks_exact(FINGERPRINT_BYTES)) {
            head.0.copy_from_slice(from);
        }
        Ok(heads)
    }
}
