//! A segment's file: records as lines of JSON, first as they come, then, when
//! it is closed, compressed.

use crate::manifest::{active_name, closed_name};
use crate::seen::{Identities, Identity, Life};
use crate::tree::{self, Tree};
use crate::{Error, Named, Result};
use flb_audit_core::check::{Checked, Checker};
use flb_audit_core::seal::Place;
use ruzstd::decoding::StreamingDecoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How much is compressed at once, in bytes: a frame of its own each.
const FRAME_BYTES: usize = 1 << 20;

/// Records to be appended.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) lines: Vec<u8>,
    pub(crate) records: Vec<Entry>,
}

/// A record in a batch.
pub(crate) struct Entry {
    pub(crate) identity: Identity,
    /// The record that its life goes on from, if it is the first.
    pub(crate) link: Option<Place>,
    pub(crate) seconds: u64,
    /// The length of its line, without the line break.
    pub(crate) len: usize,
}

impl Batch {
    pub(crate) fn add(&mut self, line: &[u8], identity: Identity, link: Option<Place>, seconds: u64) {
        self.lines.extend_from_slice(line);
        self.lines.push(b'\n');
        let link = link.filter(|_| identity.sequence == 0);
        self.records.push(Entry { identity, link, seconds, len: line.len() });
    }
}

/// The segment that records are appended to.
pub(crate) struct Active {
    pub(crate) number: u64,
    path: PathBuf,
    file: File,
    pub(crate) bytes: u64,
    pub(crate) records: u64,
    pub(crate) opened: SystemTime,
    pub(crate) tree: Tree,
    pub(crate) held: Identities,
    /// What the lives go on from that begin here.
    pub(crate) links: HashMap<Life, Place>,
    /// The earliest and the latest time of a record.
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// A segment as it is stored when closed.
pub(crate) struct Stored {
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

impl Active {
    /// Opens the segment, new or as an earlier life has left it. Gives `see` the
    /// identities of its records, in order, and says how many bytes of a torn
    /// record at its end were cut off.
    pub(crate) fn open(
        directory: &Path,
        number: u64,
        see: &mut dyn FnMut(&Identity),
    ) -> Result<(Active, u64)> {
        let path = directory.join(active_name(number));
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        let file = options.open(&path).named(&path)?;
        sync_directory(directory)?;
        let mut active = Active {
            number,
            path,
            file,
            bytes: 0,
            records: 0,
            opened: SystemTime::now(),
            tree: Tree::default(),
            held: Identities::new(),
            links: HashMap::new(),
            from: u64::MAX,
            to: 0,
        };
        let cut = active.recover(see)?;
        Ok((active, cut))
    }

    fn recover(&mut self, see: &mut dyn FnMut(&Identity)) -> Result<u64> {
        let mut reader = BufReader::with_capacity(FRAME_BYTES, File::open(&self.path).named(&self.path)?);
        let mut checker = Checker::default();
        let mut line = Vec::new();
        // Where the last whole record ends.
        let (mut end, mut at) = (0, 0);
        loop {
            line.clear();
            let read = reader.read_until(b'\n', &mut line).named(&self.path)? as u64;
            if read == 0 {
                break;
            }
            at += read;
            let Some(text) = line.strip_suffix(b"\n") else {
                break;
            };
            if let Ok(Checked::Sealed(sealed)) = checker.check(text) {
                if end + read != at {
                    let path = self.path.display();
                    return Err(Error::new(format!(
                        "{path}: damaged at byte {end}; see docs/output.md, Restore"
                    )));
                }
                let identity = Identity::of(&sealed);
                see(&identity);
                let link = sealed.link.filter(|_| identity.sequence == 0);
                self.add(&Entry { identity, link, seconds: sealed.seconds, len: text.len() }, text);
                end = at;
            }
        }
        let cut = at - end;
        if cut > 0 {
            self.file.set_len(end).and_then(|()| self.file.sync_data()).named(&self.path)?;
        }
        self.bytes = end;
        Ok(cut)
    }

