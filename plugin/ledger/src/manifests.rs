//! The file of the ledger's statements: appending to it, and reading it.

use crate::closed_files::ClosedFiles;
use crate::disk::private;
use crate::manifest::{FILE_NAME, LINE_BYTES_MAX, Statement, read};
use crate::record_index::RecordIndex;
use crate::tail::{Expected, Mark, Tail};
use crate::{Error, Named, Result, faults};
use flb_audit_core::chain::ChainId;
use flb_audit_core::verify::{Checked, Checker, Sealed};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The number of bytes that are read at once.
const READ_BYTES: usize = 256 << 10;
/// The number of lines between two looks at the clock.
const LINES_A_LOOK: u64 = 64;

/// The file of all statements.
pub(crate) struct Manifests {
    file: File,
    path: PathBuf,
    pub(crate) files: ClosedFiles,
    /// The last statement that was appended after the journal was written.
    pub(crate) last: Option<Tail>,
    /// True if all of the file is as the ledger wrote it.
    pub(crate) is_proven: bool,
    hash: Sha256,
    bytes: u64,
    /// Stretches that the ledger has not written. They stay in the file, and are never
    /// believed.
    pub(crate) foreign: Vec<Range<u64>>,
    /// The number of bytes of a torn line that were cut off.
    pub(crate) cut_bytes: u64,
    /// The place of the first line that is not a statement, in bytes, and the number of
    /// such lines. These lines stay, and the ledger does not repeat their content in a
    /// new statement: an attacker may have altered them to cause that.
    pub(crate) damaged: Option<(u64, u64)>,
}

impl Manifests {
    /// Returns the state of the file's end.
    pub(crate) fn mark(&self) -> Mark {
        Mark { bytes: self.bytes, digest: self.hash.clone().finalize().into() }
    }

    /// Appends a sealed statement and syncs it to the disk.
    pub(crate) fn append(&mut self, statement: &Statement, line: &[u8]) -> Result<()> {
        let before = self.file.metadata().named(&self.path)?.len();
        faults::append(&mut self.file, line).and_then(|()| self.file.sync_data()).named(&self.path)?;
        let (len, expected) =
            (std::fs::metadata(&self.path).named(&self.path)?.len(), before + line.len() as u64);
        if len != expected {
            return Err(Error::NotWritten { path: self.path.clone(), len, expected });
        }
        self.hash.update(line);
        self.bytes += line.len() as u64;
        self.files.follow(statement);
        Ok(())
    }
}

/// The file of all statements while it is being read. That takes a while if a ledger has
/// closed millions of files.
pub(crate) struct Reading {
    manifests: Manifests,
    reader: BufReader<File>,
    len: u64,
    chain: ChainId,
    expected: Option<Expected>,
    checker: Checker,
    line: Vec<u8>,
}

impl Reading {
    /// Begins to read. Only records that this chain has sealed as statements count.
    pub(crate) fn open(directory: &Path, chain: ChainId, expected: Option<Expected>) -> Result<Reading> {
        let path = directory.join(FILE_NAME);
        let file = private().read(true).append(true).create(true).open(&path).named(&path)?;
        // In a component, a file that was opened for appending is read from its end.
        let reader = BufReader::with_capacity(READ_BYTES, File::open(&path).named(&path)?);
        let len = file.metadata().named(&path)?.len();
        let manifests = Manifests {
            file,
            path,
            files: ClosedFiles::default(),
            last: None,
            is_proven: false,
            hash: Sha256::new(),
            bytes: 0,
            foreign: Vec::new(),
            cut_bytes: 0,
            damaged: None,
        };
        let (checker, line) = (Checker::default(), Vec::new());
        Ok(Reading { manifests, reader, len, chain, expected, checker, line })
    }

    /// Returns the part that has been read, in percent.
    pub(crate) fn percent(&self) -> u64 {
        self.manifests.bytes.saturating_mul(100) / self.len.max(1)
    }

    /// Reads on until `is_late` returns true or the file ends. Returns true at the end of
    /// the file.
    pub(crate) fn read(&mut self, index: &mut RecordIndex, is_late: impl Fn() -> bool) -> Result<bool> {
        for lines in 1_u64.. {
            if !self.read_line(index)? {
                let expected = self.expected.as_ref();
                self.manifests.is_proven = expected.is_some_and(Expected::is_reached);
                return Ok(true);
            }
            if lines.is_multiple_of(LINES_A_LOOK) && is_late() {
                break;
            }
        }
        Ok(false)
    }

    /// Returns the manifests that were read.
    pub(crate) fn finish(self) -> Manifests {
        self.manifests
    }

    /// Takes in a line. Returns false at the end of the file.
    fn read_line(&mut self, index: &mut RecordIndex) -> Result<bool> {
        let Reading { manifests, reader, expected, line, .. } = self;
        line.clear();
        if let Some(expected) = expected {
            expected.reach(manifests.bytes, || manifests.mark().digest);
        }
        if reader.by_ref().take(LINE_BYTES_MAX as u64).read_until(b'\n', line).named(&manifests.path)? == 0 {
            return Ok(false);
        }
        let is_long = line.len() == LINE_BYTES_MAX;
        let Some(text) = line.strip_suffix(b"\n").or(is_long.then_some(&line[..])) else {
            manifests.cut_bytes = line.len() as u64;
            manifests.file.set_len(manifests.bytes).named(&manifests.path)?;
            return Ok(false);
        };
        let unit = Sha256::digest(text).into();
        let (at, end) = (manifests.bytes, manifests.bytes + line.len() as u64);
        let is_appended = expected.as_mut().and_then(|expected| expected.is_appended(at, &unit));
        let read = read(text).filter(|_| is_appended != Some(false));
        let sealed = read.as_ref().and_then(|_| match self.checker.check(text) {
            Ok(Checked::Sealed(sealed)) => Some(sealed),
            _ => None,
        });
        let is_own =
            |sealed: &Sealed| sealed.is_intact && sealed.is_statement() && sealed.chain == self.chain;
        let before = manifests.files.last();
        if let (Some(statement), Some(sealed)) = (read, sealed.filter(|sealed| is_own(sealed)))
            && manifests.files.follow(&statement)
        {
            match statement {
                Statement::File(manifest) if manifest.number > before => {
                    index.add(manifest.number, manifest.extents);
                }
                Statement::File(_) => {}
                Statement::Deleted(tombstone) => index.forget(tombstone.number),
            }
            if is_appended == Some(true) {
                manifests.last = Some((sealed.place, sealed.head));
            }
        } else {
            manifests.damaged.get_or_insert((at, 0)).1 += 1;
        }
        if is_appended == Some(false) {
            match manifests.foreign.last_mut().filter(|last| last.end == at) {
                Some(last) => last.end = end,
                None => manifests.foreign.push(at..end),
            }
        }
        manifests.hash.update(&*line);
        manifests.bytes = end;
        Ok(true)
    }
}
