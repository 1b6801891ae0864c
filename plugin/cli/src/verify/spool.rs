//! The heads of records, in files: those of whole pages, and those of pages that wait for
//! records while there are many of them.

use super::rows::RowFile;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flb_audit_core::hash::Hash;
use flb_audit_ledger::manifest::BEGINNING_LEN;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use tempfile::SpooledTempFile;

/// The length of a fingerprint, in bytes.
pub(super) const FINGERPRINT_BYTES: usize = 16;
/// The length of the beginning that a manifest lists, in bytes. Three bytes make four characters.
const BEGINNING_BYTES: usize = BEGINNING_LEN / 4 * 3;

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

    /// Returns the beginning of the head's text, as a manifest lists it.
    pub(super) fn beginning(self) -> [u8; BEGINNING_LEN] {
        let mut text = [b'A'; BEGINNING_LEN];
        let _ = URL_SAFE_NO_PAD.encode_slice(&self.0[..BEGINNING_BYTES], &mut text);
        text
    }

    /// Returns the fingerprint with zeros behind the beginning that a manifest lists.
    pub(super) fn shortened(mut self) -> Fingerprint {
        self.0[BEGINNING_BYTES..].fill(0);
        self
    }
}

/// The number of records in a page.
pub(super) const PAGE_RECORDS: usize = 64;
/// The length of a page in the spool.
const PAGE_BYTES: usize = FINGERPRINT_BYTES * PAGE_RECORDS;

/// The maximum size of the spool in memory, in bytes.
const SPOOL_MEMORY_BYTES_MAX: usize = 64 << 20;

/// The maximum number of pages that wait for records in memory, with 2 KB each.
const WAITING_IN_MEMORY_MAX: usize = 8 << 10;

/// The heads of whole pages, and of pages that wait for records.
pub(super) struct Spool {
    file: SpooledTempFile,
    pages: u64,
    /// The number of pages that wait in memory.
    waiting: usize,
    /// The pages that wait elsewhere.
    aside: Option<Aside>,
    /// The file of the rows that all chains have.
    pub(super) rows: RowFile,
}

/// The head before a record, and its own head.
pub(super) type Version = (Fingerprint, Fingerprint);

/// The length of a record in the file of pages that wait.
const VERSION_BYTES: usize = 2 * FINGERPRINT_BYTES;
/// The length of a page in the file of pages that wait.
const ASIDE_BYTES: u64 = (VERSION_BYTES * PAGE_RECORDS) as u64;

/// A file of pages that wait for records. Only the records that are here were written.
struct Aside {
    file: File,
    pages: u64,
    /// The pages that are not used any more.
    free: Vec<u64>,
}

impl Spool {
    pub(super) fn new() -> Self {
        let file = SpooledTempFile::new(SPOOL_MEMORY_BYTES_MAX);
        Spool { file, pages: 0, waiting: 0, aside: None, rows: RowFile::new() }
    }

    /// Checks that no further page may wait in memory.
    pub(super) fn is_full(&self) -> bool {
        self.waiting >= WAITING_IN_MEMORY_MAX
    }

    /// Counts a page that waits in memory from now on.
    pub(super) fn begin_waiting(&mut self) {
        self.waiting += 1;
    }

    /// Counts a page that waits in memory no longer.
    pub(super) fn end_waiting(&mut self) {
        self.waiting -= 1;
    }

    /// Returns the number of an empty page in the file of pages that wait.
    pub(super) fn lay_aside(&mut self) -> io::Result<u64> {
        let aside = match &mut self.aside {
            Some(aside) => aside,
            none => none.insert(Aside { file: tempfile::tempfile()?, pages: 0, free: Vec::new() }),
        };
        Ok(aside.free.pop().unwrap_or_else(|| {
            aside.pages += 1;
            aside.pages - 1
        }))
    }

    fn aside(&mut self, page: u64, record: usize) -> io::Result<&mut Aside> {
        let aside = self.aside.as_mut().ok_or_else(|| io::Error::other("no page waits"))?;
        aside.file.seek(SeekFrom::Start(page * ASIDE_BYTES + (record * VERSION_BYTES) as u64))?;
        Ok(aside)
    }

    /// Writes a record into a page that waits.
    pub(super) fn put(&mut self, page: u64, record: usize, (before, head): Version) -> io::Result<()> {
        let mut bytes = [0; VERSION_BYTES];
        bytes[..FINGERPRINT_BYTES].copy_from_slice(&before.0);
        bytes[FINGERPRINT_BYTES..].copy_from_slice(&head.0);
        self.aside(page, record)?.file.write_all(&bytes)
    }

    /// Returns a record of a page that waits.
    pub(super) fn get(&mut self, page: u64, record: usize) -> io::Result<Version> {
        let mut version = [Fingerprint::FIRST; 2];
        let aside = self.aside(page, record)?;
        for fingerprint in &mut version {
            aside.file.read_exact(&mut fingerprint.0)?;
        }
        Ok((version[0], version[1]))
    }

    /// Returns the records of a page that waits, those that were not written as well.
    pub(super) fn get_all(&mut self, page: u64) -> io::Result<Vec<Version>> {
        let mut bytes = Vec::new();
        let aside = self.aside(page, 0)?;
        (&aside.file).take(ASIDE_BYTES).read_to_end(&mut bytes)?;
        // The file may end with the last record that was written.
        bytes.resize(ASIDE_BYTES as usize, 0);
        let fingerprint = |bytes: &[u8]| {
            let mut fingerprint = Fingerprint::FIRST;
            fingerprint.0.copy_from_slice(bytes);
            fingerprint
        };
        let version = |bytes: &[u8]| {
            let (before, head) = bytes.split_at(FINGERPRINT_BYTES);
            (fingerprint(before), fingerprint(head))
        };
        Ok(bytes.chunks_exact(VERSION_BYTES).map(version).collect())
    }

    /// Frees a page that waits no longer.
    pub(super) fn free(&mut self, page: u64) {
        if let Some(aside) = &mut self.aside {
            aside.free.push(page);
        }
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