    fn add(&mut self, record: &Entry, line: &[u8]) {
        let Entry { identity, seconds, .. } = *record;
        self.held.insert(identity);
        if let Some(link) = record.link {
            self.links.insert(identity.life, link);
        }
        self.tree.add(tree::leaf(line));
        self.records += 1;
        self.from = self.from.min(seconds);
        self.to = self.to.max(seconds);
    }

    /// Appends records. With `is_synced` they are on the disk after this.
    pub(crate) fn append(&mut self, batch: &Batch, is_synced: bool) -> Result<()> {
        self.file.write_all(&batch.lines).named(&self.path)?;
        if is_synced {
            self.file.sync_data().named(&self.path)?;
        }
        // A component's writes may fail late.
        let len = self.file.metadata().named(&self.path)?.len();
        let expected = self.bytes + batch.lines.len() as u64;
        if len != expected {
            let path = self.path.display();
            return Err(Error::new(format!(
                "{path}: {len} bytes where {expected} were to be: is the disk full?"
            )));
        }
        self.bytes = len;
        let mut at = 0;
        for record in &batch.records {
            let line = &batch.lines[at..at + record.len];
            at += record.len + 1;
            self.add(record, line);
        }
        Ok(())
    }

    /// Writes the closed segment's file.
    pub(crate) fn compress(&self, directory: &Path) -> Result<Stored> {
        let path = directory.join(closed_name(self.number));
        let partial = directory.join(format!("{}.partial", closed_name(self.number)));
        let mut source = File::open(&self.path).named(&self.path)?;
        let mut target = File::create(&partial).named(&partial)?;
        let (mut hash, mut len) = (Sha256::new(), 0);
        let mut piece = Vec::with_capacity(FRAME_BYTES);
        loop {
            piece.clear();
            (&mut source).take(FRAME_BYTES as u64).read_to_end(&mut piece).named(&self.path)?;
            if piece.is_empty() {
                break;
            }
            let frame = compress_to_vec(&piece[..], CompressionLevel::Fastest);
            hash.update(&frame);
            len += frame.len() as u64;
            target.write_all(&frame).named(&partial)?;
        }
        target.sync_all().named(&partial)?;
        if target.metadata().named(&partial)?.len() != len {
            return Err(Error::new(format!("{}: not written: is the disk full?", partial.display())));
        }
        fs::rename(&partial, &path).named(&path)?;
        sync_directory(directory)?;
        let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Stored { bytes: len, sha256 })
    }
}

/// The identities of a closed segment's records.
pub(crate) fn read_closed(directory: &Path, number: u64) -> Result<Identities> {
    let path = directory.join(closed_name(number));
    let mut source = BufReader::new(File::open(&path).named(&path)?);
    let mut identities = Identities::new();
    let mut checker = Checker::default();
    let (mut line, mut plain) = (Vec::new(), Vec::new());
    while !source.fill_buf().named(&path)?.is_empty() {
        let damaged = |error| Error::new(format!("{}: damaged: {error}", path.display()));
        let mut frame = StreamingDecoder::new(&mut source).map_err(|error| damaged(error.to_string()))?;
        plain.clear();
        frame.read_to_end(&mut plain).named(&path)?;
        for part in plain.split_inclusive(|&byte| byte == b'\n') {
            line.extend_from_slice(part);
            let Some(text) = line.strip_suffix(b"\n") else {
                break;
            };
            if let Ok(Checked::Sealed(sealed)) = checker.check(text) {
                identities.insert(Identity::of(&sealed));
            }
            line.clear();
        }
    }
    Ok(identities)
}

/// Makes names in the directory last through a loss of power.
pub(crate) fn sync_directory(directory: &Path) -> Result<()> {
    if cfg!(windows) {
        return Ok(());
    }
    File::open(directory).and_then(|directory| directory.sync_all()).named(directory)
}
