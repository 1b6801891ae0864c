//! Checks an encrypted file against its manifest: by its frame headers and, given a
//! decryption key, by its records.

use super::ranges::joined;
use crate::frames;
use flb_audit_core::chain::Life;
use flb_audit_core::text::hex;
use flb_audit_ledger::frame::{Fault, Reader};
use flb_audit_ledger::manifest::{self, Manifest};
use flb_audit_ledger::tree::{self, Tree};
use flb_audit_ledger::{DecryptionKeys, RecordId};
use indicatif::{ProgressBar, ProgressBarIter};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::ops::RangeInclusive;
use std::path::Path;

/// The number of bytes that are read at once.
const BUFFER_BYTES: usize = 1 << 20;

/// Checks that the file has the hash, the records and the root of its manifest.
pub(super) fn is_as_stated(
    path: &Path,
    manifest: &Manifest,
    identities: Option<&DecryptionKeys>,
    progress: &ProgressBar,
) -> io::Result<bool> {
    // The tree by the frames' headers, and the tree by the records as long as they can be
    // read.
    let (mut tree, mut of_records) = (Tree::default(), identities.map(|_| Tree::default()));
    let listed = ListedRecords::of(manifest);
    let (mut records, mut loose, mut bytes, mut is_whole) = (0_u64, 0_u64, 0, true);
    let mut reader = Reader::new(BufReader::with_capacity(BUFFER_BYTES, File::open(path)?));
    let mut body = Vec::new();
    loop {
        body.clear();
        let frame = match reader.next(|piece| body.extend_from_slice(piece)) {
            Ok(None) => break,
            Ok(Some(frame)) if frame.is_whole => frame,
            Ok(Some(_)) | Err(Fault::Broken { .. }) => {
                is_whole = false;
                continue;
            }
            Err(Fault::Io(error)) => return Err(error),
        };
        records += frame.records.len() as u64;
        bytes += frame.header.bytes;
        // Records that are not intact are in no extent.
        loose += frame.records.iter().filter(|record| !listed.has(record)).count() as u64;
        let is_stated = loose <= manifest.loose;
        if !is_stated || is_whole && tree.grow(frame.records.len() as u64, &frame.grown).is_none() {
            return Ok(false);
        }
        let lines = identities.and_then(|identities| frames::open(identities, &frame, &body).ok());
        match (&mut of_records, lines) {
            (Some(tree), Some(lines)) if is_whole => {
                frames::lines(&lines).for_each(|line| tree.add(tree::leaf(line)));
            }
            (Some(_), Some(_)) => {}
            // Reading the records reports that the frame cannot be opened.
            _ => of_records = None,
        }
    }
    let is_root = |tree: &Tree| manifest::root_text(&tree.root()) == manifest.root;
    let is_same = is_whole == manifest.damaged.is_none()
        && (records, bytes) == (manifest.records, manifest.bytes)
        && is_root(&tree)
        && of_records.as_ref().is_none_or(is_root);
    Ok(is_same && Hashed::open(path, progress)?.into_hex()? == manifest.sha256)
}

/// The records in a manifest's extents. A client can make very many records and extents, so a record
/// is looked up.
struct ListedRecords(BTreeMap<Life, Vec<RangeInclusive<u64>>>);

impl ListedRecords {
    fn of(manifest: &Manifest) -> ListedRecords {
        let mut lives: BTreeMap<Life, Vec<_>> = BTreeMap::new();
        for extent in &manifest.extents {
            if let Some(life) = extent.life() {
                lives.entry(life).or_default().push(extent.first..=extent.last);
            }
        }
        ListedRecords(lives.into_iter().map(|(life, all)| (life, joined(all))).collect())
    }

    fn has(&self, record: &RecordId) -> bool {
        let records = self.0.get(&record.life).map_or(&[][..], Vec::as_slice);
        let at = records.partition_point(|range| *range.end() < record.sequence);
        records.get(at).is_some_and(|range| range.contains(&record.sequence))
    }
}

/// A file whose bytes are hashed while they are read.
pub(super) struct Hashed {
    file: ProgressBarIter<File>,
    hash: Sha256,
}

impl Hashed {
    pub(super) fn open(path: &Path, progress: &ProgressBar) -> io::Result<Hashed> {
        Ok(Hashed { file: progress.wrap_read(File::open(path)?), hash: Sha256::new() })
    }

    /// Reads the rest of the file, and returns the hash of all of it in hexadecimal.
    pub(super) fn into_hex(mut self) -> io::Result<String> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(hex::encode(&self.hash.finalize()))
    }
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}
